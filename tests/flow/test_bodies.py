"""Request bodies: there without `await` in either kind of view, limited as configured, streamed where asked."""

from __future__ import annotations

import asyncio
import io
from threading import get_ident

import pytest
from werkzeug.exceptions import HTTPException

from asyncflask import request, signals
from asyncflask.wrappers import body as body_module

from .asking import BY_WAY, Client, ask, environ_of


@pytest.fixture(params=["def", "async"])
def colour(request):
    return request.param


def add(app, colour, view, rule="/", **options):
    async def async_view():
        await asyncio.sleep(0)
        return view()

    app.add_url_rule(rule, "view", view if colour == "def" else async_view, methods=["POST"], **options)


def test_everything_is_a_plain_value(app, asked, colour):
    def view():
        file = request.files.get("file")
        return {
            "form": request.form.get("a"),
            "values": request.values.getlist("a"),
            "file": file and [file.filename, file.read().decode()],
            "json": request.get_json(silent=True),
            "data": request.get_data(as_text=True) if request.is_json else None,
        }

    add(app, colour, view)
    form = asked("/?a=query", "POST", data={"a": "b", "file": (io.BytesIO(b"content"), "name.txt")}).json
    assert (form["form"], form["values"], form["file"]) == ("b", ["query", "b"], ["name.txt", "content"])
    sent = asked("/", "POST", json={"x": [1]}).json
    assert (sent["json"], sent["data"].replace(" ", "")) == ({"x": [1]}, '{"x":[1]}')


def test_rules_for_json(app, asked, colour):
    add(app, colour, lambda: {"got": request.json})
    assert asked("/", "POST", data="{}", content_type="text/plain").status == 415
    assert asked("/", "POST", data="{", content_type="application/json").status == 400
    assert asked("/", "POST", data="[1]", content_type="application/x+json").json == {"got": [1]}


@pytest.mark.parametrize(("name", "value"), [("is_json", False), ("mimetype", "text/plain")])
def test_a_request_class_tells_what_is_json(app, asked, colour, name, value):
    app.request_class = type("Own", (app.request_class,), {name: property(lambda self: value)})
    add(app, colour, lambda: {"is": request.is_json, "got": request.get_json(silent=bool(request.args))})
    assert asked("/", "POST", json=[1]).status == 415
    assert asked("/?silent", "POST", json=[1]).json == {"is": False, "got": None}


def test_data_and_form_in_either_order(app, asked, colour):
    def view():
        if request.args:
            return [request.form.get("a"), len(request.get_data())]
        return [len(request.get_data()), request.form.get("a")]

    add(app, colour, view)
    assert asked("/", "POST", data={"a": "b"}).json == [3, "b"]
    assert asked("/?form=first", "POST", data={"a": "b"}).json == ["b", 0]


def test_over_the_limit_is_413_when_it_is_wanted(app, asked, colour):
    app.config["MAX_CONTENT_LENGTH"] = 10
    add(app, colour, lambda: str(len(request.get_data())) if request.args else "not read")
    assert asked("/?read", "POST", data=b"x" * 10).text == "10"
    assert asked("/?read", "POST", data=b"x" * 11).status == 413
    assert asked("/", "POST", data=b"x" * 11).text == "not read"


@pytest.mark.parametrize("hook", ["def", "async"])
@pytest.mark.parametrize("way", ["asgi", "client"])
def test_a_hook_raises_and_lowers_the_limit(app, way, colour, hook):
    app.config["MAX_CONTENT_LENGTH"] = 10

    def before():
        request.max_content_length = int(request.args["limit"])

    async def async_before():
        before()

    app.before_request(before if hook == "def" else async_before)
    add(app, colour, lambda: str(len(request.get_data())))
    assert BY_WAY[way](app, "/?limit=20", "POST", data=b"x" * 15).text == "15"
    assert BY_WAY[way](app, "/?limit=20", "POST", data=b"x" * 21).status == 413
    assert BY_WAY[way](app, "/?limit=5", "POST", data=b"x" * 6).status == 413


@pytest.mark.parametrize("way", ["asgi", "client"])
def test_a_sync_view_raises_the_limit_itself(app, way):
    app.config["MAX_CONTENT_LENGTH"] = 10

    def view():
        request.max_content_length = 100
        return str(len(request.get_data()))

    add(app, "def", view)
    assert BY_WAY[way](app, "/", "POST", data=b"x" * 90).text == "90"
    assert BY_WAY[way](app, "/", "POST", data=b"x" * 101).status == 413


def test_limits_of_forms(app, asked, colour):
    app.config.update(MAX_FORM_PARTS=3, MAX_FORM_MEMORY_SIZE=1000)
    add(app, colour, lambda: str(len(request.form)))
    multipart = {"content_type": "multipart/form-data"}
    assert asked("/", "POST", data={str(n): "" for n in range(3)}, **multipart).text == "3"
    assert asked("/", "POST", data={str(n): "" for n in range(4)}, **multipart).status == 413
    assert asked("/", "POST", data={"a": "x" * 2000}, **multipart).status == 413


