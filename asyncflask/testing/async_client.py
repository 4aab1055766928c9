"""The async test client: httpx's, asking the application in memory and in the running loop.

Requests run as on a server, each in a task of its own and ``def`` handlers in the worker threads; but there is no
socket, and what the application raises is raised by the call that made the request.
"""

from __future__ import annotations

import asyncio
import json
import typing as t
import warnings
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

from .async_transport import CutStream, MemoryTransport
from .builder import url_at
from .httpx import httpx2
from .lifespan import TIMEOUT, Held
from .sse import EventSource
from .websocket import WebsocketConnection, WebsocketSession

if t.TYPE_CHECKING:
    from types import TracebackType

    from ..app import App
    from ..sessions import SessionMixin
    from .connection import Connection

_NOT_ENTERED = (
    "The async test client is not open. Use it as `async with app.async_test_client() as client:`, which also starts"
    " the application before the first request and stops it after the last one."
)
_OTHER_LOOP = (
    "The async test client was opened on another event loop than the one that uses it. Open it in the test itself, or"
    " in a fixture that runs on the loop of the test (pytest-asyncio: the same loop_scope)."
)
GRACE = 5.0
"""Seconds that the application has, at the end of the block, to end what its clients have left."""


class AsyncFlaskClient(httpx2.AsyncClient):
    """Asks an application from ``async def`` tests; ``app.async_test_client()`` makes it.

    Args:
        app: the application.
        base_url: scheme, host and root; by default from ``SERVER_NAME``, ``PREFERRED_URL_SCHEME`` and
            ``APPLICATION_ROOT``, as for the sync client.
        raise_app_exceptions: raise errors that the application lets out. Otherwise the client sees what a server makes
            of them: a bare 500, an answer that is cut off, a websocket closed with 1011.
        lifespan: start the application at the beginning of the ``async with`` block and stop it at its end, unless
            another client or `TestApp` has started it on this loop already. False leaves it alone.
        client: address and port that requests come from.
        startup_timeout, shutdown_timeout: seconds that start and stop may take.
        timeout: seconds after which a read from the application is ``httpx2.ReadTimeout``; None for no limit.
        kwargs: as for ``httpx2.AsyncClient``.

    It is ``httpx2.AsyncClient`` with another transport, so requests are made and answers read by httpx's API. An answer
    is read as it comes by ``client.stream(...)``; content from an async iterator is sent as the application takes it.
    Who leaves ``client.stream`` before the end of the answer, or cancels a request, is a client that goes away.
    """

    def __init__(
        self,
        app: App,
        *,
        base_url: httpx2.URL | str | None = None,
        raise_app_exceptions: bool = True,
        lifespan: bool = True,
        client: tuple[str, int] = ("127.0.0.1", 50000),
        startup_timeout: float = TIMEOUT,
        shutdown_timeout: float = TIMEOUT,
        timeout: t.Any = None,
        **kwargs: t.Any,
    ) -> None:
        self.application = app
        self._held = Held(app, startup_timeout, shutdown_timeout) if lifespan else None
        base = str(base_url) if base_url is not None else url_at(app, "", None, None)[0]
        self._memory = MemoryTransport(
            app.asgi,
            root_path=urlsplit(base).path.rstrip("/"),
            client=client,
            raise_app_exceptions=raise_app_exceptions,
            state=lambda: {} if self._held is None else self._held.state,
        )
        kwargs.setdefault("trust_env", False)
        super().__init__(base_url=base, transport=self._memory, timeout=timeout, **kwargs)
        # As in browsers, and as for the sync client, http://localhost is secure enough for cookies that want https.
        self.cookies.jar.set_policy(DefaultCookiePolicy(secure_protocols=("http", "https", "ws", "wss")))
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- its own begin and end -------------------------------------------------------------------------------------

    async def __aenter__(self) -> t.Self:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError(
                "The async test client needs a running asyncio loop. Under anyio's pytest plugin, have the fixture"
                " `anyio_backend` return 'asyncio': asyncflask does not run on trio."
            ) from None
        await super().__aenter__()
        if self._held is not None:
            await self._held.start()
        self._loop = loop
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self._close(exc_value)

    async def aclose(self) -> None:
        """Leave what is open and stop the application, as the end of the ``async with`` block does."""
        await self._close(None)

    async def _close(self, error: BaseException | None) -> None:
        loop, self._loop = self._loop, None
        try:
            if loop is not None:
                await self._leave_everything()
        finally:
            try:
                if loop is not None and self._held is not None:
                    await self._held.stop()
            finally:
                await super().aclose()
        if error is None:
            self._raise_untold()

    async def _leave_everything(self) -> None:
        for connection in tuple(self._memory.connections):
            connection.leave()
        going_on: list[Connection] = []
        try:
            going_on = await self._memory.settle(GRACE)
        finally:
            tasks = [task for connection in self._memory.connections for task in connection.tasks if not task.done()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if going_on:
            names = ", ".join(map(str, going_on))
            text = f"Still running {GRACE:g} seconds after the end of the async test client, and now cancelled: {names}"
            warnings.warn(text, RuntimeWarning, stacklevel=4)

    async def settle(self, timeout: float = 30.0) -> None:
        """Wait until the application has ended every request and websocket that this client has left before its end.

        Raises:
            TimeoutError: some are still running after `timeout` seconds.
            Exception: what the application raised in one of them, where errors are raised.
        """
        going_on = await self._memory.settle(timeout)
        if going_on:
            raise TimeoutError(f"Still running {timeout:g} seconds later: {', '.join(map(str, going_on))}")
        self._raise_untold()

    def _raise_untold(self) -> None:
        match self._memory.untold():
            case []:
                return
            case [error]:
                raise error
            case errors:
                raise ExceptionGroup("errors of requests that nobody waited for", errors)

    # -- requests --------------------------------------------------------------------------------------------------

    async def send(self, request: httpx2.Request, **kwargs: t.Any) -> httpx2.Response:
        """Send a request, as ``httpx2.AsyncClient.send``. Raises RuntimeError outside of ``async with``."""
        self._check_entered()
        return await super().send(request, **kwargs)

    def _check_entered(self) -> None:
        if self._loop is None:
            raise RuntimeError(_NOT_ENTERED)
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError(_OTHER_LOOP)

    async def leave(
        self,
        method: str,
        url: httpx2.URL | str,
        *,
        sent: int | None = None,
        received: int | None = None,
        when: t.Awaitable[t.Any] | None = None,
        **kwargs: t.Any,
    ) -> httpx2.Response | None:
        """Make a request and go away in the middle of it; `settle` waits until the application has ended it.

        Args:
            method, url: of the request.
            sent: bytes of the request body after which the client goes.
            received: bytes of the answer's body after which it goes; 0 is after the header.
            when: awaited before it goes, such as an event that the view sets. Without all three it goes as soon as the
                application has begun.
            kwargs: as for ``client.build_request``.

        Returns the answer as far as it was received, None if that was not asked for. Raises what the application
        raised before.
        """
        self._check_entered()
        request = self.build_request(method, url, **kwargs)
        if sent is not None:
            request.stream = CutStream(request.stream, sent)
        connection = self._memory.open_http(request)
        try:
            got = b"" if received is None else await connection.read_at_least(received)
            await connection.until(when)
            self._memory.raise_error(connection)
        finally:
            connection.leave()
        return None if received is None else httpx2.Response(connection.status, headers=connection.headers, content=got)

    def sse(  # type: ignore[override]  # to be iterated without `async with`, too
        self, url: httpx2.URL | str, *, method: str = "GET", last_event_id: str | None = None, **kwargs: t.Any
    ) -> EventSource:
        """Return the server-sent events of a URL: for ``async for``, or ``async with`` to leave before their end.

        Args:
            url: the path, or a whole URL.
            method: of the request.
            last_event_id: sent as ``Last-Event-ID``, as a browser does that connects again.
            kwargs: as for ``client.stream``.

        Raises ``httpx2.SSEError``, once read, for an answer that is no event stream.
        """
        headers = httpx2.Headers({"Accept": "text/event-stream", "Cache-Control": "no-store"})
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        headers.update(kwargs.pop("headers", None))
        return EventSource(self.stream(method, url, headers=headers, **kwargs))

    def websocket(  # type: ignore[override]  # in memory there are no pings and no limits to be set
        self,
        url: httpx2.URL | str,
        *,
        subprotocols: t.Sequence[str] = (),
        headers: t.Any = None,
        params: t.Any = None,
        cookies: t.Any = None,
    ) -> WebsocketSession:
        """Return a websocket, which ``async with`` opens.

        Args:
            url: the path, or a whole URL.
            subprotocols: offered to the application, the preferred one first.
            headers, params, cookies: of the handshake, besides the client's own; as for requests.

        Raises, when opened:
            WebsocketResponseError: the application has refused it.
            Exception: what the application raised instead.
        """

        async def connect() -> WebsocketConnection:
            self._check_entered()
            given = httpx2.Headers(headers)
            request = self.build_request("GET", url, headers=given, params=params, cookies=cookies)
            secure = request.url.scheme in ("https", "wss")
            request.url = request.url.copy_with(scheme="wss" if secure else "ws")
            request.headers.update(_HANDSHAKE)
            if subprotocols:
                request.headers["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
            connection = await self._memory.connect(request, subprotocols)
            self.cookies.extract_cookies(httpx2.Response(101, headers=connection.headers, request=request))
            return connection

        provider = getattr(self.application, "json", json)
        return WebsocketSession(connect, self._memory.raise_error, provider.dumps, provider.loads)

    # -- sessions --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def session_transaction(self, *args: t.Any, **kwargs: t.Any) -> t.AsyncIterator[SessionMixin]:
        """Open the client's session for an ``async with`` block, which may change it; it is saved at the end.

        Args:
            args, kwargs: as for ``app.test_request_context``, if opening the session depends on the request.

        Raises RuntimeError if no session can be opened, or outside of the client's ``async with``.
        (Flask docs: Testing, Accessing and Modifying the Session.)
        """
        self._check_entered()
        app, interface = self.application, self.application.session_interface
        kwargs.setdefault("base_url", str(self.base_url))
        ctx = app.test_request_context(*args, **kwargs)
        request = httpx2.Request("GET", ctx.request.base_url)
        self.cookies.set_cookie_header(request)
        if "cookie" in request.headers:
            ctx.request.environ["HTTP_COOKIE"] = request.headers["cookie"]
        async with ctx:
            session: SessionMixin | None = await _settled(interface.open_session(app, ctx.request))
        if session is None:
            raise RuntimeError("Session backend did not open a session.")
        yield session
        if interface.is_null_session(session):
            return
        response = app.response_class()
        async with ctx:
            await _settled(interface.save_session(app, session, response))
        headers = [("Set-Cookie", value) for value in response.headers.getlist("Set-Cookie")]
        self.cookies.extract_cookies(httpx2.Response(200, headers=headers, request=request))


_HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def _settled(value: t.Any) -> t.Any:
    """Return what a method of a session interface comes to, be it ``def`` or ``async def``."""
    return await value if hasattr(value, "__await__") else value
