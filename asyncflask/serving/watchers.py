"""Three ways of noticing that a watched file has changed: looking at times, and being told by the operating system."""

from __future__ import annotations

import os
import threading
import time
import typing as t
from collections.abc import Callable, Iterator

from .options import BadOption
from .watching import IGNORED, Watched, is_environment, walk

SHARE = 0.002
"""Share of one core that looking at files may take which nobody has loaded."""

Found = Callable[[str], None]


class StatWatcher:
    """Looks at the times of files, once in each interval.

    Those that the application has loaded, and the extra files, are looked at every time. All others get their turn
    little by little, so that they cost next to nothing however many they are; while the application does not run,
    as after an error, and any of them may be what it waits for, they are looked at every time too.
    """

    def __init__(self, watched: Watched, interval: float) -> None:
        self.name: str = "stat"
        self.watched = watched
        self.interval = interval
        #: set while nothing runs
        self.urgent: threading.Event = threading.Event()
        self._times: dict[str, int] = {}
        self._cold: list[str] = []
        self._known_cold = False
        self._at = 0
        self._per_second = 200_000.0
        self._end = threading.Event()

    def prepare(self) -> None:
        """Note the times as they are."""
        for path in (*self.watched.hot(), *self._walk()):
            self._changed(path)

    def run(self, found: Found) -> None:
        """Call `found` with each file that changes, until `stop`."""
        while not self._end.wait(self.interval):
            for path in self.step():
                found(path)

    def step(self) -> list[str]:
        """Look once; return what has changed."""
        changed = [path for path in self.watched.hot() if self._changed(path)]
        return changed + [path for path in self._turn() if self._changed(path, new_counts=self._known_cold)]

    def stop(self) -> None:
        """End `run`."""
        self._end.set()

    def _walk(self) -> list[str]:
        self._cold, self._at = self.watched.cold(), 0
        return self._cold

    def _turn(self) -> Iterator[str]:
        """Yield the files whose turn it is: all if it is urgent, else as many as their share of time allows."""
        if self.urgent.is_set():
            self._known_cold = True
            yield from self._walk()
            return
        if self._at >= len(self._cold):
            self._walk()
            self._known_cold = True
        size = max(20, int(self._per_second * self.interval * SHARE))
        began, slice_ = time.perf_counter(), self._cold[self._at : self._at + size]
        yield from slice_
        self._at += size
        taken = time.perf_counter() - began
        if len(slice_) == size and taken > 0:
            self._per_second = size / taken

    def _changed(self, path: str, new_counts: bool = False) -> bool:
        try:
            now = os.stat(path).st_mtime_ns
        except OSError:  # gone, or between the two steps of an editor that replaces it
            return False
        before = self._times.get(path)
        self._times[path] = now
        return new_counts if before is None else before != now


class EventWatcher:
    """What those have in common that the operating system tells of changes.

    Every folder is watched by itself, so that those which are ignored cost nothing.
    """

    name: str = ""

    def __init__(self, watched: Watched, interval: float) -> None:
        self.watched = watched
        #: of no use here: changes are told at once, as is everything in `interval`
        self.urgent: threading.Event = threading.Event()
        self._end = threading.Event()

    def prepare(self) -> None:
        """Nothing: what changed before `run` is not missed by much."""

    def run(self, found: Found) -> None:
        """Call `found` with each file that changes, until `stop`. Raises OSError, RuntimeError if it cannot be done."""
        raise NotImplementedError

    def stop(self) -> None:
        """End `run`."""
        self._end.set()

    def look_at(self, path: str, found: Found) -> bool:
        """Take note of what was made or changed; return whether it is a folder to be watched from now on."""
        if not os.path.isdir(path):
            self._note(path, found)
            return False
        if os.path.basename(path) in IGNORED or is_environment(path):
            return False
        for folder, names in walk(path, set()):  # what came with it
            for name in names:
                self._note(os.path.join(folder, name), found)
        return True

    def _note(self, path: str, found: Found) -> None:
        if self.watched.counts(path) and os.path.exists(path):
            found(path)


class WatchfilesWatcher(EventWatcher):
    """Is told through watchfiles."""

    name: str = "watchfiles"

    def run(self, found: Found) -> None:
        """See `EventWatcher.run`."""
        known: set[str] = set()
        while not self._end.is_set():
            places = self.watched.places()
            self._run(places, places - known if known else set(), found)
            known |= places

    def _run(self, places: set[str], fresh: set[str], found: Found) -> None:
        """Watch until there are other places to watch; in `fresh` ones something may have come before we watched."""
        from watchfiles import Change, watch

        settings: dict[str, t.Any] = {"watch_filter": None, "recursive": False, "ignore_permission_denied": True}
        settings |= {"debounce": 200, "step": 50, "rust_timeout": 500, "yield_on_timeout": True}
        for changes in watch(*sorted(places), stop_event=self._end, raise_interrupt=False, **settings):
            for place in fresh:
                self.look_at(place, found)
            fresh = set()
            new = [path for kind, path in changes if kind != Change.deleted and self.look_at(path, found)]
            if new or not self.watched.places_beside() <= places:
                return


class WatchdogWatcher(EventWatcher):
    """Is told through watchdog."""

    name: str = "watchdog"

    def run(self, found: Found) -> None:
        """See `EventWatcher.run`."""
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        new = threading.Event()

        class Handler(FileSystemEventHandler):
            def on_any_event(_, event: FileSystemEvent) -> None:
                if event.event_type in ("created", "modified", "moved", "closed"):
                    path = os.fsdecode(event.dest_path or event.src_path)
                    is_folder = event.is_directory and event.event_type != "modified"
                    if (is_folder or not event.is_directory) and self.look_at(path, found):
                        new.set()

        observer = Observer()
        observer.start()
        try:
            known: set[str] = set()
            while not self._end.wait(0.25):
                if not known or new.is_set() or not self.watched.places_beside() <= known:
                    new.clear()
                    fresh = self.watched.places() - known
                    for place in fresh:
                        observer.schedule(Handler(), place)
                    for place in fresh if known else ():  # something may have come before we watched
                        self.look_at(place, found)
                    known |= fresh
        finally:
            observer.stop()
            observer.join()


Watcher = StatWatcher | EventWatcher


def watcher_of(kind: str, watched: Watched, interval: float) -> Watcher:
    """Return the watcher of a type: ``auto`` is watchfiles if that is installed, else watchdog, else stat.

    Raises BadOption if what it needs is not installed.
    """
    classes: dict[str, type[Watcher]] = {"watchfiles": WatchfilesWatcher, "watchdog": WatchdogWatcher}
    if kind == "auto":
        kind = next((name for name in classes if _is_installed(name)), "stat")
    elif kind in classes and not _is_installed(kind):
        raise BadOption(f"reloader_type={kind!r} needs what is not installed: pip install {kind}")
    return classes.get(kind, StatWatcher)(watched, interval)


def _is_installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None
