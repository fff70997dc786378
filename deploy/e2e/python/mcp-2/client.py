"""A client on the Python SDK 2.x. It takes the commands of program.py.

MODE is the library's: auto (its default) asks for the era, legacy is the handshake of 2025.

    python client.py MODE
"""

import sys
from contextlib import asynccontextmanager

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult

from program import credentials, run, text_of, visit

(mode,) = sys.argv[1:]
stores = {}


class Session:
    def __init__(self, client):
        self.client, self.version = client, client.protocol_version

    async def list(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool, arguments):
        result = await self.client.call_tool(tool, arguments)
        return text_of(result, result.is_error)


@asynccontextmanager
async def connect(command):
    answer = {}

    async def redirect(url):
        answer.update(await visit(url))

    async def callback():
        return AuthorizationCodeResult(code=answer.pop("code", ""), state=answer.pop("state", None), iss=answer.pop("iss", None))

    metadata, storage = credentials(command, stores)
    provider = OAuthClientProvider(command["url"], metadata, storage, redirect_handler=redirect, callback_handler=callback)
    # With httpx2's own five seconds an event stream would end whenever it is silent: these are the library's when it makes the client.
    async with httpx2.AsyncClient(auth=provider, timeout=httpx2.Timeout(30, read=300)) as http:
        async with Client(streamable_http_client(command["url"], http_client=http), mode=mode) as client:
            yield Session(client)


run(connect)
