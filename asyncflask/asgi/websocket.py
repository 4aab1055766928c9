"""One websocket connection scope: from the handshake to an exchange, run where its lane says, until it is closed.

The server's ``receive`` is called only when the handler receives: a client that sends faster than its messages are
taken is held back by the server. Somebody else listens only where a client's leaving would go unnoticed (`LookAhead`).
(ASGI specification, WebSocket connection scope.)
"""

from __future__ import annotations

import typing as t
from collections import deque
from contextvars import Context, copy_context

from werkzeug.exceptions import Forbidden, HTTPException, ServiceUnavailable

from ..lanes import WORKER
from ..lazy import late_module
from ..threads import InContext, InThread, QueueFull, drive
from ..wrappers.environ import CLIENT
from ..wrappers.websocket import ERROR, POLICY, State
from .disconnect import cancelled_when_left
from .http import bridge_of, close_lifetime, end_lifetime, leave_to_debugger
from .scope import DEBUGGER, client_fault, known_hosts, split_path

if t.TYPE_CHECKING:
    import asyncio

    from ..app import App
    from ..ctx import AppContext
    from ..threads import Bridge
    from ..wrappers import Response
    from ..wrappers.response import Answer
    from ..wrappers.websocket import Websocket
    from .stream import Message, Receive, Send
else:
    asyncio = late_module("asyncio")

T = t.TypeVar("T")

_DENIAL = "websocket.http.response"
_GOING_AWAY = 1001, "Going Away"


class LookAhead:
    """Listens to a client while its handler may be busy with something else.

    Args:
        receive: the server's.
        most: how many messages are kept; then nobody listens until one was taken, and the server holds the client back.
        left: called when the client has left, with the message that says so.
    """

    def __init__(self, receive: Receive, most: int, left: t.Callable[[Message], t.Any]) -> None:
        self._receive = receive
        self._left = left
        self._kept: deque[Message] = deque()
        self._callbacks: list[t.Callable[[], None]] = []
        self._room = asyncio.Semaphore(most)
        self._come = asyncio.Event()
        self.gone: asyncio.Event = asyncio.Event()
        self.task: asyncio.Task[None] = asyncio.get_running_loop().create_task(self._listen(), context=Context())

    async def _listen(self) -> None:
        while not self.gone.is_set():
            await self._room.acquire()
            message = await self._receive()
            self._kept.append(message)
            self._come.set()
            if message["type"] == "websocket.disconnect":
                self.gone.set()
                self._left(message)
                for callback in self._callbacks:
                    callback()

    def when_left(self, callback: t.Callable[[], None]) -> None:
        """Have `callback` called when the client leaves."""
        self._callbacks.append(callback)

    def forget(self, callback: t.Callable[[], None]) -> None:
        """Take back one `when_left`."""
        self._callbacks.remove(callback)

    @property
    def keeps(self) -> bool:
        """Whether a message of the client's is there."""
        return bool(self._kept) and self._kept[0]["type"] != "websocket.disconnect"

    async def receive(self) -> Message:
        """ASGI's receive. The last message, that the client has left, is given again and again."""
        while not self._kept:
            self._come.clear()
            await self._come.wait()
        if not self.keeps:
            return self._kept[0]
        self._room.release()
        return self._kept.popleft()


