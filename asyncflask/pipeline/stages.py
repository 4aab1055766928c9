"""Which function runs for each stage that Flask exposes as a method: ours, or a replacement of that method.

Worked out when the app's class or instance is looked at, not per request. ``SEAMS`` maps Flask's name to ours.
"""

from __future__ import annotations

import typing as t

from .. import signals
from ..config import Config
from ..sessions import SessionsAhead
from . import converse, fail, hooks, opening, respond, run
from .around import around
from .bind import bind_ahead, bind_later
from .hooks import call, is_async
from .match import Matcher
from .tree import Target

if t.TYPE_CHECKING:
    from blinker import NamedSignal
    from werkzeug.routing import MapAdapter

    from ..app import App
    from ..ctx import AppContext, ServedContext
    from ..wrappers import Request
    from .match import Answer

Stage = t.Callable[..., t.Any]
"""``(ctx, *arguments)``: a coroutine function, or one that returns an awaitable only where something is to be awaited.

The latter are `dispatch`, `finalize`, `user_exception` and `http_exception`, else with their result (`hooks.settled`
takes either), and `teardown_request`, `teardown_app` and `save_session`, else with None. Methods that replace stages
are always called by coroutines.
"""

SEAMS: dict[str, tuple[str, Stage]] = {
    "full_dispatch_request": ("full_dispatch", run.full_dispatch),
    "preprocess_request": ("preprocess", hooks.preprocess),
    "dispatch_request": ("dispatch", run.dispatch),
    "finalize_request": ("finalize", respond.finalize),
    "process_response": ("process", respond.process),
    "handle_user_exception": ("user_exception", fail.user_exception),
    "handle_http_exception": ("http_exception", fail.http_exception),
    "handle_exception": ("exception", fail.unhandled),
    "do_teardown_request": ("teardown_request", run.teardown_request),
    "do_teardown_appcontext": ("teardown_app", run.teardown_app),
}

METHODS = ("ensure_sync", "create_url_adapter", "wsgi_app", "asgi_app", "make_response")

#: what answers the errors of routing beside those; no stages either
_OF_MISSES = ("raise_routing_exception", "trap_http_exception", "_find_error_handler")

#: no stages, but what may be decided ahead depends on them
OTHERS = (
    *(*METHODS, *_OF_MISSES, "subdomain_matching", "url_map", "mounts"),
    *("config", "json", "request_class", "response_class", "session_interface"),
)

_OF_RESPONSES = {"full_dispatch_request", "finalize_request", "make_response"}


