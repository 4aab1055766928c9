"""How requests are told apart on a connection: hosts, lengths, pipelines, and what no server should let through."""

from __future__ import annotations

import contextlib
import threading
from contextvars import ContextVar

import pytest

from asyncflask import request as current
from asyncflask.signals import appcontext_pushed, request_started

from .servers import Cut, chunked, request

seen = ContextVar("seen", default="nothing")


@pytest.fixture
def calls(app):
    """The names of the functions of the app that ran, in order."""
    calls = []

    @app.before_request
    def before():
        calls.append("before")

    @app.teardown_request
    def teardown(error):
        calls.append("teardown")

    @app.post("/echo")
    async def echo():
        calls.append("view")
        return current.get_data()

    @app.post("/echo/def")
    def echo_def():
        calls.append("view")
        return current.get_data()

    return calls


HEAD = b"POST /echo HTTP/1.1\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b"Content-Length: 2\r\n\r\nok",
        HEAD + b"Host: a.test\r\nHost: b.test\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"Host: a.test\r\nHost: a.test\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"Host: a b\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"Host: a.test/x\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"Host: user@a.test\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"Host: a.test\xff\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"Host: a.test, b.test\r\nContent-Length: 2\r\n\r\nok",
        HEAD + b"Host: a.test\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ok"),
        HEAD + b"Host: a.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n" + chunked(b"ok"),
        HEAD + b"Host: a.test\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        HEAD + b"Host: a.test\r\nContent-Length: +2\r\n\r\nok",
        HEAD + b"Host: a.test\r\nContent-Length: -2\r\n\r\nok",
        HEAD + b"Host: a.test\r\nContent-Length: 0x2\r\n\r\nok",
        HEAD + b"Host: a.test\r\nContent-Length: two\r\n\r\nok",
        HEAD + b"Host: a.test\r\nContent-Length: 99999999999999999999999\r\n\r\nok",
        HEAD + b"Host: a.test\r\nBad Header: x\r\n\r\n",
        HEAD + b"Host: a.test\r\nX: a\0b\r\n\r\n",
        b"POST  HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client hello\r\n\r\n",
    ],
)
def test_ambiguous_requests_are_refused_and_the_connection_is_closed(app, serve_each, calls, raw):
    live = serve_each(app)
    with live.connect() as wire:
        wire.send(raw)
        assert wire.answer().status == 400
        assert wire.closed()
    assert calls == []
    live.alive()


def test_a_request_smuggled_in_a_body_is_never_answered(app, serve_each, calls):
    live = serve_each(app)
    inner = request("POST", "/echo", body=b"smuggled")
    with live.connect() as wire:
        lines = ["Content-Length: 6", "Transfer-Encoding: chunked"]
        wire.send(request("POST", "/echo", *lines, body=b"0\r\n\r\n" + inner))
        assert wire.answer().status == 400
        assert wire.closed()
    assert calls == []
    live.alive()


def test_http_1_0_needs_no_host(app, serve_each, calls):
    live = serve_each(app)
    answer = live.ask(b"POST /echo HTTP/1.0\r\nContent-Length: 2\r\n\r\nok")
    assert (answer.status, answer.body) == (200, b"ok")


def test_an_untrusted_host_is_refused_before_anything_else(app, serve_each, calls):
    app.config["TRUSTED_HOSTS"] = ["good.test", ".better.test"]
    for signal in (request_started, appcontext_pushed):
        signal.connect(lambda sender, **values: calls.append("signal"), app, weak=False)
    app.register_error_handler(400, lambda error: calls.append("handler") or "handled")
    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("POST", "/echo", body=b"x" * 10, host="bad.test"))
        assert wire.answer().status == 400
        assert wire.closed()
    assert live.ask(request("GET", "/nowhere", host="bad.test")).status == 400
    assert calls == []
    assert live.ask(request("POST", "/echo", body=b"x", host="www.better.test:80")).body == b"x"
    assert calls.count("view") == 1


def test_forwarding_headers_are_not_believed(app, serve_each):
    @app.get("/who")
    async def who():
        return {"host": current.host, "url": current.url, "addr": current.remote_addr, "route": current.access_route,
                "root": current.root_path, "scheme": current.scheme}  # fmt: skip

    live = serve_each(app)
    lines = ["X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.test",
             "X-Forwarded-Prefix: /evil", "Forwarded: for=6.6.6.6;host=evil.test;proto=https",
             "X-Real-IP: 6.6.6.6", "X-HTTP-Method-Override: DELETE", "X-Original-URL: /alive"]  # fmt: skip
    answer = live.get("/who", *lines).text
    assert "evil" not in answer and "https" not in answer
    assert '"addr":"127.0.0.1"' in answer


def test_an_underscore_is_not_a_hyphen(app, serve_each):
    @app.get("/names")
    def names():
        environ = {name: value for name, value in current.environ.items() if name.startswith("HTTP_X")}
        return {"headers": [current.headers.get("X-Forwarded-For"), current.headers.get("X-User")], "environ": environ}

    live = serve_each(app)
    answer = live.get("/names", "X_Forwarded_For: 6.6.6.6", "X-User: ada", "X_User: root", "Content_Length: 5")
    assert '"headers":[null,"ada"]' in answer.text
    assert '"environ":{"HTTP_X_USER":"ada"}' in answer.text


