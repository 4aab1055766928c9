"""Large bodies on a real uvicorn: little memory, a loop that goes on, no false 413.

``python -m tests.live.test_large_uploads [MiB]`` prints what each way costs, by default with 1024 MiB.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path

import pytest

from .programs import Program
from .servers import Wire, request

HERE = Path(__file__).parent
MIB = 2**20
PIECE = bytes(range(256)) * 256
HEAD = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="large"\r\n\r\n'
TAIL = b"\r\n--frontier--\r\n"
MULTIPART = "Content-Type: multipart/form-data; boundary=frontier"

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")


@contextlib.contextmanager
def served(folder):
    words = ["-m", "uvicorn", "--app-dir", HERE, "--port", "0", "--no-use-colors", "--no-access-log", "upload_app:asgi"]
    with Program(folder, *words) as program:
        port = int(program.wait_for(r"running on http://[\d.]+:(\d+)")[1])
        yield lambda: Wire(port)


def ask(connect, *args):
    with connect() as wire:
        wire.send(request(*args))
        return json.loads(wire.answer().body)


def sent(connect, target, mib, chunked=False):
    """Send a body of so many MiB; return its size as the view has counted it, and what it has cost."""
    form = target.startswith(("/parts", "/saved", "/form"))
    before = ask(connect, "POST", "/reset")["rss"]
    framing = "Transfer-Encoding: chunked"
    if not chunked:
        framing = f"Content-Length: {mib * MIB + form * len(HEAD + TAIL)}"

    def chunk(data):
        return b"%x\r\n%s\r\n" % (len(data), data) if chunked else data

    began = time.monotonic()
    with connect() as wire:
        wire.socket.settimeout(300)
        wire.send(request("POST", target, framing, *([MULTIPART] if form else [])))
        if form:
            wire.send(chunk(HEAD))
        piece = chunk(PIECE)
        for _ in range(mib * MIB // len(PIECE)):
            wire.socket.sendall(piece)
        wire.send((chunk(TAIL) if form else b"") + (b"0\r\n\r\n" if chunked else b""))
        answer = wire.answer()
    cost = ask(connect, "GET", "/cost")
    cost |= {"seconds": time.monotonic() - began, "added_mib": (cost.pop("peak") - before) / 1024}
    return answer.status, answer.text, cost


@pytest.fixture(scope="module")
def connect(tmp_path_factory):
    with served(tmp_path_factory.mktemp("uploads")) as connect:
        sent(connect, "/parts/async", 8)  # what is loaded with the first request is no cost of it
        sent(connect, "/parts/def", 8)
        yield connect


@pytest.mark.parametrize("target", ["/stream/async", "/stream/def", "/parts/async", "/parts/def"])
def test_a_slow_consumer_of_a_large_upload(connect, target):
    """The client is held up: what it sends is not piled up anywhere."""
    mib = 48
    status, size, cost = sent(connect, f"{target}?pause=0.001", mib)
    assert (status, size) == (200, str(mib * MIB))
    assert cost["added_mib"] < 20


def test_200_mib_in_chunks_are_no_413(connect):
    status, size, cost = sent(connect, "/stream/async", 200, chunked=True)
    assert (status, size) == (200, str(200 * MIB))
    assert cost["added_mib"] < 20


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", ["/stream/async", "/parts/async", "/parts/def", "/form"])
def test_1_gib_with_a_slow_consumer(connect, target):
    """By its CPU time between two turns, the loop was never away for long; by the clock, other programs count too."""
    status, size, cost = sent(connect, f"{target}?pause=0.002", 1024)
    assert (status, size) == (200, str(1024 * MIB))
    assert cost["added_mib"] < 20
    assert cost["stall_cpu_ms"] < 20


if __name__ == "__main__":
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    with tempfile.TemporaryDirectory() as folder, served(folder) as connect:
        sent(connect, "/parts/async", 8)
        sent(connect, "/parts/def", 8)
        for target, chunked in [
            ("/stream/async?pause=0.002", False),
            ("/stream/def?pause=0.002", False),
            ("/parts/async?pause=0.002", False),
            ("/parts/def?pause=0.002", False),
            ("/stream/async", True),
            ("/parts/async", True),
            (f"/saved?path={folder}/saved", False),
            ("/form", False),
        ]:
            status, size, cost = sent(connect, target, mib, chunked)
            assert (status, size) == (200, str(mib * MIB)), (target, status, size)
            print(
                f"{target.partition('path')[0]:28} {'chunked' if chunked else 'length':8} {mib} MiB"
                f" {cost['seconds']:6.1f} s  +{cost['added_mib']:.1f} MiB  longest stall"
                f" {cost['stall_ms']:.1f} ms by the clock, {cost['stall_cpu_ms']:.1f} ms of CPU"
            )