class Stages:
    """The stages of one app.

    Args:
        app: the app whose methods are looked at.
        base: the class whose methods count as ours.
    """

    full_dispatch: Stage
    preprocess: Stage
    dispatch: Stage
    finalize: Stage
    process: Stage
    user_exception: Stage
    http_exception: Stage
    exception: Stage
    teardown_request: Stage
    teardown_app: Stage
    exchange: Stage
    open_exchange: t.Callable[..., ServedContext]
    replaced: frozenset[str]
    sync_overrides: bool
    sees_responses: bool
    preprocesses: bool
    processes: bool
    wsgi_app_is_ours: bool
    serves_http_directly: bool

    #: the hook tables: before, after, teardown
    tables: tuple[str, str, str] = ("before_request_funcs", "after_request_funcs", "teardown_request_funcs")
    started: NamedSignal = signals.request_started
    finished: NamedSignal = signals.request_finished
    tearing_down: NamedSignal = signals.request_tearing_down
    failed: NamedSignal = signals.got_request_exception
    save_session: Stage = staticmethod(respond.save_session)
    #: whether a sync view needs a thread whatever the app says, because it has to wait for its client
    blocks: bool = False
    #: the function that makes one stage of another and of what is put around it
    around: t.Callable[..., Stage] = staticmethod(around)
    #: whether a view that takes too long is given up
    limits_time: bool = True

    def __init__(self, app: App, base: type[App]) -> None:
        #: no stages, but found quickest where they are
        self.open_exchange, self.exchange = opening.open_exchange, run.exchange
        #: what runs for each rule, by the rule's id, or the complement of that for OPTIONS
        self.plans: dict[int, hooks.Plan] = {}
        self.replaced = frozenset(name for name in (*SEAMS, *METHODS) if _is_replaced(app, base, name))
        #: whether a sync method replaces a stage, so that requests need a thread to run it in
        self.sync_overrides = False
        for name, (stage, ours) in SEAMS.items():
            if name in self.replaced:
                self.sync_overrides |= not is_async(getattr(app, name))
                ours = _through_method(name)
            setattr(self, stage, ours)
        self.preprocesses = "preprocess_request" in self.replaced
        self.wsgi_app_is_ours = "wsgi_app" not in self.replaced
        #: whether `asgi_app` would do nothing for an HTTP request but serve it
        self.serves_http_directly = self.wsgi_app_is_ours and "asgi_app" not in self.replaced and not app.mounts.apps
        self.serves_http_directly &= not app.before_send_funcs
        #: whether the first request has to start the application, as no server does
        self.needs_start: bool = app.needs_start
        self.serves_http_directly &= not self.needs_start
        self.makes_responses: bool = "make_response" not in self.replaced
        self.processes = "process_response" in self.replaced
        #: whether a method that replaces one of ours gets or gives responses, so that there has to be one
        self.sees_responses = bool(self.replaced & _OF_RESPONSES)
        #: the quick part of routing: rule and view arguments where they are plain to see, else None
        plainly = not app.subdomain_matching and "create_url_adapter" not in self.replaced
        matcher = Matcher(app.url_map) if plainly else None
        self.match: t.Callable[[str, str], Answer | None] = _ask_the_adapter if matcher is None else matcher.match
        #: what methods are allowed, where they are plain to see
        self.allowed: t.Callable[[MapAdapter], list[str] | None] = _ask_it if matcher is None else matcher.allowed
        #: the quickest part of it, before there is a context
        self.find: t.Callable[[str, str], tuple[Target, dict[str, t.Any]] | None] = (
            _ask_the_adapter if matcher is None else matcher.find
        )
        #: whether nobody can tell that a request is made when it is first touched
        self.request_class: type[Request] = app.request_class
        self.makes_requests_late: bool = self.request_class.is_made_quietly()
        #: whether changes of the configuration are told; else nothing that was decided from it holds for long
        self.knows_config: bool = isinstance(app.config, Config) and type(app.config).__getitem__ is dict.__getitem__
        #: whether nothing but error handlers and what plans know of looks at requests without a rule
        self.misses_quietly: bool = self.makes_requests_late and self.knows_config and not self.replaced
        self.misses_quietly &= not any(_is_replaced(app, base, name) for name in _OF_MISSES)
        #: makes the URL adapter of a request that is not made yet
        self.bind_ahead: t.Callable[[ServedContext], MapAdapter | None] = bind_later
        if plainly and self.makes_requests_late and self.request_class.is_addressed_plainly():
            self.bind_ahead = bind_ahead
        #: whether cookies may come with a request that has no header for them
        self.finds_cookies: bool = app.request_class.finds_cookies()
        #: what is known of sessions, with the number that it was found out at; new plans bring it up to date
        self.sessions: SessionsAhead = SessionsAhead(app, self.knows_config)


class WebsocketStages(Stages):
    """The stages of websockets: those of requests, but for what is said here.

    A method that replaces a stage of requests knows requests only, so that none is called; the application context is
    torn down alike.
    """

    tables: tuple[str, str, str] = ("before_websocket_funcs", "after_websocket_funcs", "teardown_websocket_funcs")
    started: NamedSignal = signals.websocket_started
    finished: NamedSignal = signals.websocket_finished
    tearing_down: NamedSignal = signals.websocket_tearing_down
    failed: NamedSignal = signals.got_websocket_exception
    save_session: Stage = staticmethod(converse.save_session)
    blocks = True
    limits_time = False

    def __init__(self, app: App, base: type[App]) -> None:
        super().__init__(app, base)
        for stage, ours in SEAMS.values():
            if stage != "teardown_app":
                setattr(self, stage, ours)
        self.preprocess: Stage = converse.preprocess
        self.dispatch: Stage = converse.dispatch
        self.finalize: Stage = converse.finalize
        self.replaced: frozenset[str] = self.replaced & {"do_teardown_appcontext", *METHODS}
        self.preprocesses = self.processes = self.sync_overrides = False
        self.sees_responses = True


def _ask_the_adapter(method: str, path: str) -> None:
    """Find no rule; the URL adapter of the request will."""


def _ask_it(adapter: MapAdapter) -> None:
    """Tell no methods; the URL adapter of the request will."""


def _is_replaced(app: App, base: type[App], name: str) -> bool:
    return name in vars(app) or getattr(type(app), name, None) is not getattr(base, name, None)


def _through_method(name: str) -> Stage:
    async def stage(ctx: AppContext, *arguments: t.Any) -> t.Any:
        method = getattr(ctx.app, name)
        return await call(ctx.lane, method, is_async(method), *arguments)

    return stage
