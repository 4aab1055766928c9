"""The sync test client, over both transports: requests, contexts that stay, cookies and sessions, threads and loops."""

from __future__ import annotations

import asyncio
import contextvars
import io
import threading
from contextlib import closing

import pytest
from werkzeug.test import EnvironBuilder as PlainBuilder
from werkzeug.wrappers import Request as BaseRequest

from asyncflask import App, g, has_request_context, redirect, request, session, stream_with_context
from asyncflask.globals import _cv_app
from asyncflask.sessions import SecureCookieSessionInterface
from asyncflask.testing import EnvironBuilder, FlaskClient, _get_werkzeug_version
from asyncflask.testing.client import _readable

variable = contextvars.ContextVar("variable", default="unset")


@pytest.fixture(params=["asgi", "wsgi"])
def client(app, request):
    return app.test_client(transport=request.param)


# -- requests and answers ----------------------------------------


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "trace"])
def test_every_method(app, client, method):
    @app.route("/x", methods=[method.upper()])
    async def view():
        return {"method": request.method, "q": request.args["q"]}

    assert getattr(client, method)("/x?q=1").json == {"method": method.upper(), "q": "1"}


def test_head_has_headers_and_no_body(app, client):
    app.add_url_rule("/", view_func=lambda: "text")
    response = client.head("/")
    assert (response.data, response.content_length) == (b"", 4)


def test_bodies_of_every_kind(app, client):
    @app.post("/form")
    def form():
        return {"field": request.form["field"], "file": request.files["file"].read().decode()}

    @app.post("/json")
    async def json():
        return request.get_json()

    @app.post("/data")
    def data():
        return request.get_data()

    assert client.post("/form", data={"field": "\u20ac", "file": (io.BytesIO(b"text"), "a.txt")}).json == {
        "field": "\u20ac",
        "file": "text",
    }
    assert client.post("/json", json={"a": [1]}).json == {"a": [1]}
    big = bytes(range(256)) * 4096
    assert client.post("/data", data=big).data == big


def test_a_body_shorter_than_its_length_was_cut_off(app, client):
    @app.post("/")
    def view():
        return request.get_data()

    response = client.post("/", input_stream=io.BytesIO(b"12"), environ_overrides={"CONTENT_LENGTH": "5"})
    assert response.status_code == 400


def test_the_status_has_its_name_and_headers_their_usual_spelling(app, client):
    @app.get("/")
    def view():
        return "", 404, {"X-Some-Thing": "1", "ETag": '"x"', "WWW-Authenticate": "Basic"}

    response = client.get("/")
    assert response.status == "404 NOT FOUND"
    assert {"X-Some-Thing", "ETag", "WWW-Authenticate"} <= set(dict(response.headers))


def test_a_status_that_nobody_knows(app, client):
    app.add_url_rule("/", view_func=lambda: ("", 299))
    assert client.get("/").status == "299 UNKNOWN"


def test_header_names_are_spelled_as_usual():
    names = [b"content-type", b"etag", b"www-authenticate", b"x-xss-protection", b"dnt", b"te", b"content-md5"]
    assert [name for name, _ in _readable([(name, b"") for name in names])] == [
        "Content-Type",
        "ETag",
        "WWW-Authenticate",
        "X-XSS-Protection",
        "DNT",
        "TE",
        "Content-MD5",
    ]


def test_every_form_of_a_request(app, client):
    @app.get("/x")
    def view():
        return f"{request.url} {request.remote_addr} {request.user_agent}"

    agent = f"Werkzeug/{_get_werkzeug_version()}"
    expected = f"http://localhost/x 127.0.0.1 {agent}"
    with closing(EnvironBuilder(app, "/x")) as builder, closing(PlainBuilder("/x")) as plain:
        environ = builder.get_environ()
        assert client.get("/x").text == expected
        assert client.open(builder).text == expected
        assert client.open(plain).text == expected
        assert client.open(environ).text == expected
        assert client.open(BaseRequest(environ)).text == expected
    client.environ_base["REMOTE_ADDR"] = "1.2.3.4"
    assert client.open(environ).text.split()[1] == "1.2.3.4"
    assert client.get("/x", environ_base={"REMOTE_ADDR": "5.6.7.8"}).text.split()[1] == "5.6.7.8"


