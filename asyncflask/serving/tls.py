"""TLS: what `ssl_context` may be, checked before the server starts."""

from __future__ import annotations

import os
import typing as t

from .options import TLS, BadOption, WrongType

if t.TYPE_CHECKING:
    import ssl


def tls_context(wanted: TLS, http2: bool = False) -> ssl.SSLContext | None:
    """Return the context of a server.

    Args:
        wanted: (certificate, key) files, where a key of None is in the certificate's file; a context that is ready;
            "adhoc" for a certificate made on the spot; None for no TLS.
        http2: offer HTTP/2 too, while the connection is made (ALPN, RFC 7301).

    Raises:
        BadOption: a file is missing or does not hold what it should, or the cryptography library is missing.
        WrongType: `wanted` is none of the above.
    """
    if wanted is None:
        return None
    context = _context(wanted)
    if http2:
        context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def _context(wanted: t.Any) -> ssl.SSLContext:
    import ssl  # takes a while

    match wanted:
        case ssl.SSLContext():
            return wanted
        case (str() | os.PathLike() as certificate, (str() | os.PathLike() | None) as key):
            return _from_files(certificate, key)
        case "adhoc":
            return _adhoc()
    raise WrongType(f"ssl_context must be (certificate file, key file), an ssl.SSLContext or 'adhoc', not {wanted!r}")


def _from_files(certificate: t.Any, key: t.Any) -> ssl.SSLContext:
    import ssl

    for what, path in (("certificate", certificate), ("key", key)):
        if path is not None and not os.path.isfile(path):
            raise BadOption(f"There is no {what} file {os.fspath(path)!r}.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        files = " and ".join(repr(os.fspath(path)) for path in (certificate, key) if path is not None)
        raise BadOption(f"{files} do not hold a certificate with its key in PEM format: {error}") from None
    return context


def _adhoc() -> ssl.SSLContext:
    try:
        import cryptography  # noqa: F401  # what Werkzeug makes it with
    except ImportError:
        raise BadOption(
            "ssl_context='adhoc' makes a certificate with the cryptography library: pip install cryptography"
        ) from None
    from werkzeug.serving import generate_adhoc_ssl_context

    return generate_adhoc_ssl_context()
