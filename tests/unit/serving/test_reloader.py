"""The process that only watches."""

from __future__ import annotations

import os
import signal
import threading
import typing as t
from queue import SimpleQueue

import pytest

from asyncflask.serving.interrupts import handled
from asyncflask.serving.reloader import Reloader


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
