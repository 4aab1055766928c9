"""Several processes that serve one socket: forked from this one, replaced when they die, and told when to stop.

Signals: SIGTERM and SIGINT stop all of them gently. SIGTTIN starts one more, SIGTTOU ends one. SIGHUP replaces all by
processes that run the program's command anew, with the code as it is now; none of the old ones stops before its
successor serves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
import typing as t
from queue import Empty, SimpleQueue

from . import access_log
from .channel import VARIABLE, Channel, loaded_files
from .command import again
from .interrupts import HURRY, handled

if t.TYPE_CHECKING:
    from .web import WebServer

HANDLED = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGTTIN", "SIGTTOU", "SIGCHLD")
    if hasattr(signal, name)
]
#: Says to a process that it is a worker, which serves what it is given and supervises nothing.
WORKER = "ASYNCFLASK_WORKER"
SOCKET = "WERKZEUG_SERVER_FD"

RETRY = 1.0
"""Seconds between two attempts to start a worker that dies before it serves, or within this time."""
LOOK_AGAIN = 0.05
"""Seconds between two looks at workers that are about to serve, or about to end."""
OVERTIME = 5.0
"""Seconds beyond the graceful timeout after which a worker that does not end is killed."""

Process = t.Union["Forked", "subprocess.Popen[bytes]"]


class Forked:
    """A child of `os.fork`, with what of `subprocess.Popen` is needed."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = 0
                return 0
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Worker:
    """One process that serves.

    Args:
        process: its handle.
        channel: our end of the line to it.
        successor_of: the worker that stops when this one serves.
    """

    def __init__(self, process: Process, channel: Channel, successor_of: Worker | None = None) -> None:
        self.process = process
        self.channel = channel
        self.successor_of = successor_of
        self.began: float = time.monotonic()
        self.retired: bool = False

    def look(self) -> int | None:
        """Bring `serves` up to date; return the exit code if it has ended."""
        code = self.process.poll()
        self.channel.read()
        return code

    @property
    def serves(self) -> bool:
        """Whether it has begun to."""
        return self.channel.ready

    def tell(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)


