"""Commands that run inside an application context, and ``async def`` commands; what applications and blueprints need.

One run of a script has one event loop, made when something first needs it: ``async def`` commands run on it, and so do
``async def`` teardown functions afterwards, so that what a command opened can still be closed where it lives. Before
the first ``async def`` command the application starts as for a server; it stops after its context was torn down.
"""

from __future__ import annotations

import typing as t
from contextlib import contextmanager
from functools import partial, update_wrapper
from inspect import isawaitable, iscoroutinefunction, unwrap

import click

from ..globals import current_app
from ..threads import CallerBridge
from ..threads.local import this_thread
from .locate import ScriptInfo

if t.TYPE_CHECKING:
    from ..app import App

Function = t.Callable[..., t.Any]
F = t.TypeVar("F", bound=Function)

# Keys in the `meta` that all click contexts of a run share.
_LOOP = "asyncflask.cli.loop"
_APPS = "asyncflask.cli.apps"

pass_script_info = click.make_pass_decorator(ScriptInfo, ensure=True)


@contextmanager
def _calls_for(bridge: CallerBridge | None) -> t.Iterator[None]:
    """Make `bridge` what sync code of this thread reaches its loop by."""
    cell = this_thread()
    before, cell.bridge = cell.bridge, bridge
    try:
        yield
    finally:
        cell.bridge = before


@contextmanager
def _own_loop(meta: dict[str, t.Any]) -> t.Iterator[CallerBridge]:
    bridge = meta[_LOOP] = CallerBridge()
    try:
        with _calls_for(bridge):
            yield bridge
    finally:
        del meta[_LOOP]
        bridge.close()


def _loop_of(ctx: click.Context) -> CallerBridge:
    """Return the loop of this run, which the outermost click context closes."""
    bridge: CallerBridge | None = ctx.meta.get(_LOOP)
    return ctx.find_root().with_resource(_own_loop(ctx.meta)) if bridge is None else bridge


def enter_app_context(ctx: click.Context, app: App) -> None:
    """Push a context of `app` that is popped when `ctx` is closed."""
    bridge = _loop_of(ctx)  # first, so that it is closed last
    if app not in (known := ctx.meta.setdefault(_APPS, [])):
        known.append(app)
        ctx.find_root().with_resource(_ended_after(app, bridge, known))
    ctx.with_resource(app.app_context())


@contextmanager
def _ended_after(app: App, bridge: CallerBridge, known: list[App]) -> t.Iterator[None]:
    """Stop what was started of an application on the loop of this run, by a command or by what it has opened."""
    try:
        yield
    finally:
        known.remove(app)
        serving = app.servings.get(bridge.loop) if app.servings else None
        if serving is not None:
            if serving.started or serving.resources or app.background_tasks.of(bridge.loop):
                with _calls_for(None):
                    bridge.serve(app.stop_serving())
            else:
                del app.servings[bridge.loop]


def begin_serving(ctx: click.Context) -> None:
    """Start the current application as for a server, unless it is started or has nothing to start.

    Raises what its functions raise, which is logged then.
    """
    if not current_app:
        return
    app, bridge = current_app._get_current_object(), _loop_of(ctx)  # type: ignore[attr-defined]
    if app.needs_start and not bridge.loop.is_running():
        with _calls_for(None):
            bridge.serve(app.serving_here(bridge).start())


def _runs(f: F, lifespan: bool = True) -> F:
    """Return `f`, or for a coroutine function a sync one that runs it on the loop of this run.

    With `lifespan` the application, if there is one, is started before. Called from another ``async def`` command, as
    by ``click.Context.invoke``, that returns something to await.
    """
    # click's decorators, such as pass_context, hide that a function is one
    if not iscoroutinefunction(unwrap(f)):
        return f

    def run(*args: t.Any, **kwargs: t.Any) -> t.Any:
        ctx = click.get_current_context()
        bridge = _loop_of(ctx)
        if lifespan:
            begin_serving(ctx)
        result = f(*args, **kwargs)
        if not isawaitable(result) or bridge.loop.is_running():
            return result
        with _calls_for(None):  # code on a loop awaits
            return bridge.serve(result)

    return t.cast(F, update_wrapper(run, f))


def with_appcontext(f: F) -> F:
    """Run a click callback, ``def`` or ``async def``, inside a context of the script's application.

    Before an ``async def`` one the application starts, as before the first request. Commands of ``app.cli`` and
    ``blueprint.cli`` have it without this decorator. Loading the application raises NoAppException if it is not found.
    (Flask docs: Command Line Interface, Application Context.)
    """
    return _with_appcontext(f, lifespan=True)


def _with_appcontext(f: F, lifespan: bool) -> F:
    callback = _runs(f, lifespan)

    @click.pass_context
    def in_context(ctx: click.Context, /, *args: t.Any, **kwargs: t.Any) -> t.Any:
        if not current_app:
            enter_app_context(ctx, ctx.ensure_object(ScriptInfo).load_app())
        return ctx.invoke(callback, *args, **kwargs)

    return t.cast(F, update_wrapper(in_context, f))


class AppGroup(click.Group):
    """A click group whose commands run in an application context and may be ``async def``.

    Takes what `click.Group` takes. (Flask docs: Command Line Interface, Custom Commands.)
    """

    callback: t.Callable[..., t.Any] | None

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        if self.callback is not None:
            self.callback = _runs(self.callback)

    @t.overload
    def command(self, f: Function, /) -> click.Command: ...
    @t.overload
    def command(self, *args: t.Any, **kwargs: t.Any) -> t.Callable[[Function], click.Command]: ...
    def command(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Decorate a function to be a command, as `click.Group.command`.

        With ``with_appcontext=False`` no application is loaded for it. With ``lifespan=False`` the application is
        not started for an ``async def`` one: its ``before_serving`` functions, say, do not run.
        """
        if args and callable(args[0]):  # without parentheses
            return self.command(*args[1:], **kwargs)(args[0])
        wrap = partial(
            _with_appcontext if kwargs.pop("with_appcontext", True) else _runs, lifespan=kwargs.pop("lifespan", True)
        )
        make = super().command(*args, **kwargs)
        return lambda f: make(wrap(f))

    @t.overload
    def group(self, f: Function, /) -> click.Group: ...
    @t.overload
    def group(self, *args: t.Any, **kwargs: t.Any) -> t.Callable[[Function], click.Group]: ...
    def group(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Decorate a function to be a group inside this one, as `click.Group.group`; it is an `AppGroup` by default."""
        if args and callable(args[0]):
            return self.group(*args[1:], **kwargs)(args[0])
        return super().group(*args, **({"cls": AppGroup} | kwargs))
