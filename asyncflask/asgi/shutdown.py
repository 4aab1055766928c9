"""The end of serving: an event that handlers can see, and open streams that are ended, so that a server can stop.

Servers wait for open connections before they tell an application, by its lifespan, that they stop. A stream that goes
on until its client leaves would hold them up for ever, so the application has to hear of it earlier: from a server
that calls ``App.begin_shutdown``, or from the signal that tells the server (`SignalWatch`).
"""

from __future__ import annotations

import signal
import threading
import typing as t
from contextlib import suppress

from ..lazy import late_module

if t.TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")


class ShutdownEvent:
    """Set once the server has been told to stop. It may be waited for on any loop and in any thread."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._waiting: set[asyncio.Future[None]] = set()
        self._being_set = False
        # A signal handler that calls `set` may have interrupted this very thread while it holds the lock.
        self._lock = threading.RLock()

    def is_set(self) -> bool:
        """Return whether the server stops."""
        return self._event.is_set()

    def set(self) -> None:
        """Let everybody know. From any thread."""
        with self._lock:
            if self._being_set:
                return
            self._being_set = True
            self._event.set()
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            with suppress(RuntimeError):  # its loop has ended since
                future.get_loop().call_soon_threadsafe(_settle, future)

    def clear(self) -> None:
        """Begin anew, as an application does that is served again."""
        self._event.clear()
        self._being_set = False

    async def wait(self) -> None:
        """Return when it is set. On a loop."""
        future = asyncio.get_running_loop().create_future()
        try:
            with self._lock:
                self._waiting.add(future)
                if self._event.is_set():
                    return
            await future
        finally:
            self._waiting.discard(future)

    def wait_in_thread(self, timeout: float | None = None) -> bool:
        """Wait in a thread, `timeout` seconds at most; return whether it is set.

        A generator of a ``def`` view that pauses by this, instead of ``time.sleep``, ends without delay.
        """
        return self._event.wait(timeout)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Stream(t.Protocol):
    """An answer that is being sent piece by piece, or a websocket."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that serves it."""
        ...

    def end(self, *, cleanly: bool) -> None:
        """End it. On its loop."""
        ...


class OpenStreams:
    """The streams that are being sent, and the open websockets, to be ended when the server stops.

    Those that go on until somebody ends them are ended at once. The others may come to their ends by themselves until
    their time is up; then they are cut off.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # `end_all` may be called by a signal handler that interrupts `add`
        self._open: dict[Stream, bool] = {}
        self._patience: float | None = None

    def add(self, stream: Stream, endless: bool) -> None:
        """One begins. On its loop."""
        with self._lock:
            self._open[stream] = endless
            patience = self._patience
        if patience is not None:
            _end(stream, endless, patience)

    def discard(self, stream: Stream) -> None:
        """It has ended."""
        self._open.pop(stream, None)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._open)

    def end_all(self, patience: float) -> None:
        """Let streams end from now on; those that can have `patience` seconds for it. From any thread."""
        with self._lock:
            if self._patience is not None:
                return
            self._patience = patience
            streams = list(self._open.items())
        for stream, endless in streams:
            with suppress(RuntimeError):  # its loop has ended since
                stream.loop.call_soon_threadsafe(_end, stream, endless, patience)

    def begin(self) -> None:
        """Streams may go on again."""
        self._patience = None


def _end(stream: Stream, endless: bool, patience: float) -> None:
    if endless:
        stream.end(cleanly=True)
    else:  # nothing happens to one that has ended by then
        stream.loop.call_later(patience, lambda: stream.end(cleanly=False))


class SignalWatch:
    """Calls a function when a signal tells the server to stop, before the server's own handler.

    Args:
        told: called in the main thread, between any two of its steps; it must be quick and must not fail.
        delay: seconds for which the first SIGTERM is kept from the server's handler: a load balancer is to see first
            that no more requests are wanted here. A second one reaches the server at once.

    Nothing is watched outside of the main thread, nor where the server has no handler of its own. Servers that hear of
    signals by their loop (hypercorn, gunicorn's asgi worker) are told, and not delayed.
    """

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, told: t.Callable[[], None], delay: float = 0.0) -> None:
        self._told: t.Callable[[], None] | None = told
        self._delay = delay
        self._loop = asyncio.get_running_loop() if delay else None
        self._before: dict[int, t.Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                before = signal.getsignal(number)
                if callable(before) and before is not signal.default_int_handler:
                    self._before[number] = before
                    signal.signal(number, self._handle)

    def _handle(self, number: int, frame: t.Any) -> None:
        if self._told is not None:
            self._told()
        loop, self._loop = self._loop, None
        if loop is not None and number == signal.SIGTERM:
            loop.call_soon_threadsafe(loop.call_later, self._delay, self._before[number], number, None)
        else:
            self._before[number](number, frame)

    def stop(self) -> None:
        """Watch no more, and give each signal back unless somebody else has taken it since."""
        self._told = None
        for number, before in self._before.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, before)
