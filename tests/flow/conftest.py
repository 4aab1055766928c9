"""What a flow test gets: one way to ask an application, or each of them by turns."""

from __future__ import annotations

import pytest

from .asking import BY_WAY, WAYS


@pytest.fixture(params=WAYS)
def asked(request, app):
    """A function that sends a request to `app`: over ASGI with worker threads, by the sync client, or over WSGI."""
    one = BY_WAY[request.param]

    def ask(path, method="GET", **options):
        return one(app, path, method, **options)

    ask.way = request.param
    return ask


@pytest.fixture
def app(app):
    """An application all of whose threads end with the test."""
    yield app
    app.close_threads()
    app.logger.disabled = False  # a logger is kept by its name
