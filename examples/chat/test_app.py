"""What examples/chat does: in-process, over two worker processes that share a Redis, and in a browser."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from app import app

from asyncflask.testing import WebsocketDisconnectError, WebsocketResponseError

HERE = Path(__file__).parent
#: Seconds in which a server must answer, a message come, a page show it.
LIMIT = 30


@pytest.fixture
async def client():
    async with app.async_test_client() as client:
        yield client


async def heard(ws, kind, name):
    message = json.loads(await ws.receive())
    assert (message["kind"], message["name"]) == (kind, name)
    return message["text"]


async def test_two_in_a_room(client):
    async with client.websocket("/rooms/tea/talk?name=Ada") as ada:
        await heard(ada, "came", "Ada")
        async with (
            client.websocket("/rooms/coffee/talk?name=Eve") as eve,
            client.websocket("/rooms/tea/talk?name=Bob") as bob,
        ):
            await heard(eve, "came", "Eve")
            await heard(ada, "came", "Bob")
            await heard(bob, "came", "Bob")
            await bob.send_json({"text": "hello <b>"})
            assert await heard(ada, "said", "Bob") == await heard(bob, "said", "Bob") == "hello <b>"
            await eve.send_json({"text": "here only"})
            assert await heard(eve, "said", "Eve") == "here only"
        await heard(ada, "left", "Bob")


@pytest.mark.parametrize("message", ["hello", '{"text": 1}', '{"text": " "}', '{"text": "a", "more": 1}', "[]"])
async def test_what_is_no_message(client, message):
    async with client.websocket("/rooms/tea/talk?name=Ada") as ws:
        await heard(ws, "came", "Ada")
        await ws.send(message)
        with pytest.raises(WebsocketDisconnectError) as caught:
            while True:
                await ws.receive()
        assert caught.value.code == 1007


async def test_too_long(client):
    async with client.websocket("/rooms/tea/talk?name=Ada") as ws:
        await ws.send_json({"text": "x" * 5000})
        with pytest.raises(WebsocketDisconnectError) as caught:
            while True:
                await ws.receive()
        assert caught.value.code == 1009


@pytest.mark.parametrize("query", ["", "?name=", "?name=" + "x" * 31])
async def test_without_a_name(client, query):
    with pytest.raises(WebsocketResponseError) as caught:
        async with client.websocket(f"/rooms/tea/talk{query}"):
            pass
    assert caught.value.response.status_code == 400


async def test_page(client):
    assert 'const TALK = "ws://' in (await client.get("/rooms/tea")).text
    assert "lobby" in (await client.get("/")).text
    for name in ("chat.js", "chat.css"):
        assert (await client.get(f"/static/{name}")).status_code == 200


# -- over sockets ------------------------------------------------------------------------------------------------------


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def running(*command, port, environ=None):
    """Run a program until the end of the block; it must listen to `port`."""
    process = subprocess.Popen(command, env=os.environ | (environ or {}), stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + LIMIT
        while True:
            assert process.poll() is None and time.monotonic() < until, f"{command[0]} does not listen"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(LIMIT)


@contextlib.contextmanager
def serving(workers=1, **environ):
    """Give the port of the example, served by uvicorn."""
    port = free_port()
    arguments = ("--app-dir", str(HERE), "app:asgi", "--port", str(port), "--workers", str(workers))
    quiet = ("--log-level", "error")
    with running(sys.executable, "-m", "uvicorn", *arguments, *quiet, port=port, environ=environ):
        yield port


def enter(stack, port, name):
    from websockets.sync.client import connect

    url = f"ws://127.0.0.1:{port}/rooms/tea/talk?name={name}"
    return stack.enter_context(connect(url, proxy=None, open_timeout=LIMIT))


def said(ws, kind, name):
    """Receive until this comes; return it."""
    while True:
        message = json.loads(ws.recv(LIMIT))
        if (message["kind"], message["name"]) == (kind, name):
            return message


def test_several_processes_and_one_redis():
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on the path; Debian has it in redis-server")
    redis = free_port()
    options = ("--port", str(redis), "--bind", "127.0.0.1", "--save", "")
    shared = {"REDIS_URL": f"redis://127.0.0.1:{redis}"}
    with (
        running("redis-server", *options, port=redis),
        serving(workers=2, **shared) as one,
        serving(**shared) as other,
        contextlib.ExitStack() as stack,
    ):
        names = {"Ada": one, "Bob": one, "Eve": one, "Joe": other}
        here = {name: enter(stack, port, name) for name, port in names.items()}
        processes = {name: said(ws, "came", name)["process"] for name, ws in here.items()}
        assert processes["Ada"] != processes["Joe"]  # which worker has the others is left to the kernel
        for name in names:
            here[name].send('{"text": "to all"}')
            assert [said(ws, "said", name)["text"] for ws in here.values()] == ["to all"] * len(here)


def test_without_redis_the_start_says_so():
    command = (sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "app:asgi", "--port", str(free_port()))
    environ = os.environ | {"REDIS_URL": "redis://127.0.0.1:1"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode and "Redis at redis://127.0.0.1:1 cannot be reached" in done.stderr


# -- in a browser ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_in_chromium(tmp_path):
    browser = load(HERE.parents[1] / "tests" / "browser.py")
    with serving() as port, contextlib.ExitStack() as stack, browser.chromium(tmp_path / "profile") as driver:
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        def sees(text):
            WebDriverWait(driver, LIMIT).until(lambda _: text in driver.find_element(By.ID, "messages").text)

        driver.get(f"http://127.0.0.1:{port}/rooms/tea")
        driver.find_element(By.ID, "name").send_keys("Ada\n")
        sees("Ada came in")
        bob = enter(stack, port, "Bob")
        sees("Bob came in")
        driver.find_element(By.ID, "text").send_keys("Is <b>tea</b> ready?\n")
        assert said(bob, "said", "Ada")["text"] == "Is <b>tea</b> ready?"
        bob.send('{"text": "<img src=x onerror=alert(1)> yes"}')
        sees("Bob: <img src=x onerror=alert(1)> yes")
        assert not driver.find_elements(By.CSS_SELECTOR, "#messages img")
        browser.photograph(driver, browser.artifacts(tmp_path) / "chat.png")
        stack.close()
        sees("Bob left")


def load(path):
    """Import a module of the tests' from its file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
