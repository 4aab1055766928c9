"""Event streams are read as browsers read them. (HTML Standard, 9.2.6 Interpreting an event stream.)"""

from __future__ import annotations

import pytest

from asyncflask.testing.sse import EventParser


def events(*pieces: bytes):
    parser = EventParser()
    return parser, [(event.event, event.data, event.id) for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [("message", "YHOO\n+2\n10", "")]),
        (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
         [("message", "first event", "1"), ("message", "second event", ""), ("message", " third event", "")]),
        (b"data\n\ndata\ndata\n\ndata:", [("message", "", ""), ("message", "\n", "")]),
        (b"data:test\n\ndata: test\n\n", [("message", "test", ""), ("message", "test", "")]),
        (b"event: add\ndata: 1\n\nevent: none\n\ndata: 2\n\n", [("add", "1", ""), ("message", "2", "")]),
        (b"id: 7\ndata: a\n\ndata: b\n\n", [("message", "a", "7"), ("message", "b", "7")]),
        (b"id: 7\nid: x\0y\ndata: a\n\n", [("message", "a", "7")]),
        (b"id: 7\n\ndata: b\n\n", [("message", "b", "7")]),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\r\n", [("message", part, "") for part in "abc"]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"Data: a\n data: b\ndata : c\nunknown: d\n\n", []),
        ("data: a\u2028b\x0b\x0c\x85c\n\n".encode(), [("message", "a\u2028b\x0b\x0c\x85c", "")]),
        (b"data: \xff\n\n", [("message", "\ufffd", "")]),
        (b"data: complete\n\ndata: not complete\n", [("message", "complete", "")]),
        (b"", []),
    ],
)  # fmt: skip
def test_a_stream_is_read_as_browsers_do(stream, expected):
    assert events(stream)[1] == expected
    single = [stream[n : n + 1] for n in range(len(stream))]
    assert events(*single)[1] == expected, "byte by byte"


def test_a_line_that_ends_in_cr_is_complete():
    assert events(b"data: a\r\r")[1] == [("message", "a", "")]
    assert events(b"data: a\r", b"\n", b"\r", b"\n", b"data: b\n\n")[1] == [("message", "a", ""), ("message", "b", "")]


def test_what_is_no_event():
    parser, found = events(b": hello\n:\nretry: 1000\n\nretry: 2x\nretry: -1\nid: 9\n\nid: 10\ndata: unfinished\n")
    assert found == []
    assert parser.comments == ["hello", ""]
    assert parser.retry == 1000
    assert parser.last_event_id == "9"
    assert parser.feed(b"retry: 5\n\n")[0].retry == 5
