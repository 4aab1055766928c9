"""A websocket in memory: the connection that the application serves, and the session that a test holds.

(ASGI specification, WebSocket; WebSocket Denial Response extension.)
"""

from __future__ import annotations

import asyncio
import json
import typing as t

from .connection import Connection, Gone
from .httpx import httpx2
from .pipe import Pipe
from .transport import AnswerOrder, ASGIApplication, Message, ProtocolError, check_headers

Data = str | bytes

_CODES = {1000, 1001, 1003, *range(1007, 1015)}

MESSAGE_OVERHEAD = 64
"""Bytes that a message counts besides its own, so that empty ones hold their sender back too."""


class WebsocketResponseError(Exception):
    """The application refused a websocket: with an HTTP response, or by closing before it had accepted.

    Attributes:
        response: the response, read to its end; its status is 403 for a close, as servers answer then.
    """

    def __init__(self, response: httpx2.Response) -> None:
        body = response.text if len(response.content) <= 500 else response.text[:500] + "..."
        super().__init__(f"The websocket was refused: {response.status_code} {response.reason_phrase} {body!r}")
        self.response = response


class WebsocketDisconnectError(Exception):
    """The websocket is closed: nothing more comes from it, and nothing can be sent.

    Attributes:
        code: the close code: 1005 if the application said none, 1006 if it went away without a close.
        reason: the reason that was given with it.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"The websocket is closed: {code}{f' {reason!r}' if reason else ''}")
        self.code = code
        self.reason = reason


class WebsocketConnection(Connection):
    """A websocket that an application serves.

    Args:
        app: the ASGI application.
        scope: an ASGI websocket scope.

    Attributes:
        accepted: the application has accepted it.
        denial: the HTTP response that it has sent instead, as far as it came, and its pieces.
        closed: close code and reason, once either side has closed it.
    """

    def __init__(self, app: ASGIApplication, scope: Message) -> None:
        self.accepted: bool = False
        self.subprotocol: str | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.denial: AnswerOrder = AnswerOrder("GET")
        self.denial_pieces: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.to_app: Pipe[Message] = Pipe()
        self.to_client: Pipe[Data] = Pipe()
        self._answered = asyncio.Event()
        self._left_with: tuple[int, str] = (1006, "")
        self.to_app.put_nowait({"type": "websocket.connect"}, 0)
        super().__init__(app, scope)

    # -- the application's side ------------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """ASGI's receive: connect, messages, and from the close on disconnect."""
        message = await self.to_app.get()
        if message is not None:
            return message
        code, reason = self.closed or self._left_with
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    async def send(self, message: Message) -> None:
        """ASGI's send. Raises Gone once the client has left, ProtocolError for what servers refuse."""
        if self.gone:
            raise Gone
        if self._over:
            raise ProtocolError(f"{message['type']!r} was sent after the websocket was closed.")
        kind = message["type"]
        if kind == "websocket.close":
            self._close(message)
        elif self.accepted and kind == "websocket.send":
            data = _data_of(message)
            await self.to_client.put(data, len(data) + MESSAGE_OVERHEAD)
        elif not self.accepted and kind == "websocket.accept":
            self._accept(message)
        elif not self.accepted and kind.startswith("websocket.http.response."):
            self._deny(message)
        else:
            when = "after" if self.accepted else "before"
            raise ProtocolError(f"{kind!r} is not a message that may be sent {when} websocket.accept.")

    @property
    def _over(self) -> bool:
        return self.closed is not None or self.denial.complete

    def _accept(self, message: Message) -> None:
        subprotocol = message.get("subprotocol")
        offered = self.scope["subprotocols"]
        if subprotocol is not None and subprotocol not in offered:
            raise ProtocolError(f"The subprotocol {subprotocol!r} was accepted, but the client offers {offered}.")
        headers: list[tuple[bytes, bytes]] = list(message.get("headers") or ())
        check_headers(headers)
        self.accepted, self.subprotocol, self.headers = True, subprotocol, headers
        self._answered.set()

    def _close(self, message: Message) -> None:
        self.closed = (message.get("code") or 1000, message.get("reason") or "")
        self._stop()

    def _deny(self, message: Message) -> None:
        piece = self.denial.take({**message, "type": message["type"].removeprefix("websocket.")})
        self.denial_pieces.append(piece)
        if self.denial.complete:
            self._stop()

    def _stop(self) -> None:
        self._answered.set()
        self.to_client.end()
        self.to_app.drop()

    def check_end(self) -> None:
        """Raise ProtocolError if the application has neither accepted the websocket nor refused it."""
        if not self.accepted and not self._over:
            raise ProtocolError("The application returned without having accepted or closed the websocket.")

    def ended(self) -> None:
        """The application has ended: so has the websocket, by an error if that was one."""
        if not self._over:
            self.closed = (1000, "") if self.error is None else (1011, "")
        self._stop()

    # -- the client's side -----------------------------------------------------------------------------------------

    async def answered(self) -> None:
        """Return when the application has accepted or refused, or failed to."""
        await self._answered.wait()

    def leave(self, code: int = 1006, reason: str = "") -> None:
        """Let the client be gone, with a close frame or (1006) without one; what it sent before still arrives."""
        if self.closed is None:
            self._left_with = (code, reason)
            super().leave()
            self.closed = self._left_with
            self._answered.set()
            self.to_app.end()
            self.to_client.drop()


