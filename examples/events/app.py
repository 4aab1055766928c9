"""What a server measures of itself, drawn live in every open page: `uvicorn --app-dir examples/events app:asgi`."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from contextlib import asynccontextmanager

from asyncflask import App, json_lines, render_template, request
from asyncflask.sse import ServerSentEvent, event_stream, last_event_id

app = App(__name__)
app.config["INTERVAL"] = float(os.environ.get("INTERVAL", "0.5"))
asgi = app.asgi


class Meter:
    """Measures while anybody follows, and keeps the last samples for pages that connect again."""

    def __init__(self, keep=600):
        self.samples = deque(maxlen=keep)
        self.followers = 0
        self._number = 0
        self._new = asyncio.Condition()
        self._task = None

    async def follow(self, since=0):
        """Give all samples kept after the number `since`, then each new one; all, if that is of an earlier process."""
        if since > self._number:
            since = 0
        async with self._measuring():
            while True:
                for sample in [sample for sample in self.samples if sample["number"] > since]:
                    since = sample["number"]
                    yield sample
                async with self._new:
                    await self._new.wait_for(lambda since=since: self._number > since)

    @asynccontextmanager
    async def _measuring(self):
        self.followers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._measure())
        try:
            yield
        finally:
            self.followers -= 1
            if not self.followers:
                task, self._task = self._task, None
                task.cancel()

    async def _measure(self):
        interval = app.config["INTERVAL"]
        before, busy_before = time.monotonic(), time.process_time()
        while True:
            await asyncio.sleep(interval)
            now, busy = time.monotonic(), time.process_time()
            self._number += 1
            self.samples.append(
                {
                    "number": self._number,
                    "cpu": round(100 * (busy - busy_before) / (now - before), 1),  # percent of one core
                    "lag": round(max(0.0, now - before - interval) * 1000, 2),  # ms that the loop came late
                    "pages": self.followers,
                }
            )
            before, busy_before = now, busy
            async with self._new:
                self._new.notify_all()


meter = Meter()


@app.get("/")
async def dashboard():
    return render_template("dashboard.html")


@app.get("/events")
@event_stream(retry=1000)
async def events():
    seen = last_event_id() or request.args.get("since", "")
    async for sample in meter.follow(int(seen) if seen.isdecimal() and len(seen) < 16 else 0):
        yield ServerSentEvent(sample, event="sample", id=sample["number"])


@app.get("/samples.jsonl")
@json_lines
async def samples():
    for sample in list(meter.samples):
        yield sample


@app.post("/work")
def work():
    """Keep one worker thread busy for a while, which the plot shows; the loop goes on."""
    until = time.monotonic() + min(request.form.get("seconds", 1.0, type=float), 5.0)
    rounds = 0
    while time.monotonic() < until:
        rounds += sum(range(1000)) > 0
    return {"rounds": rounds}
