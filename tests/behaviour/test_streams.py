"""Streams, both ways, and clients that leave: in memory and by each of the servers the same."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import httpx2
import pytest

from . import application


@pytest.fixture
def driver(each_driver):
    return each_driver


@pytest.fixture(params=["def", "async"])
def kind(request):
    return request.param


async def test_an_answer_comes_as_it_is_made(driver, kind):
    async with driver.http.stream("GET", f"/steps/{kind}/{driver.key}/3") as answer:
        assert answer.status_code == 200
        assert "content-length" not in answer.headers
        lines = answer.aiter_lines()
        for n in range(3):
            assert await anext(lines) == str(n)
            await driver.open_gate(f"-{n}")
        assert [line async for line in lines] == []


async def test_a_long_answer_is_whole(driver):
    size, digest = 0, hashlib.sha256()
    async with driver.http.stream("GET", "/download/200") as answer:
        async for piece in answer.aiter_raw():
            size += len(piece)
            digest.update(piece)
    assert size == 200 * 50_000
    assert digest.digest() == hashlib.sha256(b"".join(bytes([n]) * 50_000 for n in range(200))).digest()


async def test_an_error_in_the_middle_cuts_the_answer_off(driver, kind):
    with pytest.raises(httpx2.RemoteProtocolError):
        await driver.http.get(f"/cut/{kind}")
    assert (await driver.http.get("/user")).status_code == 200


async def test_content_goes_as_it_is_made(driver):
    async def content():
        for n in range(5):
            yield b"x" * 100_000
            # The view has taken this piece before the next one is made.
            assert len(await driver.notes(n + 1)) == n + 1

    answer = await driver.http.post(f"/upload/{driver.key}", content=content())
    assert answer.json() == {"size": 500_000, "digest": hashlib.sha256(b"x" * 500_000).hexdigest()}


async def test_leaving_in_the_middle_of_an_answer(driver, kind):
    async with driver.http.stream("GET", f"/endless/{kind}/{driver.key}") as answer:
        async for _ in answer.aiter_raw():
            break
    assert await driver.notes(1) == [f"closed /endless/{kind}/{driver.key}"]


async def test_leaving_before_the_first_byte(driver):
    asks = asyncio.create_task(driver.http.get(f"/waits/{driver.key}"))
    assert await driver.notes(1) == ["begun"]
    asks.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asks
    assert await driver.notes(2) == ["begun", "cancelled"]


async def test_who_stays_is_answered(driver):
    asks = asyncio.create_task(driver.http.get(f"/waits/{driver.key}"))
    assert await driver.notes(1) == ["begun"]
    await driver.open_gate()
    assert (await asks).text == "answered"


@pytest.mark.parametrize("declared", [None, "1000000"])
async def test_leaving_in_the_middle_of_an_upload(driver, declared):
    async def content():
        yield b"x" * 100_000
        await driver.notes(1)
        raise ZeroDivisionError

    headers = {} if declared is None else {"Content-Length": declared}
    with pytest.raises(ZeroDivisionError):
        await driver.http.post(f"/upload/{driver.key}", content=content(), headers=headers)
    assert await driver.notes(2) == ["more", "ClientDisconnected"]


async def test_a_view_sends_back_what_it_reads(driver):
    async def content():
        for n in range(4):
            yield bytes([n]) * 1000

    async with driver.http.stream("POST", "/echo", content=content()) as answer:
        assert await answer.aread() == b"".join(bytes([n]) * 1000 for n in range(4))


async def test_parts_of_a_form_come_as_they_are_made(driver):
    head = '--frontier\r\nContent-Disposition: form-data; name="{}"; filename="{}.txt"\r\n\r\n'

    async def content():
        for n in range(3):
            yield head.format(n, n).encode() + b"x" * 70_000 + b"\r\n"
            if n:  # where a part ends is known when the next one has begun
                assert await driver.notes(n) == list(map(str, range(n)))
        yield b"--frontier--\r\n"

    form = {"Content-Type": "multipart/form-data; boundary=frontier"}
    answer = await driver.http.post(f"/parts/{driver.key}", content=content(), headers=form)
    assert answer.json() == [[f"{n}", f"{n}.txt", 70_000] for n in range(3)]


async def test_server_sent_events(driver, kind):
    async with driver.sse(f"/events/{kind}/{driver.key}", headers={"Last-Event-ID": "6"}) as source:
        got = []
        async for event in source:
            got.append((event.event, event.json(), event.id))
            await driver.open_gate(f"-{event.id}")
    assert got == [("count", {"n": n}, f"{n}") for n in (7, 8, 9)]
    assert (source.retry, source.last_event_id) == (250, "9")


async def test_json_lines(driver):
    async with driver.http.stream("GET", f"/lines/{driver.key}/3") as answer:
        assert answer.headers["content-type"] == "application/jsonl"
        n = 0
        async for line in answer.aiter_lines():
            assert json.loads(line) == {"n": n}
            await driver.open_gate(f"-{n}")
            n += 1
    assert n == 3


async def test_files(driver, kind):
    whole = Path(application.__file__).read_bytes()
    answer = await driver.http.get(f"/file/{kind}")
    assert answer.content == whole
    assert answer.headers["content-length"] == str(len(whole))
    etag = {"If-None-Match": answer.headers["etag"]}
    answer = await driver.http.get(f"/file/{kind}", headers=etag)
    assert (answer.status_code, answer.content) == (304, b"")
    answer = await driver.http.get(f"/file/{kind}", headers={"Range": "bytes=100-"})
    assert (answer.status_code, answer.content) == (206, whole[100:])
    answer = await driver.http.head(f"/file/{kind}")
    assert (answer.headers["content-length"], answer.content) == (str(len(whole)), b"")


async def test_many_streams_at_once(driver):
    async def one(n):
        kind = ("def", "async")[n % 2]
        async with driver.http.stream("GET", f"/steps/{kind}/{driver.key}/3") as answer:
            return [line async for line in answer.aiter_lines()]

    reads = [asyncio.create_task(one(n)) for n in range(6)]
    for n in range(3):
        await driver.open_gate(f"-{n}")
    assert await asyncio.gather(*reads) == [["0", "1", "2"]] * 6
