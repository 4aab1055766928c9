"""The ways between sync code in threads and an event loop."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from ..lazy import late_module
from .local import current_bridge, is_interrupted, this_thread
from .pool import WorkerPool

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

T = TypeVar("T")
Side = bool | Literal["late", "stream", "websocket", "background"]

LOOK_AGAIN = 0.2
"""Seconds between two looks of a waiting thread at whether its loop still runs."""

_missing = object()


class Bridge(ABC):
    """Sync code for a loop to call, and a loop for sync code to call."""

    @property
    @abstractmethod
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that awaitables run on."""

    @abstractmethod
    def submit(self, fn: Callable[..., Any], *args: Any, side: Side = False) -> asyncio.Future[Any]:
        """Run `fn(*args)` where sync code runs. Call it on the loop's thread.

        Args:
            fn: called in a fresh context (it may be a Context's `run`).
            args: its arguments.
            side: for sync parts of async requests, which must not wait for a thread that views hold. "late" is for
                those after the view, which may give back what earlier parts of other requests wait for, and "stream"
                for bodies, which may take as long as their clients like; "websocket" for handlers of websockets.

        Returns:
            a future of the loop that `cancel()` does not touch.

        Raises:
            QueueFull: too many jobs wait already.
        """

    @abstractmethod
    def run(self, awaitable: Awaitable[T], context: Context | None) -> T:
        """Await `awaitable` on the loop and wait for it. Call it from sync code.

        Args:
            awaitable: awaited once.
            context: the Context to run in, which nobody has entered. None: a copy of the caller's, and what it changes
                in there is changed in the caller's afterwards.

        Returns:
            its result.

        Raises:
            RuntimeError: called on the loop's thread, or the loop has stopped.
            BaseException: what the awaitable raises.
        """


def adopt(context: Context) -> None:
    """Set each variable of `context` in the current one where they differ."""
    for variable, value in context.items():
        if variable.get(_missing) is not value:
            variable.set(value)


def discard(awaitable: Awaitable[Any]) -> None:
    """Close a coroutine that won't be awaited, so that Python does not warn of it."""
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()


