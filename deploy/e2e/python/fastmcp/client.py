"""A client on FastMCP. It takes the commands of program.py.

    python client.py
"""

import asyncio
import webbrowser
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from fastmcp import Client
from fastmcp.client.auth import OAuth
from key_value.aio.stores.memory import MemoryStore
from mcp.shared.auth import AuthorizationCodeResult

from program import REDIRECT_URI, beforehand, run, store_of, text_of, visit

stores = {}


class Browser(webbrowser.BaseBrowser):
    """The user's. The library opens it, after it has asked for the page once itself."""

    def open(self, url, new=0, autoraise=True):
        self.visited = asyncio.create_task(visit(url))
        return True


browser = Browser()
webbrowser.register("e2e", None, browser, preferred=True)


class Login(OAuth):
    """The library's own, without the server for the redirect: the browser says where that led to."""

    async def callback_handler(self):
        answer = await browser.visited
        return AuthorizationCodeResult(code=answer.get("code", ""), state=answer.get("state"), iss=answer.get("iss"))


class Session:
    def __init__(self, client):
        self.client, self.version = client, client.protocol_version

    async def list(self):
        return [tool.name for tool in await self.client.list_tools()]

    async def call(self, tool, arguments):
        result = await self.client.call_tool(tool, arguments, raise_on_error=False)
        return text_of(result, result.is_error)


@asynccontextmanager
async def connect(command):
    redirect = urlsplit(REDIRECT_URI)
    storage = store_of(command, stores, MemoryStore)
    login = Login(token_storage=storage, callback_host=redirect.hostname, callback_port=redirect.port, **beforehand(command))
    async with Client(command["url"], auth=login) as client:
        yield Session(client)


run(connect)
