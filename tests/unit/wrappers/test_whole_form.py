"""A form read as a whole: the events are those of Werkzeug's decoder, or the form is left to it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData, Preamble

from asyncflask.wrappers.whole_form import MAX_PART_HEADER, events_of

FIRST = b"--bb\r\n"
LAST = b"\r\n--bb--\r\n"
FIELD = b'Content-Disposition: form-data; name="a"\r\n\r\n'
FILE = b'Content-Disposition: form-data; name="f"; filename="a b.bin"\r\nContent-Type: application/x\r\n\r\n'

headers = st.sampled_from(
    [
        FIELD,
        FILE,
        b"content-disposition: form-data; name=a\r\nX: 1\r\n\r\n",
        b'Content-Disposition: form-data; name="%22\\""; filename="x%20y"\r\n\r\n',
        b"Content-Disposition: form-data; name=\"n\"; filename*=UTF-8''%e2%82%ac\r\n\r\n",
        b'Content-Disposition: form-data; name="\xc3\xa9"\r\n\r\n',
        b'Content-Disposition: form-data;\r\n name="folded"\r\n\r\n',
        b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"\r\n\r\n',
        b"Content-Disposition: form-data\r\n\r\n",
        b"Content-Type: text/plain\r\n\r\n",
        b'Content-Disposition: form-data; name="a"\n\n',
        b'X:\r1\nContent-Disposition: form-data; name="a"\r\n\r\n',
        b"\r\n",
    ]
)
data = st.lists(
    st.sampled_from([b"", b"x", b"--", b"--b", b"--bb", b"\r\n", b"\n", b"\r", b"\n--bb", b"\r\n--bbb", b"\r\n--bb "]),
    max_size=4,
).map(b"".join)
parts = st.lists(st.tuples(headers, data), max_size=4)
ends = st.sampled_from([LAST, b"\r\n--bb--", b"\r\n--bb--\r\nafter", b"\r\n--bb", b"\n--bb--", b"\r\n--bb-- \r\n", b""])


def form(parts, end):
    return FIRST + (b"\r\n" + FIRST).join(header + value for header, value in parts) + end


def decoded(whole):
    """The events of Werkzeug's decoder, the data of a part put together; ValueError for what it cannot read."""
    decoder = MultipartDecoder(b"bb", None)
    events = []
    for piece in (whole, None):
        decoder.receive_data(piece)
        while not isinstance(event := decoder.next_event(), NeedData):
            if isinstance(event, Data) and isinstance(events[-1], Data):
                event = Data(events.pop().data + event.data, event.more_data)
            if isinstance(event, Epilogue):
                return events
            if not isinstance(event, Preamble):
                events.append(event)
    raise ValueError


def shown(events):
    return [(e.data, e.more_data) if isinstance(e, Data) else (type(e), vars(e)) for e in events]


@settings(deadline=None, max_examples=400)
@given(parts, ends)
def test_the_events_are_werkzeugs_or_it_is_asked(parts, end):
    whole = form(parts, end)
    events = events_of(whole, b"bb", None)
    if events is not None:
        assert shown(events) == shown(decoded(whole))


@pytest.mark.parametrize("header", [FIELD, FILE], ids=["field", "file"])
@pytest.mark.parametrize("value", [b"", b"x" * 1000, b"--bb"[:-1], b"\r\n\r\n", b"\r\n--b"])
@pytest.mark.parametrize("end", [LAST, b"\r\n--bb--"])
def test_what_browsers_send_is_split(header, value, end):
    whole = form([(header, value), (FIELD, b"last")], end)
    events = events_of(whole, b"bb", None)
    assert events is not None
    assert shown(events) == shown(decoded(whole))
    assert [type(event) for event in events] == [File if header is FILE else Field, Data, Field, Data]


def test_parts_are_counted():
    whole = form([(FIELD, b"1")] * 3, LAST)
    assert len(events_of(whole, b"bb", 3) or ()) == 6
    with pytest.raises(RequestEntityTooLarge):
        events_of(whole, b"bb", 2)


def test_an_immense_header_is_left_alone():
    whole = form([(b"A: " + b"x" * MAX_PART_HEADER + b"\r\n" + FIELD, b"1")], LAST)
    assert events_of(whole, b"bb", None) is None