class Outcome(Generic[T]):
    """Awaits something, in a task, and keeps how it ended for those outside.

    The task itself never fails: SystemExit and KeyboardInterrupt would break out of the loop through it.
    """

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self.awaitable: Awaitable[T] | None = awaitable
        self.value: T | None = None
        self.error: BaseException | None = None

    async def settle(self) -> None:
        """Await it."""
        awaitable, self.awaitable = self.awaitable, None
        assert awaitable is not None, "settled twice"
        try:
            self.value = await awaitable
        except BaseException as error:
            self.error = error

    def take(self) -> T:
        """Return the value or raise the error, once."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
            return self.value  # type: ignore[return-value]
        finally:
            del error, self  # an error in a frame of its own traceback is a reference cycle


class LoopCall(Outcome[T]):
    """An awaitable on its way from a waiting thread to a loop and back."""

    def __init__(self, awaitable: Awaitable[T]) -> None:
        super().__init__(awaitable)
        self._over = threading.Lock()
        self._over.acquire()
        self._abandoned = False
        self._unwanted = False
        self._task: asyncio.Task[None] | None = None  # a loop refers to its tasks weakly

    def start(self, loop: asyncio.AbstractEventLoop, context: Context) -> None:
        """On the loop: make the task."""
        if self._abandoned:
            return
        self._task = loop.create_task(self.settle(), context=context)
        # As a callback of the task: inside of it the context would still be entered when the thread goes on.
        self._task.add_done_callback(self._finish)
        if self._unwanted:
            self._task.cancel()

    def cancel(self) -> bool:
        """On the loop: cancel what is awaited; return whether there is still anything to cancel."""
        self._unwanted = True
        return self._over.locked() and (self._task is None or self._task.cancel())

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if self.awaitable is not None:  # cancelled before its first step
            discard(self.awaitable)
            self.error = asyncio.CancelledError()
        self._over.release()

    def wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """In the thread: wait for the end, or for the end of the loop."""
        stopped = False
        while not self._over.acquire(timeout=LOOK_AGAIN):
            if loop.is_closed() or (stopped and not loop.is_running()):
                self.abandon()
                raise RuntimeError("The event loop has stopped while a thread waited for its answer.")
            stopped = not loop.is_running()

    def abandon(self) -> None:
        """In the thread: it is not to start any more."""
        self._abandoned = True
        if self.awaitable is not None:
            discard(self.awaitable)


def call_on_loop(loop: asyncio.AbstractEventLoop, awaitable: Awaitable[T], context: Context | None) -> T:
    """Do what `Bridge.run` says for a loop that runs in another thread."""
    if asyncio._get_running_loop() is loop:
        discard(awaitable)
        raise RuntimeError(
            "The calling thread runs the event loop that it would wait for, which would block for ever."
            " Use `await` here instead of a call for sync code."
        )
    room = copy_context() if context is None else context
    call = LoopCall(awaitable)
    job = this_thread().job
    try:
        if job is not None and job.get_loop() is loop:
            job.waits_for = call
            # What the pipeline awaits in a context of its own may be a teardown: that is to run.
            if context is None and is_interrupted():
                call.abandon()
                raise asyncio.CancelledError("The request was cancelled.")
        try:
            loop.call_soon_threadsafe(call.start, loop, room)
        except RuntimeError:
            call.abandon()
            raise RuntimeError("The event loop is closed: nothing can be awaited on it any more.") from None
        call.wait(loop)
    finally:
        if job is not None:
            job.waits_for = None
        del job  # it may come to hold an error whose traceback has this frame: a reference cycle
    if context is None:
        adopt(room)
    return call.take()


class PoolBridge(Bridge):
    """A server's loop and its worker pools.

    Args:
        loop: the serving loop.
        views: workers for sync requests.
        side: workers for the sync parts of async requests.
        late, stream, websocket, background: workers for the parts of these names; by default those of `side`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        views: WorkerPool,
        side: WorkerPool,
        late: WorkerPool | None = None,
        stream: WorkerPool | None = None,
        websocket: WorkerPool | None = None,
        background: WorkerPool | None = None,
    ) -> None:
        self._loop = loop
        self.views = views
        self.side = side
        self._pools: dict[Side, WorkerPool] = {
            False: views,
            True: side,
            "late": late or side,
            "stream": stream or side,
            "websocket": websocket or side,
            "background": background or side,
        }

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The serving loop."""
        return self._loop

    def submit(self, fn: Callable[..., Any], *args: Any, side: Side = False) -> asyncio.Future[Any]:
        """Queue `fn(*args)` for a worker thread; see `Bridge.submit`."""
        return self._pools[side].submit_for(self, fn, args)

    def run(self, awaitable: Awaitable[T], context: Context | None) -> T:
        """Await on the serving loop while this thread waits; see `Bridge.run`."""
        return call_on_loop(self._loop, awaitable, context)


class LoopThread(Bridge):
    """An event loop in a background thread, for processes whose own server has none (WSGI, plain scripts).

    It starts with its first use, is a daemon, and stops at exit. A forked child starts its own.

    Args:
        name: the thread's name, and what the names of its workers begin with.
    """

    def __init__(self, name: str = "asyncflask-loop") -> None:
        self.name = name
        self.pool: WorkerPool = WorkerPool(name=f"{name}-worker")
        self._lock = threading.Lock()
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None
        _loop_threads.add(self)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The background loop, running."""
        with self._lock:
            if self._running is None:
                self._running = self._start()
            return self._running[0]

    def _start(self) -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
        loop = asyncio.new_event_loop()
        ready = threading.Event()
        loop.call_soon(ready.set)
        thread = threading.Thread(target=_run_until_stopped, args=(loop,), name=self.name, daemon=True)
        thread.start()
        ready.wait()
        return loop, thread

    def runs(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether that is the loop, without starting it."""
        return self._running is not None and self._running[0] is loop

    def submit(self, fn: Callable[..., Any], *args: Any, side: Side = False) -> asyncio.Future[Any]:
        """Queue `fn(*args)` for a worker thread; see `Bridge.submit`."""
        return self.pool.submit_for(self, fn, args)

    def run(self, awaitable: Awaitable[T], context: Context | None) -> T:
        """Await on the background loop while this thread waits; see `Bridge.run`."""
        return call_on_loop(self.loop, awaitable, context)

    def close(self, timeout: float | None = 5.0) -> None:
        """Cancel what still runs, stop the loop and its thread. The next use starts anew.

        Args:
            timeout: seconds to wait for the workers, and then for the thread; None waits without end.
        """
        with self._lock:
            running, self._running = self._running, None
        self.pool.close(timeout)
        if running is not None:
            loop, thread = running
            loop.call_soon_threadsafe(loop.stop)
            thread.join(timeout)

    def forget_thread(self) -> None:
        """In a forked child: the loop runs in the parent only. Closing it here would disturb it there, so keep it."""
        self._lock = threading.Lock()
        if self._running is not None:
            _orphans.append(self._running[0])
            self._running = None


def wind_up(loop: asyncio.AbstractEventLoop, complete: Callable[[Awaitable[Any]], Any]) -> None:
    """Cancel a loop's tasks, end its async generators and its executor, and close it.

    Args:
        loop: not running.
        complete: runs the loop until its argument is done.
    """
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            complete(asyncio.wait(tasks))
        complete(loop.shutdown_asyncgens())
        complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _run_until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        wind_up(loop, loop.run_until_complete)


_loop_threads: weakref.WeakSet[LoopThread] = weakref.WeakSet()
_orphans: list[asyncio.AbstractEventLoop] = []
_background = LoopThread()
# For sync code on the background loop's own thread that has to wait, as in async views under a WSGI server.
_aside = LoopThread("asyncflask-loop-aside")


def background() -> LoopThread:
    """Return the process-wide loop thread, for sync code that no server with a loop has called."""
    return _background


def run_async(awaitable: Awaitable[T]) -> T:
    """Await `awaitable` from sync code: on the serving loop in a worker thread, else on the process-wide loop thread.

    It runs in a copy of the caller's context; ContextVars that it changes are changed for the caller too.

    Returns:
        its result.

    Raises:
        RuntimeError: a loop runs in the calling thread (use `await`), or the serving loop has stopped.
        BaseException: what the awaitable raises.
    """
    if asyncio._get_running_loop() is not None:
        discard(awaitable)
        raise RuntimeError(
            "An event loop runs in this thread, and a sync call that waits for async code would block it."
            " Use `await` here instead."
        )
    bridge = current_bridge() or _background
    return bridge.run(awaitable, None)


def run_anywhere(awaitable: Awaitable[T]) -> T:
    """As `run_async`; on a thread that runs a loop, await on the process-wide loop thread, blocking the loop meanwhile.

    For async code that a sync function must have finished before it returns: teardown functions, context processors.
    What belongs to the running loop, such as its connection pools, cannot be awaited there.
    """
    running = asyncio._get_running_loop()
    if running is None:
        return run_async(awaitable)
    return (_aside if running is _background.loop else _background).run(awaitable, None)


def waited_for(function: Callable[..., Awaitable[T]]) -> Callable[..., T]:
    """Return `function`, a coroutine function, to be called by sync code that waits for it (`run_anywhere`)."""

    def call(*args: Any, **kwargs: Any) -> T:
        return run_anywhere(function(*args, **kwargs))

    return call


def _close_at_exit() -> None:
    for thread in list(_loop_threads):
        thread.close(timeout=1.0)


def _after_fork() -> None:
    for thread in list(_loop_threads):
        thread.forget_thread()


atexit.register(_close_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
