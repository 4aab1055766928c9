"""Noticing that the client has left: asked for by a view, by a route that is to be cancelled, or while a body is sent.

Nobody listens until somebody asks, and there is one listener for a request, since ``receive`` gives each message once.
"""

from __future__ import annotations

import threading
import typing as t
from collections import deque
from contextlib import suppress
from contextvars import Context

from ..lazy import late_module
from ..threads import current_bridge
from ..wrappers import Request
from ..wrappers.environ import OPEN

if t.TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

Receive = t.Callable[[], t.Awaitable[dict[str, t.Any]]]
Send = t.Callable[[dict[str, t.Any]], t.Awaitable[None]]

LISTENER = "asyncflask.listener"
"""The key of a scope whose value is the `Listener` of its request, if somebody has asked for one."""
_INLET = "asyncflask.inlet"
_SHIELDED = "asyncflask.shielded"


READ_AHEAD = 256 * 1024
"""Bytes of a body that a listener takes from the server before somebody reads them."""

_DISCONNECT = {"type": "http.disconnect"}


class Inlet:
    """The ASGI callable ``receive``, for two: who reads the body, and who listens for the client's leaving.

    The listener comes no further than `READ_AHEAD` bytes into a body that nobody reads.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: deque[dict[str, t.Any]] = deque()
        self._size = 0
        self._left = False
        self._lock = asyncio.Lock()
        self._room = asyncio.Event()

    @staticmethod
    def of(scope: dict[str, t.Any], receive: Receive) -> Inlet:
        """Make the inlet of a request whose body is going to be read by its view."""
        inlet = scope[_INLET] = Inlet(receive)
        return inlet

    async def body(self) -> dict[str, t.Any]:
        """Receive, as the reader."""
        if not self._kept and not self._left:
            async with self._lock:
                if not self._kept and not self._left:
                    return await self._receive()
        if not self._kept:
            return _DISCONNECT
        message = self._kept.popleft()
        self._size -= len(message.get("body", b""))
        self._room.set()
        return message

    async def ahead(self) -> dict[str, t.Any]:
        """Receive, as the listener: what belongs to the body is kept for the reader."""
        while self._size >= READ_AHEAD:
            self._room.clear()
            await self._room.wait()
        async with self._lock:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._left = True
            else:
                self._kept.append(message)
                self._size += len(message.get("body", b""))
        return message


class Listener:
    """Listens for the client's leaving, and is told of other reasons to end the answer.

    Args:
        receive: the ASGI callable, or what stands for it.
        shielded: whether the client's leaving ends nothing. It is known all the same.

    A body that is still to be read must come by an `Inlet`, whose `ahead` is then what this listens to.
    """

    def __init__(self, receive: Receive, shielded: bool = False) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        #: Whether the client has left.
        self.left: asyncio.Event = asyncio.Event()
        #: Whether the answer is to end: its client has left, or the server stops.
        self.gone: bool = False
        #: Whether it is to end as if it were complete.
        self.cleanly: bool = False
        self._shielded = shielded
        self._receive = receive
        self._callbacks: list[t.Callable[[], None]] = []
        self._tasks: list[asyncio.Task[None]] = [self.loop.create_task(self._listen(), context=Context())]

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.leave()

    def leave(self) -> None:
        """The client has left, or is taken for gone."""
        self.left.set()
        if not self._shielded:
            self.end(cleanly=False)

    def end(self, *, cleanly: bool) -> None:
        """Have the answer end, if it has not been told to yet."""
        if not self.gone:
            self.gone, self.cleanly = True, cleanly
            for callback in self._callbacks:
                callback()

    def when_left(self, callback: t.Callable[[], None]) -> None:
        """Have `callback` called when the answer is to end; soon, if that is so already."""
        self._callbacks.append(callback)
        if self.gone:
            self.loop.call_soon(callback, context=Context())

    def forget(self, callback: t.Callable[[], None]) -> None:
        """Take back one `when_left`."""
        self._callbacks.remove(callback)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Have `task` cancelled and waited for at the end of the request."""
        self._tasks.append(task)

    async def stop(self) -> None:
        """Listen no more."""
        tasks, self._tasks = self._tasks, []  # their CancelledErrors refer to us: reference cycles
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def listener_of(scope: dict[str, t.Any], receive: Receive) -> Listener:
    """Return the listener of a request, made on the first call. On the loop's thread."""
    listener: Listener | None = scope.get(LISTENER)
    if listener is None:
        inlet: Inlet | None = scope.get(_INLET)
        listener = scope[LISTENER] = Listener(receive if inlet is None else inlet.ahead, scope.get(_SHIELDED, False))
        scope[OPEN] = True
    return listener


