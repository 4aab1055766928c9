"""The functions that run around a view: which ones, decided once per rule, and how one of them is called.

The lane of the request (`ctx.Lane`) says what it takes to call a function of the other kind.
"""

from __future__ import annotations

import typing as t
from functools import partial
from inspect import CO_COROUTINE, iscoroutinefunction, unwrap
from itertools import groupby
from operator import itemgetter
from types import FunctionType, MethodType
from weakref import WeakMethod, ref

from ..ctx import current
from ..lanes import INLINE, LATE, LOOP, WORKER, Lane
from ..lazy import late_module
from ..plain import is_plain
from ..sessions import SessionsAhead, interface_stays
from ..signals import (
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    connections,
    got_request_exception,
)
from ..threads import InThread, OnLoop, run_anywhere, run_async
from .limit import in_time
from .plainly import Plainly

if t.TYPE_CHECKING:
    import asyncio

    from blinker import Signal
    from werkzeug.exceptions import HTTPException
    from werkzeug.routing import Rule

    from ..app import App
    from ..ctx import AppContext
    from ..typing import ResponseReturnValue, URLValuePreprocessorCallable
    from ..versions import Epoch
    from ..wrappers import Response
    from .stages import Stages
else:
    asyncio = late_module("asyncio")

PLAIN = is_plain()

Step = tuple[t.Callable[..., t.Any], bool]
"""A function, and whether it is a coroutine function."""

Functions = tuple[t.Callable[..., t.Any], ...]


def is_async(function: t.Callable[..., t.Any]) -> bool:
    """Return whether calling `function` gives a coroutine, as far as can be told without calling it."""
    if function.__class__ is FunctionType and not function.__dict__:  # nobody has marked it as anything else
        return bool(function.__code__.co_flags & CO_COROUTINE)
    return iscoroutinefunction(function) or iscoroutinefunction(getattr(type(function), "__call__", None))  # noqa: B004


_NOTHING: t.Mapping[str, t.Any] = {}

Hearer = tuple[t.Callable[..., t.Any], bool, bool]
"""A receiver of a signal, or a weak reference to it; whether it is that; whether it is a coroutine function."""


Sole = tuple[t.Callable[..., t.Any], bool]
"""The only receiver of a signal, which is a coroutine function, or a weak reference to it; whether it is that."""


def hearers(app: App, signal: Signal) -> tuple[Hearer, ...]:
    """Return who hears a signal of this app as of now, in the order of blinker's."""
    strong = {id(stored) for stored in list(signal.receivers.values())}  # other threads may connect some meanwhile
    return tuple(
        (receiver, False, is_async(receiver)) if id(receiver) in strong else (_weak(receiver), True, is_async(receiver))
        for receiver in signal.receivers_for(app)
    )


def sole(those: tuple[Hearer, ...]) -> Sole | None:
    """Return the receiver if there is one only, and it is async."""
    return those[0][:2] if len(those) == 1 and those[0][2] else None


def _weak(receiver: t.Callable[..., t.Any]) -> t.Callable[[], t.Any]:
    return WeakMethod(receiver) if isinstance(receiver, MethodType) else ref(receiver)


def _is_connected(signal: Signal, receiver: t.Callable[..., t.Any]) -> bool:
    known = list(signal.receivers.values())
    return any((stored() if isinstance(stored, ref) else stored) == receiver for stored in known)


def begin(lane: Lane, function: t.Callable[..., t.Any], asynchronous: bool, *args: t.Any) -> t.Any:
    """Call one function where the lane wants it; return its result, or what is to be awaited for that."""
    if lane.hops and not asynchronous:
        return _hop(lane, function, args)
    result = function(*args)
    # That of a sync function may be one too: a sync decorator around an async function.
    return OnLoop(result) if not lane.on_loop and hasattr(result, "__await__") else result


async def _hop(lane: Lane, function: t.Callable[..., t.Any], args: tuple[t.Any, ...]) -> t.Any:
    result = await InThread(function, args, lane.side)
    return await result if hasattr(result, "__await__") else result


