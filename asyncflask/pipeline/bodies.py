"""A streamed body that does not keep its context: it is produced after teardown, and what it opens is closed, too."""

from __future__ import annotations

import typing as t

from ..ctx import BOUND, AppContext, make_current
from ..globals import _cv_app
from .hooks import settled

if t.TYPE_CHECKING:
    from contextvars import Context

    from ..app import App
    from ..globals import _AppCtxGlobals
    from ..lanes import Lane


class BodyContext(AppContext):
    """The application context around such a body; request, session and ``g`` are those of its request.

    It is another than the request's, which was torn down: extensions keep by its identity what they open.

    Args:
        ctx: the request's.
    """

    def __init__(self, ctx: AppContext) -> None:
        self._app = ctx.app
        #: whether the body may have opened something that a teardown function of the application closes
        self.used = False
        self.stages, self._tokens, self._outer = ctx.stages, BOUND, ctx
        if "g" in vars(ctx):
            vars(self)["g"] = ctx.g

    @property
    def app(self) -> App:  # type: ignore[override]
        """The application."""
        self.used = True
        return self._app

    @property
    def app_owner(self) -> AppContext:
        """This one: what ``app_ctx`` shows."""
        self.used = True
        return self

    @property
    def g(self) -> _AppCtxGlobals:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The namespace of the request."""
        self.used = True
        return t.cast(AppContext, self._outer).g


def begin_body(ctx: AppContext, context: Context) -> BodyContext | None:
    """Make a context for the body current in `context`; None where nobody keeps anything by contexts, or it is kept."""
    if ctx.pushes or ctx.preserve is not None or not ctx.plan.ends_app:
        return None
    body = context.get(_cv_app)
    if not isinstance(body, BodyContext):
        body = BodyContext(ctx)
        context.run(make_current, body)
    return body


async def end_body(ctx: AppContext, body: BodyContext, lane: Lane) -> None:
    """Run the application's teardown functions for what the body has used, in `lane`."""
    before, ctx.lane = ctx.lane, lane
    try:
        await settled(ctx.stages.teardown_app, ctx, None)
    finally:
        ctx.lane = before
        body.used = False  # at last, as teardown functions use it, too
