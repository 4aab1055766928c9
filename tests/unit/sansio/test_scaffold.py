"""What applications and blueprints share."""

from __future__ import annotations

import os
import pathlib
import sys
import types

import pytest
from werkzeug.exceptions import Forbidden, HTTPException, NotFound

from asyncflask.sansio import scaffold
from asyncflask.sansio.scaffold import Scaffold, find_package, setupmethod
from asyncflask.sansio.tables import HookList, HookTable
from asyncflask.templating import _default_template_ctx_processor
from asyncflask.versions import WatchedDict


class Plain(Scaffold):
    name = "plain"
    closed = False

    def _check_setup_finished(self, f_name):
        if self.closed:
            raise AssertionError(f"closed for {f_name}")

    def add_url_rule(self, rule, endpoint=None, view_func=None, **options):
        self.rules.append((rule, endpoint, view_func, options))

    def __init__(self, **kwargs):
        super().__init__("plain", root_path=os.path.abspath("base"), **kwargs)
        self.rules = []


@pytest.fixture
def plain():
    return Plain()


def hook(*args):
    return None


# folders


def test_no_folders_by_default(plain):
    assert not plain.has_static_folder
    assert (plain.static_folder, plain.static_url_path, plain.template_folder, plain.jinja_loader) == (None,) * 4


@pytest.mark.parametrize("given", ["files/", "files\\", pathlib.Path("files")])
def test_static_folder_is_below_the_root(given):
    plain = Plain(static_folder=given)
    assert plain.has_static_folder
    assert plain.static_folder == os.path.join(plain.root_path, "files")
    assert plain.static_url_path == "/files"


def test_static_url_path_as_given():
    assert Plain(static_folder="files", static_url_path="/assets/").static_url_path == "/assets"
    assert Plain(static_folder="files", static_url_path="").static_url_path == ""
    assert Plain(static_folder="").static_url_path == ""


def test_static_folder_may_be_set_and_removed_later(plain):
    plain.static_folder = "later"
    assert plain.static_url_path == "/later"
    plain.static_folder = None
    assert not plain.has_static_folder


def test_jinja_loader_reads_the_template_folder(tmp_path):
    (tmp_path / "a.txt").write_text("hello")
    plain = Plain(template_folder=tmp_path)
    assert plain.jinja_loader.list_templates() == ["a.txt"]
    assert plain.jinja_loader is plain.jinja_loader


def test_root_path_is_found():
    module = types.ModuleType("found_module")
    module.__file__ = os.path.abspath("somewhere/found_module.py")
    sys.modules["found_module"] = module
    try:
        assert Scaffold("found_module").root_path == os.path.abspath("somewhere")
    finally:
        del sys.modules["found_module"]


def test_repr(plain):
    assert repr(plain) == "<Plain 'plain'>"


# routes


def test_route_passes_everything_on(plain):
    decorate = plain.route("/a", endpoint="e", methods=["GET"], threaded=False)
    assert decorate(hook) is hook
    decorate(hook)  # a decorator may be used again
    assert plain.rules == [("/a", "e", hook, {"methods": ["GET"], "threaded": False})] * 2


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_a_shortcut_for_each_method(plain, method):
    assert getattr(plain, method)("/a", defaults={})(hook) is hook
    assert plain.rules == [("/a", None, hook, {"methods": [method.upper()], "defaults": {}})]
    with pytest.raises(TypeError, match=r"^Use the 'route' decorator to use the 'methods' argument\.$"):
        getattr(plain, method)("/a", methods=["GET"])


@pytest.mark.parametrize("method", ["route", "get", "post", "put", "patch", "delete", "websocket"])
def test_a_route_without_its_rule_is_refused(plain, method):
    with pytest.raises(TypeError, match=r"^A URL rule is needed, as in @app\.\w+\('/path'\), not <function hook"):
        getattr(plain, method)(hook)
    assert not plain.rules


def test_endpoint_registers_the_view(plain):
    assert plain.endpoint("e")(hook) is hook
    assert plain.view_functions == {"e": hook}


def test_endpoint_of_nothing():
    with pytest.raises(AssertionError, match=r"^expected view func if endpoint is not provided\.$"):
        scaffold._endpoint_from_view_func(None)
    assert scaffold._endpoint_from_view_func(hook) == "hook"


# hooks

HOOKS = {
    "before_request": "before_request_funcs",
    "after_request": "after_request_funcs",
    "teardown_request": "teardown_request_funcs",
    "context_processor": "template_context_processors",
    "url_value_preprocessor": "url_value_preprocessors",
    "url_defaults": "url_default_functions",
}


@pytest.mark.parametrize("method", HOOKS)
def test_a_hook_is_registered_in_its_table(plain, method):
    assert getattr(plain, method)(hook) is hook
    assert getattr(plain, HOOKS[method])[None][-1] is hook
    assert sum(hook in getattr(plain, table).get(None, ()) for table in HOOKS.values()) == 1


def test_the_default_context_processor_is_there(plain):
    assert plain.template_context_processors == {None: [_default_template_ctx_processor]}


