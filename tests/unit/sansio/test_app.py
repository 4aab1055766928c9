"""The registry of an application."""

from __future__ import annotations

import datetime
import logging
import os
import sys
import types

import pytest
from werkzeug.exceptions import Aborter, BadRequest, BadRequestKeyError, Forbidden, HTTPException, NotFound
from werkzeug.routing import BuildError, Map, Rule

from asyncflask.config import Config
from asyncflask.json.provider import DefaultJSONProvider
from asyncflask.sansio.tables import HookList


def view():
    return ""


def other():
    return ""


def rule_of(app, endpoint):
    return next(app.url_map.iter_rules(endpoint))


# what it is made of


def test_a_new_app(app, tmp_path):
    assert (app.import_name, app.name, app.root_path) == ("plain", "plain", str(tmp_path))
    assert (app.static_folder, app.template_folder) == (str(tmp_path / "static"), "templates")
    assert app.blueprints == app.extensions == {} and list(app.iter_blueprints()) == []
    assert app.url_build_error_handlers == app.shell_context_processors == app.teardown_appcontext_funcs == []
    assert not app.subdomain_matching and not app.url_map.host_matching
    assert not app.debug and not app.testing and app.secret_key is None
    assert isinstance(app.config, Config) and app.config.root_path == str(tmp_path)
    assert repr(app) == "<PlainApp 'plain'>"


def test_arguments_by_position(app_class, tmp_path):
    app = app_class("plain", "/s", "files", None, True, True, "pages", str(tmp_path / "i"), True, str(tmp_path))
    assert (app.static_url_path, app.static_folder) == ("/s", str(tmp_path / "files"))
    assert app.url_map.host_matching and app.subdomain_matching
    assert (app.template_folder, app.instance_path) == ("pages", str(tmp_path / "i"))
    assert app.config.root_path == str(tmp_path / "i")


def test_a_relative_instance_path_is_refused(app_class):
    with pytest.raises(ValueError) as caught:
        app_class("plain", instance_path="instance")
    assert (
        str(caught.value) == "If an instance path is provided it must be absolute. A relative path was given instead."
    )


