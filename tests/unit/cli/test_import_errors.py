"""The last line about an application that could not be imported: where it is, and what to do."""

from __future__ import annotations

import re
import sys

import pytest

from asyncflask.cli import NoAppException, locate_app
from asyncflask.serving.explain import import_error, summary, why


def last_line(module="shop"):
    with pytest.raises(NoAppException) as caught:
        locate_app(module, None)
    message = caught.value.format_message()
    assert message.startswith(f"While importing {module!r}, an ImportError was raised:\n\nTraceback (most recent")
    return message.splitlines()[-1]


def test_a_module_that_is_not_installed(project):
    folder = project(shop="import helper", helper="import os\n\nimport not_there_at_all")
    assert last_line() == (
        f"{folder / 'helper.py'}:3: there is no module 'not_there_at_all'. Correct the name, or install the package"
        f" that has it, by '{sys.executable} -m pip install ...'."
    )


def test_a_module_that_its_package_has_not(project):
    project(shop="import json.nothing")
    assert last_line().endswith("Correct the name, or look whether another version of 'json' has it.")


def test_a_module_beside_this_one(project):
    folder = project(shop__in____init__="import models", shop__in__models="")
    assert last_line() == (
        f"{folder / 'shop' / '__init__.py'}:1: there is no module 'models'. There is one in the package of this file:"
        " import it with a dot, as in 'from .models import ...'."
    )


def test_flask_which_we_stand_in_for():
    error = ModuleNotFoundError("No module named 'flask'", name="flask")
    assert "import from 'asyncflask', or call 'asyncflask.install_as_flask()'" in import_error("shop", error)


def test_a_name_that_a_module_has_not(project):
    folder = project(shop="from helper import x", helper="y = 1")
    assert last_line() == (
        f"{folder / 'shop.py'}:1: {folder / 'helper.py'} has no such name. Correct it, or look whether another version"
        " of it has the name."
    )


def test_a_circle(project):
    folder = project(shop="import one", one="import two\nx = 1", two="from one import x")
    line = last_line()
    assert line.startswith(f"{folder / 'two.py'}:1: it imports from 'one', which is itself still being imported")
    assert "Import inside the function that needs it" in line


def test_an_error_that_says_by_itself_what_to_do(project):
    folder = project(shop="\nraise ImportError('do pip install this')")
    assert last_line() == f"{folder / 'shop.py'}:2: ImportError: do pip install this"


def test_an_optional_part_of_ours_is_placed_where_it_is_asked_for(project, monkeypatch):
    for name in ("redis", "redis.asyncio"):
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, "asyncflask.redis_sessions", raising=False)
    folder = project(shop="from asyncflask.redis_sessions import RedisSessionInterface")
    assert re.match(re.escape(f"{folder / 'shop.py'}:1: ImportError: ") + ".*pip install 'asyncflask", last_line())


def failure_of(module):
    with pytest.raises(Exception) as caught:
        __import__(module)
    return caught.value


def test_an_error_is_placed_in_the_applications_own_code(project):
    folder = project(
        shop="from settings import KEY", settings="import os\n\nKEY = os.environ['NOT_SET_HERE']", bad="int('x')"
    )
    assert why(failure_of("shop")) == f"KeyError: 'NOT_SET_HERE' ({folder / 'settings.py'}, line 3)"
    assert why(failure_of("bad")).endswith(f"({folder / 'bad.py'}, line 1)")


def test_an_import_that_fails_later_has_the_same_advice(project):
    folder = project(shop="def create_app():\n    import not_there_at_all")
    with pytest.raises(ModuleNotFoundError) as caught:
        locate_app("shop", "create_app")
    assert why(caught.value).startswith(f"{folder / 'shop.py'}:2: there is no module 'not_there_at_all'. Correct")


def test_an_error_without_a_traceback_has_no_place():
    assert summary(ValueError("x")) == "ValueError: x"
    assert import_error("shop", ImportError("x")).endswith("\nImportError: x")
