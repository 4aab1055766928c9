"""Programs that serve: how they start, run in one process or several, are told to stop, and what is left of them."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import threading
import time

import pytest

from .programs import ROOT, Program
from .servers import LIMIT

APP = ROOT / "tests" / "live" / "serving_app.py"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")


@pytest.fixture
def run(tmp_path):
    """A function that starts the tests' app with options for `App.run`."""
    with contextlib.ExitStack() as stack:
        yield lambda options="": stack.enter_context(Program(tmp_path, APP, options))


def wait_until(condition):
    until = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def burst(program, target, count):
    """Send `count` requests at once, each on a connection of its own; return a function that waits for the answers."""
    answers, sent = [], []

    def ask():
        try:
            answers.append(program.get(target, sent=lambda: sent.append(1)))
        except (OSError, http.client.HTTPException) as error:
            answers.append((type(error).__name__, str(error)))

    clients = [threading.Thread(target=ask, daemon=True) for _ in range(count)]
    for client in clients:
        client.start()
    wait_until(lambda: len(sent) == count or len(answers) == count)

    def wait():
        for client in clients:
            client.join(LIMIT)
        return answers

    return wait


# -- starting


@pytest.mark.parametrize(
    ("options", "mode", "thread"),
    [
        ("", "1 process, 40 threads", "asyncflask-"),
        pytest.param("threaded=False", "1 process, no threads", "MainThread", marks=pytest.mark.slow),
        ("processes=2, threads=3", "2 processes, 3 threads each", "asyncflask-"),
        ("processes=2, threaded=False", "2 processes, no threads", "MainThread"),
    ],
)
def test_modes(run, options, mode, thread):
    program = run(options)
    program.wait_for(re.escape(f" * {mode}"))
    assert program.wait_for("Press CTRL")
    assert program.get("/thread")[1].startswith(thread)
    assert "WARNING" not in program.text
    if "processes" in options:
        assert program.get("/pid")[1] != str(program.process.pid)
    assert program.end(signal.SIGINT) == 0
    program.wait_for("run returned")
    assert "Traceback" not in program.text


def test_every_process_serves_the_one_socket(run):
    program = run("processes=2")
    pids = set()
    until = time.monotonic() + LIMIT
    while len(pids) < 2 and time.monotonic() < until:
        pids |= {body for _, body in burst(program, "/pid", 20)()}
    assert len(pids) == 2
    assert program.end() == 0


def test_a_program_under_the_command_line_does_not_run_its_server(tmp_path):
    with Program(tmp_path, APP, environment={"FLASK_RUN_FROM_CLI": "true"}) as program:
        assert program.end(None) == 0
        assert "Ignoring a call to 'app.run()'" in program.text and "run returned" in program.text


# -- stopping


@pytest.mark.parametrize(
    "options",
    ["threads=100", "threads=50, processes=2", pytest.param("threaded=True", marks=pytest.mark.slow)],
)
def test_requests_in_flight_end_after_sigterm(run, options):
    program = run(options)
    wait = burst(program, "/slow" if "threads" in options else "/aslow", 100)
    assert program.end() == 0
    statuses = [status for status, _ in wait()]
    assert statuses == [200] * 100, program.text
    assert "Traceback" not in program.text


