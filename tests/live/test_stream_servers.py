"""Streams, uploads and files on uvicorn, hypercorn and granian, each a process of its own; and what SIGTERM does."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from ..flow.events import Reader
from .programs import Program
from .servers import LAST_PART, MULTIPART, Cut, Wire, chunked, part, request

HERE = Path(__file__).parent
LARGE = 3 * 1024 * 1024 + 17

COMMANDS = {
    "uvicorn": ["-m", "uvicorn", "--port", "PORT", "--log-level", "warning"],
    "hypercorn": ["-m", "hypercorn", "--bind", "127.0.0.1:PORT"],
    "granian": ["-m", "granian", "--port", "PORT", "--interface", "asgi", "--log-level", "warning"],
}
GUNICORN = ["-m", "gunicorn", "--bind", "127.0.0.1:PORT", "--log-level", "warning", "--no-control-socket"]
#: More ways to be told to stop.
STOPPED = COMMANDS | {
    "uvicorn, 2 workers": [*COMMANDS["uvicorn"], "--workers", "2"],
    "granian, 2 workers": [*COMMANDS["granian"], "--workers", "2"],
    "gunicorn, uvicorn worker": [*GUNICORN, "-k", "uvicorn_worker.UvicornWorker"],
    "gunicorn, asgi": [*GUNICORN, "-k", "asgi", "--asgi-lifespan", "on"],
}
NEEDS = {"gunicorn, uvicorn worker": "uvicorn_worker"}


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "large.bin"
    path.write_bytes(os.urandom(LARGE))
    return path


@contextlib.contextmanager
def started(server, large, folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [word.replace("PORT", str(port)) for word in STOPPED[server]]
    environment = {"LARGE": str(large), "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parents[1])))}
    with Program(folder, *command, "streaming_app:asgi", environment=environment) as program:
        program.connect = lambda: Wire(port)
        until = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError, Cut), Wire(port) as wire:
                wire.send(request("GET", "/alive"))
                assert wire.answer().text == "alive"
                # Each of them: granian's swallow a SIGTERM that comes before that.
                if count(program, "worker has started") == (2 if server.endswith("2 workers") else 1):
                    break
            assert time.monotonic() < until, program.text
            time.sleep(0.05)
        yield program


@pytest.fixture(scope="module", params=COMMANDS)
def program(request, large, tmp_path_factory):
    pytest.importorskip(request.param)
    with started(request.param, large, tmp_path_factory.mktemp("serving")) as program:
        program.name = request.param
        yield program


def count(program, text):
    return sum(line is not None and line.startswith(text) for line in program.lines)


@pytest.mark.parametrize("path", ["/events/async", "/events/def", "/endless/async", "/endless/def"])
def test_a_stream_is_closed_once_when_its_client_leaves(program, path):
    before = len(program.lines)
    with program.connect() as wire:
        wire.send(request("GET", path))
        assert wire.head().status == 200
        wire.take(10)
        wire.leave(rudely=True)
    program.wait_for(f"^closed {path} ", before)
    program.wait_for(f"^torn down {path} ", before)
    assert count(program, f"closed {path} ") == count(program, f"torn down {path} ") == 1


def test_events_and_heartbeats_arrive_as_they_are_made(program):
    reader = Reader()
    with program.connect() as wire:
        wire.send(request("GET", "/events/async", "Last-Event-ID: 41"))
        head = wire.head()
        assert head["content-type"] == "text/event-stream; charset=utf-8"
        while reader.comments < 2:
            reader.feed(wire.chunk())
    assert (reader.events, reader.retry) == ([("begin", '{"since": "41"}', "1")], 100)


def test_an_error_in_mid_stream_is_a_cut_off_answer(program):
    with program.connect() as wire, contextlib.suppress(Cut):
        wire.send(request("GET", "/broken"))
        answer = wire.answer()
        assert (answer.status, answer.whole) == (200, False)


@pytest.mark.parametrize("path", ["/file", "/file/async"])
def test_a_large_file(program, large, path):
    content = large.read_bytes()
    with program.connect() as wire:
        for lines, status, expected in [
            ((), 200, content),
            (("Range: bytes=100-1999999",), 206, content[100:2_000_000]),
            ((), 200, content),
        ]:
            wire.send(request("GET", path, *lines))
            answer = wire.answer()
            assert (answer.status, answer.body == expected) == (status, True)
            assert answer["content-length"] == str(len(expected))
        wire.send(request("HEAD", path))
        assert wire.answer("HEAD")["content-length"] == str(LARGE)


@pytest.mark.parametrize("path", ["/parts", "/parts/def"])
@pytest.mark.parametrize("framed", [True, False], ids=["length", "chunked"])
def test_a_form_in_parts(program, path, framed):
    pieces = [part(b"a", b"1"), part(b"f", b"y" * 700_000, b"name"), LAST_PART]
    body = b"".join(pieces)
    with program.connect() as wire:
        if framed:
            wire.send(request("POST", path, MULTIPART, body=body))
        else:
            wire.send(request("POST", path, MULTIPART, "Transfer-Encoding: chunked", body=chunked(*pieces)))
        answer = wire.answer()
    assert answer.json == {
        "parts": [["a", None, 1], ["f", "name", 700_000]],
        "received": len(body),
        "total": len(body) if framed else None,
    }


def test_an_answer_made_of_the_request_as_it_comes(program):
    with program.connect() as wire:
        wire.send(request("POST", "/echo", "Transfer-Encoding: chunked") + chunked(b"first", end=False))
        assert wire.head().status == 200
        assert wire.chunk() == b"first"
        wire.send(chunked(b"last"))
        assert (wire.chunk(), wire.chunk()) == (b"last", None)


def test_a_body_that_does_not_come_is_408(program):
    with program.connect() as wire:
        wire.send(request("POST", "/body", "Content-Length: 100") + b"x")
        assert wire.answer().status == 408
        assert wire.closed()


def test_a_client_that_takes_nothing_is_given_up(program):
    """Its stream is closed, and uvicorn has let go of its connection, though the client never reads on."""
    before = len(program.lines)
    with program.connect() as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.send(request("GET", "/endless/def"))
        program.wait_for("^closed /endless/def ", before)
        program.wait_for("^torn down /endless/def ", before)
        until = time.monotonic() + 20
        while program.name == "uvicorn" and is_held_by_its_server(wire):
            assert time.monotonic() < until
            time.sleep(0.02)


def is_held_by_its_server(wire):
    """Whether a process has the other end of a connection open: one that was closed has no inode any more."""
    client, server = wire.socket.getsockname()[1], wire.socket.getpeername()[1]
    table = Path("/proc/net/tcp")
    for line in table.read_text().splitlines()[1:] if table.exists() else ():
        _, local, remote, *_, inode = line.split()[:10]
        if (int(local.split(":")[1], 16), int(remote.split(":")[1], 16)) == (server, client):
            return inode != "0"
    return False


@pytest.mark.parametrize(
    "server", [*COMMANDS, *(pytest.param(name, marks=pytest.mark.slow) for name in STOPPED if name not in COMMANDS)]
)
def test_a_server_that_is_told_to_stop_stops_while_streams_are_open(server, large, tmp_path):
    """With no options: endless ones end at once, finite ones by themselves, the rest is cut off after its time.

    A worker of hypercorn's command is told neither by a signal nor by ASGI: it cuts streams off after 3 seconds.
    """
    pytest.importorskip(NEEDS.get(server, server.partition(",")[0]))
    paths = ["/events/async", "/events/def", "/endless/async", "/endless/def", "/finite"]
    with started(server, large, tmp_path) as program, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(program.connect()) for _ in paths]
        for wire, path in zip(wires, paths, strict=True):
            wire.send(request("GET", path))
            assert wire.head().status == 200
            wire.take(8)
        program.send(signal.SIGTERM)
        bodies = {path: ended(wire) for wire, path in zip(wires, paths, strict=True)}
        code = program.process.wait(20)
        for path in paths:
            program.wait_for(f"^closed {path} ")
    assert code in (0, -signal.SIGTERM), program.text
    assert {path: whole for path, whole in bodies.items() if path != "/finite"} == {
        "/events/async": server != "hypercorn",
        "/events/def": server != "hypercorn",
        "/endless/async": False,
        "/endless/def": False,
    }, program.text
    for path in paths:
        assert count(program, f"closed {path} ") == count(program, f"torn down {path} ") == 1, program.text


def ended(wire):
    """Read to the end; return whether it was a clean one."""
    data = wire.unread
    with contextlib.suppress(OSError):
        while piece := wire.socket.recv(65536):
            data = (data + piece)[-100:]
    return data.endswith(b"0\r\n\r\n")
