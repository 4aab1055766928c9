"""Response headers in their ASGI spelling."""

from __future__ import annotations

import warnings
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.http import dump_cookie, http_date
from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Response as WerkzeugResponse

from asyncflask.wrappers.headers import (
    check_cookie_part,
    content_type_for,
    encode_all,
    encode_headers,
    encode_name,
    encode_value,
    is_uri,
    plain_cookie,
)


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


PARTS = st.sampled_from(["", "a", "a-b_c.d", "A1", "a b", " a", "a,", 'a"', "é", "\N{SNOWMAN}", "a=b", "x" * 70])
FLAGS = st.booleans()


@settings(deadline=None)
@given(
    PARTS,
    PARTS,
    st.sampled_from([None, 0, 3600, -1, 10**15, timedelta(days=1), timedelta(seconds=1.9), 2.5, True]),
    st.sampled_from([None, 0, 1_700_000_000, "Thu, 01 Jan 1970 00:00:00 GMT"]),
    st.sampled_from([None, "/", "/a b", "/é"]),
    st.sampled_from([None, "", ".example.com", "localhost:80", "\N{SNOWMAN}.net"]),
    *(FLAGS, FLAGS, st.sampled_from([None, "lax", "None", "Other"]), FLAGS, st.sampled_from([0, 60, 4093])),
)
def test_a_cookie_that_is_written_plainly_is_written_as_by_werkzeug(
    name, value, max_age, expires, path, domain, secure, httponly, samesite, partitioned, most
):
    attributes = (max_age, expires, path, domain, secure, httponly)
    how = {"samesite": samesite, "partitioned": partitioned, "max_size": most}

    def expected():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return dump_cookie(name, value, *attributes, **how).encode("latin-1")

    try:
        before = expected()
    except (ValueError, OverflowError, UserWarning):
        assert plain_cookie(name, value, most, *attributes, samesite, partitioned) is None
    else:
        cookie = plain_cookie(name, value, most, *attributes, samesite, partitioned)
        assert cookie in (None, before, expected())  # a second may have begun meanwhile
        assert cookie is not None or not name.isalnum() or not value.isalnum() or not (name + value).isascii()


def test_a_cookie_that_lasts_is_written_plainly():
    attributes = (None, "/", None, True, True, "Lax", False)
    assert b"; Max-Age=3600; " in plain_cookie("a", "b", 4093, 3600, *attributes)
    assert b"; Max-Age=3600; " in plain_cookie("a", "b", 4093, timedelta(hours=1), *attributes)


def test_a_cookie_that_went_before_1970_is_dated_as_by_werkzeug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.25)
    cookie = plain_cookie("a", "b", 4093, -2_000_000_000, None, "/", None, True, True, "Lax", False)
    assert http_date(1_700_000_000.25 - 2_000_000_000).encode() in cookie


PIECES = st.sampled_from(
    ["/", "//", "a", "B.", "~", "%20", "%", "?", "??", "#", ":", "@", ";", "=", "&", "é", " ", "\t"]
)
HOSTS = st.sampled_from(
    ["a", "B", "a.b", ".", "..", "-", "_", "xn--a", "1", "[::1]", ":80", ":0", ":65536", ":59999", "a" * 64]
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_counts_as_a_uri_is_one(value):
    assert not is_uri(value) or iri_to_uri(value) == value


@given(
    st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "//", "http:/"]),
    st.lists(HOSTS, max_size=3).map("".join),
    st.lists(PIECES, max_size=5).map("".join),
)
def test_what_counts_as_an_absolute_uri_is_one(scheme, host, rest):
    value = f"{scheme}{host}/{rest}"
    assert not is_uri(value) or iri_to_uri(value) == value


def test_usual_locations_count_as_uris():
    assert all(map(is_uri, ["/", "/a", "/a/b.html", "/a?b=c&d=%20", "/users/7/edit", "/a%C3%A9"]))
    assert all(map(is_uri, ["http://localhost:8000/slash/", "https://a.b-c.example/", "http://127.0.0.1/x?a=b"]))
    assert not any(map(is_uri, ["", "//a", "/a b", "/é", "/a?", "a", "/a#b", "/" + "a" * 2000]))


LOCATIONS = st.sampled_from(
    ["/a", "/a b", "é", "http://\N{SNOWMAN}.net/é?ö", "//x/y", "/a?", "", "http://[", "http://a..b/"]
)
NAMES = st.sampled_from(["Location", "LOCATION", "Content-Location", "X-A"])


@given(st.lists(st.tuples(NAMES, LOCATIONS), max_size=3))
def test_headers_have_uris_where_werkzeug_makes_them(pairs):
    model = WerkzeugResponse(headers=Headers(pairs))
    del model.headers["Content-Type"]
    try:
        expected = encode_headers(model.get_wsgi_headers({}))
    except ValueError:
        expected = None
    try:
        found = encode_all(pairs)
    except ValueError:
        assert expected is None
    else:
        assert found is None or [*found, (b"content-length", b"0")] == expected
