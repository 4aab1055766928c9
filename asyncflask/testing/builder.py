"""The builder of test requests, with the application's configuration for defaults."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

import werkzeug.test

if t.TYPE_CHECKING:
    from ..app import App

Text: t.TypeAlias = str | None


class EnvironBuilder(werkzeug.test.EnvironBuilder):
    """Builds the WSGI environ of a test request to an application.

    Args:
        app: its ``SERVER_NAME``, ``APPLICATION_ROOT`` and ``PREFERRED_URL_SCHEME`` make up the URL where nothing else
            does, and its JSON provider serializes ``json``.
        path: the URL path, with a query or a whole URL if wanted.
        base_url: scheme, host and root that the path is under.
        subdomain: put in front of ``SERVER_NAME``; not together with `base_url`.
        url_scheme: instead of ``PREFERRED_URL_SCHEME``; not together with `base_url`.
        args, kwargs: as for Werkzeug's builder.

    Raises AssertionError for a `base_url` with `subdomain` or `url_scheme`. (Flask docs: Testing, EnvironBuilder.)
    """

    def __init__(
        self,
        app: App,
        path: str = "/",
        base_url: Text = None,
        subdomain: Text = None,
        url_scheme: Text = None,
        *args: t.Any,
        **kwargs: t.Any,
    ) -> None:
        if base_url is None:
            base_url, path = url_at(app, path, subdomain, url_scheme)
        elif subdomain or url_scheme:
            raise AssertionError('Cannot pass "subdomain" or "url_scheme" with "base_url".')
        self.app = app
        super().__init__(path, base_url, *args, **kwargs)

    def json_dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Return `obj` as JSON, made by the application's provider."""
        return self.app.json.dumps(obj, **kwargs)


def url_at(app: App, path: str, subdomain: str | None, url_scheme: str | None) -> tuple[str, str]:
    """Return the base URL and the path with its query."""
    config, asked = app.config, urlsplit(path)
    scheme = asked.scheme or url_scheme or config["PREFERRED_URL_SCHEME"]
    host = asked.netloc
    if not host:
        host = ".".join(filter(None, (subdomain, config.get("SERVER_NAME") or "localhost")))
    root = config["APPLICATION_ROOT"].lstrip("/")
    return f"{scheme}://{host}/{root}", "?".join(filter(None, (asked.path, asked.query)))
