"""A request's body while it arrives: bytes in, a file or bytes out, every byte counted. No I/O but the spool file.

Whoever reads the connection calls ``feed`` for each piece while ``wants_more``, then ``finish``, or ``cut`` if the
client left; when ``needs_spool`` it calls ``spool`` (which writes to disk) in a thread. Readers call ``check`` first.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from tempfile import TemporaryFile
from typing import IO, Any, BinaryIO, cast
from weakref import WeakSet

from werkzeug.exceptions import BadRequest, ClientDisconnected, HTTPException, RequestEntityTooLarge

SPOOL_AT = 512 * 1024

TOO_LONG = "The request body is longer than its Content-Length."
SMALL = 4 * 1024
"""Pieces of fewer bytes than this are put together as they come."""


class Body:
    """The buffered body of one request.

    Args:
        limit: the most bytes to accept, or ``None``. Over it nothing more is kept, except the one piece that crossed
            it, which is needed if ``raise_limit`` allows the body after all.
        content_length: what the client declared, or ``None``. Bytes beyond it are counted but not kept.
        spool_at: more bytes than this in memory make ``needs_spool`` true.
    """

    __slots__ = (
        "_beyond",
        "_ended",
        "_failure",
        "_in_memory",
        "_left",
        "_lost",
        "_memory",
        "_spool",
        "content_length",
        "limit",
        "over_limit",
        "received",
        "refill",
        "spool_at",
        "wants_more",
    )

    def __init__(self, limit: int | None = None, content_length: int | None = None, spool_at: int = SPOOL_AT) -> None:
        self.limit = limit
        self.content_length: int | None = content_length
        self.spool_at: int = spool_at
        self.received: int = 0
        #: Reads the rest from a worker thread after the limit was raised; set by who can do that.
        self.refill: Callable[[], None] | None = None
        self._memory: list[bytes | bytearray] = []
        self._in_memory = 0
        self._beyond = b""
        self._spool: Spool | None = None
        self._ended = self._left = self._lost = False
        self._failure: HTTPException | None = None
        self._settle()

    # What is known

    @property
    def size(self) -> int:
        """The length of the body as far as known: the greater of declared and received, in bytes."""
        return self.received if self.content_length is None else self.content_length

    @property
    def truncated(self) -> bool:
        """Whether the client left, or ended the body before the declared length."""
        if self._left:
            return True
        return self._ended and self.content_length is not None and self.received < self.content_length

    @property
    def late(self) -> bool:
        """Whether it was cut because it took too long."""
        return self._failure is not None

    @property
    def complete(self) -> bool:
        """Whether the whole body is here."""
        if self._lost or self._left or self.over_limit:
            return False
        if self.content_length is None:
            return self._ended
        return self.received >= self.content_length

    @property
    def on_disk(self) -> bool:
        """Whether some of it is in a temporary file."""
        return self._spool is not None

    @property
    def needs_spool(self) -> bool:
        """Whether ``spool`` should be called (in a thread) before more is fed."""
        return self._in_memory > self.spool_at

    # What happens to it

    def _settle(self) -> None:
        # Worked out when something changes: it is read more often than that.
        declared = self.content_length
        #: Whether more than ``limit`` bytes were declared or have come.
        self.over_limit: bool = self.limit is not None and self.size > self.limit
        over = self._ended or self._left or self._lost or self.over_limit
        #: Whether the next piece should be read from the client.
        self.wants_more: bool = not over and (declared is None or self.received < declared)

    def feed(self, chunk: bytes) -> None:
        """Take the next piece. Never touches the disk.

        Args:
            chunk: some bytes; an empty one is fine.
        """
        before = self.received
        refused = self.over_limit
        self.received = before + len(chunk)
        if refused:
            self._lost = self._lost or bool(chunk)
            return
        self._settle()
        if self.content_length is not None and self.received > self.content_length:
            chunk = chunk[: max(0, self.content_length - before)]
        if self.over_limit:
            self._beyond = chunk
        elif chunk:
            self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        pieces = self._memory
        self._in_memory += len(chunk)
        if not pieces or len(chunk) >= SMALL:
            pieces.append(chunk if type(chunk) is bytes else bytes(chunk))
        elif isinstance(last := pieces[-1], bytearray):  # an object for each byte would cost more than the byte
            last += chunk
        else:
            pieces.append(bytearray(chunk))

    def finish(self) -> None:
        """The client said that this was all."""
        self._ended = True
        self.wants_more = False

    def cut(self, error: HTTPException | None = None) -> None:
        """The client left before the end, or nobody waits for it any more: readers get `error`, by default 400."""
        if not self.complete:
            self._left = True
            self._failure = error
            self.wants_more = False

    def raise_limit(self, limit: int | None) -> bool:
        """Set another limit (a hook assigned ``request.max_content_length``).

        Args:
            limit: in bytes; ``None`` for no limit.

        Returns:
            whether more must be read now (``wants_more``).
        """
        self.limit = limit
        self._settle()
        if self._beyond and not self.over_limit:
            self._keep(self._beyond)
            self._beyond = b""
        return self.wants_more

    def spool(self) -> None:
        """Move what is in memory to the temporary file. Blocks on the disk.

        Raises:
            OSError: the disk is full or the temporary folder not writable.
        """
        if self._spool is None:
            self._spool = Spool()
        self._spool.append(self._taken())

    def _taken(self) -> bytes:
        data = self._joined()
        self._memory, self._in_memory = [], 0
        return data

    def _joined(self) -> bytes:
        if len(self._memory) > 1:
            self._memory = [b"".join(self._memory)]
        return cast(bytes, self._memory[0]) if self._memory else b""

    def close(self) -> None:
        """Let go of the memory and the file; readers that are half-way may still read on. May be called again."""
        self._memory, self._in_memory, self._beyond = [], 0, b""
        if self._spool is not None:
            self._spool.release()

    def end(self) -> None:
        """``close``, and not even readers that are half-way may read on."""
        self.close()
        if self._spool is not None:
            self._spool.end()

    # What readers use

    def check(self, limit: int | None) -> None:
        """Refuse a body that must not be read.

        Args:
            limit: the request's limit now, in bytes, or ``None``.

        Raises:
            RequestEntityTooLarge: 413, more bytes than ``limit`` were declared or received.
            ClientDisconnected: 400, the body ended before it was whole.
            RequestTimeout: 408, it did not arrive in time.
            BadRequest: 400, it is longer than was declared.
        """
        if limit is not None and self.size > limit:
            raise RequestEntityTooLarge()
        if self.wants_more and self.refill is not None:
            self.refill()
        if self.content_length is not None and self.received > self.content_length:
            raise BadRequest(TOO_LONG)
        if self.complete:
            return
        if self.truncated:
            raise self._failure or ClientDisconnected()
        # Refused at the limit that held while it arrived: the rest was never read, or was thrown away.
        raise RequestEntityTooLarge()

    def data(self) -> bytes:
        """All that was kept; the very object that came, if it came in one piece."""
        if self._spool is not None:
            with self.open() as reader:
                return reader.read()
        return self._joined()

    def open(self) -> BinaryIO:
        """A new reader that begins at the first byte. Readers don't disturb each other."""
        if self._spool is None:
            return io.BytesIO(self.data())
        if self._memory:
            self.spool()
        return self._spool.open()


