"""The web side in this process, Redis and the worker in processes of their own."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEXT = "to be or not to be that is the question"


@pytest.fixture(scope="module")
def example(redis_server, request):
    """The example, told where Redis is."""
    pytest.importorskip("taskiq_redis")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", redis_server.url)
        patch.syspath_prepend(str(HERE))
        sys.modules.pop("app", None)
        yield importlib.import_module("app")
        sys.modules.pop("app", None)


@pytest.fixture
async def client(example):
    async with example.app.async_test_client() as client:
        yield client


@pytest.fixture(scope="module")
def worker(example):
    """A worker that runs until the last test."""
    command = [sys.executable, "-m", "taskiq", "worker", "--app-dir", str(HERE), "--workers", "1", "app:broker"]
    environ = os.environ | {"REDIS_URL": example.REDIS_URL}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    process.send_signal(signal.SIGTERM)
    process.wait(30)


async def outcome(client, place):
    """What has become of a report, once it is known."""
    async with asyncio.timeout(40):
        while (found := (await client.get(place)).json())["state"] == "waiting":
            await asyncio.sleep(0.02)
    return found


async def test_an_order_waits_for_a_worker(client, request):
    ordered = await client.post("/reports", json={"text": TEXT})
    assert (await client.get(ordered.headers["Location"])).json() == {"state": "waiting"}
    request.getfixturevalue("worker")
    assert (await outcome(client, ordered.headers["Location"]))["state"] == "done"


async def test_a_report_is_made_by_a_worker(client, worker):
    ordered = await client.post("/reports", json={"text": TEXT})
    assert ordered.status_code == 202
    found = await outcome(client, ordered.headers["Location"])
    assert found["state"] == "done"
    maker = found["report"].pop("made by")
    assert maker.startswith("process ") and maker != f"process {os.getpid()}"
    assert found["report"] == {"words": 10, "different": 8, "longest": ["question", "that", "not"]}


async def test_a_report_that_fails_is_told(client, worker):
    ordered = await client.post("/reports", json={"text": " "})
    found = await outcome(client, ordered.headers["Location"])
    assert found == {"state": "failed", "why": "The text has no words."}


@pytest.mark.parametrize("wrong", [{}, {"text": 1}, [], 1, "text"])
async def test_an_order_without_a_text(client, wrong):
    assert (await client.post("/reports", json=wrong)).status_code == 400


async def test_a_queue_that_is_away(client, redis_server):
    redis_server.stop()
    try:
        for answer in (await client.post("/reports", json={"text": TEXT}), await client.get("/reports/any")):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    finally:
        redis_server.start()
    assert (await client.post("/reports", json={"text": TEXT})).status_code == 202