def test_what_only_an_environ_can_say_reaches_the_request(app, client):
    @app.get("/")
    def view():
        return request.environ["REMOTE_USER"]

    assert client.get("/", environ_overrides={"REMOTE_USER": "somebody"}).text == "somebody"


def test_redirects_are_followed_with_their_cookies_and_history(app, client):
    @app.get("/from")
    def begin():
        session["seen"] = True
        return redirect("/to")

    @app.get("/to")
    async def end():
        return str(session["seen"])

    response = client.get("/from", follow_redirects=True)
    assert response.text == "True"
    assert [before.status_code for before in response.history] == [302]


def test_an_application_cannot_spoil_the_request_for_a_redirect(app, client):
    seen = []

    @app.get("/from")
    def begin():
        request.environ["HTTP_X_SPOILED"] = "1"
        return redirect("/to")

    @app.get("/to")
    def end():
        seen.append(request.environ.get("HTTP_X_SPOILED"))
        return ""

    client.get("/from", follow_redirects=True)
    assert seen == [None]


def test_a_client_for_a_response_class_of_the_app(app):
    class Own(app.response_class):
        def shout(self):
            return self.text.upper()

    app.response_class = Own
    app.add_url_rule("/", view_func=lambda: "text")
    assert app.test_client().get("/").shout() == "TEXT"


def test_json_is_read_with_the_provider_of_the_app(app, client):
    app.json.loads = lambda text, **kwargs: "provided"
    app.add_url_rule("/", view_func=lambda: {})
    assert client.get("/").json == "provided"


# -- errors ----------------------------------------


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("is_async", [False, True])
def test_errors_that_nobody_handles_are_raised(app, client, error, is_async):
    def view():
        raise error

    async def async_view():
        raise error

    app.add_url_rule("/", view_func=async_view if is_async else view)
    with pytest.raises(error):
        client.get("/")
    assert client.get("/nowhere").status_code == 404  # and the client is as good as before


def test_an_error_in_the_middle_of_an_answer_is_raised(app, client):
    def pieces():
        yield "begun"
        raise ZeroDivisionError

    app.add_url_rule("/", view_func=pieces)
    with pytest.raises(ZeroDivisionError):
        client.get("/", buffered=True)


@pytest.mark.parametrize("transport", ["asgi", "wsgi"])
def test_an_answer_is_a_stream_until_it_is_read(app, transport):
    """As Werkzeug's client has it; tests of extensions look."""
    app.add_url_rule("/", view_func=lambda: "text")
    client = app.test_client(transport=transport)
    response = client.get("/")
    assert response.is_streamed and "streamed" in repr(response)
    assert response.text == "text" and not response.is_streamed
    assert b"".join(client.get("/").response) == b"text"
    assert not client.get("/", buffered=True).is_streamed


def test_without_testing_an_error_is_a_500(app, client):
    app.testing = False
    app.add_url_rule("/", view_func=lambda: 1 / 0)
    assert client.get("/").status_code == 500


# -- contexts ----------------------------------------


def test_the_context_of_the_last_request_stays_in_the_block(app, client):
    torn_down = []
    app.teardown_appcontext(torn_down.append)

    @app.get("/<name>")
    async def view(name):
        g.name = name
        session["name"] = name
        return name

    with client:
        client.get("/one?q=1")
        assert (g.name, session["name"], request.args["q"]) == ("one", "one", "1")
        client.get("/two")
        assert (g.name, session["name"]) == ("two", "two")
    assert not has_request_context()
    client.get("/three")
    assert not has_request_context()


def test_the_context_stays_after_an_error_page_too(app, client):
    app.testing = False
    app.add_url_rule("/", view_func=lambda: 1 / 0)
    with client:
        assert client.get("/").status_code == 500
        assert request.path == "/"


def test_blocks_do_not_nest(client):
    with client, pytest.raises(RuntimeError, match="Cannot nest client invocations"), client:
        pass


