"""Streamed answers over a socket: whole, cut off where the app failed, and closed once in their request's context."""

from __future__ import annotations

import asyncio
import threading

import pytest

from asyncflask import Response, g, stream_with_context
from asyncflask import request as current

from .servers import LIMIT, Cut, request

KINDS = ["def-sync", "def-async", "async-sync", "async-async"]
MB = 1024 * 1024


@pytest.fixture
def streams(app):
    """A function that adds the routes /<kind> for all kinds of view and body, made of a list of pieces or errors."""

    def add(pieces, closed, wrap=lambda body: body):
        def sync_body():
            try:
                for piece in pieces:
                    if isinstance(piece, Exception):
                        raise piece
                    yield piece
            finally:
                closed.append((current.path, threading.get_ident()))

        async def async_body():
            try:
                for piece in pieces:
                    await asyncio.sleep(0)
                    if isinstance(piece, Exception):
                        raise piece
                    yield piece
            finally:
                await asyncio.sleep(0)
                closed.append((current.path, threading.get_ident()))

        bodies = {"sync": sync_body, "async": async_body}
        for kind in KINDS:
            _, how = kind.split("-")

            def view(how=how):
                return wrap(bodies[how]())

            async def view_async(how=how):
                return wrap(bodies[how]())

            app.add_url_rule(f"/{kind}", kind, view if kind.startswith("def") else view_async)

    return add


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_stream(app, serve_each, streams, kind):
    closed = []
    streams(["a", b"b", "", "\u00e9" * 100_000], closed)
    live = serve_each(app)
    with live.connect() as wire:
        for _ in range(2):  # and the connection goes on
            wire.send(request("GET", f"/{kind}"))
            answer = wire.answer()
            assert (answer.text, answer.whole) == ("ab" + "\u00e9" * 100_000, True)
    assert [path for path, _ in closed] == [f"/{kind}"] * 2
    on_loop = kind.endswith("async")
    assert all((ident == live.thread.ident) == on_loop for _, ident in closed)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [None, 20])
def test_an_error_in_mid_stream_is_a_cut_off_answer(app, serve_each, streams, kind, length):
    closed, torn_down = [], []
    app.teardown_request(lambda error: torn_down.append(1))

    def wrap(body):
        response = Response(body)
        if length is not None:
            response.content_length = length
        return response

    streams(["begin", ZeroDivisionError("in mid-stream")], closed, wrap)
    live = serve_each(app)
    live.tolerate()
    with live.connect() as wire:
        wire.send(request("GET", f"/{kind}"))
        answer = wire.answer()
        assert (answer.status, answer.body[:5], answer.whole) == (200, b"begin"[: len(answer.body)], False)
        assert wire.closed()
    live.alive()
    assert len(closed) == 1
    assert any("in mid-stream" in text for text in live.complaints.texts), "nobody was told"
    assert torn_down == [1, 1]  # of this and of /alive


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_that_is_never_asked_for_is_closed(app, serve_each, streams, kind):
    """HEAD, and what has no body."""
    closed_responses = []

    def wrap(body):
        response = Response(body, status=int(current.args.get("status", 200)))
        response.call_on_close(lambda: closed_responses.append(current.path))
        return response

    streams(["a"], [], wrap)
    live = serve_each(app)
    with live.connect() as wire:
        for method, query in (("HEAD", ""), ("GET", "?status=204"), ("GET", "?status=304")):
            wire.send(request(method, f"/{kind}{query}"))
            assert wire.answer(method).body == b""
        wire.send(request("GET", "/alive"))
        assert wire.answer().text == "alive"
    live.stop()
    assert closed_responses == [f"/{kind}"] * 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rudely", [True, False])
