"""Server-sent events and JSON Lines: what is on the wire, read as the standard says, from both kinds of generator."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import timedelta

import pytest

from asyncflask import current_app, json_lines, request
from asyncflask.sse import ServerSentEvent, event_stream, last_event_id

from .asking import Client, ask, environ_of, turns
from .events import Reader, read

COLOURS = pytest.mark.parametrize("colour", ["def", "async"])


def generator(colour, items):
    """Return a generator function of a colour that yields `items`."""

    def plain():
        yield from items

    async def asynchronous():
        for item in items:
            await asyncio.sleep(0)
            yield item

    return plain if colour == "def" else asynchronous


@COLOURS
def test_events_as_a_browser_reads_them(app, asked, colour):
    items = [
        ServerSentEvent("one"),
        ServerSentEvent("two\nlines", event="multi", id="7"),
        ServerSentEvent("a\r\nb\rc\u2028d\x0be", id=8),
        ServerSentEvent("", event="empty"),
        ServerSentEvent(" leading: colon"),
        ServerSentEvent(retry=1500),
        ServerSentEvent(comment="nobody\nsees this"),
        ServerSentEvent("after", id=""),
        "just text \u00fc",
        {"x": [1, None]},
        7,
        None,
    ]
    app.add_url_rule("/", "view", event_stream(generator(colour, items)))
    got = asked("/")
    assert got.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert (got.headers["Cache-Control"], got.headers["X-Accel-Buffering"]) == ("no-store", "no")
    reader = read(got.body)
    assert reader.events == [
        ("message", "one", ""),
        ("multi", "two\nlines", "7"),
        ("message", "a\nb\nc\u2028d\x0be", "8"),
        ("empty", "", "8"),
        ("message", " leading: colon", "8"),
        ("message", "after", ""),
        ("message", "just text \u00fc", ""),
        ("message", '{"x": [1, null]}', ""),
        ("message", "7", ""),
    ]
    assert reader.retry == 1500
    assert b": nobody\n: sees this\n" in got.body


@pytest.mark.parametrize("shape", ["decorator", "with options", "call", "returning", "awaited"])
def test_the_ways_to_say_it(app, asked, shape):
    items = generator("async", ["x"])
    if shape == "decorator":
        view = event_stream(items)
    elif shape == "with options":
        view = event_stream(retry=timedelta(seconds=2), heartbeat=None)(items)
    elif shape == "call":

        def view():
            return event_stream(items(), retry=2000)
    elif shape == "returning":

        @event_stream(retry=2000)
        def view():
            return iter(["x"])
    else:

        @event_stream
        async def view():
            await asyncio.sleep(0)
            return items()

    app.add_url_rule("/", "view", view)
    reader = read(asked("/").body)
    assert reader.events == [("message", "x", "")]
    assert reader.retry == (None if shape in ("decorator", "awaited") else 2000)


@pytest.mark.parametrize(
    ("sent", "seen"),
    [({}, None), ({"Last-Event-ID": "42"}, "42"), ({"Last-Event-ID": "\u00fc".encode().decode("latin-1")}, "\u00fc")],
)
def test_the_id_of_the_last_event(app, asked, sent, seen):
    @app.get("/")
    @event_stream
    def view():
        yield ServerSentEvent({"seen": last_event_id()})

    assert json.loads(read(asked("/", headers=sent).body).events[0][1]) == {"seen": seen}


@pytest.mark.parametrize(
    ("fields", "error", "said"),
    [
        ({"event": "a\nb"}, ValueError, "event .* one line"),
        ({"event": "a\rb"}, ValueError, "event .* one line"),
        ({"id": "1\n\ndata: forged"}, ValueError, "id .* one line"),
        ({"id": "1\r"}, ValueError, "id .* one line"),
        ({"id": "\0"}, ValueError, "id .* one line"),
        ({"id": 1.5}, TypeError, "id .* must be a str"),
        ({"id": True}, TypeError, "id .* must be a str"),
        ({"event": 3}, TypeError, "event .* must be a str"),
        ({"comment": b"x"}, TypeError, "comment .* must be a str"),
        ({"data": b"bytes"}, TypeError, "decode the bytes"),
        ({"data": "\ud800"}, ValueError, "UTF-8"),
        ({"event": "\ud800"}, ValueError, "UTF-8"),
        ({"retry": -1}, ValueError, "milliseconds"),
        ({"retry": 1.5}, TypeError, "milliseconds"),
        ({"retry": True}, TypeError, "milliseconds"),
        ({"retry": "5"}, TypeError, "milliseconds"),
        ({}, ValueError, "needs data"),
    ],
)
def test_what_would_break_a_stream_is_refused(fields, error, said):
    with pytest.raises(error, match=said):
        ServerSentEvent(**fields)


@pytest.mark.parametrize("heartbeat", [0, -1, "1"])
def test_a_heartbeat_is_a_time(heartbeat):
    with pytest.raises(ValueError, match="heartbeat"):
        event_stream(heartbeat=heartbeat)


@pytest.mark.parametrize("items", ["text", b"bytes", {"a": 1}, 7])
def test_one_item_is_no_stream(app, items):
    for make in (event_stream, json_lines):
        with app.test_request_context(), pytest.raises(TypeError, match="made of an iterable"):
            make(items)


@pytest.mark.parametrize("bad", [b"bytes", object()])
async def test_an_item_that_cannot_be_sent_cuts_the_stream_off(app, bad):
    closed = []

    @app.get("/")
    @event_stream
    async def view():
        try:
            yield "good"
            yield bad
        finally:
            closed.append(request.path)

    client = Client(environ_of("/"))
    with pytest.raises(TypeError):
        await app.asgi(client.scope, client.receive, client.send)
    assert not client.complete
    assert closed == ["/"]


@COLOURS
async def test_comments_while_idle(app, colour):
    """They come from the side: the generator is not disturbed in its waiting."""
    go_on, made = asyncio.Event(), threading.Event()
    steps = []

    @event_stream(heartbeat=0.01)
    async def view():
        yield "first"
        await go_on.wait()
        steps.append("went on")
        yield "last"

    @event_stream(heartbeat=0.01)
    def view_def():
        yield "first"
        made.wait(30)
        steps.append("went on")
        yield "last"

    app.add_url_rule("/", "view", view if colour == "async" else view_def)
    client = Client(environ_of("/"))
    exchange = asyncio.create_task(client.run(app.asgi))
    while client.pieces.count(b":\n\n") < 4:
        await asyncio.sleep(0.005)
    go_on.set()
    made.set()
    await exchange
    reader = read(b"".join(client.pieces))
    assert [data for _, data, _ in reader.events] == ["first", "last"]
    assert steps == ["went on"]


async def test_no_comments_without_a_heartbeat(app):
    @app.get("/")
    @event_stream(heartbeat=None)
    async def view():
        await asyncio.sleep(0)
        yield "x"

    assert (await ask(app, "/")).pieces == [b":\n\n", b"data: x\n\n"]


async def test_a_stream_begins_before_its_first_event(app):
    go_on = asyncio.Event()

    @app.get("/")
    @event_stream
    async def view():
        await go_on.wait()
        yield "x"

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(client.run(app.asgi))
    await turns(lambda: client.pieces)
    assert (client.status, client.pieces) == (200, [b":\n\n"])
    go_on.set()
    await exchange


async def test_a_sync_generator_that_has_nothing_notices_that_its_client_has_left(app):
    closed = threading.Event()

    @app.get("/")
    @event_stream
    def view():
        try:
            while True:
                current_app.shutdown_event.wait_in_thread(0.001)
                yield None
        finally:
            closed.set()

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await turns(lambda: client.pieces, most=1_000_000)
    client.leave()
    await asyncio.wait_for(exchange, 30)
    assert closed.is_set()


async def test_a_sync_generator_that_waits_for_the_loop_ends_when_its_client_leaves(app):
    waits, order = asyncio.Event(), []

    async def following():
        waits.set()
        await asyncio.Event().wait()

    @app.get("/")
    @event_stream
    def view():
        try:
            yield current_app.async_to_sync(following)()
        finally:
            order.append(request.path)

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(app.asgi(client.scope, client.receive, client.send))
    await waits.wait()
    client.leave()
    await asyncio.wait_for(exchange, 30)
    assert order == ["/"]


@COLOURS
def test_json_lines(app, asked, colour):
    rows = [{"n": 1}, [1, "two\nlines"], "text", None, 3.5, {"\u00fc": None}]
    app.add_url_rule("/", "view", json_lines(generator(colour, rows)))
    got = asked("/")
    assert got.headers["Content-Type"] == "application/jsonl"
    assert got.body.endswith(b"\n")
    assert [json.loads(line) for line in got.body.splitlines()] == [row for row in rows if row is not None]


async def test_each_line_is_sent_at_once(app):
    go_on = asyncio.Event()

    @app.get("/")
    @json_lines
    async def view():
        yield {"n": 1}
        await go_on.wait()
        yield {"n": 2}

    client = Client(environ_of("/"))
    exchange = asyncio.create_task(client.run(app.asgi))
    await turns(lambda: client.pieces)
    assert client.pieces == [b'{"n": 1}\n']
    go_on.set()
    await exchange
    assert client.pieces == [b'{"n": 1}\n', b'{"n": 2}\n']


def test_the_reader_reads_as_the_standard_says():
    """Its own examples of streams: https://html.spec.whatwg.org/multipage/server-sent-events.html"""
    assert read(b"data: YHOO\ndata: +2\ndata: 10\n\n").events == [("message", "YHOO\n+2\n10", "")]
    text = b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
    assert read(text).events == [
        ("message", "first event", "1"),
        ("message", "second event", ""),
        ("message", " third event", ""),
    ]
    assert read(b"data\n\ndata\ndata\n\ndata:").events == [("message", "", ""), ("message", "\n", "")]
    assert Reader().events == []
