"""The beginning of an exchange: its context, its rule, and with that the plan of what runs and the lane it runs in.

Where one look tells the rule, nothing but the context is made. Else the request is made, and Werkzeug's adapter asked.
"""

from __future__ import annotations

import typing as t

from werkzeug.routing import RequestRedirect

from ..ctx import BOUND, ServedContext
from ..lanes import WORKER
from ..wrappers.environ import CLIENT
from .bind import is_named_plainly, with_slash
from .hooks import plan_for
from .match import SLASH

if t.TYPE_CHECKING:
    from werkzeug.exceptions import HTTPException

    from ..app import App
    from ..asgi.stream import Receive
    from ..ctx import AppContext
    from .hooks import Plan
    from .match import Answer
    from .stages import Stages
    from .tree import Target


def open_exchange(
    app: App,
    stages: Stages,
    scope: dict[str, t.Any],
    root_path: str,
    path: str,
    headers: dict[bytes, bytes],
    receive: Receive,
) -> ServedContext:
    """Make the context of a request, and find its rule and its plan, where one look tells (`view_args`)."""
    ctx: ServedContext = ServedContext()
    ctx.app, ctx.stages = app, stages
    ctx.scope, ctx.receive, ctx.headers = scope, receive, headers
    ctx.method = method = scope["method"]
    ctx.path, ctx.root_path = path, root_path
    ctx.preserve = ctx.body = ctx.view_args = ctx.opened_session = None
    ctx.request_made = ctx.touched = ctx.body_has_work = ctx.leaves_open = False
    ctx._tokens = BOUND  # as it is going to be
    ctx.answers_plainly = True
    ctx.has_cookies = b"cookie" in headers or stages.finds_cookies
    if b"upgrade" not in headers:
        find = stages.find
        found = find(method, path)
        if found is not None:
            target, arguments = found
            plan = target.plan
            if plan is None or plan.epoch.over:
                plan = target.plan = _plan_ahead(app, target)
            if plan is not None:
                ctx.plan, ctx.lane, ctx.view_args = plan, plan.lane, arguments
    return ctx


def _plan_ahead(app: App, target: Target) -> Plan | None:
    # Not where a host that is not trusted has to be refused first, or a request sees that it is made.
    stages = app.stages
    if app.config["TRUSTED_HOSTS"] is not None or not stages.knows_config or not stages.makes_requests_late:
        return None
    plan = plan_for(app, target.rule, stages, target.for_options)
    _end_setup(app, plan)
    return plan


def _end_setup(app: App, plan: Plan) -> None:
    # Where it opens something, `exchange` does this after that, as receivers of ``appcontext_pushed`` may still set up.
    if not plan.opens and not app._got_first_request:
        app._got_first_request = True


def begin_exchange(ctx: ServedContext) -> HTTPException | None:
    """Find the rule for a context that has none yet, in the exchange's own ``contextvars`` context.

    Returns the error for a request that no code of the app is to see.
    """
    ctx.method = ctx.method.upper() if ctx.stages.makes_requests_late else ctx.request.method
    begin(ctx, ctx.method, ctx.path, upgrade=b"upgrade" in ctx.headers)
    if not (ctx.request_made and ctx.refused):
        return None
    ctx.unbind()
    return ctx.request.routing_exception


def begin(ctx: AppContext, method: str, path: str, *, upgrade: bool, in_thread: bool = False) -> None:
    """Bind the context and find the rule, the plan and the lane of the request.

    Runs in the exchange's own ``contextvars`` context. With `in_thread` the whole request stays in the calling thread,
    which runs no loop; `upgrade` says whether the client asks for another protocol, which rules may refuse.
    """
    ctx.bind()
    app, stages = ctx.app, ctx.stages
    if in_thread or app.config["TRUSTED_HOSTS"] is not None:  # (the ASGI side has looked at the host already)
        _check_host(ctx)
    if ctx.match_error is None and not (ctx.request_made and ctx.request.routing_exception is not None):
        found = stages.match(method, path) if not upgrade else None
        if found is None or isinstance(found, tuple):
            _keep(ctx, found)
        elif found is not SLASH and not in_thread and not is_named_plainly(ctx):  # the host comes first
            _keep(ctx, None)
        elif not _misses_quietly(ctx, found):
            _keep(ctx, found)
    if not stages.knows_config:
        app.tables.bump()
    ctx.plan = plan_for(app, ctx.request.url_rule if ctx.request_made else None, stages)
    _end_setup(app, ctx.plan)
    ctx.lane = WORKER if in_thread else ctx.plan.lane


def _keep(ctx: AppContext, found: Answer | None) -> None:
    request = ctx.request
    if found is None or found is SLASH:
        _match_slowly(ctx, found)
    elif isinstance(found, tuple):
        request.url_rule, request.view_args = found
    else:
        request.routing_exception = found


def _misses_quietly(ctx: AppContext, error: HTTPException) -> bool:
    """Keep an error of routing for the answer, if that is all that it is for; return whether it is.

    So where no code of the application's can see the request, a hook, a handler, a test: none is made then.
    """
    app = ctx.app
    if ctx.request_made or ctx.has_cookies or CLIENT in ctx.scope or any(app.error_handler_spec.values()):
        return False
    if not plan_for(app, None, ctx.stages).misses_quietly:
        return False
    if error is SLASH:
        adapter = ctx.url_adapter
        if adapter is None or ctx.request_made:  # the host is not a usual one
            return False
        error = RequestRedirect(with_slash(adapter))
    ctx.miss = error
    return True


def _check_host(ctx: AppContext) -> None:
    try:
        ctx.url_adapter  # noqa: B018  refuses the host before anything else runs
    except Exception as error:
        ctx.match_error = error


def _match_slowly(ctx: AppContext, found: object) -> None:
    try:
        if (adapter := ctx.url_adapter) is None:
            return
        if found is SLASH:
            ctx.request.routing_exception = RequestRedirect(with_slash(adapter))
        else:
            ctx.match_request()
    except Exception as error:  # of a converter, say: `exchange` answers it
        ctx.match_error = error
