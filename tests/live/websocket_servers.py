"""Servers of websockets in threads of the test process: uvicorn with each of its protocols, hypercorn, granian."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from .servers import LIMIT, Live

#: What uvicorn says of every handshake that is answered with an HTTP response.
UNFOUNDED = "ASGI callable returned without completing handshake."


@contextmanager
def uvicorn(app, **options):
    live = Live(app, **{"loop": "uvloop", "http": "httptools"} | options)
    try:
        yield live.port
    finally:
        live.complaints.texts[:] = [text for text in live.complaints.texts if UNFOUNDED not in text]
        live.stop()


@contextmanager
def hypercorn(app):
    serve = pytest.importorskip("hypercorn.asyncio").serve
    from hypercorn.config import Config

    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = listening.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listening.detach()}"]  # hypercorn closes it
    config.errorlog = config.accesslog = None

    def start(stop):
        return serve(app, config, shutdown_trigger=stop.wait)

    with _in_thread(start):
        yield port


@contextmanager
def granian(app):
    embed = pytest.importorskip("granian.server.embed")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

    async def start(stop):
        server = embed.Server(app, port=port, interface="asgi", log_enabled=False)
        serving = asyncio.ensure_future(server.serve())
        await stop.wait()
        server.stop()
        await serving

    with _in_thread(start):
        _wait_for(port)
        yield port


@contextmanager
def _in_thread(start):
    ready, handles = threading.Event(), {}

    async def serve():
        handles.update(loop=asyncio.get_running_loop(), stop=asyncio.Event())
        ready.set()
        await start(handles["stop"])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="live-server", daemon=True)
    thread.start()
    assert ready.wait(LIMIT)
    try:
        yield
    finally:
        handles["loop"].call_soon_threadsafe(handles["stop"].set)
        thread.join(LIMIT)
        assert not thread.is_alive(), "the server did not stop"


def _wait_for(port):
    for _ in range(int(LIMIT / 0.05)):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the server does not listen")


SERVERS = {
    "websockets-sansio": lambda app: uvicorn(app, ws="websockets-sansio"),
    "wsproto": lambda app: uvicorn(app, ws="wsproto"),
    "hypercorn": hypercorn,
    "granian": granian,
}
