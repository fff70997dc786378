"""An MCP server on the Python SDK 2.x on 127.0.0.1:PORT, endpoint PATH, in both eras: the tools add and echo, no authorization whatever.

With --stateless, the revisions of 2025 have no sessions; that of 2026-07-28 never has. The library checks Host itself: it serves 127.0.0.1 and localhost alone.

    python server.py PORT PATH [--stateless]
"""

import sys

from mcp.server.mcpserver import MCPServer

port, path, *options = sys.argv[1:]

server = MCPServer("python", version="1.0.0")


@server.tool()
def add(a: int | float, b: int | float) -> str:
    """Adds two numbers"""
    return str(a + b)


@server.tool()
def echo(text: str) -> str:
    """Says what it is told"""
    return text


server.run("streamable-http", port=int(port), streamable_http_path=path, stateless_http="--stateless" in options)
