"""Bodies that are pulled from the client, and wsgi.input."""

from __future__ import annotations

import asyncio
import io

import pytest
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge

from asyncflask.wrappers.body import Body
from asyncflask.wrappers.stream import BodyInput, BodyStream, limited_input


def run_to_end(awaitable):
    """Stands for the bridge of a worker thread: these awaitables never suspend."""
    try:
        awaitable.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("suspended")


def streamed(*chunks, **kwargs):
    left = list(chunks)

    async def pull():
        piece = left.pop(0) if left else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    stream = BodyStream(pull, run_to_end, **kwargs)
    stream.unread = left
    return stream


async def collected(stream):
    return [chunk async for chunk in stream]


# In a thread


def test_read_pulls_no_more_than_it_needs():
    stream = streamed(b"abc", b"def", b"ghi")
    assert stream.read(4) == b"abcd"
    assert stream.unread == [b"ghi"]
    assert stream.read(1) == b"e"
    assert stream.read() == b"fghi"
    assert stream.read() == stream.read(5) == b""
    assert stream.received == 9


def test_lines():
    stream = streamed(b"ab\ncd", b"ef\n", b"\ng")
    assert stream.readline() == b"ab\n"
    assert stream.readline(3) == b"cde"
    assert list(stream) == [b"f\n", b"\n", b"g"]


def test_readinto_and_read1():
    stream = streamed(b"abc", b"def")
    assert stream.read1() == b"abc"
    assert stream.read1(2) == b"de"
    assert stream.read1(0) == b""
    buffer = bytearray(5)
    assert stream.readinto(buffer) == 1
    assert buffer[:1] == b"f"
    assert stream.readable()


def test_buffered_and_text_wrappers_work():
    text = io.TextIOWrapper(streamed("é\nb".encode()[:1], "é\nb".encode()[1:]), encoding="utf-8")
    assert text.readlines() == ["é\n", "b"]


# On the loop


def test_async_iteration_gives_the_pieces_as_they_came():
    assert asyncio.run(collected(streamed(b"ab", b"cd"))) == [b"ab", b"cd"]


def test_aread_and_iteration_share_one_position():
    async def main():
        stream = streamed(b"abc", b"de", b"f")
        assert await stream.aread(2) == b"ab"
        assert await anext(stream) == b"c"
        assert await stream.aread() == b"def"
        assert await stream.aread() == b""

    asyncio.run(main())


def test_reading_as_a_file_on_the_loop_says_what_to_do():
    async def main():
        with pytest.raises(RuntimeError, match=r"async for chunk in request\.stream"):
            streamed(b"abc").read()

    asyncio.run(main())


# Limits, for both


@pytest.fixture(params=["thread", "loop"])
def read_all(request):
    if request.param == "thread":
        return lambda stream: stream.read()
    return lambda stream: b"".join(asyncio.run(collected(stream)))


def test_over_the_limit_is_413_and_stays_so(read_all):
    stream = streamed(b"ab", b"cd", b"ef", limit=3)
    for _ in range(2):
        with pytest.raises(RequestEntityTooLarge):
            read_all(stream)
    assert stream.received == 4
    assert not stream.raise_limit(100)


def test_exactly_the_limit_is_read(read_all):
    assert read_all(streamed(b"ab", b"c", limit=3)) == b"abc"


def test_declared_excess_is_413_unread(read_all):
    stream = streamed(b"ab", limit=3, content_length=4)
    with pytest.raises(RequestEntityTooLarge):
        read_all(stream)
    assert stream.unread == [b"ab"]
    assert stream.raise_limit(4)


def test_shorter_than_declared_is_400(read_all):
    with pytest.raises(ClientDisconnected):
        read_all(streamed(b"ab", content_length=4))


def test_never_past_the_declared_length(read_all):
    stream = streamed(b"abc", b"def", b"ghi", content_length=4)
    with pytest.raises(BadRequest, match="longer than its Content-Length"):
        read_all(stream)
    assert stream.unread == [b"ghi"]


def test_client_left_is_400(read_all):
    stream = streamed(b"abc")
    stream.cut()
    with pytest.raises(ClientDisconnected):
        read_all(stream)
    with pytest.raises(ClientDisconnected):
        read_all(streamed(b"abc", ClientDisconnected()))


def test_leaving_after_the_end_is_no_matter(read_all):
    stream = streamed(b"abc")
    read_all(stream)
    stream.cut()
    assert read_all(stream) == b""


# wsgi.input


def whole(data, **kwargs):
    body = Body(**kwargs)
    body.feed(data)
    body.finish()
    return body


def test_input_reads_what_was_attached_late():
    source = BodyInput()
    assert source.read() == b""
    source.attach(whole(b"ab\ncd"))
    assert source.readline() == b"ab\n"
    assert source.read1(1) == b"c"
    assert source.read(None) == b"d"
    assert source.readable()


def test_input_goes_on_where_a_reader_stands():
    body = whole(b"abcd")
    reader = body.open()
    reader.read(1)
    assert BodyInput(body, reader).read() == b"bcd"


def test_input_refuses_what_the_body_refuses():
    with pytest.raises(RequestEntityTooLarge):
        BodyInput(whole(b"abcd", limit=3)).read()
    with pytest.raises(ClientDisconnected):
        BodyInput(whole(b"abcd", content_length=5)).readline()


def test_input_over_a_stream():
    assert list(BodyInput(streamed(b"a\nb"))) == [b"a\n", b"b"]


# The environ of a WSGI server


def environ(data, terminated=True, length=None):
    made = {"wsgi.input": io.BytesIO(data)}
    if terminated:
        made["wsgi.input_terminated"] = True
    if length is not None:
        made["CONTENT_LENGTH"] = str(length)
    return made


def test_terminated_input_at_the_limit_is_whole():
    stream = limited_input(environ(b"abc"), 3)
    assert stream.read() == b"abc"
    assert stream.read() == b""
    pieces = limited_input(environ(b"abc"), 3)
    assert [pieces.read(2), pieces.read(2), pieces.read(2)] == [b"ab", b"c", b""]


def test_terminated_input_over_the_limit_is_413_never_cut():
    stream = limited_input(environ(b"abcd"), 3)
    for _ in range(2):
        with pytest.raises(RequestEntityTooLarge):
            stream.read()
    pieces = limited_input(environ(b"abcd"), 3)
    assert pieces.read(3) == b"abc"
    for _ in range(2):
        with pytest.raises(RequestEntityTooLarge):
            pieces.read(3)


def test_input_that_does_not_end_is_read_to_its_declared_length_only():
    assert limited_input(environ(b"abcd", terminated=False, length=2), 10).read() == b"ab"
    assert limited_input(environ(b"abcd", terminated=False), 10).read() == b""
    with pytest.raises(RequestEntityTooLarge):
        limited_input(environ(b"abcd", terminated=False, length=4), 3)
