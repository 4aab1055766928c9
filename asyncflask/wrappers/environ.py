"""What a WSGI server would have said about an ASGI request: its headers and its environ (PEP 3333)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

from werkzeug.datastructures import Headers
from werkzeug.datastructures.mixins import ImmutableHeadersMixin
from werkzeug.exceptions import BadRequestKeyError

from ..lazy import lazy
from .file import FileBody

CLIENT = "asyncflask.client"
"""The key of a scope whose value is what the sync test client wants to know of its request."""

OPEN = "asyncflask.open"
"""The key of a scope that is there once something was opened for its request that is to be closed at the end."""

# What the server or the test client knows better than the scope does.
KEPT_FROM_CLIENT = frozenset(
    {"REQUEST_URI", "RAW_URI", "wsgi.errors", "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"}
)


def merged_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Join the values of repeated headers, as WSGI servers do.

    Args:
        raw: (name, value) pairs in the order they came, names in any case.

    Returns:
        value by lower-case name, in the order of first appearance; ``Cookie`` is joined by ``"; "``, all else by
        ``","``.
    """
    merged: dict[bytes, bytes] = {}
    for name, value in raw:
        name = name.lower()
        if name in merged:
            value = merged[name] + (b"; " if name == b"cookie" else b",") + value
        merged[name] = value
    return merged


class RequestHeaders(ImmutableHeadersMixin, Headers):  # type: ignore[misc]
    """The headers of one ASGI request; read-only.

    Values are decoded as latin-1, names are shown in Title-Case. Unlike in a WSGI environ, ``_`` is not ``-``:
    ``X_Foo`` and ``X-Foo`` are two headers.

    Args:
        raw: the scope's ``headers``.
        by_name: the same as a dict, where no name is repeated.
    """

    def __init__(self, raw: Iterable[tuple[bytes, bytes]] = (), by_name: dict[bytes, bytes] | None = None) -> None:
        self.by_name: dict[bytes, bytes] = merged_headers(raw) if by_name is None else by_name

    @lazy
    def _list(self) -> list[tuple[str, str]]:  # pyright: ignore[reportIncompatibleVariableOverride]
        # What the inherited methods iterate, index and compare.
        return [(k.decode("latin-1").title(), v.decode("latin-1")) for k, v in self.by_name.items()]

    def _get_key(self, key: str) -> str:
        try:
            return self.by_name[key.lower().encode("latin-1")].decode("latin-1")
        except (KeyError, UnicodeEncodeError, AttributeError):
            raise BadRequestKeyError(key) from None

    if not TYPE_CHECKING:

        def get(self, key: str, default: Any = None, type: Callable[[str], Any] | None = None) -> Any:
            """The value of a header, converted by ``type`` if that is given; ``default`` without one."""
            if type is None and key.__class__ is str and key.isascii():  # most are asked for in vain: no error is made
                value = self.by_name.get(key.lower().encode())
                return default if value is None else value.decode("latin-1")
            return super().get(key, default, type)

    def __len__(self) -> int:
        return len(self.by_name)

    def copy(self) -> NoReturn:
        """Refused, as for Werkzeug's environ headers: use ``Headers(request.headers)``."""
        raise TypeError(f"cannot create {type(self).__name__!r} copies")

    def __or__(self, other: Any) -> NoReturn:
        self.copy()


def environ_from_scope(scope: Mapping[str, Any], path: str, root_path: str, input: IO[bytes]) -> dict[str, Any]:
    """Make the WSGI environ of an ASGI http request.

    Args:
        scope: the ASGI scope. If ``scope[CLIENT]`` has an ``environ`` (the test client), everything in it
            that the scope doesn't say is taken over.
        path: what comes after ``root_path``, percent-decoded.
        root_path: the prefix the application is mounted under, percent-decoded, without a trailing slash.
        input: what becomes ``wsgi.input``; it must end where the body ends.

    Returns:
        a new dict; all its native strings are latin-1 (PEP 3333, "Unicode Issues").
    """
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": wsgi_text(root_path),
        "PATH_INFO": wsgi_text(path),
        "QUERY_STRING": scope.get("query_string", b"").decode("latin-1"),
        "REQUEST_URI": request_target(scope, path, root_path),
        "RAW_URI": "",
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": input,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileBody,
    }
    environ["RAW_URI"] = environ["REQUEST_URI"]
    environ.update(address_variables(scope))
    environ.update(header_variables(merged_headers(scope["headers"])))
    environ["asgi.scope"] = scope
    began_as = getattr(scope.get(CLIENT), "environ", None)
    return environ if began_as is None else overlay(began_as, environ)


def overlay(base: Mapping[str, Any], environ: dict[str, Any]) -> dict[str, Any]:
    """Put what the scope says over the environ that a test client began from.

    Headers come from the scope alone: middleware may have taken one away.
    """
    both = {k: v for k, v in base.items() if not k.startswith("HTTP_")}
    both.update((k, v) for k, v in environ.items() if k not in KEPT_FROM_CLIENT or k not in base)
    return both


def wsgi_text(text: str) -> str:
    """Spell decoded text as PEP 3333 wants it: its UTF-8 bytes, each as one latin-1 character."""
    return text.encode("utf-8", "replace").decode("latin-1")


def request_target(scope: Mapping[str, Any], path: str, root_path: str) -> str:
    """The path and query as they stood in the request line."""
    raw: bytes | None = scope.get("raw_path")
    target = raw.decode("latin-1") if raw else quote(root_path + path, safe="!$&'()*+,/:;=@%", errors="replace")
    query: bytes = scope.get("query_string", b"")
    return f"{target}?{query.decode('latin-1')}" if query else target


def address_variables(scope: Mapping[str, Any]) -> dict[str, str]:
    """``SERVER_*`` and ``REMOTE_*``. A unix socket has no port; a client that the server doesn't know is left out."""
    default_port = "443" if scope.get("scheme") in ("https", "wss") else "80"
    name, port = scope.get("server") or ("localhost", default_port)
    found = {"SERVER_NAME": name, "SERVER_PORT": "" if port is None else str(port)}
    client = scope.get("client")
    if client:
        found["REMOTE_ADDR"] = client[0]
        found["REMOTE_PORT"] = str(client[1])
    return found


def header_variables(merged: Mapping[bytes, bytes]) -> dict[str, str]:
    """``CONTENT_TYPE``, ``CONTENT_LENGTH`` and ``HTTP_*``. A name with ``_`` could pose as one with ``-``: left out."""
    found: dict[str, str] = {}
    for name, value in merged.items():
        if b"_" in name:
            continue
        key = name.decode("latin-1").upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        found[key] = value.decode("latin-1")
    return found
