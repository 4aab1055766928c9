"""A chat in rooms: by itself in one process; with REDIS_URL set, over all processes and machines that share that."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

from asyncflask import App, abort, render_template, request, websocket
from asyncflask.json import dumps
from asyncflask.pubsub import PubSub

app = App(__name__)
app.config["MAX_WEBSOCKET_MESSAGE"] = 4096
rooms = PubSub(os.environ.get("REDIS_URL"), prefix="chat:")


@app.while_serving
async def connected() -> AsyncIterator[None]:
    async with rooms:  # a Redis that cannot be reached stops the start, not the first visitor
        yield


@dataclass
class Said:
    """What a browser sends: anything else closes its websocket with code 1007."""

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise ValueError("say something")


@app.get("/")
@app.get("/rooms/<room>")
def page(room: str = "lobby") -> str:
    return render_template("chat.html", room=room)


@app.websocket("/rooms/<room>/talk")
async def talk(room: str) -> None:
    name = request.args.get("name", "").strip()
    if not name or len(name) > 30:
        abort(400, "Say your name, in at most 30 characters.")

    async def tell(kind: str, text: str = "") -> None:
        await rooms.publish(room, dumps({"kind": kind, "name": name, "text": text, "process": os.getpid()}))

    async with rooms.relay(websocket.send, room):
        await websocket.accept()
        await tell("came")
        try:
            while True:
                await tell("said", (await websocket.receive_as(Said)).text)
        finally:
            await tell("left")


asgi = app.asgi
