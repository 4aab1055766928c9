"""Noticing that the client has left: asked for by a view, by a route that is to be cancelled, or while a body is sent.

Nobody listens until somebody asks, and there is one listener for a request, since ``receive`` gives each message once.
"""

from __future__ import annotations

import threading
import typing as t
from contextlib import suppress
from contextvars import Context

from ..lazy import late_module
from ..threads import current_bridge
from ..wrappers import Request

if t.TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

Receive = t.Callable[[], t.Awaitable[dict[str, t.Any]]]
Send = t.Callable[[dict[str, t.Any]], t.Awaitable[None]]

_KEY = "asyncflask.listener"
_UNREAD = "asyncflask.unread"
_SHIELDED = "asyncflask.shielded"


class Listener:
    """Listens for the client's leaving, and is told of other reasons to end the answer.

    Args:
        receive: the ASGI callable.
        shielded: whether the client's leaving ends nothing. It is known all the same.

    Listening begins with `listen`, when the whole request body has been read, or nobody is going to read it.
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
        self._tasks: list[asyncio.Task[None]] = []
        self._listens = False

    def listen(self) -> None:
        """Begin to listen."""
        if not self._listens:
            self._listens = True
            self.keep(self.loop.create_task(self._listen(), context=Context()))

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
    listener: Listener | None = scope.get(_KEY)
    if listener is None:
        listener = scope[_KEY] = Listener(receive, scope.get(_SHIELDED, False))
        if not scope.get(_UNREAD, False):
            listener.listen()
    return listener


def shield(scope: dict[str, t.Any]) -> None:
    """Let the leaving of a request's client end nothing."""
    scope[_SHIELDED] = True


def mark_unread(scope: dict[str, t.Any]) -> None:
    """Somebody is going to read the body, who would miss what a listener takes."""
    scope[_UNREAD] = True


def mark_read(scope: dict[str, t.Any], left: bool = False) -> None:
    """Nobody reads the body any more: it is over, or, if `left`, reading it has shown that the client has left."""
    listener: Listener | None = scope.get(_KEY)
    if scope.pop(_UNREAD, False) and listener is not None and not left:
        listener.listen()
    if left and listener is not None:
        listener.leave()


async def stop_listening(scope: dict[str, t.Any]) -> Listener | None:
    """End the listener of a request, if one was made, and return it."""
    listener: Listener | None = scope.pop(_KEY, None)
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
        task.cancelled() or task.exception()  # has been looked at
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

    While the view reads the body itself, it is reading that tells that the client has left.
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
        listener: Listener | None = self._scope.get(_KEY)
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
