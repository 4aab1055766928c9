"""Reading server-sent events as browsers do. (HTML Standard, 9.2 Server-sent events.)"""

from __future__ import annotations

import codecs
import re
import typing as t

from .httpx import httpx2

if t.TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

Event: t.TypeAlias = httpx2.ServerSentEvent

_LINE_END = re.compile("\r\n|\n|\r")


class EventParser:
    """Bytes of an event stream in, events out; what is not complete at the end of the stream never comes out.

    Attributes:
        last_event_id: the id of the last event; a browser sends it as ``Last-Event-ID`` when it connects again.
        retry: milliseconds to wait before that, if the stream has said.
        comments: of the stream so far, which browsers ignore; heartbeats are such.
    """

    def __init__(self) -> None:
        self.last_event_id: str = ""
        self.retry: int | None = None
        self.comments: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._fed = self._after_cr = False
        self._line_begun: list[str] = []
        self._id = ""
        self._begin()

    def _begin(self) -> None:
        self._type = ""
        self._data: list[str] = []
        self._retry: int | None = None

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; return the events that they complete."""
        text = self._decoder.decode(data)
        if not text:
            return []
        if not self._fed:
            text = text.removeprefix("\ufeff")
        elif self._after_cr:
            text = text.removeprefix("\n")
        # A line that ends in CR is complete, though an LF may follow.
        self._fed, self._after_cr = True, text.endswith("\r")
        *lines, rest = _LINE_END.split(text)
        if lines:
            lines[0] = "".join((*self._line_begun, lines[0]))
            self._line_begun.clear()
        self._line_begun.append(rest)
        return [event for line in lines if (event := self._line(line)) is not None]

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        field, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "" if colon:
                self.comments.append(value)
            case "event":
                self._type = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry = self._retry = int(value)
        return None

    def _dispatch(self) -> Event | None:
        self.last_event_id = self._id
        kind, data, retry = self._type, self._data, self._retry
        self._begin()
        if not data:
            return None
        return httpx2.ServerSentEvent(event=kind or "message", data="\n".join(data), id=self._id, retry=retry)


class EventSource:
    """The events of a URL; ``client.sse(url)`` makes it.

    ``async for event in client.sse(url)`` reads to the end of the stream. To leave it before, read inside
    ``async with client.sse(url) as events``: the client leaves at the end of the block.

    Events have ``event`` (its type, "message" by default), ``data``, ``id``, ``retry`` and ``json()``.

    Attributes:
        response: once it has begun.
        last_event_id, retry, comments: see `EventParser`.
    """

    def __init__(self, stream: AbstractAsyncContextManager[httpx2.Response]) -> None:
        self._stream = stream
        self._parser = EventParser()
        self._response: httpx2.Response | None = None

    @property
    def response(self) -> httpx2.Response:
        """The response that the events come in."""
        if self._response is None:
            raise RuntimeError("The events have no response yet: enter `async with client.sse(url)` or iterate first.")
        return self._response

    @property
    def last_event_id(self) -> str:
        """The id of the last event, "" if none had one."""
        return self._parser.last_event_id

    @property
    def retry(self) -> int | None:
        """Milliseconds to wait before connecting again, if the stream has said."""
        return self._parser.retry

    @property
    def comments(self) -> list[str]:
        """The comments that came so far."""
        return self._parser.comments

    async def __aenter__(self) -> t.Self:
        response = await self._stream.__aenter__()
        self._response = response
        try:
            await _check(response)
        except BaseException:
            await self._stream.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(self, *error: t.Any) -> None:
        await self._stream.__aexit__(*error)

    async def __aiter__(self) -> t.AsyncIterator[Event]:
        if self._response is None:
            async with self:
                async for event in self:
                    yield event
            return
        async for piece in self._response.aiter_bytes():
            for event in self._parser.feed(piece):
                yield event


async def _check(response: httpx2.Response) -> None:
    """Raise SSEError for what makes a browser fail the connection: another status, another type of content."""
    kind = response.headers.get("content-type", "")
    if response.status_code == 200 and kind.partition(";")[0].strip().lower() == "text/event-stream":
        return
    text = (await response.aread()).decode(errors="replace")[:500] if response.status_code != 200 else ""
    raise httpx2.SSEError(
        f"{response.request.method} {response.request.url.path} is no event stream: status {response.status_code},"
        f" Content-Type {kind or '(none)'}{f', {text!r}' if text else ''}. It takes status 200 and text/event-stream.",
        request=response.request,
    )
