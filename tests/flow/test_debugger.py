"""The interactive debugger over ASGI: the page of an error, and code that runs in its frames."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import ContextVar

import httpx
import pytest

from asyncflask import Response, g, render_template_string, request, session, websocket
from asyncflask.serving.debugger import DebuggedApplication
from asyncflask.wsgi import WSGIAdapter

from .debugging import HTML, LOOPBACK, Visitor
from .talking import talk

STAGE = ContextVar("STAGE")


@pytest.fixture
def app(app):
    app.testing, app.debug = False, True

    async def later(value):
        await asyncio.sleep(0)
        return value, asyncio.get_running_loop(), threading.get_ident()

    @app.get("/async/<name>")
    async def an_async_view(name):
        treasure = f"in the async view of {name}"
        g.hoard, session["seen"], again = [treasure], True, later
        STAGE.set("async")
        raise TypeError("the async view has failed", again)

    @app.get("/sync/<name>")
    def a_sync_view(name):
        treasure = f"in the sync view of {name}"
        g.hoard, session["seen"], again = [treasure], True, later
        STAGE.set("sync")
        raise TypeError("the sync view has failed", again)

    @app.get("/fine")
    async def fine():
        return "fine"

    return app


@pytest.fixture
async def visitor(app):
    visitor = Visitor(app)
    yield visitor
    await visitor.leave()
    await asyncio.to_thread(app.close_threads)


@pytest.fixture(params=["async", "sync"])
def kind(request):
    return request.param


async def test_the_page_of_an_error(visitor, kind):
    answer = await visitor.open(f"/{kind}/ada")
    assert answer.status_code == 500 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert f"TypeError: (&#39;the {kind} view has failed" in answer.text
    assert "raise TypeError(" in answer.text and visitor.is_interactive
    assert visitor.functions == ["an_async_view" if kind == "async" else "a_sync_view"]
    assert (
        answer.headers["cache-control"] == "no-store" and "frame-ancestors" in answer.headers["content-security-policy"]
    )


async def test_its_files_come_from_werkzeug(visitor):
    await visitor.open("/sync/ada")
    for name, kind in (("debugger.js", "javascript"), ("style.css", "css"), ("console.png", "png")):
        answer = await visitor.client.get("/any/where", params={"__debugger__": "yes", "cmd": "resource", "f": name})
        assert answer.status_code == 200 and kind in answer.headers["content-type"] and answer.content
    assert (await visitor.ask(cmd="resource", f="../__init__.py")).status_code == 404


async def test_a_console_in_the_frame(visitor, kind):
    await visitor.open(f"/{kind}/ada")
    assert await visitor.unlock() == {"auth": True, "exhausted": False}
    assert await visitor.run("treasure") == f"'in the {kind} view of ada'"
    assert await visitor.run("name.upper()") == "'ADA'"
    assert await visitor.run("found = treasure[-3:]; print(found + '<')") == "ada<"
    assert await visitor.run("found") == "'ada'"
    assert "ZeroDivisionError: division by zero" in await visitor.run("1 / 0")
    assert "SystemExit" in await visitor.run("exit()")
    assert "SyntaxError" in await visitor.run("1 +")


async def test_a_block_is_typed_line_by_line(visitor):
    await visitor.open("/sync/ada")
    await visitor.unlock()
    assert await visitor.run("for n in range(2):") == ""
    shown = await visitor.run("    print(n)")
    assert shown.startswith("...") and shown.endswith("0\n1")
    assert await visitor.run("n") == "1"


async def test_the_context_of_the_request_is_there(visitor, kind):
    await visitor.open(f"/{kind}/ada?q=1")
    await visitor.unlock()
    await visitor.run("from asyncflask import current_app, g, request, session, url_for")
    assert await visitor.run("request.path + request.args['q']") == f"'/{kind}/ada1'"
    assert await visitor.run("print(g.hoard)") == f"['in the {kind} view of ada']"
    assert await visitor.run("print(session['seen'], current_app.name)") == "True asyncflask_test"
    assert await visitor.run("url_for('fine')") == "'/fine'"
    assert await visitor.run("STAGE.get()") == f"'{kind}'"


async def test_what_is_awaited_runs_on_the_serving_loop(visitor, kind):
    await visitor.open(f"/{kind}/ada")
    await visitor.unlock()
    await visitor.run("value, loop, ident = await again('here'); print(value, request.path)")
    assert await visitor.run("print(value, request.path)") == f"here /{kind}/ada"
    visitor_loop = asyncio.get_running_loop()
    visitor.app.is_this = lambda loop, ident: loop is visitor_loop and ident == threading.get_ident()
    assert (
        await visitor.run("request.routing_exception or __import__('asyncflask').current_app.is_this(loop, 0)")
        == "False"
    )
    assert threading.get_ident() == int(await visitor.run("print(ident)"))
    error = await visitor.run("await again()")
    assert error.startswith("Traceback") and "missing 1 required positional argument" in error
    assert "asyncflask" not in error


async def test_code_runs_off_the_loop_and_holds_up_nobody(app, visitor):
    await visitor.open("/async/ada")
    await visitor.unlock()
    app.gate, app.reached = asyncio.Event(), asyncio.Event()
    await visitor.run("from asyncflask import current_app")
    waiting = asyncio.create_task(visitor.run("current_app.reached.set(); await current_app.gate.wait(); 'through'"))
    reached = asyncio.create_task(app.reached.wait())
    await asyncio.wait({reached, waiting}, return_when=asyncio.FIRST_COMPLETED, timeout=30)
    assert reached.done() and not waiting.done()
    assert (await visitor.client.get("/fine")).text == "fine"
    app.gate.set()
    assert (await waiting).endswith("'through'")


async def test_what_lines_wait_for_is_cancelled_when_the_server_stops(app, visitor):
    await visitor.open("/sync/ada")
    await visitor.unlock()
    await visitor.run("import asyncio; from asyncflask import current_app")
    app.reached = asyncio.Event()
    line = "current_app.reached.set(); await asyncio.Event().wait()"
    waiting = asyncio.create_task(visitor.run(line))
    await asyncio.wait_for(app.reached.wait(), 30)
    visitor.debugged.begin_shutdown()
    assert "CancelledError" in await waiting
    assert app.shutdown_event.is_set()
    app.shutdown_event.clear()


async def test_a_hook_and_a_template(app, visitor):
    @app.before_request
    def check():
        if request.path == "/hook":
            lamp = "lit"
            raise KeyError(lamp)

    @app.get("/template")
    def template():
        return render_template_string("{{ dish }}\n{{ dish / 0 }}", dish=3)

    await visitor.open("/hook")
    assert visitor.functions == ["check"]
    await visitor.unlock()
    assert await visitor.run("lamp") == "'lit'"
    await visitor.open("/template")
    assert visitor.functions[-1] == "top-level template code"
    assert await visitor.run("dish") == "3"


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_stream_before_its_first_byte(app, visitor, is_async):
    async def pieces():
        part = "none"
        raise LookupError(part)
        yield b""

    def sync_pieces():
        part = "none"
        raise LookupError(part)
        yield b""

    app.add_url_rule("/stream", view_func=lambda: Response(pieces() if is_async else sync_pieces()))
    answer = await visitor.open("/stream")
    assert answer.status_code == 500 and visitor.functions[-1] in ("pieces", "sync_pieces")
    await visitor.unlock()
    assert await visitor.run("part") == "'none'"


async def test_a_header_is_not_held_back_for_ever(app, visitor, monkeypatch):
    monkeypatch.setattr("asyncflask.serving.debugger.answer.PATIENCE", 0)
    seen, sent = asyncio.Event(), []

    async def pieces():
        await seen.wait()
        yield b"one"

    async def send(message):
        sent.append(message["type"])
        seen.set()

    async def receive():
        await asyncio.Event().wait()

    app.add_url_rule("/slow", view_func=lambda: Response(pieces()))
    await asyncio.wait_for(visitor.debugged(http_scope("/slow"), receive, send), 30)
    assert sent == ["http.response.start", "http.response.body", "http.response.body"]


async def test_a_request_that_is_cancelled_leaves_nothing_behind():
    begun, sent = asyncio.Event(), []

    async def waits(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        begun.set()
        await asyncio.Event().wait()

    serving = asyncio.create_task(DebuggedApplication(waits)(http_scope("/"), None, sent.append))
    await begun.wait()
    serving.cancel()
    await asyncio.wait([serving])
    assert serving.cancelled() and not sent


@pytest.mark.parametrize("more", [[], [{"type": "http.response.body", "body": b"", "more_body": False}]])
async def test_an_answer_without_a_body_is_sent_as_it_is(more):
    messages, sent = [{"type": "http.response.start", "status": 204, "headers": []}, *more], []

    async def silent(scope, receive, send):
        for message in messages:
            await send(message)

    async def send(message):
        sent.append(message)

    await DebuggedApplication(silent, evalex=True)(http_scope("/"), None, send)
    assert sent == messages


async def test_a_stream_that_breaks_is_cut_off_and_its_page_is_in_the_log(app, visitor, caplog):
    async def pieces():
        yield b"one"
        part = "two"
        raise LookupError(part)

    app.add_url_rule("/stream", view_func=lambda: Response(pieces()))
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        await asyncio.Event().wait()

    scope = http_scope("/stream")
    await asyncio.wait_for(visitor.debugged(scope, receive, send), 30)
    assert [message.get("body") for message in sent] == [None, b"one"] and sent[-1]["more_body"]
    (record,) = caplog.records
    link = record.getMessage().rpartition("Look at it in a browser: http://localhost:5000")[2]
    await visitor.open(link)
    await visitor.unlock()
    assert await visitor.run("part") == "'two'"


def http_scope(path, **more):
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost:5000")],
        "client": LOOPBACK,
        "server": ("127.0.0.1", 5000),
    } | more


async def test_the_traceback_is_logged_once_and_starts_at_the_application(visitor, kind, caplog):
    await visitor.open(f"/{kind}/ada")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("asyncflask.debugger", logging.ERROR)
    text = record.getMessage()
    assert text.startswith(f"Exception on /{kind}/ada [GET]\nTraceback (most recent call last):\n")
    assert text.count("File ") == 1 and "http://" not in text


async def test_a_path_makes_no_line_of_its_own_in_the_log(app, visitor, caplog):
    app.add_url_rule("/x<path:rest>", view_func=lambda rest: 1 / 0)
    await visitor.open("/x%0aFORGED")
    assert "\nFORGED" not in caplog.records[0].getMessage()


async def test_a_client_that_does_not_ask_for_html_gets_text(visitor, kind, caplog):
    answer = await visitor.client.get(f"/{kind}/ada")
    assert answer.status_code == 500 and answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith("Traceback (most recent call last):\n") and f"{kind} view has failed" in answer.text
    link = caplog.records[0].getMessage().rpartition("Look at it in a browser: ")[2]
    await visitor.open(link)
    await visitor.unlock()
    assert await visitor.run("name") == "'ada'"


async def test_head_gets_the_status_alone(visitor):
    answer = await visitor.client.head("/async/ada", headers=HTML)
    assert answer.status_code == 500 and not answer.content


async def test_without_evalex_there_is_the_page_alone(app):
    visitor = Visitor(app, evalex=False)
    await visitor.open("/async/ada")
    assert not visitor.is_interactive and 'SECRET = ""' in visitor.page.text
    assert (await visitor.client.get("/console", headers=HTML)).status_code == 404
    answer = await visitor.ask(cmd="1", frm=visitor.frames[0], s=visitor.debugged.secret)
    assert answer.status_code == 403 and "runs no code" in answer.text
    await visitor.leave()


@pytest.mark.parametrize("reason", [None, "There is <none> here."])
async def test_why_there_is_no_console(app, reason):
    visitor = Visitor(app, evalex=False, no_console=reason)
    text = (await visitor.open("/async/ada")).text
    assert ("There is &lt;none&gt; here." in text) is (reason is not None)
    assert text.count('<div class="explanation">') == 1 + (reason is not None)
    await visitor.leave()


async def test_the_console_of_no_error(app, visitor):
    await visitor.open("/console")
    assert "CONSOLE_MODE = true" in visitor.page.text
    await visitor.unlock()
    visitor.frames = []
    assert await visitor.run("current_app.name, app.name") == "('asyncflask_test', 'asyncflask_test')"
    assert await visitor.run("import asyncio; await asyncio.sleep(0, 'slept')") == "'slept'"


async def test_the_console_may_be_elsewhere_or_nowhere_and_have_names(app):
    visitor = Visitor(app, console_path="/shell", console_init_func=lambda: {"app": "mine", "extra": 1})
    assert (await visitor.open("/console")).status_code == 404
    await visitor.open("/shell")
    await visitor.unlock()
    assert await visitor.run("app, extra") == "('mine', 1)"
    await visitor.leave()
    visitor = Visitor(app, console_path=None)
    assert (await visitor.open("/console")).status_code == 404
    await visitor.leave()


async def test_the_request_itself_is_not_served_by_the_debugger(visitor):
    answer = await visitor.client.get("/fine", headers=HTML)
    assert answer.status_code == 200 and answer.text == "fine"


@pytest.mark.parametrize(
    "query", ["x=__debugger__=yes", "__debugger__=no", "__debugger__", "__debugger__=no&__debugger__=yes"]
)
async def test_a_query_that_only_looks_like_the_debuggers(visitor, query):
    assert (await visitor.client.get(f"/fine?{query}")).text == "fine"


async def test_errors_that_are_answered_do_not_reach_it(app, visitor, caplog):
    app.register_error_handler(TypeError, lambda error: ("handled", 418))
    answer = await visitor.client.get("/async/ada", headers=HTML)
    assert answer.status_code == 418 and not caplog.records
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.error_handler_spec[None][None].clear()
    answer = await visitor.client.get("/sync/ada", headers=HTML)
    assert answer.status_code == 500 and "Internal Server Error" in answer.text and "__debugger__" not in answer.text


async def test_only_the_last_errors_are_kept(app):
    visitor = Visitor(app, keep=2)
    await visitor.open("/async/first")
    await visitor.unlock()
    first = visitor.frames[-1]
    assert await visitor.run("name") == "'first'"
    for name in ("second", "third"):
        await visitor.open(f"/sync/{name}")
    answer = await visitor.ask(cmd="name", frm=first)
    assert answer.status_code == 404 and "not kept any more" in answer.text
    assert await visitor.run("name") == "'third'"
    await visitor.leave()


async def test_an_upload_stays_open_until_its_error_is_forgotten(app):
    files = []

    @app.post("/upload")
    async def upload():
        files.append(request.files["file"])
        raise TypeError("upload")

    visitor = Visitor(app, keep=1)
    await visitor.client.post("/upload", files={"file": ("a.txt", b"text")})
    assert not files[0].closed
    await visitor.open("/async/ada")
    assert files[0].closed
    await visitor.leave()


async def test_what_cannot_be_closed_spoils_no_other_page(app, caplog):
    visitor = Visitor(app, keep=1)

    class Stuck:
        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def end_request(self):
            raise OSError("stuck")

    async def keeps(scope, receive, send):
        scope["asyncflask.debugger"](Stuck())
        raise TypeError("open")

    visitor.debugged.app = keeps
    await visitor.open("/open")
    visitor.debugged.app = app
    assert (await visitor.open("/async/ada")).status_code == 500 and visitor.is_interactive
    assert [record.getMessage() for record in caplog.records][1] == "What a request held open could not be closed."
    await visitor.leave()


async def test_teardown_runs_around_each_line_and_sees_to_what_it_opened(app, visitor):
    seen = []

    @app.teardown_request
    async def note(error):
        seen.append((type(error).__name__, g.pop("opened", None)))

    await visitor.open("/async/ada")
    await visitor.unlock()
    assert seen == [("TypeError", None)]
    await visitor.run("from asyncflask import g; g.opened = 'by hand'")
    assert seen[1:] == [("NoneType", "by hand")]


async def test_an_error_of_a_teardown_function(app, visitor):
    @app.teardown_request
    def fails(error):
        if request.path == "/fine":
            left = "open"
            raise OSError(left)

    await visitor.open("/fine")
    assert visitor.functions == ["fails"]
    await visitor.unlock()
    shown = await visitor.run("left")  # the same function fails again after the line
    assert shown.startswith("'open'") and shown.endswith("OSError: open")


async def test_the_frames_of_what_caused_the_error(app, visitor):
    @app.get("/chain")
    async def chain():
        try:
            inner()
        except KeyError as error:
            raise RuntimeError("outer") from error

    def inner():
        depth = 2
        raise KeyError(depth)

    await visitor.open("/chain")
    assert "direct cause" in visitor.page.text and visitor.functions == ["chain", "inner", "chain"]
    await visitor.unlock()
    assert await visitor.run("depth", frame=1) == "2"


async def test_the_frames_of_every_error_in_a_group(app, visitor):
    async def child(number):
        mark = number
        raise ValueError(f"<{mark}>")

    @app.get("/group")
    async def group():
        outer = "around"
        async with asyncio.TaskGroup() as tasks:
            for number in range(2):
                tasks.create_task(child(number))
        return outer

    await visitor.open("/group")
    assert [name for name in visitor.functions if name != "__aexit__"] == ["child", "child", "group"]
    assert "1 of 2 in a group: ValueError: &lt;0&gt;" in visitor.page.text
    assert "2 of 2 in a group: ValueError: &lt;1&gt;" in visitor.page.text
    await visitor.unlock()
    marks = [await visitor.run("mark", frame=number) for number in range(2)]
    assert marks == ["0", "1"]
    assert await visitor.run("outer", frame=visitor.functions.index("group")) == "'around'"


async def test_hidden_frames_are_shown_if_asked_for(app):
    visitor = Visitor(app, show_hidden_frames=True)
    await visitor.open("/async/ada")
    assert {"serve_http", "exchange", "an_async_view"} <= set(visitor.functions)
    await visitor.leave()


async def test_a_wsgi_application_of_somebody_else():
    def wsgi(environ, start_response):
        shelf = environ["PATH_INFO"]
        raise LookupError(shelf)

    adapter = WSGIAdapter(wsgi)
    visitor = Visitor(adapter)
    await visitor.open("/books")
    assert visitor.functions == ["wsgi"]
    await visitor.unlock()
    assert await visitor.run("shelf") == "'/books'"
    await visitor.leave()
    await asyncio.to_thread(adapter._own_pool.close)


async def test_flasks_way_of_putting_middleware_in_front(app):
    """A WSGI middleware on ``app.wsgi_app`` changes nothing about the debugger."""
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: inner(environ, start_response)
    visitor = Visitor(app)
    await visitor.open("/async/ada?q=1")
    assert visitor.functions[-1] == "an_async_view"
    await visitor.unlock()
    assert await visitor.run("treasure, g.hoard") == "('in the async view of ada', ['in the async view of ada'])"
    await visitor.leave()
    await asyncio.to_thread(app.close_threads)


async def test_an_asgi_middleware_in_between(app):
    class Middleware:
        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            await self.app(scope, receive, send)

    visitor = Visitor(Middleware(Middleware(app.asgi_app)))
    await visitor.open("/async/ada")
    assert visitor.functions == ["__call__", "__call__", "an_async_view"]
    await visitor.unlock()
    assert await visitor.run("request.path") == "'/async/ada'"
    await visitor.leave()


def test_the_sync_client_goes_through_it(app):
    app.asgi_app = DebuggedApplication(app.asgi_app, evalex=True)
    client = app.test_client()
    for kind in ("async", "sync"):
        answer = client.get(f"/{kind}/ada", headers=HTML)
        assert answer.status_code == 500 and f"the {kind} view has failed" in answer.text
    app.asgi_app.close()


# -- websockets


async def socket(app, sent, *received, scope=None):
    queue = list(received)

    async def receive():
        return queue.pop(0)

    async def send(message):
        sent.append(message)

    scope = http_scope("/ws", type="websocket", scheme="ws") | (scope or {})
    debugged = DebuggedApplication(app, evalex=True)
    await debugged(scope, receive, send)
    return debugged


async def test_a_websocket_that_fails_is_closed_and_its_page_is_in_the_log(caplog):
    async def chat(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        said = (await receive())["text"]
        raise ValueError(said)

    sent = []
    said = {"type": "websocket.receive", "text": "hello " + "ü" * 100}
    debugged = await socket(chat, sent, {"type": "websocket.connect"}, said)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[-1]["code"] == 1011 and sent[-1]["reason"].startswith("ValueError: hello ü")
    assert len(sent[-1]["reason"].encode()) <= 123
    (record,) = caplog.records
    assert "Exception on /ws [WEBSOCKET]" in record.getMessage()
    link = record.getMessage().rpartition("Look at it in a browser: ")[2]
    assert link.startswith("http://localhost:5000/?__debugger__=yes&tb=")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=debugged)) as client:
        assert "hello" in (await client.get(link, headers=HTML)).text
    await asyncio.to_thread(debugged.close)


async def test_a_websocket_that_fails_before_it_is_accepted_is_refused_with_the_traceback(caplog):
    async def chat(scope, receive, send):
        raise ValueError("no")

    sent = []
    await socket(chat, sent, scope={"extensions": {"websocket.http.response": {}}})
    assert [message["type"] for message in sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert sent[0]["status"] == 500 and b"ValueError: no" in sent[1]["body"]
    sent.clear()
    await socket(chat, sent)
    assert [message["type"] for message in sent] == ["websocket.close"] and len(caplog.records) == 2


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_frames_of_a_websocket_handler(app, visitor, caplog, is_async):
    async def chat():
        await websocket.accept()
        heard = await websocket.receive()
        g.hoard = heard
        raise ValueError(heard)

    def sync_chat():
        websocket.accept()
        heard = websocket.receive()
        g.hoard = heard
        raise ValueError(heard)

    app.add_websocket("/ws", view_func=chat if is_async else sync_chat)
    async with talk(visitor.debugged, "/ws", headers={"Host": "localhost:5000"}) as client:
        client.say("hello")
        assert await client.closed() == (1011, "ValueError: hello")
    (record,) = caplog.records
    await visitor.open(record.getMessage().rpartition("Look at it in a browser: ")[2])
    assert visitor.functions[-2:] == ["chat" if is_async else "sync_chat"]
    await visitor.unlock()
    assert await visitor.run("heard") == "'hello'"
    assert await visitor.run("websocket.path, g.hoard") == "('/ws', 'hello')"
    await visitor.run("import asyncio; await asyncio.sleep(0)")


async def test_a_websocket_that_is_closed_stays_so(caplog):
    async def chat(scope, receive, send):
        await send({"type": "websocket.close", "code": 1000})
        raise ValueError("afterwards")

    sent = []
    await socket(chat, sent)
    assert sent == [{"type": "websocket.close", "code": 1000}] and len(caplog.records) == 1


# -- start and end


async def test_the_pin_is_printed_once_at_the_start_and_the_end_lets_go(app, capsys):
    visitor = Visitor(app)
    await visitor.open("/async/ada")
    messages = asyncio.Queue()
    sent = []

    async def send(message):
        sent.append(message["type"])

    serving = asyncio.create_task(
        visitor.debugged({"type": "lifespan", "asgi": {"version": "3.0"}}, messages.get, send)
    )
    for phase in ("startup", "shutdown"):
        await messages.put({"type": f"lifespan.{phase}"})
    await asyncio.wait_for(serving, 30)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert capsys.readouterr().err.count(visitor.debugged.pin) == 1
    assert (await visitor.ask(cmd="1", frm=visitor.frames[0])).status_code == 403
    await visitor.unlock()
    assert (await visitor.ask(cmd="1", frm=visitor.frames[0])).status_code == 404
    await visitor.leave()
