"""From an error to an answer: handlers by code, class and blueprint, sync and async, and what happens without one."""

from __future__ import annotations

import asyncio

import pytest
from werkzeug.exceptions import HTTPException, InternalServerError, NotFound

from asyncflask import Blueprint, Response, abort, request

KINDS = ("def", "async")


@pytest.fixture(params=KINDS)
def view_kind(request):
    return request.param


@pytest.fixture(params=KINDS)
def handler_kind(request):
    return request.param


def of_kind(kind, function):
    async def asynchronous(*args, **kwargs):
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    return function if kind == "def" else asynchronous


def raising(app, kind, error):
    def view():
        raise error

    app.add_url_rule("/", "view", of_kind(kind, view))


class Base(Exception):
    pass


class Special(Base):
    pass


def test_the_nearest_class_wins(app, asked, view_kind, handler_kind):
    raising(app, view_kind, Special())
    app.register_error_handler(Base, of_kind(handler_kind, lambda error: "base"))
    app.register_error_handler(Special, of_kind(handler_kind, lambda error: (type(error).__name__, 418)))
    got = asked("/")
    assert (got.status, got.text) == (418, "Special")


def test_a_base_class_handles_what_derives_from_it(app, asked, view_kind, handler_kind):
    raising(app, view_kind, Special())
    app.register_error_handler(Base, of_kind(handler_kind, lambda error: type(error).__name__))
    assert asked("/").text == "Special"


def test_a_code_wins_over_the_general_handler(app, asked, view_kind, handler_kind):
    raising(app, view_kind, NotFound())
    app.register_error_handler(HTTPException, of_kind(handler_kind, lambda error: "any"))
    app.register_error_handler(404, of_kind(handler_kind, lambda error: ("by code", error.code)))
    assert asked("/").text == "by code"
    assert asked("/nothing").text == "by code"
    assert asked("/", "DELETE").text == "any"


def test_the_handler_of_a_blueprint_goes_first(app, asked, view_kind, handler_kind):
    blueprint = Blueprint("bp", "bp", url_prefix="/bp")
    blueprint.register_error_handler(Base, of_kind(handler_kind, lambda error: "blueprint"))
    app.register_error_handler(Base, of_kind(handler_kind, lambda error: "app"))

    def view():
        raise Base

    blueprint.add_url_rule("/", "view", of_kind(view_kind, view))
    app.register_blueprint(blueprint)
    app.add_url_rule("/", "view", of_kind(view_kind, view))
    assert asked("/bp/").text == "blueprint"
    assert asked("/").text == "app"


def test_redirects_of_routing_are_no_errors(app, asked, handler_kind):
    app.register_error_handler(HTTPException, of_kind(handler_kind, lambda error: ("swallowed", 500)))
    app.add_url_rule("/folder/", "folder", lambda: "ok")
    got = asked("/folder")
    assert (got.status, got.headers["Location"].removeprefix("http://localhost")) == (308, "/folder/")


def test_an_unhandled_error_is_500_with_its_origin(app, asked, view_kind, handler_kind):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True
    raising(app, view_kind, Base("why"))
    app.register_error_handler(500, of_kind(handler_kind, lambda error: (str(error.original_exception), 500)))
    assert asked("/").text == "why"


def test_without_a_handler_it_is_a_page_and_a_line_in_the_log(app, asked, view_kind, caplog):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    raising(app, view_kind, Base("why"))
    app.after_request(lambda response: response.headers.set("X-After", "yes") or response)
    got = asked("/")
    assert (got.status, got.headers["X-After"]) == (500, "yes")
    assert InternalServerError.description in got.text
    (record,) = caplog.records
    assert (record.getMessage(), record.exc_info[0]) == ("Exception on / [GET]", Base)


@pytest.mark.parametrize(
    "config", [{"TESTING": True}, {"DEBUG": True, "TESTING": False}, {"PROPAGATE_EXCEPTIONS": True}]
)
def test_errors_propagate_where_asked(app, asked, view_kind, config):
    app.config.update(config)
    raising(app, view_kind, Base())
    with pytest.raises(Base):
        asked("/")


@pytest.mark.parametrize("testing", [True, False])
def test_an_await_before_a_plain_value_is_explained(app, asked, caplog, testing):
    """As code that was written for Quart has it."""
    app.testing = testing

    @app.post("/")
    async def view():
        return await request.get_json()

    if testing:
        with pytest.raises(TypeError) as caught:
            asked("/", "POST", json={})
        assert ["take the 'await' away" in note for note in caught.value.__notes__] == [True]
    else:
        assert asked("/", "POST", json={}).status == 500
        assert caplog.text.count("are plain values here, in 'async def' views too: take the 'await' away.") == 1


