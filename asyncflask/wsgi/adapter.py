"""A WSGI callable as an ASGI application: each kind of scope, and the threads that requests run in."""

from __future__ import annotations

import asyncio
import typing as t
import weakref
from contextvars import copy_context

from ..asgi.scope import client_fault
from ..threads import Bridge, PoolBridge, QueueFull, WorkerPool
from ..wrappers.environ import CLIENT
from .bodies import Message, Receive, Send
from .exchange import Exchange

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class WSGIAdapter:
    """An ASGI application that serves a WSGI callable, each request in one worker thread.

    Args:
        wsgi_app: any WSGI application.
        pool: the threads to use; by default 40 of its own, which end with the server's lifespan.
        bridge_for: gives the bridge to work through for the running loop, instead of a pool.
        raises: let out what the callable raises before its answer has begun, as ASGI applications do; else it is logged
            and answered by 500.

    Bodies are streamed in both directions, as fast as the slower side. Where the pool refuses a request the answer
    is 503 with ``Retry-After``. Websockets are refused. A request of the sync test client runs in the client's thread.
    (PEP 3333; ASGI specification 3.0.)
    """

    def __init__(
        self,
        wsgi_app: WSGIApplication,
        *,
        pool: WorkerPool | None = None,
        bridge_for: t.Callable[[asyncio.AbstractEventLoop], Bridge] | None = None,
        raises: bool = False,
    ) -> None:
        if not callable(wsgi_app):
            raise TypeError(f"WSGIAdapter needs a WSGI callable, not {wsgi_app!r}.")
        if pool is not None and bridge_for is not None:
            raise TypeError("Give WSGIAdapter either a pool or bridge_for, not both.")
        self.wsgi_app = wsgi_app
        self.raises = raises
        self._own_pool = WorkerPool(name="asyncflask-wsgi") if pool is None and bridge_for is None else None
        self._pool = pool or self._own_pool
        self._bridge_for = bridge_for or self._pool_bridge
        self._bridges: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Bridge] = weakref.WeakKeyDictionary()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one scope. Raises RuntimeError for an unknown type of scope, and what cut an answer off."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})
            case unknown:
                raise RuntimeError(f"WSGIAdapter cannot serve a scope of type {unknown!r}.")

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        fault = client_fault(scope, headers)
        if fault is not None:
            return await _answer(send, 400, f"{fault.description}\n".encode(), (b"connection", b"close"))
        link = scope.get(CLIENT)
        bridge: Bridge = self._bridge_for(asyncio.get_running_loop()) if link is None else link.bridge
        exchange = Exchange(self.wsgi_app, scope, headers, bridge, receive, send, self.raises)
        try:
            job = bridge.submit(copy_context().run, exchange.work)
        except QueueFull:
            await _answer(send, 503, b"Service Unavailable\n", (b"retry-after", b"1"))
        else:
            await exchange.attend(job)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            kind: str = (await receive())["type"]
            if kind == "lifespan.shutdown" and self._own_pool is not None:
                await asyncio.to_thread(self._own_pool.close)
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    def _pool_bridge(self, loop: asyncio.AbstractEventLoop) -> Bridge:
        bridge = self._bridges.get(loop)
        if bridge is None:
            assert self._pool is not None
            bridge = self._bridges[loop] = PoolBridge(loop, self._pool, self._pool)
        return bridge


async def _answer(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    pairs = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
