"""Functions that yield once, and context managers, sync or async, brought to one shape."""

from __future__ import annotations

import typing as t
from contextlib import asynccontextmanager, contextmanager
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction

from ..pipeline.hooks import call

if t.TYPE_CHECKING:
    from ..lanes import Lane


class Manager:
    """Something to enter and to leave; `asynchronous` says whether both are coroutine functions.

    Args:
        function: makes it, called without arguments.

    Raises:
        TypeError: `function` returns no context manager.
    """

    def __init__(self, function: t.Callable[[], t.Any]) -> None:
        self.name: str = name_of(function)
        made: t.Any
        if isasyncgenfunction(function):
            made = asynccontextmanager(function)()
        elif isgeneratorfunction(function):
            made = contextmanager(function)()
        else:
            made = function()
        self.asynchronous: bool = hasattr(made, "__aenter__")
        if not self.asynchronous and not hasattr(made, "__enter__"):
            raise TypeError(f"{self.name} returned {made!r}, which is no context manager.")
        self.enter: t.Callable[[], t.Any] = made.__aenter__ if self.asynchronous else made.__enter__
        self.leave: t.Callable[..., t.Any] = made.__aexit__ if self.asynchronous else made.__exit__

    async def enter_in(self, lane: Lane) -> t.Any:
        """Enter it where a lane wants it, and return its value. For the drivers of `threads`."""
        return await call(lane, self.enter, self.asynchronous)

    async def leave_in(self, lane: Lane, error: BaseException | None = None) -> None:
        """Leave it where a lane wants it; it is told of `error`. Raises what it raises, if that is another one."""
        trace = None if error is None else error.__traceback__
        try:
            await call(lane, self.leave, self.asynchronous, error and type(error), error, trace)
        except BaseException as raised:
            if raised is not error:
                raise
        finally:
            error = trace = None  # an error in a frame of its own traceback is a reference cycle


def name_of(function: t.Callable[..., t.Any]) -> str:
    """Return how texts call a function: by module and qualified name, as far as it has them."""
    while (inner := getattr(function, "func", None)) is not None:  # functools.partial
        function = inner
    module = getattr(function, "__module__", None)
    name: str = getattr(function, "__qualname__", None) or type(function).__name__
    return f"{module}.{name}" if module else name


def check_yields(function: t.Callable[..., t.Any], what: str) -> None:
    """Refuse what can't be a context manager or make one.

    Raises:
        TypeError: `function` is a coroutine function, or can't be called.
    """
    if iscoroutinefunction(function):
        raise TypeError(
            f"{what} takes a function that yields once, or one that returns a context manager; {name_of(function)} is a"
            " coroutine function without a 'yield'."
        )
    if not callable(function):
        raise TypeError(f"{what} takes a function that yields once, not {function!r}.")


def check_plain(function: t.Callable[..., t.Any], what: str, instead: str) -> None:
    """Refuse generator functions where a plain or a coroutine function is called.

    Raises:
        TypeError: calling `function` would run nothing of it.
    """
    if isasyncgenfunction(function) or isgeneratorfunction(function):
        raise TypeError(f"{what} takes a plain or a coroutine function; {name_of(function)} yields. {instead}")
    if not callable(function):
        raise TypeError(f"{what} takes a function, not {function!r}.")
