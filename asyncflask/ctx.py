"""What "current" means: the context of an application, or of one request to it.

There is one class. A context without a request is what ``app.app_context()`` gives; one with a request also carries
the session, the flashes and the functions to run after this request. Pushing binds it to the current ``contextvars``
context, needs no event loop, may be repeated, and every push needs its pop; the last pop runs the teardown functions.

A request context pushed while a context of the same app is active joins it: they share ``g``, and the application
teardown is left to the outer one. A bare context pushed inside a request still sees that request.
"""

from __future__ import annotations

import sys
import typing as t
from contextvars import Token
from functools import update_wrapper
from inspect import iscoroutinefunction

from werkzeug.exceptions import HTTPException, SecurityError

from .errors import raise_collected
from .globals import _AppCtxGlobals as _AppCtxGlobals
from .globals import _cv_app, _cv_request, _no_req_msg, no_websocket_msg
from .lanes import INLINE
from .lazy import lazy, unless_set
from .signals import appcontext_popped, appcontext_pushed
from .threads import run_async, waited_for
from .wrappers import Request, Websocket
from .wrappers.body import Body

if t.TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.routing import MapAdapter

    from .app import App
    from .lifetime.request import RequestLifetime
    from .pipeline.hooks import Plan
    from .pipeline.stages import Stages
    from .sessions import SessionMixin
    from .typing import AfterRequestCallable, AfterRequestHook
    from .wrappers.response import Answer
    from .wrappers.stream import BodyStream

_sentinel: t.Any = object()

new: t.Callable[[type[Request]], Request] = object.__new__
# bound once
current: t.Callable[[AppContext | None], AppContext | None] = _cv_app.get
make_current: t.Callable[[AppContext], Token[AppContext]] = _cv_app.set
BOUND: tuple[Token[AppContext] | None, ...] = (None,)
"""The tokens of a context that was bound, and not pushed since."""


F = t.TypeVar("F", bound=t.Callable[..., t.Any])
T_after = t.TypeVar("T_after", bound="AfterRequestHook")


def _config_of_current_app() -> t.Mapping[str, t.Any] | None:
    ctx = _cv_app.get(None)
    return None if ctx is None else ctx.app.config


# The messages know no globals; this is how their limits follow the configuration all the same.
Request.current_config = staticmethod(_config_of_current_app)


