"""The websocket: a request whose handshake is answered once, and which then is a conversation.

It is in one of five states, and what is not listed raises RuntimeError (after `GONE`: WebsocketDisconnected):

    CONNECTING   accept -> ACCEPTING -> OPEN; close -> CLOSED (the handshake is refused)
    OPEN         receive, send; close -> CLOSED; the client leaves -> GONE
    CLOSED       nothing
    GONE         receive, as long as there are messages that came before; close (there is nothing left to do)

`receive` and `send` accept the handshake by themselves if nobody has, as in Quart. (RFC 6455; ASGI specification,
WebSocket connection scope.)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeVar, cast

from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest

from ..lazy import late_module, lazy
from .headers import encode_headers
from .request import Limit, Request

if TYPE_CHECKING:
    import asyncio
    from typing import Self
else:
    asyncio = late_module("asyncio")

P = ParamSpec("P")
T = TypeVar("T")
Message = dict[str, Any]

NORMAL, UNSUPPORTED, INVALID, POLICY, TOO_BIG, ERROR = 1000, 1003, 1007, 1008, 1009, 1011
"""Close codes that are used here. (RFC 6455 section 7.4.1.)"""

_ABNORMAL = 1006
_RESERVED = {1004, 1005, _ABNORMAL}
_MOST_REASON = 123
"""Bytes of a close reason: a control frame holds 125, two of which are the code."""

_UNHEARD = 2
"""After so many messages sent in a row while nobody receives, somebody has to listen whether the client is there."""


class State(Enum):
    """What may be done with a websocket; see the top of this module."""

    CONNECTING = "connecting"
    ACCEPTING = "accepting"
    OPEN = "open"
    CLOSED = "closed"
    GONE = "gone"


class Disconnect(NamedTuple):
    """How a client has left: its close code (1005: it sent none, 1006: the connection broke) and reason."""

    code: int
    reason: str


class WebsocketDisconnected(Exception):
    """The client has left; there is nobody to receive from or to send to.

    A handler that does not catch it just ends: for the pipeline that is no error.

    Args:
        code: of the close, as `Disconnect` has it.
        reason: what the client gave as its reason, or nothing.
    """

    def __init__(self, code: int = _ABNORMAL, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"The client has left with close code {self.code}{': ' + self.reason if self.reason else ''}."


class WebsocketMessageError(BadRequest):
    """The client sent a message that the handler cannot take.

    Where nobody catches it, the websocket is closed with its code, and that is logged.

    Args:
        close_code: 1003 (text for bytes or bytes for text), 1007 (not what it should hold) or 1009 (too long).
        description: what was wrong; no more than 123 bytes of it reach the client.
    """

    def __init__(self, close_code: int, description: str) -> None:
        super().__init__(description)
        self.close_code = close_code


class Line(Protocol):
    """The way from a websocket to its client; the ASGI side makes it."""

    # As attributes, not methods: the server's own callables, for type checkers Any because these bind callables.
    #: Gives the next ASGI message.
    receive: Any
    #: Sends an ASGI message. OSError: the client has left.
    send: Any

    @property
    def keeps(self) -> bool:
        """Whether there are messages that came before the client has left."""
        ...

    async def handshake(self) -> list[tuple[bytes, bytes]]:
        """Return headers that go with the acceptance, such as the session's cookie."""
        ...

    def wait(self, work: Coroutine[Any, Any, T], /) -> T:
        """Run a coroutine on the loop, from a thread, and wait for it."""
        ...

    def watch(self) -> object:
        """Listen to the client from now on, whether anybody receives or not."""
        ...

    async def left(self) -> None:
        """Return when the client has left."""


class BlockingWebsocket(Protocol):
    """What a websocket's methods are in a worker thread, for type checkers: calls that return their results."""

    def accept(self, headers: Any = None, subprotocol: str | None = None) -> None: ...
    def receive(self) -> str | bytes: ...
    def receive_text(self) -> str: ...
    def receive_bytes(self) -> bytes: ...
    def receive_json(self) -> Any: ...
    def receive_as(self, kind: Callable[..., T]) -> T: ...
    def send(self, data: str | bytes) -> None: ...
    def send_json(self, *args: Any, **kwargs: Any) -> None: ...
    def close(self, code: int = NORMAL, reason: str = "") -> None: ...
    def __iter__(self) -> Iterator[str | bytes]: ...


