"""Bodies made of one item after the other: JSON Lines here, server-sent events in `sse`."""

from __future__ import annotations

import typing as t
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from functools import update_wrapper
from inspect import isasyncgenfunction, iscoroutinefunction

from . import json
from .globals import current_app

if t.TYPE_CHECKING:
    from .wrappers import Response

P = t.ParamSpec("P")

Items = Iterable[t.Any] | AsyncIterable[t.Any]
Encode = Callable[[t.Any], bytes]


class Encoded(Iterator[bytes]):
    """The items of an iterable as bytes; closing it closes the iterable.

    Args:
        items: None among them says that there is nothing to send just now.
        encode: from an item to its bytes.
        opening: bytes to be sent before the first item is there.
    """

    def __init__(self, items: Iterable[t.Any], encode: Encode, opening: bytes = b"") -> None:
        self._items = iter(items)
        self._encode = encode
        self._opening = opening

    def __next__(self) -> bytes:
        opening, self._opening = self._opening, b""
        return opening or encoded_item(next(self._items), self._encode)

    def close(self) -> None:
        """Close the iterable, if it can be closed."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


class EncodedAsync(AsyncIterator[bytes]):
    """As `Encoded`, of an async iterable."""

    def __init__(self, items: AsyncIterable[t.Any], encode: Encode, opening: bytes = b"") -> None:
        self._items = aiter(items)
        self._encode = encode
        self._opening = opening

    async def __anext__(self) -> bytes:
        opening, self._opening = self._opening, b""
        return opening or encoded_item(await anext(self._items), self._encode)

    async def aclose(self) -> None:
        """Close the iterable, if it can be closed."""
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()


def encoded_item(item: t.Any, encode: Encode) -> bytes:
    """Return an item's bytes: none for None."""
    return b"" if item is None else encode(item)


def encoded(items: Items, encode: Encode, opening: bytes = b"") -> Encoded | EncodedAsync:
    """Return the items as bytes, to be iterated over as they are: on the loop if they are async.

    Raises:
        TypeError: they cannot be iterated over, or are one str, bytes object or dict, which is rather an item.
    """
    if isinstance(items, AsyncIterable):
        return EncodedAsync(items, encode, opening)
    if isinstance(items, Iterable) and not isinstance(items, (str, bytes, dict)):
        return Encoded(items, encode, opening)
    raise TypeError(
        f"A stream is made of an iterable of items, sync or async, such as a generator, not of {type(items).__name__}."
    )


def streaming(function: Callable[..., t.Any], respond: Callable[[t.Any], Response]) -> Callable[..., t.Any]:
    """Return a view that gives `respond` of what `function` returns: a generator, or another iterable of items."""
    if isasyncgenfunction(function):  # calling it waits for nothing, and so needs no thread

        async def call_on_loop(*args: t.Any, **kwargs: t.Any) -> Response:
            return respond(function(*args, **kwargs))

        return update_wrapper(call_on_loop, function)
    if iscoroutinefunction(function):

        async def call_async(*args: t.Any, **kwargs: t.Any) -> Response:
            return respond(await function(*args, **kwargs))

        return update_wrapper(call_async, function)

    def call(*args: t.Any, **kwargs: t.Any) -> Response:
        return respond(function(*args, **kwargs))

    return update_wrapper(call, function)


@t.overload
def json_lines(items: Callable[P, t.Awaitable[Items]]) -> Callable[P, t.Awaitable[Response]]: ...
@t.overload
def json_lines(items: Callable[P, AsyncIterable[t.Any]]) -> Callable[P, t.Awaitable[Response]]: ...
@t.overload
def json_lines(items: Callable[P, Iterable[t.Any]]) -> Callable[P, Response]: ...
@t.overload
def json_lines(items: Items) -> Response: ...


def json_lines(items: t.Any) -> t.Any:
    """Stream items as JSON Lines: each one is a line of its own, sent as soon as it is there.

    Args:
        items: an iterable, sync or async, of what the app's JSON provider can write; None among them is passed over.
            Or a view to decorate, such as a generator function, plain or ``async``.

    Returns:
        A response of the type ``application/jsonl``, or the decorated view.

    Raises:
        TypeError: it is neither. An item that JSON cannot hold cuts the answer off. (https://jsonlines.org)
    """
    if callable(items) and not isinstance(items, (Iterable, AsyncIterable)):
        return streaming(items, json_lines)
    return current_app.response_class(encoded(items, _line), mimetype="application/jsonl")


def _line(item: t.Any) -> bytes:
    text = json.dumps(item)
    if "\n" in text:
        raise ValueError("The app's JSON provider writes more than one line for an item of a stream of JSON lines.")
    return text.encode() + b"\n"
