"""Asking an application in process: by its ASGI callable on a loop, by the sync client, by its WSGI callable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from asyncflask.testing.transport import Exchange, request_body, scope_from_environ

WAYS = ("asgi", "client", "wsgi")


@dataclass
class Got:
    """An answer: what a client sees of it."""

    status: int
    headers: Headers
    pieces: list[bytes] = field(repr=False)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def environ_of(path: str, method: str = "GET", **options: Any) -> dict[str, Any]:
    """Return the environ of a request; `options` are those of Werkzeug's builder."""
    builder = EnvironBuilder(path, options.pop("base_url", "http://localhost/"), method=method, **options)
    try:
        return builder.get_environ()
    finally:
        builder.close()


class Client(Exchange):
    """One exchange that may be left, and held up, by its client.

    Args:
        environ: of the request.
        leaves_after: the client has gone once it has got this many pieces of the body.
        tells: sending to a client that has gone raises OSError, as servers do; else it is only told by ``receive``.
    """

    def __init__(self, environ: dict[str, Any], leaves_after: int | None = None, tells: bool = True) -> None:
        super().__init__(scope_from_environ(environ), request_body(environ))
        self.leaves_after = leaves_after
        self.tells = tells
        self.gone = False

    async def send(self, message: dict[str, Any]) -> None:
        if self.gone:
            if self.tells:
                raise OSError("the client has left")
            return
        await super().send(message)
        if self.leaves_after is not None and self.status and len(self.pieces) >= self.leaves_after:
            self.leave()

    def leave(self) -> None:
        """Let the client be gone from now on."""
        self.gone = self._left = True
        self._over.set()

    @property
    def got(self) -> Got:
        headers = Headers([(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.headers])
        return Got(self.status, headers, self.pieces)


async def ask(app: Any, path: str, method: str = "GET", **options: Any) -> Got:
    """Send one request to an ASGI callable, or an application, on the running loop."""
    client = Client(environ_of(path, method, **options))
    await client.run(app)
    return client.got


def ask_wsgi(app: Any, path: str, method: str = "GET", **options: Any) -> Got:
    """Send one request to a WSGI callable."""
    pieces, status, headers = run_wsgi_app(app, environ_of(path, method, **options))
    try:
        return Got(int(status.split()[0]), headers, [piece for piece in pieces if piece])
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def ask_client(app: Any, path: str, method: str = "GET", **options: Any) -> Got:
    """Send one request by the sync test client."""
    client = app.test_client(use_cookies=False, transport="asgi")
    response = client.open(path, method=method, **options)
    try:
        return Got(response.status_code, response.headers, [response.get_data()])
    finally:
        response.close()


def ask_asgi(app: Any, path: str, method: str = "GET", **options: Any) -> Got:
    """Send one request on a loop of its own."""
    return asyncio.run(ask(app, path, method, **options))


def apart(function: Callable[..., Got]) -> Callable[..., Got]:
    """Return `function` run in a copy of the caller's context: the sync client gives back what a request has set."""

    def call(*args: Any, **options: Any) -> Got:
        return copy_context().run(function, *args, **options)

    return call


BY_WAY: dict[str, Callable[..., Got]] = {"asgi": ask_asgi, "client": apart(ask_client), "wsgi": apart(ask_wsgi)}


async def turns(until: Callable[[], Any], most: int = 10_000) -> None:
    """Let the loop turn until something is so, without a clock; fail if it never is."""
    for _ in range(most):
        if until():
            return
        await asyncio.sleep(0)
    raise AssertionError("what was waited for has not happened")


async def all_of(*awaitables: Awaitable[Any]) -> list[Any]:
    return list(await asyncio.gather(*awaitables))
