"""Hooks: which run, in what order, and what their results do; on the application, on blueprints and on nested ones."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from asyncflask import Blueprint, after_this_request, g, request, signals, url_for
from asyncflask.plain import is_plain


@pytest.fixture(params=["def", "async"])
def colour(request):
    return request.param


def as_colour(colour, function):
    async def asynchronous(*args, **kwargs):
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    return function if colour == "def" else asynchronous


@pytest.mark.parametrize("hook", ["def", "async"])
def test_a_value_of_a_before_hook_answers_instead_of_the_view(app, asked, colour, hook):
    ran = []
    app.before_request(as_colour(hook, lambda: ("stop", 403)))
    app.before_request(lambda: ran.append("second before"))
    app.after_request(lambda response: ran.append("after") or response)
    app.teardown_request(lambda error: ran.append("teardown"))
    app.add_url_rule("/", "view", as_colour(colour, lambda: ran.append("view")))
    got = asked("/")
    assert (got.status, got.text) == (403, "stop")
    assert ran == ["after", "teardown"]


@pytest.mark.parametrize("colours", list(itertools.product(["def", "async"], repeat=4)), ids="-".join)
def test_every_mix_keeps_the_order(app, asked, colours, colour):
    ran = []

    def step(name, result=None):
        def run(*args):
            ran.append(name)
            return args[0] if name.startswith("after") else result

        return run

    for number, one in enumerate(colours):
        app.before_request(as_colour(one, step(f"before {number}")))
        app.after_request(as_colour(one, step(f"after {number}")))
        app.teardown_request(as_colour(one, step(f"teardown {number}")))
        app.teardown_appcontext(as_colour(one, step(f"app teardown {number}")))
    app.add_url_rule("/", "view", as_colour(colour, step("view", "ok")))
    assert asked("/").text == "ok"
    down = [3, 2, 1, 0]
    assert ran == [
        *(f"before {n}" for n in range(4)),
        "view",
        *(f"{kind} {n}" for kind in ("after", "teardown", "app teardown") for n in down),
    ]


def test_an_after_hook_may_replace_the_response(app, asked, colour):
    @app.after_request
    async def replace(response):
        return app.response_class(response.get_data().upper(), 201)

    app.add_url_rule("/", "view", as_colour(colour, lambda: "text"))
    got = asked("/")
    assert (got.status, got.text) == (201, "TEXT")


def test_hooks_that_a_function_after_this_request_registers_run_after_it(app, asked, colour):
    ran = []

    def view():
        @after_this_request
        def first(response):
            ran.append("first")
            app.after_request_funcs.setdefault(None, []).append(hook)
            after_this_request(lambda response: ran.append("second") or response)
            return response

        return "text"

    def hook(response):
        ran.append("hook")
        return response

    app.add_url_rule("/", "view", as_colour(colour, view))
    assert asked("/").text == "text"
    assert ran == ["first", "second", "hook"]


def test_hooks_registered_between_two_calls_of_a_stage_count(app):
    ran = []
    with app.test_request_context():
        app.preprocess_request()
        app.process_response(app.make_response("text"))
        app.before_request(lambda: ran.append("before"))
        app.after_request(lambda response: ran.append("after") or response)
        app.preprocess_request()
        app.process_response(app.make_response("text"))
    assert ran == ["before", "after"]


@pytest.mark.parametrize("kind", ["def", "async"])
@pytest.mark.parametrize("registered", ["for all", "for this one"])
def test_a_function_that_loses_the_response_is_told_what_to_do(app, asked, colour, kind, registered, caplog):
    hook = as_colour(kind, lambda response: None)

    def view():
        if registered == "for this one":
            after_this_request(hook)
        return "text"

    app.add_url_rule("/", "view", as_colour(colour, view))
    if registered == "for all":
        app.after_request(hook)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert asked("/").status == 500
    assert "returned None. It has to return the response" in caplog.text
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(TypeError, match=r"returned None\. It has to return the response"):
        asked("/")


def wsgi(environ, start_response):
    start_response("203 Fine", [("X-Path", environ["PATH_INFO"])])
    return [b"other"]


@pytest.mark.parametrize("kind", ["def", "async"])
@pytest.mark.parametrize("other", [BaseResponse("other", 203, {"X-Path": "/"}), wsgi], ids=["werkzeug", "wsgi"])
def test_an_after_hook_may_give_any_response(app, asked, colour, kind, other):
    app.after_request(as_colour(kind, lambda response: other))
    app.add_url_rule("/", "view", as_colour(colour, lambda: "text"))
    got = asked("/")
    assert (got.status, got.text, got.headers["X-Path"]) == (203, "other", "/")


@pytest.mark.parametrize("name", ["full_dispatch_request", "finalize_request", "make_response", "handle_exception"])
def test_a_method_in_place_of_ours_may_give_any_response(app, asked, colour, name):
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def view():
        return "text" if name != "handle_exception" else 1 / 0

    setattr(app, name, lambda *args, **kwargs: BaseResponse("other", 203))
    app.add_url_rule("/", "view", as_colour(colour, view))
    got = asked("/")
    assert (got.status, got.text) == (203, "other")


@pytest.mark.parametrize("place", ["before", "view", "handler"])
@pytest.mark.parametrize("looks_at_it", [False, True])
def test_how_responses_are_made_may_change_in_a_request(app, asked, colour, place, looks_at_it):
    """What is assigned is seen by the same request, whoever is asked, and not by one before."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    class Plain(app.response_class):
        default_mimetype = "text/plain"

    def change(at):
        if at == place and request.args:
            app.response_class, app.json.mimetype = Plain, "application/x-json"

    def view(kind):
        change("view")
        if place == "handler":
            raise LookupError
        return "text" if kind == "text" else {}

    @app.errorhandler(LookupError)
    def handle(error):
        change("handler")
        return "text" if request.path == "/text" else {}

    app.before_request(as_colour(colour, lambda: change("before")))
    if looks_at_it:
        app.after_request(as_colour(colour, lambda response: response))
    app.add_url_rule("/<kind>", "view", as_colour(colour, view))
    kinds = {"/text": ("text/html; charset=utf-8", "text/plain; charset=utf-8")}
    kinds["/json"] = ("application/json", "application/x-json")
    for path, (before, _) in kinds.items():
        assert asked(path).headers["Content-Type"] == before
    for query in ("?now", ""):
        for path, (_, after) in kinds.items():
            assert asked(path + query).headers["Content-Type"] == after


