"""Ten requests come in: how many threads serve them?

`python examples/ten_requests/run.py` starts a uvicorn for each mode, sends it ten requests at once that take half a
second each, checks that every answer is about its own request, and prints who served which.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
REQUESTS = 10
PATIENCE = 60  # seconds for a server to start, to answer, to stop


class Mode(NamedTuple):
    """How the server runs, and which handler is asked."""

    name: str
    handler: str
    threaded: bool
    processes: int


MODES = [
    Mode("single", "block", threaded=False, processes=1),
    Mode("threaded", "block", threaded=True, processes=1),
    Mode("two processes", "block", threaded=False, processes=2),
    Mode("threaded, two processes", "block", threaded=True, processes=2),
    Mode("async", "sleep", threaded=True, processes=1),
]


class Result(NamedTuple):
    """The ten answers of a mode, in the order of the requests, and the seconds until the last one was there."""

    mode: Mode
    answers: list[dict[str, Any]]
    seconds: float


@contextmanager
def serve(mode: Mode, seconds: float) -> Iterator[int]:
    """Run a uvicorn in `mode` whose handlers take `seconds`; give its port; stop it at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--port", str(port), "--workers", str(mode.processes), "--timeout-keep-alive", "60"]
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "--log-level", "warning", *options, "app:asgi"]
    environment = os.environ | {"TEN_SECONDS": str(seconds), "TEN_THREADED": str(int(mode.threaded))}
    server = subprocess.Popen(command, env=environment)
    try:
        wait_until_up(port, server)
        yield port
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_up(port: int, server: subprocess.Popen[bytes]) -> None:
    """Return when `server` answers; RuntimeError if it ended before, TimeoutError if it takes too long."""
    end = time.monotonic() + PATIENCE
    while server.poll() is None:
        try:
            connection, _ = connect(port)
        except OSError:
            if time.monotonic() > end:
                raise TimeoutError(f"no answer on port {port} within {PATIENCE} s") from None
            time.sleep(0.05)
        else:
            connection.close()
            return
    raise RuntimeError(f"uvicorn ended with exit code {server.returncode}; its output is above")


def connect(port: int) -> tuple[http.client.HTTPConnection, int]:
    """Open a connection that stays open, and ask which process accepted it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/who")
        return connection, read(connection)["process"]
    except BaseException:
        connection.close()
        raise


def read(connection: http.client.HTTPConnection) -> dict[str, Any]:
    """Read the JSON answer; RuntimeError if it is not 200."""
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise RuntimeError(f"the server answered {answer.status}: {text}")
    data: dict[str, Any] = json.loads(text)
    return data


def balanced(port: int, processes: int, stack: ExitStack) -> list[http.client.HTTPConnection]:
    """Open ten connections, as many to one process as to the other: the kernel alone may give one process them all."""
    share = REQUESTS // processes
    taken: dict[int, list[http.client.HTTPConnection]] = defaultdict(list)
    end = time.monotonic() + PATIENCE
    while sum(len(connections) for connections in taken.values()) < REQUESTS:
        if time.monotonic() > end:
            raise TimeoutError(f"no {share} connections to each of {processes} processes within {PATIENCE} s")
        connection, process = connect(port)
        stack.callback(connection.close)
        if len(taken[process]) < share:
            taken[process].append(connection)
    return [connection for connections in taken.values() for connection in connections]


def ask(connection: http.client.HTTPConnection, handler: str, together: threading.Barrier) -> dict[str, Any]:
    """Send one request when all the others are ready too; its token is in its path, a header and its body."""
    token = secrets.token_hex(8)
    body = json.dumps({"token": token})
    headers = {"Content-Type": "application/json", "X-Token": token}
    together.wait(PATIENCE)
    connection.request("POST", f"/{handler}/{token}", body, headers)
    data = read(connection)
    if set(data["tokens"]) != {token}:
        raise RuntimeError(f"mixed up: asked with {token}, the answer is about {data['tokens']}")
    return data | {"token": token}


def measure(mode: Mode, seconds: float = 0.5) -> Result:
    """Start a server in `mode`, send it the ten requests at once, return who served them.

    Raises RuntimeError if an answer is not 200 or is about another request.
    """
    with serve(mode, seconds) as port, ExitStack() as stack, ThreadPoolExecutor(REQUESTS) as pool:
        connections = balanced(port, mode.processes, stack)
        together = threading.Barrier(REQUESTS)
        begun = time.monotonic()
        jobs = [pool.submit(ask, connection, mode.handler, together) for connection in connections]
        answers = [job.result() for job in jobs]
        return Result(mode, answers, time.monotonic() - begun)


def served_by(result: Result) -> tuple[int, int]:
    """Count the processes and the threads that served the ten requests."""
    processes = {answer["process"] for answer in result.answers}
    threads = {(answer["process"], answer["thread"]) for answer in result.answers}
    return len(processes), len(threads)


def detail(result: Result) -> Iterator[str]:
    """The table of one mode: a line for each request."""
    mode = result.mode
    kind = "async def" if mode.handler == "sleep" else "def"
    yield f"\n{mode.name}: THREADED={mode.threaded}, uvicorn --workers {mode.processes}, `{kind}` handlers"
    yield f"  {'request':18}{'process':>9}  {'thread':20}{'task':12}{'from':>6}{'to':>7}"
    begun = min(answer["started"] for answer in result.answers)
    for answer in result.answers:
        task = answer["task"] or "-"
        span = f"{answer['started'] - begun:6.2f}{answer['ended'] - begun:7.2f}"
        yield f"  {answer['token']:18}{answer['process']:>9}  {answer['thread']:20}{task:12}{span}"


def summary(results: list[Result]) -> Iterator[str]:
    """The table of all modes: a line for each."""
    yield f"\n{'mode':26}{'handlers':11}{'processes':>9}{'threads':>9}{'all took':>11}"
    for result in results:
        processes, threads = served_by(result)
        kind = "async def" if result.mode.handler == "sleep" else "def"
        yield f"{result.mode.name:26}{kind:11}{processes:>9}{threads:>9}{result.seconds:>9.2f} s"


def main() -> None:
    """Measure every mode and print both tables."""
    results = []
    for mode in MODES:
        results.append(measure(mode))
        print("\n".join(detail(results[-1])), flush=True)
    print("\n".join(summary(results)))
    print("\nEach answer was checked to be about its own request: path, header and body, read after the wait.")


if __name__ == "__main__":
    main()
