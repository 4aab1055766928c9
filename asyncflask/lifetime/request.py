"""What a request keeps until its last byte: resources that it opened, tasks beside its view, work for afterwards.

The order of events, for a request that uses any of it:

    view_over     the view has returned: its tasks are awaited, and their errors are the view's
    view_failed   the view has raised: its tasks are cancelled
    answered      a streamed answer begins: background work that waited for that is begun
    close         the last byte is sent, or never will be: resources are closed, the latest first
"""

from __future__ import annotations

import typing as t
from contextvars import copy_context
from functools import partial

from ..ctx import AppContext
from ..errors import raise_collected
from ..globals import _cv_app, _cv_request, _no_app_msg, _no_req_msg
from ..lanes import LATE
from ..lazy import late_module
from ..pipeline.hooks import call, is_async
from ..threads import OnLoop
from .jobs import BACKGROUND, Job
from .managers import check_plain, name_of

if t.TYPE_CHECKING:
    import asyncio

    from .managers import Manager
    from .resource import Resource
else:
    asyncio = late_module("asyncio")

R = t.TypeVar("R")


class RequestLifetime:
    """What one context keeps; made when something asks for it."""

    def __init__(self, ctx: AppContext) -> None:
        self.ctx = ctx
        #: what resources gave, and how to leave them, in the order of opening
        self.values: dict[Resource[t.Any], t.Any] = {}
        self.managers: list[Manager] = []
        self.locks: dict[Resource[t.Any], asyncio.Lock] = {}
        #: what ended the view, and is told to the resources
        self.error: BaseException | None = None
        self.tasks: Tasks | None = None
        self.waiting: list[Job] = []
        self.view_is_over: bool = False
        self.is_answered: bool = False

    @property
    def needs_thread(self) -> bool:
        """Whether what was opened in the thread of a ``def`` view is to be closed there."""
        return any(not manager.asynchronous for manager in self.managers)

    @staticmethod
    def of_current() -> RequestLifetime:
        """Return that of the request being handled here, or of the application context where there is none.

        Raises RuntimeError outside of both, and where the request is over.
        """
        ctx = _cv_app.get(None)
        if ctx is None:
            raise RuntimeError(_no_app_msg)
        owner = ctx.request_owner or ctx.app_owner
        if owner.lifetime is None:
            if not owner.pushes and not owner.streams:
                raise RuntimeError(
                    "The request is over, and what is opened for it now would never be closed. Wait for the task that"
                    " did this before the view returns, or make it a background task ('app.add_background_task')."
                )
            vars(owner).setdefault("lifetime", RequestLifetime(owner))
            owner.leaves_open = True
        lifetime: RequestLifetime = vars(owner)["lifetime"]
        return lifetime

    # -- the view and its tasks ------------------------------------------------------------------------------------

    async def view_over(self) -> None:
        """Wait for the tasks that run beside the view. Raises what failed in them."""
        self.view_is_over = True
        if self.tasks is not None:
            await self._on_loop(self.tasks.join())

    async def view_failed(self, error: BaseException) -> Exception:
        """End the tasks beside a view that has raised; return the error that is to be answered.

        Raises CancelledError, if it is that and no task of ours was the cause.
        """
        self.view_is_over = True
        try:
            if self.tasks is not None:
                error = await self._on_loop(self.tasks.abort(error))
            self.error = error
            if isinstance(error, Exception):
                return error
            raise error
        finally:
            del error  # its traceback has this frame

    def note(self, error: BaseException) -> None:
        """Keep the error of a later stage, unless the view has failed before."""
        self.error = self.error or error

    async def _on_loop(self, work: t.Coroutine[t.Any, t.Any, R]) -> R:
        return await (work if self.ctx.lane.on_loop else OnLoop(work))

    # -- the end ---------------------------------------------------------------------------------------------------

    def answered(self) -> None:
        """Begin the background work that waited for the answer. From any thread."""
        self.is_answered = True
        while self.waiting:
            self.waiting.pop(0).begin()

    async def close(self, error: BaseException | None = None) -> None:
        """Close the resources, each of them; those that another one needs are closed after it.

        Args:
            error: what cut the answer off, if nothing has failed before.

        Raises:
            BaseException: what a resource raised; several come as a group.
        """
        self.error = self.error or error
        errors: list[BaseException] = []
        try:
            if self.tasks is not None:
                await self._on_loop(self.tasks.report_orphans(self.ctx))
            while self.managers:
                manager = self.managers.pop()
                try:
                    await manager.leave_in(self.ctx.lane, self.error)
                except (Exception, asyncio.CancelledError) as raised:
                    raised.add_note(f"(while the resource {manager.name} was closed)")
                    errors.append(raised)
        finally:
            self.error = error = None
            self.ctx.lifetime = None
            self.answered()
        raise_collected(errors)


