"""What a test of the behaviour suite gets: `driver`, one for each thing that serves the application."""

from __future__ import annotations

from contextlib import ExitStack

import httpx2
import pytest

from .application import make_app
from .drivers import InMemory, OverSocket, served

DEFAULT = ["memory", pytest.param("uvicorn", marks=pytest.mark.live)]
WSGI = pytest.param("gunicorn", marks=pytest.mark.live)
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("hypercorn", "granian")]


@pytest.fixture(scope="session")
def ports():
    """A function that gives the port of a server, which is started when first asked for."""
    with ExitStack() as stack:
        known = {}

        def port_of(name):
            if name not in known:
                known[name] = stack.enter_context(served(name))
            return known[name]

        yield port_of


async def opened(name, request):
    if name == "memory":
        app = make_app()
        async with app.async_test_client(raise_app_exceptions=False) as client:
            yield InMemory(name, client)
        app.close_threads()
    else:
        port = request.getfixturevalue("ports")(name)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            yield OverSocket(name, client, port)


@pytest.fixture(params=[*DEFAULT, WSGI])
async def driver(request):
    """Asks the application in memory, then over uvicorn, and over gunicorn's sync worker, which is WSGI."""
    async for one in opened(request.param, request):
        yield one


@pytest.fixture(params=[*DEFAULT, *OTHERS])
async def each_driver(request):
    """As `driver`; and over hypercorn and granian, if slow tests are asked for."""
    async for one in opened(request.param, request):
        yield one