class AppContext:
    """The application, and perhaps the request, that code is running for.

    Args:
        app: the application.
        request: the request, for a request context.
        session: a session that is open already; otherwise it is opened when first touched.

    ``app.app_context()``, ``app.request_context(environ)`` and ``app.test_request_context(...)`` make them. Works as a
    context manager in ``with`` and in ``async with``; the latter awaits ``async def`` teardown functions.
    (Flask docs: The Application Context, The Request Context.)
    """

    # Whether it is for a request, and whether that is there already: what a server brings makes its own when touched.
    has_request: bool = False
    request_made: bool = True
    method = "GET"
    # Whether nobody but the ASGI side wants its response, so that it may be answered without one.
    answers_plainly = False
    #: the ASGI scope, if it came with one
    scope: t.Any = None
    view_args: dict[str, t.Any] | None = None
    # Set by the server side: where the request runs; whether a session could have come with it at all; who keeps the
    # context after the request, as a test client does.
    lane = INLINE
    has_cookies = True
    preserve: t.Callable[[AppContext], None] | None = None
    match_error: Exception | None = None
    # The error of routing, where that is all there is to the request, which is not made then.
    miss: HTTPException | None = None
    # Whether the session was opened, or functions were left to run after this request: before anything is touched, one
    # look tells that there is nothing to do.
    touched: bool = False
    # ... and about its body: whether there is anything to do with it before the view, as it is a form that is better
    # parsed in a thread, or over its limit; and how to read on past that.
    body_has_work = False
    has_big_form = False
    read_on: t.Callable[[], t.Coroutine[t.Any, t.Any, None]] | None = None
    # ... and what cancels it when its client leaves, if its rule says so; not during teardown.
    cancelled: t.Any = None
    # ... and while it sends a body that keeps this context: the last pop, made inside a step of the body, only leaves
    # its error here. Teardown follows outside of that step, where coroutines can be awaited in the exchange's context.
    sends_body = False
    # ... and whether it may have to clean up after that; and what is to be sent.
    leaves_open = False
    answer: t.Any = None
    ending: tuple[BaseException | None] | None = None
    # What was opened and begun for it, and whether its body is being sent: made when something is.
    lifetime: RequestLifetime | None = None
    streams: bool = False
    flashes: list[tuple[str, str]] | None = None
    # The session, once it is open, and the functions to run after this request.
    opened_session: SessionMixin | None = None
    after_functions: list[AfterRequestCallable[t.Any]] | None = None
    # The context that was current at the first push, and that same one if this joined it.
    _outer: AppContext | None = None
    _joined: AppContext | None = None
    _held = 0
    _gave_up = False
    _tokens: tuple[Token[AppContext] | None, ...] = ()

    def __init__(self, app: App, *, request: Request | None = None, session: SessionMixin | None = None) -> None:
        self.app = app
        #: what runs for each stage; whoever makes the context of a websocket sets those of websockets
        self.stages: Stages = app.stages
        if request is not None:
            self.request = request
            self.has_request = True
        if session is not None:
            self.opened_session = session
            self.touched = True

    # -- what it holds ---------------------------------------------------------------------------------------------

    @unless_set
    def request(self) -> Request:
        """The request; of a context without one, that of the context around it (RuntimeError if there is none)."""
        return self.own_request_ctx.request

    @property
    def request_owner(self) -> AppContext | None:
        """This context or the next one around it that has a request of its own, or None."""
        ctx: AppContext | None = self
        while ctx is not None and not ctx.has_request:
            ctx = ctx._outer
        return ctx

    @property
    def own_request_ctx(self) -> AppContext:
        """`request_owner`; raises RuntimeError if there is none."""
        owner = self.request_owner
        if owner is None:
            raise RuntimeError(_no_req_msg)
        return owner

    @property
    def own_websocket_ctx(self) -> AppContext:
        """As `own_request_ctx`, if that is a websocket's; raises RuntimeError if there is none."""
        owner = self.request_owner
        if owner is None or not isinstance(owner.request, Websocket):
            raise RuntimeError(no_websocket_msg)
        return owner

    @property
    def websocket(self) -> Websocket:
        """The websocket; raises RuntimeError if the context is for none."""
        return t.cast(Websocket, self.own_websocket_ctx.request)

    @property
    def app_owner(self) -> AppContext:
        """The context whose push began the application context: this one, or the one it joined."""
        return self if (joined := self._joined) is None else joined.app_owner

    @lazy
    def g(self) -> _AppCtxGlobals:
        """The namespace that ``asyncflask.g`` shows."""
        return self.app.app_ctx_globals_class() if (joined := self._joined) is None else joined.g

    @lazy
    def url_adapter(self) -> MapAdapter | None:
        """The URL map bound to this request, or to ``SERVER_NAME``; None if there is neither or the host is refused."""
        if not self.has_request:
            return self.app.create_url_adapter(None)
        if not self.request_made and (adapter := self.stages.bind_ahead(t.cast(ServedContext, self))) is not None:
            return adapter
        try:
            return self.app.create_url_adapter(self.request)
        except HTTPException as error:
            self.request.routing_exception = error.with_traceback(None)  # as `match_request`
            return None

    @lazy
    def plan(self) -> Plan:
        """The hooks and the view for this request's rule."""
        return self.app.plan_for(self.request.url_rule if self.has_request else None, self.stages)

    @property
    def _after_request_functions(self) -> list[AfterRequestCallable[t.Any]]:
        if self.after_functions is None:
            self.touched, self.after_functions = True, []
        return self.after_functions

    def open_session(self) -> SessionMixin:
        """Return the session of this context's request, opened now if it is not yet open."""
        session = self.opened_session if self.touched else None
        if session is None:
            session = None if self.has_cookies else self.stages.sessions.open_empty()
            if session is None:
                if not self.has_request:
                    return self.own_request_ctx.open_session()
                session = self._ask_for_session()
            self.touched, self.opened_session = True, session
        return session

    def _ask_for_session(self) -> SessionMixin:
        opened: t.Any = self.app.session_interface.open_session(self.app, self.request)
        opened = run_async(opened) if hasattr(opened, "__await__") else opened
        return opened if opened is not None else self.app.session_interface.make_null_session(self.app)

    def _keep_session(self, session: SessionMixin | None) -> None:
        self.opened_session, self.touched = session, True

    _session = property(open_session, _keep_session)  # Flask's name for it, by which reading marks nothing

    @property
    def session(self) -> SessionMixin:
        """The session of the request, opened by the first touch; reading this marks it as accessed."""
        return AppContext.touch_session(self)

    def touch_session(self) -> SessionMixin:
        """Return `session`: what the proxy asks, as a method is found more quickly."""
        session = self.open_session()
        session.accessed = True
        return session

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.session is not AppContext.session:  # the proxy shows that one
            cls.touch_session = lambda self: self.session  # type: ignore[method-assign]

    # -- binding ---------------------------------------------------------------------------------------------------

    def push(self) -> None:
        """Make this the current context. A request context also finds its rule, unless it has one."""
        if not self._tokens and (current := _cv_app.get(None)) is not self:
            self._enter(current)
        self._tokens = (*self._tokens, _cv_app.set(self))
        if self._joined is None:
            appcontext_pushed.send(self.app, _async_wrapper=waited_for)
        if self.has_request:
            request = self.request
            if request.url_rule is None and request.routing_exception is None:
                if not self.app.session_opens_lazily:
                    self.open_session()
                if self.url_adapter is not None:
                    self.match_request()

    def bind(self) -> None:
        """Make this current for the rest of the present ``contextvars`` context; `pop` tears down but leaves it bound.

        For whoever owns that context, as the server side does: a body being streamed still sees its request. Does
        nothing where it is current already.
        """
        outer = current(None)
        if outer is not self:
            make_current(self)
            if outer is not None:
                self._enter(outer)
            self._tokens = BOUND

    def _enter(self, outer: AppContext | None) -> None:
        self._outer = outer
        joins = outer is not None and outer.app is self.app and self.has_request
        self._joined = outer if joins else None

    @property
    def is_bound(self) -> bool:
        """Whether it was bound, as by a server, and not pushed."""
        return self._tokens is BOUND

    @property
    def pushes(self) -> int:
        """How many pops, or releases, it still needs before it is torn down."""
        return len(self._tokens) + self._held - self._gave_up

    def hold(self) -> None:
        """Put off the teardown: a body that needs the context is still to be produced."""
        self._held += 1

    def release(self) -> None:
        """Take back a `hold`. The next last pop tears down."""
        self._held -= 1

    def pop(self, exc: BaseException | None = _sentinel) -> None:
        """Undo one push; the last one runs every teardown function.

        Args:
            exc: the error that ended the work, given to the teardown functions; by default the one being handled.

        Raises:
            AssertionError: another context is the current one.
            Exception: what a teardown function raised, after all have run; several come as an ExceptionGroup.
        """
        error = sys.exc_info()[1] if exc is _sentinel else exc
        if self.leaves_end(error):
            return
        try:
            if len(self._tokens) + self._held == 1 or (error is not None and self.gives_up()):
                self._tear_down(error)
        finally:
            if self.unbind():
                appcontext_popped.send(self.app, _async_wrapper=waited_for)

    def gives_up(self) -> bool:
        """Return whether a request that has failed is torn down now, though a body may still want it; once and for all.

        As in Flask: its teardown functions are to know of the error, and that may be what keeps the body.
        """
        if len(self._tokens) != 1 or self._gave_up:
            return False
        self._gave_up = True
        self.hold()  # for good: no pop is the last one any more
        return True

    async def pop_async(self, exc: BaseException | None = None) -> None:
        """As `pop`, for a running loop: ``async def`` teardown functions and signal receivers are awaited."""
        await self.app.pop_context(self, exc)

    def leaves_end(self, error: BaseException | None) -> bool:
        """Put off the last pop with its teardown, which takes place after a step of a body; return whether it was."""
        if not self.sends_body or self.pushes != 1:
            return False
        self.ending = (error,)
        self._reset()
        self._tokens = BOUND  # as `bind` had left it
        return True

    def _tear_down(self, exc: BaseException | None) -> None:
        steps: list[t.Callable[[], None]] = []
        if self.has_request:
            steps = [lambda: self.app.do_teardown_request(exc), self.close_request]
        if self._joined is None:
            steps.append(lambda: self.app.do_teardown_appcontext(exc))
        if self.lifetime is not None and not self.is_bound:
            steps.append(lambda: self.app.close_lifetime(self, exc))
        errors: list[BaseException] = []
        for step in steps:
            try:
                step()
            except Exception as error:
                errors.append(error)
        raise_collected(errors)

    def close_request(self) -> None:
        """Close what the request holds open, files above all; not before its response is sent, while one is awaited."""
        if self.request_made and self._tokens is not BOUND and not isinstance(self.request, Websocket):
            self.request.close()

    def unbind(self) -> bool:
        """Take back one push, without teardown; return whether that ended an application context."""
        top, joined = current(None), self._joined
        if top is not self and self._leaves_joined(top):
            return True
        if self._tokens is BOUND:
            self._tokens = ()
        elif self._reset() is not None and not self._tokens:
            self._outer = self._joined = None
        if top is not self:
            kind = "request" if self.has_request else "app"
            raise AssertionError(f"Popped wrong {kind} context. ({top!r} instead of {self!r})")
        return joined is None

    def _leaves_joined(self, current: AppContext | None) -> bool:
        # An application context may end below requests that joined it, as those that a test client holds; they stay.
        above: list[AppContext] = []
        while current is not None and current is not self and current._joined is current._outer:
            above.append(current)
            current = current._outer
        if current is not self or self.has_request:
            return False
        for ctx in (*above, self):
            ctx._reset()
        if not self._tokens:
            above[-1]._outer, self._outer = self._outer, None
        for ctx in reversed(above):
            ctx._tokens = (*ctx._tokens, _cv_app.set(ctx))
        return True

    def _reset(self) -> Token[AppContext] | None:
        # The youngest push that was made in this contextvars context: a body may be streamed in one while a test client
        # holds its request in another.
        for at in range(len(self._tokens) - 1, -1, -1):
            token = self._tokens[at]
            if token is not None:
                try:
                    _cv_app.reset(token)
                except ValueError:
                    continue
            self._tokens = (*self._tokens[:at], *self._tokens[at + 1 :])
            return token
        raise AssertionError(f"Popped a context that was not pushed here. ({self!r})")

    def __enter__(self) -> t.Self:
        self.push()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.pop(exc)

    async def __aenter__(self) -> t.Self:
        self.push()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.pop_async(exc)

    # -- the request's side ----------------------------------------------------------------------------------------

    def match_request(self) -> None:
        """Find the rule for the request and store it, or the routing error, on it. May be overridden."""
        request = self.request
        try:
            request.url_rule, request.view_args = self.url_adapter.match(return_rule=True)  # type: ignore[union-attr, assignment]
        except HTTPException as error:
            # Where Werkzeug raised it, and on account of what, is of no use; it is frames that refer to the request.
            request.routing_exception = error.with_traceback(None)
            error.__context__ = None

    @property
    def refused(self) -> bool:
        """Whether no code of the app is to see this request, because its host is not one that is trusted."""
        return isinstance(self.request.routing_exception, SecurityError)

    def end_request(self) -> None:
        """Close what the request holds, after its response was sent."""
        request = self.request
        if request.has_close_work:
            request.end()

    def take_answer(self) -> Answer:
        """Return what is to be sent, once: it may refer to this context."""
        answer, self.answer = self.answer, None
        return t.cast("Answer", answer)

    def copy(self) -> AppContext:
        """Return a context of its own for the same request and session, to be pushed elsewhere."""
        owner = self.own_request_ctx
        # Opened now, if it was not yet: the copy must not have one of its own.
        copied = AppContext(owner.app, request=owner.request, session=owner.open_session())
        copied.stages = owner.stages
        return copied

    def __repr__(self) -> str:
        if not self.has_request:
            return f"<{type(self).__name__} of {self.app.name}>"
        try:
            url = self.request.url
        except HTTPException:  # a host that is not trusted
            url = self.request.path
        return f"<{type(self).__name__} {url!r} [{self.request.method}] of {self.app.name}>"


