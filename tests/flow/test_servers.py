"""How servers and other applications call an application: ASGI 3 and 2, WSGI, mounts, and middleware around it."""

from __future__ import annotations

import asyncio
import inspect
import io
import weakref
from wsgiref.handlers import SimpleHandler

import pytest
import uvicorn
from hypercorn.utils import is_asgi
from uvicorn.middleware.asgi2 import ASGI2Middleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client as WerkzeugClient

from asyncflask import App, request, session, websocket
from asyncflask.testing import WebsocketResponseError

from .asking import BY_WAY, Got, ask, ask_asgi, ask_wsgi, environ_of


@pytest.fixture
def app(app):
    @app.post("/def", endpoint="def")
    def sync():
        return described()

    @app.post("/async", endpoint="async")
    async def asynchronous():
        await asyncio.sleep(0)
        return described()

    def described():
        session["seen"] = True
        return {
            "url": request.url,
            "root": request.root_path,
            "form": request.form.get("a"),
            "addr": request.remote_addr,
        }

    return app


@pytest.fixture(params=["/def", "/async"])
def path(request):
    return request.param


def plain(got: Got):
    headers = sorted((name.lower(), value) for name, value in got.headers if name.lower() != "set-cookie")
    return got.status, headers, got.body


def test_wsgi_and_asgi_give_equal_answers(app, path):
    options = {"data": {"a": "b"}, "environ_base": {"REMOTE_ADDR": "127.0.0.1"}}
    answers = [plain(ask(app, path, "POST", **options)) for ask in BY_WAY.values()]
    assert answers[0] == answers[1] == answers[2]
    assert BY_WAY["asgi"](app, path, "POST", data={"a": "b"}).json["form"] == "b"


def test_under_wsgiref(app, path):
    out = io.BytesIO()
    environ = environ_of(path, "POST", data={"a": "wsgiref"})
    handler = SimpleHandler(environ["wsgi.input"], out, io.StringIO(), environ, multithread=False)
    handler.run(app)
    head, _, body = out.getvalue().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b'"form":"wsgiref"' in body


def test_under_werkzeugs_client(app, path):
    response = WerkzeugClient(app).post(path, data={"a": "werkzeug"})
    assert response.json["form"] == "werkzeug"


async def test_uvicorn_takes_the_app_and_its_asgi(app, path):
    """It takes an object whose call is no coroutine function for ASGI 2, and calls it with the scope alone."""
    for target in (app, app.asgi):
        config = uvicorn.Config(target, log_config=None, lifespan="off", proxy_headers=False)
        config.load()
        assert config.interface == "asgi3"
        assert (await ask(config.loaded_app, path, "POST", data={"a": "uvicorn"})).json["form"] == "uvicorn"


async def test_servers_that_look_first_find_asgi(app, path):
    """hypercorn, uvicorn, daphne and Starlette ask whether the ``__call__`` that they read is a coroutine function."""
    assert inspect.iscoroutinefunction(app.__call__) and asyncio.iscoroutinefunction(app.__call__)
    assert is_asgi(app) and is_asgi(app.asgi) and not is_asgi(app.wsgi_app)
    assert (await ask(app.__call__, path, "POST", data={"a": "read"})).json["form"] == "read"
    assert ask_wsgi(app.__call__, path, "POST", data={"a": "wsgi"}).json["form"] == "wsgi"


async def test_servers_may_call_by_name(app, path):
    def by_name(scope, receive, send):
        return app(send=send, scope=scope, receive=receive)

    assert (await ask(by_name, path, "POST", data={"a": "named"})).json["form"] == "named"
    with pytest.raises(TypeError, match="'scoop'"):
        app(scoop={})


def test_a_subclass_whose_call_is_its_own_is_what_it_looks_like():
    class Wrapped(App):
        def __call__(self, environ, start_response):
            return super().__call__(environ, start_response)

    app = Wrapped("wrapped")
    app.add_url_rule("/", "index", lambda: "text")
    assert not inspect.iscoroutinefunction(app.__call__)
    assert ask_wsgi(app, "/").text == "text"


def test_an_app_is_freed_with_its_last_reference():
    freed = weakref.ref(App("freed"))
    assert freed() is None


async def test_asgi_2_and_3(app, path):
    for target in (app, ASGI2Middleware(app), app.asgi):
        assert (await ask(target, path, "POST", data={"a": "x"})).json["form"] == "x"


def test_a_call_of_another_shape_says_what_is_meant(app):
    with pytest.raises(TypeError, match=r"\(scope, receive, send\)"):
        app(1, 2, 3, 4)


# -- mounts ---------------------------------------------------------------------------------------------------------


