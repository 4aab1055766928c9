"""The two bodies of an exchange on their way between a worker thread and the loop, each as fast as its slower side.

The worker waits only inside of ``bridge.run``, never for a lock that the loop would open: it may be the very thread
that the loop runs in (the sync test client).
"""

from __future__ import annotations

import asyncio
import io
import logging
import threading
import typing as t
from collections import deque
from contextlib import suppress

from werkzeug.exceptions import ClientDisconnected

Message = dict[str, t.Any]
Receive = t.Callable[[], t.Awaitable[Message]]
Send = t.Callable[[Message], t.Awaitable[None]]

READ_AHEAD = 256 * 1024
"""Most bytes of a request body that are taken from the server without anybody having asked for them."""

UNSENT = 64 * 1024
"""Bytes of a response that wait for the client before the worker waits as well."""

LEFT: Message = {"type": "http.disconnect"}

log: logging.Logger = logging.getLogger("asyncflask.wsgi")


class RequestCut(ClientDisconnected, ConnectionResetError):
    """The client left before its request body was complete: an OSError, and 400 where it becomes an answer."""


class Outbox:
    """The answer on its way from the worker to the loop. The worker writes; the loop sends, in batches."""

    def __init__(self, send: Send, loop: asyncio.AbstractEventLoop) -> None:
        self.wake: asyncio.Event = asyncio.Event()
        self.started: bool = False
        self.finished: bool = False
        self.gone: bool = False
        self._send = send
        self._loop = loop
        self._lock = threading.Lock()
        self._start: Message | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._batches = 0
        self._drained = asyncio.Event()
        self._closed = self._called = False

    # in the worker

    def start(self, message: Message) -> None:
        """The header: it leaves with what comes next."""
        self.started = True
        self._start = message

    def put(self, piece: bytes) -> bool:
        """Add a piece; return whether the worker should wait for `room` now."""
        with self._lock:
            self._pieces.append(piece)
            self._size += len(piece)
            full = self._size >= UNSENT
            self._call_loop()
        return full

    def finish(self) -> None:
        """The answer is complete."""
        with self._lock:
            self.finished = True
            self._call_loop()

    def _call_loop(self) -> None:
        if not self._called:
            self._called = True
            with suppress(RuntimeError):  # the loop is closed: the client has gone with it
                self._loop.call_soon_threadsafe(self.wake.set)

    # on the loop

    async def room(self) -> None:
        """Wait until the server has taken what was put, or nobody wants it any more."""
        while self._size >= UNSENT and not self.gone:
            self._drained.clear()
            await self._drained.wait()

    async def flush(self) -> int:
        """Send all that is there; return how many times there was something so far."""
        self.wake.clear()
        with self._lock:
            pieces, self._pieces, self._size = self._pieces, [], 0
            finished, self._called = self.finished, False
        start, self._start = self._start, None
        if (start or pieces or finished) and not self._closed and not self.gone:
            self._batches += 1
            self._closed = finished
            try:
                if start is not None:
                    await self._send(start)
                body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
                if body or finished:
                    await self._send({"type": "http.response.body", "body": body, "more_body": not finished})
            except OSError:  # how ASGI servers say that the client has left
                self.gone = True
        self._drained.set()
        return self._batches

    def abandon(self) -> None:
        """Nobody is there to send to."""
        self.gone = self.gone or not self._closed
        self._drained.set()


class Inbox:
    """The request body on its way from the loop to the worker. The loop receives, when asked; the worker takes."""

    def __init__(self, receive: Receive) -> None:
        self.ended: bool = False
        self.cut: bool = False
        self._receive = receive
        self._lock = threading.Lock()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._left: int | None = None
        self._message: asyncio.Task[None] | None = None
        self._client_left = False

    def expect(self, length: int) -> None:
        """The body has this length: what comes after it is dropped."""
        self._left = length
        self.ended = length == 0

    # on the loop

    async def fill(self) -> None:
        """Wait until there is something to take, or never will be."""
        while not (self._size or self.ended or self.cut):
            await self._next_message()

    async def watch(self, leave: t.Callable[[], None]) -> None:
        """Call `leave` when the client leaves; look for that no further than `READ_AHEAD` into an unread body."""
        while not self._client_left:
            if self._size >= READ_AHEAD:
                return
            await self._next_message()
        leave()

    async def _next_message(self) -> None:
        # The worker's wish and the watcher's are one wish; neither's end may lose the message.
        if self._message is None:
            self._message = asyncio.create_task(self._take_in())
        await asyncio.wait((self._message,))

    async def _take_in(self) -> None:
        try:
            message: Message = await self._receive()
        except Exception as error:
            log.log(logging.DEBUG if isinstance(error, OSError) else logging.ERROR, "receive() failed.", exc_info=error)
            message = LEFT
        finally:
            self._message = None
        if message["type"] == "http.disconnect":
            self._client_left = True
            self.cut = not self.ended
            return
        piece: bytes = message.get("body", b"")
        if self._left is not None:
            piece = piece[: self._left]
            self._left -= len(piece)
        if piece and not self.ended:
            with self._lock:
                self._pieces.append(piece)
                self._size += len(piece)
        self.ended = self.ended or self._left == 0 or not message.get("more_body", False)

    def abandon(self) -> None:
        """Nothing more will come."""
        self._client_left = True
        self.cut = not self.ended
        if self._message is not None:
            self._message.cancel()

    async def stop(self, watcher: asyncio.Task[None] | None) -> None:
        """End the tasks that listen."""
        tasks = [task for task in (watcher, self._message) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # in the worker

    def take(self, most: int) -> bytes | None:
        """Return up to `most` bytes, b"" at the end, None if there is nothing yet. Raises RequestCut."""
        with self._lock:
            if self._pieces:
                piece = self._pieces.popleft()
                if len(piece) > most:
                    self._pieces.appendleft(piece[most:])
                    piece = piece[:most]
                self._size -= len(piece)
                return piece
        if self.ended:
            return b""
        if self.cut:
            raise RequestCut("The client left before its request body was complete.")
        return None


class Input(io.RawIOBase):
    """``wsgi.input``, under the buffer that gives it its methods. Reading blocks the worker."""

    def __init__(self, inbox: Inbox, wait: t.Callable[[t.Coroutine[t.Any, t.Any, None]], None]) -> None:
        self._inbox = inbox
        self._wait = wait

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: t.Any) -> int:
        """Fill `buffer` with what is there, waiting if that is nothing. Returns how much it was, 0 at the end."""
        while (piece := self._inbox.take(len(buffer))) is None:
            self._wait(self._inbox.fill())
        buffer[: len(piece)] = piece
        return len(piece)
