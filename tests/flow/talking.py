"""Talking to a websocket of an application in process, message by message, as a server would carry them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

from asyncflask.testing.transport import scope_from_environ

from .asking import environ_of

DENIAL = {"websocket.http.response": {}}


class Refused(Exception):
    """The handshake was not accepted; `sent` are the messages that said so."""

    def __init__(self, sent: list[dict[str, Any]]) -> None:
        super().__init__(sent)
        self.sent = sent

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])


class Talk:
    """One websocket connection from the client's side.

    Args:
        app: an ASGI application.
        tells: sending to a client that has gone raises OSError, as some servers do.
    """

    def __init__(self, app: Any, path: str, *, tells: bool = True, extensions: Any = DENIAL, **options: Any) -> None:
        subprotocols = options.pop("subprotocols", ())
        scope = scope_from_environ(environ_of(path, **options))
        scope |= {"type": "websocket", "scheme": "ws", "subprotocols": subprotocols, "extensions": extensions}
        del scope["method"]
        self.app, self.scope, self.tells = app, scope, tells
        self.to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.gone = False
        self.taken = 0  # messages that the application has taken

    async def _receive(self) -> dict[str, Any]:
        message = await self.to_app.get()
        self.taken += 1
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        if self.gone:
            if self.tells:
                raise OSError("the client has left")
            return
        self.from_app.put_nowait(message)

    def begin(self) -> None:
        self.to_app.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.ensure_future(self.app(self.scope, self._receive, self._send))

    async def next(self) -> dict[str, Any]:
        """Return the next message from the application; raise what it ended with if there is none to come."""
        get = asyncio.ensure_future(self.from_app.get())
        await asyncio.wait([get, self.task], return_when=asyncio.FIRST_COMPLETED)
        if get.done():
            return get.result()
        get.cancel()
        self.task.result()
        raise AssertionError("the application has ended and said nothing")

    async def accepted(self) -> dict[str, Any]:
        message = await self.next()
        if message["type"] == "websocket.accept":
            return message
        await self.task
        raise Refused([message, *self.rest()])

    def rest(self) -> list[dict[str, Any]]:
        return [self.from_app.get_nowait() for _ in range(self.from_app.qsize())]

    def say(self, data: str | bytes) -> None:
        kind = "text" if isinstance(data, str) else "bytes"
        self.to_app.put_nowait({"type": "websocket.receive", kind: data})

    async def hear(self) -> str | bytes:
        message = await self.next()
        assert message["type"] == "websocket.send", message
        return message["text"] if message.get("text") is not None else message["bytes"]

    async def closed(self) -> tuple[int, str]:
        """Wait for the application to close; return code and reason."""
        message = await self.next()
        assert message["type"] == "websocket.close", message
        await self.task
        assert not self.rest()
        return message["code"], message["reason"]

    def leave(self, code: int = 1001, reason: str = "") -> None:
        self.gone = True
        self.to_app.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})

    async def end(self) -> None:
        """Leave, and wait for the application to notice."""
        if not self.task.done() and not self.gone:
            self.leave()
        await self.task


@asynccontextmanager
async def talk(app: Any, path: str, **options: Any):
    """Open a websocket and have it accepted; leave it at the end. Refused: it was not accepted."""
    one = Talk(app, path, **options)
    one.begin()
    try:
        one.acceptance = await one.accepted()
        yield one
    finally:
        await one.end()
