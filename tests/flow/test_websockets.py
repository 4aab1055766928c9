"""Websockets go through the same pipeline as requests: matching, preprocessors, session, hooks, errors, teardown."""

from __future__ import annotations

import asyncio
import logging
import threading

import pytest
from werkzeug.exceptions import Forbidden

import asyncflask
from asyncflask import (
    Blueprint,
    Websocket,
    WebsocketDisconnected,
    WebsocketMessageError,
    abort,
    copy_current_request_context,
    copy_current_websocket_context,
    current_app,
    g,
    has_request_context,
    has_websocket_context,
    request,
    session,
    url_for,
    websocket,
)
from asyncflask.globals import websocket_ctx
from asyncflask.sessions import SecureCookieSessionInterface
from asyncflask.testing import WebsocketResponseError

from .asking import ask, turns
from .talking import Refused, Talk, talk


@pytest.fixture
def app(app):
    app.secret_key = "key"
    app.config["TESTING"] = False
    return app


@pytest.fixture(params=["async", "def"])
def echo(request, app):
    """A handler of each kind at /echo."""
    if request.param == "def":

        @app.websocket("/echo")
        def handler():
            for message in websocket:
                websocket.send(message)
    else:

        @app.websocket("/echo")
        async def handler():
            async for message in websocket:
                await websocket.send(message)

    return request.param


# -- rules -------------------------------------------------------------------------------------------------------------


async def test_a_rule_has_converters_defaults_and_urls(app):
    @app.websocket("/room", defaults={"number": 1})
    @app.websocket("/room/<int:number>")
    async def room(number):
        await websocket.send(f"{number + 1} {url_for('room', number=5)} {url_for('page')}")

    @app.get("/page")
    def page():
        return url_for("room", number=7)

    async with talk(app, "/room/2") as ws:
        assert await ws.hear() == "3 ws://localhost/room/5 /page"
    async with talk(app, "/room") as ws:
        assert (await ws.hear()).startswith("2 ")
    assert (await ask(app, "/page")).text == "ws://localhost/room/7"


async def test_one_url_for_both(app, echo):
    @app.get("/echo")
    def page():
        return "page"

    @app.get("/only")
    def only():
        return "only"

    assert (await ask(app, "/echo")).text == "page"
    async with talk(app, "/echo") as ws:
        ws.say("a")
        assert await ws.hear() == "a"
    with pytest.raises(Refused) as refused:
        async with talk(app, "/only"):
            pass
    assert refused.value.status == 400  # as for a request to a websocket's URL


async def test_a_request_to_a_websocket_is_400(app, echo):
    assert (await ask(app, "/echo")).status == 400


async def test_add_websocket_and_add_url_rule(app):
    async def handler():
        await websocket.send(websocket.endpoint)

    app.add_websocket("/one", view_func=handler)
    app.add_websocket("/two", "two", handler)
    app.add_url_rule("/three", "three", handler, websocket=True)
    for path, endpoint in (("/one", "handler"), ("/two", "two"), ("/three", "three")):
        async with talk(app, path) as ws:
            assert await ws.hear() == endpoint


@pytest.mark.parametrize(
    "options, text",
    [
        ({"methods": ["POST"]}, "can't have methods"),
        ({"stream_body": True}, "can't have 'stream_body'"),
        ({"threaded": False}, "can't have 'threaded=False'"),
    ],
)
def test_options_that_a_websocket_cannot_have(app, options, text):
    with pytest.raises(ValueError, match=text):
        app.websocket("/", **options)(lambda: None)