def test_a_stream_ends_when_its_client_leaves(app, serve_each, kind, rudely):
    ended, closes, seen = threading.Event(), [], []

    def finish():
        closes.append(threading.get_ident())
        seen.append((current.path, getattr(g, "mark", None)))
        ended.set()

    def sync_body():
        try:
            while True:
                yield b"x" * 10_000
        finally:
            finish()

    async def async_body():
        try:
            while True:
                yield b"x" * 10_000
        finally:
            finish()

    body = async_body if kind.endswith("-async") else sync_body

    @app.get("/def")
    def view():
        g.mark = "mine"
        return body()

    @app.get("/async")
    async def view_async():
        g.mark = "mine"
        return body()

    target = "/" + kind.split("-")[0]
    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", target))
        wire.take(100_000)
        wire.leave(rudely=rudely)
    assert ended.wait(LIMIT)
    live.stop()
    assert len(closes) == 1
    assert seen == [(target, "mine")]


@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_stream_that_waits_hears_of_its_client_leaving(app, serve_each, kind):
    """An async body is cancelled where it waits; a sync one sees `request.is_disconnected`."""
    ended, started, outcome = threading.Event(), threading.Event(), []

    async def waits():
        try:
            yield "first"
            started.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            outcome.append("cancelled")
            raise
        finally:
            ended.set()

    def polls():
        try:
            yield "first"
            started.set()
            while not current.is_disconnected:
                threading.Event().wait(0.001)
            outcome.append("polled")
        finally:
            ended.set()

    @app.get("/async")
    async def view_async():
        return waits()

    @app.get("/def")
    def view():
        return polls()

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", f"/{kind}"))
        assert wire.head().status == 200
        assert wire.chunk() == b"first"
        assert started.wait(LIMIT)
    assert ended.wait(LIMIT)
    live.alive()
    assert outcome == ["cancelled" if kind == "async" else "polled"]


@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_slow_reader_holds_the_producer_back(app, serve_each, kind):
    made = []

    def body():
        for _ in range(64):
            made.append(1)
            yield b"x" * MB

    async def async_body():
        for piece in body():
            yield piece

    @app.get("/def")
    def view():
        return body()

    @app.get("/async")
    async def view_async():
        return async_body()

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", f"/{kind}"))
        wire.head()
        wire.chunk()
        live.alive()
        assert len(made) < 32, "the body was produced ahead of its reader"
        size = MB
        while (piece := wire.chunk()) is not None:
            size += len(piece)
    assert (size, len(made)) == (64 * MB, 64)


def test_teardown_of_a_stream_with_context_comes_after_it(app, serve_each):
    order = []
    app.teardown_request(lambda error: order.append(f"teardown {current.path}"))

    def body():
        yield "a"
        order.append("body")

    @app.get("/with")
    def with_context():
        return stream_with_context(body())

    @app.get("/without")
    def without():
        return body()

    live = serve_each(app)
    assert live.get("/with").text == live.get("/without").text == "a"
    assert order == ["body", "teardown /with", "teardown /without", "body"]


def test_many_cut_streams_leave_nothing_behind(app, serve_each):
    counts, done = {"open": 0}, threading.Semaphore(0)

    @app.get("/")
    async def view():
        async def body():
            counts["open"] += 1
            try:
                while True:
                    yield b"x" * 1000
            finally:
                counts["open"] -= 1
                done.release()

        return body()

    live = serve_each(app)
    wires = [live.connect() for _ in range(30)]
    for wire in wires:
        wire.send(request("GET", "/"))
    for wire in wires:
        wire.take(5000)
    for wire in wires:
        wire.leave(rudely=True)
    for _ in wires:
        assert done.acquire(timeout=LIMIT)
    assert counts == {"open": 0}
    live.alive()


def test_a_client_that_leaves_before_the_answer(app, serve_each):
    """Nobody is there when the stream begins."""
    inside, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def body():
        yield "a"
        yield "b"

    @app.get("/")
    def view():
        inside.set()
        assert go_on.wait(LIMIT)
        response = Response(body())
        response.call_on_close(ended.set)
        return response

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", "/"))
        assert inside.wait(LIMIT)
        wire.leave(rudely=True)
    go_on.set()
    assert ended.wait(LIMIT)
    live.alive()
    with pytest.raises(Cut), live.connect() as wire:
        wire.say_no_more()
        wire.answer()
