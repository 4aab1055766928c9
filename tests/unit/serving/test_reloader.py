"""The process that only watches."""

from __future__ import annotations

import os
import signal
import sys
import threading
import typing as t
from pathlib import Path
from queue import SimpleQueue

import pytest

from asyncflask.serving.interrupts import handled
from asyncflask.serving.reloader import Reloader
from asyncflask.serving.watchers import EventWatcher, Found
from asyncflask.serving.watching import Watched as Files


class Watched(SimpleQueue[t.Any]):
    """A queue that says when somebody begins to wait at it."""

    def __init__(self) -> None:
        self.waited_at = threading.Event()

    def get(self, block: bool = True, timeout: float | None = None) -> t.Any:
        self.waited_at.set()
        return super().get(block, timeout)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals of threads are those of POSIX")
def test_a_signal_that_does_not_wake_it_is_seen_all_the_same() -> None:
    """Another thread is interrupted by it, as is possible while this one is about to wait."""
    reloader = Reloader(t.cast(t.Any, None), t.cast(t.Any, None), 1.0, t.cast(t.Any, None))
    reloader._events = events = Watched()
    seen, too_late = threading.Event(), threading.Event()

    def send() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        events.waited_at.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        if not seen.wait(10):
            too_late.set()
            events.put(("stop", None))

    with handled([signal.SIGTERM], reloader._signalled):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        try:
            thread = threading.Thread(target=send)
            thread.start()
            while reloader._step() is None:
                pass
            seen.set()
            thread.join()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert not too_late.is_set()


@pytest.mark.parametrize(
    "error", [OSError(28, "inotify watch limit reached"), UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no name")]
)
def test_where_the_system_cannot_watch_times_are_looked_at(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and what changed before is found all the same."""
    file = tmp_path / "extra.yaml"
    file.write_text("")

    class Refused(EventWatcher):
        name = "refused"

        def run(self, found: Found) -> None:
            os.utime(file, (1, 1))
            raise error

    said: list[str] = []
    monkeypatch.setattr("asyncflask.serving.reloader.say", said.append)
    monkeypatch.setattr(sys, "path", [])
    watcher = Refused(Files([str(file)]), 0.01)
    reloader = Reloader(t.cast(t.Any, None), watcher, 1.0, t.cast(t.Any, None))
    watcher.prepare()
    thread = threading.Thread(target=reloader._watch)
    thread.start()
    try:
        assert reloader._events.get(timeout=20) == ("changed", str(file))
        os.utime(file, (2, 2))
        assert reloader._events.get(timeout=20) == ("changed", str(file))
    finally:
        watcher.stop()  # it is one and the same end
        thread.join()
    assert len(said) == 1 and said[0].startswith(f"refused cannot watch ({error}")
