"""Where handlers run: threaded mode on and off, and what a route says against it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from .asking import ask, turns


def ident():
    return str(threading.get_ident())


def routes(app):
    app.add_url_rule("/def", "def", lambda: ident())
    app.add_url_rule("/def/on", "on", lambda: ident(), threaded=True)
    app.add_url_rule("/def/off", "off", lambda: ident(), threaded=False)

    @app.get("/async")
    async def asynchronous():
        return ident()


@pytest.mark.parametrize(
    ("threaded", "path", "hops"),
    [
        (True, "/def", True),
        (True, "/def/on", True),
        (True, "/def/off", False),
        (True, "/async", False),
        (False, "/def", False),
        (False, "/def/on", True),
        (False, "/def/off", False),
        (False, "/async", False),
    ],
)
async def test_a_view_runs_in_a_worker_thread_or_on_the_loop(app, threaded, path, hops):
    app.config["THREADED"] = threaded
    routes(app)
    assert ((await ask(app, path)).text != ident()) is hops
    assert (app.threads.stats().idle == 1) is hops


async def test_hooks_go_with_the_view(app):
    idents = set()
    app.before_request(lambda: idents.add(ident()))
    app.teardown_request(lambda error: idents.add(ident()))
    routes(app)
    for path in ("/def", "/def/off"):
        idents.clear()
        assert idents | {(await ask(app, path)).text} == idents
        assert len(idents) == 1


async def test_sync_hooks_of_an_async_view_are_never_on_the_loop(app):
    idents = []

    @app.before_request
    def before():
        idents.append(ident())

    @app.after_request
    def after(response):
        idents.append(ident())
        return response

    @app.teardown_request
    def teardown(error):
        idents.append(ident())

    routes(app)
    assert (await ask(app, "/async")).text == ident()
    assert len(idents) == 3
    assert ident() not in idents


async def test_without_threads_sync_hooks_of_an_async_view_are_on_the_loop(app):
    app.config["THREADED"] = False
    idents = []
    app.before_request(lambda: idents.append(ident()))
    routes(app)
    assert (await ask(app, "/async")).text == ident() == idents[0]


async def test_without_threads_two_sync_requests_never_overlap(app):
    """Not even between their stages; async ones go on between them."""
    app.config["THREADED"] = False
    order = []
    app.before_request(lambda: order.append("before"))
    app.teardown_request(lambda error: order.append("teardown"))
    app.add_url_rule("/", "view", lambda: order.append("view") or "ok")
    await asyncio.gather(*(ask(app, "/") for _ in range(5)))
    assert order == ["before", "view", "teardown"] * 5


async def test_async_views_go_on_while_every_thread_is_blocked(app):
    app.config["THREADS"] = 2
    go_on = threading.Event()

    @app.get("/block")
    def block():
        go_on.wait(30)
        return "unblocked"

    @app.get("/ping")
    async def ping():
        return "pong"

    app.before_request(lambda: None)  # sync hooks do not wait for the views' threads either
    blocked = [asyncio.create_task(ask(app, "/block")) for _ in range(4)]
    await turns(lambda: app.threads.stats().queued == 2)
    assert [(await ask(app, "/ping")).text for _ in range(5)] == ["pong"] * 5
    assert app.threads.stats().busy == 2
    go_on.set()
    assert [answer.text for answer in await asyncio.gather(*blocked)] == ["unblocked"] * 4


async def test_over_the_queue_limit_it_is_503(app):
    app.config.update(THREADS=1, THREAD_QUEUE_LIMIT=1)
    go_on = threading.Event()

    @app.get("/")
    def view():
        go_on.wait(30)
        return "ok"

    served = [asyncio.create_task(ask(app, "/")) for _ in range(2)]
    await turns(lambda: app.threads.stats().queued == 1)
    refused = await ask(app, "/")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    go_on.set()
    assert [answer.status for answer in await asyncio.gather(*served)] == [200, 200]
    assert app.threads.stats().refused == 1


async def test_sync_views_run_side_by_side(app):
    """Each waits for the other: one after another they would wait for ever."""
    barrier = threading.Barrier(3)

    @app.get("/")
    def view():
        barrier.wait(30)
        return ident()

    answers = await asyncio.gather(*(ask(app, "/") for _ in range(3)))
    assert len({answer.text for answer in answers}) == 3


async def test_one_object_of_the_loop_serves_every_async_view(app):
    lock = asyncio.Lock()
    inside = []

    @app.get("/")
    async def view():
        async with lock:
            inside.append(1)
            assert len(inside) == 1
            await asyncio.sleep(0)
            inside.pop()
        return str(id(asyncio.get_running_loop()))

    answers = await asyncio.gather(*(ask(app, "/") for _ in range(20)))
    assert {answer.text for answer in answers} == {str(id(asyncio.get_running_loop()))}


def test_the_sync_client_runs_everything_in_its_own_thread(app, client):
    routes(app)
    for path in ("/def", "/def/on", "/def/off", "/async"):
        assert client.get(path).text == ident()
