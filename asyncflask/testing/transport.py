"""One HTTP exchange with an ASGI application in memory, held to the order of messages that servers insist on.

(ASGI specification, HTTP & WebSocket message format.)
"""

from __future__ import annotations

import asyncio
import typing as t
from contextvars import Context
from dataclasses import dataclass
from urllib.parse import quote

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from ..ctx import AppContext
    from ..threads import Bridge

Message = dict[str, t.Any]
ASGIApplication = t.Callable[..., t.Awaitable[None]]

CHUNK = 64 * 1024
"""Most bytes of a request body in one message, about what servers deliver."""


class ProtocolError(RuntimeError):
    """The application sent something that an ASGI server would refuse."""


class BodyCut(Exception):
    """Raised by a request body: the client leaves here, in the middle."""


@dataclass
class ClientLink:
    """What the sync test client tells the server side, as ``scope[wrappers.environ.CLIENT]``.

    Attributes:
        bridge: where sync code of the request runs: in the client's own thread.
        environ: the environ that the client began from.
        preserve: called with the context that the client wants to see after the request, or None.
        context: left here by the server side: the ``contextvars`` context that the request ran in.
    """

    bridge: Bridge
    environ: WSGIEnvironment
    preserve: t.Callable[[AppContext], t.Any] | None = None
    context: Context | None = None


class AnswerOrder:
    """An HTTP answer as it comes in, held to the order and the form that servers insist on.

    Args:
        method: of the request that is answered.

    Attributes:
        status: the status code, 0 until there is one.
        headers: its (name, value) pairs.
        complete: the answer has ended.
    """

    def __init__(self, method: str) -> None:
        self.status: int = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete: bool = False
        self._method = method

    def take(self, message: Message) -> bytes:
        """Take the next message; return the piece of the body that it brings. Raises ProtocolError."""
        match message["type"]:
            case "http.response.start":
                self._start(message)
                return b""
            case "http.response.body":
                return self._piece(message)
        raise ProtocolError(f"{message['type']!r} is not a message of an HTTP response.")

    def check_end(self) -> None:
        """Raise ProtocolError if the application has ended before its answer."""
        if not self.status:
            raise ProtocolError("The application returned without an answer.")
        if not self.complete:
            raise ProtocolError("The application returned in the middle of its answer.")

    def _start(self, message: Message) -> None:
        if self.status:
            raise ProtocolError("The answer was started twice.")
        status, headers = message["status"], list(message.get("headers", ()))
        if not isinstance(status, int) or not 200 <= status <= 999:
            raise ProtocolError(f"{status!r} is not the status of an answer.")
        check_headers(headers)
        self.status, self.headers = status, headers

    def _piece(self, message: Message) -> bytes:
        piece = message.get("body", b"")
        if not self.status:
            raise ProtocolError("A body was sent before the start of the answer.")
        if self.complete:
            raise ProtocolError("A body was sent after the end of the answer.")
        if not isinstance(piece, bytes):
            raise ProtocolError(f"A body must be bytes, not {type(piece).__name__}.")
        if piece and (self._method == "HEAD" or self.status in (204, 304)):
            raise ProtocolError(f"The answer to {self._method} with status {self.status} must have no body.")
        self.complete = not message.get("more_body", False)
        return piece


def check_headers(headers: t.Iterable[tuple[t.Any, t.Any]]) -> None:
    """Raise ProtocolError for headers that are no pairs of bytes with lower-case names."""
    for name, value in headers:
        if not isinstance(name, bytes) or not isinstance(value, bytes) or name != name.lower():
            raise ProtocolError(f"Header names must be lower-case bytes and values bytes, not {(name, value)!r}.")


