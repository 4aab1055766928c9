"""Serving an application: `run_simple` with the arguments of Werkzeug's, uvicorn underneath.

In the order of events: ``options`` (each argument checked), ``address`` and ``tls`` (what is listened on), ``web`` (the
server object), then ``reloader`` (watches, and runs all of this again in a process under it), ``processes`` (several
processes on one socket) or ``server`` (uvicorn in this process).
"""

from __future__ import annotations

import os
import typing as t

from ..lazy import late_names
from .options import TLS, BadOption, FilePath, Options, WrongType, check_port, check_reloader, strings_of
from .web import WebServer

if t.TYPE_CHECKING:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol as WSGIRequestHandler
    from werkzeug.serving import generate_adhoc_ssl_context as generate_adhoc_ssl_context
    from werkzeug.serving import load_ssl_context as load_ssl_context
    from werkzeug.serving import make_ssl_devcert as make_ssl_devcert

    from .access_log import Access as Access
    from .access_log import json_line as json_line
    from .access_log import werkzeug_line as werkzeug_line

__all__ = [
    "Access",
    "BadOption",
    "BaseWSGIServer",
    "ForkingWSGIServer",
    "ThreadedWSGIServer",
    "WSGIRequestHandler",
    "WrongType",
    "generate_adhoc_ssl_context",
    "is_running_from_reloader",
    "json_line",
    "load_ssl_context",
    "make_server",
    "make_ssl_devcert",
    "run_simple",
    "werkzeug_line",
]

#: Names of Werkzeug's: what `make_server` returns.
BaseWSGIServer = WebServer


class ThreadedWSGIServer(WebServer):
    """A server whose ``def`` handlers run in threads; made by `make_server`."""


class ForkingWSGIServer(WebServer):
    """A server of several processes, with threads or without; made by `make_server`."""


def is_running_from_reloader() -> bool:
    """Return whether this process is the one that a reloader started and restarts."""
    return os.environ.get("WERKZEUG_RUN_MAIN") == "true"


def run_simple(
    hostname: str,
    port: int,
    application: t.Any,
    use_reloader: bool = False,
    use_debugger: bool = False,
    use_evalex: bool = True,
    extra_files: t.Iterable[FilePath] | None = None,
    exclude_patterns: t.Iterable[str] | None = None,
    reloader_interval: float = 1,
    reloader_type: str = "auto",
    threaded: bool = False,
    processes: int = 1,
    request_handler: t.Any = None,
    static_files: t.Mapping[str, t.Any] | None = None,
    passthrough_errors: bool = False,
    ssl_context: TLS = None,
    **more: t.Any,
) -> None:
    """Serve an application until it is interrupted.

    Args:
        hostname: a name, an IPv4 or IPv6 address, ``unix://`` and a path, or ``fd://`` and a descriptor's number.
        port: 0 takes a free one.
        application: an `App`, an ASGI application or a WSGI callable.
        use_reloader: start the program anew when a file of its code changes.
        use_debugger: show errors in the browser.
        use_evalex: with a console in each frame of the traceback, for who knows the PIN; in one process only.
        extra_files: more files whose change restarts it, or folders whose ``.py`` files do.
        exclude_patterns: patterns (`fnmatch`) of files whose change does not.
        reloader_interval: seconds between two looks of the ``stat`` reloader.
        reloader_type: ``stat``, ``watchdog``, ``watchfiles``, or ``auto``: the best one that is installed.
        threaded: run ``def`` handlers in threads; otherwise one after another.
        processes: how many processes serve the one socket; a dead one is replaced.
        request_handler: a HTTP protocol class of uvicorn's, or a subclass.
        static_files: URL prefixes to a folder, a file or (package, folder).
        passthrough_errors: an error of the application ends the server and is raised here.
        ssl_context: (certificate, key) files, an SSLContext, or ``"adhoc"`` for a certificate made on the spot.
        more: ``threads`` (how many), ``graceful_timeout`` (seconds for requests in flight to end, 30),
            ``access_log`` (``"werkzeug"``, ``"uvicorn"``, ``"json"``, a function that makes a line of an `Access`,
            False), ``http2`` (needs zttp), and any option of `uvicorn.Config`.

    SIGINT and SIGTERM stop it gently. With several processes SIGTTIN and SIGTTOU make them more or fewer, and SIGHUP
    replaces them one by one with the code as it is now.

    Raises:
        BadOption: something cannot be as asked for; a SystemExit that says why, and a ValueError too.
        WrongType: the same, and a TypeError.
        SystemExit: the application did not start, or the reloader or SIGTERM ended the server.
        RuntimeError: an event loop runs in this thread already.
    """
    check_port(port)
    _no_loop_runs()
    check_reloader(reloader_type, reloader_interval)
    extra = strings_of("extra_files", extra_files)
    excluded = strings_of("exclude_patterns", exclude_patterns)
    server = make_server(
        hostname, port, application, threaded, processes, request_handler, passthrough_errors, ssl_context,
        fd=_inherited(), static_files=static_files, use_debugger=use_debugger, use_evalex=use_evalex,
        use_reloader=use_reloader, **more,
    )  # fmt: skip
    if _is_worker():
        _serve_as_worker(server)
    with server:
        if use_reloader and not is_running_from_reloader():
            from .reloader import run_with_reloader

            server.log_startup()
            watched = (reloader_type, reloader_interval, extra, excluded)
            grace = server.options.graceful_timeout
            raise SystemExit(run_with_reloader(server.socket, *watched, grace, server.ssl_context))
        server.serve(_line_to_reloader(), announced=is_running_from_reloader())