@pytest.mark.parametrize("path", ["/var/async", "/var/def"])
def test_no_context_var_reaches_the_next_request(app, serve_each, path):
    app.config["THREADS"] = 1

    @app.before_request
    async def before():
        return seen.get() + "\n" if current.args.get("look") == "before" else None

    @app.get("/var/async")
    async def var_async():
        found = seen.get()
        seen.set(current.args["n"])
        return f"{found}\n"

    @app.get("/var/def")
    def var_def():
        found = seen.get()
        seen.set(current.args["n"])
        return f"{found} {threading.get_ident()}\n"

    @app.get("/var/stream")
    async def stream():
        seen.set(current.args["n"])

        async def pieces():
            yield seen.get() + "\n"

        return pieces()

    @app.after_request
    def after(response):
        seen.set("after")
        return response

    live = serve_each(app)
    with live.connect() as wire:  # one after another on one connection
        answers = []
        for n in range(3):
            wire.send(request("GET", f"{path}?n={n}"))
            answers.append(wire.answer().text)
    with live.connect() as wire:  # pipelined: the next is started from inside of the server's send
        targets = [f"{path}?n={n}" for n in range(5)] + ["/var/stream?n=7"] + [f"{path}?n=8"]
        wire.send(b"".join(request("GET", target) for target in targets))
        pipelined = [wire.answer().text for _ in targets]
    assert pipelined.pop(5) == "after\n"
    assert {text.split()[0] for text in answers + pipelined} == {"nothing"}
    if path == "/var/def":
        assert len({text.split()[1] for text in answers + pipelined}) == 1, "not one worker thread, this shows nothing"


def test_pipelined_bodies_belong_to_their_requests(app, serve_each, calls):
    live = serve_each(app)
    bodies = [b"a" * n for n in (1, 70_000, 0, 3, 200_000)]
    raw = b""
    for n, body in enumerate(bodies):
        path = "/echo" if n % 2 else "/echo/def"
        if n == 3:
            raw += request("POST", path, "Transfer-Encoding: chunked", body=chunked(body[:1], body[1:]))
        else:
            raw += request("POST", path, f"Content-Length: {len(body)}", body=body)
    with live.connect() as wire:
        sender = threading.Thread(target=wire.send, args=(raw,))
        sender.start()
        answers = [wire.answer().body for _ in bodies]
        sender.join()
    assert answers == bodies


def test_a_body_that_no_view_read_is_not_taken_for_the_next_request(app, serve_each, calls):
    """404, 405 and refused bodies are left unread; what follows on the connection is right or the connection closed."""
    app.config["MAX_CONTENT_LENGTH"] = 100
    live = serve_each(app)
    evil = request("POST", "/echo", body=b"evil")
    for target, status in [("/nowhere", 404), ("/alive", 405), ("/echo", 413)]:
        with live.connect() as wire:
            wire.send(request("POST", target, body=evil + b"x" * 1000) + request("GET", "/alive"))
            assert wire.answer().status == status
            with contextlib.suppress(Cut):
                assert wire.answer().text == "alive"
        live.alive()


def test_a_body_longer_than_declared_is_the_next_request_and_bad(app, serve_each, calls):
    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("POST", "/echo", "Content-Length: 2", body=b"ok and more\r\n\r\n"))
        answer = wire.answer()
        if answer.status == 200:  # httptools may have refused both by then
            assert answer.body == b"ok"
            answer = wire.answer()
        assert answer.status == 400
        assert wire.closed()
    live.alive()


@pytest.mark.parametrize(
    "body",
    [b"zz\r\nok\r\n0\r\n\r\n", b"-2\r\nok\r\n0\r\n\r\n", b"2\r\nokay\r\n0\r\n\r\n", b"\r\n\r\n", b"f" * 40 + b"\r\nx"],
)
def test_bad_chunks(app, serve_each, calls, body):
    """The server refuses them; a request that had begun is one whose client left."""
    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("POST", "/echo", "Transfer-Encoding: chunked", body=body))
        with contextlib.suppress(Cut):
            assert wire.answer().status == 400
        assert wire.closed()
    live.alive()


@pytest.mark.parametrize("begin", [b"G", b"GET / HT", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: a.test\r\n"])
def test_a_header_that_never_ends_holds_up_nobody(app, serve_each, begin):
    live = serve_each(app)
    with live.connect() as slow:
        slow.send(begin)
        live.alive()
        slow.say_no_more()
        live.alive()
    live.alive()


def test_an_immense_header_is_refused(app, serve_each):
    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("GET", "/alive", "X: " + "x" * 1_000_000))
        with contextlib.suppress(Cut):
            assert wire.answer().status in (200, 400, 431)
    live.alive()


def test_expect_100_continue_is_answered_only_if_the_body_is_wanted(app, serve_each, calls):
    app.config["MAX_CONTENT_LENGTH"] = 10
    live = serve_each(app)
    for path in ("/echo", "/echo/def"):
        with live.connect() as wire:
            wire.send(request("POST", path, "Content-Length: 2", "Expect: 100-continue"))
            assert wire.answer().status == 100
            wire.send(b"ok")
            assert wire.answer().body == b"ok"
        with live.connect() as wire:
            wire.send(request("POST", path, "Content-Length: 11", "Expect: 100-continue"))
            assert wire.answer().status == 413
    with live.connect() as wire:
        wire.send(request("POST", "/nowhere", "Content-Length: 2", "Expect: 100-continue"))
        assert wire.answer().status == 404
    live.alive()
