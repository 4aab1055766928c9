"""What is read off an HTTP scope before a request is made of it: path, framing of the body, faults of the client."""

from __future__ import annotations

import re
import typing as t

from werkzeug.exceptions import BadRequest, HTTPException

Headers = dict[bytes, bytes]
"""The header of a scope by lower-case name; of a repeated name the last value."""

DEBUGGER = "asyncflask.debugger"
"""The key of a scope whose value takes what is to stay of a request that failed: its context, and its ContextVars.

Where it is there, errors are the debugger's to show: they are raised, neither logged nor answered.
"""

# RFC 9110 section 7.2 and RFC 3986 section 3.2.2, as narrow as what servers are really called
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])?(?::[0-9]{0,5})?")

#: Host headers that were found valid before
known_hosts: set[bytes | None] = set()
_KNOWN_HOSTS_LIMIT = 1024


def split_path(scope: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """Return the root path, without its last slash, and the path under it.

    The root path is taken off only where it ends at a slash or at the end; a server that did not put it in front of the
    path is understood too. (ASGI specification, HTTP connection scope.)
    """
    path: str = scope["path"]
    root: str = scope.get("root_path") or ""
    if not root:
        return "", path
    root = root.rstrip("/")
    if path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        path = path[len(root) :]
    return root, path


def client_fault(scope: t.Mapping[str, t.Any], headers: Headers) -> HTTPException | None:
    """Return the error that the header of a request is, or None for a sound one.

    HTTP/1.1 needs exactly one valid Host (RFC 9112 section 3.2), and a body is framed in one way only: a request with
    both Content-Length and Transfer-Encoding, or with several lengths, is one that two servers may read differently
    (RFC 9112 section 6.3).
    """
    host = headers.get(b"host")
    if host is None:
        if scope.get("http_version") == "1.1":
            return BadRequest("An HTTP/1.1 request needs a Host header.")
    elif host not in known_hosts:
        if _HOST.fullmatch(host) is None:
            return BadRequest("The Host header is not a host name with an optional port.")
        if len(known_hosts) < _KNOWN_HOSTS_LIMIT:
            known_hosts.add(host)
    length = headers.get(b"content-length")
    if length is not None:
        if b"transfer-encoding" in headers:
            return BadRequest("A request must not have both Content-Length and Transfer-Encoding.")
        if not length.isdigit() or len(length) > 18:
            return BadRequest("Content-Length is not a number of bytes.")
    if len(headers) != len(scope["headers"]):
        return _repeated(scope["headers"])
    return None


def _repeated(pairs: t.Iterable[tuple[bytes, bytes]]) -> HTTPException | None:
    seen = set()
    for name, _ in pairs:
        if name in (b"host", b"content-length"):
            if name in seen:
                return BadRequest(f"The request has more than one {name.decode().title()} header.")
            seen.add(name)
    return None


def may_have_body(scope: t.Mapping[str, t.Any], headers: Headers) -> bool:
    """Return whether a body has to be asked for. Only HTTP/1 announces one in its header (RFC 9112 section 6)."""
    length = headers.get(b"content-length")
    if length is not None:
        return length.strip(b"0") != b""
    return b"transfer-encoding" in headers or not scope.get("http_version", "1.1").startswith("1")
