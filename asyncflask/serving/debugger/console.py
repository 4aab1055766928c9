"""Werkzeug's console with top-level ``await``: what is awaited runs on the serving loop."""

from __future__ import annotations

import asyncio
import typing as t
from types import CodeType

from werkzeug.debug import console as werkzeugs

from ...threads import run_async
from .. import typed


class Console(werkzeugs.Console):
    """A console in the namespace of a frame; `eval` takes a line, and returns HTML with what it printed and gave.

    Args:
        globals: names of the frame's module.
        locals: names of the frame, which win. What is assigned in the console is seen in this console only.
        wait: runs what a line awaits.
    """

    def __init__(self, globals: dict[str, t.Any], locals: dict[str, t.Any], wait: Waiting) -> None:
        super().__init__(globals, locals)
        self._ipy = _Interpreter(globals, locals, wait)


class Waiting:
    """Runs what lines of code await on the serving loop, until they are cancelled. Called in a thread."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[t.Any]] = set()

    def __call__(self, awaitable: t.Awaitable[t.Any]) -> t.Any:
        """Wait for `awaitable`, and return its result."""
        return run_async(self._noted(awaitable))

    async def _noted(self, awaitable: t.Awaitable[t.Any]) -> t.Any:
        task = t.cast("asyncio.Task[t.Any]", asyncio.current_task())
        self._tasks.add(task)
        try:
            return await awaitable
        finally:
            self._tasks.discard(task)

    def cancel(self) -> None:
        """Cancel what lines await now: the server stops. On the loop."""
        for task in tuple(self._tasks):
            task.cancel("The server stops.")


class _Interpreter(werkzeugs._InteractiveConsole):
    def __init__(self, globals: dict[str, t.Any], locals: dict[str, t.Any], wait: Waiting) -> None:
        super().__init__(globals, locals)
        self._wait = wait
        compiler = typed.compiler()

        def compile(source: str, filename: str, symbol: str) -> CodeType | None:
            code = compiler(source, filename, symbol)
            if code is not None:
                self.loader.register(code, source)
            return code

        self.compile = compile  # type: ignore[assignment]

    def runcode(self, code: CodeType) -> None:
        """Run code that was typed; an error is shown in its place."""
        try:
            typed.run(code, self.locals, self._wait)
        except (Exception, asyncio.CancelledError, SystemExit) as error:  # none of them is to end more than the line
            _drop_first(error)
            self.showtraceback()


def _drop_first(error: BaseException) -> None:
    # The frame of `runcode`, which came on top of what `showtraceback` leaves out.
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
