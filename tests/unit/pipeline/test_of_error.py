"""HTTP exceptions as responses: what Werkzeug makes of them, without its environ where that plays no part."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug import exceptions
from werkzeug.datastructures import HeaderSet, WWWAuthenticate
from werkzeug.routing import RequestRedirect, Rule
from werkzeug.wrappers import Response as BaseResponse

from asyncflask import App, Response
from asyncflask.pipeline.of_error import MOST_PARTS, known


class Teapot(exceptions.HTTPException):
    code = 418

    def get_body(self, environ: Any = None, scope: Any = None) -> str:
        return f"short and stout, {environ['PATH_INFO']}"


class Marked(exceptions.NotFound):
    def get_headers(self, environ: Any = None, scope: Any = None) -> list[tuple[str, str]]:
        return [*super().get_headers(environ), ("X-Marked", environ["PATH_INFO"])]


class Own(exceptions.Gone):
    def get_response(self, environ: Any = None, scope: Any = None) -> Any:
        return Response(f"own {environ['PATH_INFO']}", 410)


def _name(pair: tuple[str, str]) -> str:
    return pair[0]


ERRORS = [
    *(kind() for kind in exceptions.default_exceptions.values()),
    exceptions.NotFound("<b>what</b>"),
    exceptions.MethodNotAllowed(["GET", "PUT"]),
    exceptions.Unauthorized(www_authenticate=[WWWAuthenticate("basic"), WWWAuthenticate("digest")]),
    exceptions.TooManyRequests(retry_after=7),
    exceptions.RequestedRangeNotSatisfiable(10),
    exceptions.BadRequest(response=Response("given", 400)),
    RequestRedirect("/there?ü"),
    Teapot(),
    Marked(),
    Own(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: f"{type(error).__name__} {error.description}"[:40])
def test_it_is_what_werkzeug_makes_of_it(error: exceptions.HTTPException) -> None:
    same_as_werkzeugs(error)


def same_as_werkzeugs(error: exceptions.HTTPException) -> None:
    app = App("errors", static_folder=None)
    with app.test_request_context("/here") as ctx:
        made = app.make_response(error)
        model = error.get_response(ctx.request.environ)
        assert type(made) is Response
        assert (made.status, made.data) == (model.status, model.data)
        # the order of headers with different names means nothing (RFC 9110 section 5.3)
        assert sorted(made.headers, key=_name) == sorted(model.headers, key=_name)


def test_no_environ_is_made_for_what_does_not_look_at_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App("errors", static_folder=None)
    with app.test_request_context("/here") as ctx:
        monkeypatch.delattr(type(ctx.request), "environ")
        ctx.request.__dict__.pop("environ", None)
        assert app.make_response(exceptions.NotFound()).status_code == 404


@pytest.mark.parametrize("part", ["get_response", "get_headers", "get_body", "get_description"])
def test_what_an_exception_has_of_its_own_counts(part: str) -> None:
    error = exceptions.NotFound()
    original = getattr(error, part)

    def own(environ: Any, scope: Any = None) -> Any:
        made = original(environ)
        if part == "get_response":
            made.headers["X-Path"] = environ["PATH_INFO"]
        return (
            [("X-Path", environ["PATH_INFO"])] if part == "get_headers" else made if part == "get_response" else "own"
        )

    def own_description(environ: Any = None, scope: Any = None) -> str:
        return "own"

    setattr(error, part, own_description if part == "get_description" else own)
    same_as_werkzeugs(error)


def test_the_words_of_a_class_may_change() -> None:
    class Changing(exceptions.NotFound):
        words = 0

    class Counting(exceptions.NotFound):
        @property
        def name(self) -> str:
            Changing.words += 1
            return f"Not found {Changing.words // 2}"  # asked twice for a page

    for description in ("one", "two", "one", None):
        Changing.description = description  # type: ignore[assignment]
        same_as_werkzeugs(Changing())
    same_as_werkzeugs(exceptions.NotFound("three"))
    same_as_werkzeugs(exceptions.NotFound())
    app = App("errors", static_folder=None)
    with app.test_request_context("/here"):
        assert app.make_response(Counting()).data != app.make_response(Counting()).data


def test_what_one_error_says_is_not_told_of_another() -> None:
    for description in ("<b>", Markup("<b>"), "<b>", "x" * 1000, None):
        same_as_werkzeugs(exceptions.NotFound(description))
    for methods in (["GET"], ["GET", "PUT"], [], None, {"GET"}, ("GET",)):
        same_as_werkzeugs(exceptions.MethodNotAllowed(methods))
        same_as_werkzeugs(exceptions.MethodNotAllowed(methods, "<b>"))
    marked = exceptions.NotFound()
    marked.extra = "kept by somebody"  # type: ignore[attr-defined]
    same_as_werkzeugs(marked)


def test_a_class_with_a_status_of_its_own_gives_it_to_no_error() -> None:
    class Created(Response):
        default_status = 201

    app = App("errors", static_folder=None)
    app.response_class = Created
    with app.test_request_context("/here"):
        assert app.make_response(exceptions.HTTPException("no code")).status_code == 200


def test_a_class_that_takes_over_responses_in_its_own_way_does_so() -> None:
    class Marking(Response):
        @classmethod
        def force_type(cls, response: Any, environ: Any = None) -> Any:
            made = super().force_type(response, environ)
            made.headers["X-Forced"] = "yes"
            return made

    app = App("errors", static_folder=None)
    app.response_class = Marking
    with app.test_request_context("/here"):
        assert app.make_response(exceptions.NotFound()).headers["X-Forced"] == "yes"


def test_a_response_that_an_error_carries_is_its_answer_whatever_was_known() -> None:
    same_as_werkzeugs(exceptions.NotFound())
    app = App("errors", static_folder=None)
    with app.test_request_context("/here"):
        made = app.make_response(exceptions.NotFound(response=Response("given", 410)))
        assert (made.status_code, made.data) == (410, b"given")


@pytest.mark.parametrize("part", ["get_headers", "get_body", "get_description", "description", "code"])
def test_a_class_may_be_changed_at_any_time(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(exceptions.Conflict):
        pass

    same_as_werkzeugs(Own())
    changed = {
        "get_headers": lambda self, environ=None, scope=None: [("Content-Type", "a/b"), ("X-A", "1")],
        "get_body": lambda self, environ=None, scope=None: "own",
        "get_description": lambda self, environ=None, scope=None: "<b>own</b>",
        "description": "own",
        "code": 418,
    }
    monkeypatch.setattr(exceptions.Conflict, part, changed[part])
    same_as_werkzeugs(Own())
    same_as_werkzeugs(exceptions.Conflict())
    monkeypatch.undo()
    same_as_werkzeugs(Own())


METHODS = st.lists(st.sampled_from(["GET", "PUT", "get", " X", "\u00e9", "A,B", ""]), max_size=4)


@given(METHODS | st.none(), st.sampled_from([None, "told <you>", "a\nb"]))
def test_methods_that_are_allowed_are_told_as_by_werkzeug(methods: list[str] | None, description: str | None) -> None:
    for _ in range(2):
        same_as_werkzeugs(exceptions.MethodNotAllowed(methods, description))


def test_what_is_kept_is_bounded_and_of_classes_alone() -> None:
    for number in range(3 * MOST_PARTS):
        same_as_werkzeugs(exceptions.NotFound(f"no {number}"))
        same_as_werkzeugs(exceptions.MethodNotAllowed([f"M{number}"]))
        same_as_werkzeugs(type("Own", (exceptions.NotFound,), {})())
    assert len(known) <= MOST_PARTS
    assert all(len(said.parts) <= MOST_PARTS for said in known.values())
    assert not any(b"no 1" in parts.body for said in known.values() for parts in said.parts.values())


class Allowing(Response):
    @property
    def allow(self) -> HeaderSet:  # type: ignore[override]
        self.headers["X-Allow"] = "asked"
        return super().allow


@pytest.mark.parametrize("kind", [Response, Allowing, BaseResponse])
@pytest.mark.parametrize("path", ["/a", "/b", "/any", "/odd", "/slash", "/nothing", "/of/7", "/of/x", "//a"])
def test_an_automatic_answer_to_options_is_what_flask_makes(kind: Any, path: str) -> None:
    app = App("options", static_folder=None)
    app.response_class = kind
    for number, (rule, methods) in enumerate(
        [("/a", ["GET"]), ("/a", ["POST"]), ("/b", ["PUT", "M-SEARCH"]), ("/slash/", None), ("/of/<int:n>", ["GET"])]
    ):
        app.add_url_rule(rule, f"e{number}", methods=methods)
    app.url_map.add(Rule("/any", endpoint="any"))
    app.url_map.add(Rule("/odd", endpoint="odd", methods=["GET"]))
    next(app.url_map.iter_rules("odd")).methods.update({"g t", "get"})  # type: ignore[union-attr]
    with app.test_request_context(path, method="OPTIONS") as ctx:
        made, model = app.make_default_options_response(), kind()
        model.allow.update(ctx.url_adapter.allowed_methods())  # type: ignore[union-attr]
        assert type(made) is kind
        assert (made.status, made.data) == (model.status, model.data)
        assert list(made.headers) == list(model.headers)


def test_a_host_that_is_no_name_has_no_methods() -> None:
    app = App("options", static_folder=None)
    app.add_url_rule("/a", "a")
    with app.test_request_context("/a", headers={"Host": "a..b"}), pytest.raises(exceptions.BadRequest):
        app.make_default_options_response()
