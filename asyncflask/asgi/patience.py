"""How long a client may keep us waiting: with its request body, and with taking what is sent to it."""

from __future__ import annotations

import logging
import types
import typing as t

from werkzeug.exceptions import RequestTimeout

from ..lazy import late_module
from .disconnect import Listener

if t.TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

Message = dict[str, t.Any]
Receive = t.Callable[[], t.Awaitable[Message]]
Send = t.Callable[[Message], t.Awaitable[None]]

UNBUFFERED = 64 * 1024
"""Bytes of a whole body from which on servers may have to wait until the client has taken them."""

log: logging.Logger = logging.getLogger("asyncflask.asgi")


class InTime:
    """``receive`` for a request body whose client has `seconds` for all of it.

    Only the time in which we wait for the client counts, so a slow consumer of a streamed body takes nothing from it.
    """

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive = receive
        self._left = seconds
        self._seconds = seconds

    async def __call__(self) -> Message:
        """Receive a message. Raises RequestTimeout, 408, when the time is used up."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._left):
                return await self._receive()
        except TimeoutError:
            raise RequestTimeout(f"The request body did not arrive within {self._seconds:g} seconds.") from None
        finally:
            self._left = max(0.0, self._left - (loop.time() - began))


class Pace:
    """``send`` for one answer: a client that takes nothing for too long is given up, one that waits gets heartbeats.

    Args:
        send: the ASGI callable.
        seconds: how long the client may take over one message; None for no limit.
        listener: of the request; needed for heartbeats.
        heartbeat: after how many seconds without a piece a heartbeat is sent, and the bytes that it is made of.
    """

    def __init__(
        self,
        send: Send,
        seconds: float | None,
        listener: Listener | None = None,
        heartbeat: tuple[float, bytes] | None = None,
    ) -> None:
        self._send = send
        self._seconds = seconds
        self._listener = listener
        self._heartbeat = heartbeat
        self._lock = asyncio.Lock()  # a heartbeat and a piece are not sent at once
        self._sent_at = 0.0
        self._over = False

    def __call__(self, message: Message) -> t.Coroutine[t.Any, t.Any, None]:
        """Send a message. Raises OSError, when awaited, if the client has left, or has been given up."""
        if self._heartbeat is None or self._listener is None:
            return self._deliver(message)
        return self._deliver_beating(message, self._listener, self._heartbeat)

    async def _deliver_beating(self, message: Message, listener: Listener, heartbeat: tuple[float, bytes]) -> None:
        async with self._lock:
            await self._deliver(message)
            self._sent_at = asyncio.get_running_loop().time()
        if message["type"] == "http.response.start":
            listener.keep(asyncio.get_running_loop().create_task(self._beat(listener, *heartbeat)))
        elif not message.get("more_body", False):
            self._over = True

    async def _deliver(self, message: Message) -> None:
        steps = self._send(message).__await__()
        try:
            wish = next(steps)
        except StopIteration:  # the usual case: the server has taken it at once, and no time was to be watched
            return
        try:
            async with asyncio.timeout(self._seconds):
                await _rest(wish, steps)
        except TimeoutError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        log.info("A client took nothing of its answer for %g seconds: its connection is closed.", self._seconds)
        # Servers send what they hold before they close, which such a client never lets them do. ASGI has no word for
        # it; where the transport can be seen, as uvicorn's, the connection is dropped.
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        abort = getattr(transport, "abort", None)
        if abort is not None:
            abort()

    async def _beat(self, listener: Listener, every: float, beat: bytes) -> None:
        loop = asyncio.get_running_loop()
        while not self._over:
            wait = self._sent_at + every - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            try:
                await self({"type": "http.response.body", "body": beat, "more_body": True})
            except OSError:
                listener.leave()
                return


@types.coroutine
def _rest(wish: t.Any, steps: t.Any) -> t.Generator[t.Any, t.Any, None]:
    """Await the rest of what has taken its first step, which asked for `wish`."""
    try:
        yield wish
    except BaseException as error:
        throw = getattr(steps, "throw", None)
        if throw is None:
            raise
        try:
            wish = throw(error)
        except StopIteration:
            return
        yield wish
    yield from steps
