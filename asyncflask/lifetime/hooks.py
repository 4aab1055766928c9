"""The decorators and methods for what lives longer than a view, of applications and of blueprints."""

from __future__ import annotations

import sys
import typing as t
import weakref

from ..globals import _cv_request
from ..lazy import late_module, lazy
from ..pipeline.hooks import finish
from ..sansio.scaffold import setupmethod
from ..threads import WorkerPool, background, current_bridge
from ..wrappers import Websocket
from ..wrappers.environ import CLIENT
from .jobs import Job, Jobs, background_job, pending_after
from .managers import check_plain, check_yields
from .periodic import Periodic, seconds_of
from .request import RequestLifetime
from .resource import Resource, Scope
from .state import State

if t.TYPE_CHECKING:
    import asyncio
    from datetime import timedelta

    from ..app import App
    from ..ctx import AppContext
    from ..sansio.blueprints import BlueprintSetupState
    from ..threads import Bridge
    from .resource import Opens
    from .serving import Serving
else:
    asyncio = late_module("asyncio")

Plain = t.TypeVar("Plain", bound=t.Callable[[], t.Any])
Yields = t.TypeVar("Yields", bound=t.Callable[[], t.Any])
T = t.TypeVar("T")

_NEED_START = ("before_serving_funcs", "while_serving_gens", "periodic", "eager_resources")
_RETURN = "Use 'while_serving' for what goes on after a 'yield'."


