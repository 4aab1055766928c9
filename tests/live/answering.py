"""The application, and the requests to it, that every server has to bring the same answers of.

Servers load it by name: ``answering:app`` and ``answering:asgi``.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from asyncflask import App, abort, redirect, request, send_file, session, url_for

MULTIPART = "multipart/form-data; boundary=frontier"
FORM = (
    b'--frontier\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xc3\xa9\r\n'
    b'--frontier\r\nContent-Disposition: form-data; name="f"; filename="n.txt"\r\nContent-Type: text/plain\r\n\r\n'
    + b"x" * 100_000
    + b"\r\n--frontier--\r\n"
)

app = App(__name__, static_folder=None)
app.config.update(SECRET_KEY="the same in every process", MAX_CONTENT_LENGTH=1_000_000)
app.config["TRUSTED_HOSTS"] = ["answers.test", "127.0.0.1"]
app.log_exception = lambda error: None  # the 500 is asked for
asgi = app.asgi


def seen() -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "args": request.args.to_dict(flat=False),
        "form": request.form.to_dict(flat=False),
        "files": {name: [file.filename, len(file.read())] for name, file in request.files.items()},
        "cookies": request.cookies,
        "x": request.headers.get("X-Value"),
        "type": request.mimetype,
    }


@app.route("/def", methods=["GET", "POST", "PUT", "PATCH"])
def in_a_thread():
    return seen()


@app.route("/async", methods=["GET", "POST", "PUT", "PATCH"])
async def on_the_loop():
    await asyncio.sleep(0)
    return seen()


@app.post("/digest/<kind>")
async def digest(kind):
    return {"sha256": hashlib.sha256(request.get_data()).hexdigest(), "kind": kind}


@app.post("/json")
def json():
    return {"got": request.get_json()}


@app.get("/item/<int:number>/")
async def item(number):
    return {"number": number, "url": url_for("item", number=number + 1, _external=True)}


@app.get("/named/<path:name>")
def named(name):
    return name


@app.get("/moved")
async def moved():
    return redirect(url_for("item", number=1))


@app.get("/cookies")
def cookies():
    answer = app.make_response(("set", {"X-Two": "a"}))
    answer.set_cookie("one", "1", httponly=True)
    answer.set_cookie("two", "2 é", path="/async", samesite="Lax")
    answer.headers.add("X-Two", "b")
    return answer


@app.get("/count")
async def count():
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


@app.get("/stream/def")
def stream():
    return (f"piece {n}\n" for n in range(50)), {"Content-Type": "text/plain"}


@app.get("/stream/async")
async def stream_async():
    async def pieces():
        for n in range(50):
            await asyncio.sleep(0)
            yield f"piece {n}\n"

    return pieces(), {"Content-Type": "text/plain"}


@app.get("/file")
def file():
    return send_file(Path(__file__), conditional=True, etag="fixed", last_modified=1_000_000_000)


@app.get("/large")
async def large():
    return b"0123456789abcdef" * 65536


@app.route("/nothing", methods=["DELETE"])
async def nothing():
    return "", 204


@app.get("/error")
async def error():
    raise ZeroDivisionError


@app.get("/teapot")
def teapot():
    abort(418)


@app.get("/custom")
async def custom():
    raise LookupError("nobody")


@app.errorhandler(LookupError)
def missing(error):
    return {"missing": str(error)}, 404


@app.after_request
def stamp(response):
    response.headers["X-Stamp"] = request.endpoint or "none"
    return response


def hold(kind: str) -> None:
    Path(os.environ["HOLD"], kind).touch()


@app.get("/hold/def")
def hold_in_a_thread():
    hold("def")
    time.sleep(0.4)
    return "held"


@app.get("/hold/async")
async def hold_on_the_loop():
    hold("async")
    await asyncio.sleep(0.4)
    return "held"


class Asked(NamedTuple):
    """A request; `body` as chunks where it is a list."""

    method: str
    target: str
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes | list[bytes] = b""
    host: str = "answers.test"


JSON = {"Content-Type": "application/json"}
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}

REQUESTS = {
    "plain": Asked("GET", "/def"),
    "plain async": Asked("GET", "/async"),
    "head": Asked("HEAD", "/async"),
    "query": Asked("GET", "/def?x=1&x=2&y=%C3%A9+z&empty="),
    "query async": Asked("GET", "/async?x=1&x=2&y=%C3%A9+z&empty="),
    "header": Asked("GET", "/async", {"X-Value": 'a, b;c="d"', "X-Value_": "underscore"}),
    "cookies": Asked("GET", "/def", {"Cookie": 'a=1; b="2 3"'}),
    "form": Asked("POST", "/def", URLENCODED, b"a=1&a=2&b=%C3%A9"),
    "form async": Asked("POST", "/async", URLENCODED, b"a=1&a=2&b=%C3%A9"),
    "form in chunks": Asked("POST", "/async", URLENCODED, [b"a=1&", b"a=2"]),
    "multipart": Asked("POST", "/def", {"Content-Type": MULTIPART}, FORM),
    "multipart async": Asked("PUT", "/async", {"Content-Type": MULTIPART}, FORM),
    "json": Asked("POST", "/json", JSON, '{"a": [1, null, "é"]}'.encode()),
    "json that is none": Asked("POST", "/json", JSON, b"{"),
    "json of another type": Asked("POST", "/json", {"Content-Type": "text/plain"}, b"{}"),
    "large body": Asked("POST", "/digest/length", body=b"z" * 900_000),
    "large body in chunks": Asked("POST", "/digest/chunks", body=[b"z" * 30_000] * 30),
    "too large body": Asked("POST", "/digest/too-large", body=b"z" * 1_000_001),
    "too large body in chunks": Asked("POST", "/digest/too-large", body=[b"z" * 50_000] * 21),
    "patch": Asked("PATCH", "/async", {"Content-Type": "text/plain"}, b"text"),
    "converter": Asked("GET", "/item/41/"),
    "slash": Asked("GET", "/item/41?a=b"),
    "no such number": Asked("GET", "/item/x/"),
    "escaped path": Asked("GET", "/named/caf%C3%A9/a%20b/%25"),
    "moved": Asked("GET", "/moved"),
    "set cookies": Asked("GET", "/cookies"),
    "stream": Asked("GET", "/stream/def"),
    "stream async": Asked("GET", "/stream/async"),
    "head of a stream": Asked("HEAD", "/stream/async"),
    "file": Asked("GET", "/file"),
    "head of a file": Asked("HEAD", "/file"),
    "range of a file": Asked("GET", "/file", {"Range": "bytes=4-19"}),
    "range out of a file": Asked("GET", "/file", {"Range": "bytes=9999999-"}),
    "file that is known": Asked("GET", "/file", {"If-None-Match": '"fixed"'}),
    "large answer": Asked("GET", "/large"),
    "no content": Asked("DELETE", "/nothing"),
    "options": Asked("OPTIONS", "/def"),
    "not found": Asked("GET", "/nowhere"),
    "not allowed": Asked("POST", "/moved"),
    "an error": Asked("GET", "/error"),
    "aborted": Asked("GET", "/teapot"),
    "its own handler": Asked("GET", "/custom"),
    "a host that is not trusted": Asked("GET", "/def", host="evil.test"),
    "a host with a port": Asked("GET", "/item/1/", host="answers.test:8080"),
}
