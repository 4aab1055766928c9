"""What examples/deploy answers: in process, and through nginx to two machines' worth of workers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
from app import app, asgi, wsgi
from run import deployed, find_nginx
from websockets.sync.client import connect
from werkzeug.test import Client

FORWARDED = {
    "X-Forwarded-For": "6.6.6.6, 1.2.3.4",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.test",
    "X-Forwarded-Prefix": "/shop",
}
LIMIT = 20


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_has_nothing_that_systemd_does_not_know(tmp_path):
    unit = tmp_path / "asyncflask@8001.service"
    text = (Path(__file__).parent / "asyncflask@.service").read_text()
    unit.write_text(text.replace("/srv/deploy/.venv/bin/uvicorn", "/bin/sh"))  # which has to be there, without spaces
    verify = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    # It looks at other units too, of which some machine may have odd ones.
    assert [line for line in (verify.stdout + verify.stderr).splitlines() if unit.name in line] == []


@pytest.fixture
async def client():
    async with app.async_test_client() as client:
        client.app = app
        yield client


async def test_the_handlers(client):
    assert 'href="/where"' in (await client.get("/")).text
    assert (await client.get("/where")).json()["prefix"] == ""
    assert (await client.post("/upload", content=b"x" * 1000)).json() == {"bytes": 1000}
    assert (await client.post("/upload", content=b"x" * 1_000_001)).status_code == 413
    assert (await client.get("/readyz")).json()["ready"] is True


def test_behind_a_proxy_by_wsgi():
    answer = Client(wsgi).get("/where", headers=FORWARDED)
    assert (answer.json["client"], answer.json["url"]) == ("1.2.3.4", "https://shop.test/shop/where")
    assert answer.json["next"] == "https://shop.test/shop/count"


async def test_behind_a_proxy_by_asgi():
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in FORWARDED.items()]
    scope = {"type": "http", "http_version": "1.1", "method": "GET", "path": "/where", "query_string": b""}
    await asgi(scope | {"scheme": "http", "headers": [(b"host", b"inner"), *headers]}, receive, send)
    answer = json.loads(sent[1]["body"])
    assert (answer["client"], answer["url"]) == ("1.2.3.4", "https://shop.test/shop/where")


# -- nginx and two machines --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    for program in ("openssl", find_nginx()):
        if program is None or shutil.which(program) is None:
            pytest.skip("nginx and openssl are needed: apt install nginx-light openssl")
    with deployed(tmp_path_factory.mktemp("deployed"), workers=1) as deployment:
        yield deployment


@pytest.fixture
def https(deployment):
    """A connection that trusts the certificate that was made, and no other."""
    context = ssl.create_default_context(cafile=deployment.certificate)
    connection = http.client.HTTPSConnection("localhost", deployment.port, timeout=LIMIT, context=context)
    with contextlib.closing(connection):
        yield connection


def ask(connection, path, headers=None, body=None):
    connection.request("GET" if body is None else "POST", path, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def asked(connection, path, headers=None):
    answer, body = ask(connection, path, headers)
    assert answer.status == 200, body
    return json.loads(body)


def test_the_application_knows_the_url_that_was_asked_for(deployment, https):
    got = asked(https, "/where")
    assert got["url"] == f"{deployment.url}/where"
    assert (got["client"], got["prefix"], got["next"]) == ("127.0.0.1", "", f"{deployment.url}/count")


def test_under_a_prefix(deployment, https):
    got = asked(https, "/shop/where")
    assert (got["url"], got["prefix"]) == (f"{deployment.url}/shop/where", "/shop")
    assert got["next"] == f"{deployment.url}/shop/count"
    assert 'href="/shop/where"' in ask(https, "/shop/")[1].decode()


def test_what_a_client_forges_is_not_believed(deployment, https):
    forged = FORWARDED | {"Forwarded": "for=6.6.6.6;host=evil.test", "X-Real-IP": "6.6.6.6"}
    got = asked(https, "/where", forged)
    assert (got["client"], got["url"], got["prefix"]) == ("127.0.0.1", f"{deployment.url}/where", "")


def test_a_session_goes_on_on_every_machine(https):
    cookie, visits, machines = {}, [], set()
    for _ in range(8):
        answer, body = ask(https, "/count", cookie)
        cookie = {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]}
        assert "Secure" in answer.headers["Set-Cookie"]
        visits.append(json.loads(body)["visits"])
        machines.add(json.loads(body)["machine"])
    assert visits == list(range(1, 9))
    assert machines == {"first", "second"}


def test_bodies_and_their_limits(https):
    assert json.loads(ask(https, "/upload", body=b"x" * 900_000)[1]) == {"bytes": 900_000}
    with contextlib.suppress(ConnectionError):  # nginx refuses without reading on
        assert ask(https, "/upload", body=b"x" * 1_000_001)[0].status == 413


@pytest.mark.parametrize("prefix", ["", "/shop"])
def test_a_websocket(deployment, prefix):
    context = ssl.create_default_context(cafile=deployment.certificate)
    url = f"wss://localhost:{deployment.port}{prefix}/echo"
    headers = {"X-Forwarded-For": "6.6.6.6"}
    with connect(url, ssl=context, additional_headers=headers, proxy=None, open_timeout=LIMIT) as socket:
        assert socket.recv(LIMIT) == f"127.0.0.1 {url}"
        for message in ("one", b"two", "x" * 100_000):
            socket.send(message)
            assert socket.recv(LIMIT) == message


def test_one_machine_dies_and_the_other_is_told_to_stop(deployment, https):
    """The last test: streams are open to both machines, each with its first piece, which nginx has not held back."""
    streams = {"first": [], "second": []}
    context = ssl.create_default_context(cafile=deployment.certificate)
    with contextlib.ExitStack() as stack:
        while not all(streams.values()):
            connection = http.client.HTTPSConnection("localhost", deployment.port, timeout=LIMIT, context=context)
            stack.enter_context(contextlib.closing(connection))
            connection.request("GET", "/events")
            stream = connection.getresponse()
            machine = stream.readline().decode().removeprefix("data: ").strip()
            streams[machine].append(stream)
        os.killpg(deployment.machines["first"].pid, signal.SIGKILL)  # with its workers
        deployment.machines["first"].wait(LIMIT)
        for stream in streams["first"]:
            with pytest.raises(http.client.IncompleteRead):  # cut off, and no clean end
                stream.read()
        assert [asked(https, "/where")["machine"] for _ in range(10)] == ["second"] * 10
        deployment.machines["second"].terminate()
        for stream in streams["second"]:
            assert stream.read() == b"\n"  # nothing is missing
