"""The application: it wires registry, contexts, pipeline and servers' interfaces together.

Follow a request from here: `App.asgi`, `asgi.http.serve_http`, `pipeline.opening.open_exchange`,
`pipeline.run.exchange`. The stages that Flask exposes as methods of the app are sync fronts of what stands in
`pipeline`, once; where a subclass or an extension replaces such a method, the pipeline calls the replacement.
"""

from __future__ import annotations

import os
import sys
import time
import typing as t
import weakref
from contextlib import closing, suppress
from contextvars import Context, copy_context
from datetime import timedelta
from functools import partial, update_wrapper
from inspect import iscoroutinefunction
from urllib.parse import quote

from werkzeug.datastructures import ImmutableDict
from werkzeug.exceptions import HTTPException
from werkzeug.routing import BuildError, RequestRedirect

from . import typing as ft
from .asgi.before_send import on_asgi, on_wsgi
from .asgi.http import end_lifetime, serve_http
from .asgi.lifespan import serve_lifespan
from .asgi.mount import Mounts, is_asgi
from .asgi.recognised import CoroutineCall, in_order
from .asgi.shutdown import OpenStreams, ShutdownEvent, SignalWatch
from .asgi.websocket import serve_websocket
from .config import OUR_SETTINGS
from .ctx import AppContext, RequestContext, ServedContext
from .globals import _cv_app, _cv_request, g, request, session
from .helpers import get_debug_flag, get_flashed_messages, get_load_dotenv
from .lazy import late_module, lazy
from .lifetime import Lifetimes
from .pipeline import bodies, converse, fail, hooks, limit, opening, respond, run
from .pipeline.bind import bind
from .pipeline.stages import OTHERS, SEAMS, Stages, WebsocketStages
from .resources import Resources
from .sansio.app import App as SansioApp
from .sansio.scaffold import Folder
from .sessions import SecureCookieSessionInterface, SessionInterface
from .testable import Testable
from .threads import Bridge, PoolBridge, WorkerPool, background, current_bridge, drive, run_anywhere, run_async
from .wrappers import Request, Response, Websocket
from .wsgi import read_ahead, read_on_demand
from .wsgi import respond as respond_wsgi

if t.TYPE_CHECKING:
    import asyncio

    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from werkzeug.routing import MapAdapter, Rule

    from .asgi.stream import Receive, Send
    from .cli import AppGroup
    from .pipeline.bodies import BodyContext
    from .templating import Environment
    from .wrappers.websocket import Line
else:
    asyncio = late_module("asyncio")

_sentinel: t.Any = object()

_POOLS = ("threads", "side_threads", "late_threads", "stream_threads", "websocket_threads", "background_threads")

Step = t.Coroutine[t.Any, t.Any, None]
Handshake = t.Coroutine[t.Any, t.Any, "list[tuple[bytes, bytes]]"]

_NO_SERVER_NAME = (
    "Unable to build URLs outside an active request without 'SERVER_NAME' configured. Also configure 'APPLICATION_ROOT'"
    " and 'PREFERRED_URL_SCHEME' as needed."
)


