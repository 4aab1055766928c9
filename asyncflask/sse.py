"""Server-sent events: a stream that browsers read by ``EventSource``, and open again by themselves when it breaks.

    @app.get("/ticks")
    @event_stream(retry=2000)
    async def ticks():
        async for tick in market.since(last_event_id()):
            yield ServerSentEvent(tick.values, event="tick", id=tick.number)

(HTML Standard, Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html)
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from . import json
from .globals import current_app, request
from .streaming import Items, encoded, streaming

if t.TYPE_CHECKING:
    from .wrappers import Response

P = t.ParamSpec("P")

HEARTBEAT = 15.0
"""Seconds of idleness after which a comment is sent: proxies commonly close what is silent for 30 or 60."""

_COMMENT = b":\n\n"
# What ends a line for those who read events; str.splitlines knows more.
_LINE_END = re.compile("\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    r"""One event.

    Args:
        data: what the page gets as ``event.data``: a str of any number of lines, or anything else that the app's JSON
            provider can write. None: no event is dispatched, only the other fields count.
        event: its type, by which the page listens for it; ``message`` if not given.
        id: what a browser that connects again sends as ``Last-Event-ID``; ``""`` makes it forget the last one.
        retry: after how many milliseconds it connects again.
        comment: nobody sees it but who looks at the wire.

    Raises:
        TypeError: a field is of a wrong type.
        ValueError: a field would break the stream: CR or LF in `event` or `id`, a NUL in `id`, which browsers pass
            over, a negative `retry`, text that cannot be encoded; or the event is empty.
    """

    data: t.Any = None
    event: str | None = None
    id: str | int | None = None
    retry: int | timedelta | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        if all(value is None for value in (self.data, self.event, self.id, self.retry, self.comment)):
            raise ValueError("A server-sent event needs data, or at least one other field.")
        if isinstance(self.data, (bytes, bytearray, memoryview)):
            raise TypeError("The data of a server-sent event is text: decode the bytes, or encode them as base64.")
        _check_line("event", self.event, "\r\n")
        _check_line("id", self.id, "\r\n\0")
        _check_text("data", self.data)
        _check_text("comment", self.comment)
        if self.retry is not None:
            _milliseconds(self.retry)

    def encode(self) -> bytes:
        """Return the event as it is sent, with the empty line that ends it."""
        lines: list[str] = []
        if self.comment is not None:
            lines += _field("", self.comment)
        if self.event is not None:
            lines.append(f"event: {self.event}")
        if self.id is not None:
            lines.append(f"id: {self.id}")
        if self.retry is not None:
            lines.append(f"retry: {_milliseconds(self.retry)}")
        if self.data is not None:
            lines += _field("data", self.data if isinstance(self.data, str) else json.dumps(self.data))
        return ("\n".join(lines) + "\n\n").encode()


def _field(name: str, text: str) -> list[str]:
    return [f"{name}: {line}" for line in _LINE_END.split(text)]


def _check_text(name: str, value: t.Any) -> None:
    if not isinstance(value, str):
        if name == "data" or value is None:
            return
        raise TypeError(f"The {name} of a server-sent event must be a str, not {type(value).__name__}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"The {name} of a server-sent event cannot be encoded as UTF-8: {value!r}.") from None


def _check_line(name: str, value: t.Any, forbidden: str) -> None:
    if type(value) is int and name == "id":
        return
    _check_text(name, value)
    if isinstance(value, str) and any(character in value for character in forbidden):
        raise ValueError(
            f"The {name} of a server-sent event must be one line, without {', '.join(map(repr, forbidden))}: {value!r}."
        )


def _milliseconds(retry: t.Any) -> int:
    if isinstance(retry, timedelta):
        retry = round(retry.total_seconds() * 1000)
    if not isinstance(retry, int) or isinstance(retry, bool):
        raise TypeError(f"retry is a number of milliseconds, an int, or a timedelta, not {type(retry).__name__}.")
    if retry < 0:
        raise ValueError(f"retry is a number of milliseconds, which cannot be {retry}.")
    return retry


def last_event_id() -> str | None:
    """Return the id of the last event that the client has seen, if it connects again; None if it is new.

    It comes from the client: take it for a hint, as any other input. Raises RuntimeError outside of a request.
    """
    value = request.headers.get("Last-Event-ID")
    return None if not value else value.encode("latin-1").decode("utf-8", "replace")


@t.overload
def event_stream(
    items: None = None, *, heartbeat: float | None = HEARTBEAT, retry: int | timedelta | None = None
) -> Callable[[Callable[P, t.Any]], Callable[P, t.Any]]: ...
@t.overload
def event_stream(items: Callable[P, t.Awaitable[Items]]) -> Callable[P, t.Awaitable[Response]]: ...
@t.overload
def event_stream(items: Callable[P, AsyncIterable[t.Any]]) -> Callable[P, t.Awaitable[Response]]: ...
@t.overload
def event_stream(items: Callable[P, Iterable[t.Any]]) -> Callable[P, Response]: ...
@t.overload
def event_stream(
    items: Items, *, heartbeat: float | None = HEARTBEAT, retry: int | timedelta | None = None
) -> Response: ...


def event_stream(
    items: t.Any = None, *, heartbeat: float | None = HEARTBEAT, retry: int | timedelta | None = None
) -> t.Any:
    """Stream server-sent events.

    Args:
        items: an iterable, sync or async, such as a generator. Its items are `ServerSentEvent`\\ s, or else the data of
            such. None among them says that there is nothing just now: a sync generator that waits for something with
            a time limit yields it so as to be ended soon after its client has left. Or a view to decorate, that
            returns such an iterable; without `items` a decorator is returned.
        heartbeat: seconds after which a comment is sent where there is no event, so that nobody on the way takes the
            connection for dead; None for none. Under a WSGI server there are none.
        retry: milliseconds after which a browser is to connect again when the stream breaks.

    Returns:
        A response that begins at once and goes on until the items end, the client leaves or the server stops, when it
        ends cleanly; or the decorated view.

    Raises:
        TypeError, ValueError: an argument is not what it should be. What is wrong with an item cuts the answer off.
    """
    if heartbeat is not None and not (isinstance(heartbeat, (int, float)) and heartbeat > 0):
        raise ValueError(f"heartbeat is a number of seconds, more than 0, or None, not {heartbeat!r}.")
    opening = _COMMENT if retry is None else ServerSentEvent(retry=retry).encode()

    def respond(items: t.Any) -> Response:
        body: t.Any = encoded(items, _encode, opening)
        response = current_app.response_class(body, mimetype="text/event-stream")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # nginx collects what it passes on, unless it is told not to
        response.is_endless = True
        response.heartbeat = None if heartbeat is None else (heartbeat, _COMMENT)
        return response

    if items is None:
        return lambda function: streaming(function, respond)
    if callable(items) and not isinstance(items, (Iterable, AsyncIterable)):
        return streaming(items, respond)
    return respond(items)


def _encode(item: t.Any) -> bytes:
    return (item if isinstance(item, ServerSentEvent) else ServerSentEvent(item)).encode()