@pytest.mark.parametrize(
    "when",
    [
        "before",
        pytest.param("after", marks=pytest.mark.xfail(not is_plain(), reason="each answer would have to look")),
    ],
)
def test_what_a_response_class_says_may_change(app, asked, colour, when):
    """Until the first answer; then there is `test_how_responses_are_made_may_change_in_a_request`."""
    app.response_class = type("Own", (app.response_class,), {})
    app.add_url_rule("/", "view", as_colour(colour, lambda: "text"))
    if when == "after":
        assert asked("/").headers["Content-Type"] == "text/html; charset=utf-8"
    app.response_class.default_mimetype = "text/plain"
    assert asked("/").headers["Content-Type"] == "text/plain; charset=utf-8"


def of_a_metaclass(kind):
    class Meta(type):
        def __call__(cls, *args, **options):
            response = super().__call__(*args, **options)
            response.headers["X-A"] = "b"
            return response

    return Meta("Own", (kind,), {}), "text/html; charset=utf-8", "b"


def that_works_its_mimetype_out(kind):
    return type("Own", (kind,), {"default_mimetype": property(lambda self: "text/plain")}), "text/plain; charset=utf-8"


@pytest.mark.parametrize("make", [of_a_metaclass, that_works_its_mimetype_out])
@pytest.mark.parametrize("looks_at_it", [False, True])
def test_what_a_response_class_does_when_it_makes_one_takes_place(app, asked, colour, make, looks_at_it):
    app.response_class, *told = make(app.response_class)
    if looks_at_it:
        app.after_request(as_colour(colour, lambda response: response))
    app.add_url_rule("/", "view", as_colour(colour, lambda: "text"))
    headers = asked("/").headers
    assert [headers[name] for name in ("Content-Type", "X-A") if name in headers] == told


@pytest.mark.parametrize("path", ["/", "/nothing"])
def test_a_response_class_is_told_to_close(app, asked, colour, path):
    closed = []

    class Own(app.response_class):
        def close(self):
            closed.append(self.status_code)
            super().close()

    app.response_class = Own
    app.add_url_rule("/", "view", as_colour(colour, lambda: "text"))
    assert asked(path).status in closed


def test_a_default_mimetype_that_cannot_be_sent_fails_where_it_is_used(app, asked, colour):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True
    app.response_class = type("Own", (app.response_class,), {"default_mimetype": "text/plain\r\nX-A: b"})
    for path, value in {"/text": "text", "/json": {}}.items():
        app.add_url_rule(path, path, as_colour(colour, lambda value=value: value))
    assert [asked(path).status for path in ("/text", "/json")] == [500, 200]


def test_the_response_class_may_be_werkzeugs(app, asked, colour):
    app.response_class = BaseResponse
    values = {"/text": "text", "/json": {"a": 1}, "/tuple": ({"a": 1}, 201, {"X-A": "b"}), "/error": NotFound()}
    for path, value in values.items():
        app.add_url_rule(path, path[1:], as_colour(colour, lambda value=value: value))
    assert [asked(path).status for path in values] == [200, 200, 201, 404]


