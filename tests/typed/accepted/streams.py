"""Streams: server-sent events, JSON Lines, bodies as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

from asyncflask import App, Response, json_lines, request
from asyncflask.sse import ServerSentEvent, event_stream, last_event_id

app = App(__name__)


@app.get("/events")
@event_stream
async def events() -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent({"since": last_event_id()}, event="begin", id=1)


@app.get("/events/def")
@event_stream(heartbeat=5, retry=timedelta(seconds=2))
def events_def() -> Iterator[ServerSentEvent | str | None]:
    yield "text"
    yield None


@app.get("/events/response")
async def response() -> Response:
    return event_stream([ServerSentEvent("one")], heartbeat=None)


@app.get("/lines")
@json_lines
async def lines() -> AsyncIterator[dict[str, int]]:
    yield {"n": 1}


@app.get("/lines/def")
@json_lines
def lines_def() -> Iterator[list[int]]:
    yield [1]


@app.post("/parts", stream_body=True, on_disconnect="cancel")
async def parts() -> dict[str, int]:
    sizes: dict[str, int] = {}
    async for part in request.multipart():
        sizes[part.name] = await part.asave("/dev/null") if part.filename else len(await part.atext())
    return sizes


@app.post("/parts/def", stream_body=True, on_disconnect="shield")
def parts_def() -> dict[str, int]:
    return {part.name: sum(len(piece) for piece in part) for part in request.multipart()}


@app.get("/pause")
async def pause() -> str:
    await app.shutdown_event.wait()
    return "the server stops"
