"""A body is taken off the server's input at once, as far as it may be, and read from there afterwards."""

from __future__ import annotations

import io

import pytest
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.test import create_environ

from asyncflask.wrappers import Request
from asyncflask.wsgi import read_ahead


class Source(io.BytesIO):
    """An input that notes how much was asked for."""

    asked = 0

    def read(self, size=-1):
        assert size >= 0
        self.asked += size
        return super().read(size)


def ahead(data, limit=None, **environ):
    source = Source(data)
    base = {"CONTENT_LENGTH": str(len(data)), "wsgi.input": source, "CONTENT_TYPE": "text/plain"}
    request = Request({**create_environ(method="POST"), **base, **environ})
    read_ahead(request, limit)
    return request, source


@pytest.mark.parametrize("size", [1, 1000, 2_000_000])
def test_the_body_is_there(size):
    request, source = ahead(b"x" * size)
    assert source.asked == size
    assert request.get_data() == b"x" * size
    request.close()


def test_no_more_is_asked_for_than_was_declared():
    request, source = ahead(b"abcdef", CONTENT_LENGTH="3")
    assert (source.asked, request.get_data()) == (3, b"abc")


def test_an_input_that_ends_by_itself():
    request, _ = ahead(b"abc", CONTENT_LENGTH="", **{"wsgi.input_terminated": True})
    assert request.get_data() == b"abc"


def test_without_a_body_nothing_is_read():
    _, source = ahead(b"the next request", CONTENT_LENGTH="")
    assert source.asked == 0


def test_over_the_limit_it_is_refused_unread():
    request, source = ahead(b"x" * 11, limit=10)
    request.max_content_length = 10
    assert source.asked == 0
    with pytest.raises(RequestEntityTooLarge):
        request.get_data()


def test_a_body_that_was_cut():
    request, _ = ahead(b"short", CONTENT_LENGTH="100")
    with pytest.raises(ClientDisconnected):
        request.get_data()


def test_a_form():
    request, _ = ahead(b"a=b", CONTENT_TYPE="application/x-www-form-urlencoded")
    assert request.form["a"] == "b"
