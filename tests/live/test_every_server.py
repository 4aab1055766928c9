"""The same application on each server, as a process of its own: the same requests, the same answers; and its end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from ..flow.asking import ask_asgi, ask_wsgi
from .answering import REQUESTS, app
from .servers import LIMIT, Wire, chunked, request

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
PYTHON = [sys.executable, "-m"]
GUNICORN = [*PYTHON, "gunicorn", "--bind", "127.0.0.1:PORT", "--log-level", "warning", "--no-control-socket"]
GRANIAN = [str(BIN / "granian"), "--host", "127.0.0.1", "--port", "PORT", "--log-level", "warning"]
UVICORN = [*PYTHON, "uvicorn", "--port", "PORT", "--log-level", "warning"]
HYPERCORN = [*PYTHON, "hypercorn", "--bind", "127.0.0.1:PORT"]

ASGI = {
    "uvicorn": [*UVICORN, "--workers", "2", "--lifespan", "on"],
    "hypercorn": HYPERCORN,
    "granian": [*GRANIAN, "--interface", "asgi"],
    "gunicorn-uvicorn": [*GUNICORN, "-k", "uvicorn_worker.UvicornWorker"],
    "gunicorn-asgi": [*GUNICORN, "-k", "asgi", "--asgi-lifespan", "on"],
    "daphne": [*PYTHON, "daphne", "-p", "PORT", "-v", "0"],
    "uvicorn-nolifespan": [*UVICORN, "--lifespan", "off", "--http", "h11"],
    "granian-nolifespan": [*GRANIAN, "--interface", "asginl"],
    "gunicorn-asgi-nolifespan": [*GUNICORN, "-k", "asgi", "--asgi-lifespan", "off"],
}
WSGI = {
    "gunicorn-sync": GUNICORN,
    "gunicorn-gthread": [*GUNICORN, "-k", "gthread", "--threads", "4"],
    "granian-wsgi": [*GRANIAN, "--interface", "wsgi", "--blocking-threads", "4"],
    "waitress": [*PYTHON, "waitress", "--listen", "127.0.0.1:PORT"],
}
#: run each time; the rest of the matrix is slow
FIRST = {"uvicorn", "hypercorn", "granian", "gunicorn-uvicorn", "gunicorn-sync"}
NEEDS = {"gunicorn-uvicorn": "uvicorn_worker"}
#: They end at once when they are told to, and cut off what is running.
AT_ONCE = {"daphne", "waitress"}
#: Servers add these, or frame in their own way.
THEIRS = {"date", "server", "connection", "keep-alive", "transfer-encoding", "via", "hypercorn-h11", "alt-svc"}


def cases():
    """Each server with each way to name the application; what is not to be run each time is marked as slow."""
    for name in [*ASGI, *WSGI]:
        for target in ["asgi", "app"] if name in ASGI else ["app"]:
            first = name in FIRST and (name in WSGI or target == "asgi")
            marks = [] if first else [pytest.mark.slow]
            yield pytest.param(name, f"answering:{target}", id=f"{name}-{target}", marks=marks)


@contextmanager
def serving(name, target, hold):
    """Run a server until the end; give its process and port."""
    program = NEEDS.get(name, name.partition("-")[0])
    if find_spec(program) is None and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [part.replace("PORT", str(port)) for part in (ASGI | WSGI)[name]]
    environment = os.environ | {"PYTHONPATH": str(HERE), "HOLD": str(hold), "PYTHONUNBUFFERED": "1"}
    log = hold / "log.txt"
    with log.open("w") as out:
        options = {"stdout": out, "stderr": out, "cwd": hold, "start_new_session": True}
        process = subprocess.Popen([*command, target], env=environment, **options)
        try:
            wait_until(lambda: answers(port), process, log)
            yield process, port, log
        finally:
            with contextlib.suppress(ProcessLookupError):  # workers that a failed test leaves behind, too
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(LIMIT)


def wait_until(true, process, log):
    end = time.monotonic() + LIMIT
    while not true():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.02)


def answers(port):
    try:
        return one(port, REQUESTS["plain async"]).status == 200
    except OSError:
        return False


def one(port, asked):
    """Send one request on a connection of its own."""
    lines = [f"{name}: {value}" for name, value in asked.headers.items()]
    body = asked.body
    if isinstance(body, list):
        lines.append("Transfer-Encoding: chunked")
        body = chunked(*body)
    with Wire(port) as wire:
        wire.send(request(asked.method, asked.target, *lines, "Connection: close", body=body, host=asked.host))
        return wire.answer(asked.method)


def in_process(asked, ask, target):
    body = b"".join(asked.body) if isinstance(asked.body, list) else asked.body
    got = ask(target, asked.target, asked.method, headers=asked.headers, data=body, base_url=f"http://{asked.host}/")
    headers = [(name.lower(), value) for name, value in got.headers]
    return plain(asked, got.status, headers, got.body)


def plain(asked, status, headers, body):
    kept = sorted((name, in_order(name, value)) for name, value in headers if name not in THEIRS)
    if asked.method == "HEAD" or status in (204, 304):  # whether these carry a length is the server's affair
        kept = [pair for pair in kept if pair[0] != "content-length"]
    return status, kept, body


def in_order(name, value):
    return sorted(value.split(", ")) if name == "allow" else value  # made from a set


@pytest.fixture(autouse=True)
def no_threads_of_this_process():
    yield
    app.close_threads()


@pytest.mark.parametrize(("name", "target"), list(cases()))
def test_the_same_requests_get_the_same_answers(name, target, tmp_path):
    ask, called = (ask_wsgi, app.wsgi_app) if name in WSGI else (ask_asgi, app.asgi)
    with serving(name, target, tmp_path) as (process, port, log):
        differ = {}
        for case, asked in REQUESTS.items():
            got = one(port, asked)
            theirs, ours = plain(asked, got.status, got.headers, got.body), in_process(asked, ask, called)
            if theirs != ours:
                differ[case] = theirs, ours
        assert not differ
        visits = [counted(port, jar) for jar in [{}] for _ in range(4)]
        assert visits == [1, 2, 3, 4]  # whichever process answers
        ends_gracefully(name, process, port, tmp_path)
        text = log.read_text()
        # hypercorn cancels the task of a connection that came as it stops, and asyncio tells of it.
        known = text.count("StreamReaderProtocol.connection_made") if name == "hypercorn" else 0
        assert text.count("Traceback") <= known, text


def counted(port, jar):
    headers = {"Cookie": jar["cookie"]} if jar else {}
    got = one(port, REQUESTS["plain"]._replace(target="/count", headers=headers))
    jar["cookie"] = got["set-cookie"].partition(";")[0]
    return got.json["visits"]


def ends_gracefully(name, process, port, hold):
    """SIGTERM while requests run that take a moment: they are answered, and the server ends."""
    if name in AT_ONCE:
        return
    kinds = ["def"] if name == "gunicorn-sync" else ["def", "async"]  # one at a time
    with ThreadPoolExecutor() as pool:
        held = [pool.submit(one, port, REQUESTS["plain"]._replace(target=f"/hold/{kind}")) for kind in kinds]
        wait_until(lambda: all((hold / kind).exists() for kind in kinds), process, hold / "log.txt")
        process.send_signal(signal.SIGTERM)
        assert [(answer.result().status, answer.result().text) for answer in held] == [(200, "held")] * len(kinds)
    assert process.wait(LIMIT) in (0, -signal.SIGTERM)  # uvicorn ends by the signal, once it has cleaned up
