"""One exchange from its first hook to its last teardown: the order of events, in one place.

    (opening)           make the context, find the rule
    exchange            open session -> full_dispatch -> (unhandled error) -> check the header -> pop
    full_dispatch       reply -> finalize
    reply               request_started -> preprocess -> dispatch -> (error handlers)
    (finalize)          make the response -> process: after hooks, save session -> request_finished
    pop                 teardown_request -> teardown_app -> close what was opened

What is in brackets stands in other modules. Each stage that Flask exposes as a method of the app is looked up in
``ctx.stages``: the function from here, or a call of the app's own method where a subclass or an extension has replaced
it. Requests and websockets have stages of their own, where they differ.
"""

from __future__ import annotations

import typing as t
from types import CoroutineType, coroutine

from werkzeug.exceptions import InternalServerError

from ..ctx import BOUND, AppContext, current, make_current
from ..errors import raise_collected
from ..lazy import late_module
from ..signals import appcontext_popped, appcontext_pushed, appcontext_tearing_down
from ..threads import InThread, OnLoop
from ..wrappers import Response
from .hooks import announce, emit, plan_for, renewed, run_all, settled, sole_hearer
from .respond import adopted, make_response, open_session, plain_answer

if t.TYPE_CHECKING:
    import asyncio

    from blinker import Signal

    from ..wrappers.response import Answer
    from .hooks import Hearer, Plan, Sole, Step
else:
    asyncio = late_module("asyncio")

Coroutine: t.Any = CoroutineType


@coroutine
def exchange(ctx: AppContext) -> t.Generator[t.Any, t.Any, None]:
    """Run the whole request; leave what is to be sent in ``ctx.answer``.

    A coroutine, written as a generator as that takes less to begin: ``yield from`` stands for ``await``.
    """
    error: BaseException | None = None
    response: Response | None = None
    try:
        (make_current if current(None) is None else AppContext.bind)(ctx)  # that is all `bind` does then
        plan: t.Any = ctx.plan
        alone = plan.only_calls_view and not ctx.request_made and not ctx.body_has_work
        if not alone and (plan.opens or ctx.request_made or plan.full_dispatch is not full_dispatch):
            response = yield from _opened(ctx)
        if response is None:  # what `full_dispatch` would do, in line, and without a response where none is needed
            try:
                view, arguments = plan.view, ctx.view_args
                begun = _begun(ctx) if not alone else view(**arguments) if arguments else view()
                value = (yield from begun) if type(begun) is Coroutine else (yield from _awaited(begun))
                if ctx.leaves_open and ctx.lifetime is not None:
                    yield from ctx.lifetime.view_over()
            except (Exception, asyncio.CancelledError) as failure:
                value = yield from _failed(ctx, failure)
            ctx.answer = plain_answer(ctx, value) if alone or (ctx.plan.plain and ctx.answers_plainly) else None
            if ctx.answer is None:
                ctx.lane = ctx.lane.later
                made = ctx.stages.finalize(ctx, value)
                response = (yield from made) if type(made) is Coroutine else (yield from _awaited(made))
                ctx.answer = _answer(ctx, response)
    except Exception as caught:
        error, unfit, response = caught, response, None
        response, ctx.answer = yield from _handled(ctx, caught, unfit)
    except BaseException as caught:
        error = caught
        raise
    finally:
        plan, begun, value = ctx.plan, None, None  # it may be an error, in a frame of whose traceback this is
        stays = ctx.preserve is not None or (renewed(ctx) if plan.epoch.over else plan).tears_down
        if not stays and ctx._tokens is BOUND and current(None) is ctx:
            ctx._tokens = ()  # what `_ending` comes to where nothing is unusual
        elif (ending := _ending(ctx, error, response)) is not None:
            error = None
            yield from ending
        error = None  # an error in a frame of its own traceback is a reference cycle


def _begun(ctx: AppContext) -> t.Any:
    return (_prepared if ctx.plan.prepares or ctx.body_has_work else ctx.stages.dispatch)(ctx)


