"""Errors as JSON and as problem details, where the application offers them: by what the client accepts."""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

import pytest
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Conflict, Forbidden, HTTPException, NotFound, Unauthorized
from werkzeug.http import HTTP_STATUS_CODES

from asyncflask import Response, abort, websocket

from .talking import Refused, talk

HTML, JSON, PROBLEM = "text/html", "application/json", "application/problem+json"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"


@pytest.fixture(autouse=True)
def answers_errors(app):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True


@pytest.fixture(params=["def", "async"])
def raising(app, request):
    """Register a view that raises what it is given."""

    def register(error, rule="/raises"):
        def view():
            raise error

        async def async_view():
            await asyncio.sleep(0)
            raise error

        app.add_url_rule(rule, rule, view if request.param == "def" else async_view)

    return register


def accepting(value):
    return {"headers": {} if value is None else {"Accept": value}}


def kind_of(got):
    assert got.headers.get_all("Content-Type") == [got.headers["Content-Type"]]
    return got.headers["Content-Type"].partition(";")[0]


def test_without_the_setting_errors_are_pages(asked):
    got = asked("/nothing", **accepting(JSON))
    assert (got.status, kind_of(got), "Vary" in got.headers) == (404, HTML, False)


@pytest.mark.parametrize(
    ("offered", "accept", "kind"),
    [
        ((HTML, JSON), JSON, JSON),
        ((HTML, JSON), "application/json, text/plain, */*", JSON),
        ((HTML, JSON), BROWSER, HTML),
        ((HTML, JSON), "*/*", HTML),
        ((HTML, JSON), None, HTML),
        ((HTML, JSON), "image/png", HTML),
        ((HTML, JSON), "application/json; charset=utf-8", JSON),
        ((HTML, JSON), "application/json;q=0", HTML),
        ((HTML, JSON), ";;=, q=x, application/", HTML),
        ((HTML, PROBLEM), 'Application/JSON; odata="a;b"; q=0.5, text/html;level=1;q=0.4', PROBLEM),
        ((JSON, HTML), "*/*", JSON),
        ((JSON, HTML), BROWSER, HTML),
        ((JSON, HTML), "text/html;q=0.2, application/json;q=0.1", HTML),
        ((HTML, PROBLEM), JSON, PROBLEM),
        ((HTML, PROBLEM), PROBLEM, PROBLEM),
        ((HTML, PROBLEM), BROWSER, HTML),
        ((HTML, JSON, PROBLEM), JSON, JSON),
        ((HTML, JSON, PROBLEM), "application/problem+json, application/json;q=0.9", PROBLEM),
        ([PROBLEM], BROWSER, PROBLEM),
        (JSON, BROWSER, JSON),
    ],
)
def test_the_client_chooses_among_what_is_offered(app, asked, offered, accept, kind):
    app.config["ERROR_MIMETYPES"] = offered
    got = asked("/nothing", **accepting(accept))
    assert (got.status, kind_of(got)) == (404, kind)
    one = isinstance(offered, str) or len(offered) == 1
    assert got.headers.get("Vary") == (None if one else "Accept")


def test_json(app, asked, raising):
    app.config["ERROR_MIMETYPES"] = JSON
    raising(Conflict("It is <taken>."))
    got = asked("/raises")
    assert (got.status, got.json) == (409, {"code": 409, "name": "Conflict", "description": "It is <taken>."})
    assert asked("/nothing").json == {"code": 404, "name": "Not Found", "description": NotFound.description}


def test_problem_details(app, asked, raising):
    app.config["ERROR_MIMETYPES"] = PROBLEM
    raising(Conflict("It is <taken>."))
    members = {"type": "about:blank", "title": "Conflict", "status": 409, "detail": "It is <taken>."}
    assert asked("/raises").json == members


class OutOfCredit(Forbidden):
    description = "Your balance is 30, and that costs 50."
    problem: ClassVar = {
        "type": "https://example.com/problems/out-of-credit",
        "title": "Not enough credit",
        "balance": 30,
    }


