"""A line between a process that serves and the one that started it: "I serve now", "I have loaded these files"; and
its end, when either of them dies.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import typing as t

VARIABLE = "ASYNCFLASK_CHANNEL"


def loaded_files() -> set[str]:
    """Return the files that the modules of this process were loaded from."""
    modules = list(sys.modules.values())  # a copy: other threads import meanwhile
    return {file for module in modules if isinstance(file := getattr(module, "__file__", None), str)}


class Channel:
    """One end.

    Args:
        end: of a pair of connected sockets.
        wants_files: whether the process at the other end watches the files that we load.
    """

    def __init__(self, end: socket.socket, wants_files: bool = False) -> None:
        self._end = end
        self.wants_files = wants_files
        self._rest = b""
        self.ready: bool = False
        self.over: bool = False

    @staticmethod
    def pair() -> tuple[Channel, Channel]:
        """Return two connected ends; neither is inherited by programs that are started later, unless they are told."""
        ours, theirs = socket.socketpair()
        return Channel(ours), Channel(theirs)

    @staticmethod
    def from_environment(wants_files: bool) -> Channel | None:
        """Return the end that the process that started this one has left for us, once; None if there is none."""
        number = os.environ.pop(VARIABLE, None)
        if number is None:
            return None
        try:
            return Channel(socket.socket(fileno=int(number)), wants_files)
        except (OSError, ValueError):  # the variable came down from further up
            return None

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._end.fileno()

    def tell_ready(self) -> None:
        """Tell the other end that we serve."""
        self._send(b"ready\n")

    def tell_files(self, paths: t.Iterable[str]) -> None:
        """Tell the other end which files our code was loaded from."""
        self._send(b"".join(b"file " + os.fsencode(path) + b"\n" for path in paths if "\n" not in path))

    def _send(self, data: bytes) -> None:
        self._end.setblocking(True)
        with contextlib.suppress(OSError):  # nobody is there any more, which `over` tells
            self._end.sendall(data)

    def read(self, wait: bool = False) -> list[str]:
        """Take what was told since the last time; return the files of it. Afterwards `ready` and `over` are up to date.

        Args:
            wait: until there is something, or the other end is gone.
        """
        self._end.setblocking(wait)
        try:
            while data := self._end.recv(65536):
                self._rest += data
                if wait:
                    break
            else:
                self.over = True
        except BlockingIOError:
            pass
        except OSError:
            self.over = True
        *lines, self._rest = self._rest.split(b"\n")
        self.ready = self.ready or b"ready" in lines
        return [os.fsdecode(line[5:]) for line in lines if line.startswith(b"file ")]

    def close(self) -> None:
        """Hang up."""
        self._end.close()
