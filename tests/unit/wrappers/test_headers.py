"""Response headers in their ASGI spelling."""

from __future__ import annotations

import pytest

from asyncflask.wrappers.headers import check_cookie_part, content_type_for, encode_headers, encode_name, encode_value


def test_names_are_lowered_and_values_are_latin_1():
    assert encode_headers([("X-A", "b"), ("Set-Cookie", "é=1"), ("Set-Cookie", "b=2")]) == [
        (b"x-a", b"b"),
        (b"set-cookie", b"\xe9=1"),
        (b"set-cookie", b"b=2"),
    ]


@pytest.mark.parametrize("name", ["", "a b", "a:", ":status", "a\r\nb", "é", "a\0", "(a)"])
def test_a_name_that_is_no_token_is_refused_by_name(name):
    with pytest.raises(ValueError, match="header name") as caught:
        encode_name(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\0b", "a\r\nX: y", "\v", "\x01", "\x7f", "é\n"])
def test_a_value_that_would_end_the_header_is_refused_by_name(value):
    with pytest.raises(ValueError, match="'X-A' has a line break or another control character"):
        encode_value("X-A", value)


def test_a_value_outside_of_latin_1_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'X-A' has characters outside of latin-1: '\u20ac'"):
        encode_value("X-A", "€")


@pytest.mark.parametrize("value", ["", "a", " a\t", "\ta", "é "])
def test_white_space_around_a_value_is_not_part_of_it(value):
    assert encode_value("X-A", value) == value.strip().encode("latin-1")


def test_a_tab_inside_stays():
    assert encode_value("X-A", "a\tb") == b"a\tb"


def test_content_types():
    assert content_type_for(None, "text/html").text == "text/html; charset=utf-8"
    assert content_type_for("a/b", "text/html").pair == (b"content-type", b"a/b")
    assert content_type_for(None, None) == (None, None)
    assert content_type_for("a/\0", None) == ("a/\0", None)
    with pytest.raises(ValueError, match="newline"):
        content_type_for("a/b\r\nX: y", None)


@pytest.mark.parametrize("value", ["a;b", "a\r", "a\0", "\x7f"])
def test_cookie_parts(value):
    with pytest.raises(ValueError, match="domain of a cookie"):
        check_cookie_part("domain", value)
    check_cookie_part("domain", None)
    check_cookie_part("domain", "example.org")
