"""Websockets of the async test client, against bare ASGI applications: handshake, messages, and each way to end."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from asyncflask.testing import WebsocketDisconnectError, WebsocketResponseError
from asyncflask.testing.async_client import AsyncFlaskClient
from asyncflask.testing.transport import ProtocolError

ACCEPT = {"type": "websocket.accept"}


class Plain:
    """What the client needs to know of an application."""

    config: ClassVar = {"PREFERRED_URL_SCHEME": "http", "APPLICATION_ROOT": "/"}

    def __init__(self, asgi, scopes=None):
        self.websocket, self.scopes = asgi, scopes

    async def asgi(self, scope, receive, send):
        if scope["type"] == "lifespan":
            raise AssertionError("no lifespan")
        if self.scopes is not None:
            self.scopes.append(scope)
        if scope["type"] == "websocket":
            assert await receive() == {"type": "websocket.connect"}
            await self.websocket(receive, send)
        else:
            cookie = (b"set-cookie", b"name=of http; Path=/")
            await send({"type": "http.response.start", "status": 200, "headers": [cookie]})
            await send({"type": "http.response.body"})


def client_of(asgi, scopes=None, **options):
    return AsyncFlaskClient(Plain(asgi, scopes), **options)


async def echo(receive, send):
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


# -- handshake --------------------------------------------------------------------------------------------------------


async def test_the_scope_of_a_handshake():
    scopes = []
    async with client_of(echo, scopes, base_url="https://x.test/prefix", headers={"X-Client": "1"}) as client:
        await client.get("/")
        async with client.websocket("/ws", subprotocols=["a", "b"], headers={"X-Mine": "2"}, params={"q": "1"}):
            pass
    scope = scopes[1]
    assert (scope["type"], scope["scheme"], scope["root_path"], scope["path"]) == (
        "websocket", "wss", "/prefix", "/prefix/ws",
    )  # fmt: skip
    assert scope["query_string"] == b"q=1"
    assert scope["subprotocols"] == ["a", "b"]
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert "method" not in scope
    headers = dict(scope["headers"])
    assert (headers[b"x-client"], headers[b"x-mine"], headers[b"cookie"]) == (b"1", b"2", b"name=of http")
    assert (headers[b"upgrade"], headers[b"sec-websocket-protocol"]) == (b"websocket", b"a, b")


async def test_what_is_accepted():
    async def asgi(receive, send):
        headers = [(b"set-cookie", b"ws=1; Path=/"), (b"x-app", b"2")]
        await send({**ACCEPT, "subprotocol": "b", "headers": headers})
        await receive()

    async with client_of(asgi) as client:
        async with client.websocket("/", subprotocols=["a", "b"]) as ws:
            assert ws.subprotocol == "b"
            assert ws.headers["x-app"] == "2"
            assert ws.closed is None
        assert client.cookies["ws"] == "1"


async def test_a_refusal_with_a_response():
    async def asgi(receive, send):
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"key")]})
        await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"are you?"})
        assert (await receive())["type"] == "websocket.disconnect"

    async with client_of(asgi) as client:
        with pytest.raises(WebsocketResponseError, match="refused: 401 Unauthorized 'who are you\\?'") as caught:
            async with client.websocket("/"):
                pass
    response = caught.value.response
    assert (response.status_code, response.text, response.headers["x-why"]) == (401, "who are you?", "key")


async def test_a_close_before_the_handshake_is_403():
    async def asgi(receive, send):
        await send({"type": "websocket.close", "code": 4000})

    async with client_of(asgi) as client:
        with pytest.raises(WebsocketResponseError, match="403"):
            await client.websocket("/").__aenter__()


# -- messages ---------------------------------------------------------------------------------------------------------


async def test_text_bytes_and_json():
    async with client_of(echo) as client, client.websocket("/") as ws:
        for data in ("text", b"bytes", "", b"", "\u00e4"):
            await ws.send(data)
            assert await ws.receive() == data
        await ws.send_json({"a": [1, None]})
        assert await ws.receive_json() == {"a": [1, None]}
        await ws.send("no json")
        with pytest.raises(ValueError):
            await ws.receive_json()
        with pytest.raises(TypeError, match=r"str or bytes, not dict; send_json\(\)"):
            await ws.send({})


async def test_json_is_made_by_the_provider_of_the_app(app):
    app.json.dumps = lambda value: "dumped"
    app.json.loads = lambda data: f"loaded {data}"
    app.asgi_app = Plain(echo).asgi
    async with app.async_test_client() as client, client.websocket("/") as ws:
        await ws.send_json(1)
        assert await ws.receive_json() == "loaded dumped"


async def test_messages_of_both_sides_are_held_back():
    sent = []

    async def asgi(receive, send):
        await send(ACCEPT)
        while True:
            await send({"type": "websocket.send", "bytes": b"x" * 30_000})
            sent.append(1)

    async with client_of(asgi) as client, client.websocket("/") as ws:
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(sent) == 2
        send = asyncio.create_task(ws.send(b"x" * 100_000))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not send.done()
    await send


async def test_a_fast_sender_waits_for_messages_without_bytes_too():
    async def asgi(receive, send):
        await send(ACCEPT)
        await asyncio.Event().wait()

    async with client_of(asgi) as client:
        async with client.websocket("/") as ws:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    while True:
                        await ws.send("")
        for connection in client._memory.connections:
            connection.tasks[0].cancel()


# -- ends -------------------------------------------------------------------------------------------------------------


async def test_closed_by_the_application():
    async def asgi(receive, send):
        await send(ACCEPT)
        await send({"type": "websocket.send", "text": "last"})
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
        assert await receive() == {"type": "websocket.disconnect", "code": 4001, "reason": "enough"}

    async with client_of(asgi) as client:
        async with client.websocket("/") as ws:
            assert await ws.receive() == "last"
            for act in (ws.receive, lambda: ws.send("x"), ws.receive_json):
                with pytest.raises(WebsocketDisconnectError, match="closed: 4001 'enough'") as caught:
                    await act()
                assert (caught.value.code, caught.value.reason) == (4001, "enough")
            await ws.close()
            assert ws.closed == (4001, "enough")
        async with client.websocket("/") as ws:
            assert [message async for message in ws] == ["last"]


async def test_closed_by_the_client():
    seen = []

    async def asgi(receive, send):
        await send(ACCEPT)
        while (message := await receive())["type"] == "websocket.receive":
            seen.append(message["text"])
        seen.append((message["code"], message["reason"]))
        with pytest.raises(OSError, match="client has left"):
            await send({"type": "websocket.send", "text": "late"})
        seen.append(await receive())

    async with client_of(asgi) as client:
        async with client.websocket("/") as ws:
            await ws.send("before")
            await ws.close(4002, "bye")
            with pytest.raises(WebsocketDisconnectError, match="4002 'bye'"):
                await ws.send("after")
            with pytest.raises(WebsocketDisconnectError):
                await ws.receive()
        await client.settle()
        assert seen == ["before", (4002, "bye"), {"type": "websocket.disconnect", "code": 4002, "reason": "bye"}]
        for leave, code in ((lambda ws: ws.close(), 1000), (lambda ws: ws.disconnect(), 1006), (None, 1000)):
            seen.clear()
            async with client.websocket("/") as ws:
                if leave is not None:
                    await leave(ws)
            await client.settle()
            assert seen[0] == (code, "")


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1006, ""), (999, ""), (5000, ""), (1000, "ä" * 62)])
async def test_a_close_that_cannot_be_sent(code, reason):
    async with client_of(echo) as client, client.websocket("/") as ws:
        with pytest.raises(ValueError):
            await ws.close(code, reason)


async def test_an_application_that_fails():
    async def before(receive, send):
        raise ZeroDivisionError

    async def after(receive, send):
        await send(ACCEPT)
        await send({"type": "websocket.send", "text": "first"})
        raise ZeroDivisionError

    async with client_of(before) as client:
        with pytest.raises(ZeroDivisionError):
            await client.websocket("/").__aenter__()
    async with client_of(before, raise_app_exceptions=False) as client:
        with pytest.raises(WebsocketResponseError, match="500"):
            await client.websocket("/").__aenter__()
    async with client_of(after) as client, client.websocket("/") as ws:
        assert await ws.receive() == "first"
        with pytest.raises(ZeroDivisionError):
            await ws.receive()
    async with client_of(after, raise_app_exceptions=False) as client, client.websocket("/") as ws:
        assert [message async for message in ws] == ["first"]
        assert ws.closed == (1011, "")
    with pytest.raises(ZeroDivisionError):  # though nobody has received it
        async with client_of(after) as client, client.websocket("/") as ws:
            await ws.receive()


async def test_an_application_that_returns_has_closed():
    async def asgi(receive, send):
        await send(ACCEPT)

    async with client_of(asgi) as client, client.websocket("/") as ws:
        with pytest.raises(WebsocketDisconnectError, match="1000"):
            await ws.receive()


SEND = {"type": "websocket.send", "text": "x"}
CLOSE = {"type": "websocket.close"}
START = {"type": "websocket.http.response.start", "status": 400, "headers": []}


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "without having accepted or closed"),
        ([SEND], "may be sent before websocket.accept"),
        ([ACCEPT, ACCEPT], "may be sent after websocket.accept"),
        ([ACCEPT, START], "may be sent after websocket.accept"),
        ([ACCEPT, CLOSE, SEND], "'websocket.send' was sent after the websocket was closed"),
        ([CLOSE, ACCEPT], "'websocket.accept' was sent after"),
        ([START, START], "started twice"),
        ([START], "without having accepted or closed"),
        ([{**ACCEPT, "subprotocol": "c"}], r"'c' was accepted, but the client offers \['a'\]"),
        ([{**ACCEPT, "headers": [("x", b"1")]}], "lower-case bytes"),
        ([ACCEPT, {"type": "websocket.send"}], "either text or bytes"),
        ([ACCEPT, {"type": "websocket.send", "text": "a", "bytes": b"b"}], "either text or bytes"),
        ([ACCEPT, {"type": "websocket.send", "text": b"a"}], "not b'a'"),
        ([{"type": "http.response.start"}], "is not a message that may be sent before"),
    ],
)
async def test_what_a_server_would_refuse_is_refused(messages, complaint):
    async def asgi(receive, send):
        for message in messages:
            await send(message)

    with pytest.raises((ProtocolError, WebsocketResponseError), match=complaint) as caught:
        async with client_of(asgi) as client, client.websocket("/", subprotocols=["a"]) as ws:
            async for _ in ws:
                pass
    assert caught.type is ProtocolError


async def test_a_handler_that_goes_on_is_named():
    async def asgi(receive, send):
        await send(ACCEPT)
        await asyncio.Event().wait()

    async with client_of(asgi) as client:
        async with client.websocket("/stays"):
            pass
        with pytest.raises(TimeoutError, match=r"Still running 0.01 seconds later: WEBSOCKET /stays"):
            await client.settle(0.01)
        for connection in client._memory.connections:
            connection.tasks[0].cancel()


async def test_a_websocket_is_used_open_and_once():
    async with client_of(echo) as client:
        ws = client.websocket("/")
        for use in (ws.receive, lambda: ws.send("x"), ws.close):
            with pytest.raises(RuntimeError, match=r"use it inside `async with client.websocket\(path\) as ws:`"):
                await use()
        async with ws:
            pass
        with pytest.raises(RuntimeError, match="opened once"):
            await ws.__aenter__()


async def test_a_cancelled_handshake_is_a_client_that_leaves():
    seen, begun = [], asyncio.Event()

    async def asgi(receive, send):
        begun.set()
        seen.append(await receive())

    async with client_of(asgi) as client:
        opens = asyncio.create_task(client.websocket("/").__aenter__())
        await begun.wait()
        opens.cancel()
        await asyncio.gather(opens, return_exceptions=True)
        await client.settle()
    assert seen == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]