async def test_blueprints(app):
    order = []
    outer, inner = Blueprint("outer", __name__, url_prefix="/outer"), Blueprint("inner", __name__, url_prefix="/inner")

    @inner.websocket("/<name>")
    async def ws(name):
        order.append("handler")
        await websocket.send(f"{name} {websocket.blueprints} {url_for('.ws', name='b')}")

    def note(text):
        return lambda *args: order.append(text)

    def after(text):
        return lambda response: order.append(text)

    inner.before_websocket(note("before inner"))
    inner.after_websocket(after("after inner"))
    inner.teardown_websocket(note("teardown inner"))
    outer.before_websocket(note("before outer"))
    outer.before_app_websocket(note("before app"))
    outer.after_app_websocket(after("after app"))
    outer.teardown_app_websocket(note("teardown app"))
    inner.url_value_preprocessor(lambda endpoint, values: values.update(name=values["name"].upper()))
    other = Blueprint("other", __name__)
    other.before_websocket(note("other"))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(other)
    async with talk(app, "/outer/inner/a") as ws_:
        assert await ws_.hear() == "A ['outer.inner', 'outer'] ws://localhost/outer/inner/b"
        await ws_.closed()
    assert order == [
        "before app",
        "before outer",
        "before inner",
        "handler",
        "after inner",
        "after app",
        "teardown inner",
        "teardown app",
    ]


async def test_mounted_apps_and_prefixes(app, echo):
    outer = asyncflask.App("outer")

    @outer.websocket("/")
    async def index():
        await websocket.send("outer")

    async def bare(scope, receive, send):
        assert scope["type"] == "websocket"  # so that it takes part in no lifespan
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["root_path"]})
        await send({"type": "websocket.close", "code": 1000, "reason": ""})

    outer.mount("/ours", app)
    outer.mount("/bare", bare)
    await outer.startup()
    async with talk(outer.asgi, "/ours/echo") as ws:
        ws.say("through")
        assert await ws.hear() == "through"
    async with talk(outer.asgi, "/bare/x") as ws:
        assert await ws.hear() == "/bare"
    async with talk(outer.asgi, "/") as ws:
        assert await ws.hear() == "outer"
    await outer.shutdown()


async def test_middleware_sees_websockets(app, echo):
    seen = []

    def middleware(inner):
        async def outer(scope, receive, send):
            seen.append(scope["type"])
            await inner(scope, receive, send)

        return outer

    app.asgi_app = middleware(app.asgi_app)
    async with talk(app.asgi, "/echo") as ws:
        ws.say("a")
        assert await ws.hear() == "a"
    assert seen == ["websocket"]


# -- contexts and hooks ------------------------------------------------------------------------------------------------


async def test_what_is_current(app):
    @app.websocket("/current")
    async def current():
        assert has_websocket_context() and has_request_context()
        assert websocket == request and isinstance(websocket._get_current_object(), Websocket)
        assert websocket_ctx.websocket is websocket._get_current_object()
        assert current_app == app and g.name == "set before"
        assert (websocket.path, websocket.method, websocket.args["q"]) == ("/current", "GET", "1")
        assert websocket.headers["X-Mine"] == "yes" and websocket.cookies["c"] == "d"
        assert websocket.url == "ws://localhost/current?q=1"
        assert websocket.get_data() == b"" and websocket.environ["PATH_INFO"] == "/current"
        await websocket.send("fine")

    @app.before_websocket
    def before():
        g.name = "set before"

    @app.get("/")
    def page():
        assert not has_websocket_context()
        with pytest.raises(RuntimeError, match="outside of websocket context"):
            websocket.path  # noqa: B018
        return "page"

    async with talk(app, "/current", query_string="q=1", headers={"X-Mine": "yes", "Cookie": "c=d"}) as ws:
        assert await ws.hear() == "fine"
    assert (await ask(app, "/")).text == "page"
    with pytest.raises(RuntimeError, match="outside of websocket context"):
        websocket.path  # noqa: B018
    assert not has_websocket_context()


@pytest.mark.parametrize("hooks", ["def", "async"])
async def test_hooks_and_signals_in_their_order(app, echo, hooks):
    order = []

    def hook(name, result=None):
        if hooks == "def":
            return lambda *args: order.append((name, *args))

        async def asynchronous(*args):
            await asyncio.sleep(0)
            order.append((name, *args))

        return asynchronous

    app.before_request(hook("a request's"))
    app.after_request(hook("a request's"))
    app.teardown_request(hook("a request's"))
    app.before_websocket(hook("before"))
    app.after_websocket(hook("after"))
    app.teardown_websocket(hook("teardown"))
    app.teardown_appcontext(hook("teardown app"))

    def receiver(name):
        return lambda sender, **values: order.append((name, *sorted(values)))

    receivers = {name: receiver(name) for name in ("started", "finished", "tearing_down")}
    for name, function in receivers.items():
        getattr(asyncflask, f"websocket_{name}").connect(function, app)
    async with talk(app, "/echo") as ws:
        ws.say("x")
        await ws.hear()
    assert order == [
        ("started",),
        ("before",),
        ("after", None),
        ("finished", "response"),
        ("teardown", None),
        ("tearing_down", "exc"),
        ("teardown app", None),
    ]


