"""What asks the application of the suite: our test client in memory, or httpx and websockets over a socket.

Both are ``httpx2.AsyncClient``; a `Driver` adds the websocket, with the same errors on either side.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from contextlib import asynccontextmanager
from pathlib import Path

import websockets
from websockets.asyncio.client import connect

from asyncflask.testing import WebsocketDisconnectError, WebsocketResponseError
from asyncflask.testing.sse import EventSource

from .application import LIMIT

HERE = Path(__file__).parent


#: What a server is known to leave out; a test fails once that is no longer so.
LACKS = {
    "hypercorn": {"code of the client's close"},
    "granian": {"reason of the client's close", "headers of the acceptance"},
}


class Refused(Exception):
    """The handshake of a websocket was answered with an HTTP response."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body}")
        self.status, self.body = status, body


class Closed(Exception):
    """The websocket is closed."""

    def __init__(self, code, reason):
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason


class Driver:
    """Asks an application.

    Attributes:
        name: of what serves it.
        http: the client.
        key: one for notes and gates, that no other test has.
    """

    def __init__(self, name, http):
        self.name, self.http, self.key = name, http, uuid.uuid4().hex

    async def notes(self, count):
        """Return the notes under the key, once there are `count` of them."""
        return (await self.http.get(f"/notes/{self.key}/{count}")).json()

    def lacks(self, what):
        """Whether the server is known to leave something out."""
        return what in LACKS.get(self.name, ())

    async def open_gate(self, suffix=""):
        await self.http.post(f"/gates/{self.key}{suffix}")

    def sse(self, path, **options):
        return EventSource(self.http.stream("GET", path, **options))


class InMemory(Driver):
    """By the async test client."""

    @asynccontextmanager
    async def websocket(self, path, **options):
        try:
            async with self.http.websocket(path, **options) as ws:
                yield InMemorySocket(ws)
        except WebsocketResponseError as error:
            raise Refused(error.response.status_code, error.response.text) from error


class InMemorySocket:
    def __init__(self, ws):
        self.ws = ws
        self.send, self.close, self.break_off = ws.send, ws.close, ws.disconnect
        self.subprotocol, self.headers = ws.subprotocol, ws.headers

    async def receive(self):
        try:
            return await self.ws.receive()
        except WebsocketDisconnectError as error:
            raise Closed(error.code, error.reason) from error


class OverSocket(Driver):
    """By httpx and the ``websockets`` library."""

    def __init__(self, name, http, port):
        super().__init__(name, http)
        self.port = port

    @asynccontextmanager
    async def websocket(self, path, subprotocols=None, headers=()):
        jar = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
        headers = [*dict(headers).items(), *([("Cookie", jar)] if jar else [])]
        url = f"ws://127.0.0.1:{self.port}{path}"
        options = {"subprotocols": subprotocols, "additional_headers": headers, "max_size": None, "proxy": None}
        try:
            async with connect(url, **options) as ws:
                yield Socket(ws)
        except websockets.InvalidStatus as error:
            raise Refused(error.response.status_code, error.response.body.decode()) from error


class Socket:
    def __init__(self, ws):
        self.ws = ws
        self.send, self.close = ws.send, ws.close
        self.subprotocol, self.headers = ws.subprotocol, ws.response.headers

    async def receive(self):
        try:
            return await self.ws.recv()
        except websockets.ConnectionClosed:
            raise Closed(self.ws.close_code, self.ws.close_reason) from None

    async def break_off(self):
        self.ws.transport.abort()


#: Only gunicorn speaks WSGI to it, with one request at a time.
COMMANDS = {
    "uvicorn": "uvicorn --no-access-log --log-level error --no-proxy-headers --port {port} {target}",
    "hypercorn": "hypercorn --log-level critical --bind 127.0.0.1:{port} {target}",
    "gunicorn": "gunicorn --worker-class sync --log-level critical --bind 127.0.0.1:{port} {target}",
    "granian": "granian --interface asgi --no-log --port {port} {target}",
}


def started(name, target="application:app", **environment):
    """Start a server of an application of this folder; return its process and its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", *COMMANDS[name].format(port=port, target=target).split()]
    return subprocess.Popen(command, cwd=HERE, env=os.environ | environment, stderr=subprocess.PIPE, text=True), port


@contextlib.contextmanager
def served(name, target="application:app", **environment):
    """Serve an application in a process of its own; gives the port."""
    process, port = started(name, target, **environment)
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT)


def _wait_for(port, process):
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.02)
    raise AssertionError("the server does not listen")
