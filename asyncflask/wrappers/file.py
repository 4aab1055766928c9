"""A file as the body of a response: read in large steps, or named to a server that sends it by itself.

What an answer tells of a file is looked up before the file is opened; `sent_as_seen` holds the two together.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import IO, Any, TypeVar

from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wrappers import Response
from werkzeug.wsgi import FileWrapper

AnyResponse = TypeVar("AnyResponse", bound=Response)

STEP = 64 * 1024
"""Bytes of one read."""
LOOKS = 10
"""How often a file may be replaced between a look at it and its opening."""


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


def sent_as_seen(path: str, send: Callable[[], AnyResponse]) -> AnyResponse:
    """Return a response that sends a file and tells length, ETag and time of that one, not of one before it.

    Args:
        path: absolute.
        send: looks at the file, opens it, and returns the response; called anew if the file was replaced in between.

    Raises ServiceUnavailable if it is replaced each time, and what `send` raises.
    """
    for _ in range(LOOKS):
        seen = _look(path)
        response = send()
        opened = _opened(response)
        if opened is None:  # the server in front is to send it, or has a wrapper for it that nobody knows
            return response
        found = os.fstat(opened.fileno())
        # what was added to it since is left out when it is read
        if seen is not None and os.path.samestat(seen, found) and found.st_size >= seen.st_size:
            return response
        response.close()
    raise ServiceUnavailable("The file is replaced again and again at the moment. Try again later.", retry_after=1)


def _look(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):  # which `send` will tell
        return None


def _opened(response: Response) -> IO[bytes] | None:
    body: Any = response.response
    body = getattr(body, "iterable", body)
    found: IO[bytes] | None = getattr(body, "file", None) or getattr(body, "filelike", None)  # the latter in PEP 3333
    if type(body) is FileBody and response.status_code == 200:
        body.left = response.content_length  # for WSGI
    return found
