"""The same over hypercorn: another server's framing, read-ahead and way to say that a client has left."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest

from asyncflask import request as current

from .servers import LIMIT, Cut, Wire, chunked, request

hypercorn_asyncio = pytest.importorskip("hypercorn.asyncio")


@pytest.fixture
def connect(app):
    """A function that connects to `app`, served by hypercorn in a thread until the test ends."""
    from hypercorn.config import Config

    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{sock.detach()}"]  # hypercorn closes it
    config.errorlog = config.accesslog = None
    ready, handles = threading.Event(), {}

    async def serve():
        handles.update(loop=asyncio.get_running_loop(), stop=asyncio.Event())
        ready.set()
        await hypercorn_asyncio.serve(app.asgi, config, shutdown_trigger=handles["stop"].wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="live-server")
    thread.start()
    assert ready.wait(LIMIT)
    yield lambda: Wire(port)
    handles["loop"].call_soon_threadsafe(handles["stop"].set)
    thread.join(LIMIT)
    assert not thread.is_alive()


@pytest.fixture
def echo(app):
    @app.post("/async")
    async def view():
        return current.get_data()

    @app.post("/def")
    def view_def():
        return current.get_data()


def test_framing(app, connect, echo):
    for raw in (
        b"POST /async HTTP/1.1\r\nContent-Length: 2\r\n\r\nok",
        b"POST /async HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\nContent-Length: 2\r\n\r\nok",
        request("POST", "/async", "Content-Length: 2", "Transfer-Encoding: chunked", body=chunked(b"ok")),
    ):
        with connect() as wire:
            wire.send(raw)
            assert wire.answer().status == 400
            assert wire.closed()


@pytest.mark.parametrize("kind", ["def", "async"])
def test_bodies(app, connect, echo, kind):
    app.config["MAX_CONTENT_LENGTH"] = 100_000
    for size, status in ((0, 200), (1, 200), (100_000, 200), (100_001, 413)):
        for raw in (
            request("POST", f"/{kind}", f"Content-Length: {size}", body=b"x" * size),
            request("POST", f"/{kind}", "Transfer-Encoding: chunked", body=chunked(*[b"x" * size] * bool(size))),
        ):
            with connect() as wire:
                wire.send(raw)
                answer = wire.answer()
                assert answer.status == status
                assert status == 413 or answer.body == b"x" * size


@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_stream_whose_client_leaves_is_closed_once(app, connect, kind):
    closed, ended = [], threading.Event()

    def body():
        try:
            while True:
                yield b"x" * 10_000
        finally:
            closed.append(current.path)
            ended.set()

    async def async_body():
        try:
            while True:
                yield b"x" * 10_000
        finally:
            closed.append(current.path)
            ended.set()

    app.add_url_rule("/def", "def", lambda: body())
    app.add_url_rule("/async", "async", lambda: async_body())
    with connect() as wire:
        wire.send(request("GET", f"/{kind}"))
        wire.take(100_000)
    assert ended.wait(LIMIT)
    with connect() as wire:
        wire.send(request("GET", "/alive"))
        assert wire.answer().text == "alive"
    assert closed == [f"/{kind}"]


def test_an_error_in_mid_stream_is_a_cut_off_answer(app, connect):
    @app.get("/")
    def view():
        def body():
            yield "begin"
            raise ZeroDivisionError

        return body()

    with connect() as wire:
        wire.send(request("GET", "/"))
        with contextlib.suppress(Cut):
            assert not wire.answer().whole
