"""Noticing that the client has left: asked for by a view, by a route that is to be cancelled, or while a body is sent.

Nobody listens until somebody asks, and there is one listener for a request, since ``receive`` gives each message once.
"""

from __future__ import annotations

import typing as t
from contextvars import Context

from ..lazy import late_module
from ..threads import current_bridge
from ..wrappers import Request
from ..wrappers.stream import BodyStream

if t.TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

Receive = t.Callable[[], t.Awaitable[dict[str, t.Any]]]

_KEY = "asyncflask.listener"


class Listener:
    """Listens for the client's leaving.

    Args:
        receive: the ASGI callable; the whole request body must have been read.
    """

    def __init__(self, receive: Receive) -> None:
        self.gone: bool = False
        self.left: asyncio.Event = asyncio.Event()
        self._receive = receive
        self._callbacks: list[t.Callable[[], None]] = []
        self._task = asyncio.get_running_loop().create_task(self._listen(), context=Context())

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self.left.set()
        for callback in self._callbacks:
            callback()

    def when_left(self, callback: t.Callable[[], None]) -> None:
        """Have `callback` called when the client leaves; soon, if it has left already."""
        self._callbacks.append(callback)
        if self.gone:
            asyncio.get_running_loop().call_soon(callback, context=Context())

    def forget(self, callback: t.Callable[[], None]) -> None:
        """Take back one `when_left`."""
        self._callbacks.remove(callback)

    async def stop(self) -> None:
        """Listen no more."""
        task = self._task
        del self._task  # its CancelledError refers to us: a reference cycle
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def listener_of(scope: dict[str, t.Any], receive: Receive) -> Listener:
    """Return the listener of a request, made on the first call. On the loop's thread."""
    listener: Listener | None = scope.get(_KEY)
    if listener is None:
        listener = scope[_KEY] = Listener(receive)
    return listener


async def stop_listening(scope: dict[str, t.Any]) -> None:
    """End the listener of a request, if one was made."""
    listener: Listener | None = scope.pop(_KEY, None)
    if listener is not None:
        await listener.stop()


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
        self._cancelled = False

    async def __aenter__(self) -> None:
        self._host = asyncio.current_task()
        self._listener.when_left(self._leave)

    def _leave(self) -> None:
        if self._host is not None and not self._cancelled:
            self._cancelled = True
            self._host.cancel("the client has left")

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: t.Any) -> bool:
        host, self._host = self._host, None
        self._listener.forget(self._leave)
        # As asyncio.timeout does: it is ours to end only if nobody else has asked for a cancellation too.
        ours = self._cancelled and host is not None and host.uncancel() == 0
        return ours and isinstance(error, asyncio.CancelledError)


class Probe:
    """Answers a request's questions about its client; made when the first is asked.

    Args:
        scope: of the request.
        receive: the ASGI callable.
        unread: whether the view reads the body itself; only then does reading tell that the client has left.
    """

    def __init__(self, scope: dict[str, t.Any], receive: Receive, unread: bool) -> None:
        self._scope = scope
        self._receive = receive
        self._unread = unread

    @staticmethod
    def of(request: Request) -> Probe | None:
        """Make the probe of a request; None if it did not come through ASGI."""
        if request.asgi_receive is None:
            return None
        scope = t.cast("dict[str, t.Any]", request.scope)
        return Probe(scope, request.asgi_receive, isinstance(request.asgi_body, BodyStream))

    def has_left(self) -> bool:
        """Return whether the client is known to have left. From a worker thread or on the loop."""
        if self._unread:
            return False
        listener: Listener | None = self._scope.get(_KEY)
        if listener is None:
            bridge = current_bridge()
            if bridge is None or asyncio._get_running_loop() is not None:
                listener = listener_of(self._scope, self._receive)
            else:
                listener = bridge.run(self._begin(), Context())
        return listener.gone

    async def _begin(self) -> Listener:
        listener = listener_of(self._scope, self._receive)
        await asyncio.sleep(0)  # let it see what has happened already
        return listener

    async def leaving(self) -> None:
        """Return when the client has left. On the loop."""
        await listener_of(self._scope, self._receive).left.wait()


# The messages know no servers; this is how a request finds out about its client all the same.
Request.ask_client = staticmethod(Probe.of)
