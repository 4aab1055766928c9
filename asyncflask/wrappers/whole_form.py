"""A multipart form that lies in memory as a whole, and is written as every browser and client library writes it.

`events_of` gives the events that Werkzeug's decoder would, without its searches for whatever else a line may end with.
It leaves anything unusual to that decoder; a property test holds the two together.
"""

from __future__ import annotations

import re

from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Event, Field, File

from ..plain import is_plain

PLAIN = is_plain()

WHOLE_AT_MOST = 512 * 1024
"""The most bytes of a form that is read as a whole."""

MAX_PART_HEADER = 16 * 1024
"""The most bytes in the header of one part of a multipart form."""

FEW_LINES = 64
"""Up to so many line breaks are looked at one by one for the boundary."""

# Nothing in the values that would have to be decoded.
_VALUE = r'"([^"\\%\r\n]*)"'
_DISPOSITION = rf"form-data; name={_VALUE}(?:; filename={_VALUE})?"
_PLAIN_DISPOSITION = re.compile(_DISPOSITION)
# The header of a part as most are written.
_USUAL = re.compile(rf"Content-Disposition: ({_DISPOSITION})(?:\r\nContent-Type: ([!-~]+(?: [!-~]+)*))?")


def events_of(data: bytes, boundary: bytes, most_parts: int | None) -> list[Event] | None:
    """Split a form into the events of its parts, each with its data as one piece.

    Args:
        data: the whole form.
        boundary: as in the Content-Type.
        most_parts: how many parts it may have.

    Returns:
        the events; None for a form that is cut, wrong, or merely unusual.

    Raises:
        RequestEntityTooLarge: 413, too many parts.
    """
    line = b"--" + boundary
    at = len(line)
    if PLAIN or not data.startswith(line):
        return None
    events: list[Event] = []
    while (ending := data[at : at + 2]) == b"\r\n":
        head_end = data.find(b"\r\n\r\n", at, at + MAX_PART_HEADER)
        if head_end == -1:
            return None
        part = _part(data[at + 2 : head_end])
        end = _end_of_data(data, line, head_end + 2)
        if part is None or end is None or end < head_end + 4:
            return None
        events += part, Data(data[head_end + 4 : end], more_data=False)
        if most_parts is not None and len(events) > 2 * most_parts:
            raise RequestEntityTooLarge()
        at = end + 2 + len(line)
    return events if ending == b"--" and data[at + 2 :] in (b"", b"\r\n") else None


def _end_of_data(data: bytes, line: bytes, start: int) -> int | None:
    """Return where the line break before the next boundary begins; None if only Werkzeug may tell."""
    found = _find_after_break(data, line, start)
    if found == -1 or data[found - 2 : found] != b"\r\n":
        return None
    return found - 2


def _find_after_break(data: bytes, line: bytes, start: int) -> int:
    """Return the first place from `start` on where `line` stands, or later the first behind a line break, or -1.

    One byte is found many times quicker than several, so line breaks are looked for while they are few.
    """
    first = len(data)
    for line_break in (b"\n", b"\r"):
        at = start
        for _ in range(FEW_LINES):
            at = data.find(line_break, at, first) + 1
            if not at or data.startswith(line, at):
                break
        else:
            return data.find(line, start)
        first = at or first
    return first if first < len(data) else -1


def _part(header: bytes) -> Field | File | None:
    """Return what a part's header announces; None for one that is not written plainly."""
    if not header.isascii():
        return None
    text = header.decode()
    usual = _USUAL.fullmatch(text)
    if usual is None:
        return _unusual_part(text)
    disposition, field, filename, content_type = usual.groups()
    pairs = [("Content-Disposition", disposition)]
    if content_type is not None:
        pairs.append(("Content-Type", content_type))
    return _announced(pairs, field, filename)


def _unusual_part(header: str) -> Field | File | None:
    pairs: list[tuple[str, str]] = []
    disposition: str | None = None
    for row in header.split("\r\n"):
        # A row that goes on in the next, line breaks of other kinds: Werkzeug knows.
        if row[:1] in ("", " ", "\t") or "\n" in row or "\r" in row:
            return None
        name, _, value = row.partition(":")
        name, value = name.strip(" \t"), value.strip(" \t")
        pairs.append((name, value))
        if name.lower() == "content-disposition":
            if disposition is not None:
                return None
            disposition = value
    if disposition is None:
        return None
    plainly = _PLAIN_DISPOSITION.fullmatch(disposition)
    if plainly is not None:
        return _announced(pairs, *plainly.groups())
    options = parse_options_header(disposition)[1]
    return _announced(pairs, options["name"], options.get("filename")) if "name" in options else None


def _announced(pairs: list[tuple[str, str]], name: str, filename: str | None) -> Field | File:
    headers = Headers()
    headers._list = pairs  # what `add` would do, once it has looked for line breaks, of which there are none
    if filename is None:
        return Field(headers=headers, name=name)
    return File(headers=headers, name=name, filename=filename)
