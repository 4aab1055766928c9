"""Taking a request body off a WSGI server's input, in the server's thread, before code on a loop wants it."""

from __future__ import annotations

import typing as t

from ..wrappers.body import Body
from ..wrappers.stream import BodyInput

if t.TYPE_CHECKING:
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
    length = str(environ.get("CONTENT_LENGTH") or "")
    declared = int(length) if length.isdecimal() else None
    source = environ.get("wsgi.input")
    if source is None or not (declared or "HTTP_TRANSFER_ENCODING" in environ or environ.get("wsgi.input_terminated")):
        return
    body = Body(limit, declared)

    def fill() -> None:
        _fill(body, source)

    fill()
    if body.over_limit:
        body.refill = fill
    environ["wsgi.input"] = BodyInput()
    request.asgi_body = body


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