def together(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """Return before hooks for requests whose sync ones go to a thread: those that follow each other, in one hop."""
    return _joined(steps, _until_answered)


def chained(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """As `together`, for after hooks."""
    return _joined(steps, _one_by_one)


def _joined(steps: tuple[Step, ...], in_turn: t.Callable[..., t.Any]) -> tuple[Step, ...]:
    if PLAIN:
        return steps
    joined: list[Step] = []
    for asynchronous, group in groupby(steps, key=itemgetter(1)):
        these = list(group)
        if asynchronous or len(these) == 1:
            joined += these
        else:
            joined.append((partial(in_turn, tuple(function for function, _ in these)), False))
    return tuple(joined)


def _until_answered(functions: Functions) -> t.Any:
    for at, function in enumerate(functions, 1):
        value = function()
        if value is not None:
            # What a sync function returns may be awaitable, and come to None.
            is_open = at < len(functions) and hasattr(value, "__await__")
            return _and_then(value, functions[at:]) if is_open else value
    return None


async def _and_then(value: t.Awaitable[t.Any], rest: Functions) -> t.Any:
    answer = await value
    return await _hop(LOOP, _until_answered, (rest,)) if answer is None else answer


def _one_by_one(functions: Functions, response: t.Any) -> t.Any:
    for at, function in enumerate(functions, 1):
        response = function(response)
        if at < len(functions) and hasattr(response, "__await__"):
            return _and_on(response, functions[at:])
    return response


async def _and_on(response: t.Awaitable[t.Any], rest: Functions) -> t.Any:
    return await _hop(LATE, _one_by_one, (rest, await response))


async def call(lane: Lane, function: t.Callable[..., t.Any], asynchronous: bool, *args: t.Any) -> t.Any:
    """As `begin`, and await what is to be awaited."""
    result = begin(lane, function, asynchronous, *args)
    return await result if hasattr(result, "__await__") else result


async def settled(stage: t.Callable[..., t.Any], *args: t.Any) -> t.Any:
    """Call a stage that returns its result or, only where it has to wait, an awaitable of it."""
    result = stage(*args)
    return await result if hasattr(result, "__await__") else result


def finish(ctx: AppContext, work: t.Coroutine[t.Any, t.Any, t.Any], anywhere: bool = False) -> t.Any:
    """Run a stage to its end from sync code, for Flask's sync method that fronts it; coroutines go to the loop.

    With `anywhere` they go to the process-wide loop thread if a loop runs in the calling one: better there than not at
    all, for teardown functions.
    """
    wait = run_anywhere if anywhere else run_async
    lane, ctx.lane = ctx.lane, WORKER
    try:
        step = work.send(None)
        while True:
            try:
                value = wait(step.awaitable)
            except BaseException as error:
                step = work.throw(error)
            else:
                step = work.send(value)
    except StopIteration as stop:
        return stop.value
    finally:
        ctx.lane = lane
        work.close()


# -- plans: what runs for a rule ---------------------------------------------------------------------------------------


MOST_PLANS = 10_000
"""An app that makes new rules for each request must not keep them all."""


class Plan:
    """What runs for the requests of one rule. Made again whenever anything that it was made from has changed.

    Whatever can be known before a request is there is decided here; see `versions`.
    """

    __slots__ = (
        "after", "after_hopping", "app_teardown", "app_tearing_down", "before", "before_hopping", "body_limit",
        "body_timeout", "endpoint", "ends_app", "ends_request", "epoch", "finished", "for_options", "full_dispatch",
        "goes_straight", "is_eager", "lane", "makes", "misses_quietly", "number", "on_disconnect", "only_calls_view",
        "opens", "plain", "prepares", "preprocesses", "processes", "reads_on_loop", "rule", "sole_before",
        "sole_finished", "sole_started", "sole_tearing_down", "started", "stream_body", "teardown", "tearing_down",
        "tears_down", "thread_limit", "url_processors", "view", "view_is_async",
    )  # fmt: skip

    number: int
    view_is_async: bool
    url_processors: tuple[URLValuePreprocessorCallable, ...]
    before: tuple[Step, ...]
    #: the before hook, if there is one only, and all there is to do is to await it; so of requests on the loop
    sole_before: t.Callable[[], t.Awaitable[t.Any]] | None
    after: tuple[Step, ...]
    #: the same for lanes that hop, with sync hooks that follow each other as one
    before_hopping: tuple[Step, ...]
    after_hopping: tuple[Step, ...]
    teardown: tuple[Step, ...]
    app_teardown: tuple[Step, ...]
    #: who hears the signals that each request sends
    started: tuple[Hearer, ...]
    finished: tuple[Hearer, ...]
    tearing_down: tuple[Hearer, ...]
    #: ... if that is one, and async
    sole_started: Sole | None
    sole_finished: Sole | None
    sole_tearing_down: Sole | None
    app_tearing_down: tuple[Hearer, ...]
    #: whether there is anything to do: when the context is there (a session that is opened at once, receivers),
    opens: bool
    #: (whether that is, or may be, the session,)
    is_eager: bool
    #: before the view (receivers, then URL processors and hooks),
    prepares: bool
    preprocesses: bool
    #: with the response (but for receivers),
    processes: bool
    #: at the end: of the request, of the application context, of either
    ends_request: bool
    ends_app: bool
    tears_down: bool
    #: whether code on a loop may want the body
    reads_on_loop: bool
    body_limit: int | None
    body_timeout: float | None
    #: how responses are made of plain values; None: only `make_response` can tell
    makes: Plainly | None
    #: as `makes`, for answers without a response, where nothing would look at one; None: something would
    plain: Plainly | None
    #: the stage, with the middleware around it
    full_dispatch: t.Callable[..., t.Any]
    #: seconds that a request may stay in its thread; one on the loop has a view that sees to its limit
    thread_limit: float | None
    lane: Lane
    #: whether it runs on the loop, and whoever leaves does not matter
    goes_straight: bool
    #: ... and there is nothing to do before the view or around it, so that the exchange may call it by itself
    only_calls_view: bool
    #: whether nothing that is decided ahead looks at requests without a rule
    misses_quietly: bool
    #: whether it is for requests with that method; the rule may leave these to us
    for_options: bool

    def __init__(self, app: App, rule: Rule | None, stages: Stages, for_options: bool = False) -> None:
        self.epoch: Epoch = app.tables.epoch  # asked for first: what changes while this is made ends it
        self.number = app.tables.number
        self.rule: Rule | None = rule  # kept, so that no other rule gets its id while the plan is known by that
        self.endpoint: str | None = None if rule is None else rule.endpoint
        self.body_limit, self.body_timeout = app.config["MAX_CONTENT_LENGTH"], app.config["BODY_TIMEOUT"]
        self.stream_body: bool = getattr(rule, "stream_body", False)
        self.on_disconnect: str = getattr(rule, "on_disconnect", "finish")
        view = app.view_functions.get(self.endpoint) if self.endpoint is not None else None
        self.view: t.Callable[..., t.Any] | None = None
        self.view_is_async = True
        if view is not None:
            self.view, self.view_is_async = _step(app, view)
        self.thread_limit = self._limit(_time_limit(app, rule) if stages.limits_time else None)
        scopes = _scopes(self.endpoint)
        inner_first = scopes[::-1]
        self.url_processors = tuple(f for s in scopes for f in app.url_value_preprocessors.get(s, ()))
        before, after, teardown = (getattr(app, name) for name in stages.tables)
        self.before = _steps(app, (f for s in scopes for f in before.get(s, ())))
        self.preprocesses = bool(self.url_processors or self.before or stages.preprocesses)
        alone = len(self.before) == 1 and not self.url_processors and stages.preprocess is preprocess
        self.sole_before = self.before[0][0] if alone and self.before[0][1] else None
        self.started = hearers(app, stages.started)
        self.prepares = self.preprocesses or bool(self.started)
        self.after = _steps(app, (f for s in inner_first for f in reversed(after.get(s, ()))))
        self.before_hopping, self.after_hopping = together(self.before), chained(self.after)
        self.is_eager = not (app.session_opens_lazily and interface_stays(app))
        self.opens = self.is_eager or appcontext_pushed.has_receivers_for(app)
        self.processes = bool(self.after or stages.processes or self.is_eager)
        self.finished = hearers(app, stages.finished)
        self.sole_started, self.sole_finished = sole(self.started), sole(self.finished)
        self._see_ends(app, inner_first, teardown, stages)
        layers = self._put_around(app, rule, scopes, stages)
        looked_at = self.processes or bool(self.finished or layers) or stages.sees_responses
        self.makes = Plainly.of(app) if stages.makes_responses else None
        self.plain = None if looked_at else self.makes
        blocking = stages.sync_overrides or not all(asynchronous for _, asynchronous in layers)
        self.lane = self._choose_lane(app, getattr(rule, "threaded", None), stages, blocking)
        self.goes_straight = self.lane is not WORKER and self.on_disconnect == "finish"
        self._see_view(app, stages, for_options)

    def _see_ends(self, app: App, scopes: tuple[str | None, ...], functions: t.Any, stages: Stages) -> None:
        self.teardown = _steps(app, (f for s in scopes for f in reversed(functions.get(s, ()))))
        self.tearing_down = hearers(app, stages.tearing_down)
        self.sole_tearing_down = sole(self.tearing_down)
        self.ends_request = bool(self.teardown or self.tearing_down) or "do_teardown_request" in stages.replaced
        self.app_teardown = _steps(app, reversed(app.teardown_appcontext_funcs))
        self.app_tearing_down = hearers(app, appcontext_tearing_down)
        replaced = "do_teardown_appcontext" in stages.replaced
        self.ends_app = bool(self.app_teardown or self.app_tearing_down) or replaced
        self.tears_down = self.ends_request or self.ends_app or appcontext_popped.has_receivers_for(app)
        self.reads_on_loop = self.view_is_async or (not self.stream_body and self._has_async_steps(app))

    def _see_view(self, app: App, stages: Stages, for_options: bool) -> None:
        self.for_options = for_options
        if for_options and getattr(self.rule, "provide_automatic_options", False):
            self.view = answer_options
        looked_at = self.plain is None or self.prepares or self.opens or self.tears_down or not stages.misses_quietly
        has_settings = any(app.config.get(name, value) != value for name, value in _ABOUT_ERRORS.items())
        self.misses_quietly = self.rule is None and not looked_at and not has_settings
        if self.misses_quietly:
            self.view = current_miss
        bare = self.plain is not None and not (self.opens or self.prepares or stages.replaced)
        self.only_calls_view = bare and self.goes_straight and self.view is not None

    def _put_around(
        self, app: App, rule: Rule | None, scopes: tuple[str | None, ...], stages: Stages
    ) -> tuple[Step, ...]:
        layers: tuple[Step, ...] = ()
        if stages.limits_time:  # requests, not websockets
            functions = (f for s in scopes for f in app.middleware_funcs.get(s, ()))
            layers = (*_steps(app, functions), *_steps(app, getattr(rule, "middleware", ())))
        self.full_dispatch = stages.around(layers, stages.full_dispatch) if layers else stages.full_dispatch
        return layers

    def is_seen_anyway(self, app: App) -> bool:
        """Whether code of the app may look at a request that no rule takes: hooks, receivers, error handlers."""
        around = self.plain is None or self.prepares or self.opens or self.tears_down
        handlers = app.error_handler_spec.get(None, {}).values()
        return around or any(handlers) or got_request_exception.has_receivers_for(app) or bool(app.stages.replaced)

    def _limit(self, seconds: float | None) -> float | None:
        if not seconds or self.view is None:
            return None
        if not self.view_is_async:
            return seconds
        self.view = in_time(self.view, seconds)
        return None

    def _choose_lane(self, app: App, wish: bool | None, stages: Stages, blocking: bool) -> Lane:
        # A stage that was replaced by a sync method needs a thread wherever it may have to wait for the loop, whatever
        # the view is. Without any view, the hooks decide: sync ones stay together.
        threaded: bool = app.config["THREADED"]
        on_loop = self.view_is_async and not blocking
        if on_loop and self.view is None:
            on_loop = all(asynchronous for _, asynchronous in (*self.before, *self.after, *self.teardown))
        if on_loop:
            return LOOP if threaded else INLINE
        waits = self._is_wrapped_async or stages.blocks
        if waits or (blocking and (self.view_is_async or self._has_async_steps(app))):
            return WORKER
        return WORKER if (threaded if wish is None else wish) else INLINE

    @property
    def _is_wrapped_async(self) -> bool:
        # A sync decorator of an async view may need its result, as those of extensions do: they make a response of it.
        return self.view is not None and not self.view_is_async and is_async(unwrap(self.view))

    def _has_async_steps(self, app: App) -> bool:
        steps = (*self.before, *self.after, *self.teardown, *self.app_teardown)
        by_code = (handlers for spec in app.error_handler_spec.values() for handlers in spec.values())
        handlers = (handler for by_class in by_code for handler in by_class.values())
        return any(asynchronous for _, asynchronous in steps) or any(map(is_async, handlers))


_ABOUT_ERRORS = {"TRAP_HTTP_EXCEPTIONS": False, "ERROR_MIMETYPES": None, "TRUSTED_HOSTS": None}


def current_miss() -> HTTPException | None:
    """What answers a request that has no rule, in the place of a view: its error."""
    return t.cast("AppContext", current(None)).miss


def answer_options(**arguments: t.Any) -> Response:
    """What answers OPTIONS in the place of a view that leaves that to us."""
    return t.cast("AppContext", current(None)).app.make_default_options_response()


def renewed(ctx: AppContext) -> Plan:
    """Return the plan of a request as of now; anything may have changed it while the request ran."""
    plan = ctx.plan
    if plan.epoch.over:
        rule = ctx.request.url_rule if ctx.request_made and ctx.has_request else plan.rule
        plan = ctx.plan = plan_for(ctx.app, rule, ctx.stages, plan.for_options)
    return plan


def plan_for(app: App, rule: Rule | None, stages: Stages, for_options: bool = False) -> Plan:
    """Return the plan for `rule`, or for a request that has none."""
    plans, key = stages.plans, ~id(rule) if for_options else id(rule)
    plan = plans.get(key)
    if plan is None or plan.epoch.over:
        if len(plans) >= MOST_PLANS:
            plans.clear()
        plan = plans[key] = Plan(app, rule, stages, for_options)
        if stages.sessions.number != plan.number:
            stages.sessions = SessionsAhead(app, app.stages.knows_config)
    return plan


def _time_limit(app: App, rule: Rule | None) -> float | None:
    own: float | None = getattr(rule, "timeout", None)
    return app.config["REQUEST_TIMEOUT"] if own is None else own


def _scopes(endpoint: str | None) -> tuple[str | None, ...]:
    """Return None for the app and then the blueprints of `endpoint`, outermost first."""
    parts = endpoint.split(".")[:-1] if endpoint is not None else []
    return (None, *(".".join(parts[: n + 1]) for n in range(len(parts))))


def _step(app: App, function: t.Callable[..., t.Any]) -> Step:
    if "ensure_sync" in app.stages.replaced:
        function = app.ensure_sync(function)
    return function, is_async(function)


def _steps(app: App, functions: t.Iterable[t.Callable[..., t.Any]]) -> tuple[Step, ...]:
    return tuple(_step(app, function) for function in functions)


# -- the stages --------------------------------------------------------------------------------------------------------


async def preprocess(ctx: AppContext) -> ResponseReturnValue | None:
    """Run the URL value preprocessors and the before hooks; the first value that is not None ends the matter."""
    plan = ctx.plan
    for process in plan.url_processors:
        await call(ctx.lane, process, is_async(process), ctx.request.endpoint, ctx.request.view_args)
    for function, asynchronous in plan.before_hopping if ctx.lane.hops else plan.before:
        if asynchronous and ctx.lane.on_loop:
            value = await function()
        elif hasattr(value := begin(ctx.lane, function, asynchronous), "__await__"):
            value = await value
        if value is not None:
            return t.cast("ResponseReturnValue", value)
    return None


async def emit(ctx: AppContext, signal: Signal, **values: t.Any) -> None:
    """Send a signal to each of its receivers, sync or async. Ask for ``signal.receivers`` before: most have none."""
    await announce(ctx, signal, hearers(ctx.app, signal), values)


def sole_hearer(ctx: AppContext, signal: Signal, sole: Sole | None) -> t.Callable[..., t.Any] | None:
    """Return the receiver of a signal that has one only, if all there is to do is to await it; else see `announce`."""
    if sole is None or not ctx.lane.on_loop or signal.is_muted:
        return None
    receiver, is_weak = sole
    return receiver() if is_weak else receiver


async def announce(
    ctx: AppContext, signal: Signal, those: tuple[Hearer, ...], values: t.Mapping[str, t.Any] = _NOTHING
) -> None:
    """Send a signal to receivers that are known already (`hearers`)."""
    if signal.is_muted:
        return
    app, number = ctx.app, connections.number
    for receiver, is_weak, asynchronous in those:
        if is_weak and (receiver := receiver()) is None:  # it has been collected
            continue
        if connections.number != number and not _is_connected(signal, receiver):  # one before it has seen to that
            continue
        if asynchronous and ctx.lane.on_loop:
            await receiver(app, **values)
            continue
        result = begin(ctx.lane, partial(receiver, app, **values), asynchronous)
        if hasattr(result, "__await__"):
            await result


async def run_all(ctx: AppContext, steps: t.Iterable[Step], errors: list[BaseException], *args: t.Any) -> None:
    """Run teardown functions, every one of them, adding what they raise to `errors`."""
    for function, asynchronous in steps:
        try:
            result = begin(ctx.lane, function, asynchronous, *args)
            if hasattr(result, "__await__"):
                await result
        except (Exception, asyncio.CancelledError) as error:
            errors.append(error)