def _awaited(value: t.Any) -> t.Generator[t.Any, t.Any, t.Any]:
    return (yield from value.__await__()) if hasattr(value, "__await__") else value


async def _opened(ctx: AppContext) -> Response | None:
    """Do what comes when the context is there; and the rest up to the response, where that is not all ours."""
    if appcontext_pushed.receivers and ctx.app_owner is ctx:
        await emit(ctx, appcontext_pushed)
        renewed(ctx)
    if ctx.plan.opens:  # else it waits for its first touch
        await open_session(ctx)
    if (error := ctx.match_error) is not None:
        ctx.match_error = None
        try:
            raise error
        finally:
            del error
    if not ctx.app._got_first_request:
        ctx.app._got_first_request = True
    if ctx.plan.full_dispatch is full_dispatch:
        return None
    response: Response = await ctx.plan.full_dispatch(ctx)
    ctx.answer = _answer(ctx, response)
    return response


def _answer(ctx: AppContext, response: Response | None) -> Answer:
    if not isinstance(response, Response):
        response = adopted(ctx.app, response)
    # As the client sent it, where it is served: whether a body comes does not change with what a hook assigns.
    method = ctx.method if ctx.answers_plainly or not ctx.request_made else ctx.request.method
    answer = response.untouched_answer(method)
    if answer is None:
        request = ctx.request if ctx.request_made or response.reads_environ else None
        answer = response.asgi_answer(method, request)
    return answer if ctx.answers_plainly else (*answer[:3], response)


async def _handled(ctx: AppContext, error: Exception, unfit: Response | None) -> tuple[Response, Answer]:
    """Return the response to an error nobody handled, and its answer; `unfit` is one that could not be sent."""
    if ctx.lifetime is not None:
        ctx.lifetime.note(error)
    await _drop(ctx, unfit)
    try:
        response: Response = await ctx.stages.exception(ctx, error)
    finally:
        del error  # its traceback has this frame, if it is raised again
    try:
        return response, _answer(ctx, response)
    except (TypeError, ValueError) as fault:  # even that may have been made unfit by the hooks
        await _drop(ctx, response)
        ctx.app.logger.error("The response to an error cannot be sent: %s", fault)
        return response, _answer(ctx, make_response(ctx.app, InternalServerError()))


def _ending(ctx: AppContext, error: BaseException | None, response: Response | None) -> t.Any:
    """Return what is to be awaited for the end of an exchange, if that takes more than to take back its binding."""
    ctx.lane = ctx.lane.later
    if ctx.preserve is not None:
        ctx.preserve(ctx)
        renewed(ctx)
    if not ctx.plan.tears_down:
        ctx.unbind()
        return None
    if error is not None and ctx.app.should_ignore_error(error):
        error = None
    if ctx.leaves_open and ctx.cancelled is not None:
        ctx.cancelled.disarm()
    return pop(ctx, error, response)


async def _drop(ctx: AppContext, response: Response | None) -> None:
    """Close a response, if there is one, that will not be sent."""
    if not isinstance(response, Response):
        if (close := getattr(response, "close", None)) is not None:
            close()
        return
    if ctx.lane.on_loop or response.is_async_iterable:
        await (response.close_async() if ctx.lane.on_loop else OnLoop(response.close_async()))
    else:
        response.close()


async def end(ctx: AppContext) -> None:
    """End a request whose body has kept its context, once a step of that body has said so."""
    if ctx.ending is not None:
        (error,), ctx.ending, ctx.sends_body = ctx.ending, None, False
        await pop(ctx, error)


async def full_dispatch(ctx: AppContext) -> Response:
    """Run hooks and view, answer their errors, and finish the response."""
    value = await reply(ctx)
    try:
        return t.cast("Response", await settled(ctx.stages.finalize, ctx, value))
    finally:
        del value  # it may be the error, whose traceback has this frame