def shield(scope: dict[str, t.Any]) -> None:
    """Let the leaving of a request's client end nothing."""
    scope[_SHIELDED] = True


async def stop_listening(scope: dict[str, t.Any]) -> Listener | None:
    """End the listener of a request, if one was made, and return it."""
    listener: Listener | None = scope.pop(LISTENER, None)
    if listener is not None:
        await listener.stop()
    return listener


class Leaving(t.Protocol):
    """What tells when a client leaves."""

    def when_left(self, callback: t.Callable[[], None]) -> None:
        """Have `callback` called then."""

    def forget(self, callback: t.Callable[[], None]) -> None:
        """Take back one `when_left`."""


class cancelled_when_left:
    """Cancels the body of an ``async with`` when the client leaves, and ends that cancellation again at its exit.

    Args:
        listener: of the request or websocket.
    """

    def __init__(self, listener: Leaving) -> None:
        self._listener = listener
        self._host: asyncio.Task[t.Any] | None = None
        self._cancelled = self._disarmed = False
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._host = asyncio.current_task()
        self._listener.when_left(self._leave)

    def _leave(self) -> None:
        with self._lock:
            if self._host is not None and not self._cancelled and not self._disarmed:
                self._cancelled = True
                self._host.cancel("the client has left")

    def disarm(self) -> None:
        """Cancel nothing from now on: what follows has to come to its end. From any thread."""
        with self._lock:
            self._disarmed = True

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: t.Any) -> bool:
        host, self._host = self._host, None
        self._listener.forget(self._leave)
        # As asyncio.timeout does: it is ours to end only if nobody else has asked for a cancellation too.
        ours = self._cancelled and host is not None and host.uncancel() == 0
        return ours and isinstance(error, asyncio.CancelledError)


async def to_its_end(work: t.Coroutine[t.Any, t.Any, None]) -> None:
    """Await `work` to its end, also where the awaiting task is cancelled: that is cancelled afterwards."""
    task = asyncio.get_running_loop().create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # has been looked at
        raise cancelled
    task.result()


def to_anyone(send: Send) -> Send:
    """Return `send` that does not mind that the client has left."""

    async def send_anyway(message: dict[str, t.Any]) -> None:
        with suppress(OSError):
            await send(message)

    return send_anyway


class Probe:
    """Answers a request's questions about its client; made when the first is asked.

    Args:
        scope: of the request.
        receive: the ASGI callable.
    """

    def __init__(self, scope: dict[str, t.Any], receive: Receive) -> None:
        self._scope = scope
        self._receive = receive

    @staticmethod
    def of(request: Request) -> Probe | None:
        """Make the probe of a request; None if it did not come through ASGI."""
        if request.asgi_receive is None:
            return None
        scope = t.cast("dict[str, t.Any]", request.scope)
        return Probe(scope, request.asgi_receive)

    def has_left(self) -> bool:
        """Return whether the client is known to have left. From a worker thread or on the loop."""
        listener: Listener | None = self._scope.get(LISTENER)
        if listener is None:
            bridge = current_bridge()
            if bridge is None or asyncio._get_running_loop() is not None:
                listener = listener_of(self._scope, self._receive)
            else:
                listener = bridge.run(self._begin(), Context())
        return listener.left.is_set()

    async def _begin(self) -> Listener:
        listener = listener_of(self._scope, self._receive)
        await asyncio.sleep(0)  # let it see what has happened already
        return listener

    async def leaving(self) -> None:
        """Return when the client has left. On the loop."""
        await listener_of(self._scope, self._receive).left.wait()


# The messages know no servers; this is how a request finds out about its client all the same.
Request.ask_client = staticmethod(Probe.of)
