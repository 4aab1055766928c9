"""Tests of an application by its async client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from asyncflask import App
from asyncflask.testing import AsyncFlaskClient, LifespanError, WebsocketDisconnectError, WebsocketResponseError

app = App(__name__)


async def content() -> AsyncIterator[bytes]:
    yield b"piece"


async def use() -> None:
    text = ""
    async with app.async_test_client(raise_app_exceptions=False, headers={"X-Name": "1"}) as client:
        answer: httpx2.Response = await client.post("/upload", content=content(), params={"q": "1"})
        status: int = answer.status_code
        async with client.stream("GET", "/stream") as stream:
            async for piece in stream.aiter_bytes():
                status += len(piece)
        async for event in client.sse("/events", last_event_id="3"):
            text = event.event + event.data + event.id
        async with client.websocket("/ws", subprotocols=["chat"], headers={"X-Name": "1"}) as ws:
            await ws.send("text")
            message: str | bytes = await ws.receive()
            await ws.close(4000, "done")
        async with client.session_transaction() as session:
            session["key"] = "value"
        left: httpx2.Response | None = await client.leave("GET", "/stream", received=10)
        await client.settle()
    print(status, text, message, left)


async def start(http: type[AsyncFlaskClient]) -> None:
    try:
        async with app.test_app(startup_timeout=1.0) as test_app:
            test_app.test_client()
    except (LifespanError, WebsocketDisconnectError, WebsocketResponseError) as error:
        print(error)
