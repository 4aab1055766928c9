"""ASGI middleware that deployments need: what Werkzeug has for WSGI, for websockets and async handlers as well."""

from __future__ import annotations

import typing as t
from urllib.parse import quote

from werkzeug.http import parse_list_header

from .asgi.scope import split_path

Scope = dict[str, t.Any]
Pairs = list[tuple[bytes, bytes]]

_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}


class ProxyFix:
    """Believe the forwarding headers that a known number of proxies in front of the application has set.

    Args:
        app: an ASGI application: ``app.asgi_app = ProxyFix(app.asgi_app, x_for=1)``.
        x_for: how many values of ``X-Forwarded-For`` to trust; they are counted from the right, and 0 is none.
        x_proto: the same of ``X-Forwarded-Proto``.
        x_host: the same of ``X-Forwarded-Host``.
        x_port: the same of ``X-Forwarded-Port``.
        x_prefix: the same of ``X-Forwarded-Prefix``.

    Each proxy adds one value to the right of what it was sent, so a client can write what it likes to the left of them.
    Say the number of proxies that set a header, not more: what is over it is what a client may have written.
    Raises ValueError for a number that is negative or no whole number. (Flask docs: Tell Flask it is Behind a Proxy;
    Werkzeug docs: X-Forwarded-For Proxy Fix.)
    """

    def __init__(
        self, app: t.Any, x_for: int = 1, x_proto: int = 1, x_host: int = 0, x_port: int = 0, x_prefix: int = 0
    ) -> None:
        self.app = app
        trusted = {"for": x_for, "proto": x_proto, "host": x_host, "port": x_port, "prefix": x_prefix}
        for name, hops in trusted.items():
            if not isinstance(hops, int) or hops < 0:
                raise ValueError(f"ProxyFix: x_{name} is a number of proxies, 0 or more, not {hops!r}.")
        self._trusted: dict[bytes, tuple[str, int]] = {
            f"x-forwarded-{name}".encode(): (name, hops) for name, hops in trusted.items() if hops
        }

    async def __call__(self, scope: Scope, receive: t.Any, send: t.Any) -> None:
        """Serve a scope as the first of the trusted proxies was asked for it."""
        if scope["type"] in ("http", "websocket"):
            said = self._said(scope["headers"])
            if said:
                scope = _as_asked(scope, said)
        await self.app(scope, receive, send)

    def _said(self, pairs: t.Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
        """Return the values that are trusted. Lines of one header are one list (RFC 9110 section 5.3)."""
        lists: dict[str, list[str]] = {}
        for name, value in pairs:
            if name in self._trusted:
                lists.setdefault(self._trusted[name][0], []).extend(parse_list_header(value.decode("latin-1")))
        said = {}
        for header, hops in self._trusted.values():
            values = lists.get(header, ())
            if len(values) >= hops and values[-hops]:
                said[header] = values[-hops]
        return said


def _as_asked(scope: Scope, said: dict[str, str]) -> Scope:
    scope = dict(scope)
    if "for" in said:
        scope["client"] = (said["for"], 0)
    if "proto" in said:
        proto = said["proto"].lower()
        scope["scheme"] = _WEBSOCKET_SCHEMES.get(proto, proto) if scope["type"] == "websocket" else proto
    if "host" in said or "port" in said:
        _change_host(scope, said.get("host"), said.get("port"))
    if "prefix" in said:
        _change_prefix(scope, "/" + said["prefix"].strip("/"))
    return scope


def _change_host(scope: Scope, host: str | None, port: str | None) -> None:
    pairs: Pairs = list(scope["headers"])
    at = next((at for at, (name, _) in enumerate(pairs) if name == b"host"), None)
    if host is None:
        if at is None:
            return
        host = pairs[at][1].decode("latin-1")
    name, colon, own_port = host.rpartition(":")
    if not colon or "]" in own_port:  # an IPv6 address has colons of its own, in brackets
        name, own_port = host, ""
    if port is not None:
        host, own_port = f"{name}:{port}", port
    pair = (b"host", host.encode("latin-1"))
    if at is None:
        pairs.append(pair)
    else:  # a second one stays, and has the request refused
        pairs[at] = pair
    scope["headers"] = pairs
    was = (scope.get("server") or (None, None))[1]
    scope["server"] = (name, int(own_port) if own_port.isdecimal() else was)


def _change_prefix(scope: Scope, prefix: str) -> None:
    root, path = split_path(scope)
    prefix = prefix.rstrip("/")
    scope["root_path"], scope["path"] = prefix, prefix + path
    raw: bytes | None = scope.get("raw_path")
    if raw is not None:
        was = quote(root).encode()
        scope["raw_path"] = quote(prefix).encode() + (raw[len(was) :] if raw.startswith(was) else raw)
