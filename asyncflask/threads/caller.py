"""The bridge of the sync test client: a private loop and all sync code, both in the calling thread."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from ..lazy import late_module
from .bridge import Bridge, Outcome, Side, adopt, discard, wind_up
from .local import attempt, swap_anyio_token, this_thread

if TYPE_CHECKING:
    import asyncio

    from .future import ThreadFuture
else:
    asyncio = late_module("asyncio")

T = TypeVar("T")


class CallerBridge(Bridge):
    """Runs a private event loop in the thread that calls `serve`, and hands jobs back to that thread.

    While a job runs no loop runs in the thread, so that sync code sees the thread as a sync program would. The caller
    may itself be inside a running loop, which stands still meanwhile.
    """

    def __init__(self) -> None:
        from .future import ThreadFuture  # once for all jobs

        self._future = ThreadFuture
        self._loop: asyncio.AbstractEventLoop | None = None
        self._jobs: deque[tuple[ThreadFuture, Callable[..., Any], tuple[Any, ...]]] = deque()
        self._owner: int | None = None  # the thread inside of `serve`

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The private loop; made when first asked for, closed with the bridge."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._farewell = weakref.finalize(self, self._loop.close)
        return self._loop

    def serve(self, awaitable: Awaitable[T], context: Context | None = None) -> T:
        """Await `awaitable` on the private loop, in the calling thread.

        Args:
            awaitable: awaited once.
            context: the Context to run in; None: a copy of the caller's, whose changes are given back.

        Returns:
            its result.

        Raises:
            RuntimeError: the private loop runs already: called from async code on it, or from another thread.
            BaseException: what the awaitable raises; an interrupt first cancels it and lets it clean up.
        """
        room = copy_context() if context is None else context
        with self._owned(awaitable), _outer_loop_suspended():
            outcome = Outcome(awaitable)
            self._complete(outcome, self.loop.create_task(outcome.settle(), context=room))
        if context is None:
            adopt(room)
        return outcome.take()

    def run(self, awaitable: Awaitable[T], context: Context | None) -> T:
        """Await on the private loop, from a job; see `Bridge.run`."""
        if asyncio._get_running_loop() is not None:
            discard(awaitable)
            raise RuntimeError("An event loop runs in this thread. Use `await` here instead of a call for sync code.")
        return self.serve(awaitable, context)

    def submit(self, fn: Callable[..., Any], *args: Any, side: Side = False) -> asyncio.Future[Any]:
        """Let the thread inside of `serve` call `fn(*args)` as soon as the loop has stood still."""
        future = self._future(loop=self.loop)
        self._jobs.append((future, fn, args))
        self.loop.stop()
        return future

    def close(self) -> None:
        """Cancel what still runs on the loop, run jobs that wait, and close it. The next use makes a new one."""
        if self._loop is None:
            return
        with _outer_loop_suspended():
            loop, complete = self._loop, self._until_done
            self._farewell.detach()
            wind_up(loop, lambda awaitable: complete(loop.create_task(_awaiting(awaitable))))
        self._loop = None

    @contextmanager
    def _owned(self, awaitable: Awaitable[Any]) -> Iterator[None]:
        me, before = threading.get_ident(), self._owner
        if before not in (None, me) or self.loop.is_running():
            discard(awaitable)
            raise RuntimeError(
                "This client's private event loop is in use: by async code that should `await` instead, or by another"
                " thread. Use one client per thread."
            )
        self._owner = me
        try:
            yield
        finally:
            self._owner = before

    def _complete(self, outcome: Outcome[Any], task: asyncio.Task[None]) -> None:
        try:
            self._until_done(task)
        except BaseException:
            # Ctrl-C while the loop ran, or a task of the application's that raised SystemExit: leave nothing behind.
            task.cancel()
            self._until_done(task)
            outcome.error = None
            raise
        if outcome.awaitable is not None:
            discard(outcome.awaitable)
            outcome.error = asyncio.CancelledError()

    def _until_done(self, task: asyncio.Task[None]) -> None:
        """Run loop and jobs by turns until `task` is done. Jobs come here again through `run`."""
        loop = self.loop
        task.add_done_callback(lambda _: loop.stop())
        while not task.done():
            loop.run_forever()
            while self._jobs:
                self._call(*self._jobs.popleft())

    def _call(self, future: ThreadFuture, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        cell = this_thread()
        before, cell.bridge = cell.bridge, self
        token = swap_anyio_token(_Token(self))
        try:
            value, error = attempt(fn, args)
        finally:
            cell.bridge = before
            swap_anyio_token(token)
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
        del future, fn, args, value, error  # the frames that an exception keeps refer back to this one


async def _awaiting(awaitable: Awaitable[Any]) -> None:
    await awaitable


class _Token:
    """For `anyio.from_thread` in a job: the loop is not in another thread, but stands still in this one."""

    def __init__(self, bridge: CallerBridge) -> None:
        self.backend_class = self
        self.native_token = bridge
        self._bridge = bridge

    def run_async_from_thread(self, func: Callable[..., Awaitable[T]], args: tuple[Any, ...], token: object) -> T:
        return self._bridge.run(func(*args), None)

    def run_sync_from_thread(self, func: Callable[..., T], args: tuple[Any, ...], token: object) -> T:
        async def call() -> T:
            return func(*args)

        return self._bridge.run(call(), None)

    def check_cancelled(self) -> None:
        """Nothing cancels a job here."""


@contextmanager
def _outer_loop_suspended() -> Iterator[None]:
    """Let this thread, which may be inside a running loop, look as if it were in none."""
    outer = asyncio._get_running_loop()
    if outer is None:
        yield
        return
    # From Python 3.12 on the current task has to be put aside as well, while its loop counts as the running one.
    swap: Callable[[asyncio.AbstractEventLoop, Any], Any] | None = getattr(asyncio.tasks, "_swap_current_task", None)
    task = None if swap is None else swap(outer, None)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(outer)
        if swap is not None:
            swap(outer, task)
