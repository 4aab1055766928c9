"""Who may use the debugger, which runs any code: its own pages, on a trusted host, opened on this machine."""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t
from urllib.parse import urlsplit

from werkzeug.sansio.utils import host_is_trusted

from ..options import BadOption

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PEERS = "ASYNCFLASK_DEBUGGER_PEERS"
"""The environment variable with the addresses that may evaluate code, besides those of this machine."""

_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?")
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP")


class Guard:
    """Refuses requests to the debugger.

    Args:
        trusted_peers: addresses and networks besides loopback, such as ``"172.17.0.0/16"``, or ``"*"`` for everyone. By
            default what the environment variable ``ASYNCFLASK_DEBUGGER_PEERS`` has, separated by commas.

    Raises BadOption, a ValueError, for what is no address.
    """

    def __init__(self, trusted_peers: t.Iterable[str] | None = None) -> None:
        if trusted_peers is None:
            trusted_peers = filter(None, (name.strip() for name in os.environ.get(PEERS, "").split(",")))
        peers = [trusted_peers] if isinstance(trusted_peers, str) else list(trusted_peers)
        #: host names that a browser may call the server by; a leading dot means every name that ends so
        self.trusted_hosts: list[str] = [".localhost", "127.0.0.1", "::1"]
        self._everyone = "*" in peers
        self._networks = [_network(peer) for peer in peers if peer != "*"]

    def fault(self, environ: WSGIEnvironment, *, own_page: bool = True) -> str | None:
        """Return what is wrong with a request to the debugger, or None.

        Without `own_page` another site may have led here, as to a page of the application that shows an error.
        """
        host: str = environ.get("HTTP_HOST", "")
        if not self.trusts_host(host):
            return f"The debugger is not called {host!r}. Open it by a name that it trusts, such as 'localhost'."
        if not self._trusts_peer(environ):
            return (
                "The debugger is only there for browsers on the machine that it runs on. To let others in, put their"
                f" addresses into the environment variable {PEERS}; '*' lets everyone in, through proxies too."
            )
        if own_page and not _from_own_page(environ, host):
            return "The debugger only answers its own pages, and this request comes from another site."
        return None

    def trusts_host(self, host: str) -> bool:
        """Return whether a Host header is a name of this server; a page of another name may be anyone's."""
        bracketed = _BRACKETED.fullmatch(host)
        if bracketed is not None:  # Werkzeug finds no IPv6 address in its list
            return bracketed[1] in (trusted.strip("[]") for trusted in self.trusted_hosts)
        return host_is_trusted(host, [trusted for trusted in self.trusted_hosts if ":" not in trusted])

    def _trusts_peer(self, environ: WSGIEnvironment) -> bool:
        if self._everyone:
            return True
        try:
            address = ipaddress.ip_address(environ.get("REMOTE_ADDR", ""))
        except ValueError:  # a unix socket, which a proxy connects to
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        if any(address in network for network in self._networks):
            return True
        # A proxy on this machine speaks for others.
        return address.is_loopback and not any(name in environ for name in _FORWARDED)


def _network(peer: str) -> Network:
    try:
        return ipaddress.ip_network(peer, strict=False)
    except ValueError:
        raise BadOption(
            f"{peer!r} is no peer for the debugger: give addresses such as '10.0.0.7', networks such as '10.0.0.0/8',"
            " or '*'."
        ) from None


def _from_own_page(environ: WSGIEnvironment, host: str) -> bool:
    """Return whether no header says that another site has made the request. (Fetch standard, Fetch Metadata.)"""
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("same-origin", "none"):
        return False
    origin = environ.get("HTTP_ORIGIN")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return (parts.scheme, parts.netloc) == (environ["wsgi.url_scheme"], host)