class Lifetimes:
    """What `App` has of this package."""

    if t.TYPE_CHECKING:

        def bridge(self) -> Bridge: ...

    #: What `state` is made of.
    state_class: type[State] = State

    @lazy
    def state(self) -> State:
        """What the application makes when it starts and its handlers use; see `State`."""
        return self.state_class()

    @lazy
    def before_serving_funcs(self) -> list[t.Callable[[], t.Any]]:
        """Functions to run before the first request."""
        return []

    @lazy
    def after_serving_funcs(self) -> list[t.Callable[[], t.Any]]:
        """Functions to run after the last request."""
        return []

    @lazy
    def while_serving_gens(self) -> list[t.Callable[[], t.Any]]:
        """Functions that yield once, while the application serves."""
        return []

    @lazy
    def periodic(self) -> list[Periodic]:
        """What `every` was given."""
        return []

    @lazy
    def eager_resources(self) -> list[Resource[t.Any]]:
        """Resources of the application that are opened when it starts."""
        return []

    @lazy
    def background_tasks(self) -> Jobs:
        """The background work that has not ended: name to job."""
        return Jobs()

    # -- decorators ------------------------------------------------------------------------------------------------

    @setupmethod
    def before_serving(self, func: Plain) -> Plain:
        """Register a function to run before the first request, in an application context.

        A sync one runs in a thread. An error refuses the start: what was started already is undone, and the server is
        told. Each worker process runs it. (Quart docs: Startup and Shutdown.)

        Raises:
            TypeError: `func` yields, or is no function.
        """
        check_plain(func, "before_serving", _RETURN)
        self._needing_start(self.before_serving_funcs, func)
        return func

    @setupmethod
    def after_serving(self, func: Plain) -> Plain:
        """Register a function to run after the last request, when background work has ended; as `before_serving`."""
        check_plain(func, "after_serving", _RETURN)
        self.after_serving_funcs.append(func)
        return func

    @setupmethod
    def while_serving(self, func: Yields) -> Yields:
        """Register a function that yields once: what is before runs at the start, what is after at the stop.

        An async generator function; a sync one runs in threads; or a function that returns a context manager.

        Raises:
            TypeError: `func` does not yield.
        """
        check_yields(func, "while_serving")
        self._needing_start(self.while_serving_gens, func)
        return func

    @setupmethod
    def every(
        self, interval: float | timedelta, *, name: str | None = None, at_start: bool = False
    ) -> t.Callable[[Plain], Plain]:
        """Return a decorator: call a function again and again while the application serves, in an application context.

        Calls never overlap: while one takes longer than the interval, those that are due fall out. An error is logged
        and announced (`got_background_exception`), and the next call comes all the same. Each process does it.

        Args:
            interval: seconds, or a timedelta, between the beginnings of two calls.
            name: of the job in `background_tasks`, where it may be cancelled; by default the function's.
            at_start: make the first call at once, not one interval later.

        Raises:
            TypeError: the function yields, or the interval is no number.
            ValueError: the interval is not positive, or another job has the name.
        """
        seconds = seconds_of(interval)  # at once: who leaves it out has put this on the function itself

        def register(func: Plain) -> Plain:
            periodic = Periodic(func, seconds, name, at_start)
            if any(other.name == periodic.name for other in self.periodic):
                raise ValueError(f"Two functions of 'every' are named {periodic.name!r}: give one of them a 'name'.")
            self._needing_start(self.periodic, periodic)
            return func

        return register

    @t.overload
    def resource(self, func: Opens[T], /) -> Resource[T]: ...
    @t.overload
    def resource(self, *, scope: Scope = "request", at_start: bool = False) -> t.Callable[[Opens[T]], Resource[T]]: ...
    def resource(self, func: t.Any = None, *, scope: Scope = "request", at_start: bool = False) -> t.Any:
        """Make a function that yields once a `Resource`: opened when first asked for, and closed after the last byte.

        Args:
            func: an async or sync generator function, or one that returns a context manager, without arguments.
            scope: "request": one for each request that asks. "app": one for the process, closed when it stops.
            at_start: open it when the application starts, so that an error refuses the start; of scope "app" only.

        Raises:
            TypeError: `func` does not yield.
            ValueError: an unknown scope, or `at_start` for each request.
        """
        return _resource(lambda one: self._needing_start(self.eager_resources, one), func, scope, at_start)

    def _needing_start(self, items: list[t.Any], item: t.Any) -> None:
        items.append(item)
        self._look_again()

    # -- background work -------------------------------------------------------------------------------------------

    def add_background_task(
        self, func: t.Callable[..., t.Any], /, *args: t.Any, _name: str | None = None, **kwargs: t.Any
    ) -> Job:
        """Run `func(*args, **kwargs)` in the background: a coroutine function on the loop, another one in a thread.

        It begins when the client has its response, or when a streamed one begins; outside of a request at once. It sees
        ``current_app``, ``request``, ``session`` and what ``g`` held, in a context of its own: what it changes there
        reaches nobody, and uploaded files are closed. An error is logged and announced (`got_background_exception`).
        When the application stops, background work is waited for as long as ``BACKGROUND_TASK_SHUTDOWN_TIMEOUT`` says
        (seconds), and then cancelled. It ends with the process: what must not be lost belongs in a task queue.

        Args:
            func: called with the other arguments.
            _name: of the job in `background_tasks`; by default the function's, with a number.

        Returns:
            the job: it can be awaited and cancelled.

        Raises:
            TypeError: `func` yields, or is no function.
            ValueError: a job of that name has not ended.
        """
        check_plain(func, "add_background_task", "Iterate it in a function of its own.")
        app = t.cast("App", self)
        jobs = self.background_tasks
        job = background_job(app, self.serving_here().bridge, _name or jobs.name_for(func), func, args, kwargs)
        jobs.add(job)
        owner: AppContext | None = _cv_request.get(None)
        job.of_request = owner is not None
        if owner is not None and owner.is_bound and not isinstance(owner.request, Websocket):
            lifetime = RequestLifetime.of_current()
            if not lifetime.is_answered:
                lifetime.waiting.append(job)
                return job
        job.begin()
        return job

    # -- one run ---------------------------------------------------------------------------------------------------

    @lazy
    def servings(self) -> weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Serving]:
        """The runs of the application, by their loops: in production there is one."""
        return weakref.WeakKeyDictionary()

    @property
    def needs_start(self) -> bool:
        """Whether something is to be done before the first request, and no server has started the application."""
        held = vars(self)
        return any(held.get(name) for name in _NEED_START) and not any(
            serving.started for serving in self.servings.values()
        )

    async def start_serving(self, *, mounts: bool = True) -> None:
        """Run what comes before the first request, on the running loop. Raises what fails; the rest is undone then.

        Args:
            mounts: whether the lifespans of mounted applications are run.
        """
        await self.serving_here().start(mounts=mounts)
        self._look_again()

    async def stop_serving(self) -> None:
        """Run what comes after the last request. Raises what failed, when all has run."""
        serving = self.serving_here()
        try:
            await serving.stop()
        finally:
            self.servings.pop(serving.bridge.loop, None)
            self._look_again()

    async def start_late(self, scope: t.Mapping[str, t.Any] | None = None) -> None:
        """As `start_serving`, with the first request, where no server runs the lifespan; say so, once.

        Mounted applications have no lifespan then either; those of ours start with their own first request.
        """
        link = scope.get(CLIENT) if scope else None
        serving = self.serving_here(None if link is None else link.bridge)
        if not serving.started and not serving.is_test:
            self._tell_once(serving.bridge is background())
        await self.start_serving(mounts=False)

    def _tell_once(self, stops_at_exit: bool) -> None:
        logger = t.cast("App", self).logger
        if "_told" in vars(self):
            return
        vars(self)["_told"] = True
        if stops_at_exit:
            logger.info("A WSGI server knows no start: the application starts with this request, and stops at exit.")
        else:
            logger.warning(
                "The server runs no lifespan: the application starts with this request, and what it does after serving"
                " will not be done. Let the server run the lifespan ('uvicorn --lifespan on')."
            )

    def _look_again(self) -> None:
        t.cast("App", self).known_stages = None

    async def background_settled(self, but: t.Container[str] = ()) -> None:
        """Wait for the background work of requests on the running loop, as long as a shutdown would.

        Args:
            but: names of jobs that are not waited for.
        """
        jobs = self.background_tasks.of(asyncio.get_running_loop())
        jobs = [job for job in jobs if job.of_request and job.name not in but]
        await pending_after(jobs, t.cast("App", self).config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"])

    def close_lifetime(self, ctx: AppContext, error: BaseException | None) -> None:
        """Close what a context has opened that was pushed by sync code."""
        if ctx.lifetime is not None:
            finish(ctx, ctx.lifetime.close(error), anywhere=True)

    @lazy
    def background_threads(self) -> WorkerPool:
        """Threads for sync background work, which no request waits for."""
        return WorkerPool(t.cast("App", self).config["THREADS"], sys.maxsize, name="asyncflask-background")

    def bridge_here(self) -> Bridge:
        """Return the way between threads and the loop of what runs here; without any, the process-wide loop thread."""
        loop = asyncio._get_running_loop()
        if loop is None:
            return current_bridge() or background()
        serving = self.servings.get(loop)
        if serving is not None:
            return serving.bridge
        if background().runs(loop):
            return background()
        ctx: AppContext | None = _cv_request.get(None)
        scope = None if ctx is None else ctx.scope
        link = scope.get(CLIENT) if scope else None
        if link is not None and link.bridge.loop is loop:  # a client may have left its context to code on another loop
            return t.cast("Bridge", link.bridge)
        return self.bridge()

    def serving_here(self, bridge: Bridge | None = None) -> Serving:
        """Return the run of the application on the loop of what runs here, or of `bridge`; a new one is not started."""
        from .serving import Serving, stop_at_exit  # with the first that needs it

        bridge = bridge or self.bridge_here()
        serving = self.servings.get(bridge.loop)
        if serving is None:
            for known in self.servings.keyrefs():
                if (loop := known()) is not None and loop.is_closed():
                    self.servings.pop(loop, None)
            # Two threads may come here at once.
            serving = self.servings.setdefault(bridge.loop, Serving(t.cast("App", self), bridge))
            if bridge is background():
                stop_at_exit(serving)
        return serving


class BlueprintLifetimes:
    """What `Blueprint` has of this package: each for the whole application that it is registered on."""

    if t.TYPE_CHECKING:

        def record_once(self, func: t.Callable[[BlueprintSetupState], None]) -> None: ...

    def _on_app(self, method: str, func: T) -> T:
        self.record_once(lambda state: getattr(state.app, method)(func))
        return func

    @setupmethod
    def before_app_serving(self, func: Plain) -> Plain:
        """`App.before_serving`."""
        check_plain(func, "before_app_serving", _RETURN)
        return self._on_app("before_serving", func)

    @setupmethod
    def after_app_serving(self, func: Plain) -> Plain:
        """`App.after_serving`."""
        check_plain(func, "after_app_serving", _RETURN)
        return self._on_app("after_serving", func)

    @setupmethod
    def while_app_serving(self, func: Yields) -> Yields:
        """`App.while_serving`."""
        check_yields(func, "while_app_serving")
        return self._on_app("while_serving", func)

    @t.overload
    def resource(self, func: Opens[T], /) -> Resource[T]: ...
    @t.overload
    def resource(self, *, scope: Scope = "request", at_start: bool = False) -> t.Callable[[Opens[T]], Resource[T]]: ...
    def resource(self, func: t.Any = None, *, scope: Scope = "request", at_start: bool = False) -> t.Any:
        """`App.resource`."""

        def open_at_start(one: Resource[t.Any]) -> None:
            self.record_once(lambda state: t.cast("App", state.app).eager_resources.append(one))

        return _resource(open_at_start, func, scope, at_start)


def _resource(open_at_start: t.Callable[[Resource[t.Any]], None], func: t.Any, scope: Scope, at_start: bool) -> t.Any:
    if at_start and scope != "app":
        raise ValueError("A resource that is opened at the start needs scope='app'.")

    def make(function: t.Any) -> Resource[t.Any]:
        made: Resource[t.Any] = Resource(function, scope)
        if at_start:
            open_at_start(made)
        return made

    return make if func is None else make(func)
