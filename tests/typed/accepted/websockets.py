"""Websocket handlers and hooks of both colours, and what their messages are."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from asyncflask import (
    App,
    Blueprint,
    Response,
    Websocket,
    WebsocketDisconnected,
    WebsocketMessageError,
    copy_current_websocket_context,
    websocket,
)
from asyncflask.pubsub import PubSub
from asyncflask.views import WebsocketListener

app = App(__name__)
blueprint = Blueprint("websockets", __name__)
rooms = PubSub("redis://localhost", queue=10, when_full="end")


@dataclass
class Move:
    x: int


@app.websocket("/async/<int:number>", on_disconnect="cancel")
async def on_loop(number: int) -> None:
    await websocket.accept(headers={"X-Number": str(number)}, subprotocol=websocket.requested_subprotocols[0])
    t.assert_type(await websocket.receive(), str | bytes)
    t.assert_type(await websocket.receive_text(), str)
    t.assert_type(await websocket.receive_bytes(), bytes)
    t.assert_type(await websocket.receive_as(Move), Move)
    async for message in websocket:
        t.assert_type(message, str | bytes)
        await websocket.send(message)
    await websocket.send_json(number=number)
    await websocket.close(1000, "done")


@blueprint.websocket("/def")
def in_thread() -> None:
    ws = websocket.blocking
    ws.accept()
    t.assert_type(ws.receive(), str | bytes)
    t.assert_type(ws.receive_as(Move), Move)
    for message in ws:
        t.assert_type(message, str | bytes)
        ws.send(message)
    ws.close()


@app.websocket("/refuses")
async def refuses() -> tuple[str, int] | None:
    return ("no", 403) if websocket.args.get("no") else None


app.add_websocket("/again", "again", on_loop)
app.add_websocket("/again-def", view_func=in_thread)


@app.before_websocket
def before() -> None: ...


@blueprint.before_app_websocket
async def before_answers() -> tuple[str, int]:
    return "closed", 503


@app.after_websocket
def after(response: Response | None) -> Response | None:
    return response


@blueprint.after_websocket
async def after_async(response: Response | None) -> Response | None:
    return response


@app.teardown_websocket
def teardown(error: BaseException | None) -> None:
    if websocket.disconnect is not None:
        t.assert_type(websocket.disconnect.code, int)
        t.assert_type(websocket.disconnect.reason, str)


@app.errorhandler(WebsocketMessageError)
def bad_message(error: WebsocketMessageError) -> tuple[str, int]:
    return str(error.close_code), 400


class Moves(WebsocketListener):
    message = Move

    async def on_message(self, message: Move) -> dict[str, int] | None:
        return {"x": message.x}


app.add_websocket("/moves", view_func=Moves.as_view("moves"))


class OwnWebsocket(Websocket):
    note = "own"


class OwnApp(App):
    websocket_class = OwnWebsocket


async def talk(room: str) -> None:
    async with rooms, rooms.relay(websocket.send, room), rooms.subscribe(room, "all") as messages:
        await rooms.publish(room, "text")
        async for message in messages:
            t.assert_type(message, str)
    try:
        await websocket.send("x")
    except WebsocketDisconnected as error:
        t.assert_type(error.code, int)


copied = copy_current_websocket_context(talk)
