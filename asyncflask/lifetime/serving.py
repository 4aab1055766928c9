"""One run of an application on one loop: from its start, whatever asks for it, to its end.

    start   before_serving functions -> while_serving generators up to their yield -> session interface -> resources
            that are opened at the start -> mounted applications -> periodic jobs
    stop    periodic jobs -> background work is waited for -> mounted applications -> resources -> session interface ->
            after_serving functions -> while_serving generators go on after their yield

A start that fails undoes what was started, by the same way as a stop. (Quart docs: Startup and Shutdown.)
"""

from __future__ import annotations

import atexit
import typing as t
import weakref
from contextvars import Context

from ..ctx import AppContext
from ..errors import raise_collected
from ..lanes import LOOP
from ..lazy import late_module
from ..pipeline.hooks import call, emit, is_async
from ..sessions import SessionInterface
from ..signals import got_serving_exception
from ..threads import CallerBridge, InContext, background
from .jobs import drain
from .managers import Manager, name_of
from .mounted import MountedLifespan
from .periodic import PeriodicJob

if t.TYPE_CHECKING:
    import asyncio

    from ..app import App
    from ..threads import Bridge
    from .resource import Resource
else:
    asyncio = late_module("asyncio")

_IN_CONTEXT = ("before_serving_funcs", "while_serving_gens", "after_serving_funcs")

Function = t.Callable[..., t.Any]


