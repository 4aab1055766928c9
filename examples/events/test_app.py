"""What examples/events streams."""

from __future__ import annotations

import asyncio
import json

import app as example
import pytest


@pytest.fixture
async def client(monkeypatch):
    example.app.config["INTERVAL"] = 0.005
    monkeypatch.setattr(example, "meter", example.Meter())
    async with example.app.async_test_client() as client:
        yield client


async def take(client, count, **options):
    """Follow until some samples have come."""
    taken = []
    async with client.sse("/events", **options) as events:
        async for event in events:
            if event.event == "sample":
                taken.append((int(event.id), json.loads(event.data)))
            if len(taken) == count:
                return taken


async def test_samples_come_one_after_the_other(client):
    taken = await take(client, 3)
    assert [number for number, _ in taken] == [1, 2, 3]
    assert all(sample["cpu"] >= 0 and sample["lag"] >= 0 and sample["pages"] == 1 for _, sample in taken)


async def test_who_connects_again_misses_nothing(client):
    await take(client, 4)
    assert [number for number, _ in await take(client, 3, last_event_id="2")] == [3, 4, 5]
    for unknown in ("nonsense", "9999", "9" * 5000):  # the second is of a process before this one
        assert (await take(client, 1, last_event_id=unknown))[0][0] == 1


async def test_all_pages_follow_one_meter(client):
    first, second = await asyncio.gather(take(client, 5), take(client, 5))
    assert {number for number, _ in first} == {number for number, _ in second}
    assert max(sample["pages"] for _, sample in first) == 2


async def test_nothing_is_measured_while_nobody_looks(client):
    await take(client, 1)
    await client.settle()
    assert example.meter.followers == 0
    assert example.meter._task is None


async def test_samples_as_json_lines(client):
    await take(client, 3)
    answer = await client.get("/samples.jsonl")
    assert answer.headers["Content-Type"] == "application/jsonl"
    assert [json.loads(line)["number"] for line in answer.text.splitlines()][:3] == [1, 2, 3]


async def test_the_page_and_its_button(client):
    assert 'new EventSource("/events")' in (await client.get("/")).text
    assert (await client.post("/work", data={"seconds": "0.001"})).json()["rounds"] >= 0
