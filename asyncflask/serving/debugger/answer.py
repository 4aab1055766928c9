"""An answer whose header is held back: until its first byte, the page of an error can take its place."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from ...asgi.stream import Message, Send

PATIENCE = 0.5
"""Seconds for which a header is held back: a stream whose first piece takes longer begins without it."""


class HeldBack:
    """Sends an answer, its header with the first byte after it, or after a while.

    Args:
        send: the server's.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._lock = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        #: whether anything was sent
        self.begun: bool = False

    async def __call__(self, message: Message) -> None:
        """ASGI's send."""
        if message["type"] == "http.response.start" and not self.begun and self._start is None:
            self._start = message
            self._timer = asyncio.get_running_loop().create_task(self._begin_later())
        elif self.begun or message.get("body", True) or not message.get("more_body", False):
            await self.begin()
            await self._send(message)

    async def begin(self) -> None:
        """Send the header, if there is one that was not sent yet."""
        await self.settle()
        await self._begin()

    async def settle(self) -> None:
        """Decide: what was not sent by now, is not sent by itself any more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            if not self._lock.locked():  # else it sends just now
                timer.cancel()
            await asyncio.wait([timer])

    async def _begin_later(self) -> None:
        await asyncio.sleep(PATIENCE)
        with suppress(OSError):  # the client has left, as the application will see
            await self._begin()

    async def _begin(self) -> None:
        async with self._lock:
            start, self._start = self._start, None
            if start is not None:
                self.begun = True
                await self._send(start)