class ServedContext(AppContext):
    """The context of a request that an ASGI server has brought.

    One is made for each request (`pipeline.opening`), and what is read for each has slots: these are several times
    quicker than attributes that the class has as well. The request is made of that when it is first touched.
    """

    __slots__ = (
        "_tokens", "answer", "answers_plainly", "app", "body", "body_has_work", "has_cookies", "headers", "lane",
        "leaves_open", "method", "opened_session", "path", "plan", "preserve", "receive", "request_made", "root_path",
        "scope", "stages", "touched", "view_args",
    )  # fmt: skip
    if t.TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__
    has_request: bool = True
    request_made: bool
    #: what came with it, at first
    receive: t.Callable[[], t.Awaitable[dict[str, t.Any]]]
    headers: dict[bytes, bytes]
    method: str
    path: str
    root_path: str
    body: Body | BodyStream | None

    @unless_set
    def request(self) -> Request:
        """The request."""
        scope, kind, arguments = self.scope, self.stages.request_class, self.view_args
        if self.stages.makes_requests_late:  # by our code alone, which knows what it would do
            request = new(kind)
            request._files = request._ahead = request.routing_exception = None
            request.has_environ = False
            # A rule that was found says its methods in upper case.
            request.scope, request.method = scope, self.method.upper() if arguments is None else self.method
            request.query_string = scope.get("query_string", b"")
            request._paths, request._body = (self.path, self.root_path), self.body
        else:
            request = kind.from_scope(scope, self.body, path=self.path, root_path=self.root_path)
        request.json_module = self.app.json
        request.asgi_receive = self.receive
        request.header_bytes = self.headers if len(self.headers) == len(scope["headers"]) else None
        # No arguments are those of every request that has none.
        request.url_rule, request.view_args = (None, None) if arguments is None else (self.plan.rule, arguments or {})
        self.request, self.request_made = request, True
        return request

    def take_body(self, body: Body | BodyStream) -> None:
        """Have a body for the request, which may be made already."""
        self.body = body
        if self.request_made:
            self.request.asgi_body = body

    def end_request(self) -> None:
        """As for every context."""
        if self.request_made:
            super().end_request()
        elif isinstance(self.body, Body):
            self.body.end()


