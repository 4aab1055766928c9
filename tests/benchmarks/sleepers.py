"""How long thousands of requests take together that all wait a second, in one process. Run by hand:

    python tests/benchmarks/sleepers.py [requests]

Prints seconds from the first request to the last answer: by uvicorn over loopback, each request on a connection of its
own that is opened within that time, with the client in another process; and in one process, by bare ASGI messages and
by the async test client, where httpx takes most of the time.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import uvicorn
from werkzeug.test import create_environ

from asyncflask import App
from asyncflask.testing.transport import Exchange, scope_from_environ

REQUESTS = 5000
AT_ONCE = 200
"""Connections that are being opened at a time: a backlog has an end."""
LIMIT = 60.0


def make_app() -> App:
    app = App("sleepers")
    app.config["TESTING"] = True

    @app.get("/sleep")
    async def sleep() -> str:
        await asyncio.sleep(1)
        return "slept"

    return app


def serve(sock: socket.socket, ready: Connection) -> None:
    class Told(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.send("ready")

    Told(uvicorn.Config(make_app(), log_level="warning", access_log=False)).run(sockets=[sock])


class Asker(asyncio.Protocol):
    """Sends one request, and gives what it is answered."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"GET /sleep HTTP/1.1\r\nHost: sleepers.test\r\nConnection: close\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_result(self.got)


async def ask_all(port: int, count: int) -> float:
    """Return the seconds that `count` requests take over sockets."""
    opening = asyncio.Semaphore(AT_ONCE)
    loop = asyncio.get_running_loop()

    async def one() -> bytes:
        async with opening:
            _, asker = await loop.create_connection(Asker, "127.0.0.1", port)
        return await asker.answer

    began = time.perf_counter()
    async with asyncio.timeout(LIMIT):
        answers = await asyncio.gather(*(one() for _ in range(count)))
    took = time.perf_counter() - began
    wrong = [answer for answer in answers if not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"slept"))]
    assert not wrong, f"{len(wrong)} requests were not answered as they should be: {wrong[0]!r}"
    return took


async def ask_bare(count: int) -> float:
    """Return the seconds that `count` requests take by ASGI messages in this process."""
    asgi = make_app().asgi
    exchanges = [Exchange(scope_from_environ(create_environ("/sleep"))) for _ in range(count)]
    began = time.perf_counter()
    async with asyncio.timeout(LIMIT):
        await asyncio.gather(*(exchange.run(asgi) for exchange in exchanges))
    took = time.perf_counter() - began
    assert all(exchange.pieces == [b"slept"] for exchange in exchanges)
    return took


async def ask_in_memory(count: int) -> float:
    """Return the seconds that `count` requests take by the async test client."""
    async with make_app().async_test_client() as client:
        began = time.perf_counter()
        async with asyncio.timeout(LIMIT):
            answers = await asyncio.gather(*(client.get("/sleep") for _ in range(count)))
        took = time.perf_counter() - began
    assert all(answer.text == "slept" for answer in answers)
    return took


@contextmanager
def served() -> Iterator[int]:
    """Serve the application in another process; gives the port."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as sock:
        server = spawn.Process(target=serve, args=(sock, there), daemon=True)
        server.start()
        assert here.poll(LIMIT) and here.recv() == "ready"
        yield sock.getsockname()[1]
        server.terminate()
        server.join(LIMIT)


def main(count: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with served() as port:
        for _ in range(3):
            print(f"{count} requests over uvicorn: {asyncio.run(ask_all(port, count)):.2f} s")
    for _ in range(3):
        print(f"{count} requests by ASGI messages: {asyncio.run(ask_bare(count)):.2f} s")
    for _ in range(3):
        print(f"{count} requests by the async test client: {asyncio.run(ask_in_memory(count)):.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS)
