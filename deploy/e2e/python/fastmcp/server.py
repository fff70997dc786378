"""A FastMCP server on 127.0.0.1:PORT, endpoint PATH, in both eras: the tools add and echo, no authorization whatever.

    python server.py PORT PATH
"""

import sys

from fastmcp import FastMCP

port, path = sys.argv[1:]

server = FastMCP("fastmcp", version="1.0.0")


@server.tool
def add(a: int | float, b: int | float) -> str:
    """Adds two numbers"""
    return str(a + b)


@server.tool
def echo(text: str) -> str:
    """Says what it is told"""
    return text


server.run("http", show_banner=False, host="127.0.0.1", port=int(port), path=path)  # the banner asks the registry for a newer version