async def bare(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{scope['root_path']} {scope['path']}".encode()})


def bare_wsgi(environ, start_response):
    start_response("200 OK", [("X-Kind", "wsgi")])
    return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']}".encode()]


def test_an_asgi_callable_is_mounted(app):
    app.mount("/bare", bare)
    assert ask_asgi(app, "/bare/x").text == "/bare /bare/x"
    assert ask_asgi(app, "/barefoot").status == 404


def test_a_wsgi_callable_is_mounted(app, asked):
    app.mount("/wsgi", bare_wsgi)
    got = asked("/wsgi/x")
    assert (got.text, got.headers["X-Kind"]) == ("/wsgi /x", "wsgi")
    assert asked("/wsgi").text == "/wsgi "


def test_another_app_is_mounted(app, asked, path):
    other = App("other")
    other.secret_key = "other"
    other.add_url_rule("/<name>", "view", lambda name: f"{name} {request.root_path} {request.path}")
    app.mount("/other", other)
    try:
        assert asked("/other/x").text == "x /other /x"
        assert asked(path, "POST").json["root"] == ""
        assert asked("/other/x/y").status == 404
    finally:
        other.close_threads()


def test_the_longest_prefix_wins(app):
    app.mount("/a", bare)
    app.mount("/a/b", bare_wsgi)
    assert ask_asgi(app, "/a/b/c").text == "/a/b /c"
    assert ask_asgi(app, "/a/bc").text == "/a /a/bc"


def test_a_mount_is_refused_where_it_cannot_be(app):
    app.mount("/a", bare)
    with pytest.raises(ValueError, match="already"):
        app.mount("/a/", bare)
    with pytest.raises(ValueError, match="prefix"):
        app.mount("", bare)
    assert ask_asgi(app, "/nothing").status == 404
    with pytest.raises(AssertionError, match="mount"):
        app.mount("/late", bare)


# -- middleware -----------------------------------------------------------------------------------------------------

FORWARDED = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "example.com"}


def test_wsgi_middleware_is_honoured_everywhere(app, asked, path):
    options = {"method": "POST", "data": {"a": "b"}, "headers": FORWARDED}
    before = asked(path, **options).json
    assert (before["addr"] != "1.2.3.4", before["url"]) == (True, f"http://localhost{path}")
    app.wsgi_app = ProxyFix(app.wsgi_app, x_host=1)
    after = asked(path, **options).json
    assert (after["addr"], after["url"], after["form"]) == ("1.2.3.4", f"https://example.com{path}", "b")


def test_wsgi_middleware_sees_streams(app, asked):
    seen = []

    def middleware(wsgi_app):
        def call(environ, start_response):
            for piece in (body := wsgi_app(environ, start_response)):
                seen.append(piece)
                yield piece
            body.close()

        return call

    @app.get("/stream")
    async def stream():
        async def pieces():
            yield "one"
            yield "two"

        return pieces()

    app.wsgi_app = middleware(app.wsgi_app)
    assert asked("/stream").body == b"onetwo"
    assert seen == [b"one", b"two"]


@pytest.mark.parametrize("way", ["asgi", "client"])
def test_asgi_middleware(app, path, way):
    class Middleware:
        def __init__(self, inner):
            self.inner = inner

        async def __call__(self, scope, receive, send):
            if scope["type"] == "http":
                scope = {**scope, "client": ("9.9.9.9", 1)}
            await self.inner(scope, receive, send)

    app.asgi_app = Middleware(app.asgi_app)
    assert BY_WAY[way](app, path, "POST").json["addr"] == "9.9.9.9"


async def test_asgi_middleware_sees_every_kind_of_scope(app):
    kinds = []

    @app.websocket("/ws")
    async def ws():
        await websocket.send(websocket.headers["X-Added"])

    class Middleware:
        def __init__(self, inner):
            self.inner = inner

        async def __call__(self, scope, receive, send):
            kinds.append(scope["type"])
            if scope["type"] == "websocket":
                scope = {**scope, "headers": [*scope["headers"], (b"x-added", b"by the middleware")]}
            await self.inner(scope, receive, send)

    app.asgi_app = Middleware(app.asgi_app)
    async with app.async_test_client() as client:
        assert (await client.post("/async")).status_code == 200
        async with client.websocket("/ws") as connection:
            assert await connection.receive() == "by the middleware"
    assert kinds == ["lifespan", "http", "websocket"]


async def test_websockets_reach_what_is_mounted(app):
    other = App("other")

    @other.websocket("/ws/<name>")
    async def ws(name):
        await websocket.send(f"{name} {websocket.root_path} {websocket.path}")

    async def bare_websocket(scope, receive, send):
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f"{scope['root_path']} {scope['path']}"})
        await send({"type": "websocket.close", "code": 1000, "reason": ""})

    app.mount("/other", other)
    app.mount("/bare", bare_websocket)
    app.mount("/wsgi", bare_wsgi)
    async with app.async_test_client() as client:
        async with client.websocket("/other/ws/a") as connection:
            assert await connection.receive() == "a /other /ws/a"
        async with client.websocket("/bare/x") as connection:
            assert await connection.receive() == "/bare /bare/x"
        with pytest.raises(WebsocketResponseError):  # WSGI knows no websockets
            await client.websocket("/wsgi/x").__aenter__()
    other.close_threads()


async def test_an_app_is_served_under_a_root_path(app, path):
    client_environ = environ_of(path, "POST", base_url="http://localhost/root")
    from .asking import Client

    client = Client(client_environ)
    await client.run(app.asgi)
    assert client.got.json["url"] == f"http://localhost/root{path}"
    assert client.got.json["root"] == "/root"


async def test_lifespan_is_answered_and_threads_end(app):
    app.add_url_rule("/", "index", lambda: "ok")
    steps = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []

    async def receive():
        message = next(steps)
        if message["type"] == "lifespan.shutdown":
            assert (await ask(app, "/")).text == "ok"
            assert app.threads.stats().threads == 1
        return message

    async def send(message):
        sent.append(message["type"])

    await app.asgi({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert app.threads.stats().threads == 0
