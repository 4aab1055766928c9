"""A pool of one worker thread and a database pool of one connection: every request of a crowd is answered."""

from __future__ import annotations

import asyncio
import queue

import pytest

from asyncflask import g

from .asking import ask

CROWD = 100


@pytest.fixture
def app(app):
    """One thread; a connection is taken before each request, and given back by its teardown."""
    app.config.update(THREADS=1)
    app.connections = queue.Queue(1)
    app.connections.put("the connection")
    app.used = []
    return app


def take_and_give_back(app, colour):
    if colour == "def":

        @app.before_request
        def take():
            g.connection = app.connections.get()

        @app.teardown_request
        def give_back(error):
            app.connections.put(g.pop("connection"))

    else:

        @app.before_request
        async def take_async():
            while True:
                try:
                    g.connection = app.connections.get_nowait()
                except queue.Empty:
                    await asyncio.sleep(0.001)
                else:
                    return

        @app.teardown_request
        async def give_back_async(error):
            await asyncio.sleep(0)
            app.connections.put_nowait(g.pop("connection"))


async def crowd(app):
    answers = await asyncio.gather(*(ask(app, f"/{number}") for number in range(CROWD)))
    assert [answer.text for answer in answers] == [f"{number} by the connection" for number in range(CROWD)]
    assert app.connections.qsize() == 1


@pytest.mark.parametrize("hooks", ["def", "async"])
async def test_sync_views(app, hooks):
    take_and_give_back(app, hooks)

    @app.get("/<int:number>")
    def view(number):
        return f"{number} by {g.connection}"

    await crowd(app)
    assert app.threads.stats().busy == 0


@pytest.mark.parametrize("hooks", ["def", "async"])
async def test_async_views(app, hooks):
    take_and_give_back(app, hooks)

    @app.get("/<int:number>")
    async def view(number):
        await asyncio.sleep(0)
        return f"{number} by {g.connection}"

    await crowd(app)


@pytest.mark.parametrize("hooks", ["def", "async"])
async def test_both_kinds_of_views(app, hooks):
    take_and_give_back(app, hooks)

    def view(number):
        return f"{number} by {g.connection}"

    async def async_view(number):
        return f"{number} by {g.connection}"

    for number in range(CROWD):
        app.add_url_rule(f"/{number}", str(number), view if number % 2 else async_view, defaults={"number": number})
    await crowd(app)


async def test_sync_views_that_call_async_code(app):
    """While one waits for the loop it keeps the only thread; the loop answers without another."""
    take_and_give_back(app, "def")

    async def fetch():
        await asyncio.sleep(0)
        return g.connection

    @app.get("/<int:number>")
    def view(number):
        return f"{number} by {app.async_to_sync(fetch)()}"

    await crowd(app)


async def test_threads_of_sync_streams_are_not_asked_for_again(app):
    take_and_give_back(app, "def")

    @app.get("/<int:number>")
    def view(number):
        connection = g.connection
        return (piece for piece in (str(number), " by ", connection))

    await crowd(app)
