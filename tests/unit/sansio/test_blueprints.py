"""Blueprints: written down once, registered anywhere."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from werkzeug.exceptions import NotFound

from asyncflask.sansio.blueprints import Blueprint, BlueprintSetupState


def view():
    return ""


def hook(*args):
    return None


@pytest.fixture
def bp():
    return Blueprint("bp", "plain", root_path="base")


def rules_of(app):
    return {rule.endpoint: rule.rule for rule in app.url_map.iter_rules()}


# the name


@pytest.mark.parametrize(
    ("name", "message"), [("", "'name' may not be empty."), ("a.b", "'name' may not contain a dot '.' character.")]
)
def test_a_wrong_name_is_refused(name, message):
    with pytest.raises(ValueError) as caught:
        Blueprint(name, "plain", root_path="base")
    assert str(caught.value) == message


def test_a_dot_in_an_endpoint_is_refused(bp):
    with pytest.raises(ValueError, match=r"^'endpoint' may not contain a dot '\.' character\.$"):
        bp.add_url_rule("/", endpoint="a.b")

    def dotted():
        return ""

    dotted.__name__ = "a.b"
    with pytest.raises(ValueError, match=r"^'view_func' name may not contain a dot '\.' character\.$"):
        bp.add_url_rule("/", view_func=dotted)


def test_a_wrong_option_is_refused_where_it_is_written(bp):
    with pytest.raises(TypeError, match="'threaded' of the rule '/a'"):
        bp.route("/a", threaded="no")(view)


# registration


@pytest.mark.parametrize(
    ("prefix", "rule", "full"),
    [
        (None, "/a", "/a"),
        ("/p", "/a", "/p/a"),
        ("/p/", "/a", "/p/a"),
        ("/p", "a", "/p/a"),
        ("/p", "", "/p"),
        ("/p", "/", "/p/"),
        ("/", "/a", "/a"),
    ],
)
def test_rules_get_the_prefix(app, prefix, rule, full):
    bp = Blueprint("bp", "plain", url_prefix=prefix, root_path="base")
    bp.add_url_rule(rule, view_func=view)
    app.register_blueprint(bp)
    assert rules_of(app) == {"bp.view": full}
    assert app.view_functions == {"bp.view": view} and app.blueprints == {"bp": bp}
    assert list(app.iter_blueprints()) == [bp]


def test_options_of_a_rule_reach_the_app(app, bp):
    bp.route("/a", methods=["POST"], threaded=False, on_disconnect="cancel", provide_automatic_options=False)(view)
    app.register_blueprint(bp)
    rule = next(app.url_map.iter_rules())
    assert (rule.threaded, rule.on_disconnect, rule.provide_automatic_options) == (False, "cancel", False)
    assert rule.methods == {"POST"}


def test_options_of_registration_win(app):
    bp = Blueprint("bp", "plain", url_prefix="/own", subdomain="own", url_defaults={"a": 1, "b": 1}, root_path="base")
    bp.add_url_rule("/x", view_func=view, defaults={"c": 3})
    bp.add_url_rule("/y", "y", view, subdomain="rule")
    app.register_blueprint(bp, url_prefix="/given", subdomain="given", url_defaults={"b": 2}, name="named")
    x, y = app.url_map.iter_rules()
    assert (x.rule, x.endpoint, x.subdomain, x.defaults) == (
        "/given/x",
        "named.view",
        "given",
        {"a": 1, "b": 2, "c": 3},
    )
    assert (y.subdomain, y.defaults) == ("rule", {"a": 1, "b": 2})
    assert bp.url_values_defaults == {"a": 1, "b": 1}


def test_one_blueprint_under_two_names(app, bp):
    bp.add_url_rule("/x", view_func=view, defaults={"c": 3}, methods=["POST"])
    app.register_blueprint(bp, url_prefix="/a")
    app.register_blueprint(bp, url_prefix="/b", name="again")
    assert rules_of(app) == {"bp.view": "/a/x", "again.view": "/b/x"}
    assert {tuple(rule.defaults.items()) for rule in app.url_map.iter_rules()} == {(("c", 3),)}


def test_a_taken_name_is_refused(app, bp):
    app.register_blueprint(bp)
    with pytest.raises(ValueError) as caught:
        app.register_blueprint(bp)
    assert str(caught.value) == (
        "The name 'bp' is already registered for this blueprint. Use 'name=' to provide a unique name."
    )
    with pytest.raises(ValueError, match=r"^The name 'bp' is already registered for a different blueprint\. Use"):
        app.register_blueprint(Blueprint("bp", "plain", root_path="base"))


def test_a_taken_nested_name_is_shown_whole(app, bp):
    parent = Blueprint("parent", "plain", root_path="base")
    parent.register_blueprint(bp)
    parent.register_blueprint(bp)
    with pytest.raises(ValueError, match=r"^The name 'bp' is already registered for this blueprint 'parent\.bp'\. Use"):
        app.register_blueprint(parent)


def test_after_registration_it_is_too_late(app, bp):
    app.register_blueprint(bp)
    late = {
        "record": (hook,),
        "record_once": (hook,),
        "before_request": (hook,),
        "add_url_rule": ("/",),
        "register_blueprint": (bp,),
        **{name: (hook,) for name in APP_WIDE},
        "app_errorhandler": (404,),
        **{f"app_template_{kind}": () for kind in ("filter", "test", "global")},
        **{f"add_app_template_{kind}": (hook,) for kind in ("filter", "test", "global")},
    }
    for method, args in late.items():
        with pytest.raises(AssertionError) as caught:
            getattr(bp, method)(*args)
        assert str(caught.value) == (
            f"The setup method '{method}' can no longer be called on the blueprint 'bp'. It has already been registered"
            " at least once, any changes will not be applied consistently.\nMake sure all imports, decorators,"
            " functions, etc. needed to set up the blueprint are done before registering it."
        )


def test_record_and_record_once(app, app_class, bp):
    states, once = [], []
    bp.record(states.append)
    bp.record_once(once.append)
    app.register_blueprint(bp, anything="readable")
    app.register_blueprint(bp, name="again")
    app_class("plain", root_path="base").register_blueprint(bp)
    assert [state.first_registration for state in states] == [True, False, True]
    assert once == [states[0], states[2]]
    assert states[0].options == {"anything": "readable"} and states[0].app is app and states[0].blueprint is bp
    assert [state.name for state in states] == ["bp", "again", "bp"]


def test_a_blueprint_may_have_its_own_setup_state(app):
    class State(BlueprintSetupState):
        pass

    class Own(Blueprint):
        def make_setup_state(self, app, options, first_registration=False):
            return State(self, app, options, first_registration)

    seen = []
    bp = Own("bp", "plain", root_path="base")
    bp.record(seen.append)
    app.register_blueprint(bp)
    assert type(seen[0]) is State


def test_static_files_have_a_route(app):
    class Serving(Blueprint):
        def send_static_file(self, filename):
            return filename

    bp = Serving("bp", "plain", static_folder="files", url_prefix="/p", root_path="base")
    app.register_blueprint(bp)
    assert rules_of(app) == {"bp.static": "/p/files/<path:filename>"}
    assert app.view_functions["bp.static"]("x") == "x"


# hooks

OWN = {
    "before_request": "before_request_funcs",
    "after_request": "after_request_funcs",
    "teardown_request": "teardown_request_funcs",
    "context_processor": "template_context_processors",
    "url_value_preprocessor": "url_value_preprocessors",
    "url_defaults": "url_default_functions",
}
APP_WIDE = {
    "before_app_request": "before_request_funcs",
    "after_app_request": "after_request_funcs",
    "teardown_app_request": "teardown_request_funcs",
    "app_context_processor": "template_context_processors",
    "app_url_value_preprocessor": "url_value_preprocessors",
    "app_url_defaults": "url_default_functions",
}


@pytest.mark.parametrize("method", OWN)
def test_own_hooks_are_merged_under_the_name(app, bp, method):
    assert getattr(bp, method)(hook) is hook
    app.register_blueprint(bp)
    app.register_blueprint(bp, name="again")
    table = getattr(app, OWN[method])
    assert table["bp"][-1] is table["again"][-1] is hook
    assert hook not in table.get(None, ())


@pytest.mark.parametrize("method", APP_WIDE)
def test_hooks_for_the_app_are_merged_once(app, bp, method):
    assert getattr(bp, method)(hook) is hook
    number = app.tables.number
    app.register_blueprint(bp)
    app.register_blueprint(bp, name="again")
    table = getattr(app, APP_WIDE[method])
    assert table[None].count(hook) == 1 and hook not in table.get("bp", ())
    assert app.tables.number > number


def test_hooks_of_a_scope_inside_are_merged_too(app, bp):
    bp.before_request_funcs["deep"].append(hook)
    app.register_blueprint(bp)
    assert app.before_request_funcs["bp.deep"] == [hook]


def test_error_handlers(app, bp):
    bp.errorhandler(404)(hook)
    assert bp.app_errorhandler(KeyError)(view) is view
    app.register_blueprint(bp)
    assert app.error_handler_spec["bp"][404] == {NotFound: hook}
    assert app.error_handler_spec[None][None] == {KeyError: view}
    app.error_handler_spec["bp"][500][ValueError] = hook
    assert 500 not in bp.error_handler_spec[None]


def test_views_by_endpoint_are_merged(app, bp):
    bp.endpoint("anywhere")(view)
    app.register_blueprint(bp)
    assert app.view_functions == {"anywhere": view}


@pytest.mark.parametrize("kind", ["filter", "test", "global"])
def test_template_functions(app, bp, kind):
    decorator, adder = getattr(bp, f"app_template_{kind}"), getattr(bp, f"add_app_template_{kind}")
    assert decorator()(view) is view and decorator("named")(view) is view
    adder(hook)
    adder(hook, name="hook_named")
    app.register_blueprint(bp)
    table = getattr(app.jinja_env, f"{kind}s")
    assert table["view"] is table["named"] is view and table["hook"] is table["hook_named"] is hook


# nesting


def test_nested_names_and_prefixes(app):
    outer = Blueprint("outer", "plain", url_prefix="/o/", root_path="base")
    middle = Blueprint("middle", "plain", url_prefix="/m", root_path="base")
    inner = Blueprint("inner", "plain", root_path="base")
    inner.add_url_rule("/x", view_func=view)
    inner.before_request(hook)
    middle.register_blueprint(inner)
    middle.register_blueprint(inner, name="second", url_prefix="given")
    outer.register_blueprint(middle)
    app.register_blueprint(outer)
    assert rules_of(app) == {"outer.middle.inner.view": "/o/m/x", "outer.middle.second.view": "/o/m/given/x"}
    assert list(app.blueprints) == ["outer", "outer.middle", "outer.middle.inner", "outer.middle.second"]
    assert app.before_request_funcs["outer.middle.inner"] == [hook]


@pytest.mark.parametrize(
    ("outer", "own", "given", "full"),
    [
        (None, None, None, None),
        ("o", None, None, "o"),
        (None, "i", None, "i"),
        ("o", "i", None, "i.o"),
        ("o", "i", "g", "g.o"),
        (None, None, "g", "g"),
    ],
)
def test_nested_subdomains(app, outer, own, given, full):
    parent = Blueprint("parent", "plain", subdomain=outer, root_path="base")
    child = Blueprint("child", "plain", subdomain=own, root_path="base")
    states = []
    child.record(states.append)
    options = {"subdomain": given} if given else {}
    parent.register_blueprint(child, **options)
    app.register_blueprint(parent)
    assert states[0].subdomain == full
    assert options == ({"subdomain": given} if given else {})


@pytest.mark.parametrize(("outer", "own", "full"), [(None, None, None), ("/o", None, "/o"), (None, "/i", "/i")])
def test_nested_prefix_of_one_side(app, outer, own, full):
    parent = Blueprint("parent", "plain", url_prefix=outer, root_path="base")
    child = Blueprint("child", "plain", url_prefix=own, root_path="base")
    states = []
    child.record(states.append)
    parent.register_blueprint(child)
    app.register_blueprint(parent)
    assert states[0].url_prefix == full and states[0].name_prefix == "parent"


def test_not_on_itself(bp):
    with pytest.raises(ValueError, match=r"^Cannot register a blueprint on itself$"):
        bp.register_blueprint(bp)


# commands


class Group(SimpleNamespace):
    def __init__(self, **commands):
        super().__init__(name=None, commands=commands, added=[])

    def add_command(self, group):
        self.added.append(group)


@pytest.mark.parametrize(
    ("of_blueprint", "of_registration", "name"),
    [({}, {}, "bp"), ({"cli_group": "own"}, {}, "own"), ({"cli_group": "own"}, {"cli_group": "given"}, "given")],
)
def test_commands_in_a_group(app, of_blueprint, of_registration, name):
    bp = Blueprint("bp", "plain", root_path="base", **of_blueprint)
    app.cli, bp.cli = Group(), Group(run=hook)
    app.register_blueprint(bp, **of_registration)
    assert app.cli.added == [bp.cli] and bp.cli.name == name and app.cli.commands == {}


def test_commands_among_those_of_the_app(app, bp):
    app.cli, bp.cli = Group(), Group(run=hook)
    app.register_blueprint(bp, cli_group=None)
    assert app.cli.commands == {"run": hook} and app.cli.added == []


def test_no_commands_no_group(app, bp):
    app.cli, bp.cli = Group(), Group()
    app.register_blueprint(bp)
    assert app.cli.added == []
