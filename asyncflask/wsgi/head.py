"""What a WSGI application gives to ``start_response``: checked, and held to what it promises about the body."""

from __future__ import annotations

import logging
import re
from wsgiref.util import is_hop_by_hop

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_STATUS = re.compile(r"[2-9][0-9][0-9](?: [^\x00-\x1f\x7f]*)?")
_UNSAFE = re.compile(r"[\r\n\0]")

log: logging.Logger = logging.getLogger("asyncflask.wsgi")


class Head:
    """A status and headers, checked, and what they promise about the body."""

    def __init__(self, status: str, headers: list[tuple[str, str]]) -> None:
        if not isinstance(status, str):
            raise TypeError(f"The status given to start_response() must be a str, not {type(status).__name__}.")
        if _STATUS.fullmatch(status) is None:
            raise ValueError(f"The status given to start_response() must be like '200 OK', not {status!r}.")
        if not isinstance(headers, list):
            raise TypeError(f"The headers given to start_response() must be a list, not {type(headers).__name__}.")
        self.status: int = int(status[:3])
        self.pairs: list[tuple[bytes, bytes]] = [checked_header(header) for header in headers]
        lengths = {value.strip() for name, value in self.pairs if name == b"content-length"}
        if len(lengths) > 1 or not all(length.isdigit() for length in lengths):
            raise ValueError(f"Content-Length must be one number, not {sorted(lengths)!r}.")
        self.length: int | None = int(lengths.pop()) if lengths else None
        self.count: int = 0

    def is_bodiless(self, is_head: bool) -> bool:
        """Whether no body may follow (RFC 9112 section 6.3)."""
        return is_head or self.status in (204, 304)

    def offer_length(self, length: int, is_head: bool) -> None:
        """The whole body is known to have this length: say so unless the application did, or no body may follow."""
        if self.length is None and not self.is_bodiless(is_head):
            self.length = length
            self.pairs.append((b"content-length", b"%d" % length))

    def admit(self, piece: bytes) -> bytes:
        """Count a piece, and return as much of it as the declared length has room for."""
        if self.length is not None and self.count + len(piece) > self.length:
            log.warning(
                "The WSGI application sent more than its Content-Length of %d; the rest is dropped.", self.length
            )
            piece = piece[: self.length - self.count]
        self.count += len(piece)
        return piece

    def check_complete(self, is_head: bool) -> None:
        """Raise RuntimeError if the body ended before its declared length."""
        if self.length is not None and self.count < self.length and not self.is_bodiless(is_head):
            raise RuntimeError(
                f"The WSGI application sent {self.count} of the {self.length} bytes that its Content-Length declares."
            )


def checked_header(header: tuple[str, str]) -> tuple[bytes, bytes]:
    try:
        name, value = header
    except (TypeError, ValueError):
        raise TypeError(f"A response header must be a pair of name and value, not {header!r}.") from None
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"A response header must be a pair of str, not {header!r}.")
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a name for a response header.")
    if is_hop_by_hop(name):
        raise ValueError(f"The header {name!r} is for the server to set, not for a WSGI application.")
    if _UNSAFE.search(value):
        raise ValueError(f"The value of the header {name!r} has a line break or a NUL in it: {value!r}.")
    try:
        return name.lower().encode("ascii"), value.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"The value of the header {name!r} has characters beyond latin-1: {value!r}.") from None
