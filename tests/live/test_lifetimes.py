"""Start, stop, resources and background work under uvicorn."""

from __future__ import annotations

import asyncio
import threading

import pytest
import uvicorn

from asyncflask import current_app, request

from .servers import LIMIT


@pytest.fixture
def events(app):
    """What happened, in its order; and a resource that takes part."""
    events = []

    @app.while_serving
    async def serving():
        events.append("start")
        app.state.loop = asyncio.get_running_loop()
        yield
        events.append("stop")

    @app.resource
    async def resource():
        yield request.path
        events.append(f"closed {request.path}")

    @app.resource(scope="app")
    def pool():
        yield threading.get_ident()
        events.append("pool closed")

    @app.get("/loop")
    async def loop():
        return str(current_app.state.loop is asyncio.get_running_loop() and request.scope["state"].keys())

    @app.get("/pool")
    def of_pool():
        return str(pool.get())

    @app.get("/stream/<kind>")
    async def stream(kind):
        await resource

        async def steps():
            while True:
                yield "x" * 1000

        def steps_def():
            while True:
                yield "x" * 1000

        return steps() if kind == "async" else steps_def()

    return events


def test_it_starts_serves_and_stops(app, serve_each, events):
    live = serve_each(app)
    assert events == ["start"]
    assert live.get("/loop").text == "dict_keys(['loop'])"
    assert live.get("/pool").text == live.get("/pool").text
    live.stop()
    assert events == ["start", "pool closed", "stop"]


@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_client_that_leaves_in_the_middle_closes_the_resource(app, serve_each, events, kind):
    live = serve_each(app)
    with live.connect() as wire:
        wire.send(b"GET /stream/%s HTTP/1.1\r\nHost: x\r\n\r\n" % kind.encode())
        wire.head()
        wire.leave(rudely=True)
    for _ in range(2000):
        if len(events) == 2:
            break
        threading.Event().wait(0.01)
    assert events == ["start", f"closed /stream/{kind}"]


@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_stream_that_the_shutdown_ends_closes_the_resource(app, serve, events, kind):
    app.config["STREAM_SHUTDOWN_TIMEOUT"] = 0.05
    live = serve(app)
    with live.connect() as wire:
        wire.send(b"GET /stream/%s HTTP/1.1\r\nHost: x\r\n\r\n" % kind.encode())
        wire.head()
        app.begin_shutdown()
        wire.leave()
        live.stop()
    assert events == ["start", f"closed /stream/{kind}", "stop"]


def test_background_work_begins_after_the_answer_and_is_waited_for(app, serve, events):
    go = threading.Event()

    def work():
        assert go.wait(LIMIT)
        events.append("work")

    async def work_async():
        await asyncio.to_thread(work)

    @app.get("/work")
    def index():
        app.add_background_task(work)
        app.add_background_task(work_async)
        return "answer"

    live = serve(app)
    assert live.get("/work").text == "answer"  # though nothing of the work can be done yet
    go.set()
    live.stop()
    assert events == ["start", "work", "work", "stop"]


def test_a_failed_start_is_in_the_servers_log_and_nothing_is_served(app, caplog):
    @app.before_serving
    def open_pool():
        raise ConnectionRefusedError("no database at db.test:5432")

    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="on", log_config=None))
    with pytest.raises(SystemExit):
        server.run()
    assert not server.started
    errors = [one.getMessage() for one in caplog.records if (one.name, one.levelname) == ("uvicorn.error", "ERROR")]
    message = errors[0]
    assert message.startswith("ConnectionRefusedError: no database at db.test:5432 (in the before_serving function")
    assert "open_pool" in message


def test_a_server_without_lifespan_starts_with_the_first_request(app, serve, events, caplog):
    live = serve(app, lifespan="off")
    assert events == []
    assert live.get("/pool").status == 200
    assert events == ["start"]
    assert caplog.text.count("The server runs no lifespan") == 1
    live.stop()
    app.close_threads()
