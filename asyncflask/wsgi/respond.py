"""Our own response, given to a WSGI server that iterates it in its own thread and time."""

from __future__ import annotations

import typing as t
from contextvars import Context

from ..threads import Bridge

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from ..wrappers import Response

End = t.Callable[[], None]


def respond(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    response: Response,
    context: Context,
    bridge: Bridge,
    end: End,
) -> t.Iterable[bytes]:
    """Give a finished response to a WSGI server.

    Args:
        environ: the environ of the request.
        start_response: the server's.
        response: called as a WSGI application, unless its body is an async iterable.
        context: the Context of the exchange: every step of the body and its close run in there.
        bridge: where async iterables are awaited.
        end: called after the last piece and after the close, to end a request whose context the body has kept.

    Returns:
        the body, to be iterated and closed by the server in whatever thread it likes.
    """
    if getattr(response, "is_async_iterable", False):
        headers = context.run(response.get_wsgi_headers, environ)
        start_response(response.status, headers.to_wsgi_list())
        bodiless = (
            environ["REQUEST_METHOD"] == "HEAD" or response.status_code in (204, 304) or response.status_code < 200
        )
        return _AwaitedBody(response, context, bridge, end, empty=bodiless)
    return _BodyInContext(context.run(response, environ, start_response), context, end)


_END: t.Any = object()
"""What stands for the end of a body; None may be a wrong piece of it, which the server refuses."""


class _BodyInContext:
    """An iterable that takes each of its steps in a given Context, and closes there, once."""

    def __init__(self, body: t.Iterable[bytes], context: Context, end: End) -> None:
        self._body: t.Any = body
        self._context = context
        self._end_request = end
        self._steps: t.Iterator[bytes] | None = None

    def __iter__(self) -> t.Self:
        return self

    def __next__(self) -> bytes:
        if self._steps is None:
            self._steps = t.cast("t.Iterator[bytes]", self._context.run(iter, self._body))
        piece: bytes = _END
        try:
            piece = self._context.run(next, self._steps, _END)
        finally:
            if piece is _END:
                self._end_request()
        if piece is _END:
            raise StopIteration
        return piece

    def close(self) -> None:
        body, self._body, self._steps = self._body, (), None
        close = getattr(body, "close", None)
        try:
            if close is not None:
                self._context.run(close)
        finally:
            self._end_request()


class _AwaitedBody:
    """An async body as a WSGI server wants it: each step waits for the loop."""

    def __init__(self, response: Response, context: Context, bridge: Bridge, end: End, *, empty: bool) -> None:
        self._response: Response | None = response
        self._source: t.Any = response.response
        self._bridge = bridge
        self._context = context
        self._end_request = end
        self._empty = empty
        self._steps: t.Any = None

    def __iter__(self) -> t.Self:
        return self

    def __next__(self) -> bytes:
        if self._empty:
            raise StopIteration
        piece: bytes = _END
        try:
            piece = self._bridge.run(self._step(), self._context)
        finally:
            if piece is _END:
                self._empty = True
                self._end_request()
        if piece is _END:
            raise StopIteration
        return piece

    async def _step(self) -> bytes:
        if self._steps is None:
            self._steps = aiter(self._source)
        async for piece in self._steps:
            return piece.encode() if isinstance(piece, str) else t.cast(bytes, piece)
        return t.cast(bytes, _END)

    def close(self) -> None:
        """End the iterator, and run what was registered to be called on close."""
        response, self._response, self._empty = self._response, None, True
        if response is None:
            return
        try:
            self._bridge.run(self._end(), self._context)
        finally:
            try:
                self._context.run(response.close)
            finally:
                self._end_request()

    async def _end(self) -> None:
        aclose = getattr(self._source if self._steps is None else self._steps, "aclose", None)
        if aclose is not None:
            await aclose()
