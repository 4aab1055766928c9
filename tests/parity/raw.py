"""One request as it stands on the wire, and how a WSGI and an ASGI server hand it to an application.

Both sides read the same `Raw`: the environ is made as PEP 3333 and Werkzeug's own server do it, the scope as uvicorn
does it. Nothing here belongs to one of the two frameworks.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Raw:
    """A request.

    Args:
        method: as sent.
        target: path and query, ASCII, percent-encoded as the client had it.
        headers: names and values in the order sent; values are latin-1. A Host is added unless there is one.
        body: all of what is sent.
        pieces: in how many messages or chunks the body comes.
        declared: the Content-Length; None for that of the body, where there is one, "chunked" for a chunked body.
        host: False leaves the Host header out.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    pieces: int = 1
    declared: str | None = None
    host: bool = True

    @property
    def path_and_query(self) -> tuple[str, str]:
        path, _, query = self.target.partition("?")
        return path, query

    def all_headers(self) -> Headers:
        headers = list(self.headers)
        if self.host and not any(name.lower() == "host" for name, _ in headers):
            headers.insert(0, ("Host", "localhost"))
        if self.declared == "chunked":
            headers.append(("Transfer-Encoding", "chunked"))
        elif self.declared is not None or self.body:
            headers.append(("Content-Length", self.declared or str(len(self.body))))
        return headers

    def chunks(self) -> list[bytes]:
        size = max(1, -(-len(self.body) // self.pieces))
        return [self.body[at : at + size] for at in range(0, len(self.body), size)] or [b""]

    @property
    def falls_short(self) -> bool:
        """Whether the client stops before the length that it declared."""
        return bool(self.declared and self.declared.isdigit() and int(self.declared) > len(self.body))


@dataclass
class Answer:
    """What came back.

    Args:
        status: the number; 0 if nothing was sent.
        cut: whether it ended by an error, so that a client sees an incomplete answer.
    """

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    cut: bool = False

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]


# --- WSGI


def environ_of(raw: Raw) -> dict[str, Any]:
    path, query = raw.path_and_query
    environ: dict[str, Any] = {
        "REQUEST_METHOD": raw.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REQUEST_URI": raw.target,
        "RAW_URI": raw.target,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "50000",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(raw.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in raw.all_headers():
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
            if key in environ:
                value = f"{environ[key]},{value}"
        environ[key] = value
    if raw.declared == "chunked":
        environ["wsgi.input_terminated"] = True
    return environ


def ask_wsgi(app: Callable[..., Iterable[bytes]], raw: Raw) -> Answer:
    """Send a request as a WSGI server would, and read the answer to its end."""
    answer = Answer()

    def start_response(status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], Any]:
        answer.status = int(status[:3])
        answer.headers = list(headers)
        return lambda data: None

    pieces: Iterable[bytes] = ()
    try:
        pieces = app(environ_of(raw), start_response)
        for piece in pieces:
            answer.body += piece
    except Exception:
        answer.cut = True
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    return answer


# --- ASGI


def scope_of(raw: Raw) -> dict[str, Any]:
    path, query = raw.path_and_query
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": raw.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in raw.all_headers()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        "state": {},
    }


async def ask_asgi(app: Callable[..., Any], raw: Raw) -> Answer:
    """Send a request as an ASGI server would, and read the answer to its end."""
    answer = Answer()
    chunks = raw.chunks()
    ended = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not chunks:
            if not raw.falls_short:  # the client waits for the answer
                await ended.wait()
            return {"type": "http.disconnect"}
        piece = chunks.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(chunks) or raw.falls_short}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in message["headers"]]
        elif message["type"] == "http.response.body":
            answer.body += message.get("body", b"")
            if not message.get("more_body", False):
                ended.set()

    try:
        await app(scope_of(raw), receive, send)
    except Exception:
        answer.cut = True
    answer.cut = answer.cut or not ended.is_set()
    return answer
