"""Blueprints: what they are registered with, names inside of names, hooks and handlers of their own and of all."""

from __future__ import annotations

import pytest

from asyncflask import Blueprint, abort, g, request, url_for
from asyncflask.sansio.blueprints import BlueprintSetupState

from .colours import COLOURS, both


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


def where():
    return [request.path, request.endpoint, request.blueprint, request.blueprints]


# -- registering


def test_options_of_registration_win(app, asked, colour):
    app.config["SERVER_NAME"] = "example.com"
    app.subdomain_matching = True
    blue = Blueprint("blue", __name__, url_prefix="/first", subdomain="one", url_defaults={"lang": "de", "n": 1})
    both(blue, lambda lang, n: [lang, n], "/x")
    app.register_blueprint(blue)
    app.register_blueprint(blue, name="other", url_prefix="/second", subdomain="two", url_defaults={"lang": "en"})
    assert asked(f"/first/{colour}/x", base_url="http://one.example.com/").json == ["de", 1]
    assert asked(f"/second/{colour}/x", base_url="http://two.example.com/").json == ["en", 1]
    assert asked(f"/first/{colour}/x", base_url="http://two.example.com/").status == 404


def test_deferred_set_up_runs_when_it_is_registered(app):
    told = []
    blue = Blueprint("blue", __name__, url_prefix="/own")
    blue.record(lambda state: told.append(("each", type(state), state.app is app, state.url_prefix, state.options)))
    blue.record_once(lambda state: told.append("once"))
    assert told == []
    app.register_blueprint(blue)
    app.register_blueprint(blue, name="again", url_prefix="/given")
    assert told == [
        ("each", BlueprintSetupState, True, "/own", {}),
        "once",
        ("each", BlueprintSetupState, True, "/given", {"name": "again", "url_prefix": "/given"}),
    ]


def test_a_setup_state_of_its_own(app, asked):
    class State(BlueprintSetupState):
        def add_url_rule(self, rule, endpoint=None, view_func=None, **options):
            super().add_url_rule(f"/v1{rule}", endpoint, view_func, **options)

    class Versioned(Blueprint):
        def make_setup_state(self, app, options, first_registration=False):
            return State(self, app, options, first_registration)

    blue = Versioned("blue", __name__)
    blue.add_url_rule("/x", "x", where)
    app.register_blueprint(blue)
    assert asked("/v1/x").json == ["/v1/x", "blue.x", "blue", ["blue"]]


def test_one_name_can_be_taken_once(app):
    blue = Blueprint("blue", __name__)
    app.register_blueprint(blue)
    with pytest.raises(ValueError, match="already registered"):
        app.register_blueprint(blue)
    with pytest.raises(ValueError, match="already registered"):
        app.register_blueprint(Blueprint("blue", __name__))
    app.register_blueprint(blue, name="again")
    assert list(app.blueprints) == ["blue", "again"]


def test_the_same_one_twice_has_two_endpoints(app, asked, colour):
    blue = Blueprint("blue", __name__)
    both(blue, lambda: [request.blueprint, url_for(".named")])
    blue.add_url_rule("/named", "named", where)
    app.register_blueprint(blue, url_prefix="/a")
    app.register_blueprint(blue, url_prefix="/b", name="other")
    assert asked(f"/a/{colour}").json == ["blue", "/a/named"]
    assert asked(f"/b/{colour}").json == ["other", "/b/named"]


# -- names inside of names


def test_three_levels(app, asked, colour):
    app.config["SERVER_NAME"] = "example.com"
    app.subdomain_matching = True
    outer = Blueprint("outer", __name__, url_prefix="/outer", subdomain="o")
    middle = Blueprint("middle", __name__, subdomain="m")
    inner = Blueprint("inner", __name__, url_prefix="/inner")
    both(inner, lambda: [*where(), url_for(".named"), url_for("outer.middle.top"), url_for("root", _external=True)])
    inner.add_url_rule("/named", "named", where)
    middle.add_url_rule("/top", "top", where)
    app.add_url_rule("/", "root", where)
    middle.register_blueprint(inner)
    outer.register_blueprint(middle, url_prefix="/middle")
    app.register_blueprint(outer)
    got = asked(f"/outer/middle/inner/{colour}", base_url="http://m.o.example.com/")
    path, endpoint, name, names, named, top, root = got.json
    assert path == f"/outer/middle/inner/{colour}"
    assert endpoint == f"outer.middle.inner.{colour} /"
    assert name == "outer.middle.inner"
    assert names == ["outer.middle.inner", "outer.middle", "outer"]
    assert (named, top) == ("/outer/middle/inner/named", "/outer/middle/top")
    assert root == "http://example.com/"


