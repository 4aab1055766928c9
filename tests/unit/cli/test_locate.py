"""Finding the application: in a module, by a string, by a file, by name of the usual files."""

from __future__ import annotations

import sys
import types

import pytest

from asyncflask import App
from asyncflask.cli import (
    NoAppException,
    ScriptInfo,
    find_app_by_string,
    find_best_app,
    locate_app,
    prepare_import,
)


def module(**names):
    made = types.ModuleType("shop")
    vars(made).update(names)
    return made


def named(name="made"):
    return App(name)


# -- in a module


@pytest.mark.parametrize("name", ["app", "application", "anything"])
def test_an_instance_is_found(name):
    app = App("x")
    assert find_best_app(module(**{name: app}, other=1)) is app


def test_the_usual_name_wins_over_others_and_over_factories():
    first, second, third = App("1"), App("2"), App("3")
    assert find_best_app(module(third=third, application=second, app=first, create_app=named)) is first
    assert find_best_app(module(third=third, application=second, create_app=named)) is second
    assert find_best_app(module(third=third, create_app=named)) is third


def test_a_usual_name_that_is_no_application_does_not_count():
    app = App("x")
    assert find_best_app(module(app="a string", real=app)) is app


@pytest.mark.parametrize("name", ["create_app", "make_app"])
def test_a_factory_is_called(name):
    assert find_best_app(module(**{name: named})).name == "made"


def test_a_factory_that_makes_something_else_is_passed_over():
    assert find_best_app(module(create_app=lambda: None, make_app=named)).name == "made"


def test_two_applications_are_one_too_many():
    with pytest.raises(NoAppException, match=r"Detected multiple Flask applications in module 'shop'.*'shop:name'"):
        find_best_app(module(one=App("1"), two=App("2")))


def test_no_application():
    with pytest.raises(NoAppException, match=r"Failed to find Flask application or factory in module 'shop'"):
        find_best_app(module(create_app="no function"))


def test_a_factory_that_needs_arguments():
    with pytest.raises(NoAppException, match=r"'create_app' in module 'shop'.*'shop:create_app\(args\)'") as caught:
        find_best_app(module(create_app=lambda name: App(name)))
    assert isinstance(caught.value.__cause__, TypeError)


def test_a_type_error_inside_a_factory_is_not_hidden():
    def create_app():
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        find_best_app(module(create_app=create_app))
    with pytest.raises(TypeError, match="inside"):
        find_app_by_string(module(create_app=create_app), "create_app()")


def test_an_async_factory_is_refused_without_a_warning():
    async def create_app():
        return App("x")

    with pytest.raises(NoAppException, match=r"'create_app' is an 'async def' function"):
        find_best_app(module(create_app=create_app))


# -- by a string


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("thing", "thing"),
        ("  thing  ", "thing"),
        ("make", "None None"),
        ("make()", "None None"),
        (" make ( 'a' , ) ", "a None"),
        ("make('a', b=['c'])", "a ['c']"),
        ("make(-1, b={'k': (1, None)})", "-1 {'k': (1, None)}"),
    ],
)
def test_a_name_or_a_call(text, name):
    def make(a=None, b=None):
        return App(f"{a} {b}")

    assert find_app_by_string(module(thing=App("thing"), make=make), text).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("make(", "Failed to parse 'make(' as an attribute name or function call."),
        ("", "Failed to parse '' as an attribute name or function call."),
        ("a\0b", "as an attribute name or function call."),
        ("a.b", "Failed to parse 'a.b' as an attribute name or function call."),
        ("1", "Failed to parse '1' as an attribute name or function call."),
        ("a.b()", "Function reference must be a simple name: 'a.b()'."),
        ("make(name)", "Failed to parse arguments as literal values: 'make(name)'."),
        ("make({[]: 1})", "Failed to parse arguments as literal values: 'make({[]: 1})'."),
        ("make(**{'a': 1})", "Failed to parse arguments as literal values"),
        ("missing", "Failed to find attribute 'missing' in 'shop'."),
        ("make(1, 2, 3)", "The factory 'make(1, 2, 3)' in module 'shop' could not be called with the specified"),
        ("number", "A valid Flask application was not obtained from 'shop:number'"),
        ("nothing()", "A valid Flask application was not obtained from 'shop:nothing()'"),
    ],
)
def test_strings_that_name_no_application(text, message):
    shop = module(make=named, number=3, nothing=lambda: None)
    with pytest.raises(NoAppException) as caught:
        find_app_by_string(shop, text)
    assert message in caught.value.format_message()


# -- by a file