async def test_a_before_hook_may_answer(app, echo):
    @app.before_websocket
    async def before():
        return "not today", 403, {"X-Why": "holiday"}

    @app.after_websocket
    async def after(response):
        response.headers["X-After"] = str(response.status_code)
        return response

    with pytest.raises(Refused) as refused:
        async with talk(app, "/echo"):
            pass
    assert (refused.value.status, refused.value.body) == (403, b"not today")
    assert refused.value.headers["x-why"] == "holiday" and refused.value.headers["x-after"] == "403"


async def test_a_before_hook_may_talk(app, echo):
    @app.before_websocket
    async def login():
        if await websocket.receive() != "password":
            await websocket.close(4401, "wrong")
            return "", 401
        return None

    async with talk(app, "/echo") as ws:
        ws.say("password")
        ws.say("hello")
        assert await ws.hear() == "hello"
    async with talk(app, "/echo") as ws:
        ws.say("pass")
        assert await ws.closed() == (4401, "wrong")
    async with talk(app, "/echo") as ws:  # leaves at once: the handler is not called
        pass


async def test_everything_of_a_def_websocket_runs_in_one_thread(app):
    seen = []

    def note(*args):
        seen.append(threading.get_ident())

    app.before_websocket(note)
    app.after_websocket(note)
    app.teardown_websocket(note)
    app.teardown_appcontext(note)

    @app.websocket("/")
    def handler():
        note()
        websocket.accept(headers={"X-Thread": "yes"})
        assert websocket.receive() == "a"
        assert websocket.receive_json() == {"b": 1}
        websocket.send_json(c=2)
        websocket.close(3000, "done")

    async with talk(app, "/") as ws:
        assert (b"x-thread", b"yes") in ws.acceptance["headers"]
        ws.say("a")
        ws.say('{"b": 1}')
        assert await ws.hear() == '{"c": 2}'
        assert await ws.closed() == (3000, "done")
    assert len(seen) == 5 and len(set(seen)) == 1 and seen[0] != threading.get_ident()


async def test_def_websockets_do_not_take_the_threads_of_requests(app, echo):
    app.config.update(THREADS=1, WEBSOCKET_THREADS=2)

    @app.get("/")
    def page():
        return "page"

    async with talk(app, "/echo") as one, talk(app, "/echo") as two:
        for ws in (one, two):
            ws.say("a")
            assert await ws.hear() == "a"
        assert (await ask(app, "/")).text == "page"
        if echo == "def":
            with pytest.raises(Refused) as refused:
                async with talk(app, "/echo"):
                    pass
            assert refused.value.status == 503
    async with talk(app, "/echo") as ws:
        ws.say("room again")
        assert await ws.hear() == "room again"


async def test_unthreaded_mode_still_gives_def_websockets_a_thread(app, echo):
    app.config["THREADED"] = False
    async with talk(app, "/echo") as ws:
        ws.say("a")
        assert await ws.hear() == "a"


async def test_tasks_and_copies_of_the_context(app):
    @app.websocket("/")
    async def handler():
        session["name"] = "x"

        @copy_current_websocket_context
        async def copied():
            assert has_websocket_context()
            await websocket.send(f"copied {session['name']}")

        @copy_current_request_context
        async def as_request():
            await websocket.send(request.path)

        async with asyncio.TaskGroup() as group:
            group.create_task(websocket.send("a task"))
        await asyncio.create_task(copied())
        await asyncio.create_task(as_request())

    async with talk(app, "/") as ws:
        assert [await ws.hear() for _ in range(3)] == ["a task", "copied x", "/"]
    with pytest.raises(RuntimeError, match="websocket context"):
        copy_current_websocket_context(lambda: None)
    with app.test_request_context(), pytest.raises(RuntimeError, match="websocket context"):
        copy_current_websocket_context(lambda: None)