class Tasks:
    """The tasks that run beside a view: one that fails ends the others and the view. As `asyncio.TaskGroup`."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.errors: list[BaseException] = []
        self.parent: asyncio.Task[t.Any] | None = None
        self._cancelled: asyncio.Task[t.Any] | None = None

    def add(self, job: Job) -> None:
        """Take a task in."""
        self.jobs.append(job)
        job.callbacks.append(self._ended)

    def _ended(self, job: Job) -> None:
        self.jobs.remove(job)
        if job.error is None or isinstance(job.error, asyncio.CancelledError):
            return
        self.errors.append(job.error)
        self._cancel_all()
        if self.parent is not None and self._cancelled is None and not self.parent.done():
            self._cancelled = self.parent
            self._cancelled.cancel("a task of the request has failed")

    def _cancel_all(self) -> None:
        for job in tuple(self.jobs):
            job.cancel()

    async def join(self) -> None:
        """Wait for all. Raises the error of one, or a group of several."""
        self.parent = None
        if self.errors:  # one may have failed while a thread was about to start another
            self._cancel_all()
        try:
            await self._wait()
        except BaseException:
            self._cancel_all()
            raise
        self._take_back()
        errors, self.errors = self.errors, []
        raise_collected(errors, "Several tasks of the request have failed.")

    async def abort(self, error: BaseException) -> BaseException:
        """Cancel all, wait for them, and return the error of the view with theirs: it alone, or a group."""
        self.parent = None
        ours = self._take_back() and isinstance(error, asyncio.CancelledError)
        self._cancel_all()
        await self._wait()
        errors, self.errors = self.errors, []
        if not ours:
            if not isinstance(error, Exception):
                return error
            errors.insert(0, error)
        if len(errors) == 1:
            return errors[0]
        return BaseExceptionGroup("The view and tasks of the request have failed.", errors)

    def _take_back(self) -> bool:
        """Take back the cancellation of the view; return whether there was one, and nobody else wants it cancelled."""
        cancelled, self._cancelled = self._cancelled, None
        return cancelled is not None and cancelled.uncancel() == 0

    async def _wait(self) -> None:
        while self.jobs:
            await asyncio.wait([asyncio.ensure_future(_settled(job)) for job in tuple(self.jobs)])

    async def report_orphans(self, ctx: AppContext) -> None:
        """Cancel what was started when nobody waited for it any more, and say so; log what failed of it."""
        orphans = tuple(self.jobs)
        if orphans:
            names = ", ".join(repr(job.name) for job in orphans)
            ctx.app.logger.warning(
                "Tasks of a request that still ran at its end are cancelled: %s. A task that is started after the view"
                " is not waited for; let a background task do what outlives the request.",
                names,
            )
            self._cancel_all()
            await self._wait()
        for error in self.errors:
            ctx.app.logger.error("A task that was started after the view has failed.", exc_info=error)
        self.errors = []


async def _settled(job: Job) -> None:
    await asyncio.gather(job.result(), return_exceptions=True)


def start_task(function: t.Callable[..., t.Any], /, *args: t.Any, _name: str | None = None, **kwargs: t.Any) -> Job:
    """Run `function(*args, **kwargs)` beside the view of the current request, which ends only after it.

    A coroutine function runs on the loop, another one in a thread; both see ``request``, ``g`` and ``session``. When
    the view returns, its tasks are awaited before there is a response. If one fails, the others and an ``async def``
    view are cancelled, and its error is answered as if the view had raised it; if the view fails, they are cancelled.

    Args:
        function: called with the other arguments.
        _name: of the task, for texts.

    Returns:
        the task: ``await task``, or ``task.wait()`` in a thread, gives its result; ``task.cancel()`` ends it.

    Raises:
        RuntimeError: there is no request.
        TypeError: `function` yields, or is no function.
    """
    owner: AppContext | None = _cv_request.get(None)
    if owner is None:
        raise RuntimeError(_no_req_msg)
    check_plain(function, "start_task", "A generator is a stream: return it from the view.")
    lifetime = RequestLifetime.of_current()
    if lifetime.tasks is None:
        lifetime.tasks = Tasks()
        in_view = not (lifetime.view_is_over or owner.lane is LATE or owner.streams)
        if in_view and asyncio._get_running_loop() is not None:
            lifetime.tasks.parent = asyncio.current_task()
    bound = partial(function, *args, **kwargs)
    bridge = owner.app.bridge_here()
    job = Job(_name or name_of(function), lambda: call(BACKGROUND, bound, is_async(function)), bridge, copy_context())
    lifetime.tasks.add(job)
    job.begin()
    return job
