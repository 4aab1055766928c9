"""Our response under a WSGI server: its body steps and closes in the exchange's context, async or not."""

from __future__ import annotations

import asyncio
import contextvars
from wsgiref.validate import validator

import pytest
from werkzeug.test import create_environ

from asyncflask.threads import CallerBridge
from asyncflask.wrappers import Response
from asyncflask.wsgi import respond

variable = contextvars.ContextVar("variable", default="outside")


@pytest.fixture
def bridge():
    bridge = CallerBridge()
    yield bridge
    bridge.close()


@pytest.fixture
def context():
    context = contextvars.copy_context()
    context.run(variable.set, "inside")
    return context


class Server:
    """What a WSGI server does with an application."""

    def __init__(self, bridge, context):
        self.bridge, self.context = bridge, context

    def end(self):
        """End the request; a response by itself has none."""

    def start(self, response, method="GET"):
        def start_response(status, headers, exc_info=None):
            self.status, self.headers = status, headers
            return print

        environ = create_environ(method=method)
        return respond(environ, start_response, response, self.context, self.bridge, self.end)

    def body(self, response, method="GET"):
        iterable = self.start(response, method)
        try:
            return b"".join(iterable)
        finally:
            iterable.close()


@pytest.fixture
def server(bridge, context):
    return Server(bridge, context)


def test_a_plain_response(server):
    assert server.body(Response("text", 201, {"X-Name": "1"})) == b"text"
    assert server.status == "201 CREATED"
    assert ("X-Name", "1") in server.headers
    assert ("Content-Length", "4") in server.headers


def test_a_stream_steps_and_closes_in_the_context(server):
    seen = []

    def pieces():
        try:
            for _ in range(2):
                seen.append(variable.get())
                yield variable.get()
                variable.set("changed")
        finally:
            seen.append(f"closed {variable.get()}")

    response = Response(pieces())
    response.call_on_close(lambda: seen.append(f"called {variable.get()}"))
    assert server.body(response) == b"insidechanged"
    assert seen[:2] == ["inside", "changed"]
    assert sorted(seen[2:]) == ["called changed", "closed changed"]
    assert variable.get() == "outside"


def test_an_async_stream_is_awaited_in_the_context(server):
    seen = []

    async def pieces():
        try:
            yield "t\u00e4xt "
            await asyncio.sleep(0)
            yield variable.get().encode()
            variable.set("changed")
        finally:
            await asyncio.sleep(0)
            seen.append(f"closed {variable.get()}")

    response = Response(pieces())
    response.call_on_close(lambda: seen.append(f"called {variable.get()}"))
    assert server.body(response) == "t\u00e4xt inside".encode()
    assert seen == ["closed changed", "called changed"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_wrong_piece_does_not_pass_for_the_end(server, kind):
    def pieces():
        yield b"a"
        yield None
        yield b"b"

    async def async_pieces():
        for piece in pieces():
            yield piece

    body = server.start(Response(pieces() if kind == "sync" else async_pieces()))
    assert [*body] == [b"a", None, b"b"]  # a server refuses the second
    body.close()


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_async_stream_that_must_not_be_sent_is_closed(server, method, status):
    seen = []

    class Pieces:
        def __aiter__(self):
            return self

        async def __anext__(self):
            seen.append("stepped")
            return b"x"

        async def aclose(self):
            seen.append("closed")

    assert server.body(Response(Pieces(), status), method) == b""
    assert seen == ["closed"]
    assert int(server.status[:3]) == status


def test_an_async_stream_left_in_the_middle_is_closed_once(server):
    seen = []

    async def pieces():
        try:
            while True:
                yield b"x"
        finally:
            seen.append("closed")

    response = Response(pieces())
    response.call_on_close(lambda: seen.append("called"))
    iterable = server.start(response)
    assert next(iterable) == b"x"
    iterable.close()
    iterable.close()
    assert seen == ["closed", "called"]
    assert list(iterable) == []


def test_a_stream_left_before_its_start_is_closed_once(server):
    calls = []
    response = Response(iter([b"x"]))
    response.call_on_close(lambda: calls.append(variable.get()))
    iterable = server.start(response)
    iterable.close()
    iterable.close()
    assert calls == ["inside"]
    assert list(iterable) == []


def test_an_error_of_an_async_stream_reaches_the_server(server):
    async def pieces():
        yield b"x"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        server.body(Response(pieces()))


@pytest.mark.parametrize("is_async", [False, True])
def test_the_validator_of_pep_3333_has_nothing_to_say(bridge, context, is_async):
    async def pieces():
        yield "x"

    def app(environ, start_response):
        response = Response(pieces() if is_async else ["x"])
        return respond(environ, start_response, response, context, bridge, lambda: None)

    iterable = validator(app)(create_environ(), lambda status, headers, exc_info=None: print)
    try:
        assert b"".join(iterable) == b"x"
    finally:
        iterable.close()


@pytest.mark.parametrize("is_async", [False, True])
def test_the_request_is_ended_after_the_last_piece_and_outside_of_its_context(server, is_async):
    order = []

    async def async_pieces():
        yield "x"
        order.append("last piece")

    def pieces():
        yield "x"
        order.append("last piece")

    server.end = lambda: order.append(variable.get())
    response = Response(async_pieces() if is_async else pieces())
    response.call_on_close(lambda: order.append("closed"))
    assert server.body(response) == b"x"
    assert order == ["last piece", "outside", "closed", "outside"]
