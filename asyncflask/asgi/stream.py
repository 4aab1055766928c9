"""Sending a response body piece by piece: from a thread, from an async iterator, and until the client leaves.

Every step of the body's iterator runs in the exchange's own ``contextvars`` context; what the server's ``send`` does
runs outside of it, so that nothing a request has set can reach the next request of the connection.
"""

from __future__ import annotations

import typing as t
from contextvars import Context

from ..lazy import late_module
from ..threads import Bridge, InContext, is_interrupted
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
    try:
        bridge.run(deliver(send, start), outside)
        try:
            pieces = inside.run(response.asgi_pieces) if body is None else iter((body,))
            while (piece := inside.run(next, pieces, _END)) is not _END:
                if listener.gone or is_interrupted():
                    return
                if piece:
                    bridge.run(deliver(send, part(piece)), outside)
        finally:
            end()
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
    """As `stream_from_thread`, on the loop: for an async iterable, or a sync one that is to run in place."""
    try:
        # Teardown and closing are left out of what the client's leaving cancels: they have to come to their ends.
        try:
            async with cancelled_when_left(listener):
                await deliver(send, start)
                await _send_pieces(response, bridge, context, send, listener)
        finally:
            await end()
        async with cancelled_when_left(listener):
            if not listener.gone:
                await deliver(send, LAST)
    except ClientGone:
        return
    finally:
        await close_on_loop(response, bridge, context, end)


async def _send_pieces(response: Response, bridge: Bridge, context: Context, send: Send, listener: Listener) -> None:
    taken = 0
    pieces = context.run(_pieces, response)
    while (piece := await InContext(_next(pieces), context, bridge)) is not _END:
        if listener.gone:
            return
        if piece:
            await deliver(send, part(piece))
        taken += 1
        if taken % PIECES_PER_TURN == 0:
            await asyncio.sleep(0)


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
