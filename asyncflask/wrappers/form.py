"""Forms: Werkzeug's sansio multipart decoder, with every part of the input bounded."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Any, TypeVar
from urllib.parse import unquote

from werkzeug.datastructures import FileStorage, ImmutableMultiDict, MultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser, MultiPartParser
from werkzeug.sansio.multipart import Data, Event, Field, File, MultipartDecoder, NeedData, State

from .upload import Upload
from .whole_form import MAX_PART_HEADER as MAX_PART_HEADER
from .whole_form import WHOLE_AT_MOST, events_of

READ_AHEAD = 128 * 1024
"""More than the decoder ever has in its buffer while it reads in pieces of its usual size."""

URLENCODED_FIELDS_PER_PART = 50
"""How many urlencoded fields are let in for each part that ``MAX_FORM_PARTS`` allows. They are far cheaper."""

SPOOL_AT = 500 * 1024
"""Bytes of a file from which on Werkzeug's stream factory keeps it on disk."""


T = TypeVar("T")

GROUPED: frozenset[type] = frozenset({ImmutableMultiDict, MultiDict})
"""The classes that take a dict of lists for what it is. Others get pairs, as Werkzeug gives them."""

Found = tuple[MultiDict[str, str], MultiDict[str, FileStorage]]
"""The fields and the files of a form."""


def multidict(kind: type[MultiDict[str, Any]], lists: dict[str, list[T]]) -> MultiDict[str, T]:
    """Return a multidict of that class, one of ``GROUPED``, made of a dict of lists that nobody else keeps."""
    if kind is not ImmutableMultiDict:
        return kind(lists)
    made: Any = kind.__new__(kind)  # its `__init__` does this, once it has looked at what it is given
    dict.update(made, lists)
    return made  # type: ignore[no-any-return]


