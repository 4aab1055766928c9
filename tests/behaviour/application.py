"""The application of the behaviour suite: what it does can be seen through HTTP and websockets alone.

It is served in the process of the test, or by a server in another one (from its folder: ``uvicorn application:app``).
A handler leaves notes under a key of the test, and waits at gates that the test opens by a request.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections import defaultdict

from asyncflask import (
    App,
    WebsocketDisconnected,
    abort,
    g,
    json_lines,
    make_response,
    redirect,
    request,
    send_file,
    session,
    sse,
    stream_with_context,
    url_for,
    websocket,
)

LIMIT = 20.0
"""Seconds after which what is waited for has failed."""
CONTENT_LIMIT = 8 * 1024 * 1024


def make_app():
    app = App("behaviour", static_folder=None)
    app.config.update(SECRET_KEY="key of the suite", MAX_CONTENT_LENGTH=CONTENT_LIMIT, THREADS=8)
    logging.getLogger("behaviour").setLevel(logging.CRITICAL)
    notes, gates = defaultdict(list), defaultdict(threading.Event)
    seeing(app, notes, gates)
    answering(app)
    failing(app)
    remembering(app)
    streaming(app, notes, gates)
    conversing(app, notes, gates)
    return app


def seeing(app, notes, gates):
    """How a test looks at what has happened, and lets it go on."""

    @app.get("/notes/<key>/<int:count>")
    async def see(key, count):
        until = time.monotonic() + LIMIT
        while len(notes[key]) < count and time.monotonic() < until:
            await asyncio.sleep(0.002)
        return list(map(str, notes[key]))

    @app.post("/gates/<key>")
    async def open_gate(key):
        gates[key].set()
        return ""


async def passed(gate):
    until = time.monotonic() + LIMIT
    while not gate.is_set() and time.monotonic() < until:
        await asyncio.sleep(0.002)


def answering(app):
    def described():
        return {
            "method": request.method,
            "path": request.path,
            "args": request.args.to_dict(flat=False),
            "header": request.headers.get("X-Name"),
            "form": request.form.to_dict(flat=False),
            "files": {name: [file.filename, len(file.read())] for name, file in request.files.items()},
            "body": hashlib.sha256(request.get_data()).hexdigest() if not request.files else None,
            "own": g.own == request.args.get("own"),
        }

    @app.before_request
    def note_own():
        g.own = request.args.get("own")

    @app.route("/def/<path:rest>", methods=["GET", "POST", "PUT"])
    def described_def(rest):
        return described()

    @app.route("/async/<path:rest>", methods=["GET", "POST", "PUT"])
    async def described_async(rest):
        await asyncio.sleep(0.001)
        return described()

    @app.get("/slash/")
    def slash():
        return "slash"

    @app.post("/json/<kind>")
    async def json(kind):
        return {"got": request.get_json()}

    @app.post("/limited")
    async def limited():
        request.max_content_length = 1000
        return str(len(request.get_data()))

    @app.get("/empty")
    async def empty():
        return "", 204

    @app.get("/headers")
    async def headers():
        response = make_response("text", 201)
        for value in ("a=1; Path=/", "b=2; Path=/"):
            response.headers.add("Set-Cookie", value)
        response.headers["X-Latin"] = "caf\xe9"
        response.set_etag("tag")
        return response.make_conditional(request)

    @app.get("/big/<int:size>")
    def big(size):
        return b"x" * size

    @app.get("/ranged")
    def ranged():
        response = make_response(bytes(range(256)))
        return response.make_conditional(request, accept_ranges=True, complete_length=256)


def failing(app):
    @app.get("/fails/def")
    def fails_def():
        raise ZeroDivisionError("a secret of the code")

    @app.get("/fails/async")
    async def fails_async():
        await asyncio.sleep(0)
        raise ZeroDivisionError("a secret of the code")

    @app.get("/fails/handled")
    async def fails_handled():
        raise KeyError("handled")

    @app.errorhandler(KeyError)
    def handled(error):
        return {"handled": str(error)}, 418

    @app.get("/fails/abort/<int:code>")
    async def aborts(code):
        abort(code)

    @app.get("/fails/header")
    async def bad_header():
        response = make_response("text")
        response.headers._list.append(("X-Bad", "a\r\nInjected: 1"))
        return response


def remembering(app):
    @app.get("/count")
    def count():
        session["count"] = session.get("count", 0) + 1
        return {"count": session["count"]}

    @app.post("/login")
    async def login():
        session["user"] = request.form["user"]
        return redirect(url_for("user"))

    @app.get("/user")
    async def user():
        return session.get("user", "nobody")

    @app.post("/logout")
    def logout():
        session.clear()
        return redirect(url_for("user"), 303)

    @app.post("/again")
    async def again():
        return redirect("/async/again", 307)


def streaming(app, notes, gates):
    def stepwise(key, count):
        for n in range(count):
            yield f"{n}\n"
            gates[f"{key}-{n}"].wait(LIMIT)

    @app.get("/steps/def/<key>/<int:count>")
    def steps_def(key, count):
        return stepwise(key, count)

    @app.get("/steps/async/<key>/<int:count>")
    async def steps_async(key, count):
        async def body():
            for n in range(count):
                yield f"{n}\n"
                await passed(gates[f"{key}-{n}"])

        return body()

    @app.get("/endless/def/<key>")
    def endless_def(key):
        def body():
            try:
                while True:
                    yield b"x" * 10_000
            finally:
                notes[key].append(f"closed {request.path}")

        return stream_with_context(body())

    @app.get("/endless/async/<key>")
    async def endless_async(key):
        async def body():
            try:
                while True:
                    yield b"x" * 10_000
                    await asyncio.sleep(0)
            finally:
                notes[key].append(f"closed {request.path}")

        return body()

    @app.get("/cut/<kind>")
    async def cut(kind):
        def body():
            yield "begin"
            raise ZeroDivisionError

        async def async_body():
            yield "begin"
            raise ZeroDivisionError

        return body() if kind == "def" else async_body()

    @app.get("/waits/<key>", on_disconnect="cancel")
    async def waits(key):
        notes[key].append("begun")
        try:
            await passed(gates[key])
        except asyncio.CancelledError:
            notes[key].append("cancelled")
            raise
        return "answered"

    @app.post("/upload/<key>", stream_body=True)
    async def upload(key):
        digest, size = hashlib.sha256(), 0
        try:
            async for piece in request.stream:
                digest.update(piece)
                size += len(piece)
                if size >= len(notes[key]) * 100_000 + 100_000:
                    notes[key].append("more")
        except Exception as error:
            notes[key].append(type(error).__name__)
            raise
        return {"size": size, "digest": digest.hexdigest()}

    @app.get("/download/<int:count>")
    async def download(count):
        async def body():
            for n in range(count):
                yield bytes([n % 256]) * 50_000

        return body()

    @app.post("/echo", stream_body=True)
    async def sent_back():
        async def body():
            async for piece in request.stream:
                yield piece

        return body()

    @app.post("/parts/<key>", stream_body=True)
    async def parts(key):
        found = []
        async for part in request.multipart():
            size = 0
            async for piece in part:
                size += len(piece)
            notes[key].append(part.name)
            found.append([part.name, part.filename, size])
        return found

    def counted(key, wait):
        first = int(sse.last_event_id() or 0) + 1
        for n in range(first, first + 3):
            yield sse.ServerSentEvent({"n": n}, event="count", id=n)
            wait(gates[f"{key}-{n}"])

    @app.get("/events/def/<key>")
    @sse.event_stream(retry=250)
    def events_def(key):
        return counted(key, lambda gate: gate.wait(LIMIT))

    @app.get("/events/async/<key>")
    @sse.event_stream(retry=250)
    async def events_async(key):
        first = int(sse.last_event_id() or 0) + 1
        for n in range(first, first + 3):
            yield sse.ServerSentEvent({"n": n}, event="count", id=n)
            await passed(gates[f"{key}-{n}"])

    @app.get("/lines/<key>/<int:count>")
    @json_lines
    async def lines(key, count):
        for n in range(count):
            yield {"n": n}
            await passed(gates[f"{key}-{n}"])

    @app.get("/file/def")
    def file_def():
        return send_file(__file__)

    @app.get("/file/async")
    async def file_async():
        return send_file(__file__)


def conversing(app, notes, gates):
    @app.websocket("/ws/async/echo")
    async def echo():
        async for message in websocket:
            await websocket.send(message)

    @app.websocket("/ws/def/echo")
    def echo_def():
        for message in websocket:
            websocket.send(message)

    @app.websocket("/ws/json/<name>")
    async def converse(name):
        while True:
            got = await websocket.receive_json()
            await websocket.send_json({"name": name, "got": got, "q": websocket.args.get("q")})

    @app.websocket("/ws/protocol")
    async def protocol():
        wanted = websocket.requested_subprotocols
        await websocket.accept(headers={"X-Accepted": "yes"}, subprotocol=wanted[-1] if wanted else None)
        await websocket.send(",".join(wanted))
        await websocket.receive()

    @app.websocket("/ws/refused/<int:code>")
    async def refused(code):
        abort(code, description="not for you")

    @app.websocket("/ws/shut")
    async def shut():
        await websocket.close(1000)

    @app.websocket("/ws/closes/<int:code>")
    async def closes(code):
        await websocket.accept()
        await websocket.send("last")
        await websocket.close(code, "enough")

    @app.websocket("/ws/fails")
    async def fails():
        await websocket.accept()
        raise ZeroDivisionError("a secret of the code")

    @app.websocket("/ws/session")
    async def remembered():
        await websocket.accept()
        await websocket.send(session.get("user", "nobody"))

    @app.websocket("/ws/left/<key>")
    async def left(key):
        await websocket.accept()
        notes[key].append("accepted")
        try:
            while True:
                notes[key].append(await websocket.receive())
        except WebsocketDisconnected as error:
            notes[key].append(f"{error.code} {error.reason}".strip())

    rooms = defaultdict(set)

    @app.websocket("/ws/room/<key>")
    async def room(key):
        this = websocket._get_current_object()
        await websocket.accept()
        rooms[key].add(this)
        await websocket.send(f"{len(rooms[key])}")
        try:
            async for message in websocket:
                for other in tuple(rooms[key]):
                    await other.send(message)
        finally:
            rooms[key].discard(this)


app = make_app()
