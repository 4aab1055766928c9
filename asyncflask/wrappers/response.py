"""The response: Werkzeug's, made in full only when somebody looks at it, and its spelling in ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from types import EllipsisType
from typing import TYPE_CHECKING, Any, cast

from werkzeug.datastructures import Headers
from werkzeug.http import http_date
from werkzeug.wrappers import Response as BaseResponse

from .. import json
from ..plain import is_plain
from .file import STEP, FileBody, file_behind
from .headers import (
    MOST_READY,
    READY,
    ContentType,
    Pair,
    check_cookie_part,
    content_type_for,
    encode_all,
    encode_headers,
    headers_without_body,
    is_uri,
    plain_cookie,
)
from .request import Request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Given = tuple[tuple[str, str], ...]
Pairs = tuple[Pair, ...]
Plain = tuple[bytes | None, int, ContentType, Given, Given, Pairs]
"""What an untouched response is: body, None if none was given; status; Content-Type; headers before that and the
Content-Length, and behind; those that were added since, as they are sent."""

Answer = tuple[int, list[Pair], bytes | None, "Response | None"]
"""A response as ASGI sends it: the status; (lower-case name, value) pairs; the body, ``None`` if it must be iterated;
the response itself if that, or closing it, is still to be done."""

# A subclass that replaces one of these sees every response made in full, as from Werkzeug.
SEAMS = (
    "__call__",
    "__getattribute__",
    "__setattr__",
    "_clean_status",
    "calculate_content_length",
    "close",
    "direct_passthrough",
    "get_app_iter",
    "get_wsgi_headers",
    "get_wsgi_response",
    "headers",
    "is_sequence",
    "iter_encoded",
    "response",
    "set_data",
    "status",
    "status_code",
)

# What a subclass may say otherwise of responses that nobody looks at before they are sent: `is_sent_plainly`.
HARMLESS = frozenset(
    {"__module__", "__qualname__", "__doc__", "__annotations__", "__firstlineno__", "__static_attributes__"}
    | {"__parameters__", "__orig_bases__", "__slotnames__", "default_mimetype", "json_module", "max_cookie_size"}
    | {"autocorrect_location_header", "_made_lazily", "is_made_as_ours", "_is_closed_simply"}
)

VARY: Pair = (b"vary", b"Cookie")
#: the names of headers that are added to untouched responses
ADDED = {b"vary": "Vary", b"set-cookie": "Set-Cookie", b"allow": "Allow"}

# What a response has of its own, or changes before it is sent.
SPECIAL = frozenset({"location", "content-location", "content-type", "content-length", "vary"})

# The one key in the dictionary of an untouched response. Any other means that somebody has done something to it.
PLAIN = "_plain"


new: Callable[[type[Response]], Response] = object.__new__


@lru_cache(256)
def status_line(status: int | str) -> tuple[str, int]:
    """The status with its reason, and its code, as Werkzeug works them out."""
    model = BaseResponse(status=status)
    return model.status, model.status_code


def simple_pairs(headers: object) -> Given | None:
    """The headers in a dict, where ``Headers`` would keep them as they are; None if it would not, or might not."""
    if headers.__class__ is not dict:
        return None
    given = tuple(cast("dict[str, str]", headers).items())
    locations = 0
    for name, value in given:
        if name.__class__ is not str or value.__class__ is not str:
            return None
        if (lower := name.lower()) in SPECIAL:
            locations += 1  # of two spellings the last counts
            if lower != "location" or locations > 1 or not is_uri(value):
                return None
        if "\n" in value or "\r" in value:
            return None
    return given


def complete(response: Response) -> None:
    """Set all that Werkzeug's ``__init__`` would have set, where nobody has set it since.

    Threads may share a response that many requests return: it counts as untouched until nothing is missing any more.
    """
    own = response.__dict__
    plain: Plain | None = own.get(PLAIN)
    if plain is None:
        return
    body, status, content_type, before, behind, added = plain
    if "headers" not in own:
        pairs = list(before)
        if content_type.text is not None:
            pairs.append(("Content-Type", content_type.text))
        if body is not None:
            pairs.append(("Content-Length", str(len(body))))
        pairs.extend(behind)
        pairs.extend((ADDED[name], value.decode("latin-1")) for name, value in added)
        headers = Headers()
        headers._list = pairs  # what `add` would do, once it has looked at each
        own.setdefault("headers", headers)
    if "_status" not in own:
        own["_status_code"], own["_status"] = status_line(status)[::-1]
    own.setdefault("response", [] if body is None else [body])
    own.setdefault("direct_passthrough", False)
    own.setdefault("_on_close", [])
    own.pop(PLAIN, None)


class Part:
    """An attribute that Werkzeug's response always has, and an untouched one gets when it is read."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, response: Response | None, owner: type) -> Any:
        if response is None:
            return self
        complete(response)
        try:
            return response.__dict__[self.name]
        except KeyError:
            raise AttributeError(f"{owner.__name__!r} object has no attribute {self.name!r}") from None