class App(Resources, Lifetimes, Testable, SansioApp):
    """The application, and the central registry of its views, rules, hooks and configuration.

    Serve it by any ASGI server (``uvicorn module:app`` or ``uvicorn module:app.asgi``) or any WSGI server.

    Args:
        import_name: ``__name__`` of the module or package of the application; resources are found from there.
        static_url_path: URL prefix of the static files; by default the name of `static_folder`.
        static_folder: folder of static files, relative to the application or absolute; None for no static files.
        static_host: the host that serves static files; needed with `host_matching`.
        host_matching: whether rules match on the host.
        subdomain_matching: whether rules match on the subdomain of ``SERVER_NAME``.
        template_folder: folder of the templates.
        instance_path: absolute path of the instance folder.
        instance_relative_config: whether configuration files are read from the instance folder.
        root_path: folder of the application, where it cannot be found out.

    (Flask docs: API, Application Object.)
    """

    default_config: dict[str, t.Any] = ImmutableDict(
        DEBUG=None,
        TESTING=False,
        PROPAGATE_EXCEPTIONS=None,
        SECRET_KEY=None,
        SECRET_KEY_FALLBACKS=None,
        PERMANENT_SESSION_LIFETIME=timedelta(days=31),
        USE_X_SENDFILE=False,
        TRUSTED_HOSTS=None,
        SERVER_NAME=None,
        APPLICATION_ROOT="/",
        SESSION_COOKIE_NAME="session",
        SESSION_COOKIE_DOMAIN=None,
        SESSION_COOKIE_PATH=None,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=False,
        SESSION_COOKIE_PARTITIONED=False,
        SESSION_COOKIE_SAMESITE=None,
        SESSION_REFRESH_EACH_REQUEST=True,
        MAX_CONTENT_LENGTH=None,
        MAX_FORM_MEMORY_SIZE=500_000,
        MAX_FORM_PARTS=1_000,
        SEND_FILE_MAX_AGE_DEFAULT=None,
        TRAP_BAD_REQUEST_ERRORS=None,
        TRAP_HTTP_EXCEPTIONS=False,
        EXPLAIN_TEMPLATE_LOADING=False,
        PREFERRED_URL_SCHEME="http",
        TEMPLATES_AUTO_RELOAD=None,
        MAX_COOKIE_SIZE=4093,
        PROVIDE_AUTOMATIC_OPTIONS=True,
        **OUR_SETTINGS,
    )

    request_class: type[Request] = Request
    websocket_class: type[Websocket] = Websocket
    response_class: type[Response] = Response  # pyright: ignore[reportIncompatibleVariableOverride]
    #: how sessions are opened and saved
    session_interface: SessionInterface = SecureCookieSessionInterface()

    #: seconds that `shutdown` gives worker threads to end what they do
    threads_patience: float = 30.0

    #: `stages`, if they are known already
    known_stages: Stages | None
    _bridge: PoolBridge | None = None
    _signals: SignalWatch | None = None

    # fmt: off
    def __init__(
        self, import_name: str, static_url_path: str | None = None, static_folder: Folder = "static",
        static_host: str | None = None, host_matching: bool = False, subdomain_matching: bool = False,
        template_folder: Folder = "templates", instance_path: str | None = None,
        instance_relative_config: bool = False, root_path: str | None = None,
    ) -> None:
        super().__init__(
            import_name, static_url_path, static_folder, static_host, host_matching, subdomain_matching,
            template_folder, instance_path, instance_relative_config, root_path,
        )
        # fmt: on
        if type(self).__call__ is App.__call__:
            vars(self)["__call__"] = CoroutineCall(self)
        self.mounts: Mounts = Mounts()
        #: set when the server has been told to stop (Quart has the name)
        self.shutdown_event: ShutdownEvent = ShutdownEvent()
        self.open_streams: OpenStreams = OpenStreams()
        if self.has_static_folder:
            if bool(static_host) != host_matching:
                raise AssertionError("Invalid static_host/host_matching combination")
            self._add_static_route(static_host)

    @lazy
    def cli(self) -> AppGroup:  # type: ignore[override]
        """The commands of the app; ``asyncflask`` finds them there."""
        from .cli import AppGroup  # a layer above, and click with it: loaded when somebody asks for commands

        return AppGroup(self.name)

    def _add_static_route(self, host: str | None) -> None:
        # The view must not hold the app, or the app would not be freed when the last reference to it goes.
        this = weakref.ref(self)

        def static(filename: str) -> Response:
            return t.cast(App, this()).send_static_file(filename)

        self.add_url_rule(f"{self.static_url_path}/<path:filename>", endpoint="static", host=host, view_func=static)

    def __setattr__(self, name: str, value: t.Any) -> None:
        super().__setattr__(name, value)
        if name in SEAMS or name in OTHERS:  # what `stages` was made from
            self.known_stages = None
            self.__dict__.pop("websocket_stages", None)
            self.tables.bump()

    # -- the way of a request --------------------------------------------------------------------------------------

    @property
    def stages(self) -> Stages:
        """What runs for each stage: ours, or the method that replaced it."""
        stages = self.known_stages
        if stages is None:
            stages = self.known_stages = Stages(self, App)
        return stages

    @lazy
    def websocket_stages(self) -> Stages:
        """As `stages`, for websockets."""
        return WebsocketStages(self, App)

    def plan_for(self, rule: Rule | None, stages: Stages) -> hooks.Plan:
        """Return what runs for requests, or websockets, of `rule`."""
        return hooks.plan_for(self, rule, stages)

    @property
    def session_opens_lazily(self) -> bool:
        """Whether the session can wait for the first touch."""
        return self.session_interface.lazy_open

    def open_websocket(
        self, scope: dict[str, t.Any], root_path: str, path: str, line: Line, *, has_cookies: bool
    ) -> AppContext:
        """Make the context of a websocket, as `open_exchange` does for requests; `line` is the way to its client."""
        websocket = self.websocket_class.from_websocket_scope(scope, path=path, root_path=root_path, line=line)
        websocket.json_module = self.json
        ctx = AppContext(self, request=websocket)
        ctx.has_cookies = has_cookies or self.websocket_class.finds_cookies()
        ctx.scope = scope
        ctx.stages = self.websocket_stages
        opening.begin(ctx, "GET", path, upgrade=True)
        return ctx

    # What the ASGI side and the contexts ask of the pipeline.
    begin_exchange: staticmethod[[ServedContext], HTTPException | None] = staticmethod(opening.begin_exchange)
    handshake: staticmethod[[AppContext], Handshake] = staticmethod(converse.handshake)
    end_exchange: staticmethod[[AppContext], Step] = staticmethod(run.end)
    begin_body: staticmethod[[AppContext, Context], BodyContext | None] = staticmethod(bodies.begin_body)
    end_body: staticmethod[..., Step] = staticmethod(bodies.end_body)
    pop_context: staticmethod[[AppContext, BaseException | None], Step] = staticmethod(run.pop)
    emit: staticmethod[..., Step] = staticmethod(hooks.emit)
    too_late: staticmethod[[float], HTTPException] = staticmethod(limit.too_late)

    # -- servers ---------------------------------------------------------------------------------------------------

    @property
    def asgi(self) -> t.Callable[[dict[str, t.Any], Receive, Send], t.Coroutine[t.Any, t.Any, None]]:
        """The ASGI 3 application, for servers: `asgi_app` as it is when a connection comes."""
        asgi = partial(serve_http, self)  # a function of our own would be one more frame for each request
        vars(asgi)["__call__"] = serve_http  # which servers look at, to see that it is ASGI 3
        return asgi

    async def asgi_app(self, scope: dict[str, t.Any], receive: Receive, send: Send) -> None:
        """Serve one connection scope. Assign a middleware: ``app.asgi_app = Middleware(app.asgi_app)``."""
        kind = scope["type"]
        if self.before_send_funcs and kind == "http":
            send = on_asgi(send, self.before_send_funcs, scope)
        if kind == "lifespan":
            if "state" in scope:
                self.state.share(scope["state"])
            return await serve_lifespan(self, receive, send)
        if self.stages.needs_start:
            await self.start_late(scope)
        if self.mounts.apps and (mounted := self.mounts.under(scope)) is not None:
            app, its_scope = mounted
            await app(its_scope, receive, send)
        elif kind == "websocket":
            await serve_websocket(self, scope, receive, send)
        elif kind != "http":
            raise RuntimeError(f"A scope of type {kind!r} cannot be served, only http, websocket and lifespan.")
        elif self.stages.wsgi_app_is_ours:
            await serve_http(self, scope, receive, send, True)
        else:
            from .wsgi import WSGIAdapter  # seldom needed

            await WSGIAdapter(self.wsgi_app, bridge_for=lambda loop: self.bridge(), raises=True)(scope, receive, send)

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> t.Iterable[bytes]:
        """Serve one request under a WSGI server, ``async def`` handlers included (PEP 3333).

        Assign a middleware: ``app.wsgi_app = Middleware(app.wsgi_app)``. It is honoured under ASGI too.
        """
        if self.mounts.apps and (mounted := self.mounts.under_environ(environ)) is not None:
            app, its_environ = mounted
            return t.cast("t.Iterable[bytes]", app(its_environ, start_response))
        bridge = current_bridge() or background()
        if self.stages.needs_start:
            bridge.run(self.start_late(), Context())
        context = copy_context()
        ctx = AppContext(self, request=self.request_class(environ))
        ctx.request.json_module = self.json
        ctx.preserve = environ.get("werkzeug.debug.preserve_context")
        upgrade = "HTTP_UPGRADE" in environ
        context.run(opening.begin, ctx, ctx.request.method, ctx.request.path, upgrade=upgrade, in_thread=True)
        if ctx.refused:
            context.run(ctx.unbind)
            return t.cast(HTTPException, ctx.request.routing_exception)(environ, start_response)
        if ctx.plan.thread_limit is not None:
            limit.tell_of_no_limit(self, ctx.plan.rule)
        # Reading waits, which code on a loop cannot.
        if ctx.plan.reads_on_loop and (ctx.request.url_rule is not None or ctx.plan.is_seen_anyway(self)):
            most = self.config["MAX_CONTENT_LENGTH"]
            if ctx.plan.stream_body:
                read_on_demand(ctx.request, most, bridge)
            else:
                read_ahead(ctx.request, most)
        try:
            drive(run.exchange(ctx), context, bridge)  # pyright: ignore[reportArgumentType]  # typeshed: Awaitable
        except BaseException:
            end_lifetime(ctx, context, bridge)
            raise
        response = t.cast(Response, ctx.take_answer()[3])
        ctx.streams = True
        if ctx.lifetime is not None and response.is_streamed:
            ctx.lifetime.answered()
        if ctx.preserve is None:  # else it is closed with the context, by whoever keeps that
            response.call_on_close(ctx.end_request)
        if ctx.pushes:
            ctx.sends_body = ctx.leaves_open = True
            response.call_on_close(partial(setattr, ctx, "sends_body", False))
        end = partial(_end_in_thread, ctx, bodies.begin_body(ctx, context), context, bridge)
        return respond_wsgi(environ, start_response, response, context, bridge, end)

    def __call__(self, *args: t.Any, **named: t.Any) -> t.Any:
        """Serve as ASGI 3 ``(scope, receive, send)``, ASGI 2 ``(scope)``, or WSGI ``(environ, start_response)``."""
        args = in_order(args, named) if named else args  # daphne calls by name
        match args:
            case (scope, receive, send):
                return self.asgi_app(scope, receive, send)
            case (environ, start_response):
                return self.wsgi_app(environ, on_wsgi(start_response, self.before_send_funcs, environ))
            case (scope,):
                return lambda receive, send: self.asgi_app(scope, receive, send)
        raise TypeError(
            f"An app is called with (scope, receive, send) by ASGI servers or with (environ, start_response) by WSGI"
            f" servers, not with {len(args)} arguments."
        )

    def mount(self, prefix: str, app: t.Any) -> None:
        """Serve another ASGI or WSGI application under a prefix; it wins over our own rules there.

        Args:
            prefix: such as ``/admin``. The mounted application sees it as its root path (``SCRIPT_NAME``).
            app: a coroutine function or object of ASGI 3, or a WSGI callable, which runs in the worker threads.
        """
        self._check_setup_finished("mount")
        has_lifespan = is_asgi(app)
        if not has_lifespan:
            from .wsgi import WSGIAdapter

            app = WSGIAdapter(app, bridge_for=lambda loop: self.bridge())
        self.mounts.add(prefix, app, has_lifespan=has_lifespan)
        self.known_stages = None

    @lazy
    def threads(self) -> WorkerPool:
        """The worker threads of sync requests; `threads.stats()` counts what they do."""
        return WorkerPool(self.config["THREADS"], self.config["THREAD_QUEUE_LIMIT"])

    @lazy
    def side_threads(self) -> WorkerPool:
        """Threads for the sync hooks and receivers of async requests, so that these never wait for views."""
        return self._side_pool("side")

    @lazy
    def late_threads(self) -> WorkerPool:
        """Threads for such hooks after the view, so that these never wait for hooks of requests that begin."""
        return self._side_pool("side-late")

    @lazy
    def stream_threads(self) -> WorkerPool:
        """Threads for the sync bodies that async views stream, so that nothing else waits for slow clients."""
        return self._side_pool("side-stream")

    @lazy
    def websocket_threads(self) -> WorkerPool:
        """Threads for ``def`` handlers of websockets, each held while its client stays. Nobody waits for one."""
        return WorkerPool(self.config["WEBSOCKET_THREADS"], 0, name="asyncflask-websocket")

    def _side_pool(self, name: str) -> WorkerPool:
        # The requests are accepted already: nothing of them is refused for the length of a queue.
        return WorkerPool(self.config["THREADS"], sys.maxsize, name=f"asyncflask-{name}")

    def bridge(self) -> Bridge:
        """Return the way between the running loop and the worker threads."""
        loop = asyncio.get_running_loop()
        bridge = self._bridge
        if bridge is None or bridge.loop is not loop:
            bridge = self._bridge = PoolBridge(
                loop, *(getattr(self, name) for name in _POOLS)
            )
        return bridge

    async def startup(self) -> None:
        """Begin to serve: called by the lifespan of an ASGI server."""
        self.bridge()
        self.shutdown_event.clear()
        self.open_streams.begin()
        self._signals = SignalWatch(self.begin_shutdown, self.config["SHUTDOWN_DELAY"])
        try:
            await self.start_serving()
        except BaseException:
            await self._let_go()
            raise

    async def shutdown(self) -> None:
        """End serving: running requests in worker threads end, then the threads do."""
        self.begin_shutdown()
        try:
            await self.stop_serving()
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        if self._signals is not None:
            self._signals.stop()
        await asyncio.to_thread(self.close_threads, self.threads_patience)
        self._bridge = None

    def begin_shutdown(self) -> None:
        """Set `shutdown_event`, and let open streams and websockets end, since a server that stops waits for them.

        Streams that are endless by nature, as server-sent events, end at once. Others are cut off after
        ``STREAM_SHUTDOWN_TIMEOUT`` seconds. A server calls this when it is told to stop, in any thread and as often as
        it likes; where it does not know of this, the signals SIGTERM and SIGINT do.
        """
        self.shutdown_event.set()
        self.open_streams.end_all(self.config["STREAM_SHUTDOWN_TIMEOUT"])

    def close_threads(self, timeout: float | None = 30.0) -> None:
        """Let the worker threads end what they do, `timeout` seconds at most; a later request starts new ones."""
        until = None if timeout is None else time.monotonic() + timeout
        for name in _POOLS:
            pool: WorkerPool | None = vars(self).get(name)
            if pool is not None:
                pool.close(None if until is None else max(until - time.monotonic(), 0))

    # -- between sync and async ------------------------------------------------------------------------------------

    def ensure_sync(self, func: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        """Return a function to be called without ``await``: `func` itself, or for a coroutine function its bridge.

        Called in a worker thread, the bridge runs `func` on the serving loop and waits for the result. On a thread that
        runs a loop it returns the coroutine: a handler may return that, and the loop goes on.
        """
        if not iscoroutinefunction(func):
            return func
        waiting = self.async_to_sync(func)

        def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            return (waiting if asyncio._get_running_loop() is None else func)(*args, **kwargs)

        return update_wrapper(call, func)

    def async_to_sync(self, func: t.Callable[..., t.Coroutine[t.Any, t.Any, t.Any]]) -> t.Callable[..., t.Any]:
        """Return a sync function that runs the coroutine function `func` and waits for its result.

        Called in a worker thread, `func` runs on the serving loop. Raises RuntimeError on a thread that runs a loop.
        """

        def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            return run_async(func(*args, **kwargs))

        return update_wrapper(call, func)

    # -- stages: sync fronts, replaceable --------------------------------------------------------------------------

    def full_dispatch_request(self) -> Response:
        """Run hooks and view for the current request and return the finished response, handled errors included."""
        ctx = _current_request_ctx()
        self._got_first_request = True
        return t.cast(Response, hooks.finish(ctx, run.full_dispatch(ctx)))

    def preprocess_request(self) -> ft.ResponseReturnValue | None:
        """Run what comes before the view; a value that is not None answers the request instead of the view."""
        ctx = _current_request_ctx()
        hooks.renewed(ctx)
        return t.cast("ft.ResponseReturnValue | None", hooks.finish(ctx, hooks.preprocess(ctx)))

    def dispatch_request(self) -> ft.ResponseReturnValue:
        """Call the view of the current request and return what it returns."""
        ctx = _current_request_ctx()
        return t.cast("ft.ResponseReturnValue", hooks.finish(ctx, hooks.settled(run.dispatch, ctx)))

    def finalize_request(
        self, rv: ft.ResponseReturnValue | HTTPException, from_error_handler: bool = False
    ) -> Response:
        """Make the response of what a view or an error handler returned, and run the after hooks on it.

        With `from_error_handler` an error in the after hooks is logged only.
        """
        ctx = _current_request_ctx()
        return t.cast(Response, hooks.finish(ctx, hooks.settled(respond.finalize, ctx, rv, from_error_handler)))

    def process_response(self, response: Response) -> Response:
        """Run the after hooks on `response`, save the session, and return the response to send."""
        ctx = _current_request_ctx()
        return t.cast(Response, hooks.finish(ctx, respond.process(ctx, response)))

    def handle_user_exception(self, e: Exception) -> HTTPException | ft.ResponseReturnValue:
        """Return the answer to an error of a hook or view; one that has no handler is raised again."""
        ctx = _current_request_ctx()
        return t.cast("ft.ResponseReturnValue", hooks.finish(ctx, hooks.settled(fail.user_exception, ctx, e)))

    def handle_http_exception(self, e: HTTPException) -> HTTPException | ft.ResponseReturnValue:
        """Return what the handler of an HTTP exception returns, or the exception, which is a response too."""
        ctx = _current_request_ctx()
        return t.cast("ft.ResponseReturnValue", hooks.finish(ctx, hooks.settled(fail.http_exception, ctx, e)))

    def handle_exception(self, e: Exception) -> Response:
        """Return the 500 response to an error nobody handled, or raise it again where errors propagate."""
        ctx = _current_request_ctx()
        return t.cast(Response, hooks.finish(ctx, fail.unhandled(ctx, e)))

    def do_teardown_request(self, exc: BaseException | None = _sentinel) -> None:
        """Run the teardown functions of the current request, every one, with the error that ended it or None."""
        ctx = _current_request_ctx()
        error = sys.exc_info()[1] if exc is _sentinel else exc
        hooks.finish(ctx, hooks.settled(run.teardown_request, ctx, error), anywhere=True)

    def do_teardown_appcontext(self, exc: BaseException | None = _sentinel) -> None:
        """Run the teardown functions of the application context, as `do_teardown_request`."""
        ctx = _cv_app.get(None) or AppContext(self)
        error = sys.exc_info()[1] if exc is _sentinel else exc
        hooks.finish(ctx, hooks.settled(run.teardown_app, ctx, error), anywhere=True)

    # -- parts of stages, replaceable ------------------------------------------------------------------------------

    def make_response(self, rv: ft.ResponseReturnValue) -> Response:
        """Turn the return value of a view into a `response_class` object. (Flask docs: About Responses.)

        Raises:
            TypeError: for None, and for types that cannot be a response.
        """
        return respond.make_response(self, rv)

    def make_default_options_response(self) -> Response:
        """Return the automatic answer to OPTIONS: the methods that the URL allows."""
        return respond.default_options(self, _current_request_ctx())

    def raise_routing_exception(self, request: Request) -> t.NoReturn:
        """Raise the error of matching. While debugging, a redirect that would lose the body says so instead."""
        error = request.routing_exception
        if error is None:
            raise AssertionError("there is no routing exception to raise")
        loses_body = isinstance(error, RequestRedirect) and error.code not in (307, 308)
        if self.debug and loses_body and request.method not in ("GET", "HEAD", "OPTIONS"):
            from .debughelpers import FormDataRoutingRedirect

            raise FormDataRoutingRedirect(request)
        raise error

    def log_exception(self, exc_info: t.Any) -> None:
        """Log an error nobody handled. `exc_info` is as `sys.exc_info()` returns it."""
        ctx = _current_request_ctx()
        # repr, without its quotes: what a client puts in a path must not make lines of its own in the log
        path = repr(ctx.request.path)[1:-1]
        method = "WEBSOCKET" if isinstance(ctx.request, Websocket) else ctx.request.method
        self.logger.error("Exception on %s [%s]", path, method, exc_info=exc_info)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Bind the URL map to a request, or outside of one to ``SERVER_NAME``; None if that is not set.

        Raises HTTPException for a host that is not trusted.
        """
        config = self.config
        if request is not None:
            if config["TRUSTED_HOSTS"] is not None:
                request.trusted_hosts = config["TRUSTED_HOSTS"]
            return bind(self.url_map, request, config["SERVER_NAME"], self.subdomain_matching)
        if config["SERVER_NAME"] is None:
            return None
        return self.url_map.bind(
            config["SERVER_NAME"], script_name=config["APPLICATION_ROOT"], url_scheme=config["PREFERRED_URL_SCHEME"]
        )

    # fmt: off
    def url_for(
        self, /, endpoint: str, *, _anchor: str | None = None, _method: str | None = None, _scheme: str | None = None,
        _external: bool | None = None, **values: t.Any,
    ) -> str:
        # fmt: on
        """Build the URL of an endpoint; in a request relative to it, elsewhere from ``SERVER_NAME``.

        Args:
            endpoint: name of the endpoint; with a leading dot, one of the current blueprint.
            _anchor: the part after ``#``.
            _method: the method that the URL is for, if rules differ in it.
            _scheme: URL scheme, for external URLs.
            _external: whether scheme and host come with it; by default only outside of a request.
            values: values of the rule's variables; others become the query string.

        Raises BuildError if the URL cannot be built and no build error handler helps; RuntimeError without a request
        and without ``SERVER_NAME``; ValueError for a scheme on a URL that is not external.
        """
        ctx: AppContext | None = _cv_request.get(None)
        if ctx is not None:
            adapter = ctx.url_adapter
            if endpoint.startswith("."):
                blueprint = ctx.request.blueprint
                endpoint = endpoint[1:] if blueprint is None else blueprint + endpoint
            external = _scheme is not None if _external is None else _external
        else:
            current = _cv_app.get(None)
            adapter = self.create_url_adapter(None) if current is None else current.url_adapter
            external = True if _external is None else _external
        if adapter is None:
            if ctx is not None and ctx.request.url_rule is not None and ctx.request.routing_exception is not None:
                raise ctx.request.routing_exception  # a host that is no name, which matching had no need to look at
            raise RuntimeError(_NO_SERVER_NAME)
        if _scheme is not None and not external:
            raise ValueError("When specifying '_scheme', '_external' must be True.")
        self.inject_url_defaults(endpoint, values)
        try:
            url = adapter.build(endpoint, values, method=_method, url_scheme=_scheme, force_external=external)
        except BuildError as error:
            values |= {"_anchor": _anchor, "_method": _method, "_scheme": _scheme, "_external": external}
            return self.handle_url_build_error(error, endpoint, values)
        return url if _anchor is None else f"{url}#{quote(_anchor, safe=_ANCHOR_SAFE)}"

    # -- contexts --------------------------------------------------------------------------------------------------

    def app_context(self) -> AppContext:
        """Return an application context, for ``with`` or ``async with``: ``current_app`` and ``g`` work inside."""
        return AppContext(self)

    def request_context(self, environ: WSGIEnvironment) -> RequestContext:
        """Return a request context for a WSGI environ."""
        return RequestContext(self, environ)

    def test_request_context(self, *args: t.Any, **kwargs: t.Any) -> RequestContext:
        """Return a request context for a made-up request; takes what `testing.EnvironBuilder` takes."""
        from .testing import EnvironBuilder

        with closing(EnvironBuilder(self, *args, **kwargs)) as builder:
            return RequestContext(self, builder.get_environ())

    # -- resources and templates -----------------------------------------------------------------------------------

    def open_instance_resource(
        self, resource: str, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> t.IO[t.Any]:
        """Open a file of the instance folder, for reading or writing.

        Args:
            resource: path relative to `instance_path`.
            mode: as for `open`.
            encoding: of a text file.
        """
        return open(os.path.join(self.instance_path, resource), mode, encoding=None if "b" in mode else encoding)

    def create_jinja_environment(self) -> Environment:
        """Return the Jinja environment: `jinja_options` plus Flask's globals and autoescaping."""
        options = dict(self.jinja_options)
        options.setdefault("autoescape", self.select_jinja_autoescape)
        reload = self.config["TEMPLATES_AUTO_RELOAD"]
        options.setdefault("auto_reload", self.debug if reload is None else reload)
        environment = self.jinja_environment(self, **options)
        # A context processor gives request, session and g too; imported templates see the globals only.
        environment.globals |= {"g": g, "request": request, "session": session, "config": self.config}
        environment.globals |= {"url_for": self.url_for, "get_flashed_messages": get_flashed_messages}
        environment.policies["json.dumps_function"] = self.json.dumps
        return environment

    def update_template_context(self, context: dict[str, t.Any]) -> None:
        """Add what the context processors give to `context`, without replacing what it holds."""
        given = dict(context)
        owner: AppContext | None = _cv_request.get(None)
        scopes = (None, *(reversed(owner.request.blueprints) if owner is not None else ()))
        for scope in scopes:
            for processor in self.template_context_processors.get(scope, ()):
                values: t.Any = processor()
                context.update(run_anywhere(values) if hasattr(values, "__await__") else values)
        context.update(given)

    def make_shell_context(self) -> dict[str, t.Any]:
        """Return the names of the interactive shell: ``app``, ``g``, and what the shell context processors add."""
        names: dict[str, t.Any] = {"app": self, "g": g}
        for processor in self.shell_context_processors:
            made: t.Any = processor()
            names.update(run_anywhere(made) if hasattr(made, "__await__") else made)
        return names

    # -- running ---------------------------------------------------------------------------------------------------

    # fmt: off
    def run(
        self, host: str | None = None, port: int | None = None, debug: bool | None = None, load_dotenv: bool = True,
        **options: t.Any,
    ) -> None:
        # fmt: on
        """Serve the app for development, until it is interrupted.

        Args:
            host: by default from ``SERVER_NAME``, else 127.0.0.1.
            port: by default from ``SERVER_NAME``, else 5000.
            debug: switches debug mode; reloader and debugger follow it.
            load_dotenv: whether ``.env`` and ``.flaskenv`` are read.
            options: for `serving.run_simple`.
        """
        import click

        from . import cli, serving

        if os.environ.get("ASYNCFLASK_RUN_FROM_CLI", os.environ.get("FLASK_RUN_FROM_CLI")) == "true":
            if not serving.is_running_from_reloader():
                click.secho(
                    " * Ignoring a call to 'app.run()' that would block the current 'flask' CLI command.\n"
                    "   Only call 'app.run()' in an 'if __name__ == \"__main__\"' guard.",
                    fg="red",
                )
            return
        if get_load_dotenv(load_dotenv):
            cli.load_dotenv()
            if any(name in os.environ for name in ("FLASK_DEBUG", "ASYNCFLASK_DEBUG")):
                self.debug = get_debug_flag()
        if debug is not None:
            self.debug = bool(debug)
        named_host, _, named_port = (self.config["SERVER_NAME"] or "").partition(":")
        number: t.Any = next((p for p in (port, named_port or None) if p is not None), 5000)
        with suppress(ValueError, TypeError):  # run_simple says what is wrong with it
            number = int(number)
        defaults = {"use_reloader": self.debug, "use_debugger": self.debug, "threaded": self.config["THREADED"]}
        cli.show_server_banner(self.debug, self.name)
        try:
            serving.run_simple(host or named_host or "127.0.0.1", number, self, **(defaults | options))
        finally:
            # Set-up is open again, for an interactive session that runs the app more than once.
            self._got_first_request = False
            self.tables.bump()


Flask = App

_ANCHOR_SAFE = "%!#$&'()*+,/:;=?@"


def _end_in_thread(ctx: AppContext, body: BodyContext | None, context: Context, bridge: Bridge) -> None:
    try:
        if ctx.ending is not None:
            drive(run.end(ctx), context, bridge)
        elif body is not None and body.used:
            drive(bodies.end_body(ctx, body, ctx.lane), context, bridge)
    finally:
        end_lifetime(ctx, context, bridge)
        ctx.streams = False


def _current_request_ctx() -> AppContext:
    ctx = _cv_app.get(None)
    if ctx is None:
        return t.cast(AppContext, request._get_current_object())  # type: ignore[attr-defined]  # raises, with its text
    return ctx.own_request_ctx