def on_either_side(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Let a coroutine method of a websocket be called in threads too: there the call waits and returns the result."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        if asyncio._get_running_loop() is not None:
            return method(*args, **kwargs)
        wait = cast(Websocket, args[0]).line.wait
        return wait(method(*args, **kwargs))

    return call


class Websocket(Request):
    """One websocket: its handshake, which is a GET request without a body, and the messages that follow.

    On the loop the methods are awaited (``data = await websocket.receive()``); in a ``def`` handler, which runs in a
    worker thread, the same calls wait and return their results (``data = websocket.receive()``).

    Source: Quart docs, API, Websocket; the states are Starlette's idea.
    """

    state: State = State.CONNECTING
    #: How the client has left, once that is known: `code` and `reason`.
    disconnect: Disconnect | None = None
    #: The close code and reason of the error that the handler ended with, if it says one.
    fault: tuple[int, str] | None = None
    #: The subprotocol that was accepted.
    subprotocol: str | None = None

    _line: Line | None = None
    _accepting: asyncio.Future[None] | None = None
    _receiving = False
    _unheard = 0

    if TYPE_CHECKING:
        max_message_length: int | None
    else:
        #: Most bytes of a message; a longer one is refused with 1009. In the configuration: MAX_WEBSOCKET_MESSAGE.
        max_message_length = Limit("MAX_WEBSOCKET_MESSAGE", None)

    @classmethod
    def from_websocket_scope(cls, scope: Message, *, path: str, root_path: str, line: Line) -> Self:
        """Make a websocket of an ASGI websocket scope.

        Args:
            scope: is given the method of every handshake, for what reads scopes of requests.
            path, root_path: as for `from_scope`.
            line: the way to the client.
        """
        scope.setdefault("method", "GET")
        websocket = cls.from_scope(scope, path=path, root_path=root_path)
        websocket._line = line
        return websocket

    @property
    def line(self) -> Line:
        """The way to the client. Raises RuntimeError when the handler has ended."""
        if self._line is None:
            raise RuntimeError("This websocket is over: its handler has returned.")
        return self._line

    @property
    def blocking(self) -> BlockingWebsocket:
        """This same object, as type checkers are to see it in a ``def`` handler."""
        return cast(BlockingWebsocket, self)

    @lazy
    def requested_subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, in its order."""
        return list(cast("Mapping[str, Any]", self.scope).get("subprotocols") or ())

    @property
    def is_disconnected(self) -> bool:
        """Whether the client is known to have left."""
        return self.state is State.GONE

    async def disconnected(self) -> None:
        """Wait, on the loop, until the client has left. Messages that come meanwhile wait to be received."""
        if self.state is not State.GONE:
            await self.line.left()

    # -- the handshake ---------------------------------------------------------------------------------------------

    @on_either_side
    async def accept(
        self,
        headers: Headers | Mapping[str, str] | list[tuple[str, str]] | None = None,
        subprotocol: str | None = None,
    ) -> None:
        """Accept the handshake; `receive` and `send` do so by themselves if it was not done.

        Args:
            headers: to send with it. The session's cookie comes with them.
            subprotocol: one of `requested_subprotocols`.

        Raises:
            RuntimeError: the handshake was answered already.
            ValueError: the client did not offer the subprotocol, or a header cannot be sent.
            WebsocketDisconnected: the client has left.
        """
        if self.state is not State.CONNECTING:
            self._refuse("accept")
        message = self._acceptance(Headers(headers), subprotocol)
        self.state = State.ACCEPTING
        self._accepting = asyncio.get_running_loop().create_future()
        try:
            message["headers"] += await self.line.handshake()
            await self._tell(message)
            self.state = State.OPEN
        finally:
            if self.state is State.ACCEPTING:
                self.state = State.CONNECTING
            self._accepting.set_result(None)
            self._accepting = None
        self.subprotocol = subprotocol

    def _acceptance(self, headers: Headers, subprotocol: str | None) -> Message:
        if subprotocol is not None and subprotocol not in self.requested_subprotocols:
            offered = ", ".join(map(repr, self.requested_subprotocols)) or "none"
            raise ValueError(f"The client did not offer the subprotocol {subprotocol!r}. It offered: {offered}.")
        if "Sec-WebSocket-Protocol" in headers:
            raise ValueError("Give the subprotocol as 'subprotocol', not as a header.")
        return {"type": "websocket.accept", "subprotocol": subprotocol, "headers": encode_headers(headers)}

    async def _opened(self, act: str) -> None:
        """Have the handshake accepted, if it is still to be; refuse `act` if it cannot be done any more."""
        if self.state is State.CONNECTING:
            await self.accept()
        while self._accepting is not None:
            await asyncio.shield(self._accepting)
        if self.state is not State.OPEN:
            self._refuse(act)

    def _refuse(self, act: str) -> None:
        if self.disconnect is not None:
            raise WebsocketDisconnected(*self.disconnect)
        if self.state is State.CLOSED:
            raise RuntimeError(f"This websocket was closed here: '{act}' comes too late.")
        raise RuntimeError(f"This websocket is {self.state.value}: '{act}' cannot be done now.")

    # -- messages in -----------------------------------------------------------------------------------------------

    @on_either_side
    async def receive(self) -> str | bytes:
        """Wait for the next message.

        Returns:
            a text message as str, a binary one as bytes.

        Raises:
            WebsocketDisconnected: the client has left.
            WebsocketMessageError: the message is longer than `max_message_length`.
            RuntimeError: the websocket was closed here, or another task is receiving already.
        """
        if self.state is not State.OPEN and not (self.state is State.GONE and self.line.keeps):
            await self._opened("receive")
        if self._receiving:
            raise RuntimeError("Another task is receiving from this websocket already. Let one task receive for all.")
        self._receiving = True
        try:
            message: Message = await self.line.receive()
        finally:
            self._receiving = False
        self._unheard = 0
        if message["type"] == "websocket.disconnect":
            raise self.gone(message)
        text: str | None = message.get("text")
        data: str | bytes = message["bytes"] if text is None else text
        limit = self.max_message_length
        if limit is not None and _is_longer(data, limit):
            raise WebsocketMessageError(TOO_BIG, f"A message was longer than {limit} bytes.")
        return data

    @on_either_side
    async def receive_text(self) -> str:
        """As `receive`; a binary message raises WebsocketMessageError (1003)."""
        data = await self.receive()
        if isinstance(data, str):
            return data
        raise WebsocketMessageError(UNSUPPORTED, "A binary message came where text was expected.")

    @on_either_side
    async def receive_bytes(self) -> bytes:
        """As `receive`; a text message raises WebsocketMessageError (1003)."""
        data = await self.receive()
        if isinstance(data, bytes):
            return data
        raise WebsocketMessageError(UNSUPPORTED, "A text message came where bytes were expected.")

    @on_either_side
    async def receive_json(self) -> Any:
        """As `receive`, and parse the message as JSON; what is none raises WebsocketMessageError (1007)."""
        data = await self.receive()
        try:
            return self.json_module.loads(data)
        except (ValueError, RecursionError) as error:
            raise WebsocketMessageError(INVALID, "A message was not valid JSON.") from error

    @on_either_side
    async def receive_as(self, kind: Callable[..., T]) -> T:
        """As `receive_json`, and make something of the value.

        Args:
            kind: a function, or a class such as a dataclass or a Pydantic model. A dataclass is given the members of a
                JSON object as keywords, a class with `model_validate` is asked by that, anything else is called.

        Raises:
            WebsocketMessageError: 1007, also for a value that makes `kind` raise ValueError or TypeError.
        """
        value = await self.receive_json()
        try:
            return made_of(kind, value)
        except (ValueError, TypeError) as error:
            raise WebsocketMessageError(INVALID, f"A message was not valid: {error}") from error

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Iterate over the messages until the client leaves; `disconnect` then says how."""
        return self._messages()

    async def _messages(self) -> AsyncIterator[str | bytes]:
        while True:
            try:
                yield await self.receive()
            except WebsocketDisconnected:
                return

    def __iter__(self) -> Iterator[str | bytes]:
        """As `async for`, in a worker thread."""
        if asyncio._get_running_loop() is not None:
            raise TypeError("On the event loop a websocket is iterated over by 'async for'.")
        while True:
            try:
                yield self.blocking.receive()
            except WebsocketDisconnected:
                return

    # -- messages out ----------------------------------------------------------------------------------------------

    @on_either_side
    async def send(self, data: str | bytes) -> None:
        """Send a message: str as text, bytes as binary. Waits while the client is slow to take what was sent before.

        Raises:
            WebsocketDisconnected: the client has left.
            RuntimeError: the websocket was closed here.
            TypeError: `data` is neither.
        """
        if isinstance(data, str):
            message: Message = {"type": "websocket.send", "text": data}
        elif isinstance(data, (bytes, bytearray, memoryview)):
            message = {"type": "websocket.send", "bytes": bytes(data)}
        else:
            raise TypeError(f"A websocket sends str or bytes, not {type(data).__name__}. For JSON there is send_json.")
        if self.state is not State.OPEN:
            await self._opened("send")
        if not self._receiving:
            self._unheard += 1
            if self._unheard == _UNHEARD:
                self.line.watch()
        await self._tell(message)

    @on_either_side
    async def send_json(self, *args: Any, **kwargs: Any) -> None:
        """Send a value as JSON text: one argument as it is, several as an array, keywords as an object.

        Raises:
            TypeError: both are given, or the value cannot be JSON.
        """
        if args and kwargs:
            raise TypeError("send_json takes either values or keywords, not both.")
        value = args[0] if len(args) == 1 else (args or kwargs)
        await self.send(self.json_module.dumps(value))

    @on_either_side
    async def close(  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        self, code: int = NORMAL, reason: str = ""
    ) -> None:
        """Close the websocket, or refuse its handshake if that was not answered (the server then answers 403).

        Args:
            code: 1000 to 1014 without 1004 to 1006, or 3000 to 4999.
            reason: at most 123 bytes of UTF-8.

        Raises:
            RuntimeError: it was closed here already.
            ValueError: the code may not be sent, or the reason is too long.
        """
        if not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in _RESERVED:
            raise ValueError(
                f"{code} is no close code to send. There are 1000 to 1014, without 1004 to 1006, and 3000 to 4999."
            )
        if len(reason.encode()) > _MOST_REASON:
            raise ValueError(f"A close reason has at most {_MOST_REASON} bytes.")
        while self._accepting is not None:
            await asyncio.shield(self._accepting)
        if self.state is State.GONE:
            return
        if self.state is State.CLOSED:
            self._refuse("close")
        self.state = State.CLOSED
        try:
            await self.line.send({"type": "websocket.close", "code": code, "reason": reason})
        except OSError:  # it has left
            return

    async def _tell(self, message: Message) -> None:
        try:
            await self.line.send(message)
        except (OSError, RuntimeError) as error:
            # What is to be received now says how it has left. With a RuntimeError uvicorn refuses messages once it has
            # closed by itself.
            if await self._is_found_gone() or isinstance(error, OSError):
                raise self.gone({}) from error
            raise

    async def _is_found_gone(self) -> bool:
        if not self._receiving:
            self.line.watch()
        for _ in range(3):
            await asyncio.sleep(0)
        return self.state is State.GONE

    @property
    def has_close_work(self) -> bool:
        """Nothing: `hang_up` has done it, and `close` is something else."""
        return False

    # -- its end ---------------------------------------------------------------------------------------------------

    def gone(self, message: Message) -> WebsocketDisconnected:
        """Note how the client has left, as an ASGI message says it; return what is to be raised."""
        if self.disconnect is None:
            self.disconnect = Disconnect(message.get("code") or _ABNORMAL, message.get("reason") or "")
        if self.state is not State.CLOSED:
            self.state = State.GONE
        return WebsocketDisconnected(*self.disconnect)

    def hang_up(self) -> None:
        """Let go of the client: the handler has ended."""
        self._line = None
        Request.close(self)


def made_of(kind: Callable[..., T], value: Any) -> T:
    """Return what `kind` makes of a JSON value; see `Websocket.receive_as`."""
    validate: Callable[[Any], T] | None = getattr(kind, "model_validate", None)
    if validate is not None:
        return validate(value)
    make: Any = kind
    made: T = make(**value) if is_dataclass(kind) and isinstance(value, dict) else make(value)
    return made


def short_reason(text: str) -> str:
    """Return as much of a text as fits into a close reason."""
    return text.encode()[:_MOST_REASON].decode(errors="ignore")


def _is_longer(data: str | bytes, limit: int) -> bool:
    if len(data) > limit or isinstance(data, bytes) or data.isascii():
        return len(data) > limit
    return len(data) * 4 > limit and len(data.encode(errors="surrogatepass")) > limit
