"""What an exchange has begun is ended, also where its task is cancelled or its client leaves at an awkward moment."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from asyncflask import App, Response, request, stream_with_context
from tests.flow.asking import Client, environ_of


@pytest.fixture
def app() -> Iterator[App]:
    app = App(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    yield app
    app.close_threads()


async def test_a_task_cancelled_while_a_thread_makes_a_stream_closes_the_stream(app: App) -> None:
    entered, go_on, closed = threading.Event(), threading.Event(), list[str]()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"never asked for"

    @app.get("/")
    def view() -> Response:
        entered.set()
        go_on.wait(10)
        response = Response(pieces())
        response.call_on_close(lambda: closed.append(request.path))
        return response

    client = Client(environ_of("/"))
    task = asyncio.create_task(app(client.scope, client.receive, client.send))
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == ["/"]
    assert not client.got.pieces


async def test_a_task_cancelled_in_teardown_closes_the_response(app: App) -> None:
    reached, closed = asyncio.Event(), list[int]()

    @app.get("/")
    async def view() -> Response:
        response = Response("made")
        response.call_on_close(lambda: closed.append(1))
        return response

    @app.teardown_request
    async def slow(error: BaseException | None) -> None:
        reached.set()
        await asyncio.Event().wait()

    client = Client(environ_of("/"))
    task = asyncio.create_task(app(client.scope, client.receive, client.send))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == [1]


async def test_a_stream_whose_header_cannot_be_sent_is_closed(app: App) -> None:
    closed = list[int]()

    @app.get("/")
    async def view() -> Response:
        response = Response(iter([b"a"]), headers={"X-Good": "yes"})
        response.headers._list.append(("X-Bad", "line\nbreak"))
        response.call_on_close(lambda: closed.append(1))
        return response

    client = Client(environ_of("/"))
    await app(client.scope, client.receive, client.send)
    assert client.got.status == 500
    assert closed == [1]


async def test_a_client_that_leaves_does_not_cancel_the_teardown_of_its_stream(app: App) -> None:
    done = list[str]()

    @app.get("/", threaded=False)
    def view() -> Response:
        return Response(stream_with_context(iter([b"a", b"b"])))

    @app.teardown_request
    async def slow(error: BaseException | None) -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        done.append("torn down")

    client = Client(environ_of("/"), leaves_after=1, tells=False)
    await app(client.scope, client.receive, client.send)
    assert done == ["torn down"]


def stream() -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"

    return Response(pieces())


def fail() -> Any:
    raise ValueError("of the view")


@pytest.mark.parametrize("make", [stream, fail, lambda: "plain"], ids=["stream", "fail", "plain"])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_request_goes_without_the_garbage_collector(app: App, kind: str, make: Callable[[], Any]) -> None:
    seen = list[weakref.ref[Any]]()

    def note() -> Any:
        seen.append(weakref.ref(request._get_current_object()))
        return make()

    async def note_on_loop() -> Any:
        return note()

    app.add_url_rule("/", "view", note if kind == "sync" else note_on_loop)
    app.logger.disabled = True
    gc.disable()
    try:
        client = Client(environ_of("/"))
        await app(client.scope, client.receive, client.send)
        del client
        await asyncio.sleep(0)
        assert [request() for request in seen] == [None]
    finally:
        gc.enable()
        app.logger.disabled = False


async def test_a_stream_in_a_thread_ends_where_its_task_is_cancelled(app: App) -> None:
    begun, go_on, seen = asyncio.Event(), threading.Event(), list[str]()
    loop = asyncio.get_running_loop()

    @app.get("/")
    def view() -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                loop.call_soon_threadsafe(begun.set)
                go_on.wait(10)
                while True:
                    yield b"piece"
            finally:
                seen.append(f"closed {request.path}")

        return Response(stream_with_context(pieces()))

    @app.teardown_request
    async def down(error: BaseException | None) -> None:
        seen.append("torn down")

    client = Client(environ_of("/"))
    task = asyncio.create_task(app(client.scope, client.receive, client.send))
    await begun.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["closed /", "torn down"]
    assert not client.got.pieces
