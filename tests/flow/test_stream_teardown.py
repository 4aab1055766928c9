"""What a streamed body opens after its request's teardown is closed all the same, as extensions keep it by contexts."""

from __future__ import annotations

import asyncio

import pytest

from asyncflask import current_app, g, request, session, stream_with_context
from asyncflask.globals import app_ctx
from asyncflask.sse import event_stream
from asyncflask.streaming import json_lines
from asyncflask.testing.transport import ProtocolError

from .asking import Client, environ_of, turns


class Kept:
    """Things by the identity of the application context, as Flask-SQLAlchemy keeps its sessions."""

    def __init__(self, app):
        self.by_context = {}
        self.closed = []
        app.teardown_appcontext(self.close)

    def open(self):
        return self.by_context.setdefault(id(app_ctx._get_current_object()), [])

    def close(self, error):
        self.closed.append(self.by_context.pop(id(app_ctx._get_current_object()), None))


@pytest.fixture(params=["def", "async"])
def colour(request):
    return request.param


@pytest.fixture(params=["def", "async"])
def body_colour(request):
    return request.param


@pytest.fixture
def stream(app, colour, body_colour):
    """A function that makes "/" a view of that colour, streaming what calling a function gives, once for each piece."""

    def serve(step, wrap=lambda body: body):
        def pieces():
            yield step()
            yield step()

        async def async_pieces():
            yield step()
            await asyncio.sleep(0)
            yield step()

        def view():
            return wrap(pieces() if body_colour == "def" else async_pieces())

        async def async_view():
            return view()

        app.add_url_rule("/", "view", view if colour == "def" else async_view)

    return serve


def test_what_a_body_opens_is_closed_after_it(app, asked, stream):
    kept = Kept(app)

    def step():
        kept.open().append(request.path)
        return "x"

    stream(step)
    assert asked("/").body == b"xx"
    # The request's own teardown comes before the body, as in Flask.
    assert kept.closed == [None, ["/", "/"]]
    assert kept.by_context == {}


@pytest.mark.parametrize("wrap", [json_lines, event_stream])
def test_so_do_the_makers_of_streams(app, asked, stream, wrap):
    kept = Kept(app)
    stream(lambda: len(kept.open()), wrap)
    assert asked("/").status == 200
    assert (kept.closed[-1], kept.by_context) == ([], {})


def test_what_is_in_g_is_closed_once(app, asked, stream):
    closed = []

    @app.teardown_appcontext
    def close(error):
        if "connection" in g:
            closed.append(g.pop("connection"))

    def step():
        g.setdefault("connection", f"of {current_app.name}")
        return "x"

    stream(step)
    assert asked("/").body == b"xx"
    assert closed == [f"of {app.name}"]


def test_g_request_and_session_are_those_of_the_request(app, asked, stream):
    app.secret_key = "a secret"
    Kept(app)

    @app.before_request
    def before():
        g.name = "g"
        session["name"] = "session"

    stream(lambda: f"{g.name}{session['name']}{request.args['q']}")
    assert asked("/?q=1").body == b"gsession1" * 2


def test_a_body_that_asks_for_nothing_is_torn_down_once(app, asked, stream):
    kept = Kept(app)
    stream(lambda: "x")
    assert asked("/").body == b"xx"
    assert kept.closed == [None]


def test_a_body_that_keeps_its_context_is_torn_down_once(app, asked, stream):
    kept = Kept(app)
    stream(lambda: str(len(kept.open())), stream_with_context)
    assert asked("/").body == b"00"
    assert kept.closed == [[]]


def test_a_body_that_fails_is_torn_down(app, stream):
    kept = Kept(app)

    def step():
        kept.open()
        raise ZeroDivisionError

    stream(step)
    with pytest.raises(ZeroDivisionError):
        app.test_client().get("/")
    assert (kept.closed, kept.by_context) == ([None, []], {})


async def test_a_body_whose_client_leaves_is_torn_down(app):
    kept, left = Kept(app), asyncio.Event()

    @app.get("/")
    async def view():
        async def pieces():
            try:
                yield str(len(kept.open()))
                await left.wait()
            finally:
                kept.open().append("late")

        return pieces()

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(client.run(app.asgi))
    await turns(lambda: client.pieces)
    client.leave()
    with pytest.raises(ProtocolError):
        await exchange
    assert kept.by_context == {}
    assert kept.closed[0] is None and "late" in kept.closed[-1]


def test_async_teardown_functions_are_awaited(app, asked, stream):
    closed = []

    @app.teardown_appcontext
    async def close(error):
        await asyncio.sleep(0)
        closed.append(current_app.name)

    stream(lambda: current_app.name)
    assert asked("/").body == app.name.encode() * 2
    assert closed == [app.name] * 2
