"""Sending a response body piece by piece: from a thread, from an async iterator, and until the client leaves.

Every step of the body's iterator runs in the exchange's own ``contextvars`` context; what the server's ``send`` does
runs outside of it, so that nothing a request has set can reach the next request of the connection.
"""

from __future__ import annotations

import threading
import typing as t
from contextvars import Context

from ..lazy import late_module
from ..threads import Bridge, InContext, InThread, is_interrupted, this_thread
from .disconnect import Listener, cancelled_when_left

if t.TYPE_CHECKING:
    import asyncio

    from ..wrappers import Response
else:
    asyncio = late_module("asyncio")

Message = dict[str, t.Any]
Receive = t.Callable[[], t.Awaitable[Message]]
Send = t.Callable[[Message], t.Awaitable[None]]

Contexts = tuple[Context, Context]
"""The context of the exchange, and the one in which the server called us."""

End = t.Callable[[], t.Any]
"""Ends the request, if a step of the body has kept its context and let go of it now; on the loop it is awaited."""

LAST: Message = {"type": "http.response.body", "body": b"", "more_body": False}

PIECES_PER_TURN = 8
"""After so many pieces others get their turn: neither a body nor a server whose client has left need ever suspend."""

_END: t.Any = object()


class ClientGone(Exception):
    """The client has left; there is nobody to send to."""


async def deliver(send: Send, message: Message) -> None:
    """Send one message; raises ClientGone where the server reports by an OSError that the client has left."""
    try:
        await send(message)
    except OSError as error:
        raise ClientGone from error


class Interrupt:
    """Ends, when the answer is to end, what the generator in a thread waits for on the loop.

    Args:
        listener: of the request.

    What else it waits for cannot be ended: such a stream ends at its next piece. Made in the thread.
    """

    def __init__(self, listener: Listener) -> None:
        self._job = this_thread().job
        self._lock = threading.Lock()
        self._in_step = False
        if self._job is not None:
            listener.loop.call_soon_threadsafe(listener.when_left, self._end)

    def _end(self) -> None:
        with self._lock:
            if self._in_step and self._job is not None:
                self._job.cancel()

    def step(self, context: Context, pieces: t.Any) -> t.Any:
        """Return the next piece, or `_END`."""
        with self._lock:
            self._in_step = True
        try:
            return context.run(next, pieces, _END)
        finally:
            with self._lock:
                self._in_step = False


def stream_from_thread(
    response: Response,
    start: Message,
    bridge: Bridge,
    contexts: Contexts,
    send: Send,
    listener: Listener,
    end: End,
    body: bytes | None = None,
) -> None:
    """Send a response from the worker thread that runs in it: the start, every piece, the end; and close it.

    Each piece waits until the server has taken the one before. A `body` that is there as a whole is the only piece.
    `end` is called after the last piece, and after a close that came before that.
    """
    inside, outside = contexts
    interrupt, complete = Interrupt(listener), False
    try:
        bridge.run(deliver(send, start), outside)
        try:
            pieces = inside.run(response.asgi_pieces) if body is None else iter((body,))
            while not complete:
                piece = interrupt.step(inside, pieces)
                if listener.gone or is_interrupted():
                    break
                complete = piece is _END
                if piece and not complete:
                    bridge.run(deliver(send, part(piece)), outside)
        except asyncio.CancelledError:
            if not listener.gone:
                raise
        finally:
            is_interrupted()  # the rest is to run
            end()
        if complete or listener.cleanly:
            bridge.run(deliver(send, LAST), outside)
    except ClientGone:
        return
    finally:
        try:
            inside.run(response.close)
        finally:
            end()


async def stream_on_loop(
    response: Response, start: Message, bridge: Bridge, context: Context, send: Send, listener: Listener, end: End
) -> None:
    """As `stream_from_thread`, on the loop: for an async iterable, a file, or a sync one that is to run in place."""
    try:
        # Teardown and closing are left out of what the client's leaving cancels: they have to come to their ends.
        try:
            await deliver(send, start)
            async with cancelled_when_left(listener):
                await _send_pieces(response, bridge, context, send, listener)
        finally:
            await end()
        if not listener.gone:
            async with cancelled_when_left(listener):
                await deliver(send, LAST)
        elif listener.cleanly:
            await deliver(send, LAST)
    except ClientGone:
        return
    finally:
        await close_on_loop(response, bridge, context, end)


async def _send_pieces(response: Response, bridge: Bridge, context: Context, send: Send, listener: Listener) -> None:
    taken = 0
    pieces = context.run(_pieces, response)
    following = _read if response.reads_file else _next
    while True:
        step = following(pieces)
        try:
            wish = context.run(step.send, None)
        except StopIteration as end:  # the usual case: there is nothing to wait for
            piece = end.value
        else:
            piece = await InContext(step, context, bridge, wish)
        if piece is _END:
            return
        if listener.gone:
            return
        if piece:
            await deliver(send, part(piece))
        taken += 1
        if taken % PIECES_PER_TURN == 0:
            await asyncio.sleep(0)


async def send_path(
    response: Response, path: str, start: Message, bridge: Bridge, context: Context, send: Send, end: End
) -> None:
    """Let the server send a file. (ASGI specification, Path Send extension.)"""
    try:
        await deliver(send, start)
        await deliver(send, {"type": "http.response.pathsend", "path": path})
    except ClientGone:
        return
    finally:
        await close_on_loop(response, bridge, context, end)


async def close_on_loop(response: Response, bridge: Bridge, context: Context, end: End) -> None:
    """Close a response that was sent, or left in the middle; then end the request if it is still to be ended."""
    try:
        await InContext(response.close_async(), context, bridge)
    finally:
        await end()


def part(piece: bytes) -> Message:
    """Return the message for a piece of a body that is not the last."""
    return {"type": "http.response.body", "body": piece, "more_body": True}


def _pieces(response: Response) -> t.Any:
    return response.asgi_pieces_async() if response.is_async_iterable else response.asgi_pieces()


async def _next(pieces: t.Any) -> t.Any:
    return await anext(pieces, _END) if hasattr(pieces, "__anext__") else next(pieces, _END)


async def _read(pieces: t.Any) -> t.Any:
    # Reading waits for the disk; the thread is had for one step, so that no slow client keeps it.
    return await InThread(next, (pieces, _END), "stream")