# -- session -----------------------------------------------------------------------------------------------------------


def cookie_of(headers):
    return dict(headers)[b"set-cookie"].decode().split(";")[0]


async def test_a_session_written_before_the_handshake_goes_with_it(app):
    @app.websocket("/")
    async def handler():
        session["seen"] = session.get("seen", 0) + 1
        await websocket.send(str(session["seen"]))

    async with talk(app, "/") as ws:
        assert await ws.hear() == "1"
        cookie = cookie_of(ws.acceptance["headers"])
    async with talk(app, "/", headers={"Cookie": cookie}) as ws:
        assert await ws.hear() == "2"


async def test_a_session_goes_with_a_refusal(app):
    @app.websocket("/")
    async def handler():
        session["tries"] = 1
        abort(401)

    with pytest.raises(Refused) as refused:
        async with talk(app, "/"):
            pass
    assert refused.value.status == 401 and "set-cookie" in refused.value.headers


async def test_untouched_there_is_no_cookie(app, echo):
    async with talk(app, "/echo") as ws:
        assert ws.acceptance["headers"] == []


async def test_a_cookie_session_changed_too_late_is_lost_and_says_so(app, caplog):
    @app.websocket("/")
    async def handler():
        await websocket.accept()
        session["late"] = 1

    async with talk(app, "/") as ws:
        await ws.closed()
    assert "this is lost" in caplog.text


class OnServer(SecureCookieSessionInterface):
    """Keeps sessions here, by the name in a cookie."""

    def __init__(self):
        self.kept = {}

    async def open_session(self, app, request):
        await asyncio.sleep(0)
        return self.session_class(self.kept.get(request.cookies.get("name"), {}))

    async def save_session(self, app, session, response):
        await asyncio.sleep(0)
        self.kept["x"] = dict(session)
        response.set_cookie("name", "x")


async def test_a_session_on_the_server_is_saved_with_the_handshake_and_at_the_end(app):
    interface = app.session_interface = OnServer()

    @app.websocket("/")
    async def handler():
        session["early"] = 1
        await websocket.accept()
        await websocket.send(str(interface.kept["x"]))
        session["late"] = 2

    async with talk(app, "/") as ws:
        assert cookie_of(ws.acceptance["headers"]) == "name=x"
        assert await ws.hear() == "{'early': 1}"
        await ws.closed()
    assert interface.kept["x"] == {"early": 1, "late": 2}


# -- errors ------------------------------------------------------------------------------------------------------------


async def test_denial_where_the_server_offers_none(app):
    @app.websocket("/")
    async def handler():
        abort(401)

    with pytest.raises(Refused) as refused:
        async with talk(app, "/", extensions=None):
            pass
    assert refused.value.sent == [{"type": "websocket.close", "code": 1008}]


async def test_a_handler_that_never_answered_refuses(app):
    @app.websocket("/")
    async def handler():
        return None

    with pytest.raises(Refused) as refused:
        async with talk(app, "/"):
            pass
    assert (refused.value.status, refused.value.body) == (403, b"")


async def test_what_a_handler_returns_is_the_answer(app):
    async def pieces():
        yield b"a"
        yield b"b"

    @app.websocket("/stream")
    async def stream():
        return pieces(), 402

    @app.websocket("/iterator")
    def iterator():
        return iter(["a", "b"]), 402

    @app.websocket("/open")
    async def opened():
        await websocket.accept()
        return "too late", 200

    for path in ("/stream", "/iterator"):
        with pytest.raises(Refused) as refused:
            async with talk(app, path):
                pass
        assert (refused.value.status, refused.value.body) == (402, b"ab")
    async with talk(app, "/open") as ws:
        assert await ws.closed() == (1000, "")


