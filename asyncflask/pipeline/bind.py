"""Binding the URL map to a request, without the environ that Werkzeug's own way would need."""

from __future__ import annotations

import sys
import typing as t
import warnings
from functools import lru_cache
from urllib.parse import quote

from werkzeug.exceptions import SecurityError
from werkzeug.routing import Map, MapAdapter
from werkzeug.sansio.utils import get_host

from ..plain import is_plain
from ..wrappers.request import address_in
from ..wrappers.request_head import PATH_PLAIN

if t.TYPE_CHECKING:
    from ..ctx import AppContext, ServedContext
    from ..wrappers import Request
    from ..wrappers.request import Address

PLAIN = is_plain()

_DEFAULT_PORTS = {"http": ":80", "ws": ":80", "https": ":443", "wss": ":443"}


def bind(url_map: Map, request: Request, server_name: str | None, subdomain_matching: bool) -> MapAdapter:
    """Return the adapter of a map for one request.

    Args:
        url_map: the rules.
        request: its host is checked against its ``trusted_hosts``, and kept.
        server_name: ``SERVER_NAME``; a host outside of it has the subdomain ``<invalid>``, which matches no rule.
        subdomain_matching: whether the subdomain counts; without it every request is in the default one.

    Raises SecurityError for a host that is not trusted or has invalid characters. (Flask docs: Domain Matching.)
    """
    if server_name is None and not subdomain_matching and (usual := _bound_as_usual(url_map, request)) is not None:
        return usual
    named = request.headers.get("Host")
    host = get_host(request.scheme, named, request.server, request.trusted_hosts)
    if named and not host and not _is_international(named):
        raise SecurityError(f"Host {named!r} is not valid.")
    scheme = _scheme(request)
    if url_map.host_matching or server_name is None:
        server_name = host.lower()
    else:
        server_name = server_name.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ""))
    subdomain = None
    if not url_map.host_matching:
        subdomain = url_map.default_subdomain or ""
        if subdomain_matching:
            subdomain = _subdomain(host.lower(), server_name)
    return url_map.bind(
        server_name,
        script_name=request.root_path or "/",
        subdomain=subdomain,
        url_scheme=scheme,
        default_method=request.method,
        path_info=request.path,
        query_args=request.query_string.decode("latin-1"),
    )


def bind_ahead(ctx: ServedContext) -> MapAdapter | None:
    """As `bind`, for a request that is not made yet, where its scope alone tells the address; None: it has to be made.

    Of an app that has Flask's ``create_url_adapter``, and requests that have our attributes.
    """
    app, scope, headers = ctx.app, ctx.scope, ctx.headers
    config = app.config
    names_hosts = config["SERVER_NAME"] is not None or config["TRUSTED_HOSTS"] is not None
    if names_hosts or app.request_class.trusted_hosts is not None or PLAIN:
        return None
    if b"upgrade" in headers or len(headers) != len(scope["headers"]):
        return None
    address = address_in(scope, headers, ctx.path, ctx.root_path)
    return _bound(app.url_map, address, ctx.method.upper(), scope.get("query_string", b""))


def is_named_plainly(ctx: AppContext) -> bool:
    """Whether the Host header of a request from ASGI has been found to be a name that URLs can be built for."""
    scope, named = ctx.scope, t.cast("ServedContext", ctx).headers.get(b"host", b"")
    server = scope.get("server")
    where = server if server is None or type(server) is tuple else tuple(server)
    return len(named) <= _LONGEST and _known_host(scope.get("scheme", "http"), named, where) is not None


def bind_later(ctx: ServedContext) -> None:
    """What stands for `bind_ahead` where the request has to be asked."""


def _bound_as_usual(url_map: Map, request: Request) -> MapAdapter | None:
    """Return what `bind` would where it knows the host already, and there is nothing else to look at; else None."""
    address = None if PLAIN or request.trusted_hosts is not None else request.address()
    return None if address is None else _bound(url_map, address, request.method, request.query_string)


def _bound(url_map: Map, address: Address, method: str, query: bytes) -> MapAdapter | None:
    scheme, named, server, script, path = address
    if len(named) > _LONGEST or url_map.host_matching or getattr(url_map.bind, "__func__", None) is not Map.bind:
        return None
    host = _known_host(scheme, named, server)
    if host is None:
        return None
    subdomain = url_map.default_subdomain or ""
    return MapAdapter(url_map, host, script or "/", subdomain, scheme, path, method, query.decode("latin-1"))


_LONGEST = 80


@lru_cache(256)
def _known_host(scheme: str, named: bytes, server: tuple[str, int | None] | None) -> str | None:
    """Return the host of a Host header as `Map.bind` writes it; None where `bind` has more to say."""
    host = get_host(scheme, named.decode("latin-1"), server, None)
    name, colon, port = host.lower().partition(":")
    try:
        return f"{name.encode('idna').decode('ascii')}{colon}{port}" if host else None
    except UnicodeError:
        return None


def with_slash(adapter: MapAdapter) -> str:
    """Return the URL that a request of this adapter is redirected to where a slash is missing at its end."""
    path, host, scheme = adapter.path_info, adapter.server_name, adapter.url_scheme
    if adapter.subdomain or not host or not scheme or PATH_PLAIN.fullmatch(path) is None or PLAIN:
        # what `MapAdapter.match` would raise RequestRedirect with
        whole = quote(f"/{path.lstrip('/')}/", safe="!$&'()*+,/:;=@")
        return adapter.make_redirect_url(whole, adapter.query_args or {})
    script, query, tail = adapter.script_name.strip("/"), adapter.query_args, f"{path}/".lstrip("/")
    url = f"{scheme}://{host}/{script}/{tail}" if script else f"{scheme}://{host}/{tail}"
    return f"{url}?{query}" if query else url


def _is_international(host: str) -> bool:
    try:
        return not host.isascii() and bool(host.encode("idna"))
    except UnicodeError:
        return False


def _scheme(request: Request) -> str:
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return request.scheme
    upgrades = [token.strip(" \t").lower() for token in request.headers.get("Connection", "").split(",")]
    if "upgrade" not in upgrades:
        return request.scheme
    return "wss" if request.scheme == "https" else "ws"


def _subdomain(host: str, server_name: str) -> str:
    """Return the labels of `host` in front of the server name."""
    if host == server_name:
        return ""
    before, found, _ = host.rpartition("." + server_name)
    if found and host.endswith(found):
        return before.strip(".")
    _warn(f"Current server name {host!r} doesn't match configured server name {server_name!r}")
    return "<invalid>"


def _warn(text: str) -> None:
    # In the name of the app's module, which filters of warnings name; as ``flask.app`` where that is what it is called.
    ours = sys.modules.get(__name__.rsplit(".", 2)[0] + ".app")
    name = "flask.app" if ours is not None and sys.modules.get("flask.app") is ours else "asyncflask.app"
    warnings.warn_explicit(text, UserWarning, filename=getattr(ours, "__file__", None) or name, lineno=1, module=name)