class RequestContext(AppContext):
    """A request context made from a WSGI environ, with Flask's constructor.

    Args:
        app: the application.
        environ: a WSGI environ (PEP 3333); not needed if `request` is given.
        request: a request to use instead of a new one.
        session: a session that is open already.
    """

    def __init__(
        self, app: App, environ: WSGIEnvironment, request: Request | None = None, session: SessionMixin | None = None
    ) -> None:
        if request is None:
            request = app.request_class(environ)
            request.json_module = app.json
        super().__init__(app, request=request, session=session)


def after_this_request(f: T_after) -> T_after:
    """Call `f(response)` once this request has its response; it returns that response or another.

    Raises RuntimeError outside of a request. (Flask docs: Deferred Request Callbacks.)
    """
    _request_ctx("after_this_request")._after_request_functions.append(f)
    return f


def copy_current_request_context(f: F) -> F:
    """Return `f` bound to a copy of the current request context, for a thread, task or greenlet of your own.

    A coroutine function stays one. The copy has the same request and session; each call pushes it and pops it again.
    Raises RuntimeError outside of a request.
    """
    ctx = _request_ctx("copy_current_request_context").copy()

    def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
        with ctx.copy():
            return ctx.app.ensure_sync(f)(*args, **kwargs)

    async def call_async(*args: t.Any, **kwargs: t.Any) -> t.Any:
        async with ctx.copy():
            return await f(*args, **kwargs)

    return t.cast(F, update_wrapper(call_async if iscoroutinefunction(f) else call, f))


def _request_ctx(needed_by: str) -> AppContext:
    ctx: AppContext | None = _cv_request.get(None)
    if ctx is None:
        raise RuntimeError(
            f"'{needed_by}' can only be used when a request context is active, such as in a view function."
        )
    return ctx


def has_request_context() -> bool:
    """Return whether a request is being handled here, so that ``request`` and ``session`` can be used."""
    return _cv_request.get(None) is not None


def copy_current_websocket_context(f: F) -> F:
    """As `copy_current_request_context`, for a websocket. Raises RuntimeError outside of one."""
    if not has_websocket_context():
        raise RuntimeError(
            "'copy_current_websocket_context' can only be used when a websocket context is active, such as in a"
            " websocket handler."
        )
    return copy_current_request_context(f)


def has_websocket_context() -> bool:
    """Return whether a websocket is being handled here, so that ``websocket`` can be used (``request`` can be, too)."""
    owner: AppContext | None = _cv_request.get(None)
    return owner is not None and isinstance(owner.request, Websocket)


def has_app_context() -> bool:
    """Return whether an application context is active, so that ``current_app`` and ``g`` can be used."""
    return _cv_app.get(None) is not None