async def test_error_handlers_and_close_codes(app, caplog):
    @app.errorhandler(LookupError)
    async def looked_up(error):
        return "no such thing", 404

    def failing(error, when):
        async def handler():
            if when == "after":
                await websocket.accept()
            raise error

        return handler

    errors = {"lookup": LookupError("x"), "403": Forbidden(), "other": ValueError("y")}
    for name, error in errors.items():
        for when in ("before", "after"):
            app.add_websocket(f"/{name}/{when}", f"{name}-{when}", failing(error, when))
    for name, status, close in (
        ("lookup", 404, (1008, "Not Found")),
        ("403", 403, (1008, "Forbidden")),
        ("other", 500, (1011, "Internal Server Error")),
    ):
        with pytest.raises(Refused) as refused:
            async with talk(app, f"/{name}/before"):
                pass
        assert refused.value.status == status
        caplog.clear()
        async with talk(app, f"/{name}/after") as ws:
            assert await ws.closed() == close
        assert len(caplog.records) == 1
        assert ("Exception on /other/after [WEBSOCKET]" in caplog.text) == (status == 500)


async def test_a_failure_is_announced_and_torn_down_with(app):
    seen = []
    receiver = lambda sender, exception: seen.append(exception)  # noqa: E731
    asyncflask.got_websocket_exception.connect(receiver, app)
    error = ValueError("x")

    @app.websocket("/")
    async def handler():
        await websocket.accept()
        raise error

    app.teardown_websocket(seen.append)
    async with talk(app, "/") as ws:
        assert (await ws.closed())[0] == 1011
    assert seen == [error, error]


async def test_where_errors_propagate_the_websocket_is_closed_all_the_same(app):
    app.config["TESTING"] = True

    @app.websocket("/")
    async def handler():
        await websocket.accept()
        raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        async with talk(app, "/") as ws:
            assert (await ws.next())["code"] == 1011


async def test_a_host_that_is_not_trusted(app, echo):
    app.config["TRUSTED_HOSTS"] = ["localhost"]
    called = []
    app.before_websocket(lambda: called.append(1))
    with pytest.raises(Refused) as refused:
        async with talk(app, "/echo", headers={"Host": "evil.test"}):
            pass
    assert refused.value.status == 400 and not called


@pytest.mark.parametrize(
    "origin, status", [("https://a.test", 101), (None, 101), ("https://b.test", 403), ("https://a.test.b", 403)]
)
async def test_pages_of_other_origins(app, echo, origin, status):
    app.config["WEBSOCKET_ORIGINS"] = ["https://a.test"]
    headers = {} if origin is None else {"Origin": origin}
    if status == 101:
        async with talk(app, "/echo", headers=headers) as ws:
            ws.say("a")
            assert await ws.hear() == "a"
        return
    with pytest.raises(Refused) as refused:
        async with talk(app, "/echo", headers=headers):
            pass
    assert refused.value.status == status and b"Pages of this origin" in refused.value.body


async def test_two_hosts_are_refused(app, echo):
    ws = Talk(app, "/echo")
    ws.scope["headers"] += [(b"host", b"a"), (b"host", b"b")]
    ws.begin()
    with pytest.raises(Refused) as refused:
        await ws.accepted()
    assert refused.value.status == 400


# -- messages that cannot be taken -------------------------------------------------------------------------------------


async def test_bad_messages(app, caplog, echo):
    app.config["MAX_WEBSOCKET_MESSAGE"] = 10

    @app.websocket("/bytes")
    async def only_bytes():
        await websocket.receive_bytes()

    @app.websocket("/text")
    async def only_text():
        await websocket.receive_text()

    @app.websocket("/json")
    def only_json():
        websocket.receive_json()

    for path, message, close in (
        ("/bytes", "text", (1003, "A text message came where bytes were expected.")),
        ("/text", b"bytes", (1003, "A binary message came where text was expected.")),
        ("/json", "{", (1007, "A message was not valid JSON.")),
        ("/json", b"\xff", (1007, "A message was not valid JSON.")),
        ("/echo", "01234567890", (1009, "A message was longer than 10 bytes.")),
        ("/echo", "äöüäöü", (1009, "A message was longer than 10 bytes.")),
    ):
        caplog.clear()
        async with talk(app, "/echo") as other, talk(app, path) as ws:
            ws.say(message)
            assert await ws.closed() == close
            other.say("0123456789")
            assert await other.hear() == "0123456789"
        assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_a_json_bomb(app):
    @app.websocket("/json")
    async def only_json():
        await websocket.receive_json()

    async with talk(app, "/json") as ws:
        ws.say("[" * 100_000)
        assert (await ws.closed())[0] == 1007