def test_a_request_begins_with_the_callers_context(app, client):
    torn_down = []
    app.teardown_appcontext(lambda error: torn_down.append("app"))

    @app.get("/")
    def view():
        return g.from_outside

    with app.app_context():
        g.from_outside = "yes"
        assert client.get("/").text == "yes"
        assert torn_down == []
    assert torn_down == ["app"]


def test_a_stream_keeps_its_context_to_its_end(app, client):
    @app.get("/")
    def view():
        def pieces():
            yield request.args["q"]
            yield request.path

        return stream_with_context(pieces())

    with client.get("/?q=1") as response:
        assert response.text == "1/"
    assert not has_request_context()


def test_context_variables_of_the_caller_are_seen(app, client):
    @app.get("/")
    async def view():
        await asyncio.sleep(0)
        return variable.get()

    token = variable.set("set by the test")
    try:
        assert client.get("/").text == "set by the test"
    finally:
        variable.reset(token)


def test_context_variables_that_a_request_sets_are_set_for_the_caller(app):
    served = app.asgi_app

    async def middleware(scope, receive, send):
        variable.set("set outside of the app")
        await served(scope, receive, send)

    app.asgi_app = middleware
    contextvars.copy_context().run(look_after_a_request, app, "set outside of the app")


def test_context_variables_of_the_exchange_go_before_those_of_the_server(app):
    served = app.asgi_app

    async def middleware(scope, receive, send):
        variable.set("set outside of the app")
        await served(scope, receive, send)

    @app.before_request
    def before():
        variable.set("set in the exchange")

    app.asgi_app = middleware
    contextvars.copy_context().run(look_after_a_request, app, "set in the exchange")


def look_after_a_request(app, expected):
    with app.app_context() as ctx:
        app.test_client(transport="asgi").get("/")
        assert variable.get() == expected
        assert _cv_app.get() is ctx  # the one variable that stays the caller's


# -- sessions and cookies ----------------------------------------


def test_a_session_can_be_changed_between_requests(app, client):
    @app.get("/")
    def view():
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    client.get("/")
    with client.session_transaction() as opened:
        assert opened["count"] == 1
        opened["count"] = 10
    assert client.get("/").text == "11"


def test_a_session_may_depend_on_the_request(app, client):
    app.config["SESSION_COOKIE_PATH"] = "/sub"

    @app.get("/sub/")
    def view():
        return session["key"]

    with client.session_transaction("/sub/") as opened:
        opened["key"] = "value"
    assert client.get("/sub/").text == "value"


def test_a_session_interface_with_async_methods(app, client):
    class Stored(SecureCookieSessionInterface):
        async def open_session(self, app, request):
            await asyncio.sleep(0)
            return super().open_session(app, request)

        async def save_session(self, app, session, response):
            await asyncio.sleep(0)
            super().save_session(app, session, response)

    app.session_interface = Stored()

    @app.get("/")
    def view():
        return session["key"]

    with client.session_transaction() as opened:
        opened["key"] = "value"
    with client.session_transaction() as opened:
        assert opened["key"] == "value"
    assert client.get("/").text == "value"


def test_a_session_needs_cookies_and_a_key(app):
    with (
        pytest.raises(TypeError, match="Cookies are disabled"),
        app.test_client(use_cookies=False).session_transaction(),
    ):
        pass
    app.secret_key = None
    with (
        pytest.raises(RuntimeError, match="Session backend did not open a session"),
        app.test_client().session_transaction(),
    ):
        pass


def test_a_null_session_is_not_saved(app, client):
    class Null(SecureCookieSessionInterface):
        def open_session(self, app, request):
            return self.make_null_session(app)

        def save_session(self, app, session, response):
            pytest.fail("was saved")

    app.session_interface = Null()
    with client.session_transaction():
        pass


def test_cookies_are_kept_and_can_be_set(app, client):
    @app.get("/")
    def view():
        response = app.make_response(request.cookies.get("sent", "none"))
        response.set_cookie("got", "1")
        return response

    assert client.get("/").text == "none"
    assert client.get_cookie("got").value == "1"
    client.set_cookie("sent", "value")
    assert client.get("/").text == "value"
    client.delete_cookie("sent")
    assert client.get("/").text == "none"


