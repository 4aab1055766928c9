"""One scope that an application serves in a task of its own, over a connection that its client may leave at any time.

A `Connection` is what a server is to the application: it gives it its messages as they come, holds it back while the
client does not read, and tells it when the client has left. (ASGI specification, HTTP & WebSocket message format.)
"""

from __future__ import annotations

import asyncio
import typing as t
from contextlib import aclosing

from .pipe import Pipe
from .transport import CHUNK, AnswerOrder, ASGIApplication, Message, ProtocolError


class Gone(OSError):
    """Raised by ``send``: the client has left. (ASGI specification, HTTP: Disconnected client.)"""

    def __init__(self) -> None:
        super().__init__("The client has left; nobody reads what is sent to it.")


class Connection:
    """Serves a scope.

    Args:
        app: the ASGI application; it begins to run at the next turn of the loop.
        scope: what it is called with.

    Attributes:
        gone: the client has left.
        error: what the application raised, or did wrong.
        told: somebody has got to know the error.
        tasks: that run for this connection.
    """

    def __init__(self, app: ASGIApplication, scope: Message) -> None:
        self.scope = scope
        self.gone: bool = False
        self.error: Exception | None = None
        self.told: bool = False
        self.tasks: list[asyncio.Task[None]] = []
        # Named now: the application may write into its scope.
        self._name = f"{scope['method'] if scope['type'] == 'http' else 'WEBSOCKET'} {scope['path']}"
        self._when_over: t.Callable[[Connection], None] | None = None
        self._begin(self._serve(app))

    def __str__(self) -> str:
        return self._name

    async def _serve(self, app: ASGIApplication) -> None:
        try:
            await app(self.scope, self.receive, self.send)
            if not self.gone:
                self.check_end()
        except Gone:
            pass
        except asyncio.CancelledError:
            self.error = ProtocolError(f"{self}: the application cancelled itself, or was cancelled.")
            self.told = True  # by whoever did it
            raise
        except Exception as error:
            self.error = error
        finally:
            self.ended()

    def _begin(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        task = asyncio.create_task(work, name=f"test request {self}")
        task.add_done_callback(self._task_done)
        self.tasks.append(task)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if self._when_over is not None and not self.running:
            self._when_over(self)

    @property
    def running(self) -> bool:
        """Whether anything still runs for it."""
        return not all(task.done() for task in self.tasks)

    def when_over(self, callback: t.Callable[[Connection], None]) -> None:
        """Have `callback` called with this when nothing runs for it any longer."""
        self._when_over = callback

    def raise_error(self) -> None:
        """Raise what the application raised."""
        if self.error is not None:
            self.told = True
            raise self.error

    async def receive(self) -> Message:
        """ASGI's receive."""
        raise NotImplementedError

    async def send(self, message: Message) -> None:
        """ASGI's send."""
        raise NotImplementedError

    def check_end(self) -> None:
        """Raise ProtocolError if the application must not return as things are."""

    def ended(self) -> None:
        """The application has ended: let nobody wait for it any longer."""

    def leave(self) -> None:
        """Let the client be gone from now on."""
        self.gone = True


class HTTPConnection(AnswerOrder, Connection):
    """An HTTP request under way.

    Args:
        app: the ASGI application.
        scope: an ASGI http scope.
        body: the request body, if it is there as a whole; else an async iterable of its pieces, each one of them taken
            when there is room for it.
    """

    def __init__(self, app: ASGIApplication, scope: Message, body: bytes | t.AsyncIterable[bytes]) -> None:
        AnswerOrder.__init__(self, scope["method"])
        self._sent_last = False
        self._body: Pipe[bytes] = Pipe()
        self._pieces: Pipe[bytes] = Pipe()
        self._began, self._over = asyncio.Event(), asyncio.Event()
        self._whole = isinstance(body, bytes)
        #: what made the upload fail
        self.upload_error: Exception | None = None
        Connection.__init__(self, app, scope)
        if isinstance(body, bytes):
            for start in range(0, len(body), CHUNK):
                piece = body[start : start + CHUNK]
                self._body.put_nowait(piece, len(piece))
            self._body.end()
        else:
            self._begin(self._upload(body))

    async def _upload(self, body: t.AsyncIterable[bytes]) -> None:
        try:
            async with aclosing(t.cast("t.AsyncGenerator[bytes, None]", aiter(body))) as pieces:
                async for piece in pieces:
                    if piece:
                        await self._body.put(piece, len(piece))
        except Exception as error:
            self.upload_error = error
            self.leave()
        else:
            self._whole = True
            self._body.end()

    async def receive(self) -> Message:
        """ASGI's receive: the body piece by piece; then it waits until the answer has ended or the client has left."""
        if not self._sent_last:
            piece = await self._body.get()
            self._sent_last = self._body.at_end
            if piece is not None or self._whole:
                more = not (self._sent_last and self._whole)
                return {"type": "http.request", "body": piece or b"", "more_body": more}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI's send. Raises Gone once the client has left, ProtocolError for what servers refuse."""
        if self.gone:
            raise Gone
        piece = self.take(message)
        self._began.set()
        if piece:
            await self._pieces.put(piece, len(piece))
        if self.complete:
            self._over.set()

    def ended(self) -> None:
        """The application has ended: so have its answer and the upload."""
        self._wake()
        self._pieces.end()

    def leave(self) -> None:
        """Let the client be gone from now on. What it has sent still arrives; what it has not read is lost."""
        super().leave()
        self._wake()
        self._pieces.drop()

    def _wake(self) -> None:
        self._began.set()
        self._over.set()
        self._body.end()
        for upload in self.tasks[1:]:
            if upload is not asyncio.current_task():
                upload.cancel()

    async def began(self) -> None:
        """Return when there is a status, or there will never be one. Raises what made the upload fail."""
        await self._began.wait()
        if self.upload_error is not None:
            raise self.upload_error

    async def piece(self) -> bytes | None:
        """Return the next piece of the answer's body, when it has come; None once the application has ended too."""
        piece = await self._pieces.get()
        if piece is None and self.upload_error is not None:
            raise self.upload_error
        return piece

    async def read_at_least(self, size: int) -> bytes:
        """Return the body of the answer as far as it has come when it has `size` bytes, or has ended."""
        await self.began()
        got = bytearray()
        while len(got) < size and (piece := await self._pieces.get()) is not None:
            got += piece
        return bytes(got)

    async def until(self, when: t.Awaitable[t.Any] | None) -> None:
        """Return when `when` is done, and the upload if there is one; or when the application has ended."""
        app, *uploads = self.tasks
        waiting = asyncio.ensure_future(asyncio.sleep(0) if when is None else when)
        try:
            for other in (*uploads, waiting):
                await asyncio.wait((app, other), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
