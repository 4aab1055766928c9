"""Functions around a request, and the last look at the head of every answer."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar

import pytest

from asyncflask import App, Blueprint, abort, g, request, stream_with_context
from asyncflask.asgi.before_send import ResponseHead

from .asking import BY_WAY, ask, ask_asgi
from .colours import COLOURS, both
from .talking import talk

KINDS = ("def", "async")


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


def made(kind, seen, name):
    """A middleware of a kind that notes when it is passed."""

    def sync(request, call_next):
        seen.append(f"{name} in {request.path}")
        response = call_next(request)
        seen.append(f"{name} out {response.status_code}")
        response.headers.add("X-Passed", name)
        return response

    async def asynchronous(request, call_next):
        await asyncio.sleep(0)
        seen.append(f"{name} in {request.path}")
        response = await call_next(request)
        await asyncio.sleep(0)
        seen.append(f"{name} out {response.status_code}")
        response.headers.add("X-Passed", name)
        return response

    return {"def": sync, "async": asynchronous}[kind]


@pytest.mark.parametrize("outer", KINDS)
@pytest.mark.parametrize("inner", KINDS)
def test_layers_of_the_app_a_blueprint_and_a_route(app, asked, outer, inner, colour):
    seen = []
    bp, nested = Blueprint("bp", "bp"), Blueprint("nested", "nested")
    app.middleware(made(outer, seen, "one"))
    app.middleware(made(inner, seen, "two"))
    bp.middleware(made(outer, seen, "bp"))
    nested.middleware(made(inner, seen, "nested"))
    app.before_request(lambda: seen.append("before"))
    both(nested, lambda: seen.append("view") or "text", middleware=[made(inner, seen, "route")])
    both(app, lambda: "plain", "/plain")
    bp.register_blueprint(nested)
    app.register_blueprint(bp)
    got = asked(f"/{colour}")
    assert got.text == "text"
    names = ["one", "two", "bp", "nested", "route"]
    went_in, went_out = [f"{n} in /{colour}" for n in names], [f"{n} out 200" for n in names[::-1]]
    assert seen == [*went_in, "before", "view", *went_out]
    assert got.headers.getlist("X-Passed") == names[::-1]
    assert asked(f"/{colour}/plain").headers.getlist("X-Passed") == ["two", "one"]


@pytest.mark.parametrize("kind", KINDS)
def test_errors_come_through_it(app, asked, kind, colour):
    seen = []
    app.testing = False
    app.log_exception = lambda info: None
    app.middleware(made(kind, seen, "m"))
    both(app, lambda: abort(418))
    both(app, lambda: 1 / 0, "/fails")
    got = asked(f"/{colour}")
    assert (got.status, got.headers["X-Passed"]) == (418, "m")  # answered inside
    assert asked("/nowhere").headers["X-Passed"] == "m"
    del seen[:]
    assert asked(f"/{colour}/fails").status == 500
    assert seen == [f"m in /{colour}/fails"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_may_answer_itself_or_to_an_error(app, asked, kind, colour):
    def sync(request, call_next):
        if request.args.get("own"):
            return {"own": True}, 202
        try:
            return call_next(request)
        except ZeroDivisionError:
            return "divided"

    async def asynchronous(request, call_next):
        if request.args.get("own"):
            return {"own": True}, 202
        try:
            return await call_next()
        except ZeroDivisionError:
            return "divided"

    app.middleware({"def": sync, "async": asynchronous}[kind])
    both(app, lambda: 1 / 0)
    assert asked(f"/{colour}").text == "divided"
    got = asked(f"/{colour}?own=1")
    assert (got.status, got.json) == (202, {"own": True})


@pytest.mark.parametrize("kind", KINDS)
def test_call_next_is_called_once(app, asked, kind, colour):
    views = []

    def sync(request, call_next):
        call_next(request)
        return call_next(request)

    async def asynchronous(request, call_next):
        await call_next(request)
        return await call_next(request)

    app.middleware({"def": sync, "async": asynchronous}[kind])
    both(app, lambda: views.append(1) or "text")
    with pytest.raises(RuntimeError, match="called twice"):
        asked(f"/{colour}")
    assert views == [1]


VARIABLE: ContextVar[str] = ContextVar("variable", default="none")


@pytest.mark.parametrize("kind", KINDS)
def test_variables_go_in_and_out(app, asked, kind, colour):
    seen = []

    def sync(request, call_next):
        VARIABLE.set("middleware")
        g.a = 1
        response = call_next(request)
        seen.append(VARIABLE.get())
        VARIABLE.set("after it")
        return response

    async def asynchronous(request, call_next):
        VARIABLE.set("middleware")
        g.a = 1
        response = await call_next(request)
        seen.append(VARIABLE.get())
        VARIABLE.set("after it")
        return response

    def view():
        seen.append(VARIABLE.get())
        VARIABLE.set("view")
        return f"{g.a} {request.path}"

    app.middleware({"def": sync, "async": asynchronous}[kind])
    app.teardown_request(lambda error: seen.append(VARIABLE.get()))
    both(app, view)
    assert asked(f"/{colour}").text == f"1 /{colour}"
    assert seen == ["middleware", "view", "after it"]


def test_a_sync_request_stays_in_its_thread_under_an_async_middleware(app):
    threads = []

    @app.middleware
    async def around(request, call_next):
        await asyncio.sleep(0)
        return await call_next(request)

    app.before_request(lambda: threads.append(threading.get_ident()))
    app.teardown_request(lambda error: threads.append(threading.get_ident()))
    app.add_url_rule("/", "view", lambda: threads.append(threading.get_ident()) or "text")
    assert ask_asgi(app, "/").text == "text"
    assert len(threads) == 3 and len(set(threads)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_headers_of_streams(app, asked, kind, colour):
    app.middleware(made(kind, [], "m"))
    both(app, lambda: stream_with_context(iter(["a", request.path])))
    got = asked(f"/{colour}")
    assert (got.text, got.headers["X-Passed"]) == (f"a/{colour}", "m")


async def test_many_at_once(app):
    @app.middleware
    async def around(request, call_next):
        await asyncio.sleep(0)
        response = await call_next(request)
        response.headers["X-Path"] = request.path
        return response

    app.add_url_rule("/<name>", "view", lambda name: name)
    got = await asyncio.gather(*(ask(app, f"/n{n}") for n in range(50)))
    assert [(one.text, one.headers["X-Path"]) for one in got] == [(f"n{n}", f"/n{n}") for n in range(50)]


async def test_websockets_pass_it_by(app):
    app.middleware(made("async", seen := [], "m"))

    @app.websocket("/ws")
    async def ws():
        from asyncflask import websocket

        await websocket.send("said")

    async with talk(app, "/ws") as one:
        assert await one.hear() == "said"
    assert seen == []


def test_what_is_no_middleware(app):
    with pytest.raises(TypeError, match="'middleware' of the rule '/' must be a list of functions"):
        app.add_url_rule("/", "view", lambda: "", middleware=print)


# -- before_send -----------------------------------------------------------------------------------------------------


@pytest.fixture(params=BY_WAY)
def way(request):
    return BY_WAY[request.param]


def test_the_head_of_every_answer(app, way, colour):
    app.testing = False
    app.log_exception = lambda info: None
    other = App("other")
    other.add_url_rule("/", "index", lambda: "other")
    app.mount("/other", other)
    app.config["TRUSTED_HOSTS"] = ["localhost"]
    both(app, lambda: iter(["a", "b"]))
    both(app, lambda: 1 / 0, "/fails")

    @app.before_send
    def look(head):
        head.headers["X-Seen"] = f"{head.method} {head.path} {head.status}"
        head.headers.pop("Content-Type", None)

    for path, status in ((f"/{colour}", 200), (f"/{colour}/fails", 500), ("/no", 404), ("/other/", 200)):
        got = way(app, path)
        assert (got.status, got.headers["X-Seen"]) == (status, f"GET {path} {status}")
        assert "Content-Type" not in got.headers
    assert way(app, f"/{colour}").text == "ab"
    assert way(app, "/no", base_url="http://evil.test/").headers["X-Seen"] == "GET /no 400"
    other.close_threads()


def test_the_status_too(app, way):
    app.add_url_rule("/", "index", lambda: "text")

    @app.before_send
    def look(head: ResponseHead) -> None:
        head.status = 503

    assert way(app, "/").status == 503


def test_one_that_fails_does_no_harm(app, way, caplog):
    app.add_url_rule("/", "index", lambda: "text")
    app.before_send(lambda head: 1 / 0)
    app.before_send(lambda head: head.headers.set("X-Seen", "yes"))
    got = way(app, "/")
    assert (got.text, got.headers["X-Seen"]) == ("text", "yes")
    assert "A before_send function failed" in caplog.text


def test_it_cannot_wait(app):
    async def look(head):
        """Would have to be awaited."""

    with pytest.raises(TypeError, match="async def"):
        app.before_send(look)
