"""A traceback whose error may be a group, as ``asyncio.TaskGroup`` raises it: with the frames of every error in it."""

from __future__ import annotations

import traceback
import typing as t
from itertools import islice

from markupsafe import escape
from werkzeug.debug.tbtools import DebugTraceback

Part = tuple[str | None, traceback.TracebackException]

MOST_PARTS = 10
"""So many errors of a group are shown with their frames."""


class GroupTraceback(DebugTraceback):
    """As Werkzeug's, which shows the frames of an error and of its causes, and of a group those of the group alone."""

    def __init__(self, error: BaseException, *, hide: bool = True) -> None:
        super().__init__(error, hide=hide)
        self._parts: list[Part] = super().all_tracebacks
        inner = list(islice(_leaves(error), MOST_PARTS))
        if inner:
            self._parts = _titled(self._parts, "These errors were raised as a group")
        for number, one in reversed(list(enumerate(inner, 1))):
            told = escape("".join(traceback.format_exception_only(one)).strip())
            parts = DebugTraceback(one, hide=hide).all_tracebacks
            self._parts += _titled(parts, f"{number} of {len(inner)} in a group: {told}")

    @property
    def all_tracebacks(self) -> list[Part]:
        """Every traceback with what is said above its frames, the last one first."""
        return self._parts


def _leaves(error: BaseException) -> t.Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            if isinstance(inner, BaseExceptionGroup):
                yield from _leaves(inner)
            else:
                yield inner


def _titled(parts: list[Part], title: str) -> list[Part]:
    """Put a title above the traceback that is shown first, the last of `parts`."""
    return [*parts[:-1], (title, parts[-1][1])]
