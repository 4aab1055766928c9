"""Taking a request body off a WSGI server's input, in the server's thread, before code on a loop wants it."""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import ClientDisconnected

from ..wrappers.body import Body
from ..wrappers.stream import BodyInput, BodyStream

if t.TYPE_CHECKING:
    from ..threads import Bridge
    from ..wrappers import Request

CHUNK = 64 * 1024
"""Most bytes of one read."""


def read_ahead(request: Request, limit: int | None) -> None:
    """Read the whole body of a WSGI request, so that an ``async def`` view finds it there.

    Args:
        request: made from an environ; nobody has read from it.
        limit: the most bytes to take. What is over it is refused with 413 when the body is first wanted.
    """
    environ = request.environ
    source, declared = _input_of(environ)
    if source is None:
        return
    body = Body(limit, declared)

    def fill() -> None:
        _fill(body, source)

    fill()
    if body.over_limit:
        body.refill = fill
    environ["wsgi.input"] = BodyInput()
    request.asgi_body = body


def read_on_demand(request: Request, limit: int | None, bridge: Bridge) -> None:
    """Let an ``async def`` view read the body of a WSGI request by itself, as it can under ASGI.

    Args:
        request: made from an environ; nobody has read from it.
        limit: the most bytes to take.
        bridge: where the server's input is read from, in a worker thread, while the server's own waits for the view.
    """
    source, declared = _input_of(request.environ)
    left = declared

    async def pull() -> bytes:
        nonlocal left
        most = CHUNK if left is None else min(CHUNK, left)
        if source is None or not most:
            return b""
        try:
            piece: bytes = await bridge.submit(source.read, most, side=True)
        except OSError as error:
            raise ClientDisconnected() from error
        if left is not None:
            left -= len(piece)
        return piece

    stream = BodyStream(pull, lambda awaitable: bridge.run(awaitable, None), limit, declared)
    request.asgi_body = stream
    vars(request)["stream"] = stream


def _input_of(environ: dict[str, t.Any]) -> tuple[t.Any, int | None]:
    """Return the server's input, None if there is nothing to be read from it, and the declared length."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    declared = int(length) if length.isdecimal() else None
    there = declared or "HTTP_TRANSFER_ENCODING" in environ or environ.get("wsgi.input_terminated")
    return environ.get("wsgi.input") if there else None, declared


def _fill(body: Body, source: t.Any) -> None:
    while body.wants_more:
        left = CHUNK if body.content_length is None else body.content_length - body.received
        try:
            piece = source.read(min(CHUNK, left))
        except OSError:  # the client has left
            body.cut()
            return
        if not piece:
            body.finish()
            return
        body.feed(piece)
        if body.needs_spool:
            body.spool()
