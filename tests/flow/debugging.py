"""An application with a debugger in front of it, and somebody at its pages."""

from __future__ import annotations

import asyncio
import re
from html import unescape

import httpx

from asyncflask.serving.debugger import DebuggedApplication

HTML = {"Accept": "text/html,*/*;q=0.8"}
LOOPBACK = ("127.0.0.1", 50000)


class Visitor:
    """Makes the requests that a browser makes of a debugged application: with cookies, and as its page's script does.

    Args:
        app: the ASGI application behind the debugger.
        peer: where the requests come from.
        options: of the debugger; evalex is on.
    """

    def __init__(self, app, peer=LOOPBACK, base="http://localhost:5000", **options):
        self.app = app
        self.debugged = DebuggedApplication(app, **{"evalex": True} | options)
        self.base = base
        self.client = self.from_peer(peer)

    def from_peer(self, peer):
        transport = httpx.ASGITransport(app=self.debugged, client=peer)
        return httpx.AsyncClient(transport=transport, base_url=self.base)

    async def open(self, path, **options):
        """Open a page and take its secret and its frames."""
        answer = await self.client.get(path, headers=HTML, **options)
        self.page = answer
        self.frames = [int(number) for number in re.findall(r'<div class="frame" id="frame-(\d+)">', answer.text)]
        return answer

    @property
    def functions(self):
        """The names of the functions in the traceback."""
        return re.findall(r'in <code class="function">([^<]+)</code>', self.page.text)

    @property
    def is_interactive(self):
        return "EVALEX = true" in self.page.text

    async def ask(self, headers=None, client=None, path="/", **query):
        """Ask for something as the page's script does."""
        secret = re.search(r'SECRET = "([^"]*)"', self.page.text)[1]
        query = {"__debugger__": "yes", "s": secret} | query
        return await (client or self.client).get(
            path, params=query, headers=headers or {"Sec-Fetch-Site": "same-origin"}
        )

    async def unlock(self, pin=None):
        return (await self.ask(cmd="pinauth", pin=pin or self.debugged.pin)).json()

    async def run(self, line, frame=-1, **options):
        """Run a line of code in a frame, the last one unless said; return what its console shows, as text."""
        number = self.frames[frame] if self.frames else 0
        answer = await self.ask(cmd=line, frm=number, **options)
        assert answer.status_code == 200, answer.text
        text = unescape(re.sub(r"<[^>]+>", "", answer.text))
        return text.removeprefix(f">>> {line}\n").strip()

    async def leave(self):
        await self.client.aclose()
        await asyncio.to_thread(self.debugged.close)
