"""httpx's requests, over connections in memory: answers are read, and bodies sent, piece by piece as they come."""

from __future__ import annotations

import asyncio
import typing as t
from contextlib import aclosing, asynccontextmanager
from urllib.parse import unquote

from .connection import Connection, HTTPConnection
from .httpx import httpx2
from .transport import ASGIApplication, BodyCut, Message
from .websocket import WebsocketConnection, WebsocketResponseError

C = t.TypeVar("C", bound=Connection)

_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_FAILED = b"Internal Server Error"


class MemoryTransport(httpx2.AsyncBaseTransport):
    """Serves requests by an ASGI application in the running loop, each one in a task of its own.

    Args:
        asgi: the application.
        root_path: where it is mounted; taken for the root of paths that begin with it.
        client: address and port that requests come from.
        raise_app_exceptions: raise what the application raises. Otherwise the client sees what a server makes of it: a
            bare 500, or an answer that is cut off.
        state: the state of the application's lifespan, when asked for.

    Attributes:
        connections: that are still served, or whose application failed without anybody having been told.
    """

    def __init__(
        self,
        asgi: ASGIApplication,
        root_path: str = "",
        client: tuple[str, int] = ("127.0.0.1", 50000),
        raise_app_exceptions: bool = True,
        state: t.Callable[[], dict[str, t.Any]] = dict,
    ) -> None:
        self.asgi = asgi
        self.root_path = root_path
        self.client = client
        self.raise_app_exceptions = raise_app_exceptions
        self._state = state
        self.connections: set[Connection] = set()

    # -- requests --------------------------------------------------------------------------------------------------

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; return its response when the application has begun it. A cancelled caller leaves."""
        connection = self.open_http(request)
        limit: float | None = request.extensions.get("timeout", {}).get("read")
        try:
            async with _read_within(limit):
                await connection.began()
            if not connection.status:
                self.raise_error(connection)
                _check_there(connection)
                return httpx2.Response(500, headers={"content-type": "text/plain; charset=utf-8"}, content=_FAILED)
        except BaseException:
            connection.leave()
            raise
        body = _Body(connection, self.raise_app_exceptions, limit)
        return httpx2.Response(connection.status, headers=connection.headers, stream=body)

    def open_http(self, request: httpx2.Request) -> HTTPConnection:
        """Begin a request."""
        stream: t.Any = request.stream
        body = b"".join(stream) if isinstance(stream, httpx2.ByteStream) else stream
        scope = self._scope("http", request) | {"method": request.method}
        return self._kept(HTTPConnection(self.asgi, scope, body))

    async def connect(self, request: httpx2.Request, subprotocols: t.Sequence[str]) -> WebsocketConnection:
        """Open a websocket. Raises WebsocketResponseError if it is refused, and what the application raises."""
        scope = self._scope("websocket", request) | {
            "subprotocols": list(subprotocols),
            "extensions": {"websocket.http.response": {}},
        }
        connection = self._kept(WebsocketConnection(self.asgi, scope))
        try:
            await connection.answered()
            if not connection.accepted:
                self.raise_error(connection)
                raise WebsocketResponseError(_refusal(connection, request))
        except BaseException:
            connection.leave()
            raise
        return connection

    def raise_error(self, connection: Connection) -> None:
        """Raise what the application raised, if that is wanted."""
        if self.raise_app_exceptions:
            connection.raise_error()

    def _scope(self, kind: str, request: httpx2.Request) -> Message:
        url = request.url
        raw_path, _, query = url.raw_path.partition(b"?")
        path = unquote(raw_path.decode("ascii"))
        root = self.root_path
        return {
            "type": kind,
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": url.scheme,
            "root_path": root if path.startswith(root) else "",
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": self.client,
            "server": (url.host, url.port or _PORTS.get(url.scheme, 80)),
            "state": dict(self._state()),
        }

    # -- ends ------------------------------------------------------------------------------------------------------

    def _kept(self, connection: C) -> C:
        self.connections.add(connection)
        connection.when_over(self._over)
        return connection

    def _over(self, connection: Connection) -> None:
        if connection.error is None or connection.told or not self.raise_app_exceptions:
            self.connections.discard(connection)

    async def settle(self, timeout: float) -> list[Connection]:
        """Wait until the application has ended what its clients have left; return what goes on after `timeout`."""
        left = [connection for connection in self.connections if connection.gone]
        tasks = [task for connection in left for task in connection.tasks if not task.done()]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)
        return [connection for connection in left if connection.running]

    def untold(self) -> list[Exception]:
        """Return, once, the errors that nobody has been told."""
        ended = [connection for connection in self.connections if not connection.running]
        self.connections.difference_update(ended)
        return [connection.error for connection in ended if connection.error is not None and not connection.told]


class _Body(httpx2.AsyncByteStream):
    """The body of an answer, as it comes. Closed before its end, it is the client that leaves."""

    def __init__(self, connection: HTTPConnection, raise_app_exceptions: bool, limit: float | None) -> None:
        self._connection = connection
        self._raises = raise_app_exceptions
        self._limit = limit

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        connection = self._connection
        while True:
            async with _read_within(self._limit):
                piece = await connection.piece()
            if piece is None:
                break
            yield piece
        if connection.error is not None and self._raises:
            connection.raise_error()
        _check_there(connection)
        if not connection.complete:
            raise httpx2.RemoteProtocolError(
                f"{connection}: the application failed in the middle of its answer, and so the answer is cut off here."
            ) from connection.error

    async def aclose(self) -> None:
        self._connection.leave()


class CutStream(httpx2.AsyncByteStream):
    """A request body whose client goes away after `size` bytes of it."""

    def __init__(self, stream: t.Any, size: int) -> None:
        self._stream = stream
        self._size = size

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        left = self._size
        async with aclosing(aiter(self._stream)) as pieces:
            async for piece in pieces:
                yield piece[:left]
                left -= len(piece)
                if left <= 0:
                    break
        raise BodyCut


def _check_there(connection: HTTPConnection) -> None:
    if connection.gone:
        raise httpx2.ReadError(f"{connection}: the async test client was closed before the end of the answer.")


@asynccontextmanager
async def _read_within(limit: float | None) -> t.AsyncIterator[None]:
    try:
        async with asyncio.timeout(limit):
            yield
    except TimeoutError:
        raise httpx2.ReadTimeout(f"The application sent nothing for {limit:g} seconds.") from None


def _refusal(connection: WebsocketConnection, request: httpx2.Request) -> httpx2.Response:
    denial = connection.denial
    if denial.complete:
        body = b"".join(connection.denial_pieces)
        return httpx2.Response(denial.status, headers=denial.headers, content=body, request=request)
    # What servers make of a close before the handshake, and of an application that fails or goes without an answer.
    status = 403 if connection.error is None else 500
    return httpx2.Response(status, request=request)