def test_the_instance_folder_is_found(app_class, monkeypatch, tmp_path):
    (tmp_path / "ip_plain.py").write_text("")
    (tmp_path / "lib/site-packages").mkdir(parents=True)
    (tmp_path / "lib/site-packages/ip_installed.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path / "lib/site-packages"))
    assert app_class("ip_plain").instance_path == str(tmp_path / "instance")
    assert app_class("ip_installed").instance_path == str(tmp_path / "var" / "ip_installed-instance")


@pytest.mark.parametrize(("file", "name"), [("/a/serve.py", "serve"), (None, "__main__")])
def test_the_name_of_main_is_its_file(app_class, monkeypatch, file, name):
    main = types.ModuleType("__main__")
    main.__file__ = file
    monkeypatch.setitem(sys.modules, "__main__", main)
    app = app_class("__main__", root_path="base")
    assert app.name == name
    app.name = "mine"
    assert app.name == "mine"


def test_every_collaborator_can_be_replaced(app_class):
    parts = {
        "aborter_class": type("A", (Aborter,), {}),
        "config_class": type("C", (Config,), {}),
        "json_provider_class": type("J", (DefaultJSONProvider,), {}),
        "url_map_class": type("M", (Map,), {}),
        "url_rule_class": type("R", (Rule,), {}),
    }
    app = type("Own", (app_class,), parts)("plain", root_path="base")
    app.add_url_rule("/", view_func=view)
    made = [app.aborter, app.config, app.json, app.url_map, rule_of(app, "view")]
    assert [type(part) for part in made] == list(parts.values())


def test_configuration_starts_from_the_defaults(app_class, monkeypatch):
    monkeypatch.setenv("FLASK_DEBUG", "1")
    app = app_class("plain", root_path="base")
    app.config["TESTING"] = True
    assert app.debug is True and app_class.default_config["TESTING"] is False
    assert "DEBUG" not in app_class.default_config


def test_attributes_are_configuration(app):
    app.secret_key, app.testing = "key", True
    assert (app.config["SECRET_KEY"], app.config["TESTING"]) == ("key", True)
    assert app.permanent_session_lifetime == datetime.timedelta(minutes=1)
    app.permanent_session_lifetime = datetime.timedelta(days=2)
    assert app.permanent_session_lifetime == datetime.timedelta(days=2)
    app.config["PERMANENT_SESSION_LIFETIME"] = None
    assert app.permanent_session_lifetime is None


def test_debug_reloads_templates_unless_told_otherwise(app, app_class):
    app.debug = True
    assert app.config["DEBUG"] is True and app.jinja_env.auto_reload is True
    app.debug = False
    assert app.jinja_env.auto_reload is False

    told = app_class("plain", root_path="base")
    told.config["TEMPLATES_AUTO_RELOAD"] = True
    told.debug = True
    assert "jinja_env" not in vars(told)


def test_jinja_env_and_logger_are_made_once(app):
    assert app.jinja_env is app.jinja_env
    assert app.logger is app.logger is logging.getLogger("plain")


def test_the_base_makes_no_jinja_environment(app):
    from asyncflask.sansio.app import App

    with pytest.raises(NotImplementedError):
        App.create_jinja_environment(app)


@pytest.mark.parametrize("name", [None, "a.html", "a.htm", "a.xml", "a.xhtml", "a.svg"])
def test_these_templates_are_escaped(app, name):
    assert app.select_jinja_autoescape(name) is True


@pytest.mark.parametrize("name", ["a.txt", "html", "a.html.txt"])
def test_other_templates_are_not(app, name):
    assert app.select_jinja_autoescape(name) is False


# rules


def test_add_url_rule(app):
    app.add_url_rule("/a", view_func=view)
    rule = rule_of(app, "view")
    assert rule.methods == {"GET", "HEAD", "OPTIONS"} and rule.provide_automatic_options is True
    assert (rule.threaded, rule.stream_body, rule.on_disconnect) == (None, False, "finish")
    assert app.view_functions == {"view": view}


def test_our_options_are_on_the_rule(app):
    app.add_url_rule("/a", "e", view, threaded=False, stream_body=True, on_disconnect="cancel", strict_slashes=False)
    rule = rule_of(app, "e")
    assert (rule.threaded, rule.stream_body, rule.on_disconnect) == (False, True, "cancel")
    assert rule.strict_slashes is False


def test_a_websocket_rule(app):
    app.add_url_rule("/ws", view_func=view, websocket=True)
    assert rule_of(app, "view").websocket is True


@pytest.mark.parametrize("options", [{"threaded": 1}, {"on_disconnect": "x"}, {"method": "GET"}, {"methods": "POST"}])
def test_a_refused_rule_leaves_nothing_behind(app, options):
    with pytest.raises((TypeError, ValueError)):
        app.add_url_rule("/a", view_func=view, **options)
    assert not list(app.url_map.iter_rules()) and not app.view_functions


def test_methods_as_text_are_refused(app):
    with pytest.raises(TypeError) as caught:
        app.add_url_rule("/", view_func=view, methods="GET")
    assert str(caught.value) == (
        'Allowed methods must be a list of strings, for example: @app.route(..., methods=["POST"])'
    )


def test_two_views_of_one_endpoint(app):
    app.add_url_rule("/a", "e", view)
    app.add_url_rule("/b", "e", view)
    with pytest.raises(AssertionError) as caught:
        app.add_url_rule("/c", "e", other)
    assert str(caught.value) == "View function mapping is overwriting an existing endpoint function: e"
    assert [rule.rule for rule in app.url_map.iter_rules()] == ["/a", "/b"]


def test_a_rule_without_a_view(app):
    app.add_url_rule("/a", "later")
    app.endpoint("later")(view)
    assert app.view_functions == {"later": view}
    with pytest.raises(AssertionError, match="expected view func"):
        app.add_url_rule("/b")


def test_methods_and_options_of_the_view(app):
    def own():
        return ""

    own.methods, own.required_methods, own.provide_automatic_options = ["post"], ["TRACE"], False
    app.add_url_rule("/a", "of_view", own)
    app.add_url_rule("/b", "of_rule", own, methods=["put"], provide_automatic_options=True)
    assert rule_of(app, "of_view").methods == {"POST", "TRACE"}
    assert rule_of(app, "of_view").provide_automatic_options is False
    assert rule_of(app, "of_rule").methods == {"PUT", "TRACE"}
    assert rule_of(app, "of_rule").provide_automatic_options is True


def test_options_are_not_automatic_where_they_are_handled_or_switched_off(app):
    app.add_url_rule("/a", "handled", view, methods=["OPTIONS"])
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.add_url_rule("/b", "off", view)
    assert rule_of(app, "handled").provide_automatic_options is False
    assert rule_of(app, "off").provide_automatic_options is False
    assert rule_of(app, "off").methods == {"GET", "HEAD"}


def test_after_the_first_request_it_is_too_late(app):
    app._got_first_request = True
    late = {
        "add_url_rule": ("/",),
        "register_blueprint": (None,),
        "before_request": (view,),
        "teardown_appcontext": (view,),
        "shell_context_processor": (view,),
        "template_filter": (),
        "add_template_filter": (view,),
        "template_test": (),
        "add_template_test": (view,),
        "template_global": (),
        "add_template_global": (view,),
    }
    for method, args in late.items():
        with pytest.raises(AssertionError) as caught:
            getattr(app, method)(*args)
        assert str(caught.value) == (
            f"The setup method '{method}' can no longer be called on the application. It has already handled its first"
            " request, any changes will not be applied consistently.\nMake sure all imports, decorators, functions,"
            " etc. needed to set up the application are done before running it."
        )


def test_the_tables_share_one_version(app):
    numbers = [app.tables.number]
    app.before_request(view)
    numbers.append(app.tables.number)
    app.teardown_appcontext_funcs.append(view)
    numbers.append(app.tables.number)
    app.view_functions["e"] = view
    numbers.append(app.tables.number)
    app.teardown_appcontext_funcs = [view]
    numbers.append(app.tables.number)
    assert numbers == sorted(set(numbers))
    assert isinstance(app.teardown_appcontext_funcs, HookList)


# templates, the shell, teardown


@pytest.mark.parametrize("kind", ["filter", "test", "global"])
def test_template_functions(app, kind):
    table = getattr(app.jinja_env, f"{kind}s")
    decorator, adder = getattr(app, f"template_{kind}"), getattr(app, f"add_template_{kind}")
    assert decorator()(view) is view and decorator("named")(view) is view and decorator(name="kw")(view) is view
    adder(other)
    adder(other, "other_named")
    adder(other, name="other_kw")
    assert table["view"] is table["named"] is table["kw"] is view
    assert table["other"] is table["other_named"] is table["other_kw"] is other


def test_shell_and_teardown(app):
    assert app.shell_context_processor(view) is view and app.shell_context_processors == [view]
    assert app.teardown_appcontext(view) is view and app.teardown_appcontext_funcs == [view]


# errors


class Missing(NotFound):
    pass


@pytest.mark.parametrize(
    ("handlers", "error", "found"),
    [
        ({}, NotFound(), None),
        ({(None, 404): "app"}, NotFound(), "app"),
        ({(None, 404): "app"}, Missing(), "app"),
        ({(None, 404): "app", (None, Missing): "class"}, Missing(), "class"),
        ({(None, HTTPException): "generic", (None, 404): "app"}, NotFound(), "app"),
        ({(None, HTTPException): "generic", (None, 404): "app"}, Forbidden(), "generic"),
        ({("bp", 404): "bp", (None, 404): "app"}, NotFound(), "bp"),
        ({("bp", 404): "bp", ("bp.in", 404): "inner"}, NotFound(), "inner"),
        ({("bp", HTTPException): "bp", (None, 404): "app"}, NotFound(), "app"),
        ({("other", 404): "other"}, NotFound(), None),
        ({(None, LookupError): "base", (None, KeyError): "class"}, KeyError(), "class"),
        ({(None, KeyError): "app", ("bp", LookupError): "bp"}, KeyError(), "bp"),
        ({(None, Exception): "all"}, ValueError(), "all"),
    ],
)
def test_the_handler_that_is_nearest(app, handlers, error, found):
    for (scope, wanted), name in handlers.items():
        exc_class, code = app._get_exc_class_and_code(wanted)
        app.error_handler_spec[scope][code][exc_class] = name
    assert app._find_error_handler(error, ["bp.in", "bp"]) == found


def test_looking_for_a_handler_creates_nothing(app):
    app._find_error_handler(NotFound(), ["bp"])
    assert app.error_handler_spec == {}


@pytest.mark.parametrize(
    ("config", "trapped"),
    [
        ({}, set()),
        ({"DEBUG": True}, {BadRequestKeyError}),
        ({"DEBUG": True, "TRAP_BAD_REQUEST_ERRORS": False}, set()),
        ({"TRAP_BAD_REQUEST_ERRORS": True}, {BadRequest, BadRequestKeyError}),
        ({"TRAP_HTTP_EXCEPTIONS": True}, {NotFound, BadRequest, BadRequestKeyError}),
    ],
)
def test_trapped_errors(app, config, trapped):
    app.config.update(config)
    kinds = (NotFound, BadRequest, BadRequestKeyError)
    assert {kind for kind in kinds if app.trap_http_exception(kind())} == trapped


def test_no_error_is_ignored(app):
    assert app.should_ignore_error(None) is app.should_ignore_error(ValueError()) is False


# URLs


def test_redirect_uses_the_response_class(app):
    class Own(app.response_class):
        pass

    app.response_class = Own
    answer = app.redirect("/x")
    assert type(answer) is Own and answer.status_code == 302 and answer.location == "/x"
    assert app.redirect("/x", code=307).status_code == 307


def test_url_defaults_of_app_then_blueprints(app):
    def noting(note):
        return lambda endpoint, values: values.setdefault("seen", []).append((note, endpoint))

    for scope in ("in", "bp.in", None, "bp"):
        app.url_default_functions[scope].append(noting(scope))
    values = {}
    app.inject_url_defaults("bp.in.view", values)
    assert [note for note, _ in values["seen"]] == [None, "bp", "bp.in"]
    assert {endpoint for _, endpoint in values["seen"]} == {"bp.in.view"}

    values = {}
    app.inject_url_defaults("view", values)
    assert values == {"seen": [(None, "view")]}


@pytest.fixture
def build_error():
    return BuildError("e", {}, None)


def test_the_first_answer_to_a_build_error_counts(app, build_error):
    second = BuildError("second", {}, None)
    seen = []

    def failing(error, endpoint, values):
        seen.append(error)
        raise second

    def answering(error, endpoint, values):
        seen.append(error)
        return f"/{endpoint}/{values['a']}"

    app.url_build_error_handlers += [failing, lambda *args: None, answering]
    assert app.handle_url_build_error(build_error, "e", {"a": 1}) == "/e/1"
    assert seen == [build_error, second]


def test_a_build_error_without_an_answer_is_raised(app, build_error):
    with pytest.raises(BuildError) as caught:
        app.handle_url_build_error(build_error, "e", {})
    assert caught.value is build_error


def test_the_last_build_error_is_raised(app, build_error):
    last = BuildError("last", {}, None)

    def failing(error, endpoint, values):
        raise last

    app.url_build_error_handlers.append(failing)
    with pytest.raises(BuildError) as caught:
        app.handle_url_build_error(build_error, "e", {})
    assert caught.value is last


def test_an_active_build_error_keeps_its_traceback(app, build_error):
    with pytest.raises(BuildError) as caught:
        try:
            raise build_error
        except BuildError as error:
            app.handle_url_build_error(error, "e", {})
    assert caught.value is build_error and caught.value.__context__ is None


def test_paths_are_text(app):
    assert os.fspath(app.instance_path) == app.instance_path
