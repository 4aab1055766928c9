"""HTTP exceptions as responses: what Werkzeug makes of them, without its environ where that plays no part."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug import exceptions
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.routing import RequestRedirect

from asyncflask import App, Response


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
