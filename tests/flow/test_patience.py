"""Clients that keep us waiting: with their body, which is 408, and with taking the answer, which is given up."""

from __future__ import annotations

import asyncio

import pytest

from asyncflask import Response, request

from .asking import Client, environ_of


class Slow(Client):
    """A client that sends some pieces of its body, and then no more."""

    def __init__(self, pieces, path="/"):
        super().__init__(environ_of(path, "POST", data=b"x" * 100))
        self._body = iter(pieces)

    async def receive(self):
        try:
            piece = next(self._body)
        except StopIteration:
            await self._over.wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": True}


@pytest.fixture(params=["def", "async"])
def colour(request):
    return request.param


@pytest.fixture(params=["whole", "streamed"])
def how(request):
    return request.param


@pytest.fixture
def reading(app, colour, how):
    app.order = []
    app.teardown_request(lambda error: app.order.append("torn down"))

    def view():
        return str(len(request.stream.read() if how == "streamed" else request.get_data()))

    async def async_view():
        if how == "streamed":
            return str(len(await request.stream.aread()))
        return view()

    chosen = view if colour == "def" else async_view
    app.add_url_rule("/", "view", chosen, methods=["POST"], stream_body=how == "streamed")
    return app


@pytest.mark.parametrize("pieces", [[], [b"x" * 10], [b"x"] * 50])
async def test_a_body_that_does_not_come_is_408(reading, how, pieces):
    reading.config["BODY_TIMEOUT"] = 0.02
    client = Slow(pieces)
    await asyncio.wait_for(client.run(reading), 30)
    assert client.status == 408
    assert "did not arrive within 0.02 seconds" in client.got.text
    assert how == "streamed" or client.got.headers["Connection"] == "close"
    assert reading.order == ["torn down"]


async def test_a_body_that_comes_in_time_is_taken(reading):
    reading.config["BODY_TIMEOUT"] = 60
    client = Client(environ_of("/", "POST", data=b"x" * 100))
    await client.run(reading)
    assert client.got.text == "100"


async def test_a_view_that_does_not_want_the_body_is_served(app):
    app.config["BODY_TIMEOUT"] = 0.01
    app.add_url_rule("/", "view", lambda: "done", methods=["POST"])
    client = Slow([b"x"])
    await client.run(app)
    assert (client.got.text, client.got.headers["Connection"]) == ("done", "close")


async def test_a_slow_consumer_takes_nothing_from_the_time(app):
    """Only waiting for the client counts."""
    app.config["BODY_TIMEOUT"] = 0.2

    @app.post("/", stream_body=True)
    async def view():
        size = 0
        async for piece in request.stream:
            size += len(piece)
            await asyncio.sleep(0.15)
        return str(size)

    client = Client(environ_of("/", "POST", data=b"x" * 200_000))
    await client.run(app)
    assert client.got.text == "200000"


async def test_no_limit_by_default(app):
    assert app.config["BODY_TIMEOUT"] is None


class Stalled(Client):
    """A client whose server waits for it: it takes `after` messages, and no more."""

    def __init__(self, path, after):
        super().__init__(environ_of(path))
        self.after = after

    async def send(self, message):
        if self.after == 0:
            await asyncio.Event().wait()
        self.after -= 1
        await super().send(message)


def endless(closed):
    try:
        while True:
            yield "x"
    finally:
        closed.append(request.path)


async def async_endless(closed):
    try:
        while True:
            yield "x"
            await asyncio.sleep(0)
    finally:
        closed.append(request.path)


@pytest.mark.parametrize("body", [endless, async_endless])
@pytest.mark.parametrize("after", [0, 1, 3])
async def test_a_stalled_client_is_given_up(app, colour, body, after, caplog):
    app.config["RESPONSE_TIMEOUT"] = 0.02
    caplog.set_level("INFO", "asyncflask.asgi")
    closed, torn_down = [], []
    app.teardown_request(lambda error: torn_down.append(request.path))

    def view():
        return Response(body(closed))

    async def async_view():
        return view()

    app.add_url_rule("/", "view", view if colour == "def" else async_view)
    client = Stalled("/", after)
    await asyncio.wait_for(app.asgi(client.scope, client.receive, client.send), 30)
    assert not client.complete
    assert closed == ["/"] * (after > 0)
    assert torn_down == ["/"]
    assert "took nothing of its answer for 0.02 seconds" in caplog.text


@pytest.mark.parametrize("whole", ["large", "closed"])
async def test_so_is_one_that_does_not_take_a_large_body(app, colour, whole):
    app.config["RESPONSE_TIMEOUT"] = 0.02
    closed = []

    def view():
        response = Response(b"x" * 100_000)
        if whole == "closed":
            response.call_on_close(lambda: closed.append(request.path))
        return response

    async def async_view():
        return view()

    app.add_url_rule("/", "view", view if colour == "def" else async_view)
    client = Stalled("/", 1)
    await asyncio.wait_for(app.asgi(client.scope, client.receive, client.send), 30)
    assert closed == ["/"] * (whole == "closed")


@pytest.mark.parametrize(("configured", "own"), [(None, ...), (0.01, None), (0.01, 60)])
async def test_a_response_may_have_a_time_of_its_own(app, configured, own):
    app.config["RESPONSE_TIMEOUT"] = configured
    taken = asyncio.Event()

    @app.get("/")
    async def view():
        response = Response(endless_three())
        response.timeout = own
        return response

    async def endless_three():
        for _ in range(3):
            yield "x"

    client = Client(environ_of("/"))

    async def send(message):
        await asyncio.sleep(0.03)
        await Client.send(client, message)
        taken.set()

    await asyncio.wait_for(app.asgi(client.scope, client.receive, send), 30)
    assert client.got.text == "xxx"
