"""curl, or http.client where there is none, against examples/hello under the uvicorn command."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .servers import LIMIT

ROOT = Path(__file__).parents[2]
RUNNING = re.compile(r"Uvicorn running on http://127\.0\.0\.1:(\d+)")


@pytest.fixture(scope="module")
def port():
    folder = str(ROOT / "examples" / "hello")
    command = [sys.executable, "-m", "uvicorn", "--app-dir", folder, "app:asgi", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if found := RUNNING.search(line):
                break
        else:
            pytest.fail("uvicorn did not start")
        yield int(found[1])
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        process.wait(LIMIT)
    assert "Finished server process" in rest
    assert "ERROR" not in rest and "Traceback" not in rest, rest


def by_http_client(port, tmp_path):
    def ask(target, *, json_body=None, form=None, jar=None):
        headers, body, method = {}, None, "GET"
        if json_body is not None:
            method, body, headers["Content-Type"] = "POST", json_body, "application/json"
        if form is not None:
            method, body, headers["Content-Type"] = "POST", form, "application/x-www-form-urlencoded"
        if jar is not None and jar.exists():
            headers["Cookie"] = jar.read_text()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        if jar is not None:
            jar.write_text(answer.headers["Set-Cookie"].split(";")[0])
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    return ask


def by_curl(port, tmp_path):
    def ask(target, *, json_body=None, form=None, jar=None):
        options = ["--silent", "--show-error", "--max-time", str(LIMIT), "--write-out", "\n%{http_code}"]
        if json_body is not None:
            options += ["--header", "Content-Type: application/json", "--data", json_body]
        if form is not None:
            options += ["--data", form]
        if jar is not None:
            options += ["--cookie", str(jar), "--cookie-jar", str(jar)]
        command = ["curl", *options, f"http://127.0.0.1:{port}{target}"]
        text, _, status = subprocess.run(command, capture_output=True, check=True, text=True).stdout.rpartition("\n")
        return int(status), text

    return ask


@pytest.fixture(params=["curl", "http.client"])
def ask(request, port, tmp_path):
    if request.param == "curl" and shutil.which("curl") is None:
        pytest.skip("there is no curl")
    return {"curl": by_curl, "http.client": by_http_client}[request.param](port, tmp_path)


def test_async_handler(ask):
    status, text = ask("/async/ada?greeting=hi%20there")
    assert (status, json.loads(text)) == (200, {"hello": "ada", "greeting": "hi there", "loop": True})


def test_def_handler(ask):
    status, text = ask("/sync/ada")
    answer = json.loads(text)
    assert answer.pop("thread").startswith("asyncflask")
    assert (status, answer) == (200, {"hello": "ada", "greeting": None})


def test_json(ask):
    status, text = ask("/json", json_body='{"a": [1, 2, null]}')
    assert (status, json.loads(text)) == (200, {"got": {"a": [1, 2, None]}})
    assert ask("/json", json_body="{")[0] == 400
    assert ask("/json", form="a=1")[0] == 415


def test_form(ask):
    status, text = ask("/form", form="name=Ada&colour=%23fff")
    assert (status, json.loads(text)) == (200, {"name": "Ada", "colour": "#fff"})
    assert ask("/form", form="colour=red")[0] == 400
    assert "<form" in ask("/form")[1]


def test_session(ask, tmp_path):
    jar = tmp_path / "jar"
    assert [json.loads(ask("/count", jar=jar)[1])["visits"] for _ in range(3)] == [1, 2, 3]


def test_mounted_wsgi_callable(ask):
    assert ask("/wsgi/some/page") == (200, "SCRIPT_NAME=/wsgi PATH_INFO=/some/page\n")


def test_errors(ask):
    assert ask("/nowhere")[0] == 404
    assert ask("/json")[0] == 405
