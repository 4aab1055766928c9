"""Which function runs for each stage that Flask exposes as a method: ours, or a replacement of that method.

Worked out when the app's class or instance is looked at, not per request. ``SEAMS`` maps Flask's name to ours.
"""

from __future__ import annotations

import typing as t

from . import fail, hooks, respond, run
from .hooks import call, is_async
from .match import Matcher

if t.TYPE_CHECKING:
    from werkzeug.routing import Rule

    from ..app import App
    from ..ctx import AppContext

Stage = t.Callable[..., t.Any]
"""``(ctx, *arguments)``: a coroutine function; `dispatch` and `finalize` may return what need not be awaited."""

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

#: no stages, but what may be decided ahead depends on them
OTHERS = (*METHODS, "subdomain_matching", "url_map", "mounts")


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
    replaced: frozenset[str]
    sync_overrides: bool
    preprocesses: bool
    processes: bool
    wsgi_app_is_ours: bool
    serves_http_directly: bool

    def __init__(self, app: App, base: type[App]) -> None:
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
        self.makes_responses: bool = "make_response" not in self.replaced
        self.processes = "process_response" in self.replaced
        #: the quick part of routing: rule and view arguments where they are plain to see, else None
        plainly = not app.subdomain_matching and "create_url_adapter" not in self.replaced
        self.match: t.Callable[[str, str], tuple[Rule, dict[str, t.Any]] | None] = (
            Matcher(app.url_map).match if plainly else _ask_the_adapter
        )


def _ask_the_adapter(method: str, path: str) -> None:
    """Find no rule; the URL adapter of the request will."""


def _is_replaced(app: App, base: type[App], name: str) -> bool:
    return name in vars(app) or getattr(type(app), name, None) is not getattr(base, name, None)


def _through_method(name: str) -> Stage:
    async def stage(ctx: AppContext, *arguments: t.Any) -> t.Any:
        method = getattr(ctx.app, name)
        return await call(ctx.lane, method, is_async(method), *arguments)

    return stage
