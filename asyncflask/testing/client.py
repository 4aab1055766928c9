"""The sync test client: Werkzeug's, sending its requests through the ASGI side of the application.

A request runs in the caller's thread and begins with the caller's context variables; what it sets is set for the caller
afterwards. The client may also be used where a loop runs already: that one stands still meanwhile.
"""

from __future__ import annotations

import importlib.metadata
import os
import typing as t
from contextlib import ExitStack, closing, contextmanager, suppress
from contextvars import Context, copy_context
from copy import copy
from functools import cache
from inspect import isawaitable
from urllib.parse import urlsplit

import werkzeug.test
from werkzeug.datastructures import Headers
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Request as BaseRequest
from werkzeug.wsgi import get_current_url

from ..globals import _cv_app
from ..wrappers.environ import CLIENT
from .builder import EnvironBuilder
from .loops import bridge_of
from .transport import ClientLink, Exchange, request_body, scope_from_environ

if t.TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.test import TestResponse

    from ..app import App
    from ..sessions import SessionMixin

Transport = t.Literal["asgi", "wsgi"]

PRESERVE = "werkzeug.debug.preserve_context"
"""The key of an environ under which the client leaves the callable for contexts that are to stay."""

_UNSET: t.Any = object()

# Names that Title-Case spells differently from what everybody is used to
_SPELLED = {name.lower(): name for name in ("Content-MD5", "DNT", "ETag", "TE", "WWW-Authenticate", "X-XSS-Protection")}


@cache
def werkzeug_version() -> str:
    """Return the version of Werkzeug, for the client's User-Agent."""
    return importlib.metadata.version("werkzeug")


