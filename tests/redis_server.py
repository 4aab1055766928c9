"""A real Redis for a test: on a free port of the loopback interface, with nothing on disk."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time

import pytest

#: Seconds after which it ought to answer.
LIMIT = 20.0


class RedisServer:
    """A server that can be stopped and started again on its port."""

    def __init__(self) -> None:
        self.program = shutil.which("redis-server")
        if self.program is None:
            pytest.skip("redis-server is not installed (Debian's package redis-server)")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([self.program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + LIMIT
        while not self._answers():
            assert self.process.poll() is None, "redis-server did not start"
            assert time.monotonic() < until, "redis-server does not answer"
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        """Stop it; once stopped there is nothing to do."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(LIMIT)
            self.process = None
