"""What a live test gets: an application, and a function that serves it until the test ends."""

from __future__ import annotations

import asyncio
from types import ModuleType

import pytest
import uvicorn.server

from .servers import Live

#: Parser and loop: each of both, not each with each.
SERVERS = {"httptools": {"http": "httptools", "loop": "uvloop"}, "h11": {"http": "h11", "loop": "asyncio"}}


def pytest_collection_modifyitems(items):
    for item in items:
        if "live" in item.path.parts:
            item.add_marker("live")


@pytest.fixture(scope="session", autouse=True)
def short_pauses():
    """A server in this process looks a hundred times a second whether it may end, where uvicorn looks ten times."""
    brisk = ModuleType("asyncio")
    brisk.__dict__.update(asyncio.__dict__, sleep=lambda seconds: asyncio.sleep(min(seconds, 0.01)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", brisk)
        yield


@pytest.fixture
def app(app):
    """An application that answers as in production, and to `Live.alive`."""
    app.config["TESTING"] = False

    @app.get("/alive")
    async def alive():
        return "alive"

    return app


@pytest.fixture
def serve_with():
    """A function that serves an ASGI application with options of uvicorn; at the end the server has stopped."""
    servers = []

    def start(app, **options):
        servers.append(Live(app, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def serve(serve_with):
    """A function that serves an application by uvicorn with httptools and uvloop."""
    return lambda app, **options: serve_with(app, **(SERVERS["httptools"] | options))


@pytest.fixture(params=sorted(SERVERS))
def serve_each(request, serve_with):
    """As `serve`; the test runs once for each of uvicorn's parsers."""
    return lambda app, **options: serve_with(app, **(SERVERS[request.param] | options))
