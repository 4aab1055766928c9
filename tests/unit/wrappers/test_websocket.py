"""The states of a websocket: what may be done in each, and what is refused; and what messages become."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

import pytest

from asyncflask.wrappers.websocket import (
    State,
    Websocket,
    WebsocketDisconnected,
    WebsocketMessageError,
    made_of,
    short_reason,
)

SCOPE = {
    "type": "websocket",
    "scheme": "ws",
    "path": "/",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
    "subprotocols": ["a", "b"],
}


class Line:
    """A client that says what it was given beforehand."""

    keeps = False

    def __init__(self, *messages):
        self.messages = deque(messages)
        self.sent = []
        self.watched = 0
        self.fails = None

    async def receive(self):
        await asyncio.sleep(0)
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.popleft()

    async def send(self, message):
        if self.fails is not None:
            raise self.fails
        self.sent.append(message)

    async def handshake(self):
        await asyncio.sleep(0)
        return [(b"set-cookie", b"a=b")]

    def wait(self, work):
        return asyncio.run(work)

    def watch(self):
        self.watched += 1

    async def left(self):
        raise AssertionError


def text(data):
    return {"type": "websocket.receive", "text": data}


GOODBYE = {"type": "websocket.disconnect", "code": 4000, "reason": "bye"}


def opened(*messages):
    line = Line(*messages)
    return Websocket.from_websocket_scope(dict(SCOPE), path="/", root_path="", line=line), line


async def test_a_whole_life():
    ws, line = opened(text("a"), {"type": "websocket.receive", "bytes": b"b", "text": None})
    assert ws.state is State.CONNECTING
    await ws.accept({"X-A": "1"}, "b")
    assert ws.state is State.OPEN and ws.subprotocol == "b"
    assert [await ws.receive(), await ws.receive()] == ["a", b"b"]
    await ws.send("text")
    await ws.send(bytearray(b"bytes"))
    await ws.close(1001, "bye")
    assert ws.state is State.CLOSED
    assert line.sent == [
        {"type": "websocket.accept", "subprotocol": "b", "headers": [(b"x-a", b"1"), (b"set-cookie", b"a=b")]},
        {"type": "websocket.send", "text": "text"},
        {"type": "websocket.send", "bytes": b"bytes"},
        {"type": "websocket.close", "code": 1001, "reason": "bye"},
    ]


@pytest.mark.parametrize("act", ["receive", "send"])
async def test_the_first_message_accepts(act):
    ws, line = opened(text("a"))
    await (ws.receive() if act == "receive" else ws.send("b"))
    assert line.sent[0]["type"] == "websocket.accept"


async def test_several_tasks_may_be_the_first():
    ws, line = opened()
    await asyncio.gather(*(ws.send(str(number)) for number in range(5)))
    assert [message["type"] for message in line.sent] == ["websocket.accept"] + ["websocket.send"] * 5


ACTS = {
    "accept": lambda ws: ws.accept(),
    "receive": lambda ws: ws.receive(),
    "send": lambda ws: ws.send("x"),
    "send_json": lambda ws: ws.send_json(1),
    "close": lambda ws: ws.close(),
}


async def test_accept_twice():
    ws, line = opened()
    await ws.accept()
    with pytest.raises(RuntimeError, match="is open: 'accept' cannot be done now"):
        await ws.accept()
    ws, line = opened()
    first = asyncio.ensure_future(ws.accept())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="is accepting: 'accept'"):
        await ws.accept()
    await first
    assert len(line.sent) == 1


@pytest.mark.parametrize("before", ["refused", "closed"])
@pytest.mark.parametrize("act", ACTS)
async def test_after_close(act, before):
    ws, line = opened(text("x"))
    if before == "closed":
        await ws.accept()
    await ws.close()
    said = len(line.sent)
    with pytest.raises(RuntimeError, match=r"was closed here: '.*' comes too late"):
        await ACTS[act](ws)
    assert len(line.sent) == said


@pytest.mark.parametrize("act", ACTS)
async def test_after_the_client_has_left(act):
    ws, line = opened(GOODBYE)
    with pytest.raises(WebsocketDisconnected, match=r"close code 4000: bye\."):
        await ws.receive()
    assert ws.state is State.GONE and ws.is_disconnected and ws.disconnect == (4000, "bye")
    said = len(line.sent)
    if act == "close":
        await ws.close()
    else:
        with pytest.raises(WebsocketDisconnected) as caught:
            await ACTS[act](ws)
        assert (caught.value.code, caught.value.reason) == (4000, "bye")
    assert len(line.sent) == said
    await asyncio.wait_for(ws.disconnected(), 10)


@pytest.mark.parametrize("act", ACTS)
def test_after_its_handler(act):
    ws, _ = opened()
    ws.hang_up()
    with pytest.raises(RuntimeError, match="its handler has returned"):
        ACTS[act](ws)


async def test_one_task_receives():
    ws, _ = opened()
    await ws.accept()
    first = asyncio.ensure_future(ws.receive())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="Another task is receiving"):
        await ws.receive()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    with pytest.raises(TimeoutError):  # and after that another one may
        await asyncio.wait_for(ws.receive(), 0.01)


@pytest.mark.parametrize("error", [OSError("broken"), RuntimeError("closed by the server")])
async def test_a_send_that_fails(error):
    ws, line = opened()
    await ws.accept()
    line.fails = error
    if isinstance(error, OSError):
        with pytest.raises(WebsocketDisconnected, match="1006"):
            await ws.send("x")
        assert ws.state is State.GONE
    else:  # nothing says that the client has left: it is somebody's mistake
        with pytest.raises(RuntimeError, match="closed by the server"):
            await ws.send("x")
        assert ws.state is State.OPEN


async def test_an_accept_that_fails():
    ws, line = opened()
    line.fails = OSError("broken")
    with pytest.raises(WebsocketDisconnected):
        await ws.accept()
    assert ws.state is State.GONE
    ws, line = opened()

    async def handshake():
        raise LookupError("no session")

    line.handshake = handshake
    with pytest.raises(LookupError):
        await ws.accept()
    assert ws.state is State.CONNECTING and not line.sent
    ws, line = opened()
    line.fails = OSError("broken")
    await ws.close()
    assert ws.state is State.CLOSED


@pytest.mark.parametrize(
    "options, text",
    [
        ({"subprotocol": "c"}, "did not offer the subprotocol 'c'. It offered: 'a', 'b'."),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "newline|line break"),
        ({"headers": {"X A": "1"}}, "header name 'X A' is not valid"),
        ({"headers": {"Sec-WebSocket-Protocol": "a"}}, "as 'subprotocol'"),
    ],
)
async def test_what_cannot_be_accepted_with(options, text):
    ws, line = opened()
    with pytest.raises(ValueError, match=text):
        await ws.accept(**options)
    assert ws.state is State.CONNECTING and not line.sent


@pytest.mark.parametrize("code", [0, 200, 999, 1004, 1005, 1006, 1015, 2000, 5000])
async def test_codes_that_may_not_be_sent(code):
    ws, _ = opened()
    with pytest.raises(ValueError, match=f"{code} is no close code to send"):
        await ws.close(code)
    with pytest.raises(ValueError, match="at most 123 bytes"):
        await ws.close(1000, "ä" * 62)
    assert ws.state is State.CONNECTING


async def test_what_cannot_be_sent():
    ws, line = opened()
    with pytest.raises(TypeError, match="For JSON there is send_json"):
        await ws.send({})
    with pytest.raises(TypeError, match="either values or keywords"):
        await ws.send_json(1, a=2)
    assert not line.sent


async def test_json():
    ws, line = opened(text('{"a": 1}'), {"type": "websocket.receive", "bytes": b"[2]"})
    assert [await ws.receive_json(), await ws.receive_json()] == [{"a": 1}, [2]]
    for args, options, sent in (((1,), {}, "1"), ((1, 2), {}, "[1, 2]"), ((), {"a": 1}, '{"a": 1}'), ((), {}, "{}")):
        await ws.send_json(*args, **options)
        assert line.sent[-1]["text"] == sent


@dataclass
class Point:
    x: int
    y: int = 0

    def __post_init__(self):
        if not isinstance(self.x, int):
            raise ValueError("x must be a number")


class Model:
    @classmethod
    def model_validate(cls, value):
        return cls, value


async def test_messages_made_into_something():
    ws, _ = opened(text('{"x": 1}'), text('{"z": 1}'), text('{"x": "1"}'), text("[1]"), text("7"))
    assert await ws.receive_as(Point) == Point(1)
    for said in ("unexpected keyword", "x must be a number", "x must be a number"):
        with pytest.raises(WebsocketMessageError, match=said) as caught:
            await ws.receive_as(Point)
        assert caught.value.close_code == 1007
    assert await ws.receive_as(lambda number: number + 1) == 8
    assert made_of(Model, [1]) == (Model, [1])


async def test_iteration_ends_with_the_client():
    ws, _ = opened(text("a"), text("b"), GOODBYE)
    assert [message async for message in ws] == ["a", "b"]
    assert ws.disconnect.reason == "bye"
    with pytest.raises(TypeError, match="async for"):
        next(iter(ws))


def test_in_a_thread_calls_return_results():
    ws, line = opened(text("a"), text("b"), text("2"), GOODBYE)
    assert ws.accept() is None
    assert ws.receive() == "a"
    assert ws.blocking.receive_text() == "b"
    assert ws.blocking.receive_as(int) == 2
    assert list(ws) == []
    assert len(line.sent) == 1


async def test_who_only_sends_is_watched():
    ws, line = opened(text("a"))
    await ws.send("1")
    assert line.watched == 0
    await ws.receive()
    await ws.send("2")
    assert line.watched == 0
    await ws.send("3")
    await ws.send("4")
    assert line.watched == 1


async def test_lengths_are_counted_in_bytes():
    for data, fits in (("äää", True), ("ääää", False), ("abcdef", True), ("abcdefg", False), (b"1234567", False)):
        ws, _ = opened({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})
        ws.max_message_length = 6
        if fits:
            assert await ws.receive() == data
        else:
            with pytest.raises(WebsocketMessageError) as caught:
                await ws.receive()
            assert caught.value.close_code == 1009


def test_short_reason():
    assert short_reason("x" * 200) == "x" * 123
    assert short_reason("ä" * 62) == "ä" * 61
