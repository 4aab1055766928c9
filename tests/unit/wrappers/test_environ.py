"""The WSGI environ and the headers of an ASGI scope."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequestKeyError
from werkzeug.wrappers import Request as BaseRequest

from asyncflask.wrappers.environ import RequestHeaders, environ_from_scope
from asyncflask.wrappers.file import FileBody


def scope(**changes):
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/app/ü",
        "raw_path": b"/app/%C3%BC",
        "root_path": "/app",
        "query_string": b"q=%20",
        "headers": [
            (b"host", b"example.org"),
            (b"content-type", b"text/plain"),
            (b"content-length", b"3"),
            (b"X-Many", b"1"),
            (b"x-many", b"2"),
            (b"cookie", b"a=1"),
            (b"cookie", b"b=2"),
            (b"x_many", b"forged"),
            (b"content_length", b"99"),
            (b"x-latin", b"\xe9"),
        ],
        "client": ("192.0.2.1", 4321),
        "server": ("127.0.0.1", 8000),
        **changes,
    }


def make(**changes):
    return environ_from_scope(scope(**changes), "/ü", "/app", io.BytesIO(b"abc"))


def test_everything_that_pep_3333_asks_for():
    environ = make()
    assert environ.pop("wsgi.input").read() == b"abc"
    assert environ.pop("wsgi.errors") is sys.stderr
    assert environ.pop("asgi.scope") == scope()
    assert environ.pop("wsgi.file_wrapper") is FileBody
    assert environ == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/\xc3\xbc",
        "QUERY_STRING": "q=%20",
        "REQUEST_URI": "/app/%C3%BC?q=%20",
        "RAW_URI": "/app/%C3%BC?q=%20",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "4321",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "3",
        "HTTP_HOST": "example.org",
        "HTTP_X_MANY": "1,2",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_LATIN": "\xe9",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def test_werkzeug_reads_the_same_path_and_url_from_it():
    request = BaseRequest(make())
    assert (request.root_path, request.path) == ("/app", "/ü")
    assert request.url == "http://example.org/app/ü?q=%20"


def test_unix_socket_and_unknown_addresses():
    environ = make(server=("/run/app.sock", None), client=None)
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("/run/app.sock", "")
    assert "REMOTE_ADDR" not in environ
    assert (make(server=None, scheme="https"))["SERVER_PORT"] == "443"


def test_target_without_raw_path():
    assert make(raw_path=None, query_string=b"")["REQUEST_URI"] == "/app/%C3%BC"


def test_lone_surrogates_in_a_path_are_replaced():
    environ = environ_from_scope(scope(raw_path=None), "/\ud800", "", io.BytesIO())
    assert environ["PATH_INFO"] == "/?"


def test_the_test_clients_environ_is_the_base():
    errors = io.StringIO()
    base = {
        "REMOTE_USER": "kim",
        "wsgi.errors": errors,
        "wsgi.multithread": False,
        "REQUEST_URI": "/raw",
        "REQUEST_METHOD": "GET",
        "HTTP_X_REMOVED": "by a middleware",
        "custom": [1],
    }
    environ = make(**{"asyncflask.client": SimpleNamespace(environ=base)})
    assert environ["REMOTE_USER"] == "kim"
    assert environ["custom"] is base["custom"]
    assert environ["wsgi.errors"] is errors
    assert environ["wsgi.multithread"] is False
    assert environ["REQUEST_URI"] == "/raw"
    assert environ["REQUEST_METHOD"] == "POST"
    assert "HTTP_X_REMOVED" not in environ
    assert base["REQUEST_METHOD"] == "GET"


# Headers


@pytest.fixture
def headers():
    return RequestHeaders(scope()["headers"])


def test_lookup_ignores_case_but_not_underscores(headers):
    assert headers["X-MANY"] == headers.get("x-many") == "1,2"
    assert headers["X_Many"] == "forged"
    assert headers.get("Content-Length", type=int) == 3
    assert "x-none" not in headers
    assert headers.get("\u20ac") is None


def test_a_missing_header_is_a_key_error_and_a_400(headers):
    with pytest.raises(BadRequestKeyError):
        headers["X-None"]
    with pytest.raises(KeyError):
        headers["X-None"]


def test_iteration_is_in_title_case(headers):
    assert list(headers)[:4] == [
        ("Host", "example.org"),
        ("Content-Type", "text/plain"),
        ("Content-Length", "3"),
        ("X-Many", "1,2"),
    ]
    assert len(headers) == len(list(headers)) == 8
    assert headers[0] == ("Host", "example.org")
    assert dict(headers)["X-Latin"] == "é"
    assert headers.getlist("Cookie") == ["a=1; b=2"]


def test_they_are_read_only(headers):
    assert isinstance(headers, Headers)
    for change in (
        lambda: headers.__setitem__("A", "b"),
        lambda: headers.add("A", "b"),
        lambda: headers.pop("Host"),
        lambda: headers.update(a="b"),
        lambda: headers.copy(),
        lambda: headers | {"A": "b"},
    ):
        with pytest.raises(TypeError):
            change()
    assert Headers(headers)["Host"] == "example.org"
    assert repr(headers).startswith("RequestHeaders([('Host', 'example.org')")
