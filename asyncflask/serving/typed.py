"""Python code that somebody has typed, which may ``await`` without a function around it."""

from __future__ import annotations

import ast
import inspect
import typing as t
from codeop import CommandCompiler
from types import CodeType, FunctionType, TracebackType

from ..threads import run_async


def compiler() -> CommandCompiler:
    """Return a compiler of lines as they are typed, which takes ``await`` at the top level."""
    made = CommandCompiler()
    made.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return made


def run(code: CodeType, names: dict[str, t.Any], wait: t.Callable[..., t.Any] = run_async) -> None:
    """Run code with these names, which it may change.

    Args:
        code: compiled by what `compiler` returns.
        names: its globals.
        wait: called with the coroutine that code which awaits comes to; by default that runs on the loop that this
            thread works for.

    Raises what the code raises, with a traceback that begins one frame before the code.
    """
    try:
        if code.co_flags & inspect.CO_COROUTINE:
            wait(FunctionType(code, names)())
        else:
            exec(code, names)
    except BaseException as error:
        error.__traceback__ = _from_code(error.__traceback__, code.co_filename)
        raise


def _from_code(traceback: TracebackType | None, filename: str) -> TracebackType | None:
    at = traceback
    while at is not None and at.tb_next is not None:
        if at.tb_next.tb_frame.f_code.co_filename == filename:
            return at
        at = at.tb_next
    return traceback