def test_one_inside_of_two(app, asked):
    inner = Blueprint("inner", __name__)
    inner.add_url_rule("/x", "x", where)
    for name in ("a", "b"):
        outer = Blueprint(name, __name__, url_prefix=f"/{name}")
        outer.register_blueprint(inner)
        app.register_blueprint(outer)
    assert asked("/a/x").json[1] == "a.inner.x"
    assert asked("/b/x").json[1] == "b.inner.x"


# -- hooks


@pytest.mark.parametrize("kind", COLOURS)
def test_own_hooks_and_those_for_all(app, asked, colour, kind):
    """In the order in which Flask runs them, whatever kind they are of."""
    blue = Blueprint("blue", __name__, url_prefix="/blue")
    other = Blueprint("other", __name__, url_prefix="/other")
    seen = []

    def note(name):
        def hook(*args):
            seen.append(name)
            return args[0] if args and hasattr(args[0], "headers") else None

        async def async_hook(*args):
            return hook(*args)

        return hook if kind == "def" else async_hook

    for register, name in (
        (blue.before_request, "before blue"),
        (blue.before_app_request, "before all"),
        (app.before_request, "before app"),
        (blue.after_request, "after blue"),
        (blue.after_app_request, "after all"),
        (blue.teardown_request, "teardown blue"),
        (blue.teardown_app_request, "teardown all"),
        (other.before_request, "before other"),
    ):
        register(note(name))
    both(blue, lambda: seen.append("view") or "")
    both(app, lambda: seen.append("view") or "")
    app.register_blueprint(blue)
    app.register_blueprint(other)
    asked(f"/blue/{colour}")
    assert seen == [
        *("before app", "before all", "before blue", "view"),
        *("after blue", "after all", "teardown blue", "teardown all"),
    ]
    seen.clear()
    asked(f"/{colour}")
    assert seen == ["before app", "before all", "view", "after all", "teardown all"]


def test_url_processors(app, asked, colour):
    blue = Blueprint("blue", __name__, url_prefix="/<lang>")

    @blue.url_value_preprocessor
    def pull(endpoint, values):
        g.lang = values.pop("lang")

    @blue.url_defaults
    def put(endpoint, values):
        values.setdefault("lang", g.get("lang"))

    @blue.app_url_value_preprocessor
    def count(endpoint, values):
        g.endpoint = endpoint

    @blue.app_url_defaults
    def tag(endpoint, values):
        values["tag"] = "t"

    both(blue, lambda: [g.lang, g.endpoint, url_for(".named")], "/x")
    blue.add_url_rule("/named", "named", where)
    both(app, lambda: [g.get("lang"), url_for("blue.named", lang="en")], "/app")
    app.register_blueprint(blue)
    assert asked(f"/de/{colour}/x").json == ["de", f"blue.{colour} /x", "/de/named?tag=t"]
    assert asked(f"/{colour}/app").json == [None, "/en/named?tag=t"]


# -- errors


class Trouble(Exception):
    pass


@pytest.mark.parametrize("kind", COLOURS)
def test_the_nearest_handler_answers(app, asked, colour, kind):
    def handler(name):
        def handle(error):
            return f"{name}: {type(error).__name__}", 418

        async def handle_async(error):
            return handle(error)

        return handle if kind == "def" else handle_async

    def fail():
        raise Trouble

    outer, inner = Blueprint("outer", __name__, url_prefix="/outer"), Blueprint("inner", __name__, url_prefix="/inner")
    for owner in (app, outer, inner):
        both(owner, fail, "/trouble")
        both(owner, lambda: abort(403), "/403")
        both(owner, lambda: abort(404), "/404")
    app.register_error_handler(403, handler("app"))
    outer.app_errorhandler(404)(handler("all"))
    outer.errorhandler(403)(handler("outer"))
    outer.register_error_handler(Trouble, handler("outer"))
    inner.errorhandler(403)(handler("inner"))
    app.errorhandler(Trouble)(handler("app"))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    said = {
        f"/{colour}/403": "app: Forbidden",
        f"/outer/{colour}/403": "outer: Forbidden",
        f"/outer/inner/{colour}/403": "inner: Forbidden",
        f"/{colour}/trouble": "app: Trouble",
        f"/outer/{colour}/trouble": "outer: Trouble",
        f"/outer/inner/{colour}/trouble": "outer: Trouble",
        f"/outer/{colour}/404": "all: NotFound",
        "/nothing": "all: NotFound",
        "/outer/nothing": "all: NotFound",
    }
    assert {path: asked(path).text for path in said} == said


def test_a_url_that_matches_nothing_belongs_to_no_blueprint(app, asked):
    """So its own handler for 404 does not see it, though the URL has its prefix; it sees those that it raises."""
    blue = Blueprint("blue", __name__, url_prefix="/blue")
    blue.errorhandler(404)(lambda error: ("blue", 404))
    both(blue, lambda: abort(404), "/x")
    app.register_blueprint(blue)
    assert asked("/blue/def/x").text == "blue"
    assert "blue" not in asked("/blue/nothing").text.lower()
