"""A view that takes too long: cancelled on the loop, left to itself in its thread; the client gets 503 either way."""

from __future__ import annotations

import asyncio
import threading

import pytest

from asyncflask import request
from asyncflask.testing.transport import ProtocolError

from .asking import BY_WAY, Client, ask, ask_asgi, environ_of

SOON = 0.02


@pytest.fixture
def app(app):
    app.testing = False
    app.seen = []

    @app.teardown_request
    def ended(error):
        app.seen.append("teardown")

    return app


@pytest.mark.parametrize("said", ["route", "config"])
@pytest.mark.parametrize("way", ["asgi", "wsgi"])
def test_an_async_view_is_cancelled(app, way, said):
    if said == "config":
        app.config["REQUEST_TIMEOUT"] = SOON

    @app.get("/", **({"timeout": SOON} if said == "route" else {}))
    async def view():
        try:
            await asyncio.Event().wait()
        finally:
            app.seen.append("cancelled")

    @app.after_request
    def after(response):
        app.seen.append("after")
        return response

    got = BY_WAY[way](app, "/")
    assert got.status == 503
    assert f"not answered within {SOON:g} seconds" in got.text
    assert app.seen == ["cancelled", "after", "teardown"]


def test_its_error_has_handlers_as_others(app):
    app.register_error_handler(503, lambda error: (f"late: {error.description}", 504))

    @app.get("/", timeout=SOON)
    async def view():
        await asyncio.Event().wait()

    got = ask_asgi(app, "/")
    assert (got.status, got.text) == (504, "late: The request was not answered within 0.02 seconds.")


def test_a_timeout_of_the_views_own_is_its_own(app):
    @app.get("/", timeout=60)
    async def view():
        raise TimeoutError("of a database")

    @app.errorhandler(TimeoutError)
    def handle(error):
        return str(error), 500

    assert ask_asgi(app, "/").text == "of a database"


class Watched(Client):
    """A client that can be waited for: `answered` is set with the last piece of its answer."""

    def __init__(self, environ):
        super().__init__(environ)
        self.answered = asyncio.Event()

    async def send(self, message):
        await super().send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.answered.set()


@pytest.mark.parametrize("kind", ["whole", "stream", "from its thread"])
async def test_a_thread_goes_on_unheard(app, caplog, kind):
    goes_on, closed = threading.Event(), []

    @app.get("/", timeout=SOON)
    def view():
        assert goes_on.wait(20)
        app.seen.append("ended")
        response = app.make_response((n for n in ("a", "b")) if kind != "whole" else "text")
        response.call_on_close(lambda: closed.append(True))
        return response

    client = Watched(environ_of("/"))
    task = asyncio.create_task(client.run(app))
    await client.answered.wait()
    assert (client.got.status, client.got.headers["Connection"]) == (503, "close")
    assert app.seen == []
    goes_on.set()
    await task
    assert app.seen == ["ended", "teardown"]
    assert closed == [True]
    assert b"not answered within" in client.got.body  # and nothing came after it
    assert "/ was not answered within 0.02 s; its thread goes on, unheard." in caplog.text


async def test_the_wait_for_a_thread_counts(app):
    app.config["THREADS"] = 1
    goes_on, began = threading.Event(), threading.Event()

    @app.get("/held")
    def held():
        began.set()
        assert goes_on.wait(20)
        return "held"

    app.add_url_rule("/", "quick", lambda: "quick", timeout=SOON)
    first = asyncio.create_task(ask(app, "/held"))
    await asyncio.to_thread(began.wait, 20)
    client = Watched(environ_of("/"))
    task = asyncio.create_task(client.run(app))
    await client.answered.wait()
    assert client.got.status == 503
    goes_on.set()
    await task
    assert (await first).text == "held"


@pytest.mark.parametrize("kind", ["def", "async"])
async def test_an_answer_that_has_begun_is_not_cut(app, kind):
    waits = asyncio.Event()

    async def pieces():
        yield "begun "
        await waits.wait()
        yield "ended"

    @app.get("/def", timeout=SOON)
    def view():
        return pieces()

    @app.get("/async", timeout=SOON)
    async def view_async():
        return pieces()

    asyncio.get_running_loop().call_later(3 * SOON, waits.set)
    got = await ask(app, f"/{kind}")
    assert (got.status, got.text) == (200, "begun ended")


@pytest.mark.parametrize("kind", ["def", "async"])
def test_in_time_nothing_is_different(app, kind):
    app.add_url_rule("/def", "def", lambda: request.path, timeout=60)

    @app.get("/async", timeout=60)
    async def view_async():
        return request.path

    app.config["REQUEST_TIMEOUT"] = 1e-9
    app.add_url_rule("/never", "never", view_async, timeout=0)
    assert ask_asgi(app, f"/{kind}").text == f"/{kind}"
    assert ask_asgi(app, "/never").text == "/never"


def test_a_client_that_left_is_no_error(app):
    goes_on = threading.Event()

    @app.get("/", timeout=SOON, on_disconnect="shield")
    def view():
        assert goes_on.wait(20)
        return "text"

    class Gone(Client):
        async def send(self, message):
            goes_on.set()
            raise OSError("the client has left")

    with pytest.raises(ProtocolError, match="without an answer"):  # as far as this client can tell
        asyncio.run(Gone(environ_of("/")).run(app))
    assert app.seen == ["teardown"]


@pytest.mark.parametrize(
    ("value", "error"),
    [("1", TypeError), (True, TypeError), ([], TypeError), (-1, ValueError), (float("nan"), ValueError)],
)
def test_a_limit_that_is_none(app, value, error):
    with pytest.raises(error, match="'timeout' of the rule '/' must be a number of seconds"):
        app.add_url_rule("/", "view", lambda: "", timeout=value)
    with pytest.raises(ValueError, match="can't have 'timeout'"):
        app.add_url_rule("/ws", "ws", lambda: None, websocket=True, timeout=1)


@pytest.mark.parametrize("said", ["route", "config"])
def test_wsgi_servers_cannot_end_a_def_view_which_is_told_once(app, caplog, said):
    if said == "config":
        app.config["REQUEST_TIMEOUT"] = 1e-9
    limit = {"timeout": 1e-9} if said == "route" else {}
    app.get("/def", **limit)(lambda: "came to its end")

    @app.get("/async", **limit)
    async def view():
        await asyncio.Event().wait()

    assert BY_WAY["wsgi"](app, "/async").status == 503
    assert not caplog.records
    for _ in range(2):
        assert BY_WAY["wsgi"](app, "/def").text == "came to its end"
    (record,) = caplog.records
    assert "such as that for '/def', does not apply under a WSGI server" in record.getMessage()


def test_without_a_limit_there_is_nothing_to_tell(app, caplog):
    app.get("/", timeout=0)(lambda: "x")
    assert BY_WAY["wsgi"](app, "/").text == "x"
    assert not caplog.records