async def reply(ctx: AppContext) -> t.Any:
    """Return what answers the request: what a hook gave, or the view, or the handler of an error."""
    try:
        value = _begun(ctx)
        if type(value) is Coroutine or hasattr(value, "__await__"):
            value = await value
        if ctx.leaves_open and ctx.lifetime is not None:
            await ctx.lifetime.view_over()
        ctx.lane = ctx.lane.later
        return value
    except (Exception, asyncio.CancelledError) as error:
        return await _failed(ctx, error)


async def _prepared(ctx: AppContext) -> t.Any:
    """Do what comes before the view; return what answers the request instead of it, or the view's answer."""
    plan, value = ctx.plan, None
    if plan.started:
        hearer = sole_hearer(ctx, ctx.stages.started, plan.sole_started)
        await (announce(ctx, ctx.stages.started, plan.started) if hearer is None else hearer(ctx.app))
        if plan.epoch.over:
            plan = renewed(ctx)
    if ctx.body_has_work and ctx.has_big_form:
        await InThread(ctx.request.parse_ahead)
    if plan.preprocesses:
        hook = plan.sole_before
        value = await (ctx.stages.preprocess(ctx) if hook is None or not ctx.lane.on_loop else hook())
        if plan.epoch.over:
            renewed(ctx)
    if ctx.body_has_work and value is None and ctx.read_on is not None:
        await read_on(ctx)
        renewed(ctx)
    if value is None:
        dispatch = ctx.stages.dispatch
        value = dispatch(ctx)
        if type(value) is Coroutine or hasattr(value, "__await__"):
            value = await value
    return value


async def _failed(ctx: AppContext, error: BaseException) -> t.Any:
    """Answer what a hook or the view raised; that an async view was cancelled may be due to one of its tasks."""
    ctx.lane, raised = ctx.lane.later, error
    try:
        if ctx.lifetime is not None:
            error = await ctx.lifetime.view_failed(error)
        if not isinstance(error, Exception):
            raise error
        value = ctx.stages.user_exception(ctx, error)
        if type(value) is Coroutine or hasattr(value, "__await__"):
            value = await value
        if ctx.request_made and raised is ctx.request.routing_exception:
            raised.__traceback__ = None  # the request refers to it, and its frames to the request
        return value
    finally:
        del error, raised  # its traceback has this frame


async def read_on(ctx: AppContext) -> None:
    """Read the rest of a body that was over the limit, where a hook has raised ``request.max_content_length``."""
    body, read = ctx.request.asgi_body, ctx.read_on
    if read is not None and body is not None and body.raise_limit(ctx.request.max_content_length):
        await (read() if ctx.lane.on_loop else OnLoop(read()))


def dispatch(ctx: AppContext) -> t.Any:
    """Call the view, or raise the routing error, or answer OPTIONS where the rule leaves that to us.

    Returns what the view returns, or what is to be awaited for it.
    """
    app, plan = ctx.app, ctx.plan
    if ctx.request_made:  # what it says counts
        request = ctx.request
        if request.routing_exception is not None:
            app.raise_routing_exception(request)
        rule, arguments = request.url_rule, request.view_args
        assert rule is not None
        if request.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
            return app.make_default_options_response()
        if plan.epoch.over or plan.endpoint != rule.endpoint or plan.for_options:
            plan = ctx.plan = plan_for(app, rule, ctx.stages)
    else:
        arguments = ctx.view_args
    # Without a view function the KeyError names the endpoint.
    view: t.Any = plan.view or app.view_functions[t.cast(str, plan.endpoint)]
    value = view(**arguments) if arguments else view()
    # A sync decorator around an async view returns an awaitable as well.
    if ctx.lane.on_loop or not hasattr(value, "__await__"):
        return value
    return OnLoop(value)


