"""Forms: Werkzeug's sansio multipart decoder, with every part of the input bounded."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, TypeVar

from werkzeug.datastructures import FileStorage, MultiDict
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

F = TypeVar("F", bound=Callable[..., IO[bytes]])


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

    def parse(
        self, stream: IO[bytes], boundary: bytes, content_length: int | None
    ) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
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
        fields: list[tuple[str, str]] = []
        files: list[tuple[str, FileStorage]] = []
        sink: TextPart | FilePart | None = None
        for event in self.events(stream, boundary, content_length):
            if isinstance(event, Field):
                sink = TextPart(event, self.max_form_memory_size)
            elif isinstance(event, File):
                sink = FilePart(event, self.start_file_streaming(event, content_length))
            elif isinstance(event, Data) and sink is not None:
                sink.write(event.data)
                if event.more_data:
                    continue
                if isinstance(sink, TextPart):
                    fields.append((sink.part.name, sink.text(self.get_part_charset(sink.part.headers))))
                else:
                    files.append((sink.part.name, sink.storage()))
        return self.cls(fields), self.cls(files)

    def events(self, stream: IO[bytes], boundary: bytes, content_length: int | None) -> Iterable[Event]:
        """Decode ``stream`` up to its end; at once if it is short and plain."""
        # A lower limit holds for what the decoder buffers, too, which depends on the pieces it gets.
        limit = self.max_form_memory_size
        if content_length is not None and content_length <= WHOLE_AT_MOST and (limit is None or limit > READ_AHEAD):
            data = stream.read()
            events = events_of(data, boundary, self.max_form_parts)
            if events is not None:
                return events
            stream = io.BytesIO(data)
        return self.decoded(stream, boundary)

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
    """An uploaded file while it arrives."""

    def __init__(self, part: File, file: IO[bytes]) -> None:
        self.part = part
        self.file = file
        self.write = file.write

    def storage(self) -> FileStorage:
        self.file.seek(0)
        return Upload(self.file, self.part.filename, self.part.name, headers=self.part.headers)


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


def kept(factory: F, made: list[Any]) -> F:
    """Wrap a stream factory so that every file it makes is also put into ``made``, to be closed later."""

    def make(*args: Any, **kwargs: Any) -> IO[bytes]:
        file = factory(*args, **kwargs)
        made.append(file)
        return file

    return make  # type: ignore[return-value]
