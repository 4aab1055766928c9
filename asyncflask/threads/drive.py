"""Two drivers of one coroutine: on the event loop, and without one in a worker thread; both in one given Context."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from .bridge import Bridge, Side

T = TypeVar("T")

_NOT_STARTED: Any = object()


class OnLoop(Generic[T]):
    """Awaited by a driven coroutine: await `awaitable` on the event loop, in the coroutine's Context.

    Args:
        awaitable: awaited once.
    """

    __slots__ = ("awaitable",)

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self.awaitable: Awaitable[T] = awaitable

    def __await__(self) -> Generator[Any, Any, T]:
        return (yield self)  # type: ignore[no-any-return]


class InThread(Generic[T]):
    """Awaited by a driven coroutine: call `fn(*args)` in a worker thread, in the coroutine's Context.

    Args:
        fn: a sync function.
        args: its positional arguments.
        side: which workers, as `Bridge.submit` has it; by default those for the sync parts of async requests.
    """

    __slots__ = ("args", "fn", "side")

    def __init__(self, fn: Callable[..., T], args: tuple[Any, ...] = (), side: Side = True) -> None:
        self.fn: Callable[..., T] = fn
        self.args: tuple[Any, ...] = args
        self.side: Side = side

    def __await__(self) -> Generator[Any, Any, T]:
        return (yield self)  # type: ignore[no-any-return]


async def plain(awaitable: Awaitable[T]) -> T:
    """Await anything awaitable: what needs a coroutine can be given this."""
    return await awaitable


def as_coroutine(awaitable: Awaitable[T]) -> Coroutine[Any, Any, T]:
    """Return `awaitable` itself if it is a coroutine, else one that awaits it."""
    return awaitable if inspect.iscoroutine(awaitable) else plain(awaitable)


class InContext(Generic[T]):
    """Awaits `coro` on the event loop with every step inside `context`, whatever context the awaiting task has.

    No second task is made, so cancellation, timeouts and `current_task()` are those of the awaiting task. The context
    is entered for the length of a step only: between steps a worker thread may enter it.

    Args:
        coro: a coroutine that nobody has started; it may await `OnLoop` and `InThread`.
        context: not entered by anyone who waits for this.
        bridge: where `InThread` jobs go.
        wish: what `context.run(coro.send, None)` gave, if the first step was taken already. Most coroutines end with
            it, and so need none of this.
    """

    __slots__ = ("bridge", "context", "coro", "wish")

    def __init__(
        self, coro: Coroutine[Any, Any, T], context: Context, bridge: Bridge, wish: Any = _NOT_STARTED
    ) -> None:
        self.coro: Coroutine[Any, Any, T] = coro
        self.context: Context = context
        self.bridge: Bridge = bridge
        self.wish: Any = wish

    def __await__(self) -> Generator[Any, Any, T]:
        coro, enter = self.coro, self.context.run
        step: Callable[[Any], Any]
        value: Any = None
        try:
            wish = enter(coro.send, None) if self.wish is _NOT_STARTED else self.wish
            while True:
                step = coro.send
                try:
                    if isinstance(wish, (OnLoop, InThread)):
                        value = yield from self._grant(wish)
                    else:  # a future, or None from sleep(0): for the task that drives us all
                        value = yield wish
                except GeneratorExit:
                    enter(coro.close)
                    raise
                except BaseException as error:
                    step, value = coro.throw, error
                wish = enter(step, value)
        except StopIteration as end:  # only the coroutine's return can be one: neither it nor we could raise it
            return end.value  # type: ignore[no-any-return]
        except BaseException:
            coro.close()  # nothing to do unless the context could not be entered
            raise
        finally:
            value = None  # an error in a frame of its own traceback is a reference cycle

    def _grant(self, wish: OnLoop[Any] | InThread[Any]) -> Generator[Any, Any, Any]:
        if isinstance(wish, InThread):
            # No name for the future: its exception's traceback has this frame, which would then refer back to it.
            return (yield from self.bridge.submit(self.context.run, wish.fn, *wish.args, side=wish.side).__await__())
        return (yield from InContext(as_coroutine(wish.awaitable), self.context, self.bridge).__await__())


def drive(coro: Coroutine[Any, Any, T], context: Context, bridge: Bridge) -> T:
    """Run `coro` to its end in the calling thread, which runs no event loop, with every step inside `context`.

    `InThread` calls happen in place. For `OnLoop` the context is left, `bridge.run` does the work, and the context is
    entered again.

    Args:
        coro: a coroutine that nobody has started.
        context: not entered by anyone.
        bridge: the way to the loop.

    Returns:
        what the coroutine returns.

    Raises:
        BaseException: what the coroutine raises. It is given a RuntimeError where it awaits a loop's future directly.
    """
    enter = context.run
    step: Callable[[Any], Any] = coro.send
    value: Any = None
    try:
        while True:
            try:
                wish = enter(step, value)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            step = coro.send
            try:
                if isinstance(wish, OnLoop):
                    value = bridge.run(wish.awaitable, context)
                elif isinstance(wish, InThread):
                    value = enter(wish.fn, *wish.args)
                else:
                    step, value = coro.throw, _no_loop_here(wish)
            except BaseException as error:
                step, value = coro.throw, error
    finally:
        coro.close()
        value = None  # an error in a frame of its own traceback is a reference cycle


def _no_loop_here(wish: object) -> RuntimeError:
    if getattr(wish, "_asyncio_future_blocking", False):
        wish._asyncio_future_blocking = False  # type: ignore[attr-defined]
    return RuntimeError(
        f"An `async` callable was awaited outside of the event loop, in a worker thread (it waits for {wish!r})."
        " Call it through app.async_to_sync or app.ensure_sync there."
    )
