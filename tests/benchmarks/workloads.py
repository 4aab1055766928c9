"""What is asked of every framework, as a server would see it and as an ASGI scope, and who can answer it.

hello    plain text                                    users    a path and a query parameter, JSON
echo     JSON in, JSON out                             sync     plain text from a `def` handler in a thread
page     session cookie, a template of 20 rows, a URL  upload   a multipart file of 100 kB
routes   the last of 200 routes with a parameter       sleep    a `def` handler that blocks for 20 ms
session  a session is begun and sent as a signed cookie
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

ASGIApp = Callable[..., Awaitable[Any]]

ROUTES = 200
FILE_SIZE = 100_000
SLEEP = 0.02
_BOUNDARY = "benchmark-boundary"
_FILE = (
    f"--{_BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="f"; filename="f.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
    f"{'x' * FILE_SIZE}\r\n--{_BOUNDARY}--\r\n"
)


@dataclass(frozen=True)
class Workload:
    """One request, sent again and again.

    Args:
        path, query, body, content_type: of the request; one with a body is a POST.
        says: the whole body of the answer; as JSON if it is no bytes, None if it is only to be an answer.
        connections: how many clients ask at once over sockets.
    """

    path: str
    query: str = ""
    body: str = ""
    content_type: str = "application/json"
    says: object = None
    connections: int = 32

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def check(self, body: bytes) -> None:
        """Raise ValueError if that isn't the body of the right answer."""
        found = body if isinstance(self.says, bytes) else json.loads(body) if self.says is not None else None
        if found != self.says:
            raise ValueError(f"{self.target} answered {body[:200]!r} instead of {self.says!r}")


_DOCUMENT = {"a": 1, "b": [1, 2, 3], "c": "hello"}
WORKLOADS = {
    "hello": Workload("/hello", says=b"Hello"),
    "users": Workload("/users/42", "q=x", says={"id": 42, "q": "x"}),
    "echo": Workload("/echo", body=json.dumps(_DOCUMENT), says=_DOCUMENT),
    "sync": Workload("/sync", says=b"Hello"),
    "session": Workload("/visits", says=b"counted"),
    "page": Workload("/page"),
    "upload": Workload(
        "/upload", body=_FILE, content_type=f"multipart/form-data; boundary={_BOUNDARY}", says={"size": FILE_SIZE}
    ),
    "routes": Workload(f"/r{ROUTES - 1}/7", says=b"7"),
    "sleep": Workload("/sleep", says=b"slept", connections=128),
}
#: peers that cannot or, as measured here, need not do everything
CAN = {
    "raw": ("hello", "users", "echo"),
    "falcon": ("hello", "users", "echo", "routes"),
    "blacksheep": ("hello", "users", "echo", "routes"),
    "litestar": ("hello", "users", "echo", "sync", "routes"),
    "fastapi": ("hello", "users", "echo", "sync", "upload", "routes", "sleep"),
    "asyncflask_hooks": ("hello",),
    "asyncflask_fast": ("users", "echo"),
}


def can(peer: str, names: Iterable[str]) -> list[str]:
    """Return those of `names` that `peer` is measured with."""
    return [name for name in names if name in CAN.get(peer, WORKLOADS)]


class InProcess:
    """One client of an ASGI callable, with no server between: `once` is a whole exchange.

    Args:
        app: ASGI 3.
        work: what it asks.
    """

    def __init__(self, app: ASGIApp, work: Workload) -> None:
        self.app = app
        self.status = 0
        self.answer = b""
        self.body = work.body.encode()
        headers = [(b"host", b"localhost:8000"), (b"user-agent", b"benchmark"), (b"accept", b"*/*")]
        if self.body:
            headers.append((b"content-type", work.content_type.encode()))
            headers.append((b"content-length", b"%d" % len(self.body)))
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": work.method,
            "scheme": "http",
            "path": work.path,
            "raw_path": work.path.encode(),
            "query_string": work.query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }
        self.work = work

    async def once(self) -> None:
        """Ask once. What came back is in `status` and `answer`."""
        asked = False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:  # the client waits for its answer
                await asyncio.get_running_loop().create_future()
            asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if "status" in message:
                self.status, self.answer = message["status"], b""
            else:
                self.answer += message.get("body", b"")

        await self.app(self.scope.copy(), receive, send)

    async def repeat(self, times: int) -> None:
        """Ask `times` times, one after the other."""
        once = self.once
        for _ in range(times):
            await once()

    async def checked(self) -> None:
        """Ask once, and raise ValueError if that was not answered well."""
        await self.once()
        if self.status not in (200, 201):
            raise ValueError(f"{self.work.target}: status {self.status}, {self.answer[:200]!r}")
        self.work.check(self.answer)


async def start_up(app: ASGIApp) -> asyncio.Task[None]:
    """Run the start of the lifespan protocol; return the task that waits for its end, to be cancelled."""
    started = asyncio.Event()
    messages = [{"type": "lifespan.startup"}]

    async def receive() -> dict[str, str]:
        if messages:
            return messages.pop()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def send(message: dict[str, Any]) -> None:
        started.set()

    async def lifespan() -> None:
        try:
            await app(
                {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}, receive, send
            )
        finally:  # also where the callable knows no lifespan
            started.set()

    task = asyncio.create_task(lifespan())
    await started.wait()
    return task
