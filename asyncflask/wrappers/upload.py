"""A file that was uploaded with a form."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import IO, TYPE_CHECKING

from werkzeug.datastructures import FileStorage

from ..lazy import late_module

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

STEP = 64 * 1024
"""Bytes of one step of a copy."""


class Saved:
    """What `Upload.save` returns: it may be awaited, as Quart's has to be; there is nothing left to wait for."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        return
        yield


SAVED = Saved()


class Upload(FileStorage):
    """Werkzeug's file of a form, with a `save` for either kind of view."""

    def save(self, dst: str | os.PathLike[str] | IO[bytes], buffer_size: int = STEP) -> Saved:  # type: ignore[override]
        """Copy the file to a path, or to a file open for writing, before this returns: ``await`` it or not.

        On the loop that holds up everybody else for as long as it takes; `asave` doesn't. (Werkzeug docs: FileStorage.)
        """
        super().save(dst, buffer_size)
        return SAVED

    async def asave(self, dst: str | os.PathLike[str] | IO[bytes], buffer_size: int = STEP) -> None:
        """Copy the file in a thread, while the loop goes on."""
        await asyncio.to_thread(super().save, dst, buffer_size)
