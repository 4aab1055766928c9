"""Bodies read as files: pulled from the client piece by piece, or through ``wsgi.input``."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar, cast

from werkzeug.exceptions import BadRequest, ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.wsgi import LimitedStream, get_input_stream

from ..lazy import late_module
from .body import TOO_LONG, Body

if TYPE_CHECKING:
    import asyncio

    from _typeshed.wsgi import WSGIEnvironment
else:
    asyncio = late_module("asyncio")

T = TypeVar("T")


class Block(Protocol):
    """Runs an awaitable on the loop from a worker thread and waits for its result."""

    def __call__(self, awaitable: Awaitable[T], /) -> T: ...


class BodyStream(io.BufferedIOBase):
    """The unread body of a request whose route has ``stream_body=True``.

    On the loop: ``async for chunk in request.stream`` or ``await request.stream.aread(n)``. In a thread: a binary file
    (``read``, ``readline``, iteration), which waits for the client. One consumer at a time.

    Args:
        pull: gives the next piece, ``b""`` at the end; raises ``ClientDisconnected`` if the client left.
        block: how a thread waits for ``pull``.
        limit: the most bytes to accept, or ``None``.
        content_length: what the client declared, or ``None``.
    """

    def __init__(
        self,
        pull: Callable[[], Awaitable[bytes]],
        block: Block,
        limit: int | None = None,
        content_length: int | None = None,
    ) -> None:
        self.pull = pull
        self.block = block
        self.limit = limit
        self.content_length = content_length
        #: Bytes pulled so far.
        self.received: int = 0
        self._pending = bytearray()
        self._ended = False
        self._failure: HTTPException | None = None

    # Bookkeeping, the same for both kinds of reader

    @property
    def over_limit(self) -> bool:
        """Whether more than ``limit`` bytes were declared or have come."""
        return self.limit is not None and max(self.received, self.content_length or 0) > self.limit

    def raise_limit(self, limit: int | None) -> bool:
        """Set another limit. Returns whether there is more to read."""
        self.limit = limit
        return not (self._ended or self._failure or self.over_limit)

    def cut(self) -> None:
        """The client left: whoever reads on gets 400."""
        if not self._ended:
            self._failure = self._failure or ClientDisconnected()

    def _may_pull(self) -> bool:
        if self._failure is not None:
            raise self._failure
        if self.over_limit:
            raise RequestEntityTooLarge()
        if self.content_length is not None and self.received >= self.content_length:
            self._ended = True
        return not self._ended

    def _arrived(self, chunk: bytes) -> bytes:
        # Counts a piece and returns what of it may be handed on.
        if not chunk:
            self._ended = True
            if self.content_length is not None and self.received < self.content_length:
                self._failure = ClientDisconnected()
                raise self._failure
            return b""
        self.received += len(chunk)
        if self.content_length is not None:
            if self.received > self.content_length:
                self._failure = BadRequest(TOO_LONG)
                raise self._failure
        elif self.over_limit:
            self._failure = RequestEntityTooLarge()
            raise self._failure
        return chunk

    # On the loop

    async def _pulled(self) -> bytes:
        return self._arrived(await self.pull()) if self._may_pull() else b""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next piece as it came, never empty."""
        chunk = await self.next_piece()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def next_piece(self) -> bytes:
        """The next piece as it came, b"" at the end; on the loop."""
        return self._take(len(self._pending)) or await self._pulled()

    async def aread(self, size: int | None = -1) -> bytes:
        """Read on the loop.

        Args:
            size: how many bytes; fewer come only at the end. Negative or ``None``: all.

        Raises:
            RequestEntityTooLarge: 413, over the limit.
            ClientDisconnected: 400, the client left.
        """
        while size is None or size < 0 or len(self._pending) < size:
            chunk = await self._pulled()
            if not chunk:
                break
            self._pending += chunk
        return self._take(size)

    # In a thread

    def _fill(self) -> bool:
        self._refuse_on_loop()
        chunk = self._arrived(self.block(self.pull())) if self._may_pull() else b""
        self._pending += chunk
        return bool(chunk)

    def _refuse_on_loop(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise RuntimeError(
            "The body of a 'stream_body=True' route was read as a file on the event loop, which would block it: use"
            " 'async for chunk in request.stream' or 'await request.stream.aread()', or make the view a 'def'."
        )

    def _take(self, size: int | None) -> bytes:
        if size is None or size < 0:
            size = len(self._pending)
        taken = bytes(self._pending[:size])
        del self._pending[:size]
        return taken

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read in a thread; as ``aread``."""
        while (size is None or size < 0 or len(self._pending) < size) and self._fill():
            pass
        return self._take(size)

    def read1(self, size: int = -1, /) -> bytes:
        """Read what one piece brings, at most ``size`` bytes."""
        if not self._pending and size:
            self._fill()
        return self._take(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read up to and with the next newline, at most ``size`` bytes."""
        looked_at = 0
        while (end := self._pending.find(b"\n", looked_at) + 1) == 0:
            looked_at = len(self._pending)
            if (size is not None and 0 <= size <= looked_at) or not self._fill():
                end = len(self._pending)
                break
        return self._take(end if size is None or size < 0 else min(end, size))


class NoBody(io.BytesIO):
    """The stream of a request without a body: at its end for every kind of reader."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    async def aread(self, size: int | None = -1) -> bytes:
        """Nothing."""
        return b""


class BodyInput(io.BufferedIOBase):
    """``wsgi.input`` of a request whose body is kept by us, possibly attached after the environ was made.

    Args:
        body: where the bytes are; ``None`` reads as empty.
        reader: one already opened on ``body``, to go on from its position.
    """

    def __init__(self, body: Body | BodyStream | None = None, reader: BinaryIO | BodyStream | None = None) -> None:
        self.body = body
        self._reader = reader

    def opened(self, limit: int | None) -> BinaryIO | BodyStream:
        """What this input reads from, if the body may be read under ``limit`` (else 413 or 400)."""
        if self._reader is None:
            if self.body is None:
                return NoBody()
            self._reader = open_body(self.body, limit)
        return self._reader

    def _source(self) -> BinaryIO | BodyStream:
        return self.opened(None if self.body is None else self.body.limit)

    def attach(self, body: Body | BodyStream | None, reader: BinaryIO | BodyStream | None = None) -> None:
        """Say where the bytes are, before the first one is read."""
        self.body, self._reader = body, reader

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, refusing what ``Body.check`` refuses."""
        return self._source().read(-1 if size is None else size)

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size)

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._source().readline(-1 if size is None else size)


