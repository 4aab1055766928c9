"""What test_large_uploads.py serves: bodies taken as they come, and what that costs the process and its loop."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from asyncflask import App, request

app = App(__name__)
asgi = app.asgi


class Ticks:
    """Looks at the loop all the time: the longest it has been away, by the clock and by the CPU time of its thread."""

    def __init__(self):
        self.task = None

    async def run(self):
        self.clock = self.cpu = 0.0
        before, cpu_before = time.monotonic(), time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now, cpu = time.monotonic(), time.thread_time()
            self.clock, self.cpu = max(self.clock, now - before - 0.001), max(self.cpu, cpu - cpu_before)
            before, cpu_before = now, cpu


ticks = Ticks()


def memory(name):
    """A line of /proc/self/status, in KiB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


@app.post("/reset")
async def reset():
    """Begin to measure: the peak of the memory is what is used now."""
    Path("/proc/self/clear_refs").write_text("5")
    if ticks.task is not None:
        ticks.task.cancel()
    ticks.task = asyncio.create_task(ticks.run())
    return {"rss": memory("VmRSS")}


@app.get("/cost")
async def cost():
    return {"peak": memory("VmHWM"), "stall_ms": ticks.clock * 1000, "stall_cpu_ms": ticks.cpu * 1000}


def pause():
    """Seconds that the consumer is busy with something else after each piece."""
    return request.args.get("pause", 0.0, type=float)


@app.post("/stream/async", stream_body=True)
async def stream():
    size, seconds = 0, pause()
    async for piece in request.stream:
        size += len(piece)
        if seconds:
            await asyncio.sleep(seconds)
    return str(size)


@app.post("/stream/def", stream_body=True)
def stream_def():
    size, seconds = 0, pause()
    while piece := request.stream.read(65536):
        size += len(piece)
        time.sleep(seconds)
    return str(size)


@app.post("/parts/async", stream_body=True)
async def parts():
    size, seconds = 0, pause()
    async for part in request.multipart():
        async for piece in part:
            size += len(piece)
            if seconds:
                await asyncio.sleep(seconds)
    return str(size)


@app.post("/parts/def", stream_body=True)
def parts_def():
    size, seconds = 0, pause()
    for part in request.multipart():
        for piece in part:
            size += len(piece)
            time.sleep(seconds)
    return str(size)


@app.post("/saved", stream_body=True)
async def saved():
    async for part in request.multipart():
        return str(await part.asave("/dev/null" if "null" in request.args else request.args["path"]))


@app.post("/form")
async def form():
    return str(request.files["file"].seek(0, 2))
