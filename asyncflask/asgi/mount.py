"""Other applications under a prefix of this one."""

from __future__ import annotations

import inspect
import typing as t

from .scope import split_path

ASGIApp = t.Callable[[dict[str, t.Any], t.Any, t.Any], t.Awaitable[None]]


class Mounts:
    """Prefixes and the ASGI applications behind them; the longest prefix that ends at a slash or at the end wins."""

    def __init__(self) -> None:
        #: prefix and application, longest prefix first
        self.apps: list[tuple[str, t.Any]] = []
        #: those that are told when serving starts and stops, as they were mounted
        self.with_lifespan: list[tuple[str, t.Any]] = []
        #: the lifespan state of each of them that was started, by its prefix
        self.states: dict[str, dict[str, t.Any]] = {}

    def add(self, prefix: str, app: t.Any, *, has_lifespan: bool = False) -> None:
        """Put `app` under `prefix`; say whether it is to be told when serving starts and stops.

        Raises ValueError for a prefix that does not begin with a slash, has nothing after it, or is taken.
        """
        prefix = prefix.rstrip("/") if prefix.startswith("/") else ""
        if not prefix:
            raise ValueError("A mount needs a prefix such as '/admin': a slash and at least one character after it.")
        if any(taken == prefix for taken, _ in self.apps):
            raise ValueError(f"Something is mounted at {prefix!r} already.")
        self.apps.append((prefix, app))
        if has_lifespan:
            self.with_lifespan.append((prefix, app))
        self.apps.sort(key=lambda mount: -len(mount[0]))

    def under(self, scope: dict[str, t.Any]) -> tuple[t.Any, dict[str, t.Any]] | None:
        """Return the application that a scope's path leads to, and the scope for it; None if there is none.

        The prefix becomes part of the root path, and stays part of the path. (ASGI specification, `root_path`.)
        """
        root_path, path = split_path(scope)
        for prefix, app in self.apps:
            if path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/"):
                inner = {**scope, "root_path": root_path + prefix, "path": root_path + path}
                if prefix in self.states:
                    inner["state"] = {**scope.get("state", {}), **self.states[prefix]}
                return app, inner
        return None

    def under_environ(self, environ: dict[str, t.Any]) -> tuple[t.Any, dict[str, t.Any]] | None:
        """As `under`, for a WSGI environ: the application's WSGI side, and the environ for it."""
        path: str = environ.get("PATH_INFO", "")
        for prefix, app in self.apps:
            raw = prefix.encode().decode("latin-1")  # PEP 3333: text of an environ is bytes in disguise
            if path.startswith(raw) and (len(path) == len(raw) or path[len(raw)] == "/"):
                script_name = environ.get("SCRIPT_NAME", "") + raw
                target = getattr(app, "wsgi_app", None) or _asgi_only
                return target, {**environ, "SCRIPT_NAME": script_name, "PATH_INFO": path[len(raw) :]}
        return None


def _asgi_only(environ: dict[str, t.Any], start_response: t.Callable[..., t.Any]) -> t.Iterable[bytes]:
    text = b"What is mounted here speaks ASGI only, and this is a WSGI server. Serve the app with an ASGI server.\n"
    start_response("501 Not Implemented", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


def is_asgi(app: t.Any) -> bool:
    """Return whether a callable is an ASGI 3 application: a coroutine function, or an object whose call is one."""
    call = app if inspect.isroutine(app) else getattr(app, "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(call) or hasattr(app, "asgi_app")
