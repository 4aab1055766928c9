"""The in-memory exchange: what it takes from an application and what it refuses; scopes made from environs."""

from __future__ import annotations

import asyncio
import io

import pytest
from werkzeug.test import EnvironBuilder, create_environ

from asyncflask.testing.transport import CHUNK, BodyCut, Exchange, ProtocolError, request_body, scope_from_environ
from asyncflask.wrappers.environ import environ_from_scope


def start(status=200, *headers):
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(piece=b"", more=False):
    return {"type": "http.response.body", "body": piece, "more_body": more}


def run(*messages, method="GET", pieces=()):
    exchange = Exchange({"type": "http", "method": method}, pieces)

    async def app(scope, receive, send):
        for message in messages:
            await send(message)

    asyncio.run(exchange.run(app))
    return exchange


def test_an_answer_is_collected():
    exchange = run(start(201, (b"x", b"1")), body(b"a", True), body(b"", True), body(b"b"))
    assert (exchange.status, exchange.headers, exchange.pieces) == (201, [(b"x", b"1")], [b"a", b"b"])
    assert exchange.complete


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "returned without an answer"),
        ([start()], "in the middle of its answer"),
        ([start(), body(b"x", True)], "in the middle of its answer"),
        ([start(), start()], "started twice"),
        ([body(b"x")], "before the start"),
        ([start(), body(), body()], "after the end"),
        ([start("200")], "'200' is not the status"),
        ([start(100)], "100 is not the status"),
        ([start(200, ("x", b"1"))], "lower-case bytes"),
        ([start(200, (b"x", "1"))], "lower-case bytes"),
        ([start(200, (b"X", b"1"))], "lower-case bytes"),
        ([start(), body("text")], "must be bytes, not str"),
        ([start(204), body(b"x")], "must have no body"),
        ([start(304), body(b"x")], "must have no body"),
        ([{"type": "http.response.push"}], "is not a message"),
    ],
)
def test_what_a_server_would_refuse_is_refused(messages, complaint):
    with pytest.raises(ProtocolError, match=complaint):
        run(*messages)


def test_head_has_no_body():
    assert run(start(), body(), method="HEAD").complete
    with pytest.raises(ProtocolError, match="HEAD with status 200 must have no body"):
        run(start(), body(b"x"), method="HEAD")


def test_errors_of_the_application_come_out():
    async def app(scope, receive, send):
        await send(start())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(Exchange({"method": "GET"}).run(app))


async def listening(exchange, times):
    heard = []

    async def app(scope, receive, send):
        for _ in range(times):
            heard.append(await receive())
        await send(start())
        await send(body())
        heard.append(await receive())

    await exchange.run(app)
    return heard


