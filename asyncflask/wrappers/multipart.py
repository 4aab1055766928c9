"""A multipart form while it arrives: its parts one after the other, none of them kept anywhere.

Reading is written once, as coroutines that await only `Wish`: what is granted on the loop by awaiting, and in a thread
by blocking (`driven`, `in_thread`).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator, Mapping
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Generic, TypeVar, cast

from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Event, Field, File, NeedData, State

from ..lazy import late_module
from .form import PartDecoder
from .stream import BodyStream

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

T = TypeVar("T")

STEP = 64 * 1024
"""Most bytes that are decoded at once."""

BUFFER = 2 * STEP
"""Most bytes that the decoder keeps: what stands before the first part, or the header of a part, is no longer."""

WRITE_AT = 256 * 1024
"""Bytes that are collected for one write to a file."""

_CHARSETS = frozenset({"ascii", "us-ascii", "utf-8", "iso-8859-1"})


class Wish(Generic[T]):
    """What a coroutine of this module waits for.

    Args:
        on_loop: makes what is awaited on the loop.
        in_thread: does the same in a thread, where it may block.
    """

    __slots__ = ("in_thread", "on_loop")

    def __init__(self, on_loop: Callable[[], Awaitable[T]], in_thread: Callable[[], T]) -> None:
        self.on_loop: Callable[[], Awaitable[T]] = on_loop
        self.in_thread: Callable[[], T] = in_thread

    def __await__(self) -> Generator[Any, Any, T]:
        return (yield self)  # type: ignore[no-any-return]


def off_loop(function: Callable[..., T], *args: Any) -> Wish[T]:
    """Wish for a call that may wait for the disk."""
    return Wish(lambda: asyncio.to_thread(function, *args), lambda: function(*args))


async def driven(work: Coroutine[Any, Any, T], *, blocking: bool = False) -> T:
    """Run a coroutine of this module, on the loop; or `blocking`, in a thread, where this never suspends."""
    step: Callable[[Any], Any] = work.send
    value: Any = None
    try:
        while True:
            try:
                wish = step(value)
            except StopIteration as end:
                return cast(T, end.value)
            step = work.send
            try:
                value = wish.in_thread() if blocking else await wish.on_loop()
            except BaseException as error:
                step, value = work.throw, error
    finally:
        work.close()
        value = None  # an error in a frame of its own traceback is a reference cycle


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of this module in the calling thread."""
    try:
        driven(work, blocking=True).send(None)
    except StopIteration as end:
        return cast(T, end.value)
    raise AssertionError("a wish was granted by waiting, in a thread")


def multipart_boundary(mimetype: str, options: Mapping[str, str]) -> bytes:
    """The boundary that a Content-Type names. UnsupportedMediaType, BadRequest: see ``Request.multipart``."""
    if mimetype != "multipart/form-data":
        raise UnsupportedMediaType("A multipart form is expected here, as 'multipart/form-data'.")
    boundary = options.get("boundary")
    if not boundary or not boundary.isascii():
        raise BadRequest("The multipart form has no valid boundary in its Content-Type.")
    return boundary.encode("ascii")


class MultipartStream:
    """The parts of a multipart form, in the order in which they arrive, each to be read before the next one.

    ``async for part in stream`` on the loop, ``for part in stream`` in a thread. What is left of a part when the next
    one is asked for is passed over. Nothing is read ahead of the consumer but one piece from the server.

    Args:
        source: the body.
        boundary: as in the Content-Type.
        total: the length of the body in bytes, if it is known.
        max_field_size: the most bytes that `Part.read` takes, unless it is told otherwise.
        max_parts: how many parts there may be.

    Iterating raises:
        BadRequest: 400, it is not a multipart form, or ends early.
        RequestEntityTooLarge: 413, too many parts, one with an immense header, or a body over its limit.
    """

    def __init__(
        self,
        source: BodyStream | IO[bytes],
        boundary: bytes,
        total: int | None = None,
        max_field_size: int | None = None,
        max_parts: int | None = None,
    ) -> None:
        #: The length of the whole form in bytes, as the client has declared it; None if it has not.
        self.total = total
        #: Bytes of the form that have been read so far.
        self.received: int = 0
        self.max_field_size = max_field_size
        self._source = source
        self._decoder = PartDecoder(boundary, BUFFER, max_parts=max_parts)
        self._undecoded = memoryview(b"")
        self._part: Part | None = None
        self._ended = False

    def __iter__(self) -> Iterator[Part]:
        return self

    def __next__(self) -> Part:
        part = in_thread(self._next_part())
        if part is None:
            raise StopIteration
        return part

    def __aiter__(self) -> AsyncIterator[Part]:
        return self

    async def __anext__(self) -> Part:
        part = await driven(self._next_part())
        if part is None:
            raise StopAsyncIteration
        return part

    async def _next_part(self) -> Part | None:
        if self._part is not None:
            while await self.next_data(self._part) is not None:
                pass
        while not self._ended:
            event = await self._next_event()
            if isinstance(event, (Field, File)):
                if not isinstance(event.name, str):
                    raise BadRequest("A part of the multipart form has no name.")
                self._part = Part(self, event)
                return self._part
            if self._decoder.state is State.EPILOGUE:
                await self._pass_over_epilogue()
        return None

    async def next_data(self, part: Part) -> bytes | None:
        """Return the next piece of a part's content, None at its end. For `Part`."""
        if part.complete:
            return None
        if part is not self._part:
            raise RuntimeError(f"The part {part.name!r} of the form is over: it has to be read before the next part.")
        while True:
            event = await self._next_event()
            if isinstance(event, Data):
                part.complete = not event.more_data
                part.received += len(event.data)
                if event.data or part.complete:
                    return event.data or None

    async def _next_event(self) -> Event | None:
        while True:
            try:
                event = self._decoder.next_event()
            except ValueError as error:
                self._ended = True
                if self.received == 0:  # no body at all, or one that was read before
                    return None
                raise BadRequest(f"The multipart form cannot be read: {error}") from error
            if not isinstance(event, NeedData):
                return event
            if self._decoder.state is State.EPILOGUE:
                return None
            self._decoder.receive_data(await self._next_piece() or None)

    async def _next_piece(self) -> bytes:
        if not self._undecoded:
            source = self._source
            if isinstance(source, BodyStream):
                piece = await Wish(source.next_piece, source.read1)
            else:
                piece = await off_loop(source.read, STEP)
            self.received += len(piece)
            self._undecoded = memoryview(piece)
        piece, self._undecoded = bytes(self._undecoded[:STEP]), self._undecoded[STEP:]
        return piece

    async def _pass_over_epilogue(self) -> None:
        # To the end of the body, where the connection is ready for the next request.
        self._ended = True
        size = len(self._decoder.buffer)
        while piece := await self._next_piece():
            size += len(piece)
            if size > STEP:
                raise BadRequest("The multipart form goes on behind its end.")


