"""Static files in front of an application: URL prefixes to folders, files, or folders of packages."""

from __future__ import annotations

import importlib.util
import os
import typing as t
from collections.abc import Mapping
from functools import partial

from werkzeug.exceptions import NotFound, RequestedRangeNotSatisfiable, ServiceUnavailable
from werkzeug.security import safe_join
from werkzeug.utils import send_file

from ..asgi.scope import split_path
from ..threads import WorkerPool
from ..wrappers.file import sent_as_seen
from ..wsgi import WSGIAdapter
from .options import BadOption, WrongType

if t.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_AGE = 12 * 60 * 60
"""Seconds that a client may keep a file without asking again, as with Werkzeug's SharedDataMiddleware."""

_KEY = "asyncflask.static_file"


class StaticFiles:
    """An ASGI application that answers GET and HEAD for files under its prefixes, and leaves the rest to `app`.

    Args:
        app: an ASGI application.
        exports: URL prefixes and what is there, from `exports_of`.

    Ranges, ETags and 304 are werkzeug's `send_file` (RFC 9110, sections 13 and 14). A path under a prefix that is no
    file goes to `app`.
    """

    def __init__(self, app: t.Any, exports: list[tuple[str, str]]) -> None:
        self.app = app
        self.exports: list[tuple[str, str]] = exports
        self._pool = WorkerPool(4, name="asyncflask-static")
        self._files = WSGIAdapter(_send, pool=self._pool)

    async def __call__(self, scope: dict[str, t.Any], receive: t.Any, send: t.Any) -> None:
        """Serve one scope."""
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD"):
            file = self.file_for(split_path(scope)[1])
            if file is not None:
                return await self._files({**scope, _KEY: file}, receive, send)
        await self.app(scope, receive, send)

    def file_for(self, path: str) -> str | None:
        """Return the file that a URL path names, if there is one."""
        for prefix, place in self.exports:
            if path == prefix:
                file: str | None = place
            elif path.startswith(prefix.rstrip("/") + "/"):
                file = safe_join(place, path[len(prefix.rstrip("/")) + 1 :])
            else:
                continue
            if file is not None and os.path.isfile(file):
                return file
        return None

    def close(self) -> None:
        """End the threads that read files."""
        self._pool.close(5)


def exports_of(files: t.Mapping[str, t.Any] | None) -> list[tuple[str, str]]:
    """Return URL prefixes and the folder or file behind each.

    Args:
        files: a URL prefix such as ``/assets`` to a folder, to one file, or to (package, folder in it).

    Raises BadOption for what is not there, WrongType for another kind of value.
    """
    if files is not None and not isinstance(files, Mapping):
        raise WrongType(f"static_files must be a dict of URL prefixes and what is there, not {files!r}")
    return [(_check_prefix(prefix), _find(place)) for prefix, place in (files or {}).items()]


def _send(environ: WSGIEnvironment, start_response: StartResponse) -> t.Iterable[bytes]:
    path = environ["asgi.scope"][_KEY]
    try:
        send = partial(send_file, path, environ, conditional=True, etag=True, max_age=MAX_AGE)
        answer: t.Any = sent_as_seen(path, send)
    except (RequestedRangeNotSatisfiable, ServiceUnavailable) as error:
        answer = error
    except FileNotFoundError:  # it went between two looks at it
        answer = NotFound()
    return t.cast("t.Iterable[bytes]", answer(environ, start_response))


def _check_prefix(prefix: t.Any) -> str:
    if not isinstance(prefix, str) or not prefix.startswith("/"):
        raise BadOption(f"static_files wants URL prefixes that begin with a slash, not {prefix!r}.")
    return prefix


def _find(place: t.Any) -> str:
    match place:
        case (str() as package, str() as folder):
            return os.path.join(_folder_of(package), folder)
        case str() | os.PathLike():
            if os.path.exists(place):
                return os.path.abspath(place)
            raise BadOption(f"static_files: there is no file or folder {os.fspath(place)!r}.")
    raise BadOption(f"static_files wants a folder, a file or (package, folder), not {place!r}.")


def _folder_of(package: str) -> str:
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    folder = next((folder for folder in folders if os.path.isdir(folder)), None)
    if folder is None:
        raise BadOption(f"static_files: there is no package {package!r} with a folder of its own.")
    return folder
