"""One exchange from its first hook to its last teardown: the order of events, in one place.

    begin               bind the context, find the rule
    exchange            open session -> full_dispatch -> (unhandled error) -> check the header -> teardown
    full_dispatch       request_started -> preprocess -> dispatch -> (error handlers) -> finalize

Each stage that Flask exposes as a method of the app is looked up in ``ctx.stages``: the function from here, or a call
of the app's own method where a subclass or an extension has replaced it. Requests and websockets have stages of their
own, where they differ.
"""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import InternalServerError

from ..ctx import LATE, LOOP, WORKER, raise_collected
from ..lazy import late_module
from ..signals import appcontext_popped, appcontext_pushed, appcontext_tearing_down
from ..threads import InThread, OnLoop
from .hooks import emit, plan_for, run_all
from .respond import make_response, open_session

if t.TYPE_CHECKING:
    import asyncio

    from ..ctx import AppContext
    from ..wrappers import Response
    from ..wrappers.response import Answer
else:
    asyncio = late_module("asyncio")


def begin(ctx: AppContext, method: str, path: str, *, upgrade: bool, in_thread: bool = False) -> None:
    """Bind the context and find the rule, the plan and the lane of the request.

    Runs in the exchange's own ``contextvars`` context. With `in_thread` the whole request stays in the calling thread,
    which runs no loop; `upgrade` says whether the client asks for another protocol, which rules may refuse.
    """
    ctx.bind()
    app, request = ctx.app, ctx.request
    stages = ctx.stages
    if in_thread or app.config["TRUSTED_HOSTS"] is not None:  # (the ASGI side has looked at the host already)
        _check_host(ctx)
    if request.routing_exception is None and ctx.match_error is None:
        found = stages.match(method, path) if not upgrade else None
        if found is not None:
            request.url_rule, request.view_args = found
        else:
            _match_slowly(ctx)
    rule = request.url_rule
    plan = stages.plans.get(id(rule))
    if plan is None or plan.number != app.tables.number:
        plan = plan_for(app, rule, stages)
    ctx.plan = plan
    if in_thread:
        ctx.lane = WORKER
    else:
        ctx.lane = plan.lane if app.config["THREADED"] else plan.lane_unthreaded


def _check_host(ctx: AppContext) -> None:
    try:
        ctx.url_adapter  # noqa: B018  refuses the host before anything else runs
    except Exception as error:
        ctx.match_error = error


def _match_slowly(ctx: AppContext) -> None:
    try:
        if ctx.url_adapter is not None:
            ctx.match_request()
    except Exception as error:  # of a converter, say: `exchange` answers it
        ctx.match_error = error


async def exchange(ctx: AppContext) -> tuple[Response, Answer]:
    """Run the whole request; return its response, and what of it is to be sent.

    Args:
        ctx: bound by `begin`.
    """
    app, request = ctx.app, ctx.request
    error: BaseException | None = None
    response: Response | None = None
    made: Response
    try:
        try:
            if ctx.match_error is not None:
                raise ctx.match_error
            if not app.session_interface.lazy_open:
                await open_session(ctx)
            if appcontext_pushed.receivers:
                await emit(ctx, appcontext_pushed)
            response = made = await ctx.stages.full_dispatch(ctx)
            return made, made.asgi_answer(request.method, request)
        except Exception as caught:
            error, unfit, response = caught, response, None
            response, answer = await _answer_error(ctx, caught, unfit)
            return response, answer
    except BaseException as caught:
        error = caught
        raise
    finally:
        if ctx.preserve is not None:
            ctx.preserve(ctx)
        if error is not None and app.should_ignore_error(error):
            error = None
        if tears_down(ctx):
            if ctx.cancelled is not None:
                ctx.cancelled.disarm()
            try:
                await ctx.pop_async(error)
            except BaseException:
                await _drop(ctx, response)
                raise
        else:
            ctx.unbind()
        error = None  # an error in a frame of its own traceback is a reference cycle


async def _answer_error(ctx: AppContext, error: Exception, unfit: Response | None) -> tuple[Response, Answer]:
    """Return the response to an error nobody handled, and what is to be sent; `unfit` is one that could not be sent."""
    app, request = ctx.app, ctx.request
    await _drop(ctx, unfit)
    response: Response = await ctx.stages.exception(ctx, error)
    try:
        return response, response.asgi_answer(request.method, request)
    except ValueError as fault:  # the hooks gave this one, too, what cannot be sent
        await _drop(ctx, response)
        app.logger.error("The response to an error cannot be sent: %s", fault)
        response = make_response(app, InternalServerError())
        return response, response.asgi_answer(request.method, request)


async def _drop(ctx: AppContext, response: Response | None) -> None:
    """Close a response, if there is one, that will not be sent."""
    if response is None:
        return
    if ctx.lane.on_loop or response.is_async_iterable:
        await (response.close_async() if ctx.lane.on_loop else OnLoop(response.close_async()))
    else:
        response.close()


