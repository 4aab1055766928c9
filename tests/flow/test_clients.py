"""The sync test client and contexts made by hand, as an application's own tests use them, over both transports."""

from __future__ import annotations

import asyncio
import io
from contextlib import closing

import pytest
from werkzeug.test import EnvironBuilder as PlainBuilder

from asyncflask import Request, g, has_request_context, redirect, request, session
from asyncflask.sessions import SecureCookieSessionInterface
from asyncflask.testing import EnvironBuilder

from .colours import COLOURS, both


@pytest.fixture(params=["asgi", "wsgi"])
def client(app, request):
    return app.test_client(transport=request.param)


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


# -- what a request is made of


def told():
    files = {key: [file.filename, file.mimetype, file.read().decode()] for key, file in request.files.items(multi=True)}
    return {
        "url": request.url,
        "method": request.method,
        "type": request.mimetype,
        "args": request.args.to_dict(flat=False),
        "form": request.form.to_dict(flat=False),
        "files": files,
        "json": request.get_json(silent=True),
        "data": request.get_data(as_text=True),
        "own": request.headers.get("X-Own"),
        "auth": request.authorization and [request.authorization.username, request.authorization.password],
        "addr": request.remote_addr,
        "extra": request.environ.get("extra"),
    }


#: what is given, or a function that makes it: files are used up; and what the view then sees
ARGUMENTS = {
    "data, a dict": ({"data": {"a": "1", "b": ["2", "3"]}}, {"form": {"a": ["1"], "b": ["2", "3"]}}),
    "data, its type": ({"data": {"a": "1"}}, {"type": "application/x-www-form-urlencoded", "data": ""}),
    "data, text": ({"data": "text", "content_type": "text/x"}, {"data": "text", "type": "text/x"}),
    "data, bytes": ({"data": b"bytes"}, {"data": "bytes", "type": ""}),
    "data, a file": (
        lambda: {"data": {"f": (io.BytesIO(b"x"), "f.txt"), "a": "1"}},
        {"files": {"f": ["f.txt", "text/plain", "x"]}, "form": {"a": ["1"]}, "type": "multipart/form-data"},
    ),
    "input_stream": (
        lambda: {"input_stream": io.BytesIO(b"stream"), "content_length": 6, "content_type": "text/x"},
        {"data": "stream"},
    ),
    "json": ({"json": {"a": [1, None]}}, {"json": {"a": [1, None]}, "type": "application/json"}),
    "query_string, a dict": ({"query_string": {"a": ["1", "\xe4"]}}, {"args": {"a": ["1", "\xe4"]}}),
    "query_string, text": ({"query_string": "a=1&a=2"}, {"args": {"a": ["1", "2"]}}),
    "content_type": ({"data": "{}", "content_type": "application/json"}, {"json": {}}),
    "mimetype": ({"data": "{}", "mimetype": "application/json"}, {"json": {}, "type": "application/json"}),
    "base_url": ({"base_url": "https://example.com/root/"}, {"url": "https://example.com/root{path}"}),
    "subdomain": ({"subdomain": "sub"}, {"url": "http://sub.localhost{path}"}),
    "url_scheme": ({"url_scheme": "https"}, {"url": "https://localhost{path}"}),
    "headers": ({"headers": {"X-Own": "own"}}, {"own": "own"}),
    "headers, pairs": ({"headers": [("X-Own", "1"), ("X-Own", "2")]}, {"own": "1, 2"}),
    "auth, a pair": ({"auth": ("me", "secret")}, {"auth": ["me", "secret"]}),
    "environ_base": ({"environ_base": {"REMOTE_ADDR": "1.2.3.4"}}, {"addr": "1.2.3.4"}),
    "environ_overrides": ({"environ_overrides": {"extra": "more"}}, {"extra": "more"}),
    "method": ({"method": "PUT"}, {"method": "PUT"}),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_of_a_request(app, client, colour, name):
    both(app, told, methods=["GET", "POST", "PUT"])
    arguments, expected = ARGUMENTS[name]
    arguments = arguments() if callable(arguments) else arguments
    got = client.open(f"/{colour}", **{"method": "POST", **arguments}).json
    for key, value in expected.items():
        assert got[key] == (value.format(path=f"/{colour}") if key == "url" else value)


def test_data_and_json_exclude_each_other(client):
    with pytest.raises(TypeError, match="can't provide both"):
        client.post("/", data={}, json={})


# -- what an answer has


def test_an_answer(app, client, colour):
    def view():
        return {"path": request.path}, 201, {"X-Own": "own"}

    both(app, view)
    got = client.get(f"/{colour}?q=1")
    assert (got.json, got.text, got.data) == ({"path": f"/{colour}"}, f'{{"path":"/{colour}"}}\n', got.get_data())
    assert (got.status_code, got.status, got.headers["X-Own"]) == (201, "201 CREATED", "own")
    assert (got.request.path, got.request.query_string, got.request.method) == (f"/{colour}", b"q=1", "GET")
    assert got.get_json() == got.json and got.history == ()


@pytest.mark.parametrize(("code", "method"), [(302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_redirects_are_followed(app, client, colour, code, method):
    def first():
        session["seen"] = request.form.get("b", 1)  # it may read the body itself
        return redirect(f"/{colour}/second", code)

    both(app, first, "/first", methods=["GET", "POST"])
    both(app, lambda: redirect(f"/{colour}/third", code), "/second", methods=["GET", "POST"])
    both(app, lambda: [request.method, request.form.get("a"), session["seen"]], "/third", methods=["GET", "POST"])
    assert client.post(f"/{colour}/first").status_code == code
    got = client.post(f"/{colour}/first", data={"a": "1"}, follow_redirects=True)
    assert got.json == [method, "1" if method == "POST" else None, 1]
    assert [(one.status_code, one.request.path) for one in got.history] == [
        (code, f"/{colour}/first"),
        (code, f"/{colour}/second"),
    ]


@pytest.mark.parametrize(
    ("config", "raises"),
    [
        ({"TESTING": True}, True),
        ({"TESTING": False}, False),
        ({"TESTING": False, "PROPAGATE_EXCEPTIONS": True}, True),
        ({"TESTING": True, "PROPAGATE_EXCEPTIONS": False}, False),
        ({"TESTING": False, "DEBUG": True}, True),
    ],
)
def test_errors_are_raised_where_they_propagate(app, client, colour, config, raises):
    app.config.update(config)
    app.logger.disabled = True

    def view():
        raise LookupError("in the view")

    both(app, view)
    if raises:
        with pytest.raises(LookupError, match="in the view"):
            client.get(f"/{colour}")
    else:
        assert client.get(f"/{colour}").status_code == 500


# -- contexts that stay


def test_the_context_stays_in_the_block(app, client, colour):
    def view():
        g.a = "g"
        session["a"] = "session"
        return "text"

    both(app, view)
    with client:
        client.get(f"/{colour}?q=1")
        assert (request.args["q"], g.a, session["a"]) == ("1", "g", "session")
        client.get(f"/{colour}?q=2")
        assert request.args["q"] == "2"
    assert not has_request_context()
    client.get(f"/{colour}")
    assert not has_request_context()


async def test_the_context_stays_in_the_block_where_a_loop_runs(app, client, colour):
    """And what the test awaits in between does not take it away."""
    both(app, lambda: g.setdefault("a", request.args["q"]))
    with client:
        for q in ("1", "2"):
            assert client.get(f"/{colour}?q={q}").text == q
            await asyncio.sleep(0)
            assert (g.a, request.args["q"]) == (q, q)
    assert not has_request_context()


async def test_requests_where_a_loop_runs(app, client, colour):
    def count():
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    both(app, count)
    assert [client.get(f"/{colour}").text for _ in range(3)] == ["1", "2", "3"]
    with client.session_transaction() as opened:
        opened["count"] = 10
    assert client.get(f"/{colour}").text == "11"


# -- sessions and cookies


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_session_is_changed_from_outside(app, client, colour, kind):
    class AsyncInterface(SecureCookieSessionInterface):
        async def open_session(self, app, request):
            await asyncio.sleep(0)
            return super().open_session(app, request)

        async def save_session(self, app, session, response):
            await asyncio.sleep(0)
            super().save_session(app, session, response)

    if kind == "async def":
        app.session_interface = AsyncInterface()
    both(app, lambda: dict(session))
    with client.session_transaction() as opened:
        opened["a"] = 1
    with client.session_transaction() as opened:
        assert opened["a"] == 1
        opened["b"] = 2
    assert client.get(f"/{colour}").json == {"a": 1, "b": 2}
    with client.session_transaction() as opened:
        opened.clear()
    assert client.get(f"/{colour}").json == {}


def test_an_error_in_the_block_keeps_the_session_as_it_was(app, client, colour):
    both(app, lambda: dict(session))
    with pytest.raises(LookupError), client.session_transaction() as opened:
        opened["a"] = 1
        raise LookupError
    assert client.get(f"/{colour}").json == {}


def test_cookies(app, client, colour):
    def view():
        response = app.make_response(dict(request.cookies))
        response.set_cookie("got", "1", path=f"/{colour}")
        return response

    both(app, view)
    both(app, view, "/deep/x")
    client.set_cookie("everywhere", "e")
    client.set_cookie("deep", "d", path=f"/{colour}/deep")
    client.set_cookie("elsewhere", "x", domain="example.com")
    assert client.get(f"/{colour}").json == {"everywhere": "e"}
    assert client.get(f"/{colour}/deep/x").json == {"everywhere": "e", "deep": "d", "got": "1"}
    assert client.get(f"/{colour}", base_url="http://example.com").json == {"elsewhere": "x"}
    assert client.get_cookie("got") is None
    assert client.get_cookie("got", path=f"/{colour}").value == "1"
    client.delete_cookie("everywhere")
    client.delete_cookie("got", path=f"/{colour}")
    assert client.get(f"/{colour}").json == {}


def test_a_client_without_cookies(app, colour):
    def view():
        session["a"] = 1
        return dict(request.cookies)

    both(app, view)
    client = app.test_client(use_cookies=False)
    client.get(f"/{colour}")
    assert client.get(f"/{colour}").json == {}


# -- by hand


def test_contexts_made_by_hand(app):
    app.add_url_rule("/<int:n>", "view", lambda n: "", methods=["POST"])
    arguments = {"method": "POST", "data": {"a": "1"}, "query_string": {"q": "2"}, "headers": {"X-Own": "own"}}
    with app.test_request_context("/5", **arguments) as ctx:
        assert ctx.request is request._get_current_object()
        assert (request.endpoint, request.view_args, request.method) == ("view", {"n": 5}, "POST")
        assert (request.form["a"], request.args["q"], request.headers["X-Own"]) == ("1", "2", "own")
    with app.test_request_context("/x", json={"a": 1}):
        assert request.get_json() == {"a": 1}
        assert request.url_rule is None
    with closing(PlainBuilder("/5", "http://example.com/")) as builder, app.request_context(builder.get_environ()):
        assert request.url == "http://example.com/5"


def test_the_stages_are_called_by_hand(app):
    app.before_request(lambda: setattr(g, "before", True))
    app.add_url_rule("/", "view", lambda: {"before": g.before})

    async def view():
        await asyncio.sleep(0)
        return {"before": g.before}

    app.add_url_rule("/async", "async", view)
    for path in ("/", "/async"):
        with app.test_request_context(path):
            assert app.preprocess_request() is None
            assert app.dispatch_request() == {"before": True}
            assert app.full_dispatch_request().json == {"before": True}


def test_a_request_outside_of_a_server(app):
    made = Request.from_values("/x?q=1", "http://example.com/", method="POST", data={"a": "1"})
    assert isinstance(made, Request)
    assert (made.url, made.args["q"], made.form["a"]) == ("http://example.com/x?q=1", "1", "1")
    with closing(EnvironBuilder(app, "/x", query_string={"q": "1"})) as builder:
        assert builder.get_request(Request).url == "http://localhost/x?q=1"
