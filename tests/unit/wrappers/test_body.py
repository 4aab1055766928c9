"""The buffered body: counting, limits, the spool file."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import BadRequest, ClientDisconnected, RequestEntityTooLarge, RequestTimeout

from asyncflask.wrappers.body import Body, WholeBody


def fed(*chunks, end=True, **kwargs):
    body = Body(**kwargs)
    for chunk in chunks:
        body.feed(chunk)
    if end:
        body.finish()
    return body


def test_one_chunk_is_kept_without_a_copy():
    chunk = b"x" * 1000
    body = fed(chunk, content_length=1000)
    assert body.data() is chunk
    assert body.open().read() is chunk


ATTRIBUTES = (
    "limit", "content_length", "spool_at", "received", "refill", "over_limit", "wants_more", "size", "truncated",
    "late", "complete", "on_disk", "needs_spool",
)  # fmt: skip


def same(whole, pieced):
    for name in ATTRIBUTES:
        assert getattr(whole, name) == getattr(pieced, name), name
    assert whole.data() == pieced.data()
    assert whole.open().read() == pieced.open().read()
    for limit in (None, 0, 3, 4, 5):
        refused = []
        for body in (whole, pieced):
            try:
                body.check(limit)
                refused.append(None)
            except RequestEntityTooLarge as error:
                refused.append(error.code)
        assert refused[0] == refused[1], limit


@pytest.mark.parametrize("limit", [None, 4, 5])
def test_one_that_came_whole_is_as_one_that_came_in_pieces(limit):
    whole, pieced = WholeBody(b"abcd", limit), fed(b"ab", b"cd", limit=limit, content_length=4)
    same(whole, pieced)
    for lower_or_higher in (3, 9, None, 4):
        assert whole.raise_limit(lower_or_higher) == pieced.raise_limit(lower_or_higher)
        same(whole, pieced)
    for body in (whole, pieced):
        body.close()
        body.close()
    assert (whole.data(), whole.received) == (pieced.data(), pieced.received) == (b"", 4)
    whole.end()


def test_one_that_came_whole_is_not_copied():
    data = b"x" * 1000
    assert WholeBody(data, None).data() is data


def test_chunks_are_joined_and_counted():
    body = fed(b"ab", b"", b"cd", b"e")
    assert (body.data(), body.received, body.complete) == (b"abcde", 5, True)


def test_a_foreign_buffer_is_copied():
    chunk = bytearray(b"abc")
    body = fed(chunk)
    chunk[0] = 0
    assert body.data() == b"abc"


def test_wants_more_until_the_declared_length_or_the_end():
    body = Body(content_length=4)
    assert body.wants_more and not body.complete
    body.feed(b"ab")
    assert body.wants_more
    body.feed(b"cd")
    assert not body.wants_more and body.complete
    unknown = Body()
    unknown.feed(b"abcd")
    assert unknown.wants_more
    unknown.finish()
    assert not unknown.wants_more and unknown.complete


def test_an_empty_body_wants_nothing():
    body = Body(content_length=0)
    assert body.complete and not body.wants_more and body.data() == b""
    body.check(0)


def test_never_more_than_declared():
    body = fed(b"abc", b"def", b"ghi", content_length=4)
    assert body.data() == b"abcd"
    assert body.received == 9
    with pytest.raises(BadRequest, match="longer than its Content-Length"):
        body.check(None)


def test_what_took_too_long_is_408():
    body = fed(b"abc", content_length=4, end=False)
    body.cut(RequestTimeout())
    assert body.late and not body.wants_more
    with pytest.raises(RequestTimeout):
        body.check(None)


def test_shorter_than_declared_is_400():
    body = fed(b"abc", content_length=4)
    assert body.truncated and not body.complete
    with pytest.raises(ClientDisconnected):
        body.check(None)


@pytest.mark.parametrize("declared", [None, 10])
def test_client_left_is_400(declared):
    body = fed(b"abc", content_length=declared, end=False)
    body.cut()
    assert body.truncated and not body.wants_more
    with pytest.raises(ClientDisconnected):
        body.check(None)


def test_leaving_after_the_last_byte_is_no_matter():
    body = fed(b"abc", content_length=3, end=False)
    body.cut()
    assert body.complete
    body.check(3)


def test_declared_excess_is_refused_unread():
    body = Body(limit=3, content_length=4)
    assert body.over_limit and not body.wants_more
    with pytest.raises(RequestEntityTooLarge):
        body.check(3)


def test_counted_excess_is_refused_at_once_and_nothing_more_is_kept():
    body = fed(b"ab", b"cd", end=False, limit=3)
    assert body.over_limit and not body.wants_more
    assert body.data() == b"ab"
    body.feed(b"e" * 100)
    assert body.received == 104
    with pytest.raises(RequestEntityTooLarge):
        body.check(3)
    with pytest.raises(RequestEntityTooLarge):
        body.check(1000)  # what came after was not kept
    assert not body.raise_limit(1000)
    with pytest.raises(RequestEntityTooLarge):
        body.check(1000)


def test_exactly_the_limit_is_fine():
    body = fed(b"ab", b"c", limit=3)
    body.check(3)
    assert body.data() == b"abc"


def test_a_lower_limit_of_the_request_counts():
    body = fed(b"abcd", limit=10)
    with pytest.raises(RequestEntityTooLarge):
        body.check(3)


def test_raising_the_limit_goes_on_without_a_gap():
    body = fed(b"ab", b"cd", end=False, limit=3)
    assert body.raise_limit(10)
    body.feed(b"ef")
    body.finish()
    body.check(10)
    assert body.data() == b"abcdef"
    declared = Body(limit=3, content_length=4)
    assert declared.raise_limit(None)
    declared.feed(b"abcd")
    assert declared.complete


def test_raising_the_limit_of_a_whole_body_needs_nothing_more():
    body = fed(b"ab", b"cd", limit=3)
    assert not body.raise_limit(4)
    body.check(4)
    assert body.data() == b"abcd"


def test_refill_reads_the_rest_on_first_access():
    body = fed(b"ab", b"cd", end=False, limit=3)

    def rest():
        body.feed(b"ef")
        body.finish()

    body.refill = rest
    body.raise_limit(10)
    body.check(10)
    assert body.data() == b"abcdef"


def test_a_rest_that_nobody_reads_is_413_not_a_cut():
    body = fed(b"ab", b"cd", end=False, limit=3)
    body.raise_limit(10)
    with pytest.raises(RequestEntityTooLarge):
        body.check(10)


def test_feed_never_spools_by_itself():
    body = fed(b"abc", b"def", spool_at=4)
    assert body.needs_spool
    body.spool()
    assert not body.needs_spool
    assert body.data() == b"abcdef"
    body.close()


def test_spooled_readers_have_positions_of_their_own():
    body = fed(b"ab\ncd\n", end=False, spool_at=1)
    body.spool()
    first = body.open()
    assert first.readline() == b"ab\n"
    body.feed(b"ef")
    body.finish()
    second = body.open()
    assert second.read() == b"ab\ncd\nef"
    assert first.read() == b"cd\nef"
    first.seek(-2, 2)
    assert first.tell() == 6
    assert first.read() == b"ef"
    with pytest.raises(ValueError, match="position -1"):
        first.raw.seek(-1)
    body.close()


def test_close_leaves_readers_that_are_half_way():
    body = fed(b"x" * 100_000, b"y" * 100_000, spool_at=1)
    body.spool()
    spool = body._spool
    done, half_way = body.open(), body.open()
    done.read()
    assert half_way.read(5) == b"xxxxx"
    body.close()
    assert not spool.file.closed
    assert half_way.read()[-1:] == b"y"
    half_way.close()
    assert spool.file.closed
    assert done.read() == b""
    body.close()


def test_close_without_readers_closes_the_file():
    body = fed(b"abc", spool_at=1)
    body.spool()
    spool = body._spool
    assert body.data() == b"abc"
    body.close()
    assert spool.file.closed


def test_a_forgotten_spool_warns_of_nothing():
    body = fed(b"abc", spool_at=1)
    body.spool()
    reader = body.open()
    del body, reader
    gc.collect()


@given(st.lists(st.binary(max_size=6), max_size=8), st.none() | st.integers(0, 30), st.none() | st.integers(0, 30))
def test_whatever_comes_is_whole_or_refused(chunks, declared, limit):
    body = Body(limit, declared, spool_at=5)
    sent = b"".join(chunks)
    for chunk in chunks:
        if not body.wants_more:
            break
        body.feed(chunk)
        if body.needs_spool:
            body.spool()
    else:
        body.finish()
    expected = sent if declared is None else sent[:declared]
    try:
        body.check(limit)
    except RequestEntityTooLarge:
        assert limit is not None and max(len(expected), declared or 0) > limit
    except ClientDisconnected:
        assert len(sent) < declared
    except BadRequest:
        assert len(sent) > declared
    else:
        assert body.data() == expected == body.open().read()
    body.close()
