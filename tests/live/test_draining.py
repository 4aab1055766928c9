"""SIGTERM with ``SHUTDOWN_DELAY``: uvicorn still answers, and is no longer ready; a second SIGTERM ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from .servers import LIMIT, Wire, request

APP = """
import os
from asyncflask import App
from asyncflask.health import Health

app = App(__name__)
app.config["SHUTDOWN_DELAY"] = float(os.environ["DELAY"])
app.add_url_rule("/", "index", lambda: "answered")
Health(app)
"""


def status(port, path):
    with Wire(port) as wire:
        wire.send(request("GET", path, "Connection: close"))
        return wire.answer().status


def start(tmp_path, delay):
    (tmp_path / "draining.py").write_text(APP)
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(tmp_path), "draining:app", "--port", "0"]
    environment = os.environ | {"DELAY": str(delay), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "running on" in line:
            return process, int(line.split("127.0.0.1:")[1].split()[0])
    raise AssertionError("uvicorn did not start")


def test_it_is_not_ready_before_it_ends(tmp_path):
    process, port = start(tmp_path, delay=600)
    with process:
        assert status(port, "/readyz") == 200
        process.send_signal(signal.SIGTERM)
        until = time.monotonic() + LIMIT
        while status(port, "/readyz") != 503:
            assert time.monotonic() < until
        assert status(port, "/") == 200 and status(port, "/livez") == 200
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()
        assert process.wait(LIMIT) == -signal.SIGTERM


def test_it_ends_when_the_delay_is_over(tmp_path):
    process, port = start(tmp_path, delay=0.05)
    with process:
        assert status(port, "/readyz") == 200
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()
        assert process.wait(LIMIT) == -signal.SIGTERM
