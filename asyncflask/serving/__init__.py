"""Serving an application while it is developed: uvicorn in this process, with the arguments of Werkzeug's server."""

from __future__ import annotations

import logging
import os
import typing as t

from ..app import App
from ..asgi.mount import is_asgi
from ..threads import WorkerPool
from ..wsgi import WSGIAdapter

if t.TYPE_CHECKING:
    import ssl

FilePath = str | os.PathLike[str]

_log = logging.getLogger(__name__)


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
    ssl_context: tuple[FilePath, FilePath | None] | ssl.SSLContext | t.Literal["adhoc"] | None = None,
) -> None:
    """Serve an application until it is interrupted.

    Args:
        hostname: the interface to bind to, or ``unix://`` and the path of a socket.
        port: 0 takes a free one.
        application: an `App`, an ASGI application or a WSGI callable.
        threaded: run ``def`` handlers in threads; otherwise one after another.
        ssl_context: (certificate, key) files, an SSLContext, or ``"adhoc"`` for a certificate made on the spot.

    There is no reloader, no debugger and only one process yet; a line in the log says so where they are asked for.

    Raises:
        TypeError: `port` is no int, or `ssl_context` none of the above.
        SystemExit: the server cannot start; the reason is in the log.
    """
    if not isinstance(port, int):
        raise TypeError(f"port must be an integer, not {port!r}")
    _tell_missing(
        use_reloader=use_reloader,
        use_debugger=use_debugger,
        processes=processes > 1,
        request_handler=request_handler,
        static_files=static_files,
        passthrough_errors=passthrough_errors,
    )
    place: dict[str, t.Any] = {"host": hostname, "port": port}
    if hostname.startswith("unix://"):
        place = {"uds": os.path.abspath(hostname.removeprefix("unix://"))}
    place |= _tls(ssl_context)
    if isinstance(application, App):
        application.config["THREADED"] = threaded
    if is_asgi(application):
        _serve(application, place)
    else:
        _serve_wsgi(application, 40 if threaded else 1, place)


def _tell_missing(**asked: t.Any) -> None:
    missing = [name for name, value in asked.items() if value]
    if missing:
        _log.warning("run_simple cannot do this yet, and goes on without: %s.", ", ".join(missing))


def _serve_wsgi(app: t.Any, threads: int, place: dict[str, t.Any]) -> None:
    pool = WorkerPool(threads, name="asyncflask-wsgi")
    try:
        _serve(WSGIAdapter(app, pool=pool), place)
    finally:
        pool.close()


def _serve(app: t.Any, place: dict[str, t.Any]) -> None:
    import uvicorn  # takes a while, and only a server needs it

    # Forwarding headers are not believed: nothing says that a proxy is in front.
    uvicorn.run(app, interface="asgi3", proxy_headers=False, **place)


def _tls(ssl_context: t.Any) -> dict[str, t.Any]:
    """Return uvicorn's settings for `ssl_context`."""
    match ssl_context:
        case None:
            return {}
        case (str() | os.PathLike() as certificate, key):
            return {"ssl_certfile": certificate, "ssl_keyfile": key}
        case "adhoc":
            from werkzeug.serving import generate_adhoc_ssl_context

            made = generate_adhoc_ssl_context()
            return {"ssl_context_factory": lambda config, default: made}
    import ssl

    if isinstance(ssl_context, ssl.SSLContext):
        return {"ssl_context_factory": lambda config, default: ssl_context}
    raise TypeError(
        f"ssl_context must be (certificate file, key file), an ssl.SSLContext or 'adhoc', not {ssl_context!r}"
    )
