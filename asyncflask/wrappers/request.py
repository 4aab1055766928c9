"""The request: Werkzeug's, plus Flask's attributes, made from a WSGI environ or, bit by bit, from an ASGI scope."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from inspect import Signature, signature
from typing import IO, TYPE_CHECKING, Any, ClassVar, Protocol, cast, overload

from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.wrappers import Request as BaseRequest

from .. import json
from ..lazy import lazy
from ..plain import is_plain
from .body import Body
from .environ import OPEN, RequestHeaders, environ_from_scope
from .form import GROUPED, FormParser, Found, Kept, PartReader, multidict, split_fields
from .request_head import RequestHead
from .stream import BodyInput, BodyStream, NoBody, limited_input, open_body
from .whole_form import WHOLE_AT_MOST

if TYPE_CHECKING:
    from typing import Self

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.routing import Rule

    from .multipart import MultipartStream

PLAIN = is_plain()
FORMS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})


# What a form is parsed with, where it is parsed by the book.
_PARSES = (
    "_get_file_stream", "_get_stream_for_parsing", "_load_form_data", "content_length", "make_form_data_parser",
    "stream", "want_form_data_parsed",
)  # fmt: skip

# What `Request.address` tells; headers for the host.
_ADDRESS = frozenset({"headers", "path", "root_path", "scheme", "server"})
Address = tuple[str, bytes, "tuple[str, int | None] | None", str, str]
"""Of a request: scheme, Host header, (host, port) of the server, root path, path."""


class ClientProbe(Protocol):
    """What can be asked about the client of a request."""

    def has_left(self) -> bool:
        """Return whether it is known to have left."""
        ...

    async def leaving(self) -> None:
        """Return when it has left."""


class InitSignature:
    """``inspect.signature`` of a class: the parameters of its ``__init__``, also where ``__new__`` takes any."""

    def __get__(self, instance: object, owner: type) -> Signature:
        return Signature(list(signature(owner.__init__).parameters.values())[1:])  # type: ignore[misc]


class Limit:
    """A limit of the request: what was assigned, else the app's configuration, else Werkzeug's default.

    Args:
        key: in the app's configuration.
        default: where there is no current app.
    """

    def __init__(self, key: str, default: int | None) -> None:
        self.key = key
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, request: None, owner: type) -> Self: ...

    @overload
    def __get__(self, request: Request, owner: type | None = None) -> int | None: ...

    def __get__(self, request: Request | None, owner: type | None = None) -> int | Self | None:
        if request is None:
            return self
        assigned: int | None = request.__dict__.get(self.name)
        if assigned is not None:
            return assigned
        config = type(request).current_config()
        return self.default if config is None else config[self.key]

    def __set__(self, request: Request, value: int | None) -> None:
        request.__dict__[self.name] = value
        if self.name == "max_content_length" and request.asgi_body is not None:
            request.asgi_body.raise_limit(request.max_content_length)


class ConfigSource(Protocol):
    """Gives the configuration of the current app."""

    def __call__(self) -> Mapping[str, Any] | None:
        """Return it, or ``None`` where there is no current app."""
        ...


def no_config() -> Mapping[str, Any] | None:
    """What ``Request.current_config`` is while nobody has set it."""
    return None


def nobody_knows(request: Request) -> None:
    """What ``Request.ask_client`` is while nobody has set it."""


@lru_cache(1024)
def blueprint_path(name: str) -> tuple[str, ...]:
    """A dotted blueprint name and those of its parents, innermost first: ``a.b`` gives ``("a.b", "a")``."""
    steps = name.split(".")
    return tuple(".".join(steps[:end]) for end in range(len(steps), 0, -1))


def address_in(scope: Mapping[str, Any], headers: dict[bytes, bytes], path: str, root_path: str) -> Address:
    """Return the address of a request from its scope, the headers in that by name, and its path under the root path."""
    server = scope.get("server")
    where = server if server is None or type(server) is tuple else tuple(server)
    return scope.get("scheme", "http"), headers.get(b"host", b""), where, root_path.rstrip("/"), f"/{path.lstrip('/')}"


class Request(RequestHead):
    """One HTTP request.

    Everything that Werkzeug's request says, and what Flask adds: the matched rule, the limits from the configuration,
    JSON as the app does it. Attributes are plain values in ``def`` and ``async def`` views alike.

    Args:
        environ: a WSGI environ. (``from_scope`` is the way from ASGI.)
        populate_request: put the request into the environ as ``werkzeug.request``.
        shallow: make reading the body a RuntimeError.

    Source: Flask docs, API, Incoming Request Data.
    """

    #: Gives the configuration of the current app, or ``None`` where there is none; set once by who knows about apps.
    current_config: ClassVar[ConfigSource] = staticmethod(no_config)

    # What each request has. Slots are several times quicker to fill than attributes that the class has as well.
    __slots__ = (
        "_ahead", "_body", "_files", "_paths", "asgi_receive", "has_environ", "header_bytes", "routing_exception",
        "scope", "url_rule", "view_args",
    )  # fmt: skip

    json_module: Any = json
    form_data_parser_class: type[FormDataParser] = FormParser

    #: The rule that matched, with its methods; ``None`` before or without a match.
    url_rule: Rule | None
    #: The arguments that matched; ``None`` before or without a match.
    view_args: dict[str, Any] | None
    #: What matching the URL raised, to be raised when the request is dispatched.
    routing_exception: HTTPException | None

    #: The ASGI scope, if the request came from one.
    scope: dict[str, Any] | None

    #: Makes what knows about the client of a request; set once by the ASGI side.
    ask_client: ClassVar[Callable[[Request], ClientProbe | None]] = staticmethod(nobody_knows)
    #: The ASGI callable that its messages come from, if it came through ASGI.
    asgi_receive: Callable[[], Awaitable[dict[str, Any]]] | None

    #: The header of the scope by lower-case name, if no name is repeated in it; set by the ASGI side.
    header_bytes: dict[bytes, bytes] | None

    #: Whether a request that came through ASGI has had its environ made.
    has_environ: bool

    shallow = False
    _body: Body | BodyStream | None
    _files: list[Any] | None
    # What `parse_ahead` found, form and files or an error, and on what terms.
    _ahead: tuple[tuple[Any, ...], tuple[Any, Any] | Exception] | None
    _paths: tuple[str, str]

    if TYPE_CHECKING:
        max_content_length: int | None
        max_form_memory_size: int | None
        max_form_parts: int | None  # type: ignore[assignment]
    else:
        max_content_length = Limit("MAX_CONTENT_LENGTH", BaseRequest.max_content_length)
        max_form_memory_size = Limit("MAX_FORM_MEMORY_SIZE", BaseRequest.max_form_memory_size)
        max_form_parts = Limit("MAX_FORM_PARTS", BaseRequest.max_form_parts)

    __signature__: InitSignature = InitSignature()

    # From ASGI

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make one that knows nothing yet."""
        request = object.__new__(cls)
        request.scope = request.url_rule = request.view_args = request.routing_exception = None
        request.asgi_receive = request.header_bytes = request._body = request._files = request._ahead = None
        request.has_environ = False
        return request

    @classmethod
    def from_scope(
        cls, scope: dict[str, Any], body: Body | BodyStream | None = None, *, path: str, root_path: str = ""
    ) -> Self:
        """Make a request of an ASGI scope, reading nothing of it yet.

        A subclass with an ``__init__`` of its own gets the environ, as under WSGI.

        Args:
            scope: of type http.
            body: its body; may be set later as ``asgi_body``, before it is read.
            path: what comes after ``root_path``, percent-decoded.
            root_path: the prefix the app is mounted under, percent-decoded.
        """
        if cls.__init__ is BaseRequest.__init__:
            request = cls.__new__(cls)
        else:
            request = cls(environ_from_scope(scope, path, root_path.rstrip("/"), cast("IO[bytes]", BodyInput(body))))
            request.has_environ = True
        request.scope = scope
        if request.has_environ:
            request._note_environ()
        request.method = scope["method"].upper()
        request.query_string = scope.get("query_string", b"")
        request._paths = path, root_path
        request._body = body
        return request

    @classmethod
    def is_made_quietly(cls) -> bool:
        """Whether making one runs no code but ours."""
        names = ("__init__", "__new__", "__setattr__", "__getattribute__", "method", "query_string", "asgi_body")
        return cls._keeps(*names) and cls.from_scope.__func__ is Request.from_scope.__func__  # type: ignore[attr-defined]

    @classmethod
    def finds_cookies(cls) -> bool:
        """Whether it may have cookies without a header for them, as a subclass can take them from somewhere else."""
        return not cls._keeps("cookies", "headers")

    @classmethod
    def is_addressed_plainly(cls) -> bool:
        """Whether no code but ours has a say in what `address` tells."""
        return cls._keeps(*_ADDRESS)

    @classmethod
    def _keeps(cls, *names: str) -> bool:
        """Whether these attributes are those of this class here."""
        return cls is Request or all(getattr(cls, name, None) is getattr(Request, name, None) for name in names)

    @property
    def asgi_body(self) -> Body | BodyStream | None:
        """The body that the ASGI side feeds; ``None`` if it was not read, or if the request is a WSGI one."""
        return self._body

    @asgi_body.setter
    def asgi_body(self, body: Body | BodyStream | None) -> None:
        self._body = body
        if "environ" in self.__dict__ and (source := self._input) is not None:
            source.attach(body)

    @property
    def _input(self) -> BodyInput | None:
        # Our own wsgi.input, unless nobody has asked for the environ yet or somebody has put another one there.
        environ = self.__dict__.get("environ")
        source = None if environ is None else environ.get("wsgi.input")
        return source if isinstance(source, BodyInput) else None

    @lazy
    def _client(self) -> ClientProbe | None:
        return type(self).ask_client(self)

    @property
    def is_disconnected(self) -> bool:
        """Whether the client is known to have left, to be polled in a thread or on the loop. False where unknown."""
        return self._client is not None and self._client.has_left()

    async def disconnected(self) -> None:
        """Wait, on the loop, until the client has left.

        Raises:
            RuntimeError: the server does not tell, as under WSGI.
        """
        if self._client is None:
            raise RuntimeError("Nobody can tell here when the client leaves: the request did not come through ASGI.")
        await self._client.leaving()

    if not TYPE_CHECKING:

        @lazy
        def scheme(self) -> str:
            """``http`` or ``https``."""
            return self.scope.get("scheme", "http")

        @lazy
        def server(self) -> tuple[str, int | None] | None:
            """(host, port) or, for a unix socket, (path, None)."""
            address = self.scope.get("server")
            return None if address is None else tuple(address)

        @lazy
        def root_path(self) -> str:
            """The prefix that the app is mounted under, without a trailing slash."""
            return self._paths[1].rstrip("/")

        @lazy
        def path(self) -> str:
            """What comes after ``root_path``, with one leading slash."""
            return "/" + self._paths[0].lstrip("/")

        @lazy
        def remote_addr(self) -> str | None:
            """The client's address."""
            client = self.scope.get("client")
            return client[0] if client else None

        @lazy
        def headers(self) -> RequestHeaders:
            """The headers, read-only."""
            return RequestHeaders(self.scope["headers"], self.header_bytes)

        @lazy
        def environ(self) -> WSGIEnvironment:
            """What a WSGI server would have passed, for code that wants it."""
            path, root_path = self._paths
            self._note_environ()
            own = self.__dict__
            read = "_cached_data" in own and "_reader" not in own  # to its end
            source = BodyInput(self._body, NoBody() if read else own.get("_reader"))
            environ = environ_from_scope(self.scope, path, root_path.rstrip("/"), source)
            environ["werkzeug.request"] = self
            return environ

    def address(self) -> Address | None:
        """What it was sent to, if with the headers that it has, and for no other protocol; else None."""
        raw, scope = self.header_bytes, self.scope
        if raw is None or scope is None or b"upgrade" in raw:
            return None
        if not (_ADDRESS.isdisjoint(self.__dict__) and (type(self) is Request or self._keeps(*_ADDRESS))):
            headers = self.headers  # an attribute of its class, or assigned, or just asked for before
            if type(headers) is not RequestHeaders or headers.by_name is not raw:
                return None
            return self.scheme, raw.get(b"host", b""), self.server, self.root_path, self.path
        return address_in(scope, raw, *self._paths)

    # Routing

    @property
    def endpoint(self) -> str | None:
        """The endpoint of the matched rule, or ``None``."""
        rule = self.url_rule
        return None if rule is None else cast("str | None", rule.endpoint)

    @property
    def blueprint(self) -> str | None:
        """The name that the matched blueprint is registered under, with its parents' in front; or ``None``."""
        head, dot, _ = (self.endpoint or "").rpartition(".")
        return head if dot else None

    @property
    def blueprints(self) -> list[str]:
        """``blueprint`` and the names of its parents, innermost first."""
        name = self.blueprint
        return [] if name is None else list(blueprint_path(name))

    # The body

    @lazy
    def content_length(self) -> int | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The declared length of the body in bytes, or ``None``."""
        raw = self.header_bytes
        length = b"" if raw is None or b"transfer-encoding" in raw else raw.get(b"content-length", b"")
        return int(length) if 0 < len(length) < 19 and length.isdigit() else super().content_length

    @lazy
    def stream(self) -> IO[bytes]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The body as a binary file, to be read once.

        Raises:
            RequestEntityTooLarge: 413, the body exceeds ``max_content_length``.
            ClientDisconnected: 400, the client left before its end.
            RuntimeError: the request is shallow.
        """
        if self.shallow:
            raise RuntimeError(
                "The request was made with 'shallow=True', so its body must not be read here. Leave it to the"
                " application that handles the request."
            )
        if "_cached_data" in self.__dict__ and "_reader" not in self.__dict__:
            return NoBody()  # it was read to its end
        source = self._input if "environ" in self.__dict__ else None
        if self.scope is None or (source is None and "environ" in self.__dict__):
            return limited_input(self.environ, self.max_content_length)
        limit = self.max_content_length
        if limit is not None and (self.content_length or 0) > limit:
            raise RequestEntityTooLarge()
        if self._body is None:
            return NoBody()
        reader = open_body(self._body, limit) if source is None else source.opened(limit)
        self.__dict__["_reader"] = reader
        return cast("IO[bytes]", reader)

    def multipart(self) -> MultipartStream:
        """The parts of a multipart form, to be read as they arrive: nothing is kept in memory or on disk.

        For routes that say ``stream_body=True``; elsewhere the body has been read before the view runs. Called again,
        it returns the same stream.

            async for part in request.multipart():          # or "for", in a "def" view
                if part.filename:
                    await part.asave(folder / secure_filename(part.filename))

        Raises:
            UnsupportedMediaType: 415, the request is no multipart form.
            BadRequest: 400, its Content-Type has no valid boundary.
            RuntimeError: the form was parsed before.
            RequestEntityTooLarge: 413, the declared length exceeds ``max_content_length``.
        """
        own = self.__dict__
        if "_multipart" not in own:
            if "form" in own:
                raise RuntimeError("The form of this request was parsed before: use request.form and request.files.")
            from .multipart import MultipartStream, multipart_boundary  # few requests are read in this way

            boundary = multipart_boundary(self.mimetype, self.mimetype_params)
            limits = self.max_form_memory_size, self.max_form_parts
            own["_multipart"] = MultipartStream(self.stream, boundary, self.content_length, *limits)
        return cast("MultipartStream", own["_multipart"])

    @property
    def is_json(self) -> bool:
        """Whether the Content-Type is JSON: ``application/json`` or a type that ends in ``+json``."""
        return self._is_plain_json() or super().is_json

    def _is_plain_json(self) -> bool:
        """Whether the Content-Type is ``application/json`` to the letter, as it mostly is, and that tells."""
        is_plain = (self.header_bytes or {}).get(b"content-type") == b"application/json" and not PLAIN
        return is_plain and (type(self) is Request or self._keeps("is_json", "mimetype", "_parse_content_type"))

    if not TYPE_CHECKING:

        def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> bytes | str:
            """The body as bytes, or as text. (Werkzeug docs: Request.get_data.)"""
            own, body = self.__dict__, self._body
            touched = "_cached_data" in own or "stream" in own or self.has_environ
            is_usual = isinstance(body, Body) and cache and self._keeps("max_content_length", "stream")
            if not is_usual or touched or self.shallow or PLAIN:
                return super().get_data(cache, as_text, parse_form_data)
            if parse_form_data and not self._has_no_form():
                return super().get_data(cache, as_text, parse_form_data)
            # It lies in memory as a whole: no need to read it as a file first.
            # The configured limit was the body's while it arrived; only one that was assigned since can differ.
            assigned = own.get("max_content_length")
            body.check(body.limit if assigned is None else assigned)
            data = own["_cached_data"] = body.data()
            if parse_form_data:
                kind, own["stream"] = self.parameter_storage_class, NoBody()
                own["form"], own["files"], own["_reader"] = kind(), kind(), own["stream"]
            return data.decode(errors="replace") if as_text else data

    @property
    def want_form_data_parsed(self) -> bool:
        """Whether the request says what type its body has."""
        raw = self.header_bytes
        return bool(self.headers.get("Content-Type") if raw is None else raw.get(b"content-type"))

    def make_form_data_parser(self) -> FormDataParser:
        """Make a ``form_data_parser_class``; the files it opens are closed with the request."""
        parser = super().make_form_data_parser()
        spools = type(self)._get_file_stream is BaseRequest._get_file_stream and not PLAIN
        parser.stream_factory = Kept(parser.stream_factory, self._kept_files(), spools=spools)
        return parser

    def _form_in_memory(self) -> Found | None:
        """Parse a short form that came as a whole; None: it takes a stream, or what a subclass has for it."""
        own, body = self.__dict__, self._body
        if not isinstance(body, Body) or not body.content_length or body.content_length > WHOLE_AT_MOST:
            return None
        touched = "stream" in own or "environ" in own or "_cached_data" in own
        if touched or self.shallow or PLAIN or not self._parses_by_itself():
            return None
        mimetype, boundary = self.mimetype, self.mimetype_params.get("boundary")
        if mimetype == "application/x-www-form-urlencoded":
            return self._fields_in_memory(body)
        if mimetype != "multipart/form-data" or not boundary or not boundary.isascii():
            return None
        body.check(self.max_content_length)
        factory = Kept(self._get_file_stream, self._kept_files(), spools=True)
        limit, most_parts, kind = self.max_form_memory_size, self.max_form_parts, self.parameter_storage_class
        reader = PartReader(factory, limit, kind, max_form_parts=most_parts)
        own["stream"] = own["_reader"] = NoBody()  # read to its end, also where the form is refused
        found = reader.parse_whole(body.data(), boundary.encode())
        if found is None:
            del own["stream"], own["_reader"]
        return found

    def _has_no_form(self) -> bool:
        """Whether looking for a form would find that the Content-Type says otherwise, and do nothing else."""
        config = type(self).current_config()
        is_told = config is not None and config["DEBUG"]
        return not is_told and self._parses_by_itself() and self.mimetype not in FORMS

    def _fields_in_memory(self, body: Body) -> Found | None:
        body.check(self.max_content_length)
        kind = self.parameter_storage_class
        lists = split_fields(body.data(), self.max_form_parts) if kind in GROUPED else None
        if lists is None:
            return None
        self.__dict__["stream"] = self.__dict__["_reader"] = NoBody()  # read to its end
        return multidict(kind, lists), kind()

    def _parses_by_itself(self) -> bool:
        return self._keeps(*_PARSES) and self.form_data_parser_class is FormParser

    def parse_ahead(self) -> None:
        """Parse the form before its first use, as in a thread while the view will run on the loop.

        Nobody sees a difference: what is wrong with the form is raised at its first use, limits that are set until then
        count, and the body can still be read as it came.
        """
        own = self.__dict__
        terms = self._form_terms
        try:
            super()._load_form_data()
            self._ahead = terms, (own.pop("form"), own.pop("files"))
        except Exception as error:
            self._ahead = terms, error
        own.pop("stream", None)
        own.pop("_reader", None)
        self.asgi_body = self._body  # the environ's input begins anew, too

    @property
    def _form_terms(self) -> tuple[Any, ...]:
        limits = self.max_content_length, self.max_form_memory_size, self.max_form_parts
        return *limits, self.form_data_parser_class, self.parameter_storage_class

    def _load_form_data(self) -> None:
        own = self.__dict__
        if "form" in own:
            return
        ahead, self._ahead = self._ahead, None
        as_it_came = "stream" not in own or "_cached_data" in own
        if ahead is not None and as_it_came and ahead[0] == self._form_terms:
            own["stream"] = io.BytesIO()
            if isinstance(ahead[1], Exception):
                raise ahead[1]
            own["form"], own["files"] = ahead[1]
        elif (found := self._form_in_memory()) is not None:
            own["form"], own["files"] = found
        else:
            super()._load_form_data()
        config = type(self).current_config()
        if config is not None and config["DEBUG"] and not self.files and self.mimetype != "multipart/form-data":
            # A development aid from a higher layer; imported only where it is used.
            from ..debughelpers import attach_enctype_error_multidict

            attach_enctype_error_multidict(self)

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Parse the body as JSON.

        Args:
            force: whatever the Content-Type says.
            silent: return ``None`` instead of failing.
            cache: keep the result, and the body, for the next call.

        Raises:
            UnsupportedMediaType: 415, the Content-Type is not JSON.
            BadRequest: 400, the body is not JSON, or is nested deeper than Python can follow.
        """
        try:
            is_json = self._is_plain_json() or force or self.is_json
            if is_json and cache and not silent and not PLAIN and self._cached_json[0] is ...:
                value = self.json_module.loads(self.get_data())
                self._cached_json = value, value
                return value
        except (ValueError, RecursionError):
            pass  # is met again, and answered, below
        try:
            return super().get_json(force=force, silent=silent, cache=cache)
        except RecursionError:
            too_deep = ValueError("the document is nested too deeply")
            return None if silent else self.on_json_loading_failed(too_deep)

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """Decide what ``get_json`` does about a body that isn't JSON. Outside of debug mode the reason is not told.

        Args:
            e: what parsing raised; ``None`` if the Content-Type was wrong.
        """
        config = type(self).current_config()
        try:
            return super().on_json_loading_failed(e)
        except BadRequest as failure:
            if config is not None and config["DEBUG"]:
                raise
            raise BadRequest() from failure

    @property
    def has_close_work(self) -> bool:
        """Whether ``close`` would do anything."""
        return self._body is not None or self._files is not None or "environ" in self.__dict__

    def _kept_files(self) -> list[Any]:
        if self._files is None:
            self._files = []
            if self.scope is not None:
                self.scope[OPEN] = True
        return self._files

    def _note_environ(self) -> None:
        # Whoever has it may open what it likes.
        self.has_environ = True
        if self.scope is not None:
            self.scope[OPEN] = True

    def close(self) -> None:
        """Close every file that parsing made, also where it failed half-way, and let go of the body.

        Who holds ``stream`` and is half-way through it, as a response that is still being produced, may read on.
        """
        if "files" in self.__dict__:
            super().close()
        for file in self._files or ():
            file.close()
        if isinstance(self._body, Body):
            self._body.close()
        environ = self.__dict__.get("environ")
        if environ is not None and environ.get("werkzeug.request") is self:
            environ["werkzeug.request"] = None  # this cycle would wait for the garbage collector

    def end(self) -> None:
        """``close``, once the response was sent: a body that was read half-way, as by a bad form, is let go of too."""
        self.close()
        if isinstance(self._body, Body):
            self._body.end()
