"""What the clients here share: the commands on standard input, the user with a browser, and a store of credentials in memory.

A client is a function connect(command) that gives an asynchronous context manager; entered, it is logged in and connected, and gives a
session: an object with version, list() and call(tool, arguments). Commands come as lines of JSON, and each is answered with one.
"""

import asyncio
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata  # the same in 1.x and 2.x

REDIRECT_URI = "http://127.0.0.1:8765/callback"  # nothing listens there: the answer is taken from the redirect itself
PATIENCE = 20  # seconds for a command


class Told(Exception):
    """An error that is one line already, to be said as it is."""


def told(error):
    """One line about an error. Of a group the first that is not a mere cancellation counts."""
    while isinstance(error, BaseExceptionGroup):
        error = next((e for e in error.exceptions if not isinstance(e, asyncio.CancelledError)), error.exceptions[0])
    text = " ".join(str(error).split())
    if isinstance(error, TimeoutError):
        text = f"timed out: {text or 'no answer'}"
    elif not isinstance(error, Told):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return text.encode()[:300].decode(errors="ignore")


def text_of(result, is_error):
    """The text of a tool's result."""
    text = getattr(result.content[0], "text", "") if result.content else ""
    if is_error:
        raise Told(text)
    return text


async def visit(url):
    """Follows a login as a browser with its user would; the parameters of the redirect in which it ends."""
    def get():
        try:
            with urllib.request.urlopen(f"{os.environ['BROWSER']}?visit={urllib.parse.quote(url, safe='')}", timeout=PATIENCE) as response:
                return response.read().decode()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"the login failed: {error.read().decode()}") from None

    answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(await asyncio.to_thread(get)).query))
    if "error" in answer:
        raise RuntimeError(f"not authorized: {answer['error']}: {answer.get('error_description', '')}")
    return answer


class Storage:
    """The TokenStorage of the mcp package, in memory."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


def store_of(command, stores, make):
    """The store of credentials that a command names."""
    return stores.setdefault(command.get("store", command["url"]), make())


def beforehand(command):
    """The client that was registered beforehand, if any. A public one has no secret."""
    return {name: value for name, value in command.get("client", {}).items() if value}


def credentials(command, stores):
    """The metadata for a registration, and the store of a command, into which a client goes that was registered beforehand."""
    common = {"client_name": "e2e", "redirect_uris": [REDIRECT_URI], "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"]}
    storage = store_of(command, stores, Storage)
    if given := beforehand(command):
        method = "client_secret_basic" if "client_secret" in given else "none"
        storage.client = OAuthClientInformationFull(**common, **given, token_endpoint_auth_method=method)
    return OAuthClientMetadata(**common, token_endpoint_auth_method="none"), storage


class Session:
    """A session in a task of its own. All calls are made there, inside the library's context managers, as an application would make
    them: many errors cancel what runs in these, and come out of the managers themselves."""

    def __init__(self, manager):
        self.work, self.lost = asyncio.Queue(), None
        self.answer = asyncio.get_running_loop().create_future()  # to what was asked last; at first, whether it is open
        self.task = asyncio.create_task(self.run(manager))

    async def run(self, manager):
        try:
            async with manager as session:
                self.answer.set_result(session.version)
                while work := await self.work.get():
                    try:
                        async with asyncio.timeout(PATIENCE):
                            self.answer.set_result(await work(session))
                    except Exception as error:
                        self.answer.set_exception(error)
        except BaseException as error:
            self.lost = told(error)

    async def answered(self):
        done, _ = await asyncio.wait({self.answer, self.task}, return_when=asyncio.FIRST_COMPLETED)
        if self.answer in done:
            return self.answer.result()
        raise Told(self.lost or "the library ended the session")

    async def do(self, work):
        if self.task.done():
            raise Told(f"no session any more: {self.lost}")
        self.answer = asyncio.get_running_loop().create_future()
        self.work.put_nowait(work)
        return await self.answered()

    async def end(self, patience):
        """Leaves the context managers, and so takes leave of the server."""
        if self.task.done():
            return
        self.work.put_nowait(None)
        await asyncio.wait({self.task}, timeout=patience)
        if not self.task.done():
            self.task.cancel()
            raise TimeoutError("the session did not end")
        if self.lost:
            raise Told(self.lost)


class Program:
    """Does what is said on standard input, line by line, until it ends."""

    def __init__(self, connect):
        self.open, self.session = connect, None

    async def do(self, command):
        match command["do"]:
            case "connect":
                return {"version": await self.connect(command) or ""}
            case "close":
                session, self.session = self.session, None
                if session:
                    await session.end(PATIENCE)
                return {}
            case "list" | "call" if not self.session:
                raise Told("no session")
            case "list":
                return {"tools": await self.session.do(lambda s: s.list())}
            case "call":
                return {"text": await self.session.do(lambda s: s.call(command["tool"], command.get("arguments", {})))}
            case unknown:
                return {"ok": False, "unsupported": True, "error": f"no command {unknown}"}

    async def connect(self, command):
        await self.leave(PATIENCE / 2)
        self.session = Session(self.open(command))
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.session.answered()
        except TimeoutError:
            self.session.task.cancel()
            self.session = None
            raise

    async def leave(self, patience):
        try:
            if self.session:
                await self.session.end(patience)
        except Exception as error:
            print(f"leaving: {told(error)}", file=sys.stderr)

    async def serve(self):
        answers, sys.stdout = sys.stdout, sys.stderr  # nothing else is said there
        while line := await asyncio.to_thread(sys.stdin.readline):
            try:
                answer = {"ok": True, **await self.do(json.loads(line))}
            except Exception as error:
                answer = {"ok": False, "error": told(error)}
            print(json.dumps(answer), file=answers, flush=True)
        await self.leave(PATIENCE)


def run(connect):
    asyncio.run(Program(connect).serve())
