"""Signals that stop a server: kept while it starts, and handed on when it has ended."""

from __future__ import annotations

import contextlib
import signal
import threading
import typing as t
from collections.abc import Callable, Iterable, Iterator

STOPS = [signal.SIGINT, signal.SIGTERM]
#: From the reloader, to the process that it restarts: be quick.
HURRY: signal.Signals | None = getattr(signal, "SIGHUP", None)


@contextlib.contextmanager
def handled(numbers: Iterable[int], handler: Callable[[int, t.Any], None]) -> Iterator[None]:
    """Have `handler` called for the signals, in the main thread; put back afterwards what was there before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            # None: a handler that was not set from Python
            signal.signal(number, signal.SIG_DFL if old is None else old)


class Kept:
    """The signals that came while a server started, before it could react: clients may have sent requests already."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def while_starting(self, hurries: bool) -> contextlib.AbstractContextManager[None]:
        """Keep them, in a ``with``, that of the reloader too if it is one that `hurries`."""
        numbers = [*STOPS, HURRY] if hurries and HURRY is not None else STOPS
        return handled(numbers, lambda number, frame: self.numbers.append(number))


def hand_on(caught: list[int]) -> None:
    """Do what a signal that ended the server does to the program: its own handler runs; SIGTERM alone is an exit."""
    for number in dict.fromkeys(caught):
        handler = signal.getsignal(number)
        if callable(handler) and handler is not signal.default_int_handler:
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(number)
    if signal.SIGTERM in caught and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        raise SystemExit(0)
