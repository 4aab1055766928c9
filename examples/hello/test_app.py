"""What examples/hello answers."""

from __future__ import annotations

import threading

import pytest
from app import app


@pytest.fixture
async def client():
    async with app.async_test_client() as client:
        yield client


async def test_async_handler(client):
    answer = await client.get("/async/ada?greeting=hi")
    assert answer.json() == {"hello": "ada", "greeting": "hi", "loop": True}


async def test_def_handler_runs_in_another_thread(client):
    answer = await client.get("/sync/ada?greeting=hi")
    data = answer.json()
    assert data.pop("thread") != threading.current_thread().name
    assert data == {"hello": "ada", "greeting": "hi"}


async def test_json(client):
    answer = await client.post("/json", json={"a": [1, 2, None]})
    assert answer.json() == {"got": {"a": [1, 2, None]}}


async def test_json_that_is_none(client):
    assert (await client.post("/json", content=b"{", headers={"Content-Type": "application/json"})).status_code == 400
    assert (await client.post("/json", content=b"{}", headers={"Content-Type": "text/plain"})).status_code == 415


async def test_form(client):
    assert "<form" in (await client.get("/form")).text
    assert (await client.post("/form", data={"name": "Ada"})).json() == {"name": "Ada", "colour": "none"}
    assert (await client.post("/form", data={"colour": "red"})).status_code == 400


async def test_session_counts_for_each_client(client):
    counts = [(await client.get("/count")).json()["visits"] for _ in range(3)]
    assert counts == [1, 2, 3]
    client.cookies.clear()
    assert (await client.get("/count")).json() == {"visits": 1}


async def test_mounted_wsgi_callable(client):
    answer = await client.get("/wsgi/some/page")
    assert answer.text == "SCRIPT_NAME=/wsgi PATH_INFO=/some/page\n"


async def test_index_links_lead_somewhere(client):
    page = (await client.get("/")).text
    for path in [part.split('"')[0] for part in page.split('href="')[1:]]:
        assert (await client.get(path)).status_code == 200, path