async def test_a_handler_may_go_on_after_a_bad_message(app):
    @app.websocket("/")
    async def handler():
        while True:
            try:
                await websocket.send_json(await websocket.receive_json())
            except WebsocketMessageError as error:
                await websocket.send(f"{error.close_code} {error.description}")

    async with talk(app, "/") as ws:
        for said, heard in (("{", "1007 A message was not valid JSON."), ("[1]", "[1]")):
            ws.say(said)
            assert await ws.hear() == heard


async def test_an_error_handler_for_bad_messages_keeps_the_close_code(app):
    app.register_error_handler(WebsocketMessageError, lambda error: ("bad", 400))

    @app.websocket("/")
    async def handler():
        async with asyncio.TaskGroup() as group:
            group.create_task(websocket.receive_json())

    async with talk(app, "/") as ws:
        ws.say("{")
        assert (await ws.closed())[0] == 1007


# -- the client leaves -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tells", [True, False], ids=["send fails", "send is silent"])
@pytest.mark.parametrize("kind", ["async", "def"])
async def test_who_only_sends_notices(app, tells, kind):
    ended = []
    app.teardown_websocket(lambda error: ended.append((error, websocket.disconnect)))

    if kind == "def":

        @app.websocket("/")
        def handler():
            while True:
                websocket.send("x")
    else:

        @app.websocket("/")
        async def handler():
            while True:
                await websocket.send("x")
                await asyncio.sleep(0)

    async with talk(app, "/", tells=tells) as ws:
        await ws.hear()
        await ws.hear()
        ws.leave(4000, "bye")
    assert ended == [(None, (4000, "bye"))]


async def test_the_handler_sees_it(app):
    seen = []

    @app.websocket("/")
    async def handler():
        await websocket.accept()
        for act in (websocket.receive, lambda: websocket.send("x"), websocket.receive_json, websocket.receive):
            try:
                await act()
            except WebsocketDisconnected as error:
                seen.append((error.code, error.reason))
        await websocket.close()  # nothing left to do
        assert websocket.is_disconnected
        await websocket.disconnected()

    async with talk(app, "/") as ws:
        ws.leave(4000, "bye")
    assert seen == [(4000, "bye")] * 4


async def test_in_a_task_group(app):
    ended = []
    app.teardown_websocket(ended.append)

    @app.websocket("/")
    async def handler():
        await websocket.accept()
        async with asyncio.TaskGroup() as group:
            group.create_task(websocket.receive())
            group.create_task(asyncio.Event().wait())

    async with talk(app, "/"):
        pass
    assert ended == [None]


@pytest.mark.parametrize("kind", ["async", "def"])
async def test_on_disconnect_cancel(app, kind):
    ended = []
    app.teardown_websocket(lambda error: ended.append(type(error)))

    async def forever():
        await asyncio.Event().wait()

    if kind == "def":

        @app.websocket("/", on_disconnect="cancel")
        def handler():
            websocket.accept()
            current_app.async_to_sync(forever)()
    else:

        @app.websocket("/", on_disconnect="cancel")
        async def handler():
            await websocket.accept()
            await forever()

    async with talk(app, "/") as ws:
        ws.say("a message that nobody takes")
    assert ended == [asyncio.CancelledError]


@pytest.mark.parametrize("kind", ["async", "def"])
async def test_one_that_hears_nothing_is_cancelled_when_the_server_stops(app, kind):
    ended = []
    app.config["STREAM_SHUTDOWN_TIMEOUT"] = 0
    app.teardown_websocket(lambda error: ended.append(type(error)))

    async def forever():
        await asyncio.Event().wait()

    if kind == "def":

        @app.websocket("/")
        def handler():
            websocket.accept()
            current_app.async_to_sync(forever)()
    else:

        @app.websocket("/")
        async def handler():
            await websocket.accept()
            await forever()

    async with talk(app, "/") as ws:
        app.begin_shutdown()
        assert (await ws.closed())[0] == 1001
        assert not ws.task.cancelled()
    assert ended == [asyncio.CancelledError]
    assert not app.open_streams.count


