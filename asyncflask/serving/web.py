"""A server object: a listening socket and what is to be served on it, alone in this process or in several."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import typing as t

import click

from ..threads import WorkerPool
from . import access_log
from .address import inherit, listen, url_of, urls_of
from .channel import Channel
from .interrupts import Kept, hand_on
from .options import Options, check_host, check_port, check_uvicorn
from .tls import tls_context

if t.TYPE_CHECKING:
    import uvicorn

    from .debugger import DebuggedApplication
    from .server import Server

_WARNING = (
    "WARNING: This is a development server, and its debugger runs code for who knows the PIN. Do not use it in a"
    " production deployment."
)

_ONE_OF_SEVERAL = (
    "There are no consoles here: several processes serve, and the next request may be another's than that which has"
    " these frames. Run with one process (processes=1) to have them."
)


class WebServer:
    """What `make_server` returns; it listens from the moment it is made.

    Args:
        host: see `address.listen`.
        port: 0 takes a free one, which `port` then says.
        options: everything else.
        fd: descriptor of a socket to use, instead of making one.

    Raises:
        BadOption, WrongType: something cannot be as asked for; nothing is left open then.
    """

    #: whether ``def`` handlers run in threads
    multithread: bool = False
    #: whether there are several processes
    multiprocess: bool = False

    def __init__(self, host: str, port: int, options: Options, fd: int | None = None) -> None:
        check_host(host)
        check_port(port)
        self.host = host
        self.options = options
        self.app: t.Any = options.application
        self.passthrough_errors: bool = options.passthrough_errors
        self.multithread = options.threaded
        self.multiprocess = options.processes > 1
        self.ssl_context = tls_context(options.ssl_context, options.http2)
        check_uvicorn(options.uvicorn)
        self._exports = _exports(options)
        self.debugger: DebuggedApplication | None = None
        self._closes: list[t.Callable[[], None]] = []
        self._asgi: t.Any = None
        self._server: Server | None = None
        self._stopped = False
        self._stuck = False
        self._kept = Kept()
        self._idle = threading.Event()
        self._idle.set()
        self._unix_path = os.path.abspath(host.removeprefix("unix://")) if fd is None and host[:7] == "unix://" else ""
        self.socket: socket.socket = listen(host, port) if fd is None else inherit(fd)

    def __enter__(self) -> t.Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.server_close()

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def server_address(self) -> t.Any:
        """Host and port that the socket has, or its path."""
        return self.socket.getsockname()

    @property
    def port(self) -> int:
        """The port that the socket has; 0 for a Unix socket."""
        address = self.server_address
        return address[1] if isinstance(address, tuple) else 0

    server_port = port

    @property
    def server_name(self) -> str:
        """`host`."""
        return self.host

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}
        return url_of(self.socket, local.get(self.host, self.host), self.scheme)

    @property
    def scheme(self) -> str:
        """``http`` or ``https``."""
        return "http" if self.ssl_context is None else "https"

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self.socket.fileno()

    def log_startup(self) -> None:
        """Log where it can be reached, and in how many processes and threads."""
        options = self.options
        access_log.prepare(access_log.log)
        lines = [f" * Running on {url}" for url in urls_of(self.socket, self.host, self.scheme)]
        if options.use_debugger or options.use_reloader:
            lines.insert(0, self._coloured(_WARNING, fg="red", bold=True))
        threads = f"{options.thread_count()} threads" if self.multithread else "no threads"
        processes = f"{options.processes} processes" if self.multiprocess else "1 process"
        lines.append(f" * {processes}, {threads}{' each' if self.multiprocess and self.multithread else ''}")
        lines.append(self._coloured("Press CTRL+C to quit", fg="yellow"))
        access_log.log.info("%s", "\n".join(lines))

    def _coloured(self, text: str, **style: t.Any) -> str:
        return click.style(text, **style) if access_log.wants_colour(sys.stderr) else text

    def log_debugger(self) -> None:
        """Log the PIN of the debugger, if there is one."""
        if not self.options.use_debugger:
            return
        self.asgi()
        access_log.prepare(access_log.log)
        if self.multiprocess and self.options.use_evalex:
            access_log.log.info(" * The debugger has no console, which needs a single process.")
        elif self.debugger is not None and self.options.use_evalex:
            access_log.log.info(" * Debugger PIN: %s", self.debugger.pin or "off")

    # -- serving ---------------------------------------------------------------------------------------------------

    def serve_forever(self, poll_interval: float = 0.5) -> None:
        """Serve until `shutdown`, or in the main thread until a signal; then the socket is closed.

        Args:
            poll_interval: nothing; servers of the standard library have it.

        Raises:
            SystemExit: the application did not start (1), or SIGTERM ended it and nobody else handles that (0).
            Exception: of the application, with `passthrough_errors`.
        """
        self.serve(None)

    def serve(self, channel: Channel | None, announced: bool = True) -> None:
        """As `serve_forever`.

        Args:
            channel: to the reloader that started this process.
            announced: whether the user knows the address; otherwise it is logged.
        """
        from . import is_running_from_reloader

        self._idle.clear()
        try:
            with self._kept.while_starting(hurries=is_running_from_reloader()):
                if not announced:
                    self.log_startup()
                self.log_debugger()
                if self._stopped:
                    return
                caught = self._in_processes(channel) if self.multiprocess else self.serve_here(channel)
        finally:
            self.server_close()
            self._idle.set()
        hand_on(caught)

    def shutdown(self) -> None:
        """Have `serve_forever` end, and wait until it has. From another thread."""
        self._stopped = True
        if self._server is not None:
            self._server.stop()
        self._idle.wait()

    def server_close(self) -> None:
        """Close the socket, and end what belongs to the server."""
        path, self._unix_path = self._unix_path, ""
        if path:
            with contextlib.suppress(OSError):
                os.unlink(path)
        self.socket.close()
        while self._closes:
            self._closes.pop()()

    def serve_here(self, channel: Channel | None) -> list[int]:
        """Serve in this process and thread, and return the signals that ended it; see `serve_forever`.

        Args:
            channel: to the process that started this one.
        """
        from . import is_running_from_reloader
        from .server import Server  # and uvicorn with it

        asgi = self.asgi()  # before the server: it may be told to stop any time from here on
        self._server = server = Server(
            self._config(asgi),
            self.debugger or self.app,
            self.options.graceful_timeout,
            channel,
            is_running_from_reloader(),
            self._kept.numbers,
        )
        if self._stopped:
            return []
        ours = self.options.app
        if ours is not None:
            server.when_stuck = lambda: setattr(ours, "threads_patience", 0.0)
        try:
            server.run(sockets=[self.socket])
        except SystemExit as end:
            # uvicorn's 3, for an application that does not start, means "again" to reloaders.
            raise SystemExit(1 if end.code == 3 else end.code) from None
        finally:
            self._server = None
            self._stuck = server.stuck
            vars(ours or self).pop("threads_patience", None)  # for the next time
        if server.failure is not None:
            raise server.failure
        return server.caught

    def serve_as_worker(self, channel: Channel | None, ready: t.Callable[[], object] = lambda: None) -> None:
        """Serve as one of several processes, whose signals are all the supervisor's.

        Args:
            channel: to the supervisor.
            ready: called when signals are kept.
        """
        from . import is_running_from_reloader

        with self._kept.while_starting(hurries=is_running_from_reloader()):
            ready()
            self.serve_here(channel)

    def _in_processes(self, channel: Channel | None) -> list[int]:
        from . import is_running_from_reloader
        from .processes import Supervisor

        self.asgi()  # once for all of them
        supervisor = Supervisor(self, restarts=not is_running_from_reloader())
        return supervisor.run(channel, self._kept.numbers)

    # -- the application as it is served ---------------------------------------------------------------------------

    def asgi(self) -> t.Any:
        """Return the ASGI application with what is put around it, made once."""
        if self._asgi is None:
            self._asgi = self._assemble()
        return self._asgi

    def _assemble(self) -> t.Any:
        options = self.options
        app = self._configured(options)
        if self._exports:
            from .static import StaticFiles

            app = static = StaticFiles(app, self._exports)
            self._closes.append(static.close)
        if options.use_debugger:
            app = self._debugged(app)
        if options.passthrough_errors:
            app = Passthrough(app, self._fail)
        return access_log.with_access_log(app, options.access_log)

    def _configured(self, options: Options) -> t.Any:
        ours = options.app
        if ours is None:
            return self.app if options.speaks_asgi else self._threaded_wsgi(options)
        ours.config["THREADED"] = options.threaded
        if options.threads is not None:
            ours.config["THREADS"] = options.threads
            if "threads" in vars(ours):
                ours.threads.resize(options.threads, ours.config["THREAD_QUEUE_LIMIT"])
        return ours

    def _threaded_wsgi(self, options: Options) -> t.Any:
        from ..wsgi import WSGIAdapter

        app = self.app
        if options.passthrough_errors:
            app = passing(app, self._fail)
        pool = WorkerPool(options.thread_count(), name="asyncflask-wsgi")
        self._closes.append(lambda: _close(pool, 0.0 if self._stuck else options.graceful_timeout))
        return WSGIAdapter(app, pool=pool)

    def _debugged(self, app: t.Any) -> t.Any:
        from .debugger import DebuggedApplication

        # Frames are in the memory of the process in which the error was; the next request may be another's.
        several = self.options.use_evalex and self.multiprocess
        self.debugger = debugger = DebuggedApplication(
            app, evalex=self.options.use_evalex and not several, no_console=_ONE_OF_SEVERAL if several else None
        )
        debugger.trusted_hosts.append(self.host)
        debugger.announced = True
        return debugger

    def _fail(self, error: BaseException) -> None:
        if self._server is not None:
            self._server.fail(error)

    def _config(self, asgi: t.Any) -> uvicorn.Config:
        import uvicorn

        options = self.options
        settings: dict[str, t.Any] = {"log_config": None, "access_log": False, "proxy_headers": False}
        if options.access_log == "uvicorn":
            del settings["log_config"], settings["access_log"]
        elif options.uvicorn.get("log_config") is None:
            access_log.quiet_uvicorn()
        if options.request_handler is not None:
            settings["http"] = options.request_handler
        if options.http2:
            from .http2 import HTTP1or2

            settings["http"] = HTTP1or2
        if self.ssl_context is not None:
            settings["ssl_context_factory"] = lambda config, default: self.ssl_context
        # Forwarding headers are not believed unless asked for: nothing says that a proxy is in front.
        return uvicorn.Config(asgi, interface="asgi3", **(settings | options.uvicorn))


def _exports(options: Options) -> list[tuple[str, str]]:
    if not options.static_files:
        return []
    from .static import exports_of

    return exports_of(options.static_files)


def _close(pool: WorkerPool, timeout: float) -> None:
    pool.close(timeout)


class Passthrough:
    """An ASGI application whose errors are handed to `fail` as well as to the server."""

    def __init__(self, app: t.Any, fail: t.Callable[[BaseException], None]) -> None:
        self.app = app
        self.fail = fail

    async def __call__(self, scope: t.Any, receive: t.Any, send: t.Any) -> None:
        """Serve one scope."""
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            self.fail(error)
            raise


def passing(app: t.Any, fail: t.Callable[[BaseException], None]) -> t.Any:
    """Return a WSGI callable as `Passthrough` does an ASGI application."""

    def passing_app(environ: t.Any, start_response: t.Any) -> t.Any:
        try:
            return app(environ, start_response)
        except Exception as error:
            fail(error)
            raise

    return passing_app
