"""One direction of a connection in memory: a queue that holds its writer back, as the buffer of a socket does."""

from __future__ import annotations

import asyncio
import typing as t
from collections import deque

T = t.TypeVar("T")

HELD = 64 * 1024
"""Bytes under way from which on a writer waits, about what servers and sockets buffer."""


class Pipe(t.Generic[T]):
    """A queue with one reader and one writer.

    Args:
        most: bytes under way from which on `put` waits for the reader.
    """

    def __init__(self, most: int = HELD) -> None:
        self._most = most
        self._items: deque[tuple[T, int]] = deque()
        self._held = 0
        self._ended = False
        self._filled, self._room = asyncio.Event(), asyncio.Event()

    @property
    def at_end(self) -> bool:
        """Nothing more will come out."""
        return self._ended and not self._items

    def put_nowait(self, item: T, size: int) -> None:
        """Put in an item of `size` bytes, however many are under way. What comes after the end is dropped."""
        if not self._ended:
            self._items.append((item, size))
            self._held += size
            self._filled.set()

    async def put(self, item: T, size: int) -> None:
        """Put in an item of `size` bytes; return when there is room for the next one, or nobody reads any more."""
        self.put_nowait(item, size)
        while self._held > self._most:
            self._room.clear()
            await self._room.wait()

    async def get(self) -> T | None:
        """Return the next item, when there is one; None at the end."""
        while not self._items:
            if self._ended:
                return None
            self._filled.clear()
            await self._filled.wait()
        item, size = self._items.popleft()
        self._held -= size
        self._room.set()
        return item

    def end(self) -> None:
        """Put in nothing more; what is under way still comes out."""
        self._ended = True
        self._filled.set()

    def drop(self) -> None:
        """End it, and let go of what is under way."""
        self._items.clear()
        self._held = 0
        self._room.set()
        self.end()
