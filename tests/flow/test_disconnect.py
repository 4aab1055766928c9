"""What a client's leaving does, by the rule's `on_disconnect`: it cancels, is let be, or ends not even a stream."""

from __future__ import annotations

import asyncio
import threading

import pytest

from asyncflask import current_app, request

from .asking import Client, environ_of, turns


async def left_during(app, path, began, go_on):
    """Let the client of `path` leave once `began` is set, then set `go_on`."""
    client = Client(environ_of(path))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await began.wait()
    client.leave()
    await turns(lambda: exchange.done() or client.scope.get("asyncflask.listener") is None or told(client))
    go_on.set()
    await exchange


def told(client):
    return client.scope["asyncflask.listener"].left.is_set()


async def test_three_routes_three_behaviours(app):
    began, go_on, order = asyncio.Event(), asyncio.Event(), []

    def add(policy):
        async def view():
            async def pieces():
                try:
                    for number in range(3):
                        yield str(number)
                        await asyncio.sleep(0)
                    order.append("whole")
                finally:
                    order.append("closed")

            try:
                began.set()
                request.is_disconnected  # noqa: B018  it begins to listen, whatever the policy is
                await go_on.wait()
                order.append("went on")
            except asyncio.CancelledError:
                order.append("cancelled")
                raise
            return pieces()

        app.add_url_rule(f"/{policy}", policy, view, on_disconnect=policy)

    app.teardown_request(lambda error: order.append(type(error).__name__))
    expected = {
        "cancel": ["cancelled", "CancelledError"],
        "finish": ["went on", "NoneType"],  # its stream is never begun
        "shield": ["went on", "NoneType", "whole", "closed"],
    }
    for policy in expected:
        add(policy)
    for policy, steps in expected.items():
        began.clear()
        go_on.clear()
        order.clear()
        await asyncio.wait_for(left_during(app, f"/{policy}", began, go_on), 30)
        assert order == steps, policy


async def test_a_shielded_request_is_not_cancelled_by_its_server(app):
    began, go_on, order = asyncio.Event(), asyncio.Event(), []

    @app.get("/", on_disconnect="shield")
    async def view():
        began.set()
        await go_on.wait()
        order.append(request.path)
        return "done"

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await began.wait()
    for _ in range(2):
        exchange.cancel()
        await asyncio.sleep(0)
    assert not exchange.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await exchange
    assert order == ["/"]
    assert client.pieces == [b"done"]


@pytest.mark.parametrize("colour", ["async", "def"])
async def test_a_cancelled_request_is_torn_down_whole(app, colour):
    """The client leaves while an asynchronous teardown function runs: it runs on, and so does the next one."""
    reached, go_on, order = asyncio.Event(), asyncio.Event(), []

    @app.teardown_request
    async def last(error):
        order.append("last")

    @app.teardown_request
    async def first(error):
        reached.set()
        await go_on.wait()
        order.append("first")

    async def view():
        return "made"

    app.add_url_rule("/", "view", view if colour == "async" else lambda: "made", on_disconnect="cancel")
    client = Client(environ_of("/"))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await reached.wait()
    client.leave()
    await turns(lambda: told(client))
    await asyncio.sleep(0)
    go_on.set()
    await exchange
    assert order == ["first", "last"]


async def test_a_sync_view_is_cancelled_where_it_waits_for_the_loop(app):
    began, order = asyncio.Event(), []

    async def endless():
        began.set()
        await asyncio.Event().wait()

    @app.get("/", on_disconnect="cancel")
    def view():
        try:
            current_app.async_to_sync(endless)()
        finally:
            order.append(threading.current_thread() is threading.main_thread())
        return "never"

    app.teardown_request(lambda error: order.append(type(error).__name__))
    client = Client(environ_of("/"))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await began.wait()
    client.leave()
    await asyncio.wait_for(exchange, 30)
    assert order == [False, "CancelledError"]
    assert not client.status


async def test_a_view_that_reads_its_body_misses_nothing(app):
    """Neither a policy nor a streamed answer takes a piece of a streamed body."""

    @app.post("/cancel", stream_body=True, on_disconnect="cancel")
    @app.post("/finish", stream_body=True)
    async def view():
        async def pieces():
            async for piece in request.stream:
                yield piece.upper()

        return pieces()

    for path in ("/cancel", "/finish"):
        body = b"abcdefgh" * 40_000
        client = Client(environ_of(path, "POST", data=body))
        await client.run(app)
        assert client.got.body == body.upper()


async def test_a_body_that_nobody_reads_hides_no_leaving(app):
    closed = []

    @app.post("/", stream_body=True)
    async def view():
        async def pieces():
            try:
                while True:
                    yield "x"
            finally:
                closed.append(request.path)

        return pieces()

    client = Client(environ_of("/", "POST", data=b"x" * 200_000), leaves_after=2, tells=False)
    await asyncio.wait_for(app.asgi(client.scope, client.receive, client.send), 30)
    assert closed == ["/"]


async def test_a_wish_to_know_of_the_leaving(app):
    began, seen = asyncio.Event(), []

    @app.get("/")
    async def view():
        waiting = asyncio.create_task(request.disconnected())
        began.set()
        await waiting
        seen.append(request.is_disconnected)
        return "nobody reads this"

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await began.wait()
    client.leave()
    await exchange
    assert seen == [True]
