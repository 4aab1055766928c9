"""The reloader: a process that watches files, and one under it that serves and is started again when they change.

The socket is opened once, here, and inherited: while the application starts anew clients wait instead of being refused.
The application may also fail, by an error in its code: then it is started again after the next change, and until then a
stand-in tells clients so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import typing as t
from queue import Empty, SimpleQueue

from . import access_log
from .channel import VARIABLE, Channel, loaded_files
from .command import again
from .interrupts import HURRY, STOPS, handled
from .notice import StandIn
from .options import BadOption
from .processes import SOCKET
from .watchers import Watcher, watcher_of, why_not
from .watching import Watched

if t.TYPE_CHECKING:
    import socket

RUN_MAIN = "WERKZEUG_RUN_MAIN"
PATIENCE = 1.0
"""Seconds after which a process that is to be restarted is killed."""
OVERTIME = 5.0
"""Seconds beyond the graceful timeout after which it is killed when everything stops."""
LOOK_AGAIN = 0.5
"""Seconds after which a signal is seen that has not woken us: one that came just before we began to wait."""
RESTART = 3
"""The exit code by which an application asks to be started again, as under Werkzeug."""

_ENDED = """\
The application ended with {how}.

What it said last is in its terminal. It starts again when one of its files is saved; then reload this page.
"""

Event = tuple[str, t.Any]


class Reloader:
    """Watches, and runs this program's command again in a process under it.

    Args:
        listener: the socket to serve.
        watcher: notices changes.
        grace: seconds that the process has when everything stops.
        stand_in: answers while the application has failed.
    """

    def __init__(self, listener: socket.socket, watcher: Watcher, grace: float, stand_in: StandIn) -> None:
        self.listener = listener
        self.watcher = watcher
        self.grace = grace
        self.stand_in = stand_in
        self._events: SimpleQueue[Event] = SimpleQueue()  # may be put into by a signal handler
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Serve until a signal, or until the application ends by itself; return the exit code."""
        if threading.current_thread() is not threading.main_thread():
            raise BadOption("The reloader works in the main thread only; say use_reloader=False here.")
        with handled([*STOPS, *([HURRY] if HURRY else []), signal.SIGCHLD], self._signalled):
            self.watcher.prepare()
            threading.Thread(target=self._watch, name="asyncflask-reloader", daemon=True).start()
            try:
                self._start()
                while (code := self._step()) is None:
                    pass
                return code
            finally:
                self._end_process(signal.SIGKILL, 0)
                self.stand_in.end()
                self.watcher.stop()

    # -- what happens ----------------------------------------------------------------------------------------------

    def _signalled(self, number: int, frame: t.Any) -> None:
        self._events.put(("ended" if number == signal.SIGCHLD else "stop", number))

    def _watch(self) -> None:
        def found(path: str) -> None:
            self._events.put(("changed", path))

        try:
            self.watcher.run(found)
        except (OSError, RuntimeError, UnicodeError) as error:
            say(f"{self.watcher.name} cannot watch ({why_not(error)}). Times of files are looked at instead.")
            self.watcher = self.watcher.by_times()
            self.watcher.catch_up(found)
            self.watcher.run(found)

    def _step(self) -> int | None:
        """Wait for something and react; return the exit code at the end."""
        try:
            kind, what = self._events.get(timeout=LOOK_AGAIN)
        except Empty:
            return None
        if kind == "stop":
            return self._end_process(signal.SIGTERM, self.grace + OVERTIME)
        if kind == "changed":
            say(f"Detected change in {what!r}, reloading")
            if self._process is not None:
                self._end_process(HURRY or signal.SIGTERM, PATIENCE)
            self._forget_changes()
            self._start()
        elif self._process is not None and (code := self._process.poll()) is not None:
            return self._ended(code)
        return None

    def _forget_changes(self) -> None:
        """What changed until now is in the code that is started next."""
        others = []
        with contextlib.suppress(Empty):
            while True:
                event = self._events.get_nowait()
                others += [event] if event[0] == "stop" else []
        for event in others:
            self._events.put(event)

    def _ended(self, code: int) -> int | None:
        """React to a process that ended by itself."""
        self._process = None
        if code == RESTART:
            self._start()
            return None
        if code == 0:
            return 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        say(f"The application ended with {how}; waiting for a file to change before it is started again.")
        self.stand_in.begin(_ENDED.format(how=how))
        self.watcher.urgent.set()
        return None

    # -- the process -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        say(f"Restarting with {self.watcher.name}")
        self.stand_in.end()
        ensure_echo()
        ours, theirs = Channel.pair()
        descriptors = (self.listener.fileno(), theirs.fileno())
        environment = os.environ | {RUN_MAIN: "true", SOCKET: str(descriptors[0]), VARIABLE: str(descriptors[1])}
        self._process = subprocess.Popen(again(), env=environment, pass_fds=descriptors)
        theirs.close()
        threading.Thread(target=self._listen, args=(ours,), name="asyncflask-reloader-line", daemon=True).start()

    def _listen(self, channel: Channel) -> None:
        """Take in what the process tells of the files that it has loaded."""
        while not channel.over:
            self.watcher.watched.add_loaded(channel.read(wait=True))
            if channel.ready:
                self.watcher.urgent.clear()
        channel.close()

    def _end_process(self, by: int, patience: float) -> int:
        """End the process, and kill it if it takes longer than `patience`; return its exit code, 0 if there is none."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return 0 if process is None else max(process.returncode, 0)
        process.send_signal(by)
        until = time.monotonic() + patience
        try:
            return max(process.wait(max(until - time.monotonic(), 0.01)), 0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return 0


def run_with_reloader(
    listener: socket.socket,
    kind: str,
    interval: float,
    extra_files: list[str],
    exclude_patterns: list[str],
    grace: float,
    ssl_context: t.Any = None,
) -> int:
    """Serve under a reloader; return the exit code. See `run_simple` for the arguments."""
    watched = Watched(extra_files, exclude_patterns, loaded_files())
    return Reloader(listener, watcher_of(kind, watched, interval), grace, StandIn(listener, ssl_context)).run()


def say(text: str) -> None:
    """Tell the user what the reloader does."""
    access_log.prepare(access_log.log)
    access_log.log.info(" * %s", text)


def ensure_echo() -> None:
    """Switch the terminal's echo on: a process that ended inside of a debugger may have left it off."""
    if os.name != "posix" or sys.stdin is None or not sys.stdin.isatty():
        return
    import termios

    attributes = termios.tcgetattr(sys.stdin)
    if not attributes[3] & termios.ECHO:
        attributes[3] |= termios.ECHO
        termios.tcsetattr(sys.stdin, termios.TCSANOW, attributes)
