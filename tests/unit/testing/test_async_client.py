"""The async test client: requests over connections in memory, each way that one can end, and what its errors say."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import ClassVar

import httpx2
import pytest

from asyncflask import App, g, redirect, request, session
from asyncflask.testing import LifespanError
from asyncflask.testing.async_client import AsyncFlaskClient
from asyncflask.testing.transport import ProtocolError


class Plain:
    """What the client needs to know of an application, with an ASGI callable for its server side."""

    config: ClassVar = {"PREFERRED_URL_SCHEME": "http", "APPLICATION_ROOT": "/"}

    def __init__(self, asgi):
        self.http = asgi

    async def asgi(self, scope, receive, send):
        if scope["type"] == "lifespan":
            raise AssertionError("no lifespan")
        await self.http(scope, receive, send)


def client_of(asgi, **options):
    return AsyncFlaskClient(Plain(asgi), **options)


def start(status=200, *headers):
    return {"type": "http.response.start", "status": status, "headers": headers}


def piece(data=b"", more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


@pytest.fixture
async def client(app):
    async with app.async_test_client() as client:
        yield client


# -- requests and answers ---------------------------------------------------------------------------------------------


async def test_the_scope_of_a_request():
    scopes = []

    async def asgi(scope, receive, send):
        scopes.append((scope, await receive()))
        await send(start())
        await send(piece())

    async with client_of(asgi, base_url="https://x.test:444/prefix", client=("1.2.3.4", 5)) as client:
        await client.post("/p%C3%A4th/a%2Fb", params={"q": "ä"}, content=b"body", headers={"X-Name": "1"})
        await client.get("https://other.test/elsewhere")
    scope, message = scopes[0]
    assert message == {"type": "http.request", "body": b"body", "more_body": False}
    assert (scope["type"], scope["method"], scope["scheme"], scope["http_version"]) == ("http", "POST", "https", "1.1")
    assert (scope["root_path"], scope["path"]) == ("/prefix", "/prefix/päth/a/b")
    assert scope["raw_path"] == b"/prefix/p%C3%A4th/a%2Fb"
    assert scope["query_string"] == b"q=%C3%A4"
    assert (scope["client"], scope["server"]) == (("1.2.3.4", 5), ("x.test", 444))
    headers = dict(scope["headers"])
    assert (headers[b"host"], headers[b"x-name"], headers[b"content-length"]) == (b"x.test:444", b"1", b"4")
    elsewhere, message = scopes[1]
    assert (elsewhere["root_path"], elsewhere["server"]) == ("", ("other.test", 443))
    assert message == {"type": "http.request", "body": b"", "more_body": False}


async def test_both_kinds_of_handlers_and_where_they_run(app, client):
    @app.get("/def")
    def sync():
        return threading.current_thread().name

    @app.get("/async")
    async def asynchronous():
        return str(asyncio.get_running_loop() is loop)

    loop = asyncio.get_running_loop()
    assert (await client.get("/def")).text.startswith("asyncflask-")
    assert (await client.get("/async")).text == "True"


async def test_forms_files_and_json(app, client):
    @app.post("/")
    async def view():
        files = {name: [file.filename, file.read().decode()] for name, file in request.files.items()}
        return {"form": request.form.to_dict(), "files": files, "json": request.get_json(silent=True)}

    assert (await client.post("/", data={"a": "ä"})).json()["form"] == {"a": "ä"}
    assert (await client.post("/", json={"a": 1})).json()["json"] == {"a": 1}
    answer = await client.post("/", data={"a": "b"}, files={"file": ("name.txt", b"content")})
    assert answer.json() == {"form": {"a": "b"}, "files": {"file": ["name.txt", "content"]}, "json": None}


async def test_the_url_follows_the_configuration():
    app = App("configured")
    app.config.update(SERVER_NAME="example.test", APPLICATION_ROOT="/root", PREFERRED_URL_SCHEME="https")
    app.add_url_rule("/", view_func=lambda: request.url)
    async with app.async_test_client() as client:
        assert (await client.get("/")).text == "https://example.test/root/"


async def test_redirects_and_cookies(app, client):
    @app.get("/login")
    def login():
        session["name"] = "admin"
        return redirect("/")

    @app.get("/")
    async def index():
        return session.get("name", "nobody")

    assert (await client.get("/")).text == "nobody"
    answer = await client.get("/login")
    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    answer = await client.get("/login", follow_redirects=True)
    assert (answer.text, [each.status_code for each in answer.history]) == ("admin", [302])
    async with client.session_transaction() as inside:
        assert inside["name"] == "admin"
        inside["name"] = "changed"
    assert (await client.get("/")).text == "changed"
    async with app.async_test_client() as other:
        assert (await other.get("/")).text == "nobody"


async def test_an_error_in_the_block_keeps_the_session_as_it_was(app, client):
    app.add_url_rule("/", view_func=lambda: session.get("name", "nobody"))
    with pytest.raises(ZeroDivisionError):
        async with client.session_transaction() as inside:
            inside["name"] = "changed"
            raise ZeroDivisionError
    assert (await client.get("/")).text == "nobody"


async def test_a_session_needs_a_key():
    async with App("keyless").async_test_client() as client:
        with pytest.raises(RuntimeError, match="did not open a session"):
            async with client.session_transaction() as inside:
                inside["a"] = 1


async def test_a_context_of_the_test_is_seen_and_stays(app, client):
    app.add_url_rule("/", view_func=lambda: g.get("name", "none"))
    async with app.app_context():
        g.name = "of the test"
        assert (await client.get("/")).text == "of the test"
    assert (await client.get("/")).text == "none"


async def test_a_session_that_wants_https(app, client):
    app.config["SESSION_COOKIE_SECURE"] = True

    @app.get("/")
    async def view():
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    assert [(await client.get("/")).text for _ in range(2)] == ["1", "2"]
    async with client.session_transaction() as inside:
        inside["count"] = 10
    assert (await client.get("/")).text == "11"


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def failing(app):
    @app.get("/def")
    def sync():
        raise ZeroDivisionError

    @app.get("/async")
    async def asynchronous():
        raise ZeroDivisionError

    @app.get("/middle")
    async def middle():
        async def body():
            yield "begin"
            raise ZeroDivisionError

        return body()

    return app


@pytest.mark.parametrize("path", ["/def", "/async", "/middle"])
async def test_errors_are_raised(failing, path):
    async with failing.async_test_client() as client:
        with pytest.raises(ZeroDivisionError):
            await client.get(path)
        async with client.stream("GET", "/middle") as answer:
            assert answer.status_code == 200
            pieces = answer.aiter_bytes()
            assert await anext(pieces) == b"begin"
            with pytest.raises(ZeroDivisionError):
                await anext(pieces)


@pytest.mark.parametrize("path", ["/def", "/async"])
async def test_errors_that_do_not_propagate_are_answers(failing, path):
    failing.config["TESTING"] = False
    async with failing.async_test_client() as client:
        assert (await client.get(path)).status_code == 500


@pytest.mark.parametrize("path", ["/def", "/async"])
async def test_handled_errors_are_answers(failing, path):
    failing.register_error_handler(ZeroDivisionError, lambda error: ("handled", 418))
    async with failing.async_test_client() as client:
        answer = await client.get(path)
        assert (answer.status_code, answer.text) == (418, "handled")


async def test_errors_as_a_client_of_a_server_sees_them(failing):
    async with failing.async_test_client(raise_app_exceptions=False) as client:
        assert (await client.get("/async")).status_code == 500
        with pytest.raises(
            httpx2.RemoteProtocolError, match="GET /middle: the application failed in the middle"
        ) as caught:
            await client.get("/middle")
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "returned without an answer"),
        ([start()], "in the middle of its answer"),
        ([start(), start()], "started twice"),
        ([{"type": "http.response.push"}], "is not a message"),
        ([start(200, (b"X", b"1"))], "lower-case bytes"),
    ],
)
async def test_what_a_server_would_refuse_is_refused(messages, complaint):
    async def asgi(scope, receive, send):
        for message in messages:
            await send(message)

    async with client_of(asgi) as client:
        with pytest.raises(ProtocolError, match=complaint):
            await client.get("/")


async def test_an_application_that_cancels_itself():
    async def asgi(scope, receive, send):
        raise asyncio.CancelledError

    async with client_of(asgi) as client:
        with pytest.raises(ProtocolError, match="GET /x: the application cancelled itself"):
            await client.get("/x")


async def test_an_error_that_nobody_waited_for_is_raised_at_the_end(app):
    @app.get("/")
    async def view():
        async def body():
            try:
                while True:
                    yield "x"
            finally:
                raise ZeroDivisionError

        return body()

    async with app.async_test_client() as client:
        for _ in range(2):
            async with client.stream("GET", "/"):
                pass
        with pytest.raises(ExceptionGroup, match="nobody waited for"):
            await client.settle()
        await client.settle()
    with pytest.raises(ZeroDivisionError):
        async with app.async_test_client() as client:
            await client.leave("GET", "/", received=1)
    with pytest.raises(KeyError):  # that of the block goes first
        async with app.async_test_client() as client:
            await client.leave("GET", "/", received=1)
            raise KeyError
    async with app.async_test_client(raise_app_exceptions=False) as client:
        await client.leave("GET", "/", received=1)


# -- as it comes ------------------------------------------------------------------------------------------------------


async def test_an_answer_is_read_as_it_comes(app, client):
    steps = [asyncio.Event() for _ in range(3)]

    @app.get("/")
    async def view():
        async def body():
            for n, step in enumerate(steps):
                yield f"{n}\n"
                await step.wait()

        return body()

    async with client.stream("GET", "/") as answer:
        lines = answer.aiter_lines()
        for n, step in enumerate(steps):
            assert await anext(lines) == str(n)
            step.set()
        assert [line async for line in lines] == []


async def test_the_application_is_held_back_while_nobody_reads(app, client):
    made = []

    @app.get("/")
    async def view():
        async def body():
            while True:
                made.append(1)
                yield b"x" * 10_000

        return body()

    async with client.stream("GET", "/") as answer:
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(made) == 7  # 64 KiB, and the one that went over it
        async for _ in answer.aiter_raw():
            break
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(made) == 8


async def test_content_is_sent_as_it_is_taken(app, client):
    made, taken = [], asyncio.Queue()

    @app.post("/", stream_body=True)
    async def view():
        sizes = []
        async for part in request.stream:
            sizes.append(len(part))
            await taken.get()
        return {"sizes": sizes}

    async def content():
        for n in range(10):
            made.append(n)
            yield b"x" * 100_000

    asks = asyncio.create_task(client.post("/", content=content()))
    for n in range(10):
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(made) == min(n + 2, 10)  # one with the view, one on its way
        taken.put_nowait(None)
    assert (await asks).json() == {"sizes": [100_000] * 10}


async def test_both_ways_at_once():
    async def echo(scope, receive, send):
        await send(start())
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send(piece(message["body"].upper(), more))

    to_send = asyncio.Queue()

    async def content():
        while (part := await to_send.get()) is not None:
            yield part

    async with client_of(echo) as client, client.stream("POST", "/", content=content()) as answer:
        parts = answer.aiter_bytes()
        for part in (b"one", b"two"):
            to_send.put_nowait(part)
            assert await anext(parts) == part.upper()
        to_send.put_nowait(None)
        assert [part async for part in parts] == []


async def test_an_upload_that_fails_is_a_client_that_leaves(app, client):
    seen = []

    @app.post("/", stream_body=True)
    async def view():
        try:
            async for part in request.stream:
                seen.append(part)
        except Exception as error:
            seen.append(type(error).__name__)
            raise
        return ""

    async def content():
        yield b"begin"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await client.post("/", content=content())
    await client.settle()
    assert seen == [b"begin", "ClientDisconnected"]


async def test_an_answer_may_come_before_the_whole_request(app, client):
    closed = []

    @app.post("/", stream_body=True)
    async def view():
        return str(len(await anext(request.stream)))

    async def content():
        try:
            while True:
                yield b"x" * 100_000
        finally:
            closed.append(True)

    assert (await client.post("/", content=content())).text == "100000"
    await client.settle()
    assert closed == [True]


async def test_server_sent_events(app, client):
    @app.get("/events")
    async def events():
        async def body():
            start = int(request.headers.get("Last-Event-ID", 0))
            yield ": hello\nretry: 10\n\n"
            for n in range(start, start + 3):
                yield f"id: {n}\nevent: count\ndata: {n}\ndata: more\n\n"

        return app.response_class(body(), mimetype="text/event-stream")

    app.add_url_rule("/no-events", view_func=lambda: "text")
    source = client.sse("/events", last_event_id="5")
    with pytest.raises(RuntimeError, match="no response yet"):
        _ = source.response
    got = [(event.event, event.data, event.id) async for event in source]
    assert got == [("count", f"{n}\nmore", str(n)) for n in (5, 6, 7)]
    assert (source.comments, source.retry, source.last_event_id) == (["hello"], 10, "7")
    async with client.sse("/events") as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        async for _ in source:
            break
    await client.settle()
    with pytest.raises(httpx2.SSEError, match=r"GET /no-events is no event stream: status 200, Content-Type text/html"):
        async for _ in client.sse("/no-events"):
            pass
    with pytest.raises(httpx2.SSEError, match=r"status 404, .*Not Found"):
        async with client.sse("/nowhere"):
            pass


# -- who leaves -------------------------------------------------------------------------------------------------------


@pytest.fixture
def ends(app):
    """Routes that note how they end."""
    ends = []

    @app.get("/stream")
    async def stream():
        async def body():
            try:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(0)
            finally:
                ends.append(request.path)

        return body()

    @app.get("/waits", on_disconnect="cancel")
    async def waits():
        ends.append("begun")
        app.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    @app.post("/upload", stream_body=True)
    async def upload():
        size = 0
        try:
            async for part in request.stream:
                size += len(part)
        finally:
            ends.append(size)
        return "whole"

    app.begun = asyncio.Event()
    app.teardown_request(lambda error: ends.append("teardown"))
    return ends


async def test_leaving_in_the_middle_of_an_answer(client, ends):
    async with client.stream("GET", "/stream") as answer:
        async for _ in answer.aiter_raw():
            break
    await client.settle()
    assert ends == ["teardown", "/stream"]


async def test_cancelling_a_request_is_leaving(app, client, ends):
    asks = asyncio.create_task(client.get("/waits"))
    await app.begun.wait()
    asks.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asks
    await client.settle()
    assert ends == ["begun", "cancelled", "teardown"]


async def test_leaving_before_the_first_byte(app, client, ends):
    assert await client.leave("GET", "/waits", when=app.begun.wait()) is None
    await client.settle()
    assert ends == ["begun", "cancelled", "teardown"]


async def test_leaving_in_the_middle_of_an_answer_by_its_bytes(client, ends):
    answer = await client.leave("GET", "/stream", received=2500)
    assert (answer.status_code, len(answer.content)) == (200, 3000)
    assert (await client.leave("GET", "/stream", received=0)).content == b""
    await client.settle()
    assert ends == ["teardown", "/stream"] * 2


@pytest.mark.parametrize("sent", [1, 1000, 200_000])
async def test_leaving_in_the_middle_of_an_upload(client, ends, sent):
    async def content():
        while True:
            yield b"x" * 70_000

    assert await client.leave("POST", "/upload", sent=sent, content=content()) is None
    await client.leave("POST", "/upload", sent=sent, content=b"x" * 300_000)
    await client.settle()
    assert sorted(map(str, ends)) == sorted([str(sent), "teardown"] * 2)


async def test_what_ends_before_the_client_leaves(failing, client):
    failing.add_url_rule("/short", view_func=lambda: "short")
    answer = await client.leave("GET", "/short", received=1000, when=asyncio.Event().wait())
    assert answer.text == "short"
    with pytest.raises(ZeroDivisionError):
        await client.leave("GET", "/async", when=asyncio.Event().wait())


async def test_what_goes_on_is_named_by_settle_and_cancelled_at_the_end(app, monkeypatch):
    monkeypatch.setattr("asyncflask.testing.async_client.GRACE", 0.01)
    ended, begun = [], asyncio.Event()

    @app.get("/stays")
    async def view():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.warns(RuntimeWarning, match=r"Still running 0.01 seconds after the end of .* cancelled: GET /stays"):
        async with app.async_test_client() as client:
            await client.leave("GET", "/stays", when=begun.wait())
            with pytest.raises(TimeoutError, match="GET /stays"):
                await client.settle(0.01)
    assert ended == [True]


async def test_the_end_of_the_block_leaves_what_is_open(app, ends):
    async with app.async_test_client() as client:
        open_stream = client.stream("GET", "/stream")
        answer = await open_stream.__aenter__()
        asks = asyncio.create_task(client.get("/waits"))
        await app.begun.wait()
    assert sorted(ends) == sorted(["begun", "cancelled", "teardown", "teardown", "/stream"])
    for left in (asks, answer.aread()):
        with pytest.raises(httpx2.ReadError, match="the async test client was closed"):
            await left
    await open_stream.__aexit__(None, None, None)


async def test_a_read_that_takes_too_long(app, client):
    @app.get("/")
    async def view():
        async def body():
            yield "begin"
            await asyncio.Event().wait()

        await asyncio.sleep(0)
        return body()

    with pytest.raises(httpx2.ReadTimeout, match=r"sent nothing for 0.01 seconds"):
        await client.get("/", timeout=0.01)


# -- its own begin and end --------------------------------------------------------------------------------------------


async def test_outside_of_its_block_it_says_how(app):
    client = app.async_test_client()
    for ask in (client.get("/"), client.leave("GET", "/"), client.websocket("/").__aenter__()):
        with pytest.raises(RuntimeError, match=r"Use it as `async with app.async_test_client\(\) as client:`"):
            await ask
    async with client:
        pass
    with pytest.raises(RuntimeError, match="Use it as `async with"):
        await client.get("/")
    with pytest.raises(RuntimeError, match="once it has been closed"):
        await client.__aenter__()


def test_used_on_another_loop_it_says_where_to_open_it(app):
    with asyncio.Runner() as one, asyncio.Runner() as other:
        client = one.run(app.async_test_client().__aenter__())

        async def use():
            await client.get("/")

        with pytest.raises(RuntimeError, match="opened on another event loop"):
            other.run(use())
        one.run(client.aclose())


def test_on_trio_it_says_what_to_do(app):
    trio = pytest.importorskip("trio")

    async def use():
        async with app.async_test_client():
            pass

    with pytest.raises(RuntimeError, match="`anyio_backend` return 'asyncio'"):
        trio.run(use)


async def test_the_application_is_started_and_stopped():
    seen = []

    class Lifespan(Plain):
        async def asgi(self, scope, receive, send):
            if scope["type"] == "lifespan":
                scope["state"]["pool"] = seen
                for phase in ("startup", "shutdown"):
                    await receive()
                    seen.append(phase)
                    await send({"type": f"lifespan.{phase}.complete"})
                return
            scope["state"]["pool"].append("request")
            scope["state"]["mine"] = True
            await send(start())
            await send(piece(b"mine" if len(scope["state"]) > 2 else b""))

    client = AsyncFlaskClient(Lifespan(None))
    async with client:
        await client.get("/")
        assert (await client.get("/")).content == b""
    assert seen == ["startup", "request", "request", "shutdown"]
    seen.clear()
    async with AsyncFlaskClient(Plain(None), lifespan=False):
        pass
    assert seen == []


async def test_an_application_that_does_not_start():
    class Broken(App):
        async def startup(self):
            raise ValueError("no database at db.test")

    client = Broken("broken").async_test_client()
    with pytest.raises(LifespanError, match=r"The application's startup failed: ValueError: no database at db\.test"):
        async with client:
            pass
    with pytest.raises(RuntimeError, match="Use it as `async with"):
        await client.get("/")


async def test_a_cancelled_end_still_stops_the_application(app):
    stays, begun, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @app.get("/")
    async def view():
        begun.set()
        await stays.wait()

    async def use():
        async with app.async_test_client() as client:
            await client.leave("GET", "/", when=begun.wait())
            left.set()

    uses = asyncio.create_task(use())
    await left.wait()
    uses.cancel()  # while it waits for the view
    with pytest.raises(asyncio.CancelledError):
        await uses
    assert app.threads.stats().threads == 0


async def test_closed_by_hand(app):
    client = app.async_test_client()
    await client.__aenter__()
    await client.aclose()
    await client.aclose()
    assert client.is_closed


def test_without_httpx_it_says_what_to_install():
    code = (
        "import sys; sys.modules['httpx2'] = None\n"
        "from asyncflask import App; app = App('x'); app.test_client()\n"
        "app.async_test_client()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "asyncflask[test]"' in done.stderr.splitlines()[-1]


async def test_httpx_itself_may_ask_the_application(app):
    """The classic httpx, and its transport, which gives whole answers."""
    import httpx

    app.add_url_rule("/", view_func=lambda: threading.current_thread().name)
    async with app.test_app():
        transport = httpx.ASGITransport(app=app.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get("/")).text.startswith("asyncflask-")
