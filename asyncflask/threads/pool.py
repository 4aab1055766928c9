"""The worker pool: sync functions in, asyncio futures out."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextvars import Context
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..lazy import late_module
from .local import Cell, CellToken, portable, swap_anyio_token, this_thread

if TYPE_CHECKING:
    import asyncio

    from .bridge import Bridge
    from .future import ThreadFuture
else:
    asyncio = late_module("asyncio")


class QueueFull(RuntimeError):
    """As many jobs wait for a worker thread as the pool's queue limit allows."""


class Stats(NamedTuple):
    """What a pool does now (threads, busy, idle, queued) and has done (refused jobs, longest wait in seconds)."""

    threads: int
    busy: int
    idle: int
    queued: int
    refused: int
    longest_wait: float


class Outbox:
    """Finished jobs on their way to one loop; one wake-up serves as many as are there when the loop comes by."""

    __slots__ = ("_awake", "_done")

    def __init__(self) -> None:
        self._done: deque[tuple[ThreadFuture, Any, BaseException | None]] = deque()
        self._awake = False

    def post(
        self, loop: asyncio.AbstractEventLoop, future: ThreadFuture, value: Any, error: BaseException | None
    ) -> None:
        """Hand a result to its loop, from any thread; dropped if the loop is closed."""
        self._done.append((future, value, error))
        # Appended first, flag read second; `_flush` clears the flag first and reads second: no result stays behind.
        if not self._awake:
            self._awake = True
            try:
                loop.call_soon_threadsafe(self._flush)
            except RuntimeError:  # closed since
                self._awake = False
                self._done.clear()

    def _flush(self) -> None:
        self._awake = False
        done = self._done
        while done:
            future, value, error = done.popleft()
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)


Job: TypeAlias = tuple["ThreadFuture", Outbox, "Bridge | None", Callable[..., Any], tuple[Any, ...], float]
"""Where the result goes (future, outbox), for whom, what to call, and since when it waits (0: no waiting)."""


class _Outboxes:
    """One outbox per loop, kept as long as the loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = weakref.WeakKeyDictionary()

    def of(self, loop: asyncio.AbstractEventLoop) -> Outbox:
        with self._lock:
            outbox = self._known.get(loop)
            if outbox is None:
                # A result that was never fetched refers to its loop, so closed loops don't go by themselves.
                for other in [known for known in self._known if known.is_closed()]:
                    del self._known[other]
                outbox = self._known[loop] = Outbox()
        return outbox


class _Crew:
    """The threads and the queue of one pool between opening and closing. Threads know their crew, never the pool."""

    def __init__(self, name: str, most: int, queue_limit: int) -> None:
        from .future import ThreadFuture  # once for all jobs

        self.future = ThreadFuture
        self.name = name
        self.jobs: SimpleQueue[Job | None] = SimpleQueue()
        # Reentrant: the garbage collector may dismiss a crew in a thread that holds its lock.
        self.lock = threading.RLock()
        self.members: set[threading.Thread] = set()
        self.most = most
        self.room = most + queue_limit
        self.alive = 0  # threads started and not ended
        self.load = 0  # jobs running and waiting
        self.refused = 0
        self.longest = 0.0
        self.dismissed = False
        self._started = 0

    def start(self) -> None:
        """Start one more thread. The lock is held, so that `close` never sees a thread half started."""
        self.alive += 1
        self._started += 1
        thread = threading.Thread(target=_work, args=(self,), name=f"{self.name}-{self._started}", daemon=True)
        self.members.add(thread)
        try:
            thread.start()
        except RuntimeError as error:
            self.members.discard(thread)
            self.alive -= 1
            if self.alive == 0:
                self._give_up(error)

    def _give_up(self, error: RuntimeError) -> None:
        while True:
            try:
                job = self.jobs.get_nowait()
            except Empty:
                return
            if job is not None:
                self.load -= 1
                job[1].post(job[0].get_loop(), job[0], None, error)

    def resize(self, most: int, queue_limit: int) -> None:
        """Change the limits: start threads for jobs that wait, or wake idle threads that are too many."""
        with self.lock:
            self.most = most
            self.room = most + queue_limit
            missing = min(most, self.load) - self.alive
            for _ in range(self.alive - most):
                self.jobs.put(None)
            for _ in range(missing):
                self.start()

    def leaves(self) -> bool:
        """Whether the calling, idle thread is one too many; if so it is counted out and must end."""
        with self.lock:
            # A dismissed crew's thread stays while there may be a job for it.
            if self.alive > self.most or (self.dismissed and self.load < self.alive):
                self.alive -= 1
                self.members.discard(threading.current_thread())
                return True
        return False

    def dismiss(self) -> None:
        """Take no more jobs; threads end when the queue is empty."""
        with self.lock:
            if not self.dismissed:
                self.dismissed = True
                for _ in range(self.alive):
                    self.jobs.put(None)


def _work(crew: _Crew) -> None:
    """A worker thread's life."""
    cell = this_thread()
    swap_anyio_token(CellToken(cell))
    get = crew.jobs.get
    # The job lives in the callee's frame only: an idle worker refers to nothing that it worked on.
    while _serve(crew, cell, get()):
        pass


