"""What is kept of errors: their frames, and the context they happened in, for a console in each frame."""

from __future__ import annotations

import logging
import secrets
import threading
import typing as t
from contextlib import ExitStack
from contextvars import Context, copy_context
from types import TracebackType

from werkzeug.debug.tbtools import DebugFrameSummary, DebugTraceback

from .console import Console, Waiting
from .groups import GroupTraceback

_log = logging.getLogger("asyncflask.debugger")

Manager = t.ContextManager[t.Any]

#: Modules that stand between a server and a view in every traceback, and say nothing about the error.
_MACHINERY = tuple(
    f"asyncflask.{name}" for name in ("app", "asgi", "cli", "ctx", "errors", "pipeline", "serving", "threads", "wsgi")
)
_PACKAGES = tuple(f"{name}." for name in _MACHINERY)


class Kept:
    """The contexts that a request left for its error. Called with a context manager and its ``contextvars`` context."""

    def __init__(self) -> None:
        self.managers: list[Manager] = []
        self.room: Context | None = None

    def __call__(self, manager: Manager, room: Context | None = None) -> None:
        """Keep a context: it is entered for every line of code that is run in a frame."""
        self.managers.append(manager)
        self.room = room or self.room

    def end(self) -> None:
        """Let go of what the request holds open."""
        for manager in self.managers:
            end = getattr(manager, "end_request", None)
            try:
                if end is not None:
                    end()
            except Exception:  # it must not spoil the page of a later error
                _log.exception("What a request held open could not be closed.")


class Room:
    """Where the code of consoles runs: in contexts that are entered for each line, one line at a time.

    Args:
        managers: returns the contexts.
        context: the ``contextvars`` context to begin from; by default that of the caller.
    """

    def __init__(self, managers: t.Callable[[], t.Iterable[Manager]], context: Context | None = None) -> None:
        self._managers = managers
        self._context = (context or copy_context()).copy()
        self._one_at_a_time = threading.Lock()

    def evaluate(self, console: Console, line: str) -> str:
        """Run a line in a console and return HTML. In a thread: it waits for the line before, and what it awaits."""
        with self._one_at_a_time:
            return self._context.run(self._evaluate, console, line)

    def _evaluate(self, console: Console, line: str) -> str:
        shown = ""
        try:
            with ExitStack() as entered:
                for manager in self._managers():
                    entered.enter_context(manager)
                shown = console.eval(line)
        except Exception as error:  # of a context, such as of a teardown function; the line's own are shown by it
            error.__traceback__ = without_machinery(error.__traceback__)
            shown += DebugTraceback(error).render_traceback_html()
        return shown


class Incident:
    """One error, as it can be looked at.

    Args:
        error: the exception.
        kept: the contexts of the request.
        wait: runs what lines of code await.
        show_hidden_frames: show those of our own machinery as well, and those that hide themselves.
    """

    def __init__(self, error: BaseException, kept: Kept, wait: Waiting, *, show_hidden_frames: bool = False) -> None:
        if not show_hidden_frames:
            error.__traceback__ = without_machinery(error.__traceback__)
        self.traceback: GroupTraceback = GroupTraceback(error, hide=not show_hidden_frames)
        self.text: str = self.traceback.render_traceback_text()
        #: names the page that shows it
        self.key: str = secrets.token_urlsafe(16)
        self.frames: dict[int, DebugFrameSummary] = {id(frame): frame for frame in self.traceback.all_frames}
        self._kept = kept
        self._wait = wait
        self._room = Room(lambda: kept.managers, kept.room)
        self._consoles: dict[int, Console] = {}

    def evaluate(self, frame: int, line: str) -> str:
        """Run a line of code in a frame, and return HTML; see `Room.evaluate`."""
        if frame not in self._consoles:
            self._consoles[frame] = Console(self.frames[frame].global_ns, self.frames[frame].local_ns, self._wait)
        return self._room.evaluate(self._consoles[frame], line)

    def end(self) -> None:
        """Let go of what its request holds open."""
        self._kept.end()


class Incidents:
    """The last errors, `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_key: dict[str, Incident] = {}
        self._lock = threading.Lock()

    def add(self, incident: Incident) -> None:
        """Keep an error, and forget the oldest one if there are too many."""
        with self._lock:
            self._by_key[incident.key] = incident
            old = list(self._by_key)[: -self._limit]
            forgotten = [self._by_key.pop(key) for key in old]
        for one in forgotten:
            one.end()

    def get(self, key: str | None) -> Incident | None:
        """Return the error of a page."""
        with self._lock:
            return None if key is None else self._by_key.get(key)

    def with_frame(self, frame: int) -> Incident | None:
        """Return the error that has a frame."""
        with self._lock:
            return next((incident for incident in self._by_key.values() if frame in incident.frames), None)

    def clear(self) -> None:
        """Forget all of them."""
        with self._lock:
            forgotten, self._by_key = self._by_key, {}
        for incident in forgotten.values():
            incident.end()


def without_machinery(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package between server and view; all of it if there are no others.

    The last frame stays: it is where the error was raised.
    """
    steps: list[TracebackType] = []
    at = traceback
    while at is not None:
        if at.tb_next is None or not _is_machinery(at.tb_frame.f_globals.get("__name__", "")):
            steps.append(at)
        at = at.tb_next
    kept: TracebackType | None = None
    for step in reversed(steps):
        kept = TracebackType(kept, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return kept


def _is_machinery(module: str) -> bool:
    return module in _MACHINERY or module.startswith(_PACKAGES)