# -- threads and loops ----------------------------------------


def test_a_request_runs_in_the_callers_thread(app, client):
    @app.get("/sync")
    def sync():
        return str(threading.get_ident())

    @app.get("/stream")
    def stream():
        yield str(threading.get_ident())

    me = str(threading.get_ident())
    assert [client.get(path).text for path in ("/sync", "/stream")] == [me, me]


def test_async_code_runs_in_the_callers_thread_too(app):
    @app.get("/")
    async def view():
        return str(threading.get_ident())

    assert app.test_client(transport="asgi").get("/").text == str(threading.get_ident())


def test_it_works_where_a_loop_runs(app):
    @app.get("/")
    def view():
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return "sync"

    @app.get("/async")
    async def async_view():
        await asyncio.sleep(0)
        return "async"

    async def test():
        client, loop = app.test_client(transport="asgi"), asyncio.get_running_loop()
        answers = [client.get("/").text, client.get("/async").text]
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is loop
        return answers

    assert asyncio.run(test()) == ["sync", "async"]


@pytest.mark.parametrize("outer", ["/sync", "/async"])
def test_a_view_may_use_a_client_itself(app, outer):
    client = app.test_client(transport="asgi")

    @app.get("/inner")
    async def inner():
        await asyncio.sleep(0)
        return request.path

    @app.get("/sync")
    def sync():
        return f"{client.get('/inner').text} in {request.path}"

    @app.get("/async")
    async def in_async():
        return f"{app.test_client(transport='asgi').get('/inner').text} in {request.path}"

    assert client.get(outer).text == f"/inner in {outer}"


def test_requests_of_one_app_share_a_loop_and_apps_do_not(app):
    loops = []

    async def view():
        loops.append(asyncio.get_running_loop())
        return ""

    app.add_url_rule("/", view_func=view)
    other = App("other")
    other.add_url_rule("/", view_func=view)
    for each in (app, app, other, app):
        each.test_client(transport="asgi").get("/")
    assert loops[0] is loops[1] is loops[3]
    assert loops[2] is not loops[0]


def test_clients_in_several_threads(app):
    @app.get("/<name>")
    async def view(name):
        await asyncio.sleep(0)
        return name

    answers = {}

    def use(name):
        client = app.test_client(transport="asgi")
        answers[name] = [client.get(f"/{name}").text for _ in range(5)]

    threads = [threading.Thread(target=use, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {str(n): [str(n)] * 5 for n in range(4)}


def test_a_wsgi_callable_under_a_prefix(app):
    def mounted(environ, start_response):
        start_response("200 OK", [])
        yield environ["wsgi.input"].read()
        yield f" {environ['SCRIPT_NAME']} {environ['PATH_INFO']} {threading.get_ident()}".encode()

    app.mount("/old", mounted)
    response = app.test_client(transport="asgi").post("/old/x", data=b"sent")
    assert response.text == f"sent /old /x {threading.get_ident()}"


# -- transports ----------------------------------------


def test_the_transport_is_chosen_by_argument_then_environment(app, monkeypatch):
    monkeypatch.delenv("ASYNCFLASK_TEST_TRANSPORT", raising=False)
    assert app.test_client().transport == "asgi"
    monkeypatch.setenv("ASYNCFLASK_TEST_TRANSPORT", "wsgi")
    assert app.test_client().transport == "wsgi"
    assert app.test_client(transport="asgi").transport == "asgi"
    with pytest.raises(ValueError, match="is 'asgi' or 'wsgi', not 'http'"):
        app.test_client(transport="http")


def test_the_transport_is_the_one_that_was_asked_for(app):
    @app.get("/")
    def view():
        return str("asgi.scope" in request.environ)

    assert FlaskClient(app, app.response_class, transport="asgi").get("/").text == "True"
    assert FlaskClient(app, app.response_class, transport="wsgi").get("/").text == "False"
