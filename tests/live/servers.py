"""A real server in a thread of the test process, and a client that sends any bytes and reads one answer at a time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from dataclasses import dataclass, field

import uvicorn

#: Seconds after which a read, or a wait for a thread, has failed. Nothing is waited for on purpose.
LIMIT = 20.0


class _Stoppable(uvicorn.Server):
    """uvicorn, which otherwise looks ten times a second only whether it is to stop."""

    def __init__(self, config, ready):
        super().__init__(config)
        self.ready = ready

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        self.ready.set()

    async def main_loop(self):
        tick = 0
        while not self.should_exit:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), 0.1)
                return
            await self.on_tick(tick)
            tick += 1

    def stop(self):
        self.loop.call_soon_threadsafe(self.stopping.set)


class _Complaints(logging.Handler):
    """Keeps what the server and its loop log as errors: a connection task that died, a task nobody looked at."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.texts = []

    def emit(self, record):
        self.texts.append(self.format(record))


class Live:
    """An application served by uvicorn on a free loopback port.

    Args:
        app: an ASGI application.
        options: of `uvicorn.Config`.
    """

    def __init__(self, app, **options):
        self.complaints = _Complaints()
        self.tolerated = False
        ready = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        options = {"lifespan": "on", "proxy_headers": False, "log_config": None, "access_log": False} | options
        self.server = _Stoppable(uvicorn.Config(app, **options), ready)
        self.thread = threading.Thread(target=self._run, args=(ready,), name="live-server", daemon=True)
        for name in ("uvicorn.error", "asyncio"):
            logging.getLogger(name).addHandler(self.complaints)
        self.thread.start()
        assert ready.wait(LIMIT) and self.server.started, self.complaints.texts

    def _run(self, ready):
        try:
            self.server.run(sockets=[self.socket])
        finally:
            ready.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def tolerate(self):
        """What the server logs as an error is what this test is about."""
        self.tolerated = True

    def connect(self):
        return Wire(self.port)

    def ask(self, *pieces):
        """Send raw bytes on a connection of its own, read one answer, close."""
        with self.connect() as wire:
            for piece in pieces:
                wire.send(piece)
            return wire.answer()

    def get(self, target, *lines):
        return self.ask(request("GET", target, *lines))

    def alive(self):
        """Assert that a good request is still answered."""
        assert self.get("/alive").text == "alive"

    def stop(self):
        """Shut down as uvicorn does, letting requests end; once stopped there is nothing to do."""
        if not self.thread.is_alive():
            return
        self.server.stop()
        self.thread.join(LIMIT)
        for name in ("uvicorn.error", "asyncio"):
            logging.getLogger(name).removeHandler(self.complaints)
        self.socket.close()
        assert not self.thread.is_alive(), "the server did not stop"
        assert self.tolerated or not self.complaints.texts, "\n".join(self.complaints.texts)


def request(method, target, *lines, body=b"", host="live.test"):
    """Return the bytes of an HTTP/1.1 request.

    Args:
        target: str, or bytes that are sent as they are.
        lines: further header lines, str or bytes.
        body: is given a Content-Length unless one of the lines frames it.
        host: None leaves the Host header out.
    """
    raw = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    target = target if isinstance(target, bytes) else target.encode("latin-1")
    head = [method.encode() + b" " + target + b" HTTP/1.1"]
    if host is not None:
        head.append(b"Host: " + host.encode())
    framed = any(line.lower().startswith((b"content-length:", b"transfer-encoding:")) for line in raw)
    if body and not framed:
        raw.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*head, *raw]) + b"\r\n\r\n" + body


def chunked(*pieces, end=True):
    """Return pieces as the chunks of a body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + (b"0\r\n\r\n" if end else b"")


def part(name, value, filename=None, header=b""):
    """Return one part of a multipart form whose boundary is `BOUNDARY`."""
    naming = b'name="%s"' % name + (b'; filename="%s"' % filename if filename is not None else b"")
    return b"--%s\r\nContent-Disposition: form-data; %s\r\n%s\r\n%s\r\n" % (BOUNDARY, naming, header, value)


BOUNDARY = b"frontier"
LAST_PART = b"--%s--\r\n" % BOUNDARY
MULTIPART = "Content-Type: multipart/form-data; boundary=" + BOUNDARY.decode()
URLENCODED = "Content-Type: application/x-www-form-urlencoded"
JSON = "Content-Type: application/json"


@dataclass
class Answer:
    """One response as it came: `whole` is False if the connection ended before it did."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = True

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __getitem__(self, name):
        """The only value of a header, or None."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) < 2, self.headers
        return values[0] if values else None


class Cut(Exception):
    """The connection ended inside of a message."""


class Wire:
    """One connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()

    def send(self, data):
        """Send; a server that has closed already is no error, what it said comes with the next answer."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def say_no_more(self):
        """Close our direction only."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def leave(self, *, rudely=False):
        """Close the connection, with a reset if `rudely`."""
        if rudely:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def closed(self):
        """Wait for the server's end of the connection; return whether nothing more came before it."""
        try:
            return not self.unread and self.socket.recv(65536) == b""
        except ConnectionResetError:
            return True

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Cut
        self.unread += data

    def take(self, size):
        while len(self.unread) < size:
            self._more()
        taken, self.unread = self.unread[:size], self.unread[size:]
        return taken

    def line(self):
        while b"\r\n" not in self.unread:
            self._more()
        taken, self.unread = self.unread.split(b"\r\n", 1)
        return taken

    def head(self):
        """Read status line and header."""
        status = int(self.line().split(b" ")[1])
        headers = []
        while line := self.line():
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name.lower(), value.strip()))
        return Answer(status, headers)

    def answer(self, method="GET"):
        """Read one answer, or what there is of it. Cut: the connection ended before its header did."""
        answer = self.head()
        if method == "HEAD" or answer.status in (100, 204, 304):
            return answer
        pieces = []
        try:
            if answer["transfer-encoding"] == "chunked":
                while (piece := self.chunk()) is not None:
                    pieces.append(piece)
            elif answer["content-length"] is not None:
                answer.body = self.take(int(answer["content-length"]))
            else:
                with contextlib.suppress(Cut):
                    while True:
                        self._more()
                answer.body, self.unread = self.unread, b""
        except Cut:
            pieces.append(self.unread)
            answer.whole, self.unread = False, b""
        answer.body = answer.body or b"".join(pieces)
        return answer

    def chunk(self):
        """Read one chunk; None is the last."""
        size = int(self.line(), 16)
        piece = self.take(size)
        assert self.take(2) == b"\r\n"
        return piece if size else None
