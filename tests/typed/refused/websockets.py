"""What a websocket cannot send, and handlers and hooks that return the wrong things."""

from __future__ import annotations

from asyncflask import App, Response, websocket
from asyncflask.pubsub import PubSub

app = App(__name__)
rooms = PubSub()


@app.websocket("/number")  # error
async def number() -> int:
    return 1


@app.before_websocket  # error
def before_number() -> int:
    return 1


@app.after_websocket  # error
def after_text(response: Response | None) -> str:
    return "text"


async def wrong() -> None:
    await websocket.send({"a": 1})  # error
    await websocket.close("1000")  # error
    await websocket.receive_as(1)  # error
    await rooms.publish("room", b"bytes")  # error
    PubSub(when_full="wait")  # error