def test_an_error_may_have_more_to_say_of_its_problem(app, asked, raising):
    app.config["ERROR_MIMETYPES"] = PROBLEM
    raising(OutOfCredit())
    assert asked("/raises").json == {**OutOfCredit.problem, "status": 403, "detail": OutOfCredit.description}


@pytest.mark.parametrize("problem", [{"x": {1, 2}}, {(1, 2): 3}, None, "text"])
def test_a_problem_that_cannot_be_told_is_explained_in_the_log(app, asked, raising, caplog, problem):
    app.logger.disabled = False
    app.config["ERROR_MIMETYPES"] = PROBLEM
    error = OutOfCredit()
    error.problem = problem
    raising(error)
    got = asked("/raises")
    assert (got.status, kind_of(got), "OutOfCredit" in got.text) == (500, PROBLEM, False)
    (record,) = caplog.records
    told = record.exc_info[1]
    assert str(told).startswith("OutOfCredit cannot be told as application/problem+json: ") and told.__cause__ is error


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        ({"balance": float("nan")}, "NaN"),
        ({"balance": [{"of": -float("inf")}]}, "-Infinity"),
        ({"status": 400}, "'status' is 400, but the answer has 403"),
        ({"status": "403"}, "'status' is '403', but the answer has 403"),
        ({"status": None}, "'status' is None, but the answer has 403"),
        ({"type": 1}, "'type' is 1, and not a text"),
        ({"title": None}, "'title' is None, and not a text"),
        ({"detail": ["no"]}, "'detail' is ['no'], and not a text"),
        ({"instance": {}}, "'instance' is {}, and not a text"),
    ],
)
def test_a_problem_that_is_none_by_the_rfc_is_explained_in_the_log(app, asked, raising, caplog, problem, why):
    """RFC 9457 sections 3.1 and 3.2; RFC 8259 section 6 for numbers."""
    app.logger.disabled = False
    app.config["ERROR_MIMETYPES"] = PROBLEM
    error = OutOfCredit()
    error.problem = problem
    raising(error)
    got = asked("/raises")
    assert (got.status, kind_of(got), got.json["status"]) == (500, PROBLEM, 500)
    (record,) = caplog.records
    told = str(record.exc_info[1])
    assert told.startswith("OutOfCredit cannot be told as application/problem+json: ") and why in told
    assert record.exc_info[1].__cause__ is error


def test_a_problem_may_say_the_standard_members_itself(app, asked, raising):
    class Lazy:
        def __html__(self):
            return "title"

    app.config["ERROR_MIMETYPES"] = PROBLEM
    error = Forbidden("not this")
    error.problem = {"status": 403, "title": Lazy(), "detail": "this", "type": "/x", "instance": "/y", "sum": 1e300}
    raising(error)
    assert asked("/raises").json == {**error.problem, "title": "title"}


def test_a_number_in_a_description_that_json_has_not(app, asked, raising, caplog):
    app.logger.disabled = False
    app.config["ERROR_MIMETYPES"] = JSON
    raising(Conflict({"sum": float("inf")}))
    raising(Conflict("NaN, not Infinity"), "/text")
    assert asked("/text").json["description"] == "NaN, not Infinity"
    got = asked("/raises")
    assert (got.status, got.json["code"]) == (500, 500)
    assert "Infinity" in str(caplog.records[0].exc_info[1])


def test_the_headers_of_an_error_stay(app, asked, raising):
    app.config["ERROR_MIMETYPES"] = PROBLEM
    raising(Unauthorized(www_authenticate=WWWAuthenticate("basic", {"realm": "x"})))
    assert asked("/raises").headers["WWW-Authenticate"] == "Basic realm=x"
    got = asked("/raises", "DELETE")
    assert (got.status, kind_of(got), set(got.headers["Allow"].split(", "))) == (
        405,
        PROBLEM,
        {"GET", "HEAD", "OPTIONS"},
    )


def test_a_description_that_is_no_text(app, asked, raising):
    app.config["ERROR_MIMETYPES"] = (JSON, PROBLEM)
    raising(Conflict({"name": ["taken"]}))
    assert asked("/raises").json["description"] == {"name": ["taken"]}
    assert asked("/raises", **accepting(PROBLEM)).json["detail"] == "{'name': ['taken']}"