def _serve(crew: _Crew, cell: Cell, job: Job | None) -> bool:
    """Run one job (None: a nudge to look whether to end) and tell whether the thread goes on."""
    if job is None:
        return not crew.leaves()
    future, outbox, bridge, fn, args, since = job
    waited = monotonic() - since if since else 0.0
    loop = future.get_loop()
    cell.bridge, cell.job = bridge, future
    value = error = None
    try:  # what `attempt` does, without the price of a call
        value = Context().run(fn, *args)
    except BaseException as caught:
        error = portable(caught)
    cell.bridge = cell.job = None
    del job, bridge, fn, args
    # Counted as idle before the loop hears of it, or the next submit would start a thread without need.
    # Twice per job the lock is taken by method call, which takes half as long as `with` does.
    crew.lock.acquire()
    try:
        crew.load -= 1
        if waited > crew.longest:
            crew.longest = waited
    finally:
        crew.lock.release()
    outbox.post(loop, future, value, error)
    # The job's frames, kept by its exception, refer back to this frame: whoever keeps one shall not keep the rest.
    del future, value, error, loop
    return crew.alive <= crew.most or not crew.leaves()


class WorkerPool:
    """Threads that run sync functions for one or several event loops.

    Threads start on demand, are daemons, and end with `close` or when the pool is garbage. A closed pool opens again
    with the next job; a forked child starts with an empty pool.

    Args:
        threads: how many threads at most; at least 1.
        queue_limit: how many jobs may wait for a thread; at least 0.
        name: what thread names begin with.

    Raises:
        ValueError: a limit is too small.
    """

    def __init__(self, threads: int = 40, queue_limit: int = 10_000, name: str = "asyncflask") -> None:
        _check_limits(threads, queue_limit)
        self.name = name
        self._most = threads
        self._queue_limit = queue_limit
        self._gate = threading.Lock()
        self._crew: _Crew | None = None
        self._closed = False
        self._past = (0, 0.0)  # refused and longest wait of crews that are gone
        self._recent: tuple[Callable[[], asyncio.AbstractEventLoop | None], Outbox] = (lambda: None, Outbox())
        _pools.add(self)

    def submit(self, fn: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Run `fn(*args)` in a thread, in a fresh context.

        Call it on a running loop's thread.

        Returns:
            a future of that loop; its `cancel()` does nothing.

        Raises:
            QueueFull: too many jobs wait already.
            RuntimeError: no loop runs in this thread, or the pool is being closed.
        """
        return self.submit_for(None, fn, args)

    def submit_for(self, bridge: Bridge | None, fn: Callable[..., Any], args: tuple[Any, ...]) -> asyncio.Future[Any]:
        """Like `submit`, with `bridge` as the job's `current_bridge()`."""
        loop = asyncio.get_running_loop()
        known, outbox = self._recent
        if known() is not loop:
            outbox = _outboxes.of(loop)
            self._recent = (weakref.ref(loop), outbox)
        crew = self._crew or self._open()
        future = crew.future(loop=loop)
        crew.lock.acquire()
        try:
            load = crew.load
            if load >= crew.room or crew.dismissed:
                raise self._refusal(crew)
            crew.load = load + 1
            idle = load < crew.alive
            crew.jobs.put((future, outbox, bridge, fn, args, 0.0 if idle else monotonic()))
            if not idle and crew.alive < crew.most:
                crew.start()
        finally:
            crew.lock.release()
        return future

    def _refusal(self, crew: _Crew) -> RuntimeError:
        if crew.dismissed:
            return RuntimeError(f"Worker pool {self.name!r} is being closed and takes no new job.")
        crew.refused += 1
        return QueueFull(
            f"Worker pool {self.name!r}: {crew.most} threads are busy and {crew.room - crew.most} jobs wait, which is"
            " the limit. Raise THREADS or THREAD_QUEUE_LIMIT, or serve fewer slow `def` handlers at once."
        )

    def _open(self) -> _Crew:
        with self._gate:
            if self._crew is None:
                self._crew = _Crew(self.name, self._most, self._queue_limit)
                self._crew.refused, self._crew.longest = self._past
                self._closed = False
                self._farewell = weakref.finalize(self, self._crew.dismiss)
            return self._crew

    def stats(self) -> Stats:
        """Return what the pool does now and has done, as of one moment."""
        crew = self._crew
        if crew is None:
            return Stats(0, 0, 0, 0, *self._past)
        with crew.lock:
            busy = min(crew.load, crew.alive)
            return Stats(crew.alive, busy, crew.alive - busy, crew.load - busy, crew.refused, crew.longest)

    def resize(self, threads: int, queue_limit: int) -> None:
        """Change both limits. Waiting jobs stay; threads that are too many end after their job.

        Raises:
            TypeError, ValueError: a limit is no int, or too small.
        """
        _check_limits(threads, queue_limit)
        self._most, self._queue_limit = threads, queue_limit
        if self._crew is not None:
            self._crew.resize(threads, queue_limit)

    @property
    def closed(self) -> bool:
        """Whether `close` was called and no job came since."""
        return self._closed

    def close(self, timeout: float | None = None) -> bool:
        """Let running and waiting jobs end, taking no new ones meanwhile, and join the threads.

        Jobs that call back to a loop need that loop: don't block its thread with this call.

        Args:
            timeout: seconds to wait at most; None waits for the last job.

        Returns:
            whether all threads ended in time.
        """
        self._closed = True
        crew = self._crew
        if crew is None:
            return True
        crew.dismiss()
        deadline = None if timeout is None else monotonic() + timeout
        with crew.lock:
            members = crew.members - {threading.current_thread()}
        for thread in members:
            thread.join(None if deadline is None else max(deadline - monotonic(), 0))
        with self._gate:
            if self._crew is crew:
                self._crew = None
                self._past = (crew.refused, crew.longest)
                self._farewell.detach()
        return not any(thread.is_alive() for thread in members)

    def forget_threads(self) -> None:
        """In a forked child: forget what the parent's threads do, they are not here."""
        self._gate = threading.Lock()
        if self._crew is not None:
            self._farewell.detach()
            self._crew = None
        self._past = (0, 0.0)
        self._recent = (lambda: None, Outbox())


def _check_limits(threads: int, queue_limit: int) -> None:
    for setting, value in (("THREADS", threads), ("THREAD_QUEUE_LIMIT", queue_limit)):
        if not isinstance(value, int):
            raise TypeError(f"{setting} of a worker pool must be an int, not {value!r}.")
    if threads < 1:
        raise ValueError(f"A worker pool needs at least 1 thread, not {threads}. Set THREADS to 1 or more.")
    if queue_limit < 0:
        raise ValueError(f"A queue limit can't be {queue_limit}. Set THREAD_QUEUE_LIMIT to 0 or more.")


_outboxes = _Outboxes()
_pools: weakref.WeakSet[WorkerPool] = weakref.WeakSet()


def _after_fork() -> None:
    global _outboxes
    _outboxes = _Outboxes()
    this_thread().bridge = None
    for pool in list(_pools):
        pool.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
