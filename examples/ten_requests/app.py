"""Handlers that take half a second each and then tell which process, thread and task they ran in; run.py asks them."""

from __future__ import annotations

import asyncio
import os
import threading
import time

from asyncflask import App, request

SECONDS = float(os.environ.get("TEN_SECONDS", "0.5"))

app = App(__name__)
app.config["THREADED"] = os.environ.get("TEN_THREADED", "1") == "1"


def facts(token: str, started: float) -> dict[str, object]:
    """Who serves this request, and what `request` says of it after the wait, when the others have come in too."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs in a worker thread
        task = None
    return {
        "process": os.getpid(),
        "thread": threading.current_thread().name,
        "task": task.get_name() if task else None,
        "started": started,
        "ended": time.monotonic(),
        "tokens": [token, request.path.rpartition("/")[2], request.headers["X-Token"], request.get_json()["token"]],
    }


@app.post("/block/<token>")
def block(token):
    started = time.monotonic()
    time.sleep(SECONDS)
    return facts(token, started)


@app.post("/sleep/<token>")
async def sleep(token):
    started = time.monotonic()
    await asyncio.sleep(SECONDS)
    return facts(token, started)


@app.get("/who")
async def who():
    return {"process": os.getpid()}


asgi = app.asgi