@pytest.mark.parametrize("table", [*HOOKS.values(), "view_functions"])
def test_an_assigned_table_becomes_live(plain, table):
    before = plain.tables.number
    setattr(plain, table, {None: [hook]})
    kept = getattr(plain, table)
    assert kept == {None: [hook]} and isinstance(kept, WatchedDict if table == "view_functions" else HookTable)
    assert plain.tables.number > before

    seen = plain.tables.number
    kept["bp"] = [hook]
    assert plain.tables.number > seen


def test_a_table_assigned_to_itself_stays_the_same_object(plain):
    table = plain.before_request_funcs
    plain.before_request_funcs = table
    assert plain.before_request_funcs is table


def test_a_table_of_another_owner_is_copied(plain):
    other = Plain()
    other.before_request(hook)
    plain.before_request_funcs = other.before_request_funcs
    number = other.tables.number
    plain.before_request(hook)
    assert other.before_request_funcs == {None: [hook]} and other.tables.number == number


def test_a_list_table_becomes_live(plain):
    plain.teardown_appcontext_funcs = [hook]
    assert isinstance(plain.teardown_appcontext_funcs, HookList)


def test_tables_can_be_assigned_before_init():
    class Early(Plain):
        def __init__(self):
            self.teardown_appcontext_funcs = []
            super().__init__()

    early = Early()
    number = early.tables.number
    early.teardown_appcontext_funcs.append(hook)
    early.before_request(hook)
    assert early.tables.number == number + 2


# error handlers


def test_error_handlers_by_code_and_class(plain):
    assert plain.errorhandler(404)(hook) is hook
    plain.register_error_handler(Forbidden, hook)
    plain.register_error_handler(KeyError, hook)
    plain.register_error_handler(HTTPException, hook)
    assert plain.error_handler_spec == {
        None: {404: {NotFound: hook}, 403: {Forbidden: hook}, None: {KeyError: hook, HTTPException: hook}}
    }


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (
            999,
            ValueError,
            "'999' is not a recognized HTTP error code. Use a subclass of HTTPException with that code instead.",
        ),
        (
            KeyError(),
            TypeError,
            "KeyError() is an instance, not a class. Handlers can only be registered for Exception classes or HTTP"
            " error codes.",
        ),
        (
            int,
            ValueError,
            "'int' is not a subclass of Exception. Handlers can only be registered for Exception classes or HTTP"
            " error codes.",
        ),
    ],
)
def test_a_wrong_kind_of_error_is_refused(plain, wrong, error, message):
    with pytest.raises(error) as caught:
        plain.register_error_handler(wrong, hook)
    assert str(caught.value) == message and not plain.error_handler_spec


# the lock


def test_setup_methods_ask_first(plain):
    plain.closed = True
    once = [*HOOKS, "route", "get", "post", "put", "patch", "delete", "endpoint", "errorhandler"]
    for method in once:
        with pytest.raises(AssertionError, match=rf"^closed for {method}$"):
            getattr(plain, method)(404)
    with pytest.raises(AssertionError, match=r"^closed for register_error_handler$"):
        plain.register_error_handler(404, hook)


def test_a_setup_method_keeps_its_name():
    @setupmethod
    def described(self):
        "What it does."

    assert described.__name__ == "described" and described.__doc__ == "What it does."


def test_the_base_says_nothing_about_the_lock():
    bare = Scaffold("plain", root_path="base")
    with pytest.raises(NotImplementedError):
        bare.route("/")
    with pytest.raises(NotImplementedError):
        Scaffold.add_url_rule.__wrapped__(bare, "/")


# find_package


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Write an importable file below a folder and put that on the path."""

    def write(folder, file):
        target = tmp_path / folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("")
        monkeypatch.syspath_prepend(str(tmp_path / folder))
        return str(tmp_path / folder)

    return write


@pytest.mark.parametrize("file", ["sp_one.py", "sp_one/__init__.py"])
def test_not_installed(install, file):
    where = install("src", file)
    assert find_package("sp_one") == (None, where)


@pytest.mark.parametrize(
    ("folder", "prefix"),
    [
        ("v/lib/python3.11/site-packages", "v"),
        ("v/Lib/site-packages", "v"),
        ("v/elsewhere/site-packages", "v/elsewhere"),
    ],
)
def test_installed_in_an_environment(install, tmp_path, folder, prefix):
    where = install(folder, "sp_two/__init__.py")
    assert find_package("sp_two.inner") == (str(tmp_path / prefix), where)


def test_installed_in_the_system(install, tmp_path, monkeypatch):
    where = install("system/lib/anywhere", "sp_three.py")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "system"))
    assert find_package("sp_three") == (str(tmp_path / "system"), where)


def test_a_namespace_package_is_where_its_part_is(install):
    first = install("one", "sp_space/alpha/__init__.py")
    second = install("two", "sp_space/beta/__init__.py")
    assert find_package("sp_space.alpha") == (None, first)
    assert find_package("sp_space.beta") == (None, second)
    assert find_package("sp_space")[1] in (first, second)


@pytest.mark.parametrize("name", ["__main__", "no_such_module_anywhere", ""])
def test_what_cannot_be_found_is_in_the_current_folder(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    assert find_package(name) == (None, str(tmp_path))
