"""What the programs of the serving tests serve."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time

from asyncflask import App, websocket

app = App(__name__)


@app.get("/")
async def index():
    return "hello"


@app.get("/pid")
async def pid():
    return str(os.getpid())


@app.get("/thread")
def thread():
    return threading.current_thread().name


@app.get("/slow")
def slow():
    time.sleep(1)  # what a graceful stop is to wait for
    return str(os.getpid())


@app.get("/aslow")
async def aslow():
    await asyncio.sleep(1)
    return str(os.getpid())


@app.get("/error")
async def error():
    raise LookupError("oh no")


@app.get("/sse")
async def sse():
    async def events():
        try:
            while True:
                yield b"data: x\n\n"
                await asyncio.sleep(0.05)
        finally:
            print("stream ended", flush=True)

    return events(), {"Content-Type": "text/event-stream"}


@app.get("/stuck")
def stuck():
    print("stuck began", flush=True)
    time.sleep(600)  # nothing can end it, and nobody waits for it
    return ""


@app.get("/forever")
async def forever():
    print("forever began", flush=True)
    try:
        await app.shutdown_event.wait()
        print("shutdown began", flush=True)
        await asyncio.Event().wait()
    finally:
        print("forever was torn down", flush=True)


@app.websocket("/ws")
async def ws():
    while True:
        await websocket.send(await websocket.receive())


if __name__ == "__main__":
    app.run(port=0, **eval(f"dict({' '.join(sys.argv[1:])})"))
    print("run returned", flush=True)