def test_a_form_is_refused_once_so_that_the_error_handler_may_look_at_it(app, asked, colour):
    app.config["MAX_FORM_PARTS"] = 1
    add(app, colour, lambda: str(len(request.files)))
    app.register_error_handler(413, lambda error: ({**request.form, "left": len(request.stream.read())}, 413))
    parts = b"".join(b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' for _ in range(2))
    got = asked("/", "POST", data=parts + b"--b--\r\n", content_type="multipart/form-data; boundary=b")
    assert (got.status, got.json) == (413, {"left": 0})


def test_nothing_is_read_for_what_is_not_found(app):
    add(app, "def", lambda: "ok")

    async def refused(path, method, **headers):
        client = Client(environ_of(path, method, data=b"body", headers=headers))
        received = []

        async def receive():
            received.append(1)
            return await Client.receive(client)

        await app.asgi(client.scope, receive, client.send)
        return client.status, received

    assert asyncio.run(refused("/nothing", "POST")) == (404, [])
    assert asyncio.run(refused("/", "PUT")) == (405, [])
    # A hook might look, but the client waits before it sends.
    app.before_request_funcs.setdefault(None, []).append(lambda: None)
    assert asyncio.run(refused("/nothing", "POST", Expect="100-continue")) == (404, [])


def looker(app, colour, where, seen):
    """Register a function that reads the body, where no view may be: a hook, an error handler, a receiver."""

    def look(*given, **named):
        seen.append(request.stream.read())
        return given[0] if where == "after_request" else None if where != "errorhandler" else "handled"

    async def look_async(*given, **named):
        return look(*given, **named)

    function = look if colour == "def" else look_async
    if where == "request_started":
        signals.request_started.connect(function, app)
    elif where == "errorhandler":
        app.register_error_handler(HTTPException, function)
    else:
        getattr(app, where)(function)
    return function  # which signals hold weakly


WHERE = ("before_request", "after_request", "teardown_request", "errorhandler", "request_started")


@pytest.mark.parametrize("under", ["no middleware", "WSGI middleware"])
@pytest.mark.parametrize("where", WHERE)
def test_what_looks_at_a_request_without_a_view_has_its_body(app, asked, colour, where, under):
    seen = []
    held = looker(app, colour, where, seen)
    if under == "WSGI middleware":
        ours = app.wsgi_app
        app.wsgi_app = lambda environ, start_response: ours(environ, start_response)
    add(app, "def", lambda: "ok")
    asked("/nothing", "POST", data=b"body")
    asked("/", "PUT", data=b"body")
    assert seen == [b"body"] * 2, held


@pytest.mark.parametrize("transport", ["asgi", "wsgi"])
def test_a_test_sees_the_body_of_a_request_without_a_view(app, transport):
    with app.test_client(transport=transport) as client:
        assert client.post("/nothing", data=b"body").status_code == 404
        assert request.get_data() == b"body"


def test_async_hooks_of_a_def_view_have_the_body_behind_wsgi_middleware(app, asked):
    seen = []
    ours = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: ours(environ, start_response)
    looker(app, "async", "before_request", seen)
    add(app, "def", lambda: "ok")
    assert asked("/", "POST", data=b"body").text == "ok"
    assert seen == [b"body"]


async def test_a_sync_view_reads_a_streamed_body(app):
    seen = []

    def view():
        while piece := request.stream.read(3):
            seen.append(piece)
        return "read"

    add(app, "def", view, stream_body=True)
    assert (await ask(app, "/", "POST", data=b"abcdefgh")).text == "read"
    assert seen == [b"abc", b"def", b"gh"]


async def test_an_async_view_iterates_over_a_streamed_body(app):
    @app.post("/", stream_body=True)
    async def view():
        return str([piece async for piece in request.stream])

    assert (await ask(app, "/", "POST", data=b"abc")).text == "[b'abc']"


async def test_a_streamed_body_is_taken_only_as_it_is_read(app):
    received = []

    @app.post("/", stream_body=True)
    async def view():
        before = len(received)
        async for _ in request.stream:
            break
        return f"{before} {len(received)}"

    client = Client(environ_of("/", "POST", data=b"x" * 200_000))

    async def receive():
        received.append(1)
        return await Client.receive(client)

    await app.asgi(client.scope, receive, client.send)
    assert client.got.text == "0 1"


def test_a_streamed_body_over_the_limit(app, colour):
    app.config["MAX_CONTENT_LENGTH"] = 5

    @app.post("/", stream_body=True)
    async def view():
        return str([piece async for piece in request.stream])

    app.add_url_rule("/def", "def", lambda: request.stream.read(), methods=["POST"], stream_body=True)
    path = "/def" if colour == "def" else "/"
    assert BY_WAY["asgi"](app, path, "POST", data=b"123456").status == 413


async def test_a_body_that_was_cut_is_400(app, colour):
    add(app, colour, lambda: request.get_data())
    environ = environ_of("/", "POST", data=b"short")
    environ["CONTENT_LENGTH"] = "100"
    client = Client(environ)
    await client.run(app.asgi)
    assert client.status == 400


async def test_a_body_on_disk_is_given_back_off_the_loop(app, colour, monkeypatch):
    """Freeing a large file may take long."""
    closers = []
    original = body_module.Spool.end
    monkeypatch.setattr(body_module.Spool, "end", lambda spool: closers.append(get_ident()) or original(spool))
    add(app, colour, lambda: str(len(request.get_data())))
    assert (await ask(app, "/", "POST", data=b"x" * 600_000)).text == "600000"
    assert len(closers) == 1 and closers[0] != get_ident()
