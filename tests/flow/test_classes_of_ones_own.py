"""Short ways step back where a request or response class has something of its own in their place."""

from __future__ import annotations

import io
from typing import Any

import pytest
from werkzeug.datastructures import ImmutableMultiDict, MultiDict

from asyncflask import App, Request, Response, abort, request

URLENCODED = "application/x-www-form-urlencoded"


class Lower(ImmutableMultiDict[str, Any]):
    """As the Werkzeug docs have it for classes of one's own: made of pairs."""

    def __init__(self, pairs: Any = ()) -> None:
        super().__init__([(name.lower(), value) for name, value in pairs])


SENT: list[dict[str, Any]] = [
    {"query_string": "A=1&b=2&A=3"},
    {"method": "POST", "data": "A=1&b=2&A=3", "content_type": URLENCODED},
    {"method": "POST", "data": {"A": ["1", "3"], "b": "2"}, "content_type": "multipart/form-data"},
    {"headers": {"Cookie": "A=1; b=2; A=3"}},
]


def answer(request_class: type[Request], read: Any, sent: dict[str, Any]) -> tuple[int, str]:
    app = App(__name__)
    app.request_class = request_class
    app.add_url_rule("/", view_func=lambda: repr(read()), methods=["GET", "POST"])
    response = app.test_client(use_cookies=False).open("/", **sent)
    return response.status_code, response.get_data(as_text=True)


@pytest.mark.parametrize("sent", SENT, ids=["query", "urlencoded", "multipart", "cookies"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (dict, {"A": "3", "b": "2"}),
        (Lower, [("a", "1"), ("a", "3"), ("b", "2")]),
        (MultiDict, [("A", "1"), ("A", "3"), ("b", "2")]),
        (ImmutableMultiDict, [("A", "1"), ("A", "3"), ("b", "2")]),
    ],
)
def test_a_class_for_parameters_is_given_pairs(kind: type, expected: Any, sent: dict[str, Any]) -> None:
    own = type("Own", (Request,), {"parameter_storage_class": kind, "dict_storage_class": kind})

    def read() -> Any:
        found = request.cookies if "headers" in sent else request.values if kind is not dict else None
        if found is None:
            found = request.args or request.form
        return sorted(found.items(multi=True)) if isinstance(found, MultiDict) else dict(sorted(found.items()))

    assert answer(own, read, sent) == (200, repr(expected))


@pytest.mark.parametrize("limit", [5, property(lambda request: 5)], ids=["attribute", "property"])
@pytest.mark.parametrize("read", [lambda: request.data, lambda: request.get_data(), lambda: request.json])
def test_a_limit_in_the_class_counts(limit: Any, read: Any) -> None:
    own = type("Own", (Request,), {"max_content_length": limit})
    sent = {"method": "POST", "data": b'"a long one"', "content_type": "application/json"}
    assert answer(own, read, sent)[0] == 413


def test_a_stream_of_the_class_is_what_is_read() -> None:
    class Own(Request):
        @property
        def stream(self) -> io.BytesIO:  # type: ignore[override]
            return io.BytesIO(b"[5]")

    sent = {"method": "POST", "json": {"a": 1}}
    assert answer(Own, lambda: (request.json, request.data), sent) == (200, repr(([5], b"[5]")))


def test_an_error_page_has_its_length_also_where_the_class_gives_none() -> None:
    class Own(Response):
        automatically_set_content_length = False

    app = App(__name__)
    app.response_class = Own
    app.add_url_rule("/", endpoint="error", view_func=lambda: abort(404))
    app.add_url_rule("/text", endpoint="text", view_func=lambda: "x")
    client = app.test_client()
    response = client.get("/")
    assert response.headers["Content-Length"] == str(len(response.data))
    assert "Content-Length" not in client.get("/text").headers
