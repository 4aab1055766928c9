"""The client leaves: ordinary views finish, nothing is logged as an error, every teardown runs once and in time."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from asyncflask import g
from asyncflask import request as current

from .servers import LIMIT, request


@pytest.fixture
def story(app):
    """What happened, in order; `told` is released with each teardown."""
    story = []
    story_told = threading.Semaphore(0)

    @app.teardown_request
    def teardown(error):
        if current.path != "/alive":
            story.append(f"teardown {error!r}")
            story_told.release()

    app.told = story_told
    return story


@pytest.fixture
def quiet(caplog):
    """Nothing may be logged as a warning or an error."""
    with caplog.at_level(logging.WARNING):
        yield
    assert [record.getMessage() for record in caplog.records] == []


RUDELY = pytest.mark.parametrize("rudely", [True, False])


@RUDELY
@pytest.mark.parametrize("kind", ["def", "async"])
def test_an_ordinary_view_runs_to_its_end(app, serve_each, story, quiet, kind, rudely):
    inside, go_on = threading.Event(), threading.Event()

    @app.get("/def")
    def view():
        inside.set()
        assert go_on.wait(LIMIT)
        story.append("view ended")
        return "x" * 1_000_000

    @app.get("/async")
    async def view_async():
        inside.set()
        await asyncio.to_thread(go_on.wait, LIMIT)
        story.append("view ended")
        return "x" * 1_000_000

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", f"/{kind}"))
        assert inside.wait(LIMIT)
        wire.leave(rudely=rudely)
    live.alive()
    assert story == []  # not torn down under its own feet
    go_on.set()
    assert app.told.acquire(timeout=LIMIT)
    live.stop()
    assert story == ["view ended", "teardown None"]


@RUDELY
def test_a_route_may_be_cancelled(app, serve_each, story, quiet, rudely):
    inside = threading.Event()

    @app.get("/", on_disconnect="cancel")
    async def view():
        g.mark = "mine"
        inside.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            story.append(f"cancelled {g.mark} {current.path}")
            raise

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", "/"))
        assert inside.wait(LIMIT)
        wire.leave(rudely=rudely)
    assert app.told.acquire(timeout=LIMIT)
    live.stop()
    assert story[0] == "cancelled mine /"
    assert len(story) == 2 and story[1].startswith("teardown CancelledError")


def test_a_route_that_may_be_cancelled_answers_otherwise(app, serve_each, story):
    @app.post("/", on_disconnect="cancel")
    async def view():
        await asyncio.sleep(0)
        return current.get_data()

    live = serve_each(app)
    with live.connect() as wire:
        for body in (b"a", b"b" * 100_000):
            wire.send(request("POST", "/", body=body))
            assert wire.answer().body == body
    assert story == ["teardown None"] * 2


@RUDELY
@pytest.mark.parametrize("kind", ["def", "async"])
def test_asking_whether_the_client_has_left(app, serve_each, story, quiet, kind, rudely):
    inside = threading.Event()

    @app.post("/def")
    def view():
        story.append(current.is_disconnected)
        inside.set()
        while not current.is_disconnected:
            threading.Event().wait(0.001)
        story.append(True)
        return "nobody"

    @app.post("/async")
    async def view_async():
        story.append(current.is_disconnected)
        inside.set()
        while not current.is_disconnected:
            await asyncio.sleep(0.001)
        story.append(True)
        return "nobody"

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("POST", f"/{kind}", body=b"read before"))
        assert inside.wait(LIMIT)
        wire.leave(rudely=rudely)
    assert app.told.acquire(timeout=LIMIT)
    live.stop()
    assert story == [False, True, "teardown None"]


def test_waiting_for_the_client_to_leave(app, serve_each, story, quiet):
    inside = threading.Event()

    @app.get("/")
    async def view():
        inside.set()
        await current.disconnected()
        story.append((current.is_disconnected, current.path))
        return "nobody"

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", "/"))
        assert inside.wait(LIMIT)
        wire.leave()
    assert app.told.acquire(timeout=LIMIT)
    live.stop()
    assert story == [(True, "/"), "teardown None"]


def test_a_view_that_races_its_client(app, serve_each, story):
    """Asked or not, the client who stays gets the answer, and the next one on the connection too."""

    @app.get("/")
    async def view():
        leaving = asyncio.create_task(current.disconnected())
        await asyncio.sleep(0)
        gone = current.is_disconnected
        leaving.cancel()
        return {"gone": gone}

    @app.get("/def")
    def view_def():
        return {"gone": current.is_disconnected}

    live = serve_each(app)
    with live.connect() as wire:
        for path in ("/", "/def", "/", "/def", "/alive"):
            wire.send(request("GET", path))
            answer = wire.answer()
            assert answer.status == 200
            assert path == "/alive" or answer.json == {"gone": False}


@RUDELY
@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_client_that_leaves_while_its_big_answer_is_sent(app, serve_each, story, quiet, kind, rudely):
    @app.get("/def")
    def view():
        return b"x" * 50_000_000

    @app.get("/async")
    async def view_async():
        return b"x" * 50_000_000

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", f"/{kind}"))
        wire.take(100_000)
        wire.leave(rudely=rudely)
    live.alive()
    live.stop()
    assert story == ["teardown None"]


@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_file_whose_client_left_is_closed(app, serve_each, story, quiet, tmp_path, kind):
    big = tmp_path / "big"
    big.write_bytes(b"x" * 30_000_000)
    files = []

    def send():
        from asyncflask import send_file

        files.append(big.open("rb"))
        return send_file(files[-1], "application/octet-stream")

    async def send_async():
        return send()

    app.add_url_rule("/def", "def", send)
    app.add_url_rule("/async", "async", send_async)
    live = serve_each(app)
    assert len(live.get(f"/{kind}").body) == 30_000_000
    with live.connect() as wire:
        wire.send(request("GET", f"/{kind}"))
        wire.take(100_000)
        wire.leave()
    live.stop()
    assert [file.closed for file in files] == [True, True]


@pytest.mark.parametrize("kind", ["def", "async"])
def test_an_error_after_the_client_has_left_is_still_logged(app, serve_each, story, caplog, kind):
    inside, go_on = threading.Event(), threading.Event()

    @app.get("/def")
    def view():
        inside.set()
        assert go_on.wait(LIMIT)
        raise ZeroDivisionError

    @app.get("/async")
    async def view_async():
        inside.set()
        await asyncio.to_thread(go_on.wait, LIMIT)
        raise ZeroDivisionError

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", f"/{kind}"))
        assert inside.wait(LIMIT)
    go_on.set()
    assert app.told.acquire(timeout=LIMIT)
    live.stop()
    assert [record.getMessage() for record in caplog.records if record.name == app.logger.name] == [
        f"Exception on /{kind} [GET]"
    ]
