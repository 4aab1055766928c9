"""What a response's headers must look like to be sent, and their spelling in ASGI."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from math import floor
from typing import Any, NamedTuple

from werkzeug.http import dump_cookie, http_date, is_entity_header
from werkzeug.urls import iri_to_uri
from werkzeug.utils import get_content_type

# RFC 9110 section 5.6.2: what a field name is made of.
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# CR, LF and NUL would end the header (RFC 9110 section 5.5); servers break the connection over any control but a tab.
FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# What would end a cookie's name or attribute and begin another one.
COOKIE_BREAKS = re.compile(r"[;\x00-\x1f\x7f]")
# What names and values of cookies are mostly made of; nobody quotes that.
COOKIE_PLAIN = re.compile(r"[A-Za-z0-9._~+/:@-]*")

# What `iri_to_uri` leaves as it is: a path, perhaps with a query, and perhaps with scheme and host in front.
_HOST = r"https?://[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*(?::[1-9][0-9]{0,3}|:[1-5][0-9]{4})?(?=/)"
_PATH = r"/(?:[\w.~%!$&'()*+,:;=@-][\w.~%!$&'()*+,:;=@/-]*)?(?:\?[\w.~%!$&'()*+,/:;=?@-]+)?"
URI_PLAIN = re.compile(f"(?:{_HOST})?{_PATH}", re.ASCII)

# Headers whose values `get_wsgi_headers` changes.
REWRITTEN = frozenset({b"location", b"content-location"})

# Of those about the body, what is sent without it (`remove_entity_headers`).
KEPT_BY_304 = frozenset({"expires", "content-location"})

Pair = tuple[bytes, bytes]

LONGEST_URI = 1000
MOST_READY = 1024
#: the Content-Length headers of short bodies
READY: tuple[Pair, ...] = tuple((b"content-length", b"%d" % length) for length in range(MOST_READY))


@lru_cache(1024)
def encode_name(name: str) -> bytes:
    """A header name as ASGI wants it, in lower case.

    Raises:
        ValueError: it is not a token.
    """
    if TOKEN.fullmatch(name) is None:
        raise ValueError(
            f"The response header name {name!r} is not valid: only letters, digits and !#$%&'*+-.^_`|~ are."
        )
    return name.lower().encode()


def encode_value(name: str, value: str) -> bytes:
    """A header value as bytes, without white space around it.

    Args:
        name: for the error message.

    Raises:
        ValueError: it has a character that cannot be sent.
    """
    if value.isascii() and value.isprintable():
        return value.encode().strip(b" ")
    if FORBIDDEN.search(value) is not None:
        raise ValueError(
            f"The value of the response header {name!r} has a line break or another control character in it: {value!r}."
        )
    try:
        return value.encode("latin-1").strip(b" \t")
    except UnicodeEncodeError:
        raise ValueError(
            f"The value of the response header {name!r} has characters outside of latin-1: {value!r}. Encode it, for"
            " example with urllib.parse.quote."
        ) from None


def encode_headers(headers: Iterable[tuple[str, str]]) -> list[Pair]:
    """All headers as ASGI wants them. Raises ValueError for the first that cannot be sent."""
    return [(encode_name(name), encode_value(name, value)) for name, value in headers]


def is_uri(value: str) -> bool:
    """Whether a value is certain to be what ``iri_to_uri`` would make of it."""
    return len(value) <= LONGEST_URI and URI_PLAIN.fullmatch(value) is not None


@lru_cache(256)
def encode_uri(iri: str) -> bytes | None:
    """What ``iri_to_uri`` makes of a value, as it is sent; None if it cannot be."""
    try:
        return encode_value("Location", iri_to_uri(iri))
    except ValueError:
        return None


def encode_all(headers: Iterable[tuple[str, str]]) -> list[Pair] | None:
    """As ``encode_headers``, with URIs where Werkzeug's ``get_wsgi_headers`` makes them; None: only that can tell.

    Raises:
        ValueError: for the first that cannot be sent.
    """
    pairs: list[Pair] = []
    for name, value in headers:
        key = encode_name(name)
        if key in REWRITTEN:
            uri = value.encode() if is_uri(value) else encode_uri(value) if len(value) <= LONGEST_URI else None
            if uri is None or key in dict(pairs):
                return None
            pairs.append((key, uri))
        else:
            pairs.append((key, encode_value(name, value)))
    return pairs


def headers_without_body(headers: Iterable[tuple[str, str]], status: int) -> list[tuple[str, str]]:
    """Those that Werkzeug's ``get_wsgi_headers`` leaves with a status that has no body, 204 or 304."""
    if status == 204:
        return [pair for pair in headers if pair[0].lower() != "content-length"]
    return [pair for pair in headers if not is_entity_header(pair[0]) or pair[0].lower() in KEPT_BY_304]


