"""A request leaves nothing behind that only the garbage collector could free, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.routing import BaseConverter

from asyncflask import (
    App,
    abort,
    after_this_request,
    flash,
    get_flashed_messages,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)

JSON = (b"content-type", b"application/json")
MULTIPART = (b"content-type", b"multipart/form-data; boundary=b")
FORM = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\ncontent\r\n--b--\r\n'
#: Werkzeug's matcher makes a function that refers to itself where it is asked, with a few objects
WERKZEUGS = 8


@pytest.fixture(scope="module", autouse=True)
def quick_collector() -> None:
    """What earlier tests have left is not looked through again for each test here."""
    gc.collect()
    gc.freeze()


class Failed(Exception):
    pass


@pytest.fixture
def app(app: App) -> App:
    app.config["TESTING"] = False
    app.secret_key = "key"
    app.logger.disabled = True

    @app.errorhandler(Failed)
    def failed(error: Failed) -> tuple[str, int]:
        return "handled", 400

    return app


def route(app: App, view: Any, sync: bool) -> None:
    """Register a view in `async def`, or the same in `def`."""

    async def coroutine() -> Any:
        return view()

    app.add_url_rule("/x", "x", view if sync else coroutine, methods=["GET", "POST"])


def fine() -> Any:
    return {"q": request.args.get("q"), "host": request.host, "url": url_for("x"), "cookies": len(request.cookies)}


def raises() -> Any:
    raise LookupError("x")


def raises_handled() -> Any:
    raise Failed


def aborts() -> Any:
    abort(418)


def misses() -> Any:
    return request.args["absent"]


def counts() -> Any:
    session["seen"] = session.get("seen", 0) + 1
    flash("seen")
    return get_flashed_messages()


def reads_json() -> Any:
    return request.get_json()


def reads_form() -> Any:
    return {"fields": list(request.form), "files": len(request.files)}


def streams() -> Any:
    @stream_with_context
    def pieces() -> Iterator[str]:
        yield "a"
        yield request.path

    return pieces()


def streams_on_the_loop() -> Any:
    async def pieces() -> AsyncIterator[str]:
        yield "a"
        yield request.path

    return pieces()


def sends_a_file() -> Any:
    return send_file(__file__)


def builds_nothing() -> Any:
    return url_for("absent")


def is_done_later() -> Any:
    @after_this_request
    def later(response: Any) -> Any:
        return response

    return "x"


async def ask(app: Any, method: str, path: str, body: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    statuses = []
    messages = [{"type": "http.request", "body": body}]

    async def receive() -> Any:
        return messages.pop() if messages else await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    headers = [(b"host", b"localhost"), *headers]
    if body:
        headers.append((b"content-length", b"%d" % len(body)))
    scope = {"type": "http", "http_version": "1.1", "method": method, "path": path, "headers": headers}
    await app.asgi(scope | {"query_string": b"q=1", "client": ("127.0.0.1", 1), "server": None}, receive, send)
    assert statuses[0] is not None
    return statuses[0]


async def garbage(app: Any, *asked: Any) -> tuple[int, int]:
    """Return the status, and how many objects a request leaves to the collector."""
    for _ in range(3):  # what is made once is there
        status = await ask(app, *asked)
    gc.collect()
    gc.disable()
    try:
        await ask(app, *asked)
        await asyncio.sleep(0)
        return status, gc.collect()
    finally:
        gc.enable()


CASES = [
    (fine, b"", [], 200),
    (fine, b"", [(b"cookie", b"a=1; session=forged")], 200),
    (raises, b"", [], 500),
    (raises_handled, b"", [], 400),
    (aborts, b"", [], 418),
    (misses, b"", [], 400),
    (counts, b"", [], 200),
    (counts, b"", [(b"cookie", b"session=forged")], 200),
    (counts, b"", [(b"cookie", b"session=eyJzZWVuIjoxfQ.Z0XcKw.forged")], 200),
    (reads_json, b"[1]", [JSON], 200),
    (reads_json, b"[1", [JSON], 400),
    (reads_json, b"[1]", [], 415),
    (reads_form, FORM, [MULTIPART], 200),
    (reads_form, FORM[:-9], [MULTIPART], 400),
    (reads_form, b"a=1", [(b"content-type", b"application/x-www-form-urlencoded")], 200),
    (streams, b"", [], 200),
    (streams_on_the_loop, b"", [], 200),
    (sends_a_file, b"", [], 200),
    (builds_nothing, b"", [], 500),
    (is_done_later, b"", [], 200),
]


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize(("view", "body", "headers", "status"), CASES)
async def test_nothing_is_left(app: App, view: Any, body: bytes, headers: Any, status: int, sync: bool) -> None:
    route(app, view, sync)
    method = "POST" if body else "GET"
    assert await garbage(app, method, "/x", body, headers) == (status, 0)


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
async def test_nothing_is_left_of_a_body_over_its_limit(app: App, sync: bool) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 2
    route(app, reads_json, sync)
    assert await garbage(app, "POST", "/x", b"[1]", [JSON]) == (413, 0)


@pytest.mark.parametrize("view", [aborts, raises])
async def test_nothing_is_left_of_errors_in_other_forms(app: App, view: Any) -> None:
    app.config["ERROR_MIMETYPES"] = ("text/html", "application/problem+json")
    route(app, view, sync=False)
    for accept in (b"text/html", b"application/json"):
        assert await garbage(app, "GET", "/x", b"", [(b"accept", accept)]) == (418 if view is aborts else 500, 0)


NO_RULE = [("GET", "/nothing", 404), ("PUT", "/x", 405), ("GET", "/y", 308)]


@pytest.mark.parametrize(("method", "path", "status"), NO_RULE)
async def test_what_no_rule_takes_leaves_what_werkzeug_leaves(app: App, method: str, path: str, status: int) -> None:
    route(app, fine, sync=False)
    app.add_url_rule("/y/", "y", fine)
    found, left = await garbage(app, method, path, b"", [])
    assert found == status and left <= WERKZEUGS


@pytest.mark.parametrize("before", [lambda: "answered", aborts, raises_handled])
@pytest.mark.parametrize(("method", "path", "status"), NO_RULE)
async def test_a_hook_may_answer_what_no_rule_takes(app: App, method: str, path: str, status: int, before: Any) -> None:
    route(app, fine, sync=False)
    app.add_url_rule("/y/", "y", fine)
    app.before_request(before)
    found, left = await garbage(app, method, path, b"", [])
    assert found in (200, 418, 400) and left <= WERKZEUGS


async def test_nothing_is_left_of_a_converter_that_fails(app: App) -> None:
    class Failing(BaseConverter):
        def to_python(self, value: str) -> Any:
            raise LookupError(value)

    app.url_map.converters["failing"] = Failing
    app.add_url_rule("/<failing:x>", "x", lambda x: x)
    found, left = await garbage(app, "GET", "/x", b"", [])
    assert found == 500 and left <= WERKZEUGS


def lets_through(app: App) -> SimpleNamespace:
    """What stands in front of an app and answers the errors that come out of it."""
    served = app.asgi

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        with contextlib.suppress(LookupError, ExceptionGroup):
            await served(scope, receive, send)
        await send({"type": "http.response.start", "status": 500})

    return SimpleNamespace(asgi=asgi)


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("view", [fine, raises])
@pytest.mark.parametrize("several", [False, True])
async def test_nothing_is_left_of_teardown_functions_that_fail(app: App, view: Any, several: bool, sync: bool) -> None:
    async def fails(error: BaseException | None) -> None:
        raise LookupError("in teardown")

    route(app, view, sync)
    app.teardown_request(fails)
    if several:
        app.teardown_request(fails)
        app.teardown_appcontext(fails)
    assert await garbage(lets_through(app), "GET", "/x", b"", []) == (500, 0)


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("where", ["view", "before", "after", "middleware"])
async def test_nothing_is_left_of_errors_that_propagate(app: App, where: str, sync: bool) -> None:
    def fails(*arguments: Any) -> Any:
        raise LookupError("out of the application")

    app.config["PROPAGATE_EXCEPTIONS"] = True
    route(app, fails if where == "view" else fine, sync)
    if where == "middleware":

        @app.middleware
        async def middleware(request: Any, call_next: Any) -> Any:
            fails()

    elif where != "view":
        {"before": app.before_request, "after": app.after_request}[where](fails)
    assert await garbage(lets_through(app), "GET", "/x", b"", []) == (500, 0)