async def test_one_that_has_ended_is_left_alone_when_the_server_stops(app):
    app.config["STREAM_SHUTDOWN_TIMEOUT"] = 0

    @app.websocket("/")
    async def handler():
        await websocket.accept()
        assert app.open_streams.count == 1
        app.begin_shutdown()

    ws = Talk(app, "/")
    ws.to_app.put_nowait({"type": "websocket.connect"})
    await app.asgi(ws.scope, ws._receive, ws._send)  # in this task, which goes on and is not to be cancelled
    for _ in range(10):
        await asyncio.sleep(0)
    assert not app.open_streams.count


async def test_disconnected_can_be_waited_for(app):
    @app.websocket("/")
    async def handler():
        await websocket.accept()
        await websocket.disconnected()
        assert websocket.disconnect.code == 1001
        heard.append(await websocket.receive())

    heard = []
    async with talk(app, "/") as ws:
        ws.say("kept")
    assert heard == ["kept"]


async def test_it_is_gone_before_the_handshake(app, echo):
    from .talking import Talk

    ws = Talk(app, "/echo")
    ws.to_app.put_nowait({"type": "websocket.disconnect", "code": 1001})
    ws.task = asyncio.ensure_future(app(ws.scope, ws._receive, ws._send))
    await ws.task
    assert not ws.rest()


# -- back-pressure -----------------------------------------------------------------------------------------------------


async def test_nothing_is_taken_from_the_server_before_the_handler_receives(app):
    go = asyncio.Event()

    @app.websocket("/")
    async def handler():
        await websocket.accept()
        await go.wait()
        async for message in websocket:
            await websocket.send(message)

    async with talk(app, "/") as ws:
        for number in range(1000):
            ws.say(str(number))
        for _ in range(100):
            await asyncio.sleep(0)
        assert ws.taken == 1  # the connect
        go.set()
        assert [await ws.hear() for _ in range(1000)] == [str(number) for number in range(1000)]


async def test_looking_ahead_keeps_a_few_messages_only(app):
    app.config["WEBSOCKET_QUEUE"] = 5
    go = asyncio.Event()

    @app.websocket("/", on_disconnect="cancel")
    async def handler():
        await websocket.accept()
        await go.wait()
        while True:
            await websocket.send(await websocket.receive())

    async with talk(app, "/") as ws:
        for number in range(100):
            ws.say(str(number))
        await turns(lambda: ws.taken == 6)
        for _ in range(100):
            await asyncio.sleep(0)
        assert ws.taken == 6
        go.set()
        assert [await ws.hear() for _ in range(100)] == [str(number) for number in range(100)]


async def test_a_slow_client_holds_its_sender_back(app):
    sent = []
    room = asyncio.Event()

    @app.websocket("/")
    async def handler():
        await websocket.accept()
        for number in range(3):
            await websocket.send("x")
            sent.append(number)

    from .talking import Talk

    ws = Talk(app, "/")
    original = ws._send

    async def slow(message):
        if message["type"] == "websocket.send":
            await room.wait()
        await original(message)

    ws._send = slow
    ws.begin()
    await ws.accepted()
    for _ in range(50):
        await asyncio.sleep(0)
    assert sent == []
    room.set()
    assert [await ws.hear() for _ in range(3)] == ["x"] * 3
    await ws.end()


# -- with the test client ----------------------------------------------------------------------------------------------


async def test_the_async_test_client(app, echo):
    @app.websocket("/refused")
    async def refused():
        abort(401)

    async with app.async_test_client() as client:
        async with client.websocket("/echo") as ws:
            await ws.send("a")
            assert await ws.receive() == "a"
        with pytest.raises(WebsocketResponseError) as caught:
            async with client.websocket("/refused"):
                pass
        assert caught.value.response.status_code == 401
