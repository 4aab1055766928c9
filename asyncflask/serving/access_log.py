"""The access log: one line a request, as Werkzeug writes it, as JSON, or as a function of the caller's says."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import typing as t
from dataclasses import dataclass

import click
from werkzeug.urls import uri_to_iri

from ..logging import has_level_handler

Scope = dict[str, t.Any]

#: As Werkzeug's server: what silences or filters this logger in a Flask application does so here.
log: logging.Logger = logging.getLogger("werkzeug")
json_log: logging.Logger = logging.getLogger("asyncflask.access")


@dataclass
class Access:
    """One request, as far as it has come: at the start of its answer, for JSON at the end.

    `status` is 101 for a websocket that was accepted, `size` the bytes of the body so far, `seconds` since the request
    came.
    """

    scope: Scope
    status: int = 500
    size: int = 0
    seconds: float = 0.0

    @property
    def client(self) -> str:
        """Address of the client; behind a Unix socket there is none."""
        return (self.scope.get("client") or ("<local>",))[0]

    @property
    def method(self) -> str:
        """The method; of a websocket "WebSocket"."""
        return printable(self.scope.get("method", "WebSocket"))

    @property
    def target(self) -> str:
        """Path and query string for people to read: decoded where that is UTF-8, what could deceive them escaped."""
        raw = self.scope.get("raw_path") or self.scope["path"].encode()
        query: bytes = self.scope.get("query_string", b"")
        text = (raw + b"?" + query if query else raw).decode("latin-1")
        return printable(uri_to_iri(text))

    @property
    def protocol(self) -> str:
        """As in the request's first line."""
        return f"HTTP/{self.scope.get('http_version', '1.1')}"

    def header(self, name: bytes) -> str | None:
        """Return the first value of a header, by its lower-case name."""
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), None)


def printable(text: str) -> str:
    """Return `text` in one line, with escapes for what is not to be printed (control characters, direction marks)."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in text)


def werkzeug_line(access: Access, colours: bool = False) -> str:
    """Return ``address - - [time] "GET /path HTTP/1.1" status -``."""
    request = f"{access.method} {access.target} {access.protocol}"
    if colours:
        request = click.style(request, **_colours_of(access.status))
    now = time.localtime()
    stamp = f"{now.tm_mday:02}/{_MONTHS[now.tm_mon - 1]}/{now.tm_year} {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
    return f'{access.client} - - [{stamp}] "{request}" {access.status} -'


_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # of no locale


def json_line(access: Access) -> str:
    """Return a JSON object: time (UTC), pid, client, method, path, protocol, status, bytes, ms, user_agent, referer."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    told = {
        "time": f"{stamp}.{int(now * 1000) % 1000:03}Z",
        "pid": os.getpid(),
        "client": access.client,
        "method": access.method,
        "path": access.target,
        "protocol": access.protocol,
        "status": access.status,
        "bytes": access.size,
        "ms": round(access.seconds * 1000, 3),
        "user_agent": access.header(b"user-agent"),
        "referer": access.header(b"referer"),
    }
    return json.dumps(told)


def _colours_of(status: int) -> dict[str, t.Any]:
    if status == 304:
        return {"fg": "cyan"}
    if status == 404:
        return {"fg": "yellow"}
    by_class: dict[int, dict[str, t.Any]] = {
        1: {"bold": True},
        2: {},
        3: {"fg": "green"},
        4: {"fg": "red", "bold": True},
    }
    return by_class.get(status // 100, {"fg": "magenta", "bold": True})


class AccessLog:
    """An ASGI application that serves `app` and writes a line for each request.

    Args:
        app: an ASGI application.
        write: is given an `Access`.
        at_end: write when the answer is complete, not when it begins.
    """

    def __init__(self, app: t.Any, write: t.Callable[[Access], None], at_end: bool = False) -> None:
        self.app = app
        self.write = write
        self.at_end = at_end

    async def __call__(self, scope: Scope, receive: t.Any, send: t.Any) -> None:
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        access, write, at_end = Access(scope), self.write, self.at_end
        began = time.perf_counter()
        written = False

        def note(status: int) -> None:
            nonlocal written
            access.status = status
            if not at_end and not written:
                written = True
                access.seconds = time.perf_counter() - began
                write(access)

        async def sending(message: Scope) -> None:
            kind = message["type"]
            if kind == "http.response.start" or kind == "websocket.http.response.start":
                note(message["status"])
            elif kind == "http.response.body":
                access.size += len(message.get("body", b""))
            elif kind == "websocket.accept":
                note(101)
            elif kind == "websocket.close":
                note(403)  # before it was accepted; later it has been written
            await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            if not written:
                access.seconds = time.perf_counter() - began
                write(access)


def with_access_log(app: t.Any, kind: t.Any) -> t.Any:
    """Return `app` with the access log of that `kind`: an option of the server's, see `options.Options`."""
    if kind == "werkzeug":
        prepare(log)
        colours = wants_colour(sys.stderr)
        return AccessLog(app, lambda access: log.info("%s", werkzeug_line(access, colours)))
    if kind == "json":
        prepare(json_log, "%(message)s", sys.stdout)
        return AccessLog(app, lambda access: json_log.info("%s", json_line(access)), at_end=True)
    if callable(kind):
        prepare(log)
        return AccessLog(app, lambda access: _written_by(kind, access))
    return app


def _written_by(make_line: t.Callable[[Access], object], access: Access) -> None:
    line = make_line(access)
    if line is not None:
        log.info("%s", line)


def wants_colour(stream: t.TextIO | None) -> bool:
    """Return whether a stream is a terminal, and the user has not asked for no colours. (no-color.org)"""
    return stream is not None and not os.environ.get("NO_COLOR") and stream.isatty()


def prepare(logger: logging.Logger, format: str = "%(message)s", stream: t.TextIO | None = None) -> None:
    """Have INFO of `logger` written to `stream`, as far as the user has not said otherwise."""
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if not has_level_handler(logger):
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logging.Formatter(format))
        logger.addHandler(handler)


def quiet_uvicorn() -> None:
    """Have uvicorn's warnings and errors written, and nothing of what it says otherwise; unless it is configured."""
    logger = logging.getLogger("uvicorn.error")
    if logger.level == logging.NOTSET and logger.parent is not None and logger.parent.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
    if not has_level_handler(logger):
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)s: %(message)s"))
        logger.addHandler(handler)
