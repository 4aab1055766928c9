"""A page in the place of an application that is not there now, and the server that gives it while a reloader waits."""

from __future__ import annotations

import os
import threading
import typing as t

if t.TYPE_CHECKING:
    import socket

    from .web import WebServer

Message = dict[str, t.Any]
Receive = t.Callable[[], t.Awaitable[Message]]
Send = t.Callable[[Message], t.Awaitable[None]]


class Notice:
    """An ASGI application that tells everybody the same.

    Args:
        text: what a request gets.
        status: with which status.
    """

    def __init__(self, text: str, status: int = 503) -> None:
        self.text = text
        self.status = status

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        match scope["type"]:
            case "lifespan":
                while True:
                    kind: str = (await receive())["type"]
                    await send({"type": f"{kind}.complete"})
                    if kind == "lifespan.shutdown":
                        return
            case "websocket":
                await send({"type": "websocket.close", "code": 1011, "reason": self.text.partition("\n")[0][:40]})
            case _:
                await self._tell(scope, send)

    async def _tell(self, scope: Message, send: Send) -> None:
        body = self.text.encode(errors="replace")
        head = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class StandIn:
    """Serves a notice on a reloader's socket, in a thread, while there is no process to serve the application.

    Args:
        listener: the socket.
        ssl_context: as in `run_simple`.
    """

    def __init__(self, listener: socket.socket, ssl_context: t.Any) -> None:
        self._listener = listener
        self._ssl_context = ssl_context
        self._server: WebServer | None = None
        self._thread: threading.Thread | None = None

    def begin(self, text: str) -> None:
        """Serve."""
        from . import make_server

        fd = os.dup(self._listener.fileno())
        self._server = make_server(
            "localhost", 0, Notice(text), ssl_context=self._ssl_context, fd=fd, access_log=False, graceful_timeout=1
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="asyncflask-stand-in", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Serve no more, if it does: connections that wait are for the next process."""
        server, self._server = self._server, None
        thread, self._thread = self._thread, None
        if server is not None and thread is not None:
            server.shutdown()
            thread.join()
