"""Websockets: in memory and by each of the servers the same."""

from __future__ import annotations

import asyncio
import json

import pytest

from .drivers import Closed, Refused


@pytest.fixture
def driver(each_driver):
    return each_driver


@pytest.mark.parametrize("kind", ["def", "async"])
async def test_text_and_bytes_come_back(driver, kind):
    async with driver.websocket(f"/ws/{kind}/echo") as ws:
        for message in ("text", b"bytes", "", b"", "\u00e4\U0001f600", b"\0\xff", "x" * 300_000, b"x" * 300_000):
            await ws.send(message)
            assert await ws.receive() == message


async def test_json_and_the_url(driver):
    async with driver.websocket("/ws/json/n%C3%A4me?q=1") as ws:
        await ws.send('{"a": [1, null]}')
        assert json.loads(await ws.receive()) == {"name": "n\u00e4me", "got": {"a": [1, None]}, "q": "1"}


async def test_messages_keep_their_order(driver):
    async with driver.websocket("/ws/async/echo") as ws:
        for n in range(100):
            await ws.send(f"{n}")
        assert [await ws.receive() for _ in range(100)] == [f"{n}" for n in range(100)]


async def test_subprotocols_and_headers(driver):
    async with driver.websocket("/ws/protocol", subprotocols=["one", "two"]) as ws:
        assert (ws.subprotocol, await ws.receive()) == ("two", "one,two")
        assert ws.headers.get("X-Accepted") == (None if driver.lacks("headers of the acceptance") else "yes")
    async with driver.websocket("/ws/protocol") as ws:
        assert (ws.subprotocol, await ws.receive()) == (None, "")


@pytest.mark.parametrize("code", [401, 403, 404])
async def test_a_refusal_has_status_and_body(driver, code):
    with pytest.raises(Refused) as caught:
        async with driver.websocket(f"/ws/refused/{code}"):
            pass
    assert caught.value.status == code
    assert "not for you" in caught.value.body


@pytest.mark.parametrize(("path", "status"), [("/ws/shut", 403), ("/ws/nowhere", 404), ("/count", 400)])
async def test_what_is_no_websocket(driver, path, status):
    with pytest.raises(Refused) as caught:
        async with driver.websocket(path):
            pass
    assert caught.value.status == status


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_closed_by_the_application(driver, code):
    async with driver.websocket(f"/ws/closes/{code}") as ws:
        assert await ws.receive() == "last"
        with pytest.raises(Closed) as caught:
            await ws.receive()
    assert (caught.value.code, caught.value.reason) == (code, "enough")


async def test_a_handler_that_fails(driver):
    async with driver.websocket("/ws/fails") as ws:
        with pytest.raises(Closed) as caught:
            await ws.receive()
    assert caught.value.code == 1011
    assert "secret" not in caught.value.reason
    async with driver.websocket("/ws/async/echo") as ws:
        await ws.send("others go on")
        assert await ws.receive() == "others go on"


async def test_a_message_that_the_handler_cannot_take(driver):
    async with driver.websocket("/ws/json/x") as ws:
        await ws.send("{")
        with pytest.raises(Closed) as caught:
            await ws.receive()
    assert caught.value.code == 1007


async def test_closed_by_the_client(driver):
    async with driver.websocket(f"/ws/left/{driver.key}") as ws:
        await ws.send("before")
        await ws.close(4000, "bye")
    left = "4000" if driver.lacks("reason of the client's close") else "4000 bye"
    left = "1006" if driver.lacks("code of the client's close") else left
    assert await driver.notes(3) == ["accepted", "before", left]


async def test_a_client_that_goes_away(driver):
    async with driver.websocket(f"/ws/left/{driver.key}") as ws:
        await driver.notes(1)
        await ws.break_off()
    assert (await driver.notes(2))[1] in ("1006", "1005")  # some servers call it a close without a code


async def test_the_session_is_that_of_requests(driver):
    await driver.http.post("/login", data={"user": "ada"})
    async with driver.websocket("/ws/session") as ws:
        assert await ws.receive() == "ada"
    driver.http.cookies.clear()
    async with driver.websocket("/ws/session") as ws:
        assert await ws.receive() == "nobody"


async def test_many_in_one_room(driver):
    path = f"/ws/room/{driver.key}"
    async with driver.websocket(path) as one, driver.websocket(path) as two, driver.websocket(path) as three:
        sockets = (one, two, three)
        assert sorted(await asyncio.gather(*(ws.receive() for ws in sockets))) == ["1", "2", "3"]
        await two.send("to all")
        assert await asyncio.gather(*(ws.receive() for ws in sockets)) == ["to all"] * 3
        await three.close()
        await one.send("to those who are left")
        assert await asyncio.gather(*(ws.receive() for ws in (one, two))) == ["to those who are left"] * 2
