"""What a request says in its request line and headers, parsed when it is first asked for.

Werkzeug's attributes, with 400 for what it stumbles over. What comes again and again is parsed once.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from werkzeug.datastructures import (
    Accept,
    Authorization,
    CharsetAccept,
    ImmutableMultiDict,
    LanguageAccept,
    MIMEAccept,
    MultiDict,
)
from werkzeug.exceptions import BadRequest
from werkzeug.http import parse_accept_header, parse_options_header
from werkzeug.sansio.utils import get_current_url
from werkzeug.wrappers import Request as BaseRequest

from ..lazy import lazy
from ..plain import is_plain
from .form import GROUPED, multidict, split_cookies, split_query

PLAIN = is_plain()

A = TypeVar("A", bound=Accept)

# What stands in a URL as it stands in a path, or in a query string.
PATH_PLAIN = re.compile(r"[\w.~!$&'()*+,:;=@/-]*", re.ASCII)
_QUERY_PLAIN = re.compile(rb"[\w.~!$&'()*+,/:;=?@-]*")
_SHORT = 256


@lru_cache(256)
def parsed_options(header: str) -> tuple[str, dict[str, str]]:
    """``parse_options_header``; the dictionary is not to be changed."""
    return parse_options_header(header)


@lru_cache(256)
def _parsed_accept(header: str, kind: type[A]) -> A:
    return parse_accept_header(header, kind)


def parsed_accept(header: str | None, kind: type[A]) -> A:
    """``parse_accept_header``, whose result nobody can change."""
    if header is None or len(header) > _SHORT or PLAIN:
        return parse_accept_header(header, kind)
    found: A = _parsed_accept(header, kind)
    return found


@lru_cache(256)
def origin(scheme: str, host: str) -> str:
    """``get_current_url`` of no more than that."""
    return get_current_url(scheme, host)


def current_url(scheme: str, host: str, root_path: str, path: str, query: bytes = b"") -> str:
    """``get_current_url``."""
    whole = f"{root_path.rstrip('/')}/{path.lstrip('/')}"
    is_usual = 0 < len(host) < _SHORT and whole[:1] == "/" != whole[1:2] and not PLAIN
    if not is_usual or PATH_PLAIN.fullmatch(whole) is None or _QUERY_PLAIN.fullmatch(query) is None:
        return get_current_url(scheme, host, root_path, path, query)
    return f"{origin(scheme, host)[:-1]}{whole}{'?' if query else ''}{query.decode()}"


class RequestHead(BaseRequest):
    """The part of `Request` that needs no body and no application."""

    __slots__ = ()

    if TYPE_CHECKING:
        header_bytes: dict[bytes, bytes] | None

    @lazy
    def args(self) -> MultiDict[str, str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The parameters in the query string.

        Raises:
            BadRequest: bytes that are not UTF-8 stand in the URL unquoted.
        """
        raw = self.query_string
        if not raw:
            return self.parameter_storage_class()
        try:
            text = raw.decode()
        except ValueError as error:
            raise BadRequest("The query string is not valid UTF-8.") from error
        kind = self.parameter_storage_class
        return super().args if PLAIN or kind not in GROUPED else multidict(kind, split_query(text))

    def _parse_content_type(self) -> None:
        # Werkzeug keeps what it parsed on the request; the same few short types come again and again.
        if "_parsed_content_type" not in self.__dict__:
            raw = self.header_bytes
            header = (
                self.headers.get("Content-Type", "") if raw is None else raw.get(b"content-type", b"").decode("latin-1")
            )
            parse = parsed_options if len(header) < 64 and not PLAIN else parse_options_header
            mimetype, options = parse(header)
            self._parsed_content_type = mimetype, options.copy()

    @lazy
    def full_path(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The path with the query string. Raises BadRequest as ``args`` does."""
        try:
            return f"{self.path}?{self.query_string.decode()}"
        except ValueError as error:
            raise BadRequest("The query string is not valid UTF-8.") from error

    @lazy
    def url(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The whole URL, as an IRI."""
        return current_url(self.scheme, self.host, self.root_path, self.path, self.query_string)

    @lazy
    def base_url(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The URL without its query string, as an IRI."""
        return current_url(self.scheme, self.host, self.root_path, self.path)

    @lazy
    def cookies(self) -> ImmutableMultiDict[str, str]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The cookies, by name."""
        raw = self.header_bytes
        is_usual = raw is not None and self.dict_storage_class in GROUPED and not PLAIN
        lists = None if raw is None or not is_usual else split_cookies(raw.get(b"cookie", b"").decode("latin-1"))
        if lists is not None:
            return multidict(self.dict_storage_class, lists)  # type: ignore[return-value]
        try:
            return super().cookies
        except ValueError as error:
            raise BadRequest("The Cookie header cannot be decoded.") from error

    @lazy
    def authorization(self) -> Authorization | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The parsed Authorization header, or ``None``.

        Raises:
            BadRequest: it holds what no client may send there.
        """
        try:
            return super().authorization
        except ValueError as error:
            raise BadRequest("The Authorization header cannot be decoded.") from error

    # What the client accepts

    @lazy
    def accept_mimetypes(self) -> MIMEAccept:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The media types that the client accepts."""
        return parsed_accept(self.headers.get("Accept"), MIMEAccept)

    @lazy
    def accept_charsets(self) -> CharsetAccept:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The charsets that the client accepts."""
        return parsed_accept(self.headers.get("Accept-Charset"), CharsetAccept)

    @lazy
    def accept_encodings(self) -> Accept:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The content codings that the client accepts, such as gzip."""
        return parsed_accept(self.headers.get("Accept-Encoding"), Accept)

    @lazy
    def accept_languages(self) -> LanguageAccept:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The languages that the client accepts."""
        return parsed_accept(self.headers.get("Accept-Language"), LanguageAccept)
