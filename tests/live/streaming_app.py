"""What test_stream_servers.py serves: every kind of stream, each saying on standard output when it is closed."""

from __future__ import annotations

import asyncio
import os
import threading

from asyncflask import App, Response, current_app, request, send_file, stream_with_context
from asyncflask.sse import ServerSentEvent, event_stream, last_event_id

LARGE = os.environ.get("LARGE", __file__)

app = App(__name__)
app.config["STREAM_SHUTDOWN_TIMEOUT"] = 0.3
app.config["RESPONSE_TIMEOUT"] = 0.5
app.config["BODY_TIMEOUT"] = 0.5
asgi = app.asgi


def say(what):
    on_loop = threading.current_thread() is threading.main_thread()
    os.write(1, f"{what} {request.path} {on_loop}\n".encode())  # in one piece, from whatever thread


@app.before_serving
async def begin():
    os.write(1, b"worker has started\n")


@app.teardown_request
def teardown(error):
    say("torn down")


@app.get("/alive")
async def alive():
    return "alive"


@app.get("/events/async")
@event_stream(heartbeat=0.05, retry=100)
async def events():
    try:
        yield ServerSentEvent({"since": last_event_id()}, event="begin", id=1)
        await asyncio.Event().wait()
    finally:
        say("closed")


@app.get("/events/def")
@event_stream(heartbeat=0.05)
def events_def():
    try:
        yield "begin"
        while not current_app.shutdown_event.wait_in_thread(0.05):
            yield None
    finally:
        say("closed")


@app.get("/endless/async")
async def endless():
    async def pieces():
        try:
            while True:
                yield "x" * 1000
                await asyncio.sleep(0.01)
        finally:
            say("closed")

    return stream_with_context(pieces())


@app.get("/endless/def")
def endless_def():
    def pieces():
        try:
            while True:
                yield "x" * 1000
        finally:
            say("closed")

    return pieces()


@app.get("/finite")
async def finite():
    async def pieces():
        try:
            yield "firstfirst"
            await current_app.shutdown_event.wait()
            yield "last"
        finally:
            say("closed")

    return pieces()


@app.get("/broken")
async def broken():
    async def pieces():
        yield "begin"
        await asyncio.sleep(0)
        raise ZeroDivisionError("in mid-stream")

    return pieces()


@app.get("/file")
def file():
    return send_file(LARGE, mimetype="application/octet-stream")


@app.get("/file/async")
async def file_async():
    return send_file(LARGE, mimetype="application/octet-stream")


@app.post("/parts", stream_body=True)
async def parts():
    stream, found = request.multipart(), []
    async for part in stream:
        found.append([part.name, part.filename, sum([len(piece) async for piece in part])])
    return {"parts": found, "received": stream.received, "total": stream.total}


@app.post("/parts/def", stream_body=True)
def parts_def():
    stream = request.multipart()
    found = [[part.name, part.filename, sum(map(len, part))] for part in stream]
    return {"parts": found, "received": stream.received, "total": stream.total}


@app.post("/echo", stream_body=True)
async def echo():
    async def pieces():
        async for piece in request.stream:
            yield piece

    return Response(pieces())


@app.post("/body")
async def body():
    return str(len(request.get_data()))