class Serving:
    """The run of an application on one loop, and what was opened for it.

    Args:
        app: the application.
        bridge: between that loop and threads.
    """

    def __init__(self, app: App, bridge: Bridge) -> None:
        self.app = app
        self.bridge = bridge
        self.started: bool = False
        self.resources: dict[Resource[t.Any], OpenResource] = {}
        self._gate = asyncio.Lock()
        self._ran_before = False
        self._entered: list[Manager] = []
        self._mounts: list[MountedLifespan] = []
        self._periodic: list[PeriodicJob] = []
        self._sessions_open = self._with_mounts = False

    @property
    def is_test(self) -> bool:
        """Whether the sync test client makes the requests."""
        return isinstance(self.bridge, CallerBridge)

    async def start(self, *, mounts: bool = True) -> None:
        """Start, unless that has happened.

        Args:
            mounts: whether the lifespans of mounted applications are run.

        Raises:
            Exception: what kept the application from starting; a note says which function it was.
        """
        async with self._gate:
            if not self.started:
                self._with_mounts = mounts
                try:
                    await InContext(self._in_app_context(self._start), Context(), self.bridge)
                except BaseException:
                    await InContext(self._in_app_context(self._undo), Context(), self.bridge)
                    raise
                self.started = True

    async def stop(self) -> None:
        """Stop, every part of it.

        Raises:
            Exception: what failed; several come as a group.
        """
        async with self._gate:
            self.started = False
            raise_collected(
                await InContext(self._in_app_context(self._stop), Context(), self.bridge),
                "Several functions failed while the application stopped.",
            )

    async def _in_app_context(self, work: t.Callable[[AppContext], t.Coroutine[t.Any, t.Any, t.Any]]) -> t.Any:
        ctx = AppContext(self.app)
        ctx.lane = LOOP
        if not any(vars(self.app).get(name) for name in _IN_CONTEXT):
            return await work(ctx)  # no code of the app's runs, and teardown functions may expect that some has
        async with ctx:
            return await work(ctx)

    # -- start -----------------------------------------------------------------------------------------------------

    async def _start(self, ctx: AppContext) -> None:
        app = self.app
        self._ran_before = not app.before_serving_funcs
        for function in app.before_serving_funcs:
            await self._done(ctx, "before_serving function", function, call(LOOP, function, is_async(function)))
            self._ran_before = True
        for function in app.while_serving_gens:
            manager = Manager(function)
            await self._done(ctx, "while_serving generator", function, manager.enter_in(LOOP))
            self._entered.append(manager)
        if (opens := _of_sessions(app, "before_serving")) is not None:
            await self._done(ctx, "session interface's", opens, call(LOOP, opens, is_async(opens), app))
        self._sessions_open = True
        for resource in app.eager_resources:
            await self._done(ctx, "resource", resource.function, self.open_resource(resource))
        if self._with_mounts:
            await self._start_mounts(ctx)
        for periodic in app.periodic:
            job = PeriodicJob(app, self.bridge, periodic)
            app.background_tasks.add(job)
            self._periodic.append(job)
            job.begin()

    async def _start_mounts(self, ctx: AppContext) -> None:
        mounts = self.app.mounts
        for prefix, mounted in mounts.with_lifespan:
            same = next((one for one in self._mounts if one.app is mounted), None)
            lifespan = same or MountedLifespan(prefix, mounted, self.app.state.copy())
            if same is None:
                await self._done(ctx, "mounted application", mounted, lifespan.start())
                self._mounts.append(lifespan)
            mounts.states[prefix] = lifespan.state

    async def _done(self, ctx: AppContext, what: str, function: Function, step: t.Awaitable[t.Any]) -> None:
        """Await a step of the start; an error is logged, announced, and told which function it comes from."""
        try:
            await step
        except BaseException as error:
            error.add_note(f"(in the {what} {name_of(function)})")
            self.app.logger.error(
                "The application cannot start: the %s %s failed.", what, name_of(function), exc_info=error
            )
            if got_serving_exception.receivers and isinstance(error, Exception):
                await emit(ctx, got_serving_exception, exception=error)
            raise

    # -- stop ------------------------------------------------------------------------------------------------------

    async def _undo(self, ctx: AppContext) -> None:
        await self._stop(ctx)

    async def _stop(self, ctx: AppContext) -> list[BaseException]:
        errors: list[BaseException] = []

        async def attempt(what: str, name: str, step: t.Awaitable[t.Any]) -> None:
            try:
                await step
            except (Exception, asyncio.CancelledError) as error:
                error.add_note(f"(in the {what} {name})")
                self.app.logger.error("The %s %s failed while the application stopped.", what, name, exc_info=error)
                errors.append(error)
                if got_serving_exception.receivers:
                    await emit(ctx, got_serving_exception, exception=error)

        app = self.app
        for job in _taken(self._periodic):
            job.stop()
        await drain(app, app.background_tasks.of(self.bridge.loop), app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"])
        for lifespan in _taken(self._mounts):
            await attempt("mounted application", name_of(lifespan.app), lifespan.stop())
        while self.resources:
            resource, opened = self.resources.popitem()
            await attempt("resource", resource.name, opened.close())
        if self._sessions_open:
            self._sessions_open = False
            if (closes := _of_sessions(app, "after_serving")) is not None:
                await attempt("session interface's", name_of(closes), call(LOOP, closes, is_async(closes), app))
        if self._ran_before:
            self._ran_before = False
            for function in app.after_serving_funcs:
                await attempt("after_serving function", name_of(function), call(LOOP, function, is_async(function)))
        for manager in _taken(self._entered):
            await attempt("while_serving generator", manager.name, manager.leave_in(LOOP))
        return errors

    # -- resources of the application ------------------------------------------------------------------------------

    async def open_resource(self, resource: Resource[t.Any]) -> t.Any:
        """Return a resource of the application, opened by the first who asks. Raises what opening it raises."""
        opened = self.resources.get(resource)
        if opened is None:
            opened = self.resources[resource] = OpenResource(self, resource)
        return await opened.ready()

    def forget(self, resource: Resource[t.Any]) -> None:
        """Let the next who asks open it anew."""
        self.resources.pop(resource, None)


class OpenResource:
    """One resource of the application, in a task of its own from opening to closing.

    What it opens may be bound to the task that does, as a cancel scope is, and no request's end may close it.
    """

    def __init__(self, serving: Serving, resource: Resource[t.Any]) -> None:
        self._serving = serving
        self._resource = resource
        self._opened: asyncio.Future[t.Any] = serving.bridge.loop.create_future()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._live(), name=resource.name, context=Context())

    @property
    def is_open(self) -> bool:
        """Whether it has been opened."""
        return self._opened.done() and self._opened.exception() is None

    @property
    def value(self) -> t.Any:
        """What was yielded."""
        return self._opened.result()

    async def ready(self) -> t.Any:
        """Return its value once it is open."""
        return await asyncio.shield(self._opened)

    async def close(self) -> None:
        """Close it and wait for that. Raises what closing raises."""
        self._closing.set()
        await self._task

    async def _live(self) -> None:
        await InContext(self._in_context(), Context(), self._serving.bridge)

    async def _in_context(self) -> None:
        ctx = AppContext(self._serving.app)
        ctx.lane = LOOP
        async with ctx:
            try:
                manager = Manager(self._resource.function)
                value = await manager.enter_in(LOOP)
            except BaseException as error:
                self._serving.forget(self._resource)
                self._opened.set_exception(error if isinstance(error, Exception) else RuntimeError("cancelled"))
                self._opened.exception()  # looked at: nobody may have waited
                return
            self._opened.set_result(value)
            try:
                await self._closing.wait()
            finally:
                await manager.leave_in(LOOP)


def _of_sessions(app: App, name: str) -> Function | None:
    """Return a method of the session interface, unless it has only the one that does nothing."""
    interface = app.session_interface
    if getattr(type(interface), name, None) is getattr(SessionInterface, name):
        return None
    return getattr(interface, name, None)


_at_exit: weakref.WeakSet[Serving] = weakref.WeakSet()


def stop_at_exit(serving: Serving) -> None:
    """Let a run on the process-wide loop thread be stopped when the process ends; a loop of a server is gone then."""
    # The exit function of `weakref` closes pools of threads; it is registered with the first finalizer, here at the
    # latest, and what is registered later runs earlier.
    weakref.finalize(serving, id, None).detach()
    if not _at_exit:
        atexit.register(stop_all)
    _at_exit.add(serving)


def stop_all() -> None:
    """Stop those runs: at exit."""
    for serving in list(_at_exit):
        try:
            background().run(serving.stop(), Context())
        except Exception:  # it is logged
            continue


T = t.TypeVar("T")


def _taken(items: list[T]) -> t.Iterator[T]:
    """Yield the items of a list from its end, taking each out."""
    while items:
        yield items.pop()
