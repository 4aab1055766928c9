"""Three ways of noticing that a watched file has changed: looking at times, and being told by the operating system."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
import typing as t
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue

from .options import BadOption
from .watching import IGNORED, Watched, is_environment, walk

if t.TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

SHARE = 0.002
"""Share of one core that looking at files may take which nobody has loaded."""

GONE = -1
"""The time of a file that is not there."""

Found = Callable[[str], None]


class Watcher:
    """What all watchers have in common: they know the times of files, and what has changed since.

    Args:
        watched: what to watch.
        interval: seconds between two looks at the times.
    """

    name: str = ""

    def __init__(self, watched: Watched, interval: float) -> None:
        self.watched = watched
        self.interval = interval
        #: set while nothing runs
        self.urgent: threading.Event = threading.Event()
        #: modification times in ns, as last seen
        self.times: dict[str, int] = {}
        self._end = threading.Event()

    def prepare(self) -> None:
        """Note the times as they are. What changes from now on is found, however late `run` begins."""
        for path in (*self.watched.hot(), *self._walk()):
            self._changed(path)

    def run(self, found: Found) -> None:
        """Call `found` with each file that changes, until `stop`. Raises OSError, RuntimeError if it cannot be done."""
        raise NotImplementedError

    def catch_up(self, found: Found) -> None:
        """Call `found` with each file that has changed since its time was noted."""
        changed = [path for path in self.watched.hot() if self._changed(path)]
        for path in changed + [path for path in self._walk() if self._changed(path, new_counts=True)]:
            found(path)

    def stop(self) -> None:
        """End `run`."""
        self._end.set()

    def by_times(self) -> StatWatcher:
        """Return one that goes on from here by looking at times."""
        other = StatWatcher(self.watched, self.interval)
        other.urgent, other.times, other._end = self.urgent, self.times, self._end
        return other

    def _walk(self) -> list[str]:
        return self.watched.cold()

    def _changed(self, path: str, new_counts: bool = False) -> bool:
        try:
            now = os.stat(path).st_mtime_ns
        except OSError:  # gone, or between the two steps of an editor that replaces it
            self.times.setdefault(path, GONE)
            return False
        before = self.times.get(path)
        self.times[path] = now
        return new_counts if before is None else before != now


class StatWatcher(Watcher):
    """Looks at the times of files, once in each interval.

    Those that the application has loaded, and the extra files, are looked at every time. All others get their turn
    little by little, so that they cost next to nothing however many they are; while the application does not run,
    as after an error, and any of them may be what it waits for, they are looked at every time too.
    """

    name: str = "stat"

    def __init__(self, watched: Watched, interval: float) -> None:
        super().__init__(watched, interval)
        self._cold: list[str] = []
        self._at = 0
        self._per_second = 200_000.0

    def run(self, found: Found) -> None:
        """See `Watcher.run`."""
        while not self._end.wait(self.interval):
            for path in self.step():
                found(path)

    def step(self) -> list[str]:
        """Look once; return what has changed."""
        changed = [path for path in self.watched.hot() if self._changed(path)]
        return changed + [path for path in self._turn() if self._changed(path, new_counts=True)]

    def _walk(self) -> list[str]:
        self._cold, self._at = self.watched.cold(), 0
        return self._cold

    def _turn(self) -> Iterator[str]:
        """Yield the files whose turn it is: all if it is urgent, else as many as their share of time allows."""
        if self.urgent.is_set():
            yield from self._walk()
            return
        if self._at >= len(self._cold):
            self._walk()
        size = max(20, int(self._per_second * self.interval * SHARE))
        began, slice_ = time.perf_counter(), self._cold[self._at : self._at + size]
        yield from slice_
        self._at += size
        taken = time.perf_counter() - began
        if len(slice_) == size and taken > 0:
            self._per_second = size / taken


class EventWatcher(Watcher):
    """What those have in common that the operating system tells of changes.

    Every folder is watched by itself, so that those which are ignored cost nothing. Nothing is told of the time before
    a folder is watched, and the application may be up by then and its user have saved a file: so `catch_up` follows
    each time that folders have come to be watched.
    """

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
            self._changed(path)  # `catch_up` shall not find it once more
            found(path)

    def _note_time(self, path: str, found: Found) -> None:
        if self.watched.counts(path) and self._changed(path):
            found(path)


class WatchfilesWatcher(EventWatcher):
    """Is told through watchfiles."""

    name: str = "watchfiles"

    def run(self, found: Found) -> None:
        """See `Watcher.run`."""
        while not self._end.is_set():
            places = self.watched.places()
            try:
                self._run(places, found)
            except FileNotFoundError:  # gone before it was watched
                if all(map(os.path.isdir, places)):
                    raise

    def _run(self, places: set[str], found: Found) -> None:
        """Watch until there are other places to watch."""
        from watchfiles import Change, watch

        # With ignore_permission_denied watchfiles leaves out, without a word, what is beyond the system's limit, too.
        settings: dict[str, t.Any] = {"watch_filter": None, "recursive": False, "ignore_permission_denied": False}
        settings |= {"debounce": 200, "step": 50, "rust_timeout": 500, "yield_on_timeout": True}
        settings |= {"stop_event": self._end, "raise_interrupt": False}
        readable = [place for place in places if os.access(place, os.R_OK) or not os.path.exists(place)]
        caught_up = False
        for changes in watch(*sorted(readable), **settings):
            new = [path for kind, path in changes if kind != Change.deleted and self.look_at(path, found)]
            now = self.watched.places_beside()
            if not caught_up:
                self.catch_up(found)
                now, caught_up = self.watched.places(), True  # some may have come before their parents were watched
            if new or not now <= places:
                return


class WatchdogWatcher(EventWatcher):
    """Is told through watchdog."""

    name: str = "watchdog"

    def run(self, found: Found) -> None:
        """See `Watcher.run`."""
        from watchdog.events import FileSystemEvent, FileSystemEventHandler
        from watchdog.observers import Observer

        new, gone = threading.Event(), SimpleQueue[str]()
        watches: dict[str, ObservedWatch] = {}

        class Handler(FileSystemEventHandler):
            def on_any_event(_, event: FileSystemEvent) -> None:
                source = os.fsdecode(event.src_path)
                if event.event_type in ("deleted", "moved") and (event.is_directory or source in watches):
                    gone.put(source)
                path = os.fsdecode(event.dest_path or event.src_path)
                if event.event_type == "attrib":  # may be a new time, or mode
                    self._note_time(path, found)
                elif event.event_type in ("created", "modified", "moved", "closed"):
                    is_folder = event.is_directory and event.event_type != "modified"
                    if (is_folder or not event.is_directory) and self.look_at(path, found):
                        new.set()

        observer = Observer()
        observer.start()
        try:
            while not self._end.is_set():
                lost = self._forget(gone, watches, observer)
                if not watches or lost or new.is_set() or not self.watched.places_beside() <= watches.keys():
                    new.clear()
                    fresh = sorted(self.watched.places() - watches.keys())
                    for place in fresh:
                        with contextlib.suppress(FileNotFoundError):  # gone already
                            watches[place] = observer.schedule(Handler(), place, follow_symlink=True)
                    if fresh:
                        self.catch_up(found)
                        new.set()  # look once more: others may have come before their parents were watched
                self._end.wait(0.25)
        finally:
            observer.stop()
            observer.join()

    def _forget(self, gone: SimpleQueue[str], watches: dict[str, ObservedWatch], observer: BaseObserver) -> bool:
        """Watch folders no longer that were removed or moved: one that comes in their place is another one."""
        lost: set[str] = set()
        with contextlib.suppress(Empty):
            while True:
                path = gone.get_nowait()
                lost |= {place for place in watches if place == path or place.startswith(os.path.join(path, ""))}
        for place in lost:
            observer.unschedule(watches.pop(place))
        return bool(lost)


def why_not(error: Exception) -> str:
    """Say why nothing can be watched, and of a limit of the system where it is set."""
    is_limit = sys.platform == "linux" and re.search("limit|too many", str(error), re.IGNORECASE)
    return f"{error}; sysctl sets it, fs.inotify.max_user_watches and max_user_instances" if is_limit else str(error)


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