class ClassChange(property):
    """``__class__``, as ``force_type`` of another response class assigns it: that one couldn't complete it."""

    def __set__(self, response: Response, cls: type) -> None:
        complete(response)
        object.__dict__["__class__"].__set__(response, cls)


class Recast:
    """Gives a class ``ClassChange``; apart, because in the body of a class that uses ``super()`` the name is taken."""

    if not TYPE_CHECKING:
        __class__ = ClassChange(type)


class Response(Recast, BaseResponse):
    """One HTTP response.

    Takes what Werkzeug's takes, and an async iterable of str or bytes as a body to be streamed.

    Args:
        response: the body: str or bytes, a list or tuple of them, or an iterable, sync or async, to stream.
        status: a code, or a str of code and reason; 200 if not given.
        headers: pairs, a mapping or a ``Headers`` object.
        mimetype: of the body, ``text/html`` if neither it nor a Content-Type is given; a charset is added to text.
        content_type: the full Content-Type, instead of ``mimetype``.
        direct_passthrough: send the iterable's items as they are.

    What the class says counts as it is when an application first answers with it. Later another class may be assigned
    to ``app.response_class``.

    Source: Flask docs, API, Response Objects.
    """

    default_mimetype: str | None = "text/html"
    json_module: Any = json
    autocorrect_location_header = False

    #: Seconds that the client may take over one piece of a streamed body: ``None`` for any time, ``...`` for what
    #: ``RESPONSE_TIMEOUT`` says. (Quart has the name.)
    timeout: float | EllipsisType | None = ...
    #: Whether a streamed body goes on until somebody ends it. It is ended at once, cleanly, when the server stops.
    is_endless: bool = False
    #: After how many seconds without a piece of the body something is sent in its place, and what.
    heartbeat: tuple[float, bytes] | None = None

    #: Whether making one, of a body or another response, does what it does for this class and no more. Set for each
    #: subclass.
    is_made_as_ours: bool = not is_plain()

    _made_lazily = not is_plain()
    _plain: Plain
    _iterating: AsyncIterator[str | bytes] | None = None

    if TYPE_CHECKING:
        headers: Headers
        response: Iterable[str] | Iterable[bytes]
        direct_passthrough: bool
        _status: str
        _status_code: int
        _on_close: list[Callable[[], Any]]
    else:
        headers = Part()
        response = Part()
        direct_passthrough = Part()
        _status = Part()
        _status_code = Part()
        _on_close = Part()

    # Whether a list for a body is sent as it is, and nothing is closed then but what `call_on_close` was given.
    _is_closed_simply = _made_lazily

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        closing = ("asgi_body", "close", "close_async", "has_close_work", "_on_close")
        ours = all(getattr(cls, name) is getattr(Response, name) for name in SEAMS)
        cls._made_lazily = ours and Response._made_lazily
        cls._is_closed_simply = cls._made_lazily and all(getattr(cls, n) is getattr(Response, n) for n in closing)
        made_as_ours = cls.__new__ is Response.__new__ and cls.__init__ is Response.__init__
        forced_as_ours = cls.force_type.__func__ is Response.force_type.__func__  # type: ignore[attr-defined]
        cls.is_made_as_ours = cls._made_lazily and made_as_ours and forced_as_ours

    def __init__(
        self,
        response: Iterable[bytes] | bytes | Iterable[str] | str | AsyncIterable[str | bytes] | None = None,
        status: int | str | HTTPStatus | None = None,
        headers: Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]] | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        kind, given = type(response), () if headers is None else simple_pairs(headers)
        code = self.default_status if status is None else status
        if (
            (kind is str or kind is bytes or response is None)
            and given is not None
            and type(code) is int
            and self._made_lazily
            and self.automatically_set_content_length
            and not direct_passthrough
        ):
            if content_type is None and mimetype is None:
                mimetype = self.default_mimetype
            body: bytes | None = response.encode() if kind is str else response  # type: ignore[union-attr, assignment]
            self._plain = body, code, content_type_for(content_type, mimetype), given, (), ()
        else:
            super().__init__(
                cast("Iterable[bytes]", response), status, headers, mimetype, content_type, direct_passthrough
            )

    @classmethod
    def is_sent_plainly(cls) -> bool:
        """Whether one made of a str or bytes is sent as that, with a Content-Type, its length, and nothing else."""
        if type(cls).__call__ is not type.__call__:  # its metaclass has a say in what is made
            return False
        for base in cls.__mro__:
            if base is Response:
                return cls._made_lazily and cls.default_status == 200 and cls.automatically_set_content_length
            if any(name not in HARMLESS and hasattr(Response, name) for name in vars(base)):
                return False
        return False

    # Async bodies

    @property
    def is_async_iterable(self) -> bool:
        """Whether the body can only be iterated on the loop."""
        if PLAIN in self.__dict__ and "response" not in self.__dict__:
            return False
        body = self.response
        return hasattr(body, "__aiter__") and not hasattr(body, "__iter__")

    def iter_encoded(self) -> Iterator[bytes]:
        """Iterate over the body as bytes.

        Raises:
            RuntimeError: the body is an async iterable.
        """
        if self.is_async_iterable:
            raise RuntimeError(
                f"The body of this response is an async iterable ({type(self.response).__name__}), which cannot be read"
                " or made a sequence by sync code. Check 'response.is_streamed' first, or build the response from a"
                " str, bytes or list."
            )
        return super().iter_encoded()

    async def close_async(self) -> None:
        """``close``, on the loop: closes an async body too, whether it was started or not."""
        if not self.has_close_work:
            return
        close = getattr(self._iterating or self.response, "aclose", None)
        try:
            if close is not None:
                await close()
        finally:
            self.close()

    def close(self) -> None:
        """Close the body if it can be closed, and run what ``call_on_close`` was given."""
        if PLAIN not in self.__dict__ or self._has_body_of_its_own:
            super().close()

    @property
    def has_close_work(self) -> bool:
        """Whether ``close`` or ``close_async`` would do anything."""
        if type(self).close is not Response.close:
            return True
        if PLAIN in self.__dict__ and not self._has_body_of_its_own:
            return False
        body = self.response
        return bool(self._on_close) or hasattr(body, "close") or hasattr(body, "aclose")

    @property
    def has_callbacks(self) -> bool:
        """Whether ``call_on_close`` was given anything."""
        return bool(self._on_close)

    @property
    def _has_body_of_its_own(self) -> bool:
        return "response" in self.__dict__ or "_on_close" in self.__dict__

    def add_ready(self, pair: Pair) -> bool:
        """Add a header as it is sent, unless it is there, if nobody has looked at the response since it was made.

        Args:
            pair: its name is among `ADDED`, and its value is one that may be sent.

        Returns whether that is so.
        """
        own = self.__dict__
        plain: Plain | None = own.get(PLAIN) if len(own) == 1 else None
        if plain is None:
            return False
        body, status, content_type, before, behind, added = plain
        if not added:
            own[PLAIN] = body, status, content_type, before, behind, (pair,)
        elif pair not in added:
            own[PLAIN] = body, status, content_type, before, behind, (*added, pair)
        return True

    def amend(
        self,
        status: int | str | HTTPStatus | None = None,
        headers: Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]] | None = None,
    ) -> None:
        """Set the status, and the headers that are given; others stay. As a view may return them behind a body."""
        own, given = self.__dict__, () if headers is None else simple_pairs(headers)
        plain: Plain | None = own.get(PLAIN) if len(own) == 1 and (status is None or type(status) is int) else None
        if plain is not None and given is not None and len({name.lower() for name, _ in given}) == len(given):
            body, code, content_type, before, behind, added = plain
            if not before and not behind and not added:  # whose names might be the same
                own[PLAIN] = body, code if status is None else cast(int, status), content_type, (), given, ()
                return
        if isinstance(status, (str, bytes, bytearray)):
            self.status = status
        elif status is not None:
            self.status_code = status
        if headers:
            self.headers.update(headers)

    # Sending

    @property
    def reads_environ(self) -> bool:
        """Whether what is sent may depend on the request's environ."""
        return self.autocorrect_location_header or not self._made_lazily

    def untouched_answer(self, request_method: str) -> Answer | None:
        """What is to be sent if nobody has looked at the response since it was made; None: `asgi_answer` has to tell.

        Args:
            request_method: in upper case.
        """
        own = self.__dict__
        plain: Plain | None = own.get(PLAIN) if len(own) == 1 else None
        if plain is None:
            return None
        body, code, content_type, before, behind, added = plain
        pair = content_type[1]  # so written it is found quicker than by its name
        if pair is None or (code != 200 and not is_ordinary(code)):
            return None
        length = 0 if body is None else len(body)
        start = [pair, READY[length] if length < MOST_READY else (b"content-length", b"%d" % length)]
        if before or behind or body is None:
            if body is None:  # its length is worked out last
                return None if before or behind else (code, [pair, *added, READY[0]], b"", None)
            if self.reads_environ:
                return None
            if before:
                start = encode_headers(before) + start
            if behind:
                start += encode_headers(behind)
        if added:
            start += added
        return code, start, b"" if request_method == "HEAD" else body, None

    def asgi_answer(self, request_method: str, request: Request | None = None) -> Answer:
        """What is to be sent, all of it checked: status, headers, and the body if it is there as a whole.

        Args:
            request_method: in upper case.
            request: as for ``asgi_start``.

        Returns:
            see ``Answer``.

        Raises:
            ValueError: a header or a status that cannot be sent; the message names it.
        """
        if (answer := self.untouched_answer(request_method)) is not None:
            return answer
        own = self.__dict__
        status, pairs = self.asgi_start(request_method, request)
        pieces: Any = own.get("response")
        if pieces.__class__ is list and len(pieces) == 1 and self._is_closed_simply and not own.get("_on_close"):
            piece = pieces[0]
            if piece.__class__ is bytes:
                return status, pairs, piece if request_method != "HEAD" and is_ordinary(status) else b"", None
        body = self.asgi_body(request_method)
        return status, pairs, body, self if body is None or self.has_close_work else None

    def asgi_start(self, request_method: str, request: Request | None = None) -> tuple[int, list[Pair]]:
        """The status and headers to send, all of them checked.

        Args:
            request_method: in upper case.
            request: only needed by what reads the environ: ``autocorrect_location_header``, or a ``get_wsgi_headers``
                of a subclass.

        Returns:
            the code, and (lower-case name, value) pairs.

        Raises:
            ValueError: a header or a status that cannot be sent; the message names it.
        """
        status = self.status_code
        if not 200 <= status <= 599:
            raise ValueError(
                f"A response cannot be sent with the status {self.status!r}: its code must be from 200 to 599."
            )
        has_body = is_ordinary(status)
        if not self.reads_environ and (has_body or status == 204 or status == 304):
            pairs = encode_all(self.headers if has_body else headers_without_body(self.headers, status))
            if pairs is not None:  # the usual case, without the copying of get_wsgi_headers
                has_length = b"content-length" in dict(pairs) or not has_body
                if not has_length and self.automatically_set_content_length and self.is_sequence:
                    pairs.append((b"content-length", b"%d" % sum(map(len, self.iter_encoded()))))
                return status, pairs
        environ: WSGIEnvironment = {"REQUEST_METHOD": request_method}
        if self.reads_environ and request is not None:
            environ = request.environ
        return status, encode_headers(self.get_wsgi_headers(environ))

    def asgi_body(self, request_method: str = "GET") -> bytes | None:
        """The body to send, if it is there as a whole.

        Args:
            request_method: in upper case.

        Returns:
            the bytes, none of them for HEAD and for a status that has no body; ``None`` if the body must be iterated
            (``asgi_pieces``, or ``asgi_pieces_async`` if ``is_async_iterable``).
        """
        own = self.__dict__
        plain: Plain | None = own.get(PLAIN) if len(own) == 1 else None
        status = self.status_code if plain is None else plain[1]
        if request_method == "HEAD" or not is_ordinary(status):
            return b""
        if plain is not None:
            return plain[0] or b""
        if self.is_sequence:
            return b"".join(self.iter_encoded())
        return None

    @property
    def reads_file(self) -> bool:
        """Whether iterating over the body does nothing but read a file, which may be done in any thread."""
        return self.direct_passthrough and file_behind(self.response) is not None

    def asgi_path(self) -> str | None:
        """The path of the file that the body is, from its first byte to its last, for servers that send files."""
        body: Any = self.response
        found = body.whole_path if self.reads_file and type(body) is FileBody and self.status_code == 200 else None
        return found[0] if found is not None and found[1] == self.content_length else None

    def take_small_file(self) -> bytes | None:
        """Read a body that is a file, if it is small, and close it; ``None``, and nothing read, if it is not small.

        Blocks on the disk.
        """
        length = self.content_length
        if length is None or length > STEP or not self.reads_file:
            return None
        with closing(self):
            return b"".join(self.asgi_pieces())

    def leave_file(self, body: bytes) -> bytes:
        """Close a body that is a file, of which nothing is sent but `body`, which is returned."""
        with closing(self):
            return body

    def asgi_pieces(self) -> Iterator[bytes]:
        """Iterate over a sync body, in the thread or on the loop it belongs to."""
        if self.direct_passthrough:
            if type(self.response) is FileBody:
                self.response.left = self.content_length
            return iter(cast("Iterable[bytes]", self.response))
        return iter(self.iter_encoded())

    def asgi_pieces_async(self) -> AsyncIterator[bytes]:
        """Iterate over an async body, on the loop."""
        self._iterating = aiter(cast("AsyncIterable[str | bytes]", self.response))
        return EncodedPieces(self._iterating)

    # Cookies

    @property
    def max_cookie_size(self) -> int:  # type: ignore[override]
        """Warn of larger cookies: ``MAX_COOKIE_SIZE`` of the current app, else Werkzeug's default, in bytes."""
        config = Request.current_config()
        return BaseResponse.max_cookie_size if config is None else cast(int, config["MAX_COOKIE_SIZE"])

    # fmt: off
    def set_cookie(
        self, key: str, value: str = "", max_age: timedelta | int | None = None,
        expires: str | datetime | int | float | None = None, path: str | None = "/", domain: str | None = None,
        secure: bool = False, httponly: bool = False, samesite: str | None = None, partitioned: bool = False,
    ) -> None:
        # fmt: on
        """Add a Set-Cookie header; the arguments are Werkzeug's.

        Raises:
            ValueError: the name, the domain or ``expires`` has a ``;`` or a control character in it.
        """
        own, cookie = self.__dict__, None
        plain: Plain | None = own.get(PLAIN) if len(own) == 1 else None
        if plain is not None or self._made_lazily:
            dated = http_date(expires) if isinstance(expires, datetime) else expires
            attributes = max_age, dated, path, domain, secure, httponly, samesite, partitioned
            cookie = plain_cookie(key, value, self.max_cookie_size, *attributes)
        if cookie is not None:
            if plain is None:
                return self.headers.add("Set-Cookie", cookie.decode("latin-1"))
            body, status, content_type, before, behind, added = plain
            own[PLAIN] = body, status, content_type, before, behind, (*added, (b"set-cookie", cookie))
            return None
        check_cookie_part("name", key)
        check_cookie_part("domain", domain)
        check_cookie_part("expires", expires if isinstance(expires, str) else None)
        super().set_cookie(key, value, max_age, expires, path, domain, secure, httponly, samesite, partitioned)


def untouched(kind: type[Response], plain: Plain) -> Response:
    """Return a response of a class of which `is_sent_plainly` is true, not made in full."""
    response = new(kind)
    response._plain = plain
    return response


def is_ordinary(status: Any) -> bool:
    """Whether ``status`` is the code of a final response that may have a body."""
    return type(status) is int and 200 <= status <= 599 and status != 204 and status != 304


class EncodedPieces:
    """The pieces of an async body, as bytes. Not a generator, so that nothing is left to close but the body itself."""

    def __init__(self, pieces: AsyncIterator[str | bytes]) -> None:
        self.pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self.pieces)
        return piece.encode() if isinstance(piece, str) else piece