def make_server(
    host: str,
    port: int,
    app: t.Any,
    threaded: bool = False,
    processes: int = 1,
    request_handler: t.Any = None,
    passthrough_errors: bool = False,
    ssl_context: TLS = None,
    fd: int | None = None,
    **more: t.Any,
) -> WebServer:
    """Return a server that listens already: `serve_forever` serves, `shutdown` from another thread ends it.

    Args:
        host, port, app: as in `run_simple`; what the port is then says `server_port`.
        threaded, processes, request_handler, passthrough_errors, ssl_context: as in `run_simple`.
        fd: descriptor of a socket that listens already.
        more: as in `run_simple`; also ``static_files``, ``use_debugger`` and ``use_evalex``.

    Raises:
        BadOption, WrongType: as `run_simple`.
    """
    own = {name: more.pop(name) for name in list(more) if name in Options.__dataclass_fields__ and name != "uvicorn"}
    options = Options(
        app, threaded=threaded, processes=processes, request_handler=request_handler,
        passthrough_errors=passthrough_errors, ssl_context=ssl_context, uvicorn=more, **own,
    )  # fmt: skip
    if processes > 1:
        return ForkingWSGIServer(host, port, options, fd)
    return (ThreadedWSGIServer if options.threaded else WebServer)(host, port, options, fd)


def _no_loop_runs() -> None:
    """Raise RuntimeError where an event loop runs, as in a notebook: the server runs one of its own."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "The server runs an event loop of its own, and one runs in this thread already. From async code or a notebook"
        " serve with 'await uvicorn.Server(uvicorn.Config(app.asgi)).serve()', or run this in a thread."
    )


def _inherited() -> int | None:
    """The socket that a reloader or a supervisor of processes has opened for us."""
    from .processes import SOCKET

    return int(os.environ[SOCKET]) if (is_running_from_reloader() or _is_worker()) and SOCKET in os.environ else None


def _is_worker() -> bool:
    from .processes import WORKER

    return WORKER in os.environ


def _line_to_reloader() -> t.Any:
    from .channel import Channel

    return Channel.from_environment(wants_files=True) if is_running_from_reloader() else None


def _serve_as_worker(server: WebServer) -> t.NoReturn:
    """Be one of the processes of a supervisor that has run this command again."""
    from .channel import Channel
    from .processes import WORKER

    del os.environ[WORKER]
    server.serve_as_worker(Channel.from_environment(wants_files=False))
    raise SystemExit(0)


# Werkzeug's names that are found where they are; loading them takes a while.
if not t.TYPE_CHECKING:
    _late = late_names(
        __name__,
        {
            "Access": f"{__name__}.access_log",
            "json_line": f"{__name__}.access_log",
            "werkzeug_line": f"{__name__}.access_log",
            "generate_adhoc_ssl_context": "werkzeug.serving",
            "load_ssl_context": "werkzeug.serving",
            "make_ssl_devcert": "werkzeug.serving",
        },
    )

    def __getattr__(name: str) -> t.Any:
        if name == "WSGIRequestHandler":  # to be subclassed for `request_handler`
            from uvicorn.protocols.http.auto import AutoHTTPProtocol

            return AutoHTTPProtocol
        return _late(name)
