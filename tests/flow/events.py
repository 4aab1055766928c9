"""A reader of event streams, by the parsing rules of the HTML Standard (section 9.2.6), as browsers have them."""

from __future__ import annotations


class Reader:
    """Takes an event stream in any pieces.

    Attributes:
        events: (type, data, last event id) of each event dispatched so far.
        retry: the last reconnection time in milliseconds, or None.
        comments: how many comment lines have come.
    """

    def __init__(self):
        self.events = []
        self.retry = None
        self.comments = 0
        self._unread = b""
        self._data, self._type, self._id = "", "", ""

    def feed(self, piece):
        self._unread += piece
        # A CR at the very end may be the first half of a CRLF.
        while (
            end := min((at for at in (self._unread.find(b"\r"), self._unread.find(b"\n")) if at >= 0), default=-1)
        ) >= 0:
            if self._unread[end:] == b"\r":
                return
            size = 2 if self._unread[end : end + 2] == b"\r\n" else 1
            line, self._unread = self._unread[:end], self._unread[end + size :]
            self._line(line.decode("utf-8", "replace"))

    def _line(self, line):
        if not line:
            self._dispatch()
        elif line.startswith(":"):
            self.comments += 1
        else:
            name, _, value = line.partition(":")
            self._field(name, value.removeprefix(" "))

    def _field(self, name, value):
        match name:
            case "event":
                self._type = value
            case "data":
                self._data += value + "\n"
            case "id" if "\0" not in value:
                self._id = value
            case "retry" if value.isascii() and value.isdigit():
                self.retry = int(value)

    def _dispatch(self):
        if self._data:
            self.events.append((self._type or "message", self._data.removesuffix("\n"), self._id))
        self._data = self._type = ""


def read(stream):
    """Read a whole stream."""
    reader = Reader()
    reader.feed(stream.removeprefix(b"\xef\xbb\xbf"))
    return reader
