"""uvicorn's server, stopped gently: what is in flight ends, open streams and websockets are told, then the app is.

The order of a stop is `Server.shutdown`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import typing as t
from types import FrameType

import uvicorn

from .channel import Channel, loaded_files
from .interrupts import HURRY, STOPS, handled

SETTLE = 5
"""Turns of the loop in which what clients have already sent becomes requests, before connections are closed."""
MOST_TURNS = 50
"""Turns in which connections are still accepted, at most."""
LOOK_AGAIN = 0.02
"""Seconds between two looks at whether the last request has ended."""
HURRIED = 0.3
"""Seconds that requests in flight have when the reloader restarts the server."""
LAST_WORDS = 1.0
"""Seconds that requests which were cut off have for their teardown."""

log: logging.Logger = logging.getLogger("uvicorn.error")
_left: list[asyncio.Runner] = []


class Server(uvicorn.Server):
    """Serves until `stop` or a signal.

    Args:
        config: of uvicorn.
        application: is told by `begin_shutdown()`, if it has that, when the stop begins; its open streams end then.
        grace: seconds that requests in flight may take to end.
        channel: to the process that started this one: told when we serve, and its end stops us.
        hurries: whether SIGHUP is the reloader's.
        caught: signals that have come already, and those that come before we take over from who keeps them there.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        application: t.Any,
        grace: float,
        channel: Channel | None = None,
        hurries: bool = False,
        caught: list[int] | None = None,
    ) -> None:
        super().__init__(config)
        self.application = application
        self.grace: float = grace
        self.channel = channel
        self.signals: list[signal.Signals] = [*STOPS, HURRY] if hurries and HURRY is not None else STOPS
        self.caught: list[int] = [] if caught is None else caught
        #: whether a request goes on although it was cut off: a thread that nothing can stop
        self.stuck: bool = False
        #: called then, before the application is shut down
        self.when_stuck: t.Callable[[], None] = lambda: None
        #: what `passthrough_errors` lets through
        self.failure: BaseException | None = None
        self._wake: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._files: set[str] = set()

    # -- from anywhere ---------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Begin to stop, from any thread or signal handler."""
        self.should_exit = True
        if self._wake is not None:
            loop, event = self._wake
            with contextlib.suppress(RuntimeError):  # closed since
                loop.call_soon_threadsafe(event.set)

    def fail(self, error: BaseException) -> None:
        """Stop because of an error, which the caller of `run` is to get."""
        if self.failure is None:
            self.failure = error
            self.grace = 0.0
        self.stop()

    # -- signals ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def capture_signals(self) -> t.Generator[None, None, None]:
        """Let signals stop us, and put back what was there before."""
        with handled(self.signals, self.handle_exit):
            if self.caught:
                self.should_exit = True
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at the second Ctrl-C without waiting for anything."""
        if self.should_exit and sig == signal.SIGINT and signal.SIGINT in self.caught:
            self.force_exit = True
        self.caught.append(sig)
        self.stop()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on a loop of its own; see `uvicorn.Server.run`."""
        runner = asyncio.Runner(loop_factory=self.config.get_loop_factory())
        try:
            runner.run(self.serve(sockets=sockets))
        finally:
            if self.stuck:
                # To close the loop is to wait for every task, and so for the thread: left to the end of the process.
                runner.get_loop().set_exception_handler(lambda loop, context: None)
                _left.append(runner)
            else:
                runner.close()

    # -- the order of events ---------------------------------------------------------------------------------------

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        self._wake = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets=sockets)
        if self.channel is not None:
            self._tell_files()
            self.channel.tell_ready()
            asyncio.get_running_loop().add_reader(self.channel.fileno(), self._orphaned)

    def _orphaned(self) -> None:
        assert self.channel is not None
        self.channel.read()
        if self.channel.over:
            asyncio.get_running_loop().remove_reader(self.channel.fileno())
            self.stop()

    async def main_loop(self) -> None:
        """Wait for the stop. uvicorn's tick, ten times a second, keeps the Date header."""
        assert self._wake is not None
        event, tick = self._wake[1], 0
        while not await self.on_tick(tick):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), 0.1)
            tick = (tick + 1) % 864000
            if tick % 20 == 0:
                self._tell_files()

    def _tell_files(self) -> None:
        if self.channel is not None and self.channel.wants_files:
            files = loaded_files()
            self.channel.tell_files(files - self._files)
            self._files |= files

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: tell the application, take no more connections, let requests end, end the lifespan."""
        begin = getattr(self.application, "begin_shutdown", None)
        if begin is not None:
            begin()
        await self._let_in()
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for _ in range(SETTLE):  # what is on its way on them
            await asyncio.sleep(LOOK_AGAIN)
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if not await self._ended(HURRIED if HURRY in self.caught else self.grace):
            await self._cut_off()
        if not self.force_exit:
            await self.lifespan.shutdown()

    async def _let_in(self) -> None:
        """Accept the connections that clients have made already: what waits at a closed socket is reset."""
        known, turns = -1, 0
        while known != (known := len(self.server_state.connections)) or turns < SETTLE:
            turns += 1
            await asyncio.sleep(LOOK_AGAIN / 4)
            if turns == MOST_TURNS:  # they keep coming
                return

    async def _ended(self, seconds: float) -> bool:
        """Wait for the last request and the last connection; return whether they ended in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while self.server_state.connections or self.server_state.tasks:
            if self.force_exit or loop.time() >= until:
                return False
            await asyncio.sleep(LOOK_AGAIN)
        return True

    async def _cut_off(self) -> None:
        tasks = set(self.server_state.tasks)
        if tasks and not self.force_exit and self.failure is None and HURRY not in self.caught:
            log.warning("%d requests did not end within %g seconds and are cut off.", len(tasks), self.grace)
        for task in tasks:
            task.cancel("The server stops.")
        if tasks:
            _, going_on = await asyncio.wait(tasks, timeout=LAST_WORDS)
            self.stuck = bool(going_on)
            if self.stuck:
                self.when_stuck()
        for connection in list(self.server_state.connections):
            if (transport := getattr(connection, "transport", None)) is not None:
                transport.abort()
