"""Every kind of stream, every way it can end: what it holds is given back exactly once, in the request's context."""

from __future__ import annotations

import asyncio
import io

import pytest

from asyncflask import Response, g, request, send_file, stream_with_context
from asyncflask.sse import event_stream

from .asking import Client, environ_of, turns

SIZE = 200_000


class Watched(io.BytesIO):
    """A file that notes where it is closed, and may fail in the middle."""

    def __init__(self, app):
        super().__init__(b"x" * SIZE)
        self.app = app

    def read(self, size=-1):
        if self.app.fails and self.tell():
            raise ZeroDivisionError
        if self.app.endless:
            self.seek(0)
        return super().read(size)

    def close(self):
        if not self.closed:
            self.app.finals.append((request.path, g.mark))
        super().close()


def sync_pieces(app):
    try:
        app.began = True
        yield "one"
        if app.fails:
            raise ZeroDivisionError
        while app.endless:
            yield "more"
        yield "two"
    finally:
        app.finals.append((request.path, g.mark))


async def async_pieces(app):
    try:
        app.began = True
        yield "one"
        await asyncio.sleep(0)
        if app.fails:
            raise ZeroDivisionError
        while app.endless:
            await asyncio.sleep(0)
            yield "more"
        yield "two"
    finally:
        await asyncio.sleep(0)
        app.finals.append((request.path, g.mark))


async def idle_pieces(app):
    """As `async_pieces`; where it goes on, it waits."""
    try:
        app.began = True
        yield "one"
        if app.fails:
            raise ZeroDivisionError
        if app.endless:
            await asyncio.Event().wait()
        yield "two"
    finally:
        app.finals.append((request.path, g.mark))


KINDS = {
    "def generator": sync_pieces,
    "async generator": async_pieces,
    "async generator that waits": idle_pieces,
    "Response(async iterable)": lambda app: Response(async_pieces(app)),
    "def with context": lambda app: stream_with_context(sync_pieces(app)),
    "async with context": lambda app: stream_with_context(idle_pieces(app)),
    "file": lambda app: send_file(Watched(app), mimetype="text/plain", conditional=False),
    "def events": lambda app: event_stream(sync_pieces(app)),
    "async events": lambda app: event_stream(idle_pieces(app)),
}


@pytest.fixture(params=["def", "async", "inline"])
def colour(request):
    return request.param


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def streamed(app, kind, colour):
    """`app` that serves a stream, and notes what becomes of it."""
    app.config["STREAM_SHUTDOWN_TIMEOUT"] = 0
    app.fails = app.endless = app.began = False
    app.finals, app.torn_down, app.closed, app.exits = [], [], [], []

    @app.resource
    def held():
        try:
            yield "held"
        finally:
            app.exits.append((request.path, g.mark))

    @app.before_request
    def before():
        g.mark = "mine"

    @app.teardown_request
    def teardown(error):
        app.torn_down.append(request.path)

    def view():
        if colour != "async":
            assert held.get() == "held"
        response = app.make_response(KINDS[kind](app))
        if request.args.get("watched"):
            response.call_on_close(lambda: app.closed.append(request.path))
        return response

    async def async_view():
        assert await held == "held"
        return view()

    options = {"threaded": False} if colour == "inline" else {}
    app.add_url_rule("/stream", "view", async_view if colour == "async" else view, **options)
    return app


@pytest.fixture(params=["/stream", "/stream?watched=1"])
def path(request):
    return request.param


def was_given_back(app, path, began=True):
    has_final = began or not hasattr(app, "began")
    assert app.finals == [("/stream", "mine")] * has_final
    assert app.torn_down == ["/stream"]
    assert app.exits == [("/stream", "mine")]
    assert app.closed == (["/stream"] if "watched" in path else [])
    assert not app.open_streams.count


async def finished(app, path, kind):
    client = Client(environ_of(path))
    await client.run(app)
    assert client.complete
    if kind == "file":
        assert len(client.got.body) == SIZE


async def error(app, path, kind):
    app.fails = True
    client = Client(environ_of(path))
    with pytest.raises(ZeroDivisionError):
        await app.asgi(client.scope, client.receive, client.send)
    assert client.status and not client.complete


async def gone_before_the_first_byte(app, path, kind):
    app.endless = True
    client = Client(environ_of(path))
    client.leave()
    await app.asgi(client.scope, client.receive, client.send)
    assert not client.pieces


async def gone_before_the_first_byte_and_only_receive_tells(app, path, kind):
    app.endless = True
    client = Client(environ_of(path), tells=False)
    client.leave()
    await app.asgi(client.scope, client.receive, client.send)


async def gone_in_the_middle(app, path, kind):
    app.endless = True
    client = Client(environ_of(path), leaves_after=1 if "wait" in kind or kind.startswith("async") else 3, tells=False)
    await app.asgi(client.scope, client.receive, client.send)
    assert not client.complete


async def shutdown(app, path, kind):
    app.endless = True
    client = Client(environ_of(path))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await turns(lambda: len(client.pieces) > ("events" in kind), most=1_000_000)
    app.begin_shutdown()
    await exchange
    assert client.complete == ("events" in kind)


async def shutdown_before_the_start(app, path, kind):
    app.endless = True
    app.begin_shutdown()
    client = Client(environ_of(path))
    await app.asgi(client.scope, client.receive, client.send)
    assert client.complete == ("events" in kind)


async def cancelled_by_the_server(app, path, kind):
    app.endless = True
    client = Client(environ_of(path))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await turns(lambda: len(client.pieces) > ("events" in kind), most=1_000_000)
    exchange.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exchange
    assert not client.complete


async def never_started(app, path, kind):
    client = Client(environ_of(path, "HEAD"))
    await client.run(app)
    assert not client.pieces


ENDINGS = [
    finished,
    error,
    gone_before_the_first_byte,
    gone_before_the_first_byte_and_only_receive_tells,
    gone_in_the_middle,
    shutdown,
    shutdown_before_the_start,
    cancelled_by_the_server,
    never_started,
]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_what_a_stream_holds_is_given_back_once(streamed, kind, path, ending):
    await asyncio.wait_for(ending(streamed, path, kind), 60)
    was_given_back(streamed, path, streamed.began or kind == "file")
