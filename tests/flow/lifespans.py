"""A server's part of the lifespan protocol, for tests: start an application, give requests its state, stop it.

(ASGI specification, Lifespan protocol.)
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any

from .asking import Client, Got, environ_of


class Lifespan:
    """Runs an application from its start to its stop, in ``async with``.

    Args:
        app: an ASGI application.
        state: whether the server has lifespan state.

    Attributes:
        state: ``scope["state"]`` of the lifespan.
        answers: what the application has sent.
    """

    def __init__(self, app: Any, *, state: bool = True) -> None:
        self.app = app
        self.state: dict[str, Any] | None = {} if state else None
        self.answers: list[dict[str, Any]] = []

    async def __aenter__(self) -> Lifespan:
        await self.start()
        assert self.answers[-1] == {"type": "lifespan.startup.complete"}, self.answers
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()
        assert self.answers[-1] == {"type": "lifespan.shutdown.complete"}, self.answers

    async def start(self) -> dict[str, Any]:
        """Start it; return its answer."""
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
        if self.state is not None:
            scope["state"] = self.state
        self._task = asyncio.get_running_loop().create_task(
            self.app(scope, self._inbox.get, self._outbox.put), context=Context()
        )
        answer = await self._told("lifespan.startup")
        if answer["type"].endswith("failed"):
            await self._task
        return answer

    async def stop(self) -> dict[str, Any]:
        """Stop it; return its answer."""
        answer = await self._told("lifespan.shutdown")
        await self._task
        return answer

    async def _told(self, kind: str) -> dict[str, Any]:
        self._inbox.put_nowait({"type": kind})
        self.answers.append(await self._outbox.get())
        return self.answers[-1]

    def client(self, path: str, method: str = "GET", **options: Any) -> Client:
        """Return the client of one request, with the state that a server would give."""
        client = Client(environ_of(path, method), **options)
        if self.state is not None:
            client.scope["state"] = self.state.copy()
        return client

    async def ask(self, path: str, method: str = "GET") -> Got:
        """Send one request."""
        client = self.client(path, method)
        await client.run(self.app)
        return client.got
