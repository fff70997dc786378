"""A client on the Python SDK 1.x. It takes the commands of program.py.

    python client.py
"""

from contextlib import asynccontextmanager

import httpx
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client

from program import credentials, run, text_of, visit

stores = {}


class Session:
    def __init__(self, session, version):
        self.session, self.version = session, version

    async def list(self):
        return [tool.name for tool in (await self.session.list_tools()).tools]

    async def call(self, tool, arguments):
        result = await self.session.call_tool(tool, arguments)
        return text_of(result, result.isError)


@asynccontextmanager
async def connect(command):
    answer = {}

    async def redirect(url):
        answer.update(await visit(url))

    async def callback():
        return answer.pop("code", ""), answer.pop("state", None)

    metadata, storage = credentials(command, stores)
    provider = OAuthClientProvider(command["url"], metadata, storage, redirect_handler=redirect, callback_handler=callback)
    # With httpx's own five seconds an event stream would end whenever it is silent: these are the library's when it makes the client.
    async with httpx.AsyncClient(auth=provider, timeout=httpx.Timeout(30, read=300)) as http:
        async with streamable_http_client(command["url"], http_client=http) as (read, write, _):
            async with ClientSession(read, write) as session:
                yield Session(session, (await session.initialize()).protocolVersion)


run(connect)
