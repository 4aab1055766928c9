"""The middleware: errors that leave the application become pages, and requests of these pages are answered."""

from __future__ import annotations

import asyncio
import logging
import traceback
import typing as t
from urllib.parse import parse_qs, quote

import click
from werkzeug.wrappers import Request, Response

from ...app import App
from ...asgi.scope import DEBUGGER, split_path
from ...asgi.stream import Message, Receive, Send
from ...asgi.websocket import deny
from ...threads import Bridge, PoolBridge, WorkerPool
from ...wrappers.websocket import ERROR
from ...wsgi import WSGIAdapter
from .answer import HeldBack
from .frames import Incident, Incidents, Kept
from .guard import Guard
from .tools import Tools

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Scope = dict[str, t.Any]

THREADS = 16
"""Threads for the debugger's own requests; each one holds its thread for as long as its code runs."""

KEEP = 20
"""How many errors are kept."""

_TEXT = [(b"content-type", b"text/plain; charset=utf-8")]

_log = logging.getLogger("asyncflask.debugger")


class DebuggedApplication:
    """Werkzeug's interactive debugger over ASGI, for an application whose errors reach its server.

    An `App` in debug mode raises them (``PROPAGATE_EXCEPTIONS``). A browser gets a page with the traceback and, with
    `evalex`, a console in each of its frames; other clients get the traceback as text. Code in a console runs in a
    thread, in the context of the request; what it awaits runs on the serving loop.

    Args:
        app: an ASGI application.
        evalex: run code that is typed into the consoles. The errors are kept in this process.
        console_path: path of a console that belongs to no error; None for no such console.
        console_init_func: returns the names in that console, besides ``app``.
        show_hidden_frames: show frames of this package between server and view too, and frames that hide themselves.
        pin_security: ask for a PIN before any code is run. ``WERKZEUG_DEBUG_PIN`` sets it; ``off`` switches it off.
        pin_logging: print the PIN when the application starts, and when a page asks for it.
        trusted_peers: addresses and networks, besides those of this machine, that may have code run, or ``"*"``. By
            default what ``ASYNCFLASK_DEBUGGER_PEERS`` says, separated by commas.
        keep: how many errors are kept for their consoles.
        no_console: what the page says of why it has no console, where `evalex` is off.

    Raises BadOption, a ValueError, for a peer that is no address.

    Requests to the debugger are refused if their Host is not in `trusted_hosts`, if they come from another machine or
    another site's page, without the secret that the page has, and after ten wrong PINs.
    (Werkzeug docs: Debugging Applications. ASGI specification 3.0.)
    """

    def __init__(
        self,
        app: t.Any,
        evalex: bool = False,
        console_path: str | None = "/console",
        console_init_func: t.Callable[[], dict[str, t.Any]] | None = None,
        show_hidden_frames: bool = False,
        pin_security: bool = True,
        pin_logging: bool = True,
        *,
        trusted_peers: t.Iterable[str] | None = None,
        keep: int = KEEP,
        no_console: str | None = None,
    ) -> None:
        self.app = app
        self.console_path = console_path
        #: whether the PIN has been printed since the start; whoever prints it in a banner of their own says so here
        self.announced: bool = not pin_logging
        self._show_hidden_frames = show_hidden_frames
        self._guard = Guard(trusted_peers)
        self._incidents = Incidents(keep)
        self._tools = Tools(
            next((one for one in _layers(app) if isinstance(one, App)), None),
            self._incidents,
            self._guard,
            evalex=evalex,
            no_console=no_console,
            console_init_func=console_init_func,
            pin_security=pin_security,
            pin_logging=pin_logging,
        )
        self._pool = WorkerPool(THREADS, name="asyncflask-debugger")
        self._bridges: tuple[Bridge, ...] = ()
        self._tools_on_asgi = WSGIAdapter(self._tools, bridge_for=self._bridge)

    @property
    def evalex(self) -> bool:
        """Whether code is run at all."""
        return self._tools.evalex

    @property
    def pin(self) -> str | None:
        """The PIN, or None if there is none to be given."""
        return self._tools.pin

    @property
    def pin_cookie_name(self) -> str:
        """The name of the cookie that a browser gets for the right PIN."""
        return self._tools.pin_cookie_name

    @property
    def secret(self) -> str:
        """What the pages have, and send with each request."""
        return self._tools.secret

    @property
    def trusted_hosts(self) -> list[str]:
        """Names that a browser may call the server by; a leading dot means every name that ends so."""
        return self._guard.trusted_hosts

    # -- scopes ----------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        match scope["type"]:
            case "http":
                if self._is_for_us(scope):
                    await self._tools_on_asgi(scope, receive, send)
                else:
                    await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case "lifespan":
                await self._lifespan(scope, receive, send)
            case _:
                await self.app(scope, receive, send)

    def _is_for_us(self, scope: Scope) -> bool:
        query: bytes = scope.get("query_string", b"")
        if b"__debugger__" in query and parse_qs(query.decode("latin-1")).get("__debugger__", [""])[0] == "yes":
            return True
        return self.evalex and self.console_path is not None and split_path(scope)[1] == self.console_path

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept, answer = Kept(), HeldBack(send)
        try:
            await self.app({**scope, DEBUGGER: kept}, receive, answer)
            await answer.begin()
            kept.end()
        except Exception as error:
            await answer.settle()
            linked = answer.begun or not _asks_for_html(scope)
            incident = self._note(error, kept, scope, scope["method"], linked=linked)
            if not answer.begun:  # else it is left as it is: cut off
                page = WSGIAdapter(self._page_of(incident), bridge_for=self._bridge)
                await page(scope, receive, send)
        finally:
            await answer.settle()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept, state = Kept(), ""

        async def noted(message: Message) -> None:
            nonlocal state
            state = message["type"]
            await send(message)

        try:
            await self.app({**scope, DEBUGGER: kept}, receive, noted)
        except Exception as error:
            incident = self._note(error, kept, scope, "WEBSOCKET", linked=True)
            try:
                if not state:
                    await deny(scope, send, 500, _TEXT, incident.text.encode())
                elif state in ("websocket.accept", "websocket.send"):
                    await send({"type": "websocket.close", "code": ERROR, "reason": _reason(error)})
            except Exception:  # the client has left, and each server says so in its way
                _log.debug("The websocket of an error could not be closed.", exc_info=True)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watched() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self.close)
            return message

        async def noted(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self._announce()

        await self.app(scope, watched, noted)

    def begin_shutdown(self) -> None:
        """Cancel what lines of code wait for, and tell the application that the server begins to stop. On the loop."""
        self._tools.waiting.cancel()
        for one in _layers(self.app):
            if hasattr(one, "begin_shutdown"):
                one.begin_shutdown()
                return

    def close(self) -> None:
        """Forget the errors and end the threads; code that still runs is waited for no longer than a second."""
        self._incidents.clear()
        self._pool.close(timeout=1)

    # -- errors ----------------------------------------------------------------------------------------------------

    def _note(self, error: Exception, kept: Kept, scope: Scope, method: str, *, linked: bool) -> Incident:
        """Keep an error and log it; with `linked` the log says where to look at it, as the client cannot show it."""
        incident = Incident(error, kept, self._tools.waiting, show_hidden_frames=self._show_hidden_frames)
        path = repr(scope["path"])[1:-1]
        told = incident.text.rstrip()
        if self.evalex:
            self._incidents.add(incident)
            if linked:
                told += f"\nLook at it in a browser: {self._address(scope, incident)}"
        else:
            incident.end()
        _log.error("Exception on %s [%s]\n%s", path, method, told)
        return incident

    def _address(self, scope: Scope, incident: Incident) -> str:
        scheme = "https" if scope.get("scheme") in ("https", "wss") else "http"
        host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        if not self._guard.trusts_host(host):
            server = scope.get("server") or ("localhost", None)
            host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
        return f"{scheme}://{host}{quote(split_path(scope)[0])}/?__debugger__=yes&tb={incident.key}"

    def _page_of(self, incident: Incident) -> t.Callable[..., t.Iterable[bytes]]:
        def page(environ: WSGIEnvironment, start_response: StartResponse) -> t.Iterable[bytes]:
            request = Request(environ)
            if _asks_for_html(environ["asgi.scope"]):
                response = self._tools.page(request, incident)
            else:
                response = Response(incident.text, 500, mimetype="text/plain")
            return response(environ, start_response)

        return page

    def _bridge(self, loop: asyncio.AbstractEventLoop) -> Bridge:
        if not self._bridges or self._bridges[0].loop is not loop:
            self._bridges = (PoolBridge(loop, self._pool, self._pool),)
        return self._bridges[0]

    def _announce(self) -> None:
        if self.announced or not self.evalex:
            return
        self.announced = True
        click.secho(" * Debugger is active!", fg="yellow", err=True)
        if self.pin is None:
            click.secho(" * Debugger PIN is off: whoever reaches this server may run code in it.", fg="red", err=True)
        else:
            click.secho(f" * Debugger PIN: {self.pin}", err=True)


def _reason(error: Exception) -> str:
    """Return what a websocket is closed for, in the 123 bytes that there are for it (RFC 6455 section 5.5)."""
    told = "".join(traceback.format_exception_only(error)).strip()
    return told.encode(errors="replace")[:123].decode(errors="ignore")


def _asks_for_html(scope: Scope) -> bool:
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return b"text/html" in accepted or b"application/xhtml+xml" in accepted


def _layers(app: t.Any) -> t.Iterator[t.Any]:
    """Yield an ASGI application, what is inside of it, and so on, as far as that can be seen."""
    for _ in range(20):
        if app is None:
            return
        yield app
        app = getattr(app, "__self__", None) or getattr(app, "app", None)