async def end(ctx: AppContext) -> None:
    """End a request whose body has kept its context, once a step of that body has said so."""
    if ctx.ending is not None:
        (error,), ctx.ending, ctx.sends_body = ctx.ending, None, False
        await ctx.pop_async(error)


def tears_down(ctx: AppContext) -> bool:
    """Return whether the end of a request has anything to do, hooks or receivers, that has to be awaited."""
    plan = ctx.plan
    if plan.number != ctx.app.tables.number:
        plan = ctx.plan = plan_for(ctx.app, ctx.request.url_rule, ctx.stages)
    return (
        plan.tears_down
        or bool(ctx.stages.tearing_down.receivers)
        or bool(appcontext_tearing_down.receivers)
        or bool(appcontext_popped.receivers)
    )


async def full_dispatch(ctx: AppContext) -> Response:
    """Run hooks and view, answer their errors, and finish the response."""
    app = ctx.app
    if not app._got_first_request:
        app._got_first_request = True
    stages = ctx.stages
    try:
        try:
            if stages.started.receivers:
                await emit(ctx, stages.started)
            if ctx.has_big_form:
                await InThread(ctx.request.parse_ahead)
            value = await stages.preprocess(ctx) if ctx.plan.preprocesses else None
            if value is None:
                if ctx.read_on is not None:
                    await read_on(ctx)
                value = stages.dispatch(ctx)
                if hasattr(value, "__await__"):
                    value = await value
        finally:
            if ctx.lane is LOOP:
                ctx.lane = LATE
    except Exception as error:
        value = await stages.user_exception(ctx, error)
        if error is ctx.request.routing_exception:
            error.__traceback__ = None  # the request refers to it, and its frames to the request
    try:
        response = stages.finalize(ctx, value)
        return await response if hasattr(response, "__await__") else response  # type: ignore[no-any-return]
    finally:
        del value  # it may be the error, whose traceback has this frame


async def read_on(ctx: AppContext) -> None:
    """Read the rest of a body that was over the limit, where a hook has raised ``request.max_content_length``."""
    body, read = ctx.request.asgi_body, ctx.read_on
    if read is not None and body is not None and body.raise_limit(ctx.request.max_content_length):
        await (read() if ctx.lane.on_loop else OnLoop(read()))


def dispatch(ctx: AppContext) -> t.Any:
    """Call the view, or raise the routing error, or answer OPTIONS where the rule leaves that to us.

    Returns what the view returns, or what is to be awaited for it.
    """
    app, request = ctx.app, ctx.request
    if request.routing_exception is not None:
        app.raise_routing_exception(request)
    rule = request.url_rule
    assert rule is not None
    if request.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
        return app.make_default_options_response()
    plan = ctx.plan
    if plan.number != app.tables.number or plan.endpoint != rule.endpoint:
        plan = ctx.plan = plan_for(app, rule, ctx.stages)
    # Without a view function the KeyError names the endpoint.
    view: t.Any = plan.view or app.view_functions[rule.endpoint]
    value = view(**request.view_args) if request.view_args else view()
    # A sync decorator around an async view returns an awaitable as well.
    if ctx.lane.on_loop or not hasattr(value, "__await__"):
        return value
    return OnLoop(value)


async def teardown_request(ctx: AppContext, error: BaseException | None) -> None:
    """Run the teardown functions of the request, all of them, then raise what they raised."""
    app, errors = ctx.app, list[BaseException]()
    plan = plan_for(app, ctx.request.url_rule, ctx.stages)
    if plan.teardown:
        await run_all(ctx, plan.teardown, errors, error)
    if ctx.stages.tearing_down.receivers:
        await emit(ctx, ctx.stages.tearing_down, exc=error)
    raise_collected(errors)


async def teardown_app(ctx: AppContext, error: BaseException | None) -> None:
    """Run the teardown functions of the application context, as `teardown_request`."""
    app, errors = ctx.app, list[BaseException]()
    steps = plan_for(app, None, ctx.stages).app_teardown
    if steps:
        await run_all(ctx, steps, errors, error)
    if appcontext_tearing_down.receivers:
        await emit(ctx, appcontext_tearing_down, exc=error)
    raise_collected(errors)


async def teardown(ctx: AppContext, error: BaseException | None) -> None:
    """Run every teardown of a context: its request's, then the application's unless another context owns that."""
    stages, errors = ctx.stages, list[BaseException]()
    if "request" in vars(ctx):
        try:
            await stages.teardown_request(ctx, error)
        except (Exception, asyncio.CancelledError) as raised:
            errors.append(raised)
        ctx.close_request()
    if ctx.app_owner is ctx:
        try:
            await stages.teardown_app(ctx, error)
        except (Exception, asyncio.CancelledError) as raised:
            errors.append(raised)
    raise_collected(errors)
