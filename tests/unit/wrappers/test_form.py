"""Form parsing: the same as Werkzeug's, within bounds."""

from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser, default_stream_factory
from werkzeug.sansio.multipart import Data, Field, NeedData, State

from asyncflask.wrappers.form import MAX_PART_HEADER, FormParser, Kept, PartDecoder

PIECES = [
    b"--bb",
    b"--bb--",
    b"--",
    b"\r\n",
    b"\n",
    b"\r",
    b'Content-Disposition: form-data; name="a"',
    b'; filename="f"',
    b"Content-Type: text/plain; charset=",
    b"iso-8859-1",
    b"value",
    b"\xff",
    b"\x00",
    b'\r\n--bb\r\nContent-Disposition: form-data; name="b"\r\n\r\n',
    b'--bb\r\nContent-Disposition: form-data; name="c"; filename="x"\r\n\r\nfile',
    b"\r\n--bb--\r\n",
]


def part(name, value, **extra):
    parameters = "".join(f'; {key}="{text}"' for key, text in extra.items())
    return b'--bb\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (
        name.encode(),
        parameters.encode(),
        value,
    )


def parsed(parser_class, data, mimetype="multipart/form-data", boundary="bb", **limits):
    made = []

    def factory(**kwargs):
        made.append(io.BytesIO())
        return made[-1]

    parser = parser_class(factory, cls=ImmutableMultiDict, **limits)
    _, form, files = parser.parse(io.BytesIO(data), mimetype, len(data), {"boundary": boundary})
    return form, [(name, file.filename, file.read(), dict(file.headers)) for name, file in files.items(multi=True)]


def outcome(*args, **kwargs):
    try:
        return parsed(*args, **kwargs)
    except RequestEntityTooLarge:
        return 413
    except BadRequest:
        return 400
    except ValueError:
        return ValueError


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=14).map(b"".join), st.sampled_from([None, 3]), st.sampled_from([None, 2])
)
def test_any_multipart_body_reads_as_in_werkzeug(data, memory, parts):
    limits = {"max_form_memory_size": memory, "max_form_parts": parts}
    ours, theirs = outcome(FormParser, data, **limits), outcome(FormDataParser, data, silent=False, **limits)
    # What Werkzeug reports as a ValueError, if it is asked not to be silent, is 400; nothing at all is an empty form.
    assert ours == (400 if theirs is ValueError else theirs) if data else ours == outcome(FormDataParser, b"")


@given(st.binary(max_size=40))
def test_any_urlencoded_body_reads_as_in_werkzeug(data):
    mimetype = "application/x-www-form-urlencoded"
    assert parsed(FormParser, data, mimetype) == parsed(FormDataParser, data, mimetype)


@pytest.mark.parametrize("boundary", ["", "\xff"])
def test_a_bad_boundary_is_the_clients_mistake(boundary):
    with pytest.raises(BadRequest, match="multipart form"):
        parsed(FormParser, part("a", b"b") + b"--bb--", boundary=boundary)


def test_without_a_body_the_form_is_empty_whatever_the_boundary():
    parser = FormParser(default_stream_factory)
    for length, options in ((None, {"boundary": "bb"}), (0, {"boundary": "bb"}), (0, {})):
        _, form, files = parser.parse(io.BytesIO(), "multipart/form-data", length, options)
        assert not form and not files


def test_fields_and_files_in_order():
    data = part("a", b"1") + part("f", b"data" * 50_000, filename="x.txt") + part("a", "é".encode()) + b"--bb--\r\n"
    form, files = parsed(FormParser, data)
    assert form.getlist("a") == ["1", "é"]
    assert [(name, filename, len(content)) for name, filename, content, _ in files] == [("f", "x.txt", 200_000)]


def test_parts_are_counted():
    data = b"".join(part(f"f{i}", b"") for i in range(6)) + b"--bb--"
    assert len(parsed(FormParser, data, max_form_parts=6)[0]) == 6
    assert outcome(FormParser, data, max_form_parts=5) == 413


def test_a_field_that_comes_in_many_pieces_is_bounded():
    data = part("a", b"x" * 300_000) + b"--bb--"
    assert outcome(FormParser, data, max_form_memory_size=200_000) == 413
    assert len(parsed(FormParser, data, max_form_memory_size=400_000)[0]["a"]) == 300_000


def test_the_header_of_a_part_is_bounded():
    start, rest = b'--bb\r\nContent-Disposition: form-data; name="a"\r\nA: ', b"\r\n\r\nv\r\n--bb--"
    assert parsed(FormParser, start + b"x" * (MAX_PART_HEADER - 100) + rest)[0]["a"] == "v"
    assert outcome(FormParser, start + b"x" * MAX_PART_HEADER + rest) == 413
    assert outcome(FormParser, start + b"x" * 200_000, max_form_memory_size=None) == 413


def test_urlencoded_fields_are_bounded_far_above_parts():
    mimetype = "application/x-www-form-urlencoded"
    assert len(parsed(FormParser, b"&".join([b"a=1"] * 100), mimetype, max_form_parts=2)[0].getlist("a")) == 100
    assert outcome(FormParser, b"&".join([b"a=1"] * 101), mimetype, max_form_parts=2) == 413
    assert len(parsed(FormParser, b"a&" * 100_000, mimetype, max_form_parts=None)[0].getlist("a")) == 100_000


def test_other_types_are_left_alone():
    form, files = parsed(FormParser, b"abc", "text/plain")
    assert not form and not files


def test_every_file_that_was_made_is_known():
    made = []
    factory = Kept(lambda **kwargs: io.BytesIO(), made)
    parser = FormParser(factory)
    stream = io.BytesIO(part("f", b"x", filename="a") + b"--bb\r\nbroken")
    with pytest.raises(BadRequest):
        parser.parse(stream, "multipart/form-data", None, {"boundary": "bb"})
    assert len(made) == 1


def decoded(decoder, pieces):
    parts = []
    for piece in [*pieces, None]:
        decoder.receive_data(piece)
        while not isinstance(event := decoder.next_event(), NeedData):
            if isinstance(event, Field):
                parts.append([event.name, b""])
            elif isinstance(event, Data):
                parts[-1][1] += event.data
            if decoder.state is State.COMPLETE:
                break
    return parts


CONTENTS = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--x", b"--xy", b" ", b"a", b"\r\n--", b"--x "]), max_size=6)


@given(st.lists(CONTENTS, max_size=3), st.sampled_from([b"", b" ", b"\t  "]), st.lists(st.integers(1, 9), max_size=99))
def test_a_form_may_be_cut_anywhere(contents, padding, sizes):
    """Into any pieces, down to single bytes: its parts are the same."""
    contents = [b"".join(content) for content in contents]
    contents = [content for content in contents if b"\n--x" not in content and b"\r--x" not in content]
    contents = [content for content in contents if not content.startswith(b"--x")]
    data = b"".join(
        b'--x%s\r\nContent-Disposition: form-data; name="%d"\r\n\r\n%s\r\n' % (padding, number, content)
        for number, content in enumerate(contents)
    )
    data += b"--x--" + padding + b"\r\n"
    pieces, at = [], 0
    for size in [*sizes, len(data)]:
        pieces.append(data[at : at + size])
        at += size
    expected = [[str(number), content] for number, content in enumerate(contents)]
    assert decoded(PartDecoder(b"x"), [piece for piece in pieces if piece]) == expected


def test_padding_that_never_ends_is_refused():
    decoder = PartDecoder(b"x", 1000)
    decoder.receive_data(b"--x")
    with pytest.raises(RequestEntityTooLarge):
        for _ in range(20):
            decoder.receive_data(b" " * 100)