class Part:
    """One part of a form, its content still to be read; once, by one of these ways.

    Iteration (``for`` in a thread, ``async for`` on the loop) gives pieces of bytes as they arrive. `read`, `text` and
    `save` are for threads, `aread`, `atext` and `asave` for the loop.
    """

    def __init__(self, stream: MultipartStream, event: Field | File) -> None:
        #: The name of the form's field.
        self.name: str = event.name
        #: What the client calls the file; None for a field that is no file. Never use it as a path as it is.
        self.filename: str | None = event.filename if isinstance(event, File) else None
        #: The header of the part.
        self.headers: Headers = event.headers
        #: Bytes of its content that have been read so far.
        self.received: int = 0
        #: Whether its content has come to its end.
        self.complete: bool = False
        self._stream = stream

    @property
    def content_type(self) -> str | None:
        """The part's Content-Type, if it has one."""
        return self.headers.get("Content-Type")

    def __iter__(self) -> Iterator[bytes]:
        while (piece := in_thread(self._stream.next_data(self))) is not None:
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await driven(self._stream.next_data(self))) is not None:
            yield piece

    def read(self, limit: int | None = -1) -> bytes:
        """Read all of the content into memory, in a thread.

        Args:
            limit: the most bytes to take; by default ``MAX_FORM_MEMORY_SIZE``, None for any number.

        Raises:
            RequestEntityTooLarge: 413, there is more.
        """
        return in_thread(self._read(limit))

    async def aread(self, limit: int | None = -1) -> bytes:
        """As `read`, on the loop."""
        return await driven(self._read(limit))

    def text(self, limit: int | None = -1) -> str:
        """`read`, decoded as the part's Content-Type says, by default from UTF-8."""
        return self._decoded(in_thread(self._read(limit)))

    async def atext(self, limit: int | None = -1) -> str:
        """As `text`, on the loop."""
        return self._decoded(await driven(self._read(limit)))

    def save(self, dst: str | os.PathLike[str] | IO[bytes]) -> int:
        """Write the content to a file, in a thread.

        Args:
            dst: a file open for writing bytes, or a path. The file at a path is there when all of it has come, not
                before: it is written under another name in the same folder.

        Returns:
            its size in bytes.

        Raises:
            OSError: it cannot be written.
        """
        return in_thread(self._save(dst))

    async def asave(self, dst: str | os.PathLike[str] | IO[bytes]) -> int:
        """As `save`, on the loop, which never waits for the disk."""
        return await driven(self._save(dst))

    async def _read(self, limit: int | None) -> bytes:
        if limit == -1:
            limit = self._stream.max_field_size
        content = bytearray()
        while (piece := await self._stream.next_data(self)) is not None:
            content += piece
            if limit is not None and len(content) > limit:
                raise RequestEntityTooLarge()
        return bytes(content)

    def _decoded(self, content: bytes) -> str:
        charset = parse_options_header(self.content_type)[1].get("charset", "").lower()
        return content.decode(charset if charset in _CHARSETS else "utf-8", "replace")

    async def _save(self, dst: str | os.PathLike[str] | IO[bytes]) -> int:
        if not isinstance(dst, (str, os.PathLike)):
            return await self._write_to(dst)
        path = os.fspath(dst)
        # In the same folder, and not longer than what it is to be called.
        for_now = os.path.join(os.path.dirname(path), f"{secrets.token_hex(8)}.part")
        file: BinaryIO = open(for_now, "xb")  # noqa: SIM115  in place: a thread could not be called back
        try:
            size = await self._write_to(file)
            await off_loop(file.close)
            await off_loop(os.replace, for_now, path)
        except BaseException:
            file.close()
            with suppress(OSError):
                os.unlink(for_now)
            raise
        return size

    async def _write_to(self, file: IO[bytes]) -> int:
        collected, size = bytearray(), 0
        while (piece := await self._stream.next_data(self)) is not None:
            collected += piece
            size += len(piece)
            if len(collected) >= WRITE_AT:
                await off_loop(file.write, collected)
                collected = bytearray()
        if collected:
            await off_loop(file.write, collected)
        return size
