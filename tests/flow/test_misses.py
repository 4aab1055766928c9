"""Requests that no view is for: who may look at them does, and the answer is the same whether anybody does or not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import BaseConverter

from asyncflask import (
    App,
    Request,
    Response,
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    request,
    request_finished,
    request_started,
    request_tearing_down,
)
from asyncflask import ctx as ctx_module
from asyncflask.plain import is_plain
from asyncflask.sessions import SecureCookieSessionInterface

from .asking import Got, ask_asgi, environ_of

MISSES = {"/nothing": (404, "NotFound"), "/posted": (405, "MethodNotAllowed"), "/slash": (308, "RequestRedirect")}


def furnished(kind: type[App] = App, **options: Any) -> App:
    app = kind("misses", static_folder=None, **options)

    async def view(**arguments: Any) -> str:
        return "here"

    app.add_url_rule("/", "index", view)
    app.add_url_rule("/posted", "posted", view, methods=["POST"])
    app.add_url_rule("/slash/", "slash", view)
    app.add_url_rule("/of/<int:n>/", "of", view, methods=["GET", "DELETE"])
    return app


def noted() -> str:
    assert request.url_rule is None and request.view_args is None
    return type(request.routing_exception).__name__


Seen = list[str]


def hook(register: str) -> Callable[[App, Seen], Any]:
    def add(app: App, seen: Seen) -> None:
        def function(*arguments: Any) -> Any:
            seen.append(noted())
            return arguments[0] if register == "after_request" else None

        getattr(app, register)(function)

    return add


def signal(one: Any) -> Callable[[App, Seen], Any]:
    def connect(app: App, seen: Seen) -> Any:
        async def receiver(sender: Any, **arguments: Any) -> None:
            seen.append(noted())

        one.connect(receiver, app)
        return receiver

    return connect


def method(name: str) -> Callable[[App, Seen], Any]:
    def replace(app: App, seen: Seen) -> None:
        original = getattr(app, name)

        def own(*arguments: Any) -> Any:
            seen.append(noted())
            return original(*arguments)

        setattr(app, name, own)

    return replace


def session_interface(app: App, seen: Seen) -> None:
    class Interface(SecureCookieSessionInterface):
        def open_session(self, app: App, request: Request) -> Any:
            seen.append(type(request.routing_exception).__name__)
            return super().open_session(app, request)

    app.session_interface = Interface()


def middleware(app: App, seen: Seen) -> None:
    @app.middleware
    async def around(request: Request, call_next: Any) -> Any:
        seen.append(noted())
        return await call_next(request)


def response_class(app: App, seen: Seen) -> None:
    class Own(Response):
        def get_wsgi_headers(self, environ: Any) -> Any:
            seen.append(noted())
            return super().get_wsgi_headers(environ)

    app.response_class = Own


LOOKING: dict[str, Callable[[App, Seen], Any]] = {
    **{name: hook(name) for name in ("before_request", "after_request", "teardown_request", "teardown_appcontext")},
    "request_started": signal(request_started),
    "request_finished": signal(request_finished),
    "request_tearing_down": signal(request_tearing_down),
    "appcontext_tearing_down": signal(appcontext_tearing_down),
    "appcontext_popped": lambda app, seen: (
        appcontext_popped.connect(late := lambda sender: seen.append("any"), app) and late
    ),
    **{
        name: method(name)
        for name in (
            *("full_dispatch_request", "preprocess_request", "dispatch_request", "handle_user_exception"),
            *("handle_http_exception", "finalize_request", "process_response", "make_response"),
            *("raise_routing_exception", "trap_http_exception", "do_teardown_request", "do_teardown_appcontext"),
        )
    },
    "session_interface": session_interface,
    "middleware": middleware,
    "response_class": response_class,
}


@pytest.mark.parametrize("path", MISSES)
@pytest.mark.parametrize("late", [False, True], ids=["at first", "later"])
@pytest.mark.parametrize("name", LOOKING)
def test_who_looks_at_requests_sees_it(name: str, late: bool, path: str) -> None:
    app, seen = furnished(), list[str]()
    status, error = MISSES[path]
    if late:
        assert ask_asgi(app.asgi, path).status == status
        app._got_first_request = False  # as extensions do that register late
    kept = LOOKING[name](app, seen)
    assert ask_asgi(app.asgi, path).status == status
    assert seen and set(seen) <= {error, "any"}
    app.close_threads()
    del kept


def test_a_receiver_of_the_first_signal_may_make_the_request() -> None:
    app, seen = furnished(), list[str]()

    async def receiver(sender: Any) -> None:
        seen.append(noted())

    with appcontext_pushed.connected_to(receiver, app):
        assert ask_asgi(app.asgi, "/nothing").status == 404
    assert seen == ["NotFound"]


@pytest.mark.parametrize("path", ["/nothing", "/posted"])
@pytest.mark.parametrize("which", ["code", "class", "any"])
def test_error_handlers_are_asked(path: str, which: str) -> None:
    app, seen = furnished(), list[str]()
    status, error = MISSES[path]
    assert ask_asgi(app.asgi, path).status == status
    app._got_first_request = False

    async def handler(error: Exception) -> tuple[str, int]:
        seen.append(noted())
        return "handled", 299

    app.register_error_handler({"code": status, "class": HTTPException, "any": Exception}[which], handler)
    assert ask_asgi(app.asgi, path).text == "handled"
    assert seen == [error]


def test_a_handler_that_is_put_in_the_table_is_asked() -> None:
    app = furnished()
    assert ask_asgi(app.asgi, "/nothing").status == 404
    app.error_handler_spec[None][404][NotFound] = lambda error: ("put", 299)
    assert ask_asgi(app.asgi, "/nothing").text == "put"
    app.close_threads()


def test_a_class_of_applications_may_have_its_own_say() -> None:
    class Own(App):
        def raise_routing_exception(self, request: Request) -> Any:
            assert request.routing_exception is not None
            raise NotFound(f"own {request.path}")

    assert "own /posted" in ask_asgi(furnished(Own).asgi, "/posted").text


def test_a_class_of_requests_may_have_its_own_say() -> None:
    class Own(Request):
        @property
        def scheme(self) -> str:  # type: ignore[override]
            return "https"

    app = furnished()
    app.request_class = Own
    assert ask_asgi(app.asgi, "/slash").headers["Location"] == "https://localhost/slash/"


def test_settings_count_that_say_how_errors_are_answered() -> None:
    app = furnished()
    assert ask_asgi(app.asgi, "/nothing").headers["Content-Type"] == "text/html; charset=utf-8"
    app.config["ERROR_MIMETYPES"] = "application/json"
    assert ask_asgi(app.asgi, "/nothing").json["code"] == 404
    app.config["TRAP_HTTP_EXCEPTIONS"] = True
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(NotFound):
        ask_asgi(app.asgi, "/nothing")
    app.config["TRUSTED_HOSTS"] = ["other.example"]
    assert ask_asgi(app.asgi, "/nothing").status == 400


def test_tests_see_what_became_of_their_request() -> None:
    app = furnished()
    with app.test_client() as client:
        for path, (status, error) in MISSES.items():
            assert client.get(path).status_code == status
            assert noted() == error


def test_a_converter_may_look_at_the_request() -> None:
    class Looking(BaseConverter):
        def to_python(self, value: str) -> str:
            return value + request.path

    app = App("converters", static_folder=None)
    app.url_map.converters["looking"] = Looking
    app.add_url_rule("/<looking:x>/y", view_func=lambda x: x)
    assert ask_asgi(app.asgi, "/a/y", "POST").status == 405
    assert ask_asgi(app.asgi, "/a/z").status == 404


@pytest.mark.parametrize("path", MISSES)
def test_it_is_logged_by_nobody_and_counts_as_the_first_request(path: str) -> None:
    app = furnished()
    ask_asgi(app.asgi, path)
    with pytest.raises(AssertionError, match="first request"):
        app.before_request(lambda: None)


@pytest.mark.skipif(is_plain(), reason="short ways are switched off")
@pytest.mark.parametrize("path", MISSES)
def test_no_request_is_made_where_nobody_looks(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app, made, new = furnished(), list[Any](), ctx_module.new
    monkeypatch.setattr(ctx_module, "new", lambda kind: made.append(kind) or new(kind))
    assert ask_asgi(app.asgi, path).status == MISSES[path][0]
    assert not made
    ask_asgi(app.asgi, path, headers={"Cookie": "session=x"})  # which may have to be sent again
    assert len(made) == 1


@pytest.mark.skipif(is_plain(), reason="without short ways every response is looked at")
@pytest.mark.parametrize("path", MISSES)
@pytest.mark.parametrize("version", ["1.1", "2"])
def test_no_body_is_asked_for(path: str, version: str) -> None:
    app, sent = furnished(), list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        raise AssertionError("nobody wants it")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-length", b"3")]
    scope = {"type": "http", "http_version": version, "method": "GET", "path": path, "headers": headers}
    asyncio.run(app.asgi(scope, receive, send))
    assert sent[0]["status"] == MISSES[path][0]


# -- automatic answers to OPTIONS


def allowed(answer: Got) -> set[str]:
    return set(answer.headers.get("Allow", "").split(", "))


@pytest.mark.parametrize("colour", ["def", "async def"])
@pytest.mark.parametrize("path", ["/slash/", "/of/7/", "/posted"])
def test_options_are_answered_in_the_place_of_the_view(colour: str, path: str) -> None:
    app = furnished()
    if colour == "def":
        for endpoint in list(app.view_functions):
            app.view_functions[endpoint] = lambda **arguments: "here"
    for _ in range(2):
        answer = ask_asgi(app.asgi, path, "OPTIONS")
        assert (answer.status, answer.body) == (200, b"") and "OPTIONS" in allowed(answer)
        assert ask_asgi(app.asgi, path, "POST" if path == "/posted" else "GET").text == "here"
    app.close_threads()


def test_the_method_that_a_hook_assigns_counts() -> None:
    app = furnished()

    @app.before_request
    async def assign() -> None:
        assert request.method in ("GET", "OPTIONS") and request.endpoint == "slash"
        request.method = request.args["as"]

    assert ask_asgi(app.asgi, "/slash/?as=GET", "OPTIONS").text == "here"
    assert "OPTIONS" in allowed(ask_asgi(app.asgi, "/slash/?as=OPTIONS", "GET"))


def test_what_a_hook_adds_during_a_request_does_not_call_the_view() -> None:
    app, seen = furnished(), list[str]()

    @app.before_request
    async def add() -> None:
        async def after(response: Response) -> Response:
            seen.append(response.headers["Allow"])
            return response

        app.after_request_funcs[None].append(after)

    assert ask_asgi(app.asgi, "/slash/", "OPTIONS").body == b""
    assert len(seen) == 1


def test_a_method_of_the_app_may_answer_options_and_a_view_may() -> None:
    class Own(App):
        def make_default_options_response(self) -> Response:
            return Response(f"own {request.endpoint}")

    app = furnished(Own)

    async def view() -> str:
        return request.method

    app.add_url_rule("/itself", view_func=view, methods=["OPTIONS"])
    app.add_url_rule("/not", "not", view, provide_automatic_options=False)
    assert ask_asgi(app.asgi, "/slash/", "OPTIONS").text == "own slash"
    assert ask_asgi(app.asgi, "/itself", "OPTIONS").text == "OPTIONS"
    assert ask_asgi(app.asgi, "/not", "OPTIONS").status == 405


# -- the same answer, whether anybody looks or not


QUIET, WATCHED = furnished(), furnished()
WATCHED.before_request(lambda: None)
HOSTS = ["localhost", "a.example:8000", "A.example", "[::1]", "127.0.0.1:80", "a..b", "x" * 70, "xn--bcher-kva.de"]
PATHS = [
    "/",
    "/posted",
    "/posted/",
    "/slash",
    "/slash/",
    "/of/7",
    "/of/7/",
    "/of/x",
    "/of/\xe9",
    "/nothing",
    "//a",
]


@given(
    st.sampled_from(PATHS),
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW", "get"]),
    st.sampled_from(HOSTS),
    st.sampled_from(["", "a=b", "a=%C3%A9&b='", "?#"]),
    st.sampled_from(["", "/root", "/r\xe9/x"]),
    st.sampled_from(["http", "https"]),
)
@settings(max_examples=300, deadline=None)
def test_the_answer_is_the_same(path: str, verb: str, host: str, query: str, root: str, scheme: str) -> None:
    def got(app: App) -> Any:
        environ_scheme = {"base_url": f"{scheme}://localhost{root}/", "headers": {"Host": host}}
        answer: Got = ask_asgi(app.asgi, f"{path}?{query}" if query else path, verb, **environ_scheme)
        return answer.status, sorted(answer.headers), answer.body

    try:
        assert got(QUIET) == got(WATCHED)
    finally:
        QUIET.close_threads()
        WATCHED.close_threads()


def test_requests_are_as_they_are_meant_to_be_here() -> None:
    assert environ_of("/x", "GET", base_url="https://localhost/root/")["SCRIPT_NAME"] == "/root"