def test_trapped_http_exceptions_need_a_handler(app, asked, view_kind):
    raising(app, view_kind, NotFound())
    app.config["TRAP_HTTP_EXCEPTIONS"] = True
    with pytest.raises(NotFound):
        asked("/")


def test_trapped_bad_requests_show_what_was_missing(app, asked, view_kind):
    app.config["TESTING"] = False
    app.add_url_rule("/", "view", of_kind(view_kind, lambda: request.form["key"]))
    assert asked("/").status == 400
    app.config["TRAP_BAD_REQUEST_ERRORS"] = True
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(KeyError, match="key"):
        asked("/")


@pytest.mark.parametrize("kind", ["code", "response"])
def test_abort(app, asked, view_kind, kind):
    app.add_url_rule("/", "view", of_kind(view_kind, lambda: abort(410 if kind == "code" else Response("gone", 410))))
    got = asked("/")
    assert got.status == 410
    assert kind == "code" or got.text == "gone"


def test_codes_of_ones_own(app, asked):
    class Chilly(HTTPException):
        code = 470
        description = "Too cold."

    app.aborter.mapping[470] = Chilly
    app.add_url_rule("/", "view", lambda: abort(470))
    got = asked("/")
    assert (got.status, "Too cold." in got.text) == (470, True)


def test_an_error_of_a_hook_is_handled(app, asked, view_kind, handler_kind):
    app.before_request(of_kind(handler_kind, lambda: abort(403)))
    app.register_error_handler(403, of_kind(handler_kind, lambda error: ("kept out", 403)))
    app.add_url_rule("/", "view", of_kind(view_kind, lambda: "ok"))
    assert asked("/").text == "kept out"


def test_an_error_of_an_after_hook_is_500(app, asked, view_kind, handler_kind):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True
    ended = []

    def after(response):
        raise Base

    app.after_request(of_kind(handler_kind, after))
    app.teardown_request(lambda error: ended.append(type(error)))
    app.add_url_rule("/", "view", of_kind(view_kind, lambda: "ok"))
    assert asked("/").status == 500
    assert ended == [Base]


def test_an_error_of_a_handler_is_500(app, asked, view_kind, handler_kind):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True

    def handler(error):
        raise Special from error

    raising(app, view_kind, KeyError())
    app.register_error_handler(KeyError, of_kind(handler_kind, handler))
    assert asked("/").status == 500


def test_an_error_of_the_handler_of_500_leaves_the_first_one_to_teardown(app, asked, view_kind, handler_kind):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True
    ended = []

    def handler(error):
        raise Special from error

    raising(app, view_kind, KeyError())
    app.register_error_handler(500, of_kind(handler_kind, handler))
    app.teardown_request(lambda error: ended.append(type(error)))
    with pytest.raises(Special):
        asked("/")
    assert ended == [KeyError]


async def grouped(*errors):
    async def child(error):
        raise error

    async with asyncio.TaskGroup() as group:
        for error in errors:
            group.create_task(child(error))


def test_an_error_of_a_task_group_reaches_its_handler(app, asked, handler_kind):
    app.register_error_handler(Base, of_kind(handler_kind, lambda error: (type(error).__name__, 409)))

    @app.get("/missing")
    async def missing():
        await grouped(NotFound("not there"))

    @app.get("/special")
    async def special():
        await grouped(ValueError(), Special())

    @app.get("/nobody")
    async def nobody():
        await grouped(ValueError())

    got = asked("/missing")
    assert (got.status, "not there" in got.text) == (404, True)
    assert asked("/special").text == "Special"
    with pytest.raises(ExceptionGroup):
        asked("/nobody")


def test_a_handler_for_the_group_goes_first(app, asked, handler_kind):
    app.register_error_handler(ExceptionGroup, of_kind(handler_kind, lambda error: f"{len(error.exceptions)} errors"))

    @app.get("/")
    async def view():
        await grouped(Base(), Special())

    assert asked("/").text == "2 errors"


def test_what_a_view_must_not_return(app, asked, view_kind):
    app.add_url_rule("/none", "none", of_kind(view_kind, lambda: None))
    app.add_url_rule("/int", "int", of_kind(view_kind, lambda: 1))
    with pytest.raises(TypeError, match="for 'none' did not return a valid response"):
        asked("/none")
    with pytest.raises(TypeError, match="but it was a int"):
        asked("/int")


def test_an_error_that_the_app_lets_out_passes_wsgi_middleware(app, asked):
    ours = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: ours(environ, start_response)
    app.testing = True

    @app.get("/")
    def view():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asked("/")
