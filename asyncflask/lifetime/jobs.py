"""Background work: functions that run beside the requests, and the registry of those that do.

A job's function runs in a context of its own: a copy of the one it was started from, with the same request where there
is one, and with what ``g`` held when the job began. A sync function runs in a thread, a coroutine function on the loop.
"""

from __future__ import annotations

import typing as t
from contextvars import Context, copy_context
from functools import partial
from itertools import count

from ..ctx import AppContext
from ..globals import _cv_app
from ..lanes import Lane
from ..lazy import late_module
from ..pipeline.hooks import call, emit, is_async
from ..signals import got_background_exception
from ..threads import InContext
from .managers import name_of

if t.TYPE_CHECKING:
    import asyncio
    import concurrent.futures as futures

    from ..app import App
    from ..threads import Bridge
else:
    asyncio = late_module("asyncio")
    futures = late_module("concurrent.futures")

Work = t.Callable[[], t.Coroutine[t.Any, t.Any, t.Any]]

BACKGROUND = Lane("background", hops=True, on_loop=True, side="background")
"""A sync function of a job goes to threads that no request waits for."""


class Job:
    """One piece of background work.

    ``await job`` in async code, or ``job.wait()`` in a thread, gives what its function returned or raises what it
    raised; neither is needed. Nothing of a job depends on the thread that asks.

    Args:
        name: under which the registry knows it.
        work: makes the coroutine, to be run in `context`. It may await what `threads.InContext` understands.
        bridge: to the loop that it runs on.
        context: the ``contextvars`` context of its own.
    """

    def __init__(self, name: str, work: Work, bridge: Bridge, context: Context) -> None:
        self.name = name
        self.bridge = bridge
        #: told when it ends, on the loop; the registry and groups of jobs are
        self.callbacks: list[t.Callable[[Job], None]] = []
        self.error: BaseException | None = None
        #: whether a request has asked for it
        self.of_request: bool = False
        self._work = work
        self._context = context
        self._future: futures.Future[t.Any] = futures.Future()
        self._task: asyncio.Task[None] | None = None
        self._begun = self._unwanted = False

    @property
    def done(self) -> bool:
        """Whether it has ended, by itself or cancelled."""
        return self._future.done()

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled before it came to its end."""
        return self._future.cancelled()

    def begin(self) -> None:
        """Let it run, unless it does already: from any thread.

        Raises:
            RuntimeError: its loop is closed.
        """
        if not self._begun:
            self._begun = True
            # Soon, not now: on the loop, whoever began it goes on first.
            self.bridge.loop.call_soon_threadsafe(self._make_task, context=Context())

    def cancel(self) -> bool:
        """Cancel it, from any thread; return whether there was anything to cancel.

        A sync function can't be interrupted in its thread, but where it waits for the loop.
        """
        if self.done:
            return False
        self._unwanted = True
        if self._begun:
            self.bridge.loop.call_soon_threadsafe(self._cancel_task)
        else:
            self._begun = True
            self._end(None, asyncio.CancelledError())
        return True

    def wait(self, timeout: float | None = None) -> t.Any:
        """Wait for its end, in a thread, and return what its function returned.

        Args:
            timeout: most seconds to wait.

        Raises:
            RuntimeError: the calling thread runs a loop; use ``await job`` there.
            TimeoutError: it still runs.
            BaseException: what its function raised; CancelledError if it was cancelled.
        """
        if asyncio._get_running_loop() is not None:
            raise RuntimeError(f"An event loop runs in this thread: use 'await' for the job {self.name!r}.")
        if self.cancelled:
            raise asyncio.CancelledError
        if self.done:
            return self._future.result()
        self.begin()
        return self.bridge.run(asyncio.wait_for(self.result(), timeout), None)

    async def result(self) -> t.Any:
        """As ``await job``."""
        self.begin()
        return await asyncio.shield(asyncio.wrap_future(self._future))

    def __await__(self) -> t.Generator[t.Any, t.Any, t.Any]:
        return self.result().__await__()

    def _make_task(self) -> None:
        if self._unwanted:
            self._end(None, asyncio.CancelledError())
        elif self._task is None:  # two threads may have begun it
            self._task = asyncio.get_running_loop().create_task(self._run(), name=self.name)
            self._task.add_done_callback(self._ended)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        value: t.Any = None
        error: BaseException | None = None
        try:
            value = await InContext(self._work(), self._context, self.bridge)
        except BaseException as caught:
            error = caught
        self._end(value, error)
        error = None  # an error in a frame of its own traceback is a reference cycle

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not self.done:  # cancelled before its first step
            self._end(None, asyncio.CancelledError())

    def _end(self, value: t.Any, error: BaseException | None) -> None:
        del self._work
        self.error = error
        if error is None:
            self._future.set_result(value)
        elif isinstance(error, asyncio.CancelledError):
            self._future.cancel()
        else:
            self._future.set_exception(error)
        for callback in self.callbacks:
            callback(self)
        self.callbacks = []

    def __repr__(self) -> str:
        how = "cancelled" if self.cancelled else "done" if self.done else "running" if self._begun else "waiting"
        return f"<{type(self).__name__} {self.name!r} {how}>"


class Jobs(t.Mapping[str, Job]):
    """The background work of an application that has not ended: name to job.

    ``app.background_tasks["name"].cancel()`` ends one. A job leaves when it ends. Where the application runs on several
    loops, as it does under two test clients, each has names of its own: a name means the job of the running loop, else
    the one that came last.
    """

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, asyncio.AbstractEventLoop], Job] = {}
        self._numbers = count(1)

    def __getitem__(self, name: str) -> Job:
        here = asyncio._get_running_loop()
        found = [job for job in self._all() if job.name == name]
        if not found:
            raise KeyError(name)
        return next((job for job in found if job.bridge.loop is here), found[-1])

    def __iter__(self) -> t.Iterator[str]:
        return iter(dict.fromkeys(job.name for job in self._all()))

    def __len__(self) -> int:
        return len({job.name for job in self._all()})

    def _all(self) -> tuple[Job, ...]:
        return tuple(self._jobs.values())

    def add(self, job: Job) -> None:
        """Keep a job until it ends.

        Raises:
            ValueError: one of its name has not ended on its loop.
        """
        for other in self._all():
            if other.bridge.loop.is_closed():  # nothing will end it
                self._forget(other)
        if self._jobs.setdefault((job.name, job.bridge.loop), job) is not job:
            raise ValueError(
                f"A background task named {job.name!r} has not ended. Give another name, or look for it in"
                " app.background_tasks first."
            )
        job.callbacks.append(self._forget)

    def _forget(self, job: Job) -> None:
        self._jobs.pop((job.name, job.bridge.loop), None)

    def name_for(self, function: t.Callable[..., t.Any]) -> str:
        """Return a name that no other job has."""
        return f"{name_of(function)}-{next(self._numbers)}"

    def of(self, loop: asyncio.AbstractEventLoop) -> list[Job]:
        """Return the jobs of one loop."""
        return [job for job in self._all() if job.bridge.loop is loop]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {sorted(self)}>"


def background_job(
    app: App, bridge: Bridge, name: str, function: t.Callable[..., t.Any], args: t.Any, kwargs: t.Any
) -> Job:
    """Return a job that calls `function` in a copy of the current context."""
    origin = _cv_app.get(None)

    async def work() -> t.Any:
        # Copied now, not when it was asked for: what the request's teardown has taken out of g is not to be used.
        ctx = _copy(app, origin)
        ctx.lane = BACKGROUND
        async with ctx:
            try:
                return await call(BACKGROUND, partial(function, *args, **kwargs), is_async(function))
            except (Exception, SystemExit) as error:
                await report(ctx, name, error)
                raise

    context = Context()
    for variable, value in copy_context().items():
        if variable is not _cv_app:  # a context that is pushed on top of another one shares its g
            context.run(variable.set, value)
    return Job(name, work, bridge, context)


def _copy(app: App, origin: AppContext | None) -> AppContext:
    if origin is None or origin.app is not app:
        return AppContext(app)
    copied = AppContext(app) if origin.request_owner is None else origin.copy()
    if "g" in vars(origin):
        vars(copied.g).update(vars(origin.g))
    return copied


async def report(ctx: AppContext, name: str, error: Exception | SystemExit) -> None:
    """Log the error of a job, and announce it."""
    ctx.app.logger.error("The background task %r has failed.", name, exc_info=error)
    if got_background_exception.receivers:
        await emit(ctx, got_background_exception, exception=error)


async def drain(app: App, jobs: list[Job], timeout: float | None) -> None:
    """Wait for jobs to end, on their loop; those that have not after `timeout` seconds are cancelled, and logged."""
    left = await pending_after(jobs, timeout)
    if not left:
        return
    names = ", ".join(repr(job.name) for job in left)
    app.logger.warning("Background tasks that did not end within %s seconds are cancelled: %s", timeout, names)
    for job in left:
        job.cancel()
    stuck = await pending_after(left, timeout)
    if stuck:
        names = ", ".join(repr(job.name) for job in stuck)
        app.logger.error("Background tasks that do not end, though cancelled, are left behind: %s", names)


async def pending_after(jobs: list[Job], timeout: float | None) -> list[Job]:
    """Wait for jobs to end, `timeout` seconds at most, and return those that have not."""
    for job in jobs:
        if not job.done:
            job.begin()
    waiting = [asyncio.ensure_future(_quietly(job)) for job in jobs if not job.done]
    if waiting:
        await asyncio.wait(waiting, timeout=timeout)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return [job for job in jobs if not job.done]


async def _quietly(job: Job) -> None:
    await asyncio.gather(job.result(), return_exceptions=True)
