"""The lifespan of an application in tests, by its messages: shared by all that hold it, and clear about what failed."""

from __future__ import annotations

import asyncio

import pytest

from asyncflask.testing import LifespanError, TestApp
from asyncflask.testing.lifespan import Held


class Bare:
    """An ASGI application that does what its lifespan's steps say."""

    def __init__(self, startup="complete", shutdown="complete", message=None, error=None, busy=None):
        self.seen = []
        self.said = {"startup": startup, "shutdown": shutdown}
        self.message, self.error, self.busy = message, error, busy

    async def __call__(self, scope, receive, send):
        assert scope["type"] == "lifespan"
        scope["state"]["made"] = "by the application"
        for phase in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{phase}"
            self.seen.append(phase)
            if self.busy is not None:
                await self.busy.wait()
            if self.said[phase] == "raises":
                raise self.error
            answer = {"type": f"lifespan.{phase}.{self.said[phase]}"}
            if self.message is not None:
                answer["message"] = self.message
            await send(answer)
            if self.said[phase] == "failed" and self.error is not None:
                raise self.error


async def test_it_starts_and_stops():
    app = Bare()
    held = Held(app)
    assert held.state == {}
    await held.start()
    assert app.seen == ["startup"]
    assert held.state == {"made": "by the application"}
    await held.stop()
    assert app.seen == ["startup", "shutdown"]
    await held.stop()


async def test_it_starts_once_for_all_that_hold_it():
    app = Bare(busy=asyncio.Event())
    first, second = Held(app), Held(app)
    starts = [asyncio.create_task(held.start()) for held in (first, second)]
    while not app.seen:
        await asyncio.sleep(0)
    app.busy.set()
    await asyncio.gather(*starts)
    await first.stop()
    assert app.seen == ["startup"]
    await second.stop()
    assert app.seen == ["startup", "shutdown"]


async def test_who_comes_while_it_stops_starts_it_anew():
    app = Bare()
    first, second = Held(app), Held(app)
    await first.start()
    app.busy = asyncio.Event()
    stops = asyncio.create_task(first.stop())
    while "shutdown" not in app.seen:
        await asyncio.sleep(0)
    starts = asyncio.create_task(second.start())
    await asyncio.sleep(0)
    assert app.seen == ["startup", "shutdown"]
    app.busy.set()
    await asyncio.gather(stops, starts)
    await second.stop()
    assert app.seen == ["startup", "shutdown"] * 2


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_what_the_application_says_is_the_error(phase):
    app = Bare(**{phase: "failed"}, message="ValueError: no database")
    with pytest.raises(LifespanError, match=f"The application's {phase} failed: ValueError: no database"):
        async with TestApp(app):
            assert phase == "shutdown"


async def test_what_it_raises_is_the_cause():
    app = Bare(startup="failed", error=ValueError("no database"))
    with pytest.raises(LifespanError, match=r"failed: \(no reason\)") as caught:
        await Held(app).start()
    assert isinstance(caught.value.__cause__, ValueError)


async def test_everybody_is_told_that_it_does_not_start():
    app = Bare(startup="failed", message="no")
    results = await asyncio.gather(Held(app).start(), Held(app).start(), return_exceptions=True)
    assert [str(result) for result in results] == ["The application's startup failed: no"] * 2


async def test_an_application_without_lifespan_is_served_all_the_same():
    app = Bare(startup="raises", error=AssertionError("http only"))
    async with TestApp(app):
        assert app.seen == ["startup"]
    assert app.seen == ["startup"]


async def test_an_error_while_it_stops():
    app = Bare(shutdown="raises", error=ValueError("cannot close"))
    with pytest.raises(LifespanError, match="shutdown failed: ValueError: cannot close") as caught:
        async with TestApp(app):
            pass
    assert isinstance(caught.value.__cause__, ValueError)


async def test_an_error_in_between_is_told_at_the_end():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        raise ValueError("fell over")

    with pytest.raises(LifespanError, match="shutdown failed: ValueError: fell over"):
        async with TestApp(app):
            await asyncio.sleep(0)


async def test_a_start_that_takes_too_long():
    app = Bare(busy=asyncio.Event())
    with pytest.raises(LifespanError, match=r"startup took longer than 0.01 seconds"):
        await TestApp(app, startup_timeout=0.01).startup()


async def test_a_start_that_is_cancelled_leaves_nothing():
    app = Bare(busy=asyncio.Event())
    start = asyncio.create_task(Held(app).start())
    while not app.seen:
        await asyncio.sleep(0)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start


def test_each_loop_has_its_own():
    app = Bare()

    async def once():
        async with TestApp(app):
            pass

    asyncio.run(once())
    asyncio.run(once())
    assert app.seen == ["startup", "shutdown"] * 2


async def test_an_app_and_its_clients(app):
    @app.get("/")
    async def view():
        return {"is": "here"}

    async with app.test_app() as test_app:
        assert (await asyncio.to_thread(test_app.test_client().get, "/")).json == {"is": "here"}
        async with test_app.async_test_client() as one, app.async_test_client() as two:
            assert (await one.get("/")).json() == (await two.get("/")).json()
        async with test_app.async_test_client() as three:
            assert (await three.get("/")).status_code == 200