def test_an_error_without_description(app, asked, raising):
    class Teapot(HTTPException):
        code = 418

    app.config["ERROR_MIMETYPES"] = (JSON, PROBLEM)
    raising(Teapot())
    assert asked("/raises").json == {"code": 418, "name": HTTP_STATUS_CODES[418], "description": None}
    assert "detail" not in asked("/raises", **accepting(PROBLEM)).json


def test_a_500_tells_nothing_of_its_cause(app, asked, raising):
    app.config["ERROR_MIMETYPES"] = (HTML, JSON, PROBLEM)
    raising(LookupError("the password is 1234"))
    for accept in (JSON, PROBLEM, BROWSER):
        got = asked("/raises", **accepting(accept))
        assert (got.status, kind_of(got)) == (500, accept if accept != BROWSER else HTML)
        assert "1234" not in got.text and "LookupError" not in got.text


def test_handlers_go_first(app, asked, raising):
    app.config["ERROR_MIMETYPES"] = JSON
    raising(Conflict())
    raising(LookupError(), "/fails")
    app.register_error_handler(409, lambda error: ("mine", 409))
    app.register_error_handler(500, lambda error: ("mine too", 500))
    assert [asked(path).text for path in ("/raises", "/fails")] == ["mine", "mine too"]


def test_an_error_that_says_how_it_is_answered(app, asked, raising):
    class Own(Conflict):
        def get_body(self, environ=None, scope=None):
            return "own body"

    class Whole(Conflict):
        def get_response(self, environ=None, scope=None):
            return Response("whole", 409)

    app.config["ERROR_MIMETYPES"] = JSON
    raising(Own(), "/own")
    raising(Whole(), "/whole")
    raising(Conflict(response=Response("given", 409)), "/given")
    assert [asked(path).text for path in ("/own", "/whole", "/given")] == ["own body", "whole", "given"]


def test_aborts_with_a_response_and_redirects_are_no_errors(app, asked):
    app.config["ERROR_MIMETYPES"] = JSON
    app.add_url_rule("/abort", view_func=lambda: abort(Response("as it is", 418)), endpoint="abort")
    app.add_url_rule("/folder/", view_func=lambda: "", endpoint="folder")
    assert (asked("/abort").text, asked("/folder").status) == ("as it is", 308)


def test_after_hooks_and_head_see_them_as_any_response(app, asked):
    app.config["ERROR_MIMETYPES"] = JSON
    app.after_request(lambda response: response.headers.set("X-After", response.mimetype) or response)
    got = asked("/nothing", "HEAD")
    assert (got.headers["X-After"], got.body, got.headers["Content-Type"]) == (JSON, b"", JSON)


@pytest.mark.parametrize("wrong", ["json", (), ("text/html", "text/xml"), 1, {JSON: 1}])
def test_a_wrong_setting_is_told(app, asked, wrong, caplog):
    app.logger.disabled = False
    app.config["ERROR_MIMETYPES"] = wrong
    got = asked("/nothing")
    assert (got.status, kind_of(got)) == (500, HTML)
    (record,) = caplog.records
    assert str(record.exc_info[1]).startswith("ERROR_MIMETYPES must be None or name one or more of 'text/html', ")
    assert repr(wrong) in str(record.exc_info[1])


async def test_a_refused_websocket(app):
    app.config["ERROR_MIMETYPES"] = (HTML, PROBLEM)

    @app.websocket("/")
    async def ws():
        abort(403, "not you")

    with pytest.raises(Refused) as refused:
        async with talk(app, "/", headers={"Accept": JSON}):
            pass
    assert (refused.value.status, refused.value.headers["content-type"]) == (403, PROBLEM)
    assert json.loads(refused.value.body)["detail"] == "not you"


async def test_a_websocket_that_is_open_keeps_its_close_codes(app):
    app.config["ERROR_MIMETYPES"] = JSON

    @app.websocket("/")
    async def ws():
        await websocket.accept()
        abort(403)

    async with talk(app, "/") as client:
        assert (await client.closed())[0] == 1008
