"""One request to a WSGI callable: `Exchange.work` in the worker thread, `Exchange.attend` on the loop meanwhile.

The rules of PEP 3333 that everything here follows:

- The header goes out with the first piece of body that is not empty, or at the end. Until then it may be replaced.
- Every piece is sent without waiting for the next; the worker waits where the client is slow.
- An error before the header was sent is a 500, or let out for the caller to see to; one after it cuts the answer off,
  which then must not end cleanly.
- Whatever happens, ``close()`` of what the application returned is called once, in the thread that iterated it.
"""

from __future__ import annotations

import asyncio
import io
import logging
import typing as t
from contextvars import Context, copy_context

from ..asgi.scope import DEBUGGER, may_have_body, split_path
from ..threads import Bridge
from ..wrappers.environ import environ_from_scope
from .bodies import Inbox, Input, Message, Outbox, Receive, Send
from .head import Head

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log: logging.Logger = logging.getLogger("asyncflask.wsgi")


class Exchange:
    """One request: `work` in the thread, `attend` on the loop."""

    def __init__(
        self,
        wsgi_app: WSGIApplication,
        scope: Message,
        headers: dict[bytes, bytes],
        bridge: Bridge,
        receive: Receive,
        send: Send,
        raises: bool = False,
    ) -> None:
        self.wsgi_app = wsgi_app
        self.bridge = bridge
        inbox = Inbox(receive)
        self.inbox: Inbox = inbox
        self.outbox: Outbox = Outbox(send, bridge.loop)
        self.outside: Context = copy_context()
        self.input: Input = Input(inbox, self._wait)
        root_path, path = split_path(scope)
        self.environ: dict[str, t.Any] = environ_from_scope(scope, path, root_path, io.BufferedReader(self.input))
        debugger = scope.get(DEBUGGER)
        self.raises: bool = raises or debugger is not None
        if debugger is not None:
            self.environ["werkzeug.debug.preserve_context"] = debugger
        self.is_head: bool = scope["method"] == "HEAD"
        self.head: Head | None = None
        if not may_have_body(scope, headers):
            inbox.expect(0)
        elif b"content-length" in headers:
            inbox.expect(int(headers[b"content-length"]))

    # -- on the loop -----------------------------------------------------------------------------------------------

    async def attend(self, job: asyncio.Future[t.Any]) -> None:
        """Send what the worker hands over until it is done; never return before it is."""
        job.add_done_callback(lambda _: self.outbox.wake.set())
        watcher: asyncio.Task[None] | None = None
        try:
            while not job.done():
                await self.outbox.wake.wait()
                batches = await self.outbox.flush()
                if self.outbox.gone:
                    self.leave()
                # A body that nobody reads is left alone unless the answer turns out to be a long one.
                elif watcher is None and batches > (not self.inbox.ended) and not self.outbox.finished:
                    watcher = asyncio.create_task(self.inbox.watch(self.leave))
            await self.outbox.flush()
        finally:
            self.leave()
            try:
                await job
            finally:
                await self.inbox.stop(watcher)

    def leave(self) -> None:
        """Let the worker know that there is nobody to read or to write for any more."""
        self.outbox.abandon()
        self.inbox.abandon()

    # -- in the worker ---------------------------------------------------------------------------------------------

    def work(self) -> None:
        """Call the WSGI application, and hand its answer over. Raises what cuts the answer off."""
        try:
            self._run()
        except (Exception, SystemExit, GeneratorExit) as error:
            method, path = self.environ["REQUEST_METHOD"], self.environ["PATH_INFO"]
            if self.outbox.gone or self.inbox.cut:
                log.debug("The client left, then the WSGI application failed: %s %r", method, path, exc_info=error)
            elif (self.raises and isinstance(error, Exception)) or (self.outbox.started and not self.outbox.finished):
                raise
            else:
                log.error("The WSGI application failed: %s %r", method, path, exc_info=error)
            if not self.outbox.started:
                self._fail()
        finally:
            self.input.close()

    def _run(self) -> None:
        returned = self.wsgi_app(self.environ, self.start_response)
        try:
            self._iterate(returned)
        finally:
            close = getattr(returned, "close", None)
            if close is not None:
                close()

    def _iterate(self, returned: t.Iterable[bytes]) -> None:
        whole = isinstance(returned, (list, tuple)) and all(isinstance(piece, bytes) for piece in returned)
        if whole and self.head is not None and not self.outbox.started:
            self.head.offer_length(sum(map(len, returned)), self.is_head)
        for piece in returned:
            if not self._put(piece):
                break
        self._finish()

    def _put(self, piece: bytes) -> bool:
        """Hand a piece over; return whether more are wanted."""
        if not isinstance(piece, bytes):
            raise TypeError(f"A WSGI application must yield bytes, not {type(piece).__name__}.")
        if not piece:
            return not self.outbox.gone
        head = self._begin()
        if head.is_bodiless(self.is_head):
            return False
        wanted = head.admit(piece)
        if wanted and self.outbox.put(wanted):
            self._wait(self.outbox.room())
        return len(wanted) == len(piece) and not self.outbox.gone

    def _begin(self) -> Head:
        if self.head is None:
            raise AssertionError("The WSGI application did not call start_response() before its first piece of body.")
        if not self.outbox.started:
            self.outbox.start({"type": "http.response.start", "status": self.head.status, "headers": self.head.pairs})
        return self.head

    def _finish(self) -> None:
        if self.outbox.gone:
            return
        if self.head is not None and not self.outbox.started:
            self.head.offer_length(0, self.is_head)
            self.head.check_complete(self.is_head)  # while it can still become a 500
        self._begin().check_complete(self.is_head)
        self.outbox.finish()

    def _fail(self) -> None:
        pairs = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"22")]
        self.outbox.start({"type": "http.response.start", "status": 500, "headers": pairs})
        if not self.is_head:
            self.outbox.put(b"Internal Server Error\n")
        self.outbox.finish()

    def _wait(self, awaitable: t.Coroutine[t.Any, t.Any, None]) -> None:
        self.bridge.run(awaitable, self.outside)

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: t.Any = None
    ) -> t.Callable[[bytes], None]:
        """The callable of PEP 3333; returns ``write``."""
        try:
            if exc_info and self.outbox.started:
                raise exc_info[1].with_traceback(exc_info[2])
            if self.head is not None and not exc_info:
                raise AssertionError("start_response() was called again, without exc_info.")
            self.head = Head(status, headers)
            return self.write
        finally:
            exc_info = None  # it refers to this frame

    def write(self, data: bytes) -> None:
        """The callable that ``start_response`` returns. Raises ConnectionResetError if the client has left."""
        self._put(data)
        if self.outbox.gone:
            raise ConnectionResetError("The client has left: nothing can be written to it any more.")