def test_the_body_comes_piece_by_piece_and_the_client_leaves_after_the_answer():
    heard = asyncio.run(listening(Exchange({"method": "GET"}, [b"a", b"b"]), 3))
    assert heard == [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.request", "body": b"b", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]


def test_a_cut_body_ends_with_the_client_leaving():
    def pieces():
        yield b"a"
        raise BodyCut

    heard = asyncio.run(listening(Exchange({"method": "GET"}, pieces()), 3))
    assert [message["type"] for message in heard] == ["http.request"] + ["http.disconnect"] * 3


def test_nobody_leaves_before_the_answer_is_complete():
    async def app(scope, receive, send):
        await receive()
        waits = asyncio.create_task(receive())
        await asyncio.sleep(0)
        assert not waits.done()
        await send(start())
        await send(body())
        assert (await waits)["type"] == "http.disconnect"

    asyncio.run(Exchange({"method": "GET"}).run(app))


def pieces_of(environ):
    return [len(piece) for piece in request_body(environ)]


def test_a_request_body_is_read_up_to_its_length():
    source = io.BytesIO(b"x" * (CHUNK + 10))
    assert pieces_of({"wsgi.input": source, "CONTENT_LENGTH": str(CHUNK + 3)}) == [CHUNK, 3]
    assert source.tell() == CHUNK + 3


def test_a_request_body_that_ends_too_early_is_cut():
    with pytest.raises(BodyCut):
        pieces_of({"wsgi.input": io.BytesIO(b"12"), "CONTENT_LENGTH": "3"})
    with pytest.raises(BodyCut):
        pieces_of({"CONTENT_LENGTH": "3"})


@pytest.mark.parametrize("more", [{"wsgi.input_terminated": True}, {"HTTP_TRANSFER_ENCODING": "chunked"}])
def test_a_request_body_without_length_ends_with_its_input(more):
    assert pieces_of({"wsgi.input": io.BytesIO(b"x" * 5), **more}) == [5]


@pytest.mark.parametrize("length", ["", "0", "x"])
def test_no_length_is_no_request_body(length):
    assert pieces_of({"wsgi.input": io.BytesIO(b"x" * 5), "CONTENT_LENGTH": length}) == []


def test_a_scope_says_what_the_environ_said():
    environ = EnvironBuilder(
        "/p\u00e4th/a%2Fb?q=%C3%A4",
        "https://example.com:8443/ro\u00f6t",
        method="PUT",
        headers=[("X-Name", "\xe4"), ("X-Two", "1"), ("X-Two", "2")],
        data=b"data",
        content_type="a/b",
        environ_base={"REMOTE_ADDR": "1.2.3.4", "REMOTE_PORT": "99"},
    ).get_environ()
    scope = scope_from_environ(environ)
    assert (scope["method"], scope["scheme"], scope["http_version"]) == ("PUT", "https", "1.1")
    assert scope["root_path"] == "/ro\u00f6t"
    assert scope["path"] == "/ro\u00f6t/p\u00e4th/a/b"
    assert scope["raw_path"] == b"/ro%C3%B6t/p%C3%A4th/a/b"
    assert scope["query_string"] == b"q=%C3%A4"
    assert scope["client"] == ("1.2.3.4", 99)
    assert scope["server"] == ("example.com", 8443)
    assert dict(scope["headers"]) == {
        b"host": b"example.com:8443",
        b"x-name": b"\xe4",
        b"x-two": b"1, 2",
        b"content-type": b"a/b",
        b"content-length": b"4",
    }


@pytest.mark.parametrize("path", ["/", "/a b", "/%E4", "/\u20ac", "/a//b", "//a", "/%00%7f", "/a;b=c,d"])
@pytest.mark.parametrize("root", ["", "/root", "/r\u00f6\u00f6t"])
def test_environ_to_scope_to_environ(path, root):
    before = create_environ(path, f"http://localhost{root}")
    scope = scope_from_environ(before)
    under = scope["path"].removeprefix(scope["root_path"])
    after = environ_from_scope(scope, under, scope["root_path"], io.BytesIO())
    same = [
        "REQUEST_METHOD",
        "QUERY_STRING",
        "SERVER_NAME",
        "SERVER_PORT",
        "HTTP_HOST",
        "SCRIPT_NAME",
        "wsgi.url_scheme",
    ]
    assert {key: after[key] for key in same} == {key: before[key] for key in same}
    # a server decodes the path, and what is no UTF-8 is lost there
    decoded = before["PATH_INFO"].encode("latin-1").decode(errors="replace")
    assert after["PATH_INFO"].encode("latin-1").decode() == decoded


def test_what_an_environ_lacks():
    scope = scope_from_environ({"REQUEST_METHOD": "GET", "SERVER_NAME": "name", "SERVER_PORT": "81"})
    assert scope["headers"] == [(b"host", b"name:81")]
    assert scope["client"] is None
    scope = scope_from_environ({"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "SERVER_NAME": "name"})
    assert scope["server"] == ("name", 443)
    assert scope_from_environ({"REQUEST_METHOD": "GET"})["server"] is None


def test_a_value_that_is_no_native_string_goes_as_utf_8():
    scope = scope_from_environ({"REQUEST_METHOD": "GET", "HTTP_X": "\u20ac", "HTTP_N": 3})
    assert dict(scope["headers"]) == {b"x": "\u20ac".encode(), b"n": b"3"}