def _data_of(message: Message) -> Data:
    text, data = message.get("text"), message.get("bytes")
    if (text is None) == (data is None):
        raise ProtocolError("A websocket.send has either text or bytes.")
    if not isinstance(text, str | None) or not isinstance(data, bytes | None):
        raise ProtocolError(
            f"A websocket.send has str for text or bytes for bytes, not {text if data is None else data!r}."
        )
    return t.cast(Data, data if text is None else text)


class WebsocketSession:
    """A test's end of a websocket; ``client.websocket(path)`` makes it.

    ``async with`` opens it, waiting until the application has accepted, and closes it with code 1000 at the end.
    ``async for`` gives the messages until the application closes.

    Attributes, once it is open:
        subprotocol: that the application has chosen, or None.
        headers: of the handshake's answer.
        closed: (code, reason) once it is closed, else None.
    """

    def __init__(
        self,
        connect: t.Callable[[], t.Awaitable[WebsocketConnection]],
        raise_error: t.Callable[[Connection], None],
        dumps: t.Callable[[t.Any], str] = json.dumps,
        loads: t.Callable[[Data], t.Any] = json.loads,
    ) -> None:
        self._connect = connect
        self._raise_error = raise_error
        self._dumps, self._loads = dumps, loads
        self._opened: WebsocketConnection | None = None

    async def __aenter__(self) -> t.Self:
        if self._opened is not None:
            raise RuntimeError("A websocket is opened once; ask the client for another one.")
        self._opened = await self._connect()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._connection.leave(1000)

    @property
    def _connection(self) -> WebsocketConnection:
        if self._opened is None:
            raise RuntimeError("The websocket is not open: use it inside `async with client.websocket(path) as ws:`.")
        return self._opened

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the application has chosen, or None."""
        return self._connection.subprotocol

    @property
    def headers(self) -> httpx2.Headers:
        """The headers of the handshake's answer."""
        return httpx2.Headers(self._connection.headers)

    @property
    def closed(self) -> tuple[int, str] | None:
        """Close code and reason, once it is closed by either side."""
        return self._connection.closed

    async def send(self, data: Data) -> None:
        """Send a message: text for str, binary for bytes; wait while the application has too much of it unread.

        Raises:
            TypeError: `data` is neither.
            WebsocketDisconnectError: the websocket is closed.
        """
        if not isinstance(data, str | bytes):
            raise TypeError(f"A message is str or bytes, not {type(data).__name__}; send_json() sends anything else.")
        connection = self._connection
        self._check_open()
        kind = "text" if isinstance(data, str) else "bytes"
        await connection.to_app.put({"type": "websocket.receive", kind: data}, len(data) + MESSAGE_OVERHEAD)

    async def send_json(self, value: t.Any) -> None:
        """Send a value as the text of its JSON, made by the application's provider; raises as `send`."""
        await self.send(self._dumps(value))

    async def receive(self) -> Data:
        """Return the next message: str or bytes.

        Raises:
            WebsocketDisconnectError: the websocket is closed, and everything that came before was received.
            Exception: what the application raised, if that was its end.
        """
        data = await self._connection.to_client.get()
        if data is None:
            self._raise_error(self._connection)
            self._check_open()
        return t.cast(Data, data)

    async def receive_json(self) -> t.Any:
        """Return the value of the next message, which is JSON; raises as `receive`, and ValueError if it is not."""
        return self._loads(await self.receive())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it; the application is told code and reason. Closed already, there is nothing to do.

        Args:
            code: 1000, 1001, 1003, 1007 to 1014, or 3000 to 4999. (RFC 6455 section 7.4.)
            reason: 123 bytes of UTF-8 at most.

        Raises ValueError for another code or a longer reason.
        """
        if not (code in _CODES or 3000 <= code <= 4999):
            raise ValueError(f"{code} is no close code that can be sent; use 1000, or 3000 to 4999 for your own.")
        if len(reason.encode()) > 123:
            raise ValueError("The reason of a close has 123 bytes of UTF-8 at most.")
        self._connection.leave(code, reason)

    async def disconnect(self) -> None:
        """Go away without a close, as a client does whose connection breaks (code 1006)."""
        self._connection.leave()

    def _check_open(self) -> None:
        if (closed := self._connection.closed) is not None:
            raise WebsocketDisconnectError(*closed)

    async def __aiter__(self) -> t.AsyncIterator[Data]:
        while True:
            try:
                message = await self.receive()
            except WebsocketDisconnectError:
                return
            yield message