def test_import_name_of_a_file(project):
    folder = project(pack__in____init__="", pack__in__deep="", alone="")
    for path in ("alone", "alone.py", folder / "alone.py"):
        assert prepare_import(str(path)) == "alone"
        assert sys.path[0] == str(folder)
    for path in ("pack/deep.py", "pack/deep", "pack/__init__.py", "pack"):
        assert prepare_import(path) == ("pack.deep" if "deep" in path else "pack")
        assert sys.path[0] == str(folder)


def test_a_dotted_name_is_taken_from_here(project):
    folder = project()
    assert prepare_import("some.module") == "some.module"
    assert sys.path[0] == str(folder)


def test_the_folder_is_not_put_on_the_path_twice(project):
    project()
    prepare_import("one")
    before = sys.path[:]
    prepare_import("two")
    assert sys.path == before


def test_locate_by_module_and_name(project):
    project(shop="from asyncflask import App\none, app = App('one'), App('two')")
    assert locate_app("shop", None).name == "two"
    assert locate_app("shop", "one").name == "one"


def test_a_missing_module(project):
    project()
    with pytest.raises(NoAppException, match=r"Could not import 'missing'\."):
        locate_app("missing", None)
    assert locate_app("missing", None, raise_if_not_found=False) is None


def test_an_import_error_inside_a_module_is_shown_in_any_case(project):
    project(shop="import not_there_at_all")
    for raises in (True, False):
        with pytest.raises(NoAppException) as caught:
            locate_app("shop", None, raise_if_not_found=raises)
        message = caught.value.format_message()
        assert message.startswith("While importing 'shop', an ImportError was raised:")
        assert "not_there_at_all" in message and "shop.py" in message and "locate.py" not in message


@pytest.mark.parametrize("name", [None, "api", "make"])
def test_an_application_of_flask_itself_is_told_from_ours(project, name):
    kind = "Flask = type('Flask', (), {'__module__': 'flask.app'})\n"
    project(shop=f"{kind}class Mine(Flask): pass\napi = Mine()\ndef make(): return api")
    with pytest.raises(NoAppException, match=r"There is an application of Flask itself: import from 'asyncflask', or"):
        locate_app("shop", name)


# -- what a script knows


def test_the_application_is_loaded_once():
    info = ScriptInfo(create_app=lambda: App("x"))
    assert info.load_app() is info.load_app()


@pytest.mark.parametrize("path", ["shop", "shop.py", "shop:made", "shop.py:make()", "{folder}/shop.py:made"])
def test_an_import_path(project, path):
    folder = project(shop="from asyncflask import App\nmade = App('x')\ndef make(): return made")
    assert ScriptInfo(app_import_path=path.format(folder=folder)).load_app().name == "x"


def test_the_colon_of_a_drive_is_part_of_the_path(project, monkeypatch):
    project()
    seen = []
    monkeypatch.setattr("asyncflask.cli.locate.prepare_import", lambda path: seen.append(path) or "m")
    monkeypatch.setattr("asyncflask.cli.locate.locate_app", lambda module, name: seen.append(name) or App("x"))
    ScriptInfo(app_import_path="C:\\shop.py:make").load_app()
    ScriptInfo(app_import_path="C:/shop.py").load_app()
    assert seen == ["C:\\shop.py", "make", "C:/shop.py", None]


def test_the_usual_files(project):
    project(app="from asyncflask import App\napp = App('from app')")
    assert ScriptInfo().load_app().name == "from app"
    del sys.modules["app"]
    project(wsgi="from asyncflask import App\napp = App('from wsgi')")
    assert ScriptInfo().load_app().name == "from wsgi"


def test_no_application_anywhere_says_where_it_looked(project):
    folder = project()
    with pytest.raises(NoAppException) as caught:
        ScriptInfo().load_app()
    message = caught.value.format_message()
    assert all(text in message for text in ("wsgi.py", "app.py", str(folder), "--app", "FLASK_APP", "ASYNCFLASK_APP"))


@pytest.mark.parametrize(("variables", "debug"), [({}, False), ({"FLASK_DEBUG": "1"}, True)])
def test_the_environment_decides_on_debug_mode_unless_told_not_to(monkeypatch, variables, debug):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    def create_app():
        app = App("x")
        app.debug = not debug
        return app

    assert ScriptInfo(create_app=create_app).load_app().debug is debug
    assert ScriptInfo(create_app=create_app, set_debug_flag=False).load_app().debug is not debug


@pytest.mark.parametrize("name", ["FLASK_SKIP_DOTENV", "ASYNCFLASK_SKIP_DOTENV"])
def test_dotenv_files_may_be_skipped(monkeypatch, name):
    assert ScriptInfo().load_dotenv_defaults
    assert not ScriptInfo(load_dotenv_defaults=False).load_dotenv_defaults
    monkeypatch.setenv(name, "1")
    assert not ScriptInfo().load_dotenv_defaults


def test_a_script_has_room_for_data():
    assert ScriptInfo().data == {}
