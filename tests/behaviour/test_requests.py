"""Requests and answers: in memory, by uvicorn, and over WSGI by gunicorn the same."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from .application import CONTENT_LIMIT


@pytest.fixture(params=["def", "async"])
def kind(request):
    return request.param


async def test_what_a_request_says(driver, kind):
    answer = await driver.http.put(
        f"/{kind}/p%C3%A4th/a%20b",
        params=[("q", "ä&"), ("q", "2"), ("e", "")],
        headers={"X-Name": "value"},
        content=b"body",
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "method": "PUT",
        "path": f"/{kind}/päth/a b",
        "args": {"q": ["ä&", "2"], "e": [""]},
        "header": "value",
        "form": {},
        "files": {},
        "body": hashlib.sha256(b"body").hexdigest(),
        "own": True,
    }


async def test_forms_and_files(driver, kind):
    answer = await driver.http.post(f"/{kind}/form", data={"a": ["1", "ä"], "b": ""})
    assert answer.json()["form"] == {"a": ["1", "ä"], "b": [""]}
    files = {"small": ("small.txt", b"text"), "big": ("big.bin", b"x" * 1_000_000)}
    answer = await driver.http.post(f"/{kind}/files", data={"a": "1"}, files=files)
    assert answer.json()["form"] == {"a": ["1"]}
    assert answer.json()["files"] == {"small": ["small.txt", 4], "big": ["big.bin", 1_000_000]}


async def test_a_body_in_pieces(driver, kind):
    async def content():
        for n in range(5):
            yield bytes([n]) * 70_000

    answer = await driver.http.post(f"/{kind}/pieces", content=content())
    whole = b"".join([bytes([n]) * 70_000 for n in range(5)])
    assert answer.json()["body"] == hashlib.sha256(whole).hexdigest()


async def test_a_big_body(driver, kind):
    big = b"x" * CONTENT_LIMIT
    answer = await driver.http.post(f"/{kind}/big", content=big)
    assert answer.json()["body"] == hashlib.sha256(big).hexdigest()


@pytest.mark.parametrize(("size", "status"), [(1000, 200), (1001, 413)])
async def test_a_limit_of_the_view(driver, size, status):
    async def content():
        yield b"x" * size

    for body in (b"x" * size, content()):
        answer = await driver.http.post("/limited", content=body)
        assert answer.status_code == status
        assert status != 200 or answer.text == str(size)


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b'{"a": [1, null]}', "application/json", 200),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"{}", "text/plain", 415),
    ],
)
async def test_json(driver, content, content_type, status):
    answer = await driver.http.post("/json/x", content=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert status != 200 or answer.json() == {"got": {"a": [1, None]}}


async def test_methods(driver, kind):
    answer = await driver.http.head(f"/{kind}/x")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 10
    answer = await driver.http.options(f"/{kind}/x")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST", "PUT"}
    assert (await driver.http.delete(f"/{kind}/x")).status_code == 405
    assert (await driver.http.request("PROPFIND", f"/{kind}/x")).status_code == 405


async def test_what_is_not_there(driver):
    assert (await driver.http.get("/nowhere")).status_code == 404
    answer = await driver.http.get("/slash?q=1")
    assert (answer.status_code, answer.headers["location"]) == (308, str(driver.http.base_url.join("/slash/?q=1")))
    assert (await driver.http.get("/slash", follow_redirects=True)).text == "slash"
    assert (await driver.http.get("/" + "a" * 3000)).status_code == 404


async def test_headers_of_an_answer(driver):
    answer = await driver.http.get("/headers")
    assert answer.status_code == 201
    assert answer.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; Path=/"]
    assert (answer.headers["x-latin"], answer.headers["etag"]) == ("caf\xe9", '"tag"')
    assert answer.headers["content-length"] == "4"
    assert dict(driver.http.cookies) == {"a": "1", "b": "2"}
    answer = await driver.http.get("/empty")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers


async def test_conditional_and_partial_answers(driver):
    answer = await driver.http.get("/headers", headers={"If-None-Match": '"tag"'})
    assert (answer.status_code, answer.content) == (304, b"")
    answer = await driver.http.get("/ranged", headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, bytes(range(10, 20)))
    assert answer.headers["content-range"] == "bytes 10-19/256"
    assert (await driver.http.get("/ranged", headers={"Range": "bytes=300-"})).status_code == 416


@pytest.mark.parametrize("size", [0, 1, 65_536, 5_000_000])
async def test_the_size_of_an_answer(driver, size):
    answer = await driver.http.get(f"/big/{size}")
    assert answer.headers["content-length"] == str(size)
    assert answer.content == b"x" * size


@pytest.mark.parametrize("path", ["def", "async"])
async def test_errors_nobody_handles(driver, path):
    answer = await driver.http.get(f"/fails/{path}")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert (await driver.http.get("/user")).text == "nobody"


async def test_errors_that_are_handled(driver):
    answer = await driver.http.get("/fails/handled")
    assert (answer.status_code, answer.json()) == (418, {"handled": "'handled'"})
    for code in (400, 401, 404, 429, 503):
        assert (await driver.http.get(f"/fails/abort/{code}")).status_code == code


async def test_a_header_that_cannot_be_sent(driver):
    answer = await driver.http.get("/fails/header")
    assert answer.status_code == 500
    assert "injected" not in answer.headers


async def test_sessions(driver):
    assert [(await driver.http.get("/count")).json()["count"] for _ in range(3)] == [1, 2, 3]
    driver.http.cookies.clear()
    assert (await driver.http.get("/count")).json()["count"] == 1
    driver.http.cookies.set("session", "forged")
    driver.http.cookies.clear()
    answer = await driver.http.get("/count", headers={"Cookie": "session=forged"})
    assert answer.json()["count"] == 1


async def test_redirects(driver):
    answer = await driver.http.post("/login", data={"user": "ada"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/user")
    answer = await driver.http.post("/login", data={"user": "eve"}, follow_redirects=True)
    assert (answer.text, [each.status_code for each in answer.history]) == ("eve", [302])
    assert (await driver.http.post("/logout", follow_redirects=True)).text == "nobody"
    answer = await driver.http.post("/again", content=b"kept", follow_redirects=True)
    assert (answer.json()["method"], answer.json()["body"]) == ("POST", hashlib.sha256(b"kept").hexdigest())


async def test_many_at_once_keep_apart(driver):
    paths = [f"/{kind}/{n}?own={n}" for n in range(25) for kind in ("def", "async")]
    answers = await asyncio.gather(*(driver.http.get(path) for path in paths))
    assert [answer.json()["path"] for answer in answers] == [path.partition("?")[0] for path in paths]
    assert all(answer.json()["own"] for answer in answers)
