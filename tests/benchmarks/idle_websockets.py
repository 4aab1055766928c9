#!/usr/bin/env python3
"""Memory of idle websockets beside Starlette's, and how long one message to many of them takes.

    python tests/benchmarks/idle_websockets.py [--count 10000] [--rounds 3] [--broadcast 1000]

Each server is uvicorn with uvloop, one process. Its handler has accepted, has sent a message, and waits for one; what
counts is how much its resident memory has grown for each connection. Rounds go through the servers in turn, each in a
new process; the medians are compared. Needs starlette and websockets beside asyncflask, and a limit of open files above
the count (`ulimit -n`). Exit status 1 if a connection takes more than 1.1 times Starlette's memory.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SERVERS = ("asyncflask", "starlette")
MOST = 1.1
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXT_FRAME = b"\x81\x05hello"


# -- the servers -------------------------------------------------------------------------------------------------------


def asyncflask() -> Any:
    from asyncflask import App, websocket
    from asyncflask.pubsub import PubSub

    app, hub = App(__name__), PubSub()

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send("hello")
        async for _ in websocket:
            pass

    @app.websocket("/hears")
    async def hears() -> None:
        async with hub.relay(websocket.send, "all"):
            await websocket.accept()
            async for _ in websocket:
                pass

    @app.post("/say")
    async def say() -> str:
        await hub.publish("all", "hello")
        return "said"

    return app.asgi


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute

    async def ws(websocket: Any) -> None:
        await websocket.accept()
        await websocket.send_text("hello")
        async for _ in websocket.iter_text():
            pass

    return Starlette(routes=[WebSocketRoute("/ws", ws)])


def serve(name: str) -> None:
    import uvicorn

    options: dict[str, Any] = {"loop": "uvloop", "lifespan": "off", "log_level": "error", "access_log": False}
    listening = socket.socket(fileno=0)
    uvicorn.Server(uvicorn.Config(globals()[name](), ws_ping_interval=None, **options)).run([listening])


class Server:
    """One server in a process of its own."""

    def __init__(self, name: str) -> None:
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port: int = listening.getsockname()[1]
        self.process = subprocess.Popen([sys.executable, __file__, "--serve", name], stdin=listening)
        listening.close()

    def resident(self) -> int:
        """Bytes of memory that it has in use."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


# -- the client --------------------------------------------------------------------------------------------------------


async def connect(port: int, path: bytes = b"/ws") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
    writer.write(HANDSHAKE.replace(b"/ws", path))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101"), head
    return reader, writer


async def idle(port: int) -> Any:
    reader, writer = await connect(port)
    assert await reader.readexactly(len(TEXT_FRAME)) == TEXT_FRAME
    return writer


async def per_connection(name: str, count: int) -> float:
    """Return how many bytes a connection takes in the server."""
    server = Server(name)
    try:
        kept = [await idle(server.port) for _ in range(100)]  # what is loaded and allocated once
        before = server.resident()
        for start in range(0, count, 200):
            kept += await asyncio.gather(*(idle(server.port) for _ in range(min(200, count - start))))
        await asyncio.sleep(0.5)
        grown = server.resident() - before
        for writer in kept:
            writer.transport.abort()
        return grown / count
    finally:
        server.stop()


async def broadcast(count: int) -> float:
    """Return the median seconds from the request that says a message until the last of `count` clients has it."""
    server = Server("asyncflask")
    try:
        listeners = [await connect(server.port, b"/hears") for _ in range(count)]
        took = []
        for _ in range(5):
            begun = time.perf_counter()
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"POST /say HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            frames = await asyncio.gather(*(one.readexactly(len(TEXT_FRAME)) for one, _ in listeners))
            took.append(time.perf_counter() - begun)
            assert set(frames) == {TEXT_FRAME}
            writer.close()
        for _, writer in listeners:
            writer.transport.abort()
        return statistics.median(took)
    finally:
        server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--serve", choices=SERVERS, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=10_000, help="connections")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--broadcast", type=int, default=1_000, help="listeners of one message")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.serve:
        serve(options.serve)
        return 0
    sizes: dict[str, list[float]] = {name: [] for name in SERVERS}
    for _ in range(options.rounds):
        for name in SERVERS:
            sizes[name].append(asyncio.run(per_connection(name, options.count)))
            print(f"{name:12}{sizes[name][-1]:10,.0f} bytes per connection", flush=True)
    ours, theirs = (statistics.median(sizes[name]) for name in SERVERS)
    print(f"medians: asyncflask {ours:,.0f}, starlette {theirs:,.0f}: {ours / theirs:.3f} times")
    seconds = asyncio.run(broadcast(options.broadcast))
    print(f"a message to {options.broadcast:,} websockets: {seconds * 1000:.1f} ms until the last one has it")
    return int(ours > MOST * theirs)


if __name__ == "__main__":
    sys.exit(main())