@pytest.mark.parametrize("options", ["", "processes=2"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_open_streams_end(run, options, number):
    program = run(options)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", program.port), LIMIT)) for _ in range(10)]
        for client in clients:
            client.sendall(b"GET /sse HTTP/1.1\r\nHost: x\r\n\r\n")
        readers = [stack.enter_context(client.makefile("rb")) for client in clients]
        for reader in readers:
            assert any(line.startswith(b"data:") for line in reader)
        began = time.monotonic()
        assert program.end(number) == 0
        assert time.monotonic() - began < LIMIT / 2
        assert all(reader.read().endswith(b"0\r\n\r\n") for reader in readers)  # ended, not cut off
    assert program.text.count("stream ended") == 10 and "Traceback" not in program.text


def test_a_request_that_takes_too_long_is_cut_off(run):
    program = run("graceful_timeout=0.2")
    wait = burst(program, "/forever", 1)
    program.wait_for("forever began")
    assert program.end() == 0
    assert wait()[0][0] != 200
    assert "1 requests did not end within 0.2 seconds" in program.text
    assert "forever was torn down" in program.text


@pytest.mark.parametrize("options", ["", "processes=2"])
def test_a_thread_that_does_not_end_is_not_waited_for(run, options):
    program = run(", ".join(filter(None, ["graceful_timeout=0.2", options])))
    burst(program, "/stuck", 1)
    program.wait_for("stuck began")
    assert program.end() == 0
    assert "1 requests did not end within 0.2 seconds" in program.text
    assert "Traceback" not in program.text and "pending" not in program.text


def test_the_second_interrupt_does_not_wait(run):
    program = run()
    wait = burst(program, "/forever", 1)
    program.wait_for("forever began")
    program.send(signal.SIGINT)
    program.wait_for("shutdown began")
    assert program.end(signal.SIGINT) == 0
    assert wait()[0][0] != 200


def test_a_websocket_is_closed_with_1012(run):
    client = pytest.importorskip("websockets.sync.client")
    program = run()
    with client.connect(f"ws://127.0.0.1:{program.port}/ws") as websocket:
        websocket.send("hi")
        assert websocket.recv(LIMIT) == "hi"
        program.send(signal.SIGTERM)
        with pytest.raises(Exception, match="1012"):
            websocket.recv(LIMIT)
    assert program.end(None) == 0
    assert "Traceback" not in program.text


# -- workers


def workers_of(program):
    """Process ids of the workers that serve now."""
    pids = set()
    for _ in range(3):
        pids |= {int(body) for status, body in burst(program, "/pid", 10)() if status == 200}
    return pids


def test_a_killed_worker_is_replaced_and_the_other_one_goes_on(run):
    program = run("processes=2")
    wait_until(lambda: len(workers_of(program)) == 2)
    victim = min(workers_of(program))
    counts = {200: 0}
    failures, stopped = [], threading.Event()

    def load():
        # one connection for its whole life, so that it stays with its worker
        connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=LIMIT)
        pid = None
        while not stopped.is_set():
            try:
                connection.request("GET", "/pid")
                answer = connection.getresponse()
                pid = int(answer.read())
                counts[answer.status] = counts.get(answer.status, 0) + 1
            except (OSError, http.client.HTTPException):
                connection.close()
                if pid != victim:
                    failures.append(pid)
        connection.close()

    clients = [threading.Thread(target=load, daemon=True) for _ in range(8)]
    for client in clients:
        client.start()
    wait_until(lambda: counts[200] > 100)
    began = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    program.wait_for(f"Worker {victim} was ended by signal 9; another takes its place.")
    wait_until(lambda: len(workers_of(program) - {victim}) == 2)
    took = time.monotonic() - began
    stopped.set()
    for client in clients:
        client.join(LIMIT)
    assert not failures and set(counts) == {200}
    assert took < LIMIT / 2
    assert program.end() == 0


def test_the_server_goes_on_when_all_workers_have_died(run):
    program = run("processes=2")
    wait_until(lambda: len(workers_of(program)) == 2)
    victims = workers_of(program)
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    for victim in victims:
        program.wait_for(f"Worker {victim} was ended by signal 9; another takes its place.")
    assert program.get("/pid")[0] == 200
    assert program.end() == 0


def test_the_page_of_an_error_says_why_there_is_no_console(run):
    program = run("processes=2, debug=True, use_reloader=False")
    program.wait_for("The debugger has no console, which needs a single process.")
    status, page = program.get("/error", Accept="text/html")
    assert status == 500 and "There are no consoles here: several processes serve" in page
    assert "EVALEX = false" in page
    assert program.end() == 0


def test_more_and_fewer_workers(run):
    program = run("processes=2")
    program.get()
    program.send(signal.SIGTTIN)
    program.wait_for("3 processes are wanted now")
    wait_until(lambda: len(workers_of(program)) == 3)
    program.send(signal.SIGTTOU)
    program.wait_for("2 processes are wanted now")
    wait_until(lambda: len(workers_of(program)) == 2)
    assert program.end() == 0


def test_a_hangup_brings_new_code_without_a_failed_request(tmp_path):
    (tmp_path / "app.py").write_text(VERSION.format(1))
    with Program(tmp_path, "app.py") as program:
        program.get_until("1")
        stopped, failures = threading.Event(), []

        def load():
            while not stopped.is_set():
                try:
                    status, _ = program.get()
                    assert status == 200
                except (OSError, http.client.HTTPException, AssertionError) as error:
                    failures.append(error)

        client = threading.Thread(target=load, daemon=True)
        client.start()
        (tmp_path / "app.py").write_text("syntax error")
        program.send(signal.SIGHUP)
        program.wait_for("before it served; the old one goes on")
        (tmp_path / "app.py").write_text(VERSION.format(2))
        after = len(program.lines)
        wait_until(lambda: program.lines[after - 2 :].count(None) == 0)
        time.sleep(0.3)  # for the second of the two that failed
        program.send(signal.SIGHUP)
        program.get_until("2")
        wait_until(lambda: all(program.get()[1] == "2" for _ in range(5)))
        stopped.set()
        client.join(LIMIT)
        assert not failures, program.text
        assert program.end() == 0


VERSION = """
from asyncflask import App
app = App("versions")

@app.get("/")
async def version():
    return "{}"

app.run(port=0, processes=2)
"""


def test_workers_that_cannot_start_end_the_server(tmp_path):
    (tmp_path / "app.py").write_text(
        'import asyncflask.serving\nasync def app(scope, receive, send):\n'
        '    await receive()\n    await send({"type": "lifespan.startup.failed", "message": "no database"})\n'
        'asyncflask.serving.run_simple("127.0.0.1", 0, app, processes=2)\n'
    )  # fmt: skip
    with Program(tmp_path, "app.py") as program:
        assert program.end(None) == 1
        assert "no database" in program.text and "before it served; the server stops" in program.text


def test_a_server_that_cannot_start_says_why(tmp_path):
    (tmp_path / "app.py").write_text(
        'import asyncflask.serving\nasync def app(scope, receive, send):\n'
        '    await receive()\n    await send({"type": "lifespan.startup.failed", "message": "no database"})\n'
        'asyncflask.serving.run_simple("127.0.0.1", 0, app)\n'
    )  # fmt: skip
    with Program(tmp_path, "app.py") as program:
        assert program.end(None) == 1
        assert "no database" in program.text


def test_workers_end_when_their_supervisor_is_killed(run):
    program = run("processes=2")
    wait_until(lambda: len(workers_of(program)) == 2)
    program.send(signal.SIGKILL)
    program.process.wait(LIMIT)

    def nobody_left():
        try:
            os.killpg(program.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(nobody_left)
