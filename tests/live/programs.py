"""Programs that serve: started as a user would, read line by line, stopped by signals."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from .servers import LIMIT

ROOT = Path(__file__).parents[2]
RUNNING = re.compile(r"Running on (https?)://([^\s:]+|\[[^\]]+\]):(\d+)")


class Program:
    """A Python program in a folder, in a process group of its own.

    Args:
        folder: where it runs.
        arguments: for the interpreter.
        environment: more variables.
        python: the interpreter.
    """

    def __init__(self, folder, *arguments, environment=None, python=sys.executable):
        more = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.lines = []
        self._more = threading.Condition()
        self.process = subprocess.Popen(
            [str(python), *map(str, arguments)],
            cwd=folder,
            env={**os.environ, **more, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="program-reader", daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self._more:
                self.lines.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self.lines.append(None)
            self._more.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        """Kill what is left of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        self.process.stdout.close()

    @property
    def text(self):
        return "\n".join(line for line in self.lines if line is not None)

    def wait_for(self, pattern, after=0):
        """Wait for a line that `pattern` is found in, from line `after` on; return the match."""
        until = time.monotonic() + LIMIT
        with self._more:
            while True:
                for line in self.lines[after:]:
                    if line is None:
                        raise AssertionError(f"it ended without {pattern!r}:\n{self.text}")
                    if found := re.search(pattern, line):
                        return found
                left = until - time.monotonic()
                if left <= 0 or not self._more.wait(left):
                    raise AssertionError(f"no {pattern!r} in time:\n{self.text}")

    @property
    def port(self):
        return int(self.wait_for(RUNNING)[3])

    def get(self, target="/", timeout=LIMIT, sent=None, **headers):
        """Send one GET; wait until somebody serves. Return status, body. `sent` is called when it has been sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", target, headers=headers)
            if sent is not None:
                sent()
            answer = connection.getresponse()
            self.headers = answer.headers
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get_until(self, wanted, target="/", part=False):
        """GET, again and again, until the body is `wanted`, or that is `part` of it."""
        until = time.monotonic() + LIMIT
        body = None
        while time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException):
                body = self.get(target, timeout=5)[1]
                if body == wanted or (part and wanted in body):
                    return
            time.sleep(0.02)  # nothing tells us from outside that the next process serves
        raise AssertionError(f"{body!r} is not {wanted!r}:\n{self.text}")

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Send a signal, and return the exit code; assert that no process of it is left."""
        if number is not None:
            self.send(number)
        code = self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 0)
            raise AssertionError(f"it left processes behind:\n{self.text}")
        return code
