"""A file as the body of a response: read in large steps, or named to a server that sends it by itself."""

from __future__ import annotations

import io
import os
from typing import IO, Any

from werkzeug.wsgi import FileWrapper

STEP = 64 * 1024
"""Bytes of one read."""


class FileBody(FileWrapper):
    """The rest of an open file, in steps of `STEP` bytes: what ``wsgi.file_wrapper`` is (PEP 3333).

    Args:
        file: open for reading bytes.
        buffer_size: what WSGI applications ask for; a smaller step than ours is not taken.
    """

    def __init__(self, file: IO[bytes], buffer_size: int = STEP) -> None:
        super().__init__(file, max(buffer_size, STEP))
        self.left: int | None = None
        """Bytes that are still to be sent, where their number was told ahead: a file may grow meanwhile."""

    def __next__(self) -> bytes:
        """Read the next step."""
        if self.left is None:
            return super().__next__()
        data = self.file.read(min(self.buffer_size, self.left))
        if not data:
            raise StopIteration
        self.left -= len(data)
        return data

    @property
    def whole_path(self) -> tuple[str, int] | None:
        """The absolute path and the size in bytes of the file, if all of it is still to be read and it has a name.

        A file that was replaced since it was opened has none.
        """
        file = self.file
        if type(file) is not io.BufferedReader or not isinstance(file.name, str) or file.closed or file.tell():
            return None
        path = os.path.abspath(file.name)
        try:
            named, opened = os.stat(path), os.fstat(file.fileno())
        except OSError:
            return None
        return (path, opened.st_size) if os.path.samestat(named, opened) else None


def file_behind(body: Any) -> FileBody | None:
    """Return the file that a response's body reads, as a whole or a range of it; None if the body is something else."""
    body = getattr(body, "iterable", body)  # Werkzeug's wrapper for a range
    return body if type(body) is FileBody else None