class Line:
    """The way from a `Websocket` to its client, as that asks for it."""

    __slots__ = ("ahead", "app", "bridge", "ctx", "is_ended", "receive", "send", "task")

    ctx: AppContext
    bridge: Bridge

    def __init__(self, app: App, receive: Receive, send: Send) -> None:
        self.app: App = app
        self.receive: Receive = receive
        self.send: Send = send
        self.ahead: LookAhead | None = None
        self.task: asyncio.Task[t.Any] | None = None
        self.is_ended: bool = False

    def lead_to(self, ctx: AppContext) -> None:
        """Say which context's websocket this is for."""
        self.ctx = ctx
        self.bridge = bridge_of(self.app, ctx)

    @property
    def keeps(self) -> bool:
        """Whether there are messages that came before the client has left."""
        return self.ahead is not None and self.ahead.keeps

    async def handshake(self) -> list[tuple[bytes, bytes]]:
        """Save the session; return its headers. In a context of its own, as any task may accept."""
        return await InContext(self.app.handshake(self.ctx), copy_context(), self.bridge)

    def wait(self, work: t.Coroutine[t.Any, t.Any, T], /) -> T:
        """Run a coroutine on the loop, from a thread."""
        return self.bridge.run(work, None)

    def watch(self) -> LookAhead:
        """Begin to look ahead. Nobody must be receiving just now."""
        if self.ahead is None:
            websocket = t.cast("Websocket", self.ctx.request)
            self.ahead = LookAhead(self.receive, self.app.config["WEBSOCKET_QUEUE"], websocket.gone)
            self.receive = self.ahead.receive
        return self.ahead

    async def left(self) -> None:
        """Return when the client has left."""
        await self.watch().gone.wait()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that serves it."""
        return self.bridge.loop

    def end(self, *, cleanly: bool) -> None:
        """Cancel a handler that has not ended by itself, though the server stops. On the loop."""
        if self.task is not None:
            self.is_ended = True
            self.task.cancel("the server stops")

    async def hang_up(self) -> None:
        """Listen no more."""
        del self.ctx
        ahead, self.ahead = self.ahead, None
        if ahead is not None:
            ahead.task.cancel()
            await asyncio.gather(ahead.task, return_exceptions=True)


async def serve_websocket(app: App, scope: Message, receive: Receive, send: Send) -> None:
    """Serve one websocket. (ASGI specification, WebSocket connection scope.)"""
    if (await receive())["type"] != "websocket.connect":  # it has left already
        return
    headers: dict[bytes, bytes] = dict(scope["headers"])
    if headers.get(b"host") not in known_hosts or len(headers) != len(scope["headers"]):
        fault = client_fault(scope, headers)
        if fault is not None:
            return await refuse(scope, send, fault)
    if not may_come_from(headers.get(b"origin"), app.config["WEBSOCKET_ORIGINS"]):
        return await refuse(scope, send, Forbidden("Pages of this origin may not open websockets here."))
    root_path, path = split_path(scope)
    line = Line(app, receive, send)
    context = copy_context()
    ctx = context.run(
        app.open_websocket, scope, root_path, path, t.cast("t.Any", line), has_cookies=b"cookie" in headers
    )
    del headers
    line.lead_to(ctx)
    websocket = t.cast("Websocket", ctx.request)
    if ctx.refused:
        context.run(ctx.unbind)
        return await refuse(scope, send, t.cast(HTTPException, websocket.routing_exception))
    if (link := scope.get(CLIENT)) is not None:
        link.context, ctx.preserve = context, link.preserve
    await _serve_line(app, scope, ctx, context, line)


async def _serve_line(app: App, scope: Message, ctx: AppContext, context: Context, line: Line) -> None:
    websocket = t.cast("Websocket", ctx.request)
    line.task = task = asyncio.current_task()
    app.open_streams.add(line, endless=False)
    try:
        if ctx.plan.on_disconnect == "cancel":
            async with cancelled_when_left(line.watch()):
                await _converse(app, ctx, context, line, websocket)
        else:
            await _converse(app, ctx, context, line, websocket)
    except asyncio.CancelledError:
        if not line.is_ended or task is None or task.uncancel():
            raise
    except Exception:
        leave_to_debugger(scope, ctx, context)
        raise
    finally:
        line.task = None
        app.open_streams.discard(line)
        websocket.hang_up()
        await line.hang_up()
        await close_lifetime(ctx, context, line.bridge)


def may_come_from(origin: bytes | None, allowed: t.Collection[str] | None) -> bool:
    """Return whether a page may open a websocket: browsers let any page do so, with the user's cookies.

    Args:
        origin: the Origin header; None is no browser. (RFC 6455 section 10.2.)
        allowed: origins such as ``https://example.org``; None: all.
    """
    return origin is None or allowed is None or origin.decode("latin-1") in allowed


async def _converse(app: App, ctx: AppContext, context: Context, line: Line, websocket: Websocket) -> None:
    scope = t.cast("Message", websocket.scope)
    try:
        work = _begun(app, ctx, context, line.bridge)
    except QueueFull:
        context.run(ctx.unbind)
        fault = ServiceUnavailable("All threads for websockets are busy.", retry_after=1)
        return await refuse(scope, line.send, fault)
    try:
        await work
    except asyncio.CancelledError:
        if websocket.state is State.OPEN:
            await websocket.close(*_GOING_AWAY)
        raise
    except Exception:
        if websocket.state is State.OPEN and DEBUGGER not in scope:  # else the debugger closes it
            await websocket.close(ERROR, "Internal Server Error")
        raise
    answer = ctx.take_answer()
    try:
        if websocket.state is State.CONNECTING:
            await deny(scope, line.send, answer[0], answer[1], await _body(answer, context, line.bridge))
    finally:
        if answer[3] is not None:
            await InContext(answer[3].close_async(), context, line.bridge)


def _begun(app: App, ctx: AppContext, context: Context, bridge: Bridge) -> t.Awaitable[None]:
    if ctx.lane is WORKER:
        return bridge.submit(_run_in_thread, app, ctx, context, bridge, side="websocket")
    return InContext(ctx.stages.exchange(ctx), context, bridge)


def _run_in_thread(app: App, ctx: AppContext, context: Context, bridge: Bridge) -> None:
    try:
        drive(ctx.stages.exchange(ctx), context, bridge)
    finally:
        end_lifetime(ctx, context, bridge)


# -- refusing the handshake --------------------------------------------------------------------------------------------


async def deny(scope: Message, send: Send, status: int, pairs: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Answer a handshake with an HTTP response; where the server has no way to do so it answers 403 by itself.

    (ASGI specification, Websocket Denial Response.)
    """
    try:
        if _DENIAL in (scope.get("extensions") or {}):
            await send({"type": f"{_DENIAL}.start", "status": status, "headers": pairs})
            await send({"type": f"{_DENIAL}.body", "body": body})
        else:
            await send({"type": "websocket.close", "code": POLICY})
    except OSError:  # the client has left
        return


async def refuse(scope: Message, send: Send, error: HTTPException) -> None:
    """Deny a handshake that no code of the app is to see."""
    body = error.get_body().encode()
    pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in error.get_headers()]
    await deny(scope, send, error.code or 500, [*pairs, (b"content-length", b"%d" % len(body))], body)


async def _body(answer: Answer, context: Context, bridge: Bridge) -> bytes:
    body, response = answer[2], answer[3]
    if body is not None or response is None:
        return body or b""
    return await InContext(_collected(response), context, bridge)


async def _collected(response: Response) -> bytes:
    if response.is_async_iterable:
        return b"".join([piece async for piece in response.asgi_pieces_async()])
    return await InThread(b"".join, (response.asgi_pieces(),))
