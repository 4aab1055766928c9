"""What a thread knows about the loop it works for: the current bridge, and the token that anyio looks for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import Context
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

    from .bridge import Bridge
    from .future import ThreadFuture


class Cell:
    """One thread's note of whose job it runs now; both are None between jobs, so that an idle thread keeps nothing.

    A worker fetches its cell once: setting a slot is several times cheaper than setting a `threading.local` attribute.
    """

    __slots__ = ("bridge", "job")

    def __init__(self) -> None:
        self.bridge: Bridge | None = None
        self.job: ThreadFuture | None = None


class _Here(threading.local):
    def __init__(self) -> None:
        self.cell = Cell()


_here = _Here()


def this_thread() -> Cell:
    """Return the calling thread's `Cell`."""
    return _here.cell


def current_bridge() -> Bridge | None:
    """Return the bridge whose job the calling thread runs, or None outside of such a job."""
    return _here.cell.bridge


class CellToken:
    """Stands in for `anyio.lowlevel.EventLoopToken` in a worker: set once per thread, names the running job's loop."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def backend_class(self) -> Any:
        """anyio's asyncio backend."""
        return _asyncio_backend()

    @property
    def native_token(self) -> asyncio.AbstractEventLoop | None:
        """The loop of the running job."""
        job = self._cell.job
        return None if job is None else job.get_loop()


@cache
def _asyncio_backend() -> Any:
    from anyio._core._eventloop import get_async_backend

    return get_async_backend("asyncio")


@cache
def _anyio_locals() -> Any:
    # anyio has no public way to adopt a foreign worker thread; without this place, from_thread says it knows no loop.
    try:
        from anyio._core._eventloop import threadlocals
    except ImportError:
        return None
    return threadlocals


def is_interrupted() -> bool:
    """Return, once, whether the job of the calling thread was cancelled, so that it had better come to its end."""
    job = _here.cell.job
    return job is not None and job.interrupted and job.take_interrupt()


def swap_anyio_token(token: object) -> object:
    """Make `token` what `anyio.from_thread` finds in this thread (None: nothing).

    Returns:
        what was there before, or None, to be given back later.
    """
    places = _anyio_locals()
    if places is None:
        return None
    before: object = getattr(places, "current_token", None)
    if token is not None:
        places.current_token = token
        places.current_cancel_scope = getattr(places, "current_cancel_scope", None)
    elif before is not None:
        del places.current_token
    return before


def attempt(fn: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
    """Call `fn(*args)` in an empty context, so that no ContextVar it sets outlives the call.

    Returns:
        `(value, None)` or `(None, exception)`, the exception as `portable` makes it.
    """
    try:
        return Context().run(fn, *args), None
    except BaseException as error:
        del fn, args  # the frames that the exception keeps refer back to this one
        return None, portable(error)


def portable(error: BaseException) -> BaseException:
    """Return what a future can carry to its awaiter for an exception that the calling frame has caught from a job.

    A StopIteration becomes the cause of a RuntimeError: no future can hold one, and no coroutine can raise it. The
    catching frame is taken off the traceback, which then does not keep the job and its arguments alive.
    """
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
    if isinstance(error, StopIteration):
        wrapped = RuntimeError("A function raised StopIteration in a worker thread. Return a marker from it instead.")
        wrapped.__cause__ = error
        return wrapped
    return error
