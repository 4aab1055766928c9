"""The debugger's own requests, as a WSGI application: pages, their files, the PIN, and code to run in a frame."""

from __future__ import annotations

import typing as t
from contextlib import nullcontext
from hmac import compare_digest

import werkzeug.debug
from markupsafe import escape
from werkzeug.debug.tbtools import render_console_html
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Request, Response

from ...app import App
from ...globals import current_app
from .console import Console, Waiting
from .frames import Incident, Incidents, Room
from .guard import Guard

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MOST_WRONG_PINS = 10

# Where the page's traceback begins, above which there is room for a word.
_TRACEBACK = '<h2 class="traceback">'

# The pages run code: they are not to be kept, guessed at, or shown inside of others.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Tools(werkzeug.debug.DebuggedApplication):
    """Werkzeug's PIN, secret, files and pages, for errors that ASGI applications raise.

    Args:
        app: the `App` that is debugged, for the console; None if it is no `App`.
        incidents: the errors that are kept.
        guard: refuses requests.
        no_console: what pages say of why they have no console, where `evalex` is off.
        options: as for `DebuggedApplication`.
    """

    def __init__(
        self, app: App | None, incidents: Incidents, guard: Guard, *, pin_logging: bool, no_console: str | None,
        **options: t.Any,
    ) -> None:  # fmt: skip
        # The PIN is made of a class rather than of the application, so that it stays the same while that cannot be
        # loaded. Whether it is logged is set afterwards: Werkzeug prints it here, after each reload.
        super().__init__(t.cast(t.Any, App), pin_logging=False, **options)
        self.pin_logging = pin_logging
        self.incidents: Incidents = incidents
        self.guard: Guard = guard
        self._no_console = no_console
        self._flask_app = app
        #: what lines of code wait for
        self.waiting: Waiting = Waiting()
        self._console: Console | None = None
        self._room = Room(lambda: [nullcontext() if app is None else app.app_context()])

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> t.Iterable[bytes]:
        """Answer a request to the debugger."""
        request = Request(environ)
        try:
            response: t.Any = self._answer(request)
        except HTTPException as error:
            response = error.get_response(environ)
        if request.args.get("cmd") != "resource":
            response.headers.update(_HEADERS)
        return t.cast("t.Iterable[bytes]", response(environ, start_response))

    def _answer(self, request: Request) -> Response:
        args = request.args
        command = args.get("cmd")
        if command == "resource" and "f" in args:
            return self.get_resource(request, args["f"])
        fault = self.guard.fault(request.environ)
        if fault is not None:
            return _refusal(fault)
        if not self.evalex:
            return _refusal("This debugger runs no code: it was started without.")
        if args.get("__debugger__") != "yes":
            return self.display_console(request)
        if "tb" in args:
            return self._page_of(request, self.incidents.get(args["tb"]))
        if not compare_digest(args.get("s", "").encode(), self.secret.encode()):
            return _refusal("The secret of this server is wrong or missing. Reload the page.")
        if "frm" in args:
            return self._run(request, args.get("frm", -1, type=int), command or "")
        if command == "pinauth":
            return self.pin_auth(request)
        if command == "printpin":
            return self.log_pin_request(request)
        return _refusal("The debugger does not know this command.", 400)

    def get_resource(self, request: Request, filename: str) -> Response:
        """Return a file that the pages need. Raises NotFound."""
        try:
            return super().get_resource(request, filename)
        except ValueError:  # a NUL, say
            raise NotFound() from None

    # -- pages -----------------------------------------------------------------------------------------------------

    def page(self, request: Request, incident: Incident) -> Response:
        """Return the page of an error, with consoles if whoever asked for it may use them."""
        why_not = self.guard.fault(request.environ, own_page=False) if self.evalex else self._no_console
        evalex = self.evalex and why_not is None
        html = incident.traceback.render_debugger_html(
            evalex=evalex,
            secret=self.secret if evalex else "",
            evalex_trusted=evalex and bool(self.check_pin_trust(request.environ)),
        )
        html = html.replace("your WSGI application", "your application")
        if why_not is not None:
            html = html.replace(_TRACEBACK, f'<div class="explanation">{escape(why_not)}</div>\n{_TRACEBACK}', 1)
        return Response(html, 500, _HEADERS, "text/html")

    def _page_of(self, request: Request, incident: Incident | None) -> Response:
        return _forgotten() if incident is None else self.page(request, incident)

    def display_console(self, request: Request) -> Response:
        """Return the page with a console that is in no frame, but in a context of the application."""
        trusted = bool(self.check_pin_trust(request.environ))
        return Response(render_console_html(self.secret, trusted), mimetype="text/html")

    # -- code ------------------------------------------------------------------------------------------------------

    def _run(self, request: Request, frame: int, line: str) -> Response:
        if not self.check_pin_trust(request.environ):
            return _refusal("The console is locked. Enter the PIN first.")
        if frame == 0:
            return Response(self._room.evaluate(self._own_console(), line), mimetype="text/html")
        incident = self.incidents.with_frame(frame)
        if incident is None:
            return _forgotten()
        return Response(incident.evaluate(frame, line), mimetype="text/html")

    def _own_console(self) -> Console:
        if self._console is None:
            names: dict[str, t.Any] = {"current_app": current_app}
            if self._flask_app is not None:
                with self._flask_app.app_context():
                    names |= self._flask_app.make_shell_context()
            own = {} if self.console_init_func is None else self.console_init_func()
            self._console = Console(names, own, self.waiting)
        return self._console

    # -- the PIN ---------------------------------------------------------------------------------------------------

    def check_host_trust(self, environ: WSGIEnvironment) -> bool:
        """Return whether the request calls this server by a name that is trusted."""
        return self.guard.trusts_host(environ.get("HTTP_HOST", ""))

    def pin_auth(self, request: Request) -> Response:
        """Answer whether a PIN is right. After ten that were wrong, none is right any more."""
        with self._failed_pin_auth.get_lock():  # no two at once, or more than ten could be tried
            return super().pin_auth(request)

    def _fail_pin_auth(self) -> None:
        # Werkzeug sleeps here. Ten attempts are few enough without.
        self._failed_pin_auth.value = min(self._failed_pin_auth.value + 1, MOST_WRONG_PINS)


def _refusal(text: str, status: int = 403) -> Response:
    # The page puts what it gets into its console.
    return Response(f"{escape(text)}\n", status, mimetype="text/html")


def _forgotten() -> Response:
    return _refusal("This error is not kept any more: only the last ones are. Make the request again.", 404)