class ContentType(NamedTuple):
    """The Content-Type of a response."""

    #: as in its headers; ``None`` for none
    text: str | None
    #: ready to be sent; ``None`` if there is none, or if it cannot be sent
    pair: Pair | None


@lru_cache(256)
def content_type_for(content_type: str | None, mimetype: str | None) -> ContentType:
    """The Content-Type of a response that is made with these arguments.

    Raises:
        ValueError: it has a line break in it.
    """
    if content_type is None and mimetype is not None:
        content_type = get_content_type(mimetype, "utf-8")
    if content_type is None:
        return ContentType(None, None)
    if "\r" in content_type or "\n" in content_type:
        raise ValueError("Header values must not contain newline characters.")
    try:
        return ContentType(content_type, (b"content-type", encode_value("Content-Type", content_type)))
    except ValueError:  # raised again when the response is to be sent, as for any other header
        return ContentType(content_type, None)


def plain_cookie(name: str, value: str, max_size: int, *attributes: Any) -> bytes | None:
    """A Set-Cookie header as it is sent, if nothing in it has to be quoted; None: ``dump_cookie`` has to tell.

    Args:
        max_size: what is longer, in bytes, takes a warning.
        attributes: those of ``cookie_tail``, as ``dump_cookie`` takes them.
    """
    if COOKIE_PLAIN.fullmatch(value) is None or COOKIE_PLAIN.fullmatch(name) is None:
        return None
    try:
        if attributes[0] is not None:
            attributes = (*ages(attributes[0], attributes[1]), *attributes[2:])
        cookie = f"{name}={value}{cookie_tail(*attributes)}".encode("latin-1")
    except (TypeError, ValueError, ArithmeticError, OSError):  # is met again, and told of, by `dump_cookie`
        return None
    return cookie if not max_size or len(cookie) <= max_size else None


def ages(max_age: timedelta | int, expires: Any) -> tuple[int, Any]:
    """Max-Age and Expires of a cookie that has the former."""
    seconds = int(max_age.total_seconds()) if isinstance(max_age, timedelta) else max_age
    return seconds, date_of(floor(time.time() + seconds)) if expires is None else expires


@lru_cache(64)
def date_of(second: int) -> str:
    """``http_date`` of a whole second since the epoch."""
    return http_date(second)


@lru_cache(64, typed=True)
def cookie_tail(
    max_age: int | None,
    expires: str | int | float | None,
    path: str | None,
    domain: str | None,
    secure: bool,
    httponly: bool,
    samesite: str | None,
    partitioned: bool,
) -> str:
    """What follows the value in a Set-Cookie header; the arguments are ``dump_cookie``'s, whose errors it raises."""
    check_cookie_part("domain", domain)
    check_cookie_part("expires", expires if isinstance(expires, str) else None)
    whole = dump_cookie(
        "a", "", max_age, expires, path, domain, secure, httponly,
        samesite=samesite, partitioned=partitioned, max_size=0,
    )  # fmt: skip
    return whole.removeprefix("a=")


def check_cookie_part(part: str, value: str | None) -> None:
    """Refuse what would smuggle further attributes into a cookie.

    Args:
        part: ``name``, ``domain`` or ``expires``, for the error message.

    Raises:
        ValueError: ``value`` has a ``;`` or a control character in it.
    """
    if value and COOKIE_BREAKS.search(value) is not None:
        raise ValueError(f"The {part} of a cookie must not contain ';' or control characters, as {value!r} does.")
