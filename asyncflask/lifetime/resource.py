"""Resources: what is opened when it is first asked for, and closed when nothing can need it any more."""

from __future__ import annotations

import typing as t
from contextvars import copy_context

from ..globals import current_app
from ..lanes import INLINE
from ..lazy import late_module
from ..threads import run_async
from .managers import Manager, check_yields, name_of
from .request import RequestLifetime

if t.TYPE_CHECKING:
    import asyncio
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

else:
    asyncio = late_module("asyncio")

T = t.TypeVar("T")
Opens = (
    t.Callable[[], t.AsyncIterator[T]]
    | t.Callable[[], t.Iterator[T]]
    | t.Callable[[], "AbstractAsyncContextManager[T, bool | None]"]
    | t.Callable[[], "AbstractContextManager[T, bool | None]"]
)
"""What yields a T once, or returns what does."""

Scope = t.Literal["request", "app"]


class Resource(t.Generic[T]):
    """Something to open and to close; ``@app.resource`` makes it of a function that yields it.

    ``await resource`` in async code and ``resource.get()`` in a ``def`` view give what was yielded, and open it first
    if that has not happened yet. A sync function is run in the view's thread, or in another one for an ``async def``
    view; an async one on the loop, from either kind of view.

    Args:
        function: yields once, or returns a context manager; sync or async, without arguments.
        scope: "request": opened for each request that asks, closed after the last byte of its answer; also for each
            application context or background task that asks. "app": opened once in a process, closed when the
            application stops.

    Raises:
        TypeError: `function` does not yield.
        ValueError: there is no such scope.
    """

    def __init__(self, function: Opens[T], scope: Scope = "request") -> None:
        check_yields(function, "A resource")
        if scope not in ("request", "app"):
            raise ValueError(f"The scope of a resource is 'request' or 'app', not {scope!r}.")
        self.function = function
        self.scope = scope
        self.name: str = name_of(function)
        self.__doc__ = function.__doc__

    def __await__(self) -> t.Generator[t.Any, t.Any, T]:
        return self._open().__await__()

    def get(self) -> T:
        """Return it, opened: in a thread. On the loop only if it is open already, or sync in a view that runs there.

        Raises:
            RuntimeError: it is to be awaited here, or there is no context.
            BaseException: what its function raises.
        """
        loop = asyncio._get_running_loop()
        if self.scope == "app":
            if loop is None:
                return run_async(self._open())
            opened = current_app.serving_here().resources.get(self)
            if opened is None or not opened.is_open:
                raise self._to_be_awaited()
            return t.cast(T, opened.value)
        lifetime = RequestLifetime.of_current()
        if self in lifetime.values:
            return t.cast(T, lifetime.values[self])
        manager = Manager(self.function)
        if loop is not None and (manager.asynchronous or lifetime.ctx.lane is not INLINE):
            raise self._to_be_awaited()
        value = run_async(manager.enter()) if manager.asynchronous else manager.enter()
        return self._keep(lifetime, manager, value)

    def _to_be_awaited(self) -> RuntimeError:
        return RuntimeError(
            f"The resource {self.name} is not open, and opening it here would block the event loop: use 'await"
            f" {self.name.rpartition('.')[2]}' in an 'async def' view."
        )

    async def _open(self) -> T:
        if self.scope == "app":
            return t.cast(T, await current_app.serving_here().open_resource(self))
        lifetime = RequestLifetime.of_current()
        if self not in lifetime.values:
            # Tasks of one request may ask at the same time.
            async with lifetime.locks.setdefault(self, asyncio.Lock()):
                if self not in lifetime.values:
                    await self._enter(lifetime)
        return t.cast(T, lifetime.values[self])

    async def _enter(self, lifetime: RequestLifetime) -> None:
        manager = Manager(self.function)
        if manager.asynchronous:
            self._keep(lifetime, manager, await manager.enter())
        elif lifetime.ctx.lane is INLINE:
            self._keep(lifetime, manager, manager.enter())
        else:
            job = current_app.bridge_here().submit(copy_context().run, manager.enter, side=True)
            try:
                value = await job
            except asyncio.CancelledError:
                # The thread has come to its end all the same, and what it has opened is to be closed.
                if job.done() and job.exception() is None:
                    self._keep(lifetime, manager, job.result())
                raise
            self._keep(lifetime, manager, value)

    def _keep(self, lifetime: RequestLifetime, manager: Manager, value: T) -> T:
        lifetime.values[self] = value
        lifetime.managers.append(manager)
        return value

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} for each {self.scope}>"