class FlaskClient(werkzeug.test.Client):
    """Sends requests to an application without a server; ``app.test_client()`` makes it.

    Args:
        args, kwargs: as for Werkzeug's client.
        transport: "asgi" calls ``app.asgi``, as a server would; "wsgi" calls ``app.wsgi_app``. By default the
            environment variable ``ASYNCFLASK_TEST_TRANSPORT`` decides, else it is "asgi".

    In a ``with client:`` block the context of the last request stays, so that ``request``, ``session`` and ``g`` can be
    looked at; it goes with the next request or at the end of the block. What the application does before serving is
    done with the first request, what it does after serving at the end of such a block. A request is over when the
    background work that it began is. Errors that the application does not handle are
    raised by the call that made the request. Answers are read to their end at once. ``client.environ_base`` holds
    variables for every request. (Flask docs: Testing Flask Applications.)
    """

    application: App

    def __init__(self, *args: t.Any, transport: Transport | None = None, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self.transport = _checked_transport(transport or os.environ.get("ASYNCFLASK_TEST_TRANSPORT") or "asgi")
        self.environ_base: dict[str, str] = {
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_USER_AGENT": f"Werkzeug/{werkzeug_version()}",
        }
        self.preserve_context: bool = False
        self._context_stack = ExitStack()
        self._new_contexts: list[t.ContextManager[t.Any]] = []

    # -- requests --------------------------------------------------------------------------------------------------

    def open(
        self, *args: t.Any, buffered: bool = False, follow_redirects: bool = False, **kwargs: t.Any
    ) -> TestResponse:
        """Make a request and return its response.

        Args:
            args, kwargs: as for `EnvironBuilder`; or one builder, environ or request instead.
            buffered: read the body to its end at once, and close it.
            follow_redirects: make the requests that redirects ask for; ``response.history`` has the answers before.
        """
        request = self._request_of(args, kwargs)
        # Contexts kept from the last request must not be seen by this one, nor by those it is redirected to.
        self._context_stack.close()
        response = super().open(request, buffered=buffered, follow_redirects=follow_redirects)
        response.json_module = self.application.json  # type: ignore[assignment]
        while self._new_contexts:
            self._context_stack.enter_context(self._new_contexts.pop(0))
        return response

    def resolve_redirect(self, response: TestResponse, buffered: bool = False) -> TestResponse:
        """Make the request that a redirect asks for; one that keeps its method (307, 308) keeps its body."""
        _rewind(response.request.environ)
        return super().resolve_redirect(response, buffered)

    def _request_of(self, args: tuple[t.Any, ...], kwargs: dict[str, t.Any]) -> BaseRequest:
        given = args[0] if args else None
        if isinstance(given, BaseRequest):
            request = copy(given)
            request.environ = self._copy_environ(request.environ)
            return request
        if isinstance(given, werkzeug.test.EnvironBuilder):
            theirs = copy(given)
            theirs.environ_base = self._copy_environ(dict(theirs.environ_base or {}))
            return theirs.get_request()
        if isinstance(given, dict):
            base = self._copy_environ({})
            return EnvironBuilder.from_environ(given, app=self.application, environ_base=base).get_request()
        return self._request_from_builder_args(args, kwargs)

    def _request_from_builder_args(self, args: tuple[t.Any, ...], kwargs: dict[str, t.Any]) -> BaseRequest:
        kwargs["environ_base"] = self._copy_environ(kwargs.get("environ_base", {}))
        with closing(EnvironBuilder(self.application, *args, **kwargs)) as builder:
            return builder.get_request()

    def _copy_environ(self, other: WSGIEnvironment) -> WSGIEnvironment:
        environ: WSGIEnvironment = {**self.environ_base, **other}
        if self.preserve_context:
            environ[PRESERVE] = self._new_contexts.append
        return environ

    def run_wsgi_app(self, environ: WSGIEnvironment, buffered: bool = False) -> tuple[t.Iterable[bytes], str, Headers]:
        """Send a request over the client's transport, and read the answer to its end, `buffered` or not."""
        if self.transport == "wsgi":
            pieces, status, headers = super().run_wsgi_app(environ, buffered=True)
            return _body(pieces, buffered), status, headers
        self._add_cookies_to_wsgi(environ)
        # A copy: what the application changes must not reach a redirect.
        pieces, status, headers = self._exchange(environ.copy())
        url = urlsplit(get_current_url(environ))
        self._update_cookies_from_response(url.hostname or "localhost", url.path, headers.getlist("Set-Cookie"))
        return _body(pieces, buffered), status, headers

    def _exchange(self, environ: WSGIEnvironment) -> tuple[t.Iterable[bytes], str, Headers]:
        context = copy_context()
        with bridge_of(self.application) as bridge:
            link = ClientLink(bridge, environ, preserve=environ.get(PRESERVE))
            exchange = Exchange(scope_from_environ(environ) | {CLIENT: link}, request_body(environ))
            try:
                before = tuple(vars(self.application).get("background_tasks", ()))
                bridge.serve(exchange.run(self.application.asgi), context)
                if vars(self.application).get("background_tasks"):
                    bridge.serve(self.application.background_settled(but=before), Context())
            finally:
                for variable, value in (link.context or context).items():
                    if variable is not _cv_app and variable.get(_UNSET) is not value:
                        variable.set(value)
        return exchange.pieces, _status_line(exchange.status), _readable(exchange.headers)

    # -- sessions and contexts -------------------------------------------------------------------------------------

    @contextmanager
    def session_transaction(self, *args: t.Any, **kwargs: t.Any) -> t.Iterator[SessionMixin]:
        """Open the client's session for a ``with`` block, which may change it; it is saved at the end.

        Args:
            args, kwargs: as for ``app.test_request_context``, if opening the session depends on the request.

        Raises TypeError if the client keeps no cookies, RuntimeError if no session can be opened.
        (Flask docs: Testing, Accessing and Modifying the Session.)
        """
        if self._cookies is None:
            raise TypeError("Cookies are disabled. Create a client with 'use_cookies=True'.")
        app, interface = self.application, self.application.session_interface
        ctx = app.test_request_context(*args, **kwargs)
        self._add_cookies_to_wsgi(ctx.request.environ)
        with ctx:
            session: SessionMixin | None = self._settled(interface.open_session(app, ctx.request))
        if session is None:
            raise RuntimeError("Session backend did not open a session.")
        yield session
        if interface.is_null_session(session):
            return
        response = app.response_class()
        with ctx:
            self._settled(interface.save_session(app, session, response))
        host = ctx.request.host.partition(":")[0]
        self._update_cookies_from_response(host, ctx.request.path, response.headers.getlist("Set-Cookie"))

    def _settled(self, value: t.Any) -> t.Any:
        """Return what an ``async def`` method of a session interface comes to."""
        if not isawaitable(value):
            return value
        with bridge_of(self.application) as bridge:
            return bridge.serve(value)

    def __enter__(self) -> t.Self:
        if self.preserve_context:
            raise RuntimeError("Cannot nest client invocations")
        self.preserve_context = True
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.preserve_context = False
        self._context_stack.close()
        with bridge_of(self.application) as bridge:
            if vars(self.application).get("servings", {}).get(bridge.loop) is not None:
                bridge.serve(self.application.stop_serving(), Context())


def _rewind(environ: WSGIEnvironment) -> None:
    # The body may have been read ahead of a view that did not want it.
    if length := environ.get("CONTENT_LENGTH"):
        with suppress(AttributeError, OSError, ValueError):  # no such input, or a length that is not its own
            environ["wsgi.input"].seek(-int(length), os.SEEK_END)


def _checked_transport(transport: str) -> Transport:
    if transport in ("asgi", "wsgi"):
        return t.cast(Transport, transport)
    raise ValueError(f"The transport of a test client is 'asgi' or 'wsgi', not {transport!r}.")


def _body(pieces: t.Iterable[bytes], buffered: bool) -> t.Iterable[bytes]:
    """Return the body of a response: as in Werkzeug a stream until it is read, unless it was to be `buffered`."""
    return pieces if buffered else iter(pieces)


def _status_line(status: int) -> str:
    return f"{status} {HTTP_STATUS_CODES.get(status, 'unknown').upper()}"


def _readable(pairs: t.Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the headers of an answer with their names as one is used to see them."""
    decoded = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)
    return Headers([(_SPELLED.get(name, name.title()), value) for name, value in decoded])
