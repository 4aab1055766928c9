"""Werkzeug's console with top-level ``await``: what is awaited runs on the serving loop."""

from __future__ import annotations

import typing as t
from asyncio import CancelledError
from types import CodeType

from werkzeug.debug import console as werkzeugs

from .. import typed


class Console(werkzeugs.Console):
    """A console in the namespace of a frame; `eval` takes a line, and returns HTML with what it printed and gave.

    Args:
        globals: names of the frame's module.
        locals: names of the frame, which win. What is assigned in the console is seen in this console only.
    """

    def __init__(self, globals: dict[str, t.Any] | None = None, locals: dict[str, t.Any] | None = None) -> None:
        super().__init__(globals, locals)
        self._ipy = _Interpreter(globals or {}, locals or {})


class _Interpreter(werkzeugs._InteractiveConsole):
    def __init__(self, globals: dict[str, t.Any], locals: dict[str, t.Any]) -> None:
        super().__init__(globals, locals)
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
            typed.run(code, self.locals)
        except (Exception, CancelledError, SystemExit) as error:  # none of them is to end more than the line
            _drop_first(error)
            self.showtraceback()


def _drop_first(error: BaseException) -> None:
    # The frame of `runcode`, which came on top of what `showtraceback` leaves out.
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