@pytest.mark.parametrize("kind", ["def", "async"])
def test_teardown_gets_the_error_unless_it_was_handled(app, asked, colour, kind):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True
    got = []
    app.teardown_request(as_colour(kind, lambda error: got.append(("request", type(error)))))
    app.teardown_appcontext(as_colour(kind, lambda error: got.append(("app", type(error)))))
    app.register_error_handler(KeyError, lambda error: "handled")

    def view(name):
        raise {"handled": KeyError, "unhandled": ZeroDivisionError}[name]

    app.add_url_rule("/<name>", "view", as_colour(colour, view))
    assert asked("/handled").text == "handled"
    assert got == [("request", type(None)), ("app", type(None))]
    got.clear()
    assert asked("/unhandled").status == 500
    assert got == [("request", ZeroDivisionError), ("app", ZeroDivisionError)]


def test_every_teardown_runs_and_their_errors_are_collected(app, asked, colour):
    ran = []

    def failing(name, error):
        def teardown(exc):
            ran.append(name)
            raise error

        return teardown

    app.teardown_request(as_colour("def", failing("first", KeyError("first"))))
    app.teardown_request(as_colour("async", failing("second", ValueError("second"))))
    app.teardown_appcontext(failing("app", OSError("app")))
    app.add_url_rule("/", "view", as_colour(colour, lambda: "ok"))
    with pytest.raises(BaseExceptionGroup) as caught:
        asked("/")
    assert ran == ["second", "first", "app"]

    def leaves(group):
        return [
            leaf
            for error in group.exceptions
            for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [type(error)])
        ]

    assert leaves(caught.value) == [ValueError, KeyError, OSError]


@pytest.mark.parametrize("hook", ["def", "async"])
def test_errors_of_teardown_functions_and_of_receivers_after_them_are_collected_alike(app, asked, colour, hook):
    def raising(error):
        def function(*args, **values):
            raise error

        return as_colour(hook, function)

    app.teardown_request(raising(KeyError("request")))
    app.teardown_appcontext(raising(OSError("app")))
    app.add_url_rule("/", "view", as_colour(colour, lambda: "ok"))
    with (
        signals.request_tearing_down.connected_to(raising(ValueError("request")), app),
        signals.appcontext_tearing_down.connected_to(raising(LookupError("app")), app),
        pytest.raises(ExceptionGroup) as caught,
    ):
        asked("/")
    found = [[type(error) for error in group.exceptions] for group in caught.value.exceptions]
    assert found == [[KeyError, ValueError], [OSError, LookupError]]


def test_blueprints_inside_blueprints(app, asked, colour):
    ran = []
    parent, child = Blueprint("parent", "parent"), Blueprint("child", "child")
    for name, scope in (("app", app), ("parent", parent), ("child", child)):
        scope.before_request(lambda name=name: ran.append(f"before {name}"))
        scope.after_request(lambda response, name=name: ran.append(f"after {name}") or response)
        scope.teardown_request(lambda error, name=name: ran.append(f"teardown {name}"))
    child.before_app_request(lambda: ran.append("before from child"))
    child.add_url_rule("/view", "view", as_colour(colour, lambda: request.endpoint))
    parent.register_blueprint(child, url_prefix="/child")
    app.register_blueprint(parent, url_prefix="/parent")
    app.add_url_rule("/", "alone", lambda: "alone")
    assert asked("/parent/child/view").text == "parent.child.view"
    assert ran == [
        *("before app", "before from child", "before parent", "before child"),
        *("after child", "after parent", "after app"),
        *("teardown child", "teardown parent", "teardown app"),
    ]
    ran.clear()
    assert asked("/").text == "alone"
    assert ran == ["before app", "before from child", "after app", "teardown app"]


def test_url_processors_take_a_language_out_and_put_it_in(app, asked, colour):
    @app.url_value_preprocessor
    def take(endpoint, values):
        g.lang = (values or {}).pop("lang", None)

    @app.url_defaults
    def put(endpoint, values):
        if app.url_map.is_endpoint_expecting(endpoint, "lang"):
            values.setdefault("lang", g.lang)

    app.add_url_rule("/<lang>/about", "about", as_colour(colour, lambda: url_for("index")))
    app.add_url_rule("/<lang>/", "index", as_colour(colour, lambda: g.lang))
    assert asked("/de/").text == "de"
    assert asked("/de/about").text == "/de/"


def test_url_processors_of_a_blueprint(app, asked, colour):
    blueprint = Blueprint("bp", "bp", url_prefix="/<user>")

    @blueprint.url_value_preprocessor
    def take(endpoint, values):
        g.user = values.pop("user")

    @blueprint.url_defaults
    def put(endpoint, values):
        values.setdefault("user", g.user)

    blueprint.add_url_rule("/", "index", as_colour(colour, lambda: url_for(".page", n=2)))
    blueprint.add_url_rule("/page/<int:n>", "page", as_colour(colour, lambda n: f"{g.user} {n}"))
    app.register_blueprint(blueprint)
    assert asked("/me/").text == "/me/page/2"
    assert asked("/me/page/2").text == "me 2"
