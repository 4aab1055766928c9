"""Websocket handlers that are classes: what a message is made into, and a method for each thing that happens."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from asyncflask import abort, websocket
from asyncflask.pubsub import PubSub
from asyncflask.views import WebsocketListener

from .talking import Refused, talk


@dataclass
class Move:
    x: int
    y: int = 0

    def __post_init__(self):
        if not isinstance(self.x, int):
            raise ValueError("x is no number")


@pytest.fixture
def seen():
    return []


@pytest.fixture
def moves(app, seen):
    app.config["TESTING"] = False

    class Moves(WebsocketListener):
        message = Move

        async def on_connect(self, name):
            if name == "nobody":
                abort(403)
            self.name = name

        async def on_message(self, message):
            seen.append(message)
            return None if message.x == 0 else {"name": self.name, "x": message.x}

        async def on_disconnect(self):
            seen.append((self.name, websocket.disconnect and websocket.disconnect.code))

    app.add_websocket("/moves/<name>", view_func=Moves.as_view("moves"))


async def test_valid_messages(app, moves, seen):
    async with talk(app, "/moves/ada") as ws:
        ws.say('{"x": 0}')
        ws.say('{"x": 1, "y": 2}')
        assert await ws.hear() == '{"name": "ada", "x": 1}'
    assert seen == [Move(0), Move(1, 2), ("ada", 1001)]


@pytest.mark.parametrize(
    "message, text",
    [('{"x": "1"}', "x is no number"), ('{"z": 1}', "unexpected keyword argument 'z'"), ("{", "not valid JSON")],
)
async def test_messages_that_are_not_valid(app, moves, seen, message, text):
    async with talk(app, "/moves/ada") as ws:
        ws.say(message)
        code, reason = await ws.closed()
    assert code == 1007 and text in reason and seen == [("ada", None)]


async def test_a_listener_may_refuse(app, moves, seen):
    with pytest.raises(Refused) as refused:
        async with talk(app, "/moves/nobody"):
            pass
    assert refused.value.status == 403 and not seen


async def test_plain_messages(app):
    class Echo(WebsocketListener):
        async def on_message(self, message):
            return message

    app.add_websocket("/echo", view_func=Echo.as_view("echo"))
    async with talk(app, "/echo") as ws:
        for message in ("text", b"bytes"):
            ws.say(message)
            assert await ws.hear() == message


async def test_a_slow_consumer_is_closed_with_1013(app, caplog):
    app.config["TESTING"] = False
    hub = PubSub(queue=1, when_full="end")

    @app.websocket("/")
    async def handler():
        async with hub.subscribe("a") as messages:
            await websocket.accept()
            await hub.publish("a", "1")
            await hub.publish("a", "2")
            async for message in messages:
                await websocket.send(message)

    async with talk(app, "/") as ws:
        code, reason = await ws.closed()
    assert code == 1013 and "too slowly" in reason and len(caplog.records) == 1