class WholeBody(Body):
    """One that came in a single piece, of just the length that was declared, which is within the limit.

    As `Body` after that piece; but of all that can happen to a body, only the limit may change and the end come.
    """

    __slots__ = ("_data",)

    spool_at = SPOOL_AT
    refill = None
    wants_more = False
    _beyond = b""
    _ended = True
    _left = _lost = False
    _failure = _spool = None

    def __init__(self, data: bytes, limit: int | None) -> None:
        self._data = data
        self.limit = limit
        self.received = len(data)

    @property
    def content_length(self) -> int:  # type: ignore[override]
        """What was declared, in bytes."""
        return self.received

    @property
    def over_limit(self) -> bool:  # type: ignore[override]
        """Whether the limit has been lowered since, so that it is longer than that."""
        return self.limit is not None and self.received > self.limit

    @property
    def needs_spool(self) -> bool:
        """Never: it is in memory already."""
        return False

    def raise_limit(self, limit: int | None) -> bool:
        """Set another limit."""
        self.limit = limit
        return False

    def check(self, limit: int | None) -> None:
        """Refuse a body over `limit`, in bytes, or over the limit that was set. Raises RequestEntityTooLarge."""
        if (limit is not None and self.received > limit) or (self.limit is not None and self.over_limit):
            raise RequestEntityTooLarge()

    def data(self) -> bytes:
        """The very object that came."""
        return self._data

    def close(self) -> None:
        """Let go of the memory."""
        self._data = b""


class Spool:
    """A temporary file with several readers; it is closed when its owner has let go and no reader is half-way."""

    def __init__(self) -> None:
        self.file: IO[bytes] = TemporaryFile()  # noqa: SIM115 (closed by settle)
        self.size: int = 0
        self.lock: threading.Lock = threading.Lock()
        self.readers: WeakSet[SpoolReader] = WeakSet()
        self.released: bool = False

    def append(self, data: bytes) -> None:
        """Write at the end."""
        with self.lock:
            self.file.seek(self.size)
            self.file.write(data)
            self.size += len(data)

    def read_at(self, position: int, size: int) -> bytes:
        """At most ``size`` bytes from ``position`` on."""
        if position >= self.size:
            return b""
        with self.lock:
            self.file.seek(position)
            return self.file.read(size)

    def open(self) -> BinaryIO:
        """A new reader."""
        reader = SpoolReader(self)
        self.readers.add(reader)
        return io.BufferedReader(reader, 64 * 1024)

    def release(self) -> None:
        """The owner lets go; readers that are half-way may still read on."""
        self.released = True
        self.settle()

    def settle(self) -> None:
        """Close the file if nobody needs it any more."""
        if self.released and all(reader.done for reader in self.readers):
            self.file.close()

    def end(self) -> None:
        """Close the file, whoever reads it."""
        with self.lock:
            self.file.close()

    def __del__(self) -> None:
        self.file.close()


class SpoolReader(io.RawIOBase):
    """One reader of a spool, at a position of its own."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.position: int = 0

    @property
    def done(self) -> bool:
        """Whether it is closed or at the end."""
        return self.closed or self.position >= self.spool.size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.spool.read_at(self.position, len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        if self.done:
            self.spool.settle()
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: self.spool.size}[whence]
        if start + offset < 0:
            raise ValueError(f"a body cannot be read from position {start + offset}")
        self.position = start + offset
        return self.position

    def tell(self) -> int:
        return self.position

    def close(self) -> None:
        super().close()
        self.spool.settle()