class Supervisor:
    """Starts workers and looks after them.

    Args:
        server: what they serve; its socket is shared by all of them.
        restarts: whether SIGHUP replaces the workers; otherwise it comes from the reloader, and stops them quickly.
    """

    def __init__(self, server: WebServer, restarts: bool = True) -> None:
        self.server: WebServer = server
        self.wanted: int = server.options.processes
        self.restarts: bool = restarts
        self.workers: list[Worker] = []
        self.anew: bool = False  # whether new workers run the command again: our own copy of the code is outdated
        self.stopping: bool = False
        self.caught: list[int] = []
        self.retry_at: float = 0.0
        self.deadline: float | None = None
        self._events: SimpleQueue[int] = SimpleQueue()  # may be put into by a signal handler
        self._failed = False

    def run(self, channel: Channel | None = None, kept: t.Sequence[int] = ()) -> list[int]:
        """Keep the workers running until a signal; return the signals that ended it.

        Args:
            kept: signals that have come already.
            channel: to a reloader, in whose place we are told what to watch, and which ends us by ending.

        Raises:
            SystemExit: the first workers did not start (1).
        """
        if channel is not None:
            channel.tell_files(loaded_files())
            channel.tell_ready()
        with handled(HANDLED, lambda number, frame: self._events.put(number)):
            for number in kept:  # nothing is added to them any more
                self._events.put(number)
            try:
                self._start_missing()
                while self.workers or not self.stopping:
                    self._step(channel)
            finally:
                for worker in self.workers:
                    worker.tell(signal.SIGKILL)
        if self._failed:
            raise SystemExit(1)
        return self.caught

    def _step(self, channel: Channel | None) -> None:
        self._handle(self._next_event())
        self._look_after_workers()
        if channel is not None and not self.stopping:
            channel.read()
            if channel.over:
                self._stop(signal.SIGTERM)

    def _next_event(self) -> int | None:
        waits = self.stopping or len(self.workers) != self.wanted or not all(w.serves for w in self.workers)
        try:
            return self._events.get(timeout=LOOK_AGAIN if waits else 1.0)
        except Empty:
            return None

    def _handle(self, event: int | None) -> None:
        match event:
            case signal.SIGINT | signal.SIGTERM:
                self._stop(signal.SIGTERM, event)
            case signal.SIGHUP if not self.restarts:
                self._stop(signal.SIGHUP, event)
            case signal.SIGHUP:
                self._replace_all()
            case signal.SIGTTIN:
                self.wanted += 1
                say(f"{self.wanted} processes are wanted now.")
            case signal.SIGTTOU if self.wanted > 1:
                self.wanted -= 1
                say(f"{self.wanted} processes are wanted now.")

    def _stop(self, with_signal: int, caught: int | None = None) -> None:
        if caught is not None:
            self.caught.append(caught)
        if self.stopping:
            return
        self.stopping = True
        self.server.socket.close()  # the workers close theirs: then nobody is let in any more
        self.deadline = time.monotonic() + self.server.options.graceful_timeout + OVERTIME
        for worker in self.workers:
            worker.tell(with_signal)

    # -- looking after them ----------------------------------------------------------------------------------------

    def _look_after_workers(self) -> None:
        for worker in list(self.workers):
            code = worker.look()
            if code is not None:
                self.workers.remove(worker)
                worker.channel.close()
                self._ended(worker, code)
            elif worker.serves and worker.successor_of is not None:
                self._retire(worker.successor_of)
                worker.successor_of = None
        if self.stopping:
            if self.deadline is not None and time.monotonic() > self.deadline:
                for worker in self.workers:
                    worker.tell(signal.SIGKILL)
            return
        active = [worker for worker in self.workers if not worker.retired and worker.successor_of is None]
        for worker in active[self.wanted :]:
            self._retire(worker)
        if time.monotonic() >= self.retry_at:
            self._start_missing()

    def _retire(self, worker: Worker) -> None:
        if not worker.retired:
            worker.retired = True
            worker.tell(signal.SIGTERM)

    def _ended(self, worker: Worker, code: int) -> None:
        """React to the end of a worker, expected or not."""
        if self.stopping or worker.retired:
            return
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if worker.successor_of is not None:
            say(f"Worker {worker.process.pid} {how} before it served; the old one goes on.")
        elif worker.serves:
            say(f"Worker {worker.process.pid} {how}; another takes its place.")
            if time.monotonic() < worker.began + RETRY:  # whatever it is, it may well happen again at once
                self.retry_at = time.monotonic() + RETRY
        elif any(other.serves for other in self.workers):
            self.retry_at = time.monotonic() + RETRY
            say(f"Worker {worker.process.pid} {how} before it served; another is tried in {RETRY:g} s.")
        else:
            say(f"Worker {worker.process.pid} {how} before it served; the server stops.")
            self._failed = True
            self._stop(signal.SIGTERM)

    def _start_missing(self) -> None:
        active = [worker for worker in self.workers if not worker.retired and worker.successor_of is None]
        for _ in range(self.wanted - len(active)):
            self.workers.append(self._start())

    def _replace_all(self) -> None:
        if any(worker.successor_of is not None for worker in self.workers):
            return  # it is going on
        self.anew = True
        say("Starting new workers; the old ones end when these serve.")
        active = [worker for worker in self.workers if not worker.retired]
        self.workers += [self._start(successor_of=worker) for worker in active]

    # -- starting one ----------------------------------------------------------------------------------------------

    def _start(self, successor_of: Worker | None = None) -> Worker:
        ours, theirs = Channel.pair()
        process = self._run_again(theirs) if self.anew else self._fork(ours, theirs)
        theirs.close()
        return Worker(process, ours, successor_of)

    def _run_again(self, theirs: Channel) -> Process:
        descriptors = (self.server.fileno(), theirs.fileno())
        environment = os.environ | {WORKER: "1", SOCKET: str(descriptors[0]), VARIABLE: str(descriptors[1])}
        return subprocess.Popen(again(), env=environment, pass_fds=descriptors)

    def _fork(self, ours: Channel, theirs: Channel) -> Process:
        # Signals wait until the child has let go of our handlers, or it would lose them.
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                self._be_worker(ours, theirs)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        return Forked(pid)

    def _be_worker(self, ours: Channel, theirs: Channel) -> t.NoReturn:
        code: t.Any = 1
        try:
            for number in HANDLED:
                signal.signal(number, signal.SIG_IGN if number == HURRY else signal.SIG_DFL)
            # The others' ends would keep their lines open after the supervisor's death.
            for line in (ours, *(worker.channel for worker in self.workers)):
                line.close()
            self.server.serve_as_worker(theirs, lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED))
            code = 0
        except SystemExit as end:
            code = end.code
            if isinstance(code, str):
                print(code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def say(text: str) -> None:
    """Tell the user what became of the processes."""
    access_log.prepare(access_log.log)
    access_log.log.info(" * %s", text)
