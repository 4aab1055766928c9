"""How fast an async handler answers while 200 blocking `def` requests wait on 40 threads. Run by hand:

    python tests/benchmarks/ping_while_blocked.py [pings]

Prints median and 99th percentile of the time from sending /ping to having its answer, on one kept connection over
loopback, in milliseconds; first with idle threads, then with all of them blocked. Server and client are processes of
their own. Two ways to block: in a wait that releases the interpreter lock, and in computing, which takes turns with the
loop.
"""

from __future__ import annotations

import multiprocessing
import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from asyncflask import App

BLOCKED = 200


def serve(sock: socket.socket) -> None:
    app = App("ping_while_blocked")
    go_on = threading.Event()

    @app.get("/ping")
    async def ping() -> str:
        return "pong"

    @app.get("/wait")
    def wait() -> str:
        go_on.wait()
        return "went on"

    @app.get("/compute")
    def compute() -> str:
        while not go_on.is_set():
            sum(range(10_000))
        return "went on"

    @app.get("/busy")
    async def busy() -> str:
        return str(app.threads.stats().busy)

    @app.get("/go")
    async def go() -> str:
        go_on.set()
        return "gone"

    @app.get("/hold")
    async def hold() -> str:
        go_on.clear()
        return "held"

    uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[sock])


class Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, path: str) -> None:
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def answer(self) -> str:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.socket.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += self.socket.recv(65536)
        return body.decode()

    def ask(self, path: str) -> str:
        self.send(path)
        return self.answer()


@contextmanager
def server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as sock:
        process = multiprocessing.get_context("fork").Process(target=serve, args=(sock,), daemon=True)
        process.start()
        yield sock.getsockname()[1]
        process.terminate()
        process.join()


def measure(ask: Callable[[str], str], pings: int) -> tuple[float, float]:
    """Return median and 99th percentile in milliseconds."""
    times = []
    for _ in range(pings):
        begin = time.perf_counter()
        assert ask("/ping") == "pong"
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def main(pings: int) -> None:
    with server() as port:
        connection = Connection(port)
        measure(connection.ask, 100)
        report("no thread busy", *measure(connection.ask, pings))
        for path, count in (("/wait", pings), ("/compute", max(pings // 20, 10))):
            connection.ask("/hold")
            blocked = [Connection(port) for _ in range(BLOCKED)]
            for other in blocked:
                other.send(path)
            while connection.ask("/busy") != "40":
                pass
            report(f"{BLOCKED} requests in {path}", *measure(connection.ask, count))
            connection.ask("/go")
            assert {other.answer() for other in blocked} == {"went on"}


def report(name: str, median: float, p99: float) -> None:
    print(f"{name:<26} median {median:7.2f} ms   p99 {p99:7.2f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
