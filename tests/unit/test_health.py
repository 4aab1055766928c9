"""Liveness and readiness, and what a server does between a SIGTERM and its end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from asyncflask import current_app
from asyncflask.health import Health

from ..flow.asking import BY_WAY, ask

ANSWER_OF_NONE = {"ready": True, "stopping": False, "checks": {}}


@pytest.fixture(autouse=True)
def close(app):
    yield
    app.close_threads()


@pytest.mark.parametrize("way", BY_WAY)
def test_alive_and_ready_by_every_way(app, way):
    Health(app)
    live, ready = BY_WAY[way](app, "/livez"), BY_WAY[way](app, "/readyz")
    assert (live.status, live.json) == (200, {"alive": True})
    assert (ready.status, ready.json) == (200, ANSWER_OF_NONE)
    assert ready.headers["Cache-Control"] == "no-store"


async def test_not_ready_once_the_server_stops(app):
    Health(app, live="/alive", ready="/ready")
    app.begin_shutdown()
    got = await ask(app, "/ready")
    assert (got.status, got.json) == (503, ANSWER_OF_NONE | {"ready": False, "stopping": True})
    assert (await ask(app, "/alive")).status == 200
    await app.startup()
    assert (await ask(app, "/ready")).status == 200
    await app.shutdown()


@pytest.mark.parametrize("way", BY_WAY)
def test_checks_of_both_kinds(app, caplog, way):
    health = Health()
    health.init_app(app)
    broken = []

    @health.check("async")
    async def one():
        await asyncio.sleep(0)
        if "async" in broken:
            raise ConnectionError("secret of async")

    @health.check("def")
    def other():
        assert threading.current_thread() is not threading.main_thread()
        assert current_app.name == app.name
        if "def" in broken:
            raise KeyError("secret of def")

    for broken[:] in ([], ["async"], ["def"], ["async", "def"]):
        got = BY_WAY[way](app, "/readyz")
        assert got.status == (503 if broken else 200)
        assert got.json["checks"] == {name: "failed" if name in broken else "passed" for name in ("async", "def")}
        assert "secret" not in got.text
    assert "Health check 'async' failed: ConnectionError: secret of async" in caplog.text


async def test_a_check_that_never_ends_has_failed(app):
    health = Health(app)

    @health.check("stuck", timeout=0)
    async def stuck():
        await asyncio.Event().wait()

    @health.check("quick")
    async def quick():
        """All is well."""

    got = await ask(app, "/readyz")
    assert (got.status, got.json["checks"]) == (503, {"stuck": "timed out", "quick": "passed"})


def test_a_check_without_a_name_of_its_own():
    health = Health()
    with pytest.raises(TypeError, match="needs a name"):
        health.check(print)
    health.check("a")(print)
    with pytest.raises(ValueError, match="'a' already"):
        health.check("a")
