"""Werkzeug's console with top-level ``await``: what is awaited runs on the serving loop."""

from __future__ import annotations

import ast
import inspect
import typing as t
from asyncio import CancelledError
from codeop import CommandCompiler
from types import CodeType, FunctionType, TracebackType

from werkzeug.debug import console as werkzeugs

from ...threads import run_async

_SOURCE = "<debugger>"  # the file name of what is typed


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
        compiler = CommandCompiler()
        compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT

        def compile(source: str, filename: str, symbol: str) -> CodeType | None:
            code = compiler(source, _SOURCE, symbol)
            if code is not None:
                self.loader.register(code, source)
            return code

        self.compile = compile  # type: ignore[assignment]

    def runcode(self, code: CodeType) -> None:
        """Run code that was typed; an error is shown in its place."""
        try:
            if code.co_flags & inspect.CO_COROUTINE:
                run_async(FunctionType(code, self.locals)())
            else:
                exec(code, self.locals)
        except (Exception, CancelledError, SystemExit) as error:  # none of them is to end more than the line
            error.__traceback__ = _from_code(error.__traceback__)
            self.showtraceback()


def _from_code(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the frame before the code that was typed: the one that `showtraceback` leaves out."""
    at = traceback
    while at is not None and at.tb_next is not None:
        if at.tb_next.tb_frame.f_code.co_filename == _SOURCE:
            return at
        at = at.tb_next
    return traceback
