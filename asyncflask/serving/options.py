"""What `run_simple` is asked for: each argument checked before anything starts; errors say what to pass."""

from __future__ import annotations

import inspect
import os
import typing as t
from dataclasses import dataclass, field
from importlib.util import find_spec

from ..app import App
from ..asgi.mount import is_asgi

if t.TYPE_CHECKING:
    import ssl

FilePath = str | os.PathLike[str]
TLS: t.TypeAlias = "tuple[FilePath, FilePath | None] | ssl.SSLContext | t.Literal['adhoc'] | None"

ACCESS_LOGS = ("werkzeug", "uvicorn", "json")
RELOADERS = ("auto", "stat", "watchdog", "watchfiles")

#: Options of `uvicorn.Config` that are decided here, each with what to say instead.
_DECIDED = {
    "host": "hostname",
    "uds": "hostname='unix://...'",
    "fd": "hostname='fd://...'",
    "app": "application",
    "workers": "processes",
    "reload": "use_reloader",
    "reload_dirs": "extra_files",
    "reload_delay": "reloader_interval",
    "reload_includes": "extra_files",
    "reload_excludes": "exclude_patterns",
    "http": "request_handler",
    "interface": "nothing: it is found out",
    "factory": "the application that it makes",
    "timeout_graceful_shutdown": "graceful_timeout",
    "ssl_keyfile": "ssl_context",
    "ssl_certfile": "ssl_context",
    "ssl_context_factory": "ssl_context",
}


class BadOption(SystemExit, ValueError):
    """An option that cannot be; a program that does not catch it ends with its text, one line, and exit code 1."""


class WrongType(SystemExit, TypeError):
    """An option of the wrong type; otherwise as `BadOption`."""


@dataclass
class Options:
    """What a server is to do, checked.

    Args:
        application: an `App`, an ASGI application or a WSGI callable.
        threads: how many threads for ``def`` handlers; None is as configured (40 for a WSGI callable).
        graceful_timeout: seconds that requests in flight may take to end once the server is told to stop.
        access_log: a name of `ACCESS_LOGS`, a function that makes a line of an `access_log.Access`, or False.
        uvicorn: further options of `uvicorn.Config`.
    """

    application: t.Any
    threaded: bool = False
    processes: int = 1
    request_handler: t.Any = None
    static_files: t.Mapping[str, t.Any] | None = None
    passthrough_errors: bool = False
    ssl_context: TLS = None
    use_debugger: bool = False
    use_evalex: bool = True
    use_reloader: bool = False
    threads: int | None = None
    graceful_timeout: float = 30.0
    access_log: t.Any = None
    http2: bool = False
    uvicorn: dict[str, t.Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.application):
            raise WrongType(f"application must be an App, an ASGI application or a WSGI callable: {self.application!r}")
        check_number("processes", self.processes, 1, "1 is a single process")
        if self.threads is not None:
            check_number("threads", self.threads, 1, "threaded=False runs 'def' handlers without threads")
            self.threaded = True
        if not isinstance(self.graceful_timeout, int | float) or not 0 <= self.graceful_timeout < float("inf"):
            raise BadOption(f"graceful_timeout must be a number of seconds from 0 on, not {self.graceful_timeout!r}.")
        self.access_log = _check_access_log(self.access_log)
        _check_request_handler(self.request_handler)
        if self.http2 and (self.request_handler is not None or find_spec("zttp") is None):
            raise BadOption("http2 needs zttp, and no request_handler beside it: pip install zttp")
        self._check_fork()

    def _check_fork(self) -> None:
        if self.processes > 1 and not hasattr(os, "fork"):
            raise BadOption("This platform cannot fork processes; leave processes at 1.")

    @property
    def app(self) -> App | None:
        """The application if it is one of ours."""
        return self.application if isinstance(self.application, App) else None

    @property
    def speaks_asgi(self) -> bool:
        """Whether the application is an ASGI one; otherwise it is a WSGI callable."""
        return is_asgi(self.application)

    def thread_count(self) -> int:
        """How many threads ``def`` handlers have."""
        if not self.threaded:
            return 1
        return self.threads or (40 if self.app is None else self.app.config["THREADS"])


def check_number(name: str, value: t.Any, least: int, hint: str) -> None:
    """Raise for a `value` that is no int (WrongType), or less than `least` (BadOption)."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise WrongType(f"{name} must be an integer, not {value!r}")
    if value < least:
        raise BadOption(f"{name} must be at least {least}, not {value} ({hint}).")


def check_port(port: t.Any) -> None:
    """Raise for a port that is no int from 0 to 65535."""
    if not isinstance(port, int) or isinstance(port, bool):
        raise WrongType(f"port must be an integer, not {port!r}")
    if not 0 <= port <= 65535:
        raise BadOption(f"port must be from 0 to 65535, not {port} (0 takes a free one).")


def check_reloader(kind: t.Any, interval: t.Any) -> None:
    """Raise for a type of reloader that does not exist, or an interval that is no positive number."""
    if kind not in RELOADERS:
        raise BadOption(f"reloader_type must be one of {', '.join(map(repr, RELOADERS))}, not {kind!r}.")
    if not isinstance(interval, int | float) or not 0 < interval < float("inf"):
        raise BadOption(f"reloader_interval must be a positive number of seconds, not {interval!r}.")


def check_host(host: t.Any) -> None:
    """Raise for a host that is no string."""
    if not isinstance(host, str):
        raise WrongType(f"hostname must be a string, such as '127.0.0.1', not {host!r}")


def strings_of(name: str, value: t.Any) -> list[str]:
    """Return the paths or patterns of an argument; raise WrongType for a single one, and for what is none."""
    if value is None:
        return []
    try:
        if isinstance(value, str | bytes | os.PathLike):
            raise TypeError
        return [os.fsdecode(one) for one in value]
    except TypeError:
        raise WrongType(f"{name} must be a list of strings, not {value!r}") from None


def check_uvicorn(options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return options for `uvicorn.Config`; raise WrongType for those it does not have, or that are said otherwise."""
    if not options:
        return options
    import uvicorn  # takes a while, and only a server needs it

    known = inspect.signature(uvicorn.Config).parameters
    for name in options:
        if name in _DECIDED:
            raise WrongType(f"run_simple does not take {name!r}; say {_DECIDED[name]}.")
        if name not in known:
            raise WrongType(f"run_simple has no option {name!r}, and uvicorn has none either.")
    return options


def _check_access_log(kind: t.Any) -> t.Any:
    if kind is None or kind is True:
        return "werkzeug"
    if kind is False or callable(kind) or kind in ACCESS_LOGS:
        return kind
    names = ", ".join(map(repr, ACCESS_LOGS))
    raise BadOption(f"access_log must be one of {names}, a function, or False for none, not {kind!r}.")


def _check_request_handler(handler: t.Any) -> None:
    if handler is None:
        return
    from asyncio import Protocol
    from socketserver import BaseRequestHandler

    if isinstance(handler, type) and issubclass(handler, Protocol):
        return
    instead = (
        "Pass a HTTP protocol class of uvicorn, such as uvicorn.protocols.http.h11_impl.H11Protocol or a subclass;"
        " for other lines in the log say access_log=..."
    )
    if isinstance(handler, type) and issubclass(handler, BaseRequestHandler):
        name = f"{handler.__module__}.{handler.__qualname__}"
        raise WrongType(f"request_handler {name} is for Werkzeug's server, and uvicorn serves here. {instead}")
    raise WrongType(f"request_handler must be a class, not {handler!r}. {instead}")