class Exchange(AnswerOrder):
    """Runs an application for one HTTP scope and collects the answer.

    Args:
        scope: an ASGI http scope.
        body: the pieces of the request body, taken as the application asks for them. It may raise BodyCut.

    Attributes:
        pieces: the body's, empty ones left out.
    """

    def __init__(self, scope: Message, body: t.Iterable[bytes] = ()) -> None:
        super().__init__(scope["method"])
        self.scope = scope
        self.pieces: list[bytes] = []
        self._body = iter(body)
        self._sent_last = self._left = False
        self._over = asyncio.Event()

    async def run(self, app: ASGIApplication) -> None:
        """Run `app` to its end.

        Raises:
            ProtocolError: it returned without a complete answer, or broke the order of messages.
            BaseException: what it raises itself.
        """
        await app(self.scope, self.receive, self.send)
        self.check_end()

    async def receive(self) -> Message:
        """ASGI's receive: the body piece by piece; then it waits for the end of the answer, and the client leaves."""
        if not self._left and not self._sent_last:
            try:
                piece = next(self._body, b"")
            except BodyCut:
                self._left = True
            else:
                self._sent_last = not piece
                return {"type": "http.request", "body": piece, "more_body": bool(piece)}
        if not self._left:
            await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI's send. Raises ProtocolError for what does not come in its order or is no valid message."""
        if piece := self.take(message):
            self.pieces.append(piece)
        if self.complete:
            self._over.set()


def scope_from_environ(environ: WSGIEnvironment) -> Message:
    """Return the ASGI scope that a server would have made of the request that `environ` describes."""
    raw_root, raw_path = _wire(environ.get("SCRIPT_NAME", "").rstrip("/")), _wire(environ.get("PATH_INFO", ""))
    root, path = raw_root.decode(errors="replace"), raw_path.decode(errors="replace")
    scheme = environ.get("wsgi.url_scheme", "http")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
        "method": environ["REQUEST_METHOD"],
        "scheme": scheme,
        "root_path": root,
        "path": root + path,
        "raw_path": quote(raw_root + raw_path, safe="/:@!$&'()*+,;=~").encode(),
        "query_string": _wire(environ.get("QUERY_STRING", "")),
        "headers": _headers(environ),
        "client": _address(environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT"), 0),
        "server": _address(environ.get("SERVER_NAME"), environ.get("SERVER_PORT"), 443 if scheme == "https" else 80),
    }


def _wire(text: str) -> bytes:
    """Return the bytes behind a native string of PEP 3333; text that is none is spelled in UTF-8."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _headers(environ: WSGIEnvironment) -> list[tuple[bytes, bytes]]:
    found = {key[5:]: value for key, value in environ.items() if key.startswith("HTTP_")}
    if "HOST" not in found and "SERVER_NAME" in environ:
        found["HOST"] = f"{environ['SERVER_NAME']}:{environ.get('SERVER_PORT', 80)}"
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            found[key] = environ[key]
    return [(key.lower().replace("_", "-").encode(), _wire(str(value))) for key, value in found.items()]


def _address(host: str | None, port: t.Any, default: int) -> tuple[str, int] | None:
    if not host:
        return None
    return host, int(port) if str(port or "").isdecimal() else default


def request_body(environ: WSGIEnvironment) -> t.Iterator[bytes]:
    """Yield the body that an environ's ``wsgi.input`` holds, in pieces, read as they are asked for.

    It ends where ``CONTENT_LENGTH`` says; without that at once, unless the environ says that the input ends by itself.
    Raises BodyCut if the input ends before that length.
    """
    source: t.Any = environ.get("wsgi.input")
    length = str(environ.get("CONTENT_LENGTH") or "")
    if "HTTP_TRANSFER_ENCODING" in environ or (not length and environ.get("wsgi.input_terminated")):
        yield from iter(lambda: source.read(CHUNK), b"")
        return
    left = int(length) if length.isdecimal() else 0
    while left:
        piece: bytes = source.read(min(CHUNK, left)) if source is not None else b""
        if not piece:
            raise BodyCut
        left -= len(piece)
        yield piece
