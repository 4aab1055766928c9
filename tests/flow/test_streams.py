"""Streamed bodies: closed exactly once however they end, with their context, and torn down as in Flask."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from asyncflask import Response, g, request, stream_with_context

from .asking import BY_WAY, WAYS, Client, ask, environ_of, turns


class Body:
    """An iterator that counts what is done with it; sync or async by its subclass."""

    def __init__(self, fails=False):
        self.left = ["one", "two", "three"]
        self.fails = fails
        self.closed = 0

    def step(self):
        if self.fails and len(self.left) == 1:
            raise ZeroDivisionError
        return self.left.pop(0) if self.left else None


class SyncBody(Body):
    def __iter__(self):
        return self

    def __next__(self):
        piece = self.step()
        if piece is None:
            raise StopIteration
        return piece

    def close(self):
        self.closed += 1


class AsyncBody(Body):
    def __aiter__(self):
        return self

    async def __anext__(self):
        await asyncio.sleep(0)
        piece = self.step()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def aclose(self):
        await asyncio.sleep(0)
        self.closed += 1


KINDS = {"def": SyncBody, "async": AsyncBody}


@pytest.fixture(params=["def", "async"])
def view_colour(request):
    return request.param


@pytest.fixture(params=["def", "async"])
def body_colour(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["plain", "with context"])
def kept(request):
    return request.param


@pytest.fixture
def streamed(app, view_colour, body_colour, kept):
    """`app` with a view that streams a body; gives what happened, in its order, and the body."""
    app.order = []
    app.body = KINDS[body_colour]()
    app.register_error_handler(ZeroDivisionError, lambda error: "too late")

    def response():
        made = Response(stream_with_context(app.body) if kept else app.body, status=request.args.get("status"))
        made.call_on_close(lambda: app.order.append(f"on close {app.body.closed}"))
        return made

    async def async_view():
        return response()

    @app.teardown_request
    def teardown(error):
        app.order.append(f"teardown {type(error).__name__ if error else None} {app.body.closed}")

    app.add_url_rule("/", "view", response if view_colour == "def" else async_view)
    # The teardown of a sync request stays in its thread, after all that the loop does for an async body.
    app.any_order = kept and (view_colour, body_colour) == ("def", "async")
    return app


def in_order(app, *steps):
    assert app.order == list(steps) or (app.any_order and sorted(app.order) == sorted(steps))


def test_finished(streamed, asked, kept):
    assert asked("/").body == b"onetwothree"
    assert streamed.body.closed == 1
    in_order(streamed, f"teardown None {int(kept)}", "on close 1")


@pytest.mark.parametrize(("method", "path"), [("HEAD", "/"), ("GET", "/?status=304"), ("GET", "/?status=204")])
def test_never_started(streamed, asked, method, path):
    got = asked(path, method)
    assert got.body == b""
    assert streamed.body.closed == 1
    assert streamed.body.left == ["one", "two", "three"]
    assert sorted(streamed.order)[0] == "on close 1"
    assert len(streamed.order) == 2


@pytest.mark.parametrize("way", WAYS)
def test_an_error_in_the_middle_is_raised_to_the_server(streamed, way, kept):
    streamed.body.fails = True
    with pytest.raises(ZeroDivisionError):
        BY_WAY[way](streamed, "/")
    assert streamed.body.closed == 1
    in_order(streamed, f"teardown {'ZeroDivisionError 1' if kept else 'None 0'}", "on close 1")


@pytest.mark.parametrize("tells", [True, False], ids=["send fails", "receive tells"])
async def test_the_client_leaves_in_the_middle(streamed, tells):
    endless = streamed.body
    endless.left = [str(number) for number in range(10_000)]
    client = Client(environ_of("/"), leaves_after=2, tells=tells)
    await asyncio.wait_for(_left(client, streamed), 60)
    assert endless.closed == 1
    assert endless.left
    assert len(streamed.order) == 2


async def _left(client, app):
    await app.asgi(client.scope, client.receive, client.send)
    assert not client.complete


async def test_the_client_leaves_before_the_start(streamed):
    client = Client(environ_of("/"))
    client.leave()
    await streamed.asgi(client.scope, client.receive, client.send)
    assert streamed.body.closed == 1
    assert len(streamed.order) == 2


@pytest.mark.parametrize("fault", ["body", "close"])
@pytest.mark.parametrize("way", WAYS)
def test_an_error_in_on_close_takes_no_teardown_away(streamed, way, fault, kept):
    @streamed.after_request
    def after(response):
        response.call_on_close(lambda: 1 / 0)
        return response

    streamed.body.fails = fault == "body"
    with pytest.raises(ZeroDivisionError):
        BY_WAY[way](streamed, "/")
    assert streamed.body.closed == 1
    assert len([step for step in streamed.order if step.startswith("teardown")]) == 1


def test_a_stream_that_was_made_and_not_returned(app, asked, view_colour, body_colour):
    body, order = KINDS[body_colour](), []
    app.teardown_request(order.append)

    def view():
        stream_with_context(body)
        return "something else"

    async def async_view():
        return view()

    app.add_url_rule("/", "view", view if view_colour == "def" else async_view)
    assert asked("/").text == "something else"
    assert order == [None]


def test_a_stream_that_is_kept_beyond_its_request_delays_its_teardown(app, asked):
    order = []
    kept = []
    app.teardown_request(order.append)

    @app.get("/")
    def view():
        kept.append(stream_with_context(SyncBody()))
        return "something else"

    assert asked("/").text == "something else"
    assert order == []
    kept.clear()
    gc.collect()
    assert order == [None]


@pytest.mark.parametrize("colour", ["def", "async", "async body"])
@pytest.mark.parametrize("answers", ["a page", "a stream", "the stream"])
def test_a_request_that_fails_tells_its_teardown_at_once(app, asked, colour, answers):
    """Though a body was to keep it; and not again after a body that answers the error."""
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True
    order, streams = [], []
    app.teardown_request(lambda error: order.append(repr(error)))

    def body():
        return AsyncBody() if colour == "async body" else SyncBody()

    def view():
        stream = stream_with_context(body())
        if answers == "the stream":
            streams.append(stream)
        raise LookupError("lost")

    async def async_view():
        view()

    @app.errorhandler(500)
    def handle(error):
        if answers == "a page":
            return "a page", 500
        return streams.pop() if streams else stream_with_context(body()), 500

    app.add_url_rule("/", "view", view if colour == "def" else async_view)
    for _ in range(2):
        assert asked("/").text == ("a page" if answers == "a page" else "onetwothree")
        assert order == ["LookupError('lost')"]
        order.clear()


@pytest.mark.parametrize("colour", ["def", "async", "async body"])
@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 200)], ids=["HEAD", "no content", "GET"]
)
def test_a_body_that_nobody_asks_for_is_no_error(app, asked, colour, method, status):
    """Teardown functions are told of none, as by Flask; the body is closed before them, with its request there."""
    order = []
    app.teardown_request(order.append)
    app.teardown_appcontext(order.append)

    class Pieces(SyncBody):
        def close(self):
            order.append(request.path)

    class AsyncPieces(AsyncBody):
        async def aclose(self):
            order.append(request.path)

    def view():
        return stream_with_context(AsyncPieces() if colour == "async body" else Pieces()), status

    async def async_view():
        return view()

    app.add_url_rule("/", "view", view if colour == "def" else async_view)
    assert asked("/", method).status == status
    assert order == ["/", None, None]


@pytest.mark.parametrize("colour", ["def", "async"])
def test_the_request_is_there_for_as_long_as_the_body(app, asked, colour):
    """Without any decorator: proxies resolve, though teardown has run."""

    @app.before_request
    def before():
        g.name = "g"

    def pieces():
        yield request.path
        yield g.name

    async def async_pieces():
        yield request.path
        await asyncio.sleep(0)
        yield g.name

    app.add_url_rule("/there", "view", lambda: pieces() if colour == "def" else async_pieces())
    assert asked("/there").body == b"/thereg"


async def test_pieces_arrive_before_the_end(app):
    go_on = asyncio.Event()

    @app.get("/")
    async def view():
        async def pieces():
            yield "first"
            await go_on.wait()
            yield "last"

        return pieces()

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(client.run(app.asgi))
    await turns(lambda: client.pieces)
    assert client.pieces == [b"first"]
    go_on.set()
    await exchange
    assert client.pieces == [b"first", b"last"]


async def test_a_blocking_generator_holds_up_nobody(app):
    go_on = threading.Event()

    @app.get("/slow")
    def slow():
        def pieces():
            yield "first"
            go_on.wait(30)
            yield "last"

        return pieces()

    @app.get("/slow/async")
    async def slow_async():
        return slow()

    @app.get("/ping")
    async def ping():
        return "pong"

    for path in ("/slow", "/slow/async"):
        go_on.clear()
        client = Client(environ_of(path))
        exchange = asyncio.create_task(client.run(app.asgi))
        while not client.pieces:
            await asyncio.sleep(0)
        assert (await ask(app, "/ping")).text == "pong"
        go_on.set()
        await exchange
        assert client.pieces == [b"first", b"last"]


async def test_a_slow_client_holds_up_its_stream(app):
    """Each piece is made after the one before was taken."""
    made = []

    @app.get("/")
    async def view():
        async def pieces():
            for number in range(3):
                made.append(number)
                yield str(number)

        return pieces()

    taken = asyncio.Semaphore(0)
    client = Client(environ_of("/"))
    send = client.send

    async def slow_send(message):
        await taken.acquire()
        await send(message)

    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, slow_send))
    for count in range(1, 4):
        taken.release()
        await turns(lambda count=count: len(made) == count)
        await asyncio.sleep(0)
        assert len(made) == count
    taken.release()
    taken.release()
    await exchange


async def test_an_ordinary_view_runs_to_its_end_without_its_client(app):
    ended = []

    @app.get("/")
    async def view():
        for _ in range(20):
            await asyncio.sleep(0)
        ended.append(request.path)
        return "nobody reads this"

    client = Client(environ_of("/"))
    client.leave()
    await app.asgi(client.scope, client.receive, client.send)
    assert ended == ["/"]


async def test_a_route_may_be_cancelled_when_its_client_leaves(app):
    began, ended = asyncio.Event(), []
    app.teardown_request(ended.append)

    @app.get("/", on_disconnect="cancel")
    async def view():
        try:
            began.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await began.wait()
    client.leave()
    await exchange
    assert ended[0] == "cancelled"
    assert isinstance(ended[1], asyncio.CancelledError)
    assert not client.status


async def test_a_view_can_ask_whether_its_client_has_left(app):
    began, seen = threading.Event(), []

    @app.get("/")
    def view():
        seen.append(request.is_disconnected)
        began.set()
        while not request.is_disconnected:
            pass
        seen.append(request.is_disconnected)
        return "nobody reads this"

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await asyncio.to_thread(began.wait, 30)
    client.leave()
    await exchange
    assert seen == [False, True]


def test_a_teardown_error_after_a_stream_is_not_a_clean_end(app, kept):
    def pieces():
        yield "piece"

    app.add_url_rule("/", "view", lambda: stream_with_context(pieces()) if kept else pieces())

    @app.teardown_request
    async def teardown(error):
        raise ZeroDivisionError

    for way in ("asgi", "client"):
        with pytest.raises(ZeroDivisionError):
            BY_WAY[way](app, "/")