def open_body(body: Body | BodyStream, limit: int | None) -> BinaryIO | BodyStream:
    """A reader of ``body``, if it may be read under ``limit`` (else 413 or 400, see ``Body.check``)."""
    if isinstance(body, BodyStream):
        body.limit = limit
        if body.over_limit:
            raise RequestEntityTooLarge()
        return body
    body.check(limit)
    return body.open()


class WholeOrRefused(LimitedStream):
    """A terminated ``wsgi.input`` under a limit: a longer body is 413, where Werkzeug would hand out its beginning.

    Args:
        stream: the input.
        limit: the most bytes to hand out.
    """

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__(stream, limit, is_max=True)
        self.input = stream
        self.refused: bool = False

    def on_exhausted(self) -> None:
        """At the limit: fine if the input ends here too.

        Raises:
            RequestEntityTooLarge: there is more.
        """
        self.refused = self.refused or bool(self.input.read(1))
        if self.refused:
            raise RequestEntityTooLarge()

    def readall(self) -> bytes:
        """The rest, or 413."""
        rest = super().readall()
        if self.is_exhausted:
            self.on_exhausted()
        return rest


def limited_input(environ: WSGIEnvironment, limit: int | None) -> IO[bytes]:
    """The body in a WSGI environ, safe to read.

    Args:
        environ: made by a WSGI server, a middleware or a test.
        limit: the most bytes to accept, or ``None``.

    Raises:
        RequestEntityTooLarge: the declared length exceeds ``limit``.
    """
    stream = get_input_stream(environ, max_content_length=limit)
    if limit is not None and "wsgi.input_terminated" in environ:
        return cast("IO[Any]", WholeOrRefused(environ["wsgi.input"], limit))
    return stream