def teardown_request(ctx: AppContext, error: BaseException | None) -> t.Awaitable[None] | None:
    """Run the teardown functions of the request, all of them, then raise what they raised.

    Returns what is to be awaited for that.
    """
    plan = ctx.plan
    if plan.epoch.over:
        plan = renewed(ctx)
    if plan.teardown:
        return _tear_down(ctx, error, lambda plan: (plan.teardown, plan.tearing_down), ctx.stages.tearing_down)
    return _announce_teardown(ctx, error, ctx.stages.tearing_down, plan.tearing_down, plan.sole_tearing_down)


def teardown_app(ctx: AppContext, error: BaseException | None) -> t.Awaitable[None] | None:
    """Run the teardown functions of the application context, as `teardown_request`."""
    plan = renewed(ctx)
    if plan.app_teardown:
        return _tear_down(ctx, error, lambda plan: (plan.app_teardown, plan.app_tearing_down), appcontext_tearing_down)
    return _announce_teardown(ctx, error, appcontext_tearing_down, plan.app_tearing_down)


async def _tear_down(
    ctx: AppContext,
    error: BaseException | None,
    which: t.Callable[[Plan], tuple[tuple[Step, ...], tuple[Hearer, ...]]],
    signal: Signal,
) -> None:
    errors: list[BaseException] = []
    await run_all(ctx, which(ctx.plan)[0], errors, error)
    try:
        await settled(_announce_teardown, ctx, error, signal, which(renewed(ctx))[1])
    except (Exception, asyncio.CancelledError) as raised:
        errors.append(raised)
    raise_collected(errors)


def _announce_teardown(
    ctx: AppContext,
    error: BaseException | None,
    signal: Signal,
    those: tuple[Hearer, ...],
    sole: Sole | None = None,
) -> t.Awaitable[None] | None:
    if not those:
        return None
    hearer = sole_hearer(ctx, signal, sole)
    return announce(ctx, signal, those, {"exc": error}) if hearer is None else hearer(ctx.app, exc=error)


async def pop(ctx: AppContext, error: BaseException | None, response: Response | None = None) -> None:
    """Undo one push of a context, or its binding, as `AppContext.pop`; whatever is async is awaited.

    Where that fails the response is closed: it will not be sent.
    """
    if ctx.leaves_open and ctx.sends_body and ctx.leaves_end(error):
        return
    errors: list[BaseException] = []
    try:
        if len(ctx._tokens) + ctx._held == 1 or (error is not None and ctx.gives_up()):
            plan = ctx.plan
            if plan.epoch.over:
                plan = renewed(ctx)
            if plan.ends_request and ctx.has_request:
                try:
                    teardown = ctx.stages.teardown_request  # so written it is found quicker
                    ending = teardown(ctx, error)
                    if ending is not None:
                        await ending
                except (Exception, asyncio.CancelledError) as raised:
                    errors.append(raised)
                if plan.epoch.over:
                    plan = renewed(ctx)
            if errors or plan.ends_app or ctx.leaves_open or ctx._tokens is not BOUND:
                await _end_app(ctx, error, errors)
    except BaseException:
        await _drop(ctx, response)
        raise
    finally:
        if ctx.unbind() and appcontext_popped.receivers:
            await emit(ctx, appcontext_popped)


async def _end_app(ctx: AppContext, error: BaseException | None, errors: list[BaseException]) -> None:
    """End what is not the request's alone, after that; then raise what was collected."""
    if ctx.has_request:
        ctx.close_request()
    for end in _ends_of_app(ctx):
        try:
            await settled(end, ctx, error)
        except (Exception, asyncio.CancelledError) as raised:
            errors.append(raised)
    raise_collected(errors)


def _ends_of_app(ctx: AppContext) -> t.Iterator[t.Callable[..., t.Any]]:
    # the teardown of the application, unless another context owns that, and of what was opened
    if ctx.plan.ends_app and ctx.app_owner is ctx:
        yield ctx.stages.teardown_app
    if ctx.lifetime is not None and not ctx.is_bound:
        close = ctx.lifetime.close
        yield lambda ctx, error: close(error)