def paired(kind: type[MultiDict[str, Any]], pairs: list[tuple[str, T]]) -> MultiDict[str, T]:
    """Return a multidict of any class."""
    if kind not in GROUPED:
        return kind(pairs)
    lists: dict[str, list[T]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return multidict(kind, lists)


def split_query(text: str) -> dict[str, list[str]]:
    """Return the parameters of a query string, or the fields of a form: ``parse_qsl``, as Werkzeug calls it."""
    lists: dict[str, list[str]] = {}
    if "+" in text:
        text = text.replace("+", " ")
    is_quoted = "%" in text
    for piece in text.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            if is_quoted:
                name, value = unquoted(name), unquoted(value)
            if name in lists:
                lists[name].append(value)
            else:
                lists[name] = [value]
    return lists


def unquoted(text: str) -> str:
    """Return a text without its percent encoding; what is no UTF-8 stays encoded."""
    return unquote(text, errors="werkzeug.url_quote") if "%" in text else text


def split_fields(data: bytes, most_parts: int | None) -> dict[str, list[str]] | None:
    """Return the fields of an urlencoded form; None: they are too many, or no text, which `FormParser` answers."""
    if most_parts is not None and data.count(b"&") >= most_parts * URLENCODED_FIELDS_PER_PART:
        return None
    try:
        return split_query(data.decode())
    except UnicodeDecodeError:
        return None


def split_cookies(text: str) -> dict[str, list[str]] | None:
    """Return the cookies in a Cookie header that is written as RFC 6265 has it; None: Werkzeug has to read it."""
    pieces = text.split("; ")
    apart = len(pieces) - 1
    if text.count(" ") != apart or text.count(";") != apart or '"' in text or "\t" in text:
        return None
    lists: dict[str, list[str]] = {}
    for piece in pieces if text else ():
        name, _, value = piece.partition("=")
        if not name:
            return None
        if name in lists:
            lists[name].append(value)
        else:
            lists[name] = [value]
    return lists


class PartDecoder(MultipartDecoder):
    """Werkzeug's decoder, refusing a part with an immense header. Raises RequestEntityTooLarge.

    What it is fed may end anywhere. Werkzeug's takes the CR before a boundary for content where a piece ends inside of
    what follows the boundary, ``--`` or blanks; such an end is held back until more has come.
    """

    _held = b""

    def receive_data(self, data: bytes | None) -> None:
        """Take the next piece, None at the end."""
        held, self._held = self._held, b""
        if data is None:
            if held:
                super().receive_data(held)
            return super().receive_data(None)
        data = held + data if held else data
        if not self._ends_behind_boundary(data):
            return super().receive_data(data)
        if self.max_form_memory_size is not None and len(data) > self.max_form_memory_size:
            raise RequestEntityTooLarge()
        self._held = data

    def _ends_behind_boundary(self, data: bytes) -> bool:
        line = b"--" + self.boundary
        end = data.rstrip(b" \t\v\f")
        is_padded = len(end) < len(data)
        if len(end) <= len(line):
            end = bytes(self.buffer[-len(line) - 1 :]) + end
        return end.endswith(line + b"-") or (is_padded and end.endswith(line))

    def next_event(self) -> Event:
        """The next event, or ``NeedData``."""
        in_header = self.state is State.PART
        size = len(self.buffer)
        event = super().next_event()
        if in_header and not isinstance(event, NeedData):
            size -= len(self.buffer)
        if in_header and size > MAX_PART_HEADER:
            raise RequestEntityTooLarge()
        return event


class PartReader(MultiPartParser):
    """Reads a multipart stream into fields and files."""

    #: bytes read so far
    received: int = 0

    def parse(self, stream: IO[bytes], boundary: bytes, content_length: int | None) -> Found:
        """Read the whole stream.

        Args:
            stream: already limited to what may be read.
            boundary: as in the Content-Type, not empty.
            content_length: of the whole stream in bytes, if known; the stream factory is told.

        Returns:
            the fields and the files, by name.

        Raises:
            ValueError: not a multipart message, or one that was cut.
            RequestEntityTooLarge: 413, too many parts, or one too large.
        """
        if content_length is not None and content_length <= WHOLE_AT_MOST:
            data = stream.read()
            found = self.parse_whole(data, boundary)
            if found is not None:
                return found
            stream = io.BytesIO(data)
        return self.put_together(self.decoded(stream, boundary), content_length)

    def parse_whole(self, data: bytes, boundary: bytes) -> Found | None:
        """Read a form that is short and written plainly, at once; None: it is not. Otherwise as `parse`."""
        # A lower limit holds for what the decoder buffers, too, which depends on the pieces it gets.
        limit = self.max_form_memory_size
        if len(data) > WHOLE_AT_MOST or (limit is not None and limit <= READ_AHEAD):
            return None
        events = events_of(data, boundary, self.max_form_parts)
        return None if events is None else self.put_together(events, len(data))

    def put_together(self, events: Iterable[Event], total: int | None) -> Found:
        """Make fields and files of what was decoded of a form of `total` bytes, if that is known."""
        fields: list[tuple[str, str]] = []
        files: list[tuple[str, FileStorage]] = []
        sink: TextPart | FilePart | None = None
        for event in events:
            if isinstance(event, Field):
                sink = TextPart(event, self.max_form_memory_size)
            elif isinstance(event, File):
                sink = FilePart(event, self, total)
            elif isinstance(event, Data) and sink is not None:
                sink.write(event.data)
                if event.more_data:
                    continue
                if isinstance(sink, TextPart):
                    text = sink.text(self.get_part_charset(sink.part.headers))
                    fields.append((sink.part.name, text))
                else:
                    files.append((sink.part.name, sink.storage()))
        return paired(self.cls, fields), paired(self.cls, files)

    def decoded(self, stream: IO[bytes], boundary: bytes) -> Iterator[Event]:
        """Decode ``stream`` piece by piece."""
        decoder = PartDecoder(boundary, self.max_form_memory_size, max_parts=self.max_form_parts)
        more = True
        while more:
            piece = stream.read(self.buffer_size)
            more = bool(piece)
            self.received += len(piece)
            decoder.receive_data(piece or None)
            while not isinstance(event := decoder.next_event(), NeedData):
                yield event
                if decoder.state is State.COMPLETE:
                    break


class TextPart:
    """A field while it arrives, at most ``limit`` bytes of it."""

    def __init__(self, part: Field, limit: int | None) -> None:
        self.part = part
        self.limit = limit
        self.value: bytearray = bytearray()

    def write(self, data: bytes) -> None:
        self.value += data
        if self.limit is not None and len(self.value) > self.limit:
            raise RequestEntityTooLarge()

    def text(self, charset: str) -> str:
        return self.value.decode(charset, "replace")


class FilePart:
    """An uploaded file while it arrives.

    Args:
        part: what its header announces.
        reader: whose files it is one of.
        total: the length of the whole form in bytes, if known.
    """

    def __init__(self, part: File, reader: PartReader, total: int | None) -> None:
        self.part = part
        self.reader = reader
        self.total = total
        self.file: IO[bytes] | None = None

    def write(self, data: bytes) -> None:
        if self.file is not None:
            self.file.write(data)
            return
        factory = self.reader.stream_factory
        if isinstance(factory, Kept) and factory.spools and len(data) <= SPOOL_AT:
            self.file = factory.holding(data)
        else:
            self.file = self.reader.start_file_streaming(self.part, self.total)
            self.file.write(data)

    def storage(self) -> FileStorage:
        file = self.file
        assert file is not None, "every part has data, be it none"
        file.seek(0)
        return Upload(file, self.part.filename, self.part.name, headers=self.part.headers)


class FormParser(FormDataParser):
    """What ``Request.form_data_parser_class`` is: as Werkzeug's, with bounds on part headers and urlencoded fields.

    A multipart form that cannot be read to its end is the client's mistake, 400. Werkzeug would take it for empty,
    which a view cannot tell from a form that nobody filled in.
    """

    def _parse_multipart(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        boundary = options.get("boundary")
        if not boundary or not boundary.isascii():
            if content_length == 0:
                return stream, self.cls(), self.cls()
            raise BadRequest("The multipart form has no valid boundary in its Content-Type.")
        reader = PartReader(
            self.stream_factory, self.max_form_memory_size, self.cls, max_form_parts=self.max_form_parts
        )
        try:
            return stream, *reader.parse(stream, boundary.encode("ascii"), content_length)
        except ValueError as error:
            if not reader.received:  # no body at all, or one that was read before
                return stream, self.cls(), self.cls()
            raise BadRequest(f"The multipart form cannot be read: {error}") from error

    def _parse_urlencoded(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        raw = Replay(stream.read())
        if self.max_form_parts is not None and raw.fields > self.max_form_parts * URLENCODED_FIELDS_PER_PART:
            raise RequestEntityTooLarge()
        _, form, files = super()._parse_urlencoded(raw, mimetype, content_length, options)  # type: ignore[arg-type]
        return stream, form, files


class Replay:
    """Gives bytes that were read already to a reader of files."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.fields: int = data.count(b"&") + 1

    def read(self) -> bytes:
        return self.data


class Kept:
    """A stream factory that puts every file it makes into `made`, to be closed later.

    Args:
        factory: makes the files.
        made: where they go.
        spools: whether `factory` makes what Werkzeug's own does: memory, from `SPOOL_AT` bytes on a file.
    """

    def __init__(self, factory: Callable[..., IO[bytes]], made: list[Any], *, spools: bool = False) -> None:
        self.factory = factory
        self.made = made
        self.spools = spools

    def __call__(self, *args: Any, **kwargs: Any) -> IO[bytes]:
        file = self.factory(*args, **kwargs)
        self.made.append(file)
        return file

    def holding(self, data: bytes) -> IO[bytes]:
        """Return a file as Werkzeug's factory makes it and `data` was written to it, without the copy of writing."""
        file: Any = SpooledTemporaryFile(max_size=SPOOL_AT, mode="rb+")  # noqa: SIM115  closed with the request
        file._file = io.BytesIO(data)  # a documented attribute (Python docs: tempfile)
        file.seek(0, io.SEEK_END)
        self.made.append(file)
        return file  # type: ignore[no-any-return]
