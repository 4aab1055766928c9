"""install_as_flask(), each time in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import asyncflask

ROOT = Path(asyncflask.__file__).parent.parent

#: Hides an installed Flask from import and metadata alike, as on a machine that has none.
WITHOUT_FLASK = """
import importlib.metadata as metadata, sys
class Hidden(metadata.DistributionFinder):
    find_spec = classmethod(lambda *args: None)
from importlib.machinery import PathFinder
original = metadata.MetadataPathFinder.find_distributions
def find(context=metadata.DistributionFinder.Context()):
    return () if context.name == "flask" else original(context)
PathFinder.find_distributions = staticmethod(find)
"""


def run(code):
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60)


def succeeds(code):
    done = run(code)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_is_the_very_same():
    succeeds(
        """
import importlib, pkgutil, sys, asyncflask
asyncflask.install_as_flask()
names = [found.name for found in pkgutil.walk_packages(asyncflask.__path__, "asyncflask.")]
names = [name for name in names if not name.endswith((".__main__", ".pytest_plugin"))]
assert len(names) > 30
for name in ["asyncflask", *names]:
    assert importlib.import_module("flask" + name[10:]) is sys.modules[name], name
import flask
from flask import Flask, request
from flask.json.provider import DefaultJSONProvider
from flask.sansio.app import App
assert flask is asyncflask and Flask is asyncflask.App
"""
    )


def test_it_may_be_called_again():
    succeeds(
        """
import sys, asyncflask
asyncflask.install_as_flask()
modules, finders = dict(sys.modules), list(sys.meta_path)
asyncflask.install_as_flask()
assert modules == sys.modules and finders == sys.meta_path
"""
    )


def test_what_flasks_modules_happen_to_import_is_found_in_them():
    """Extensions write ``from flask.cli import click``."""
    succeeds(
        """
import importlib, asyncflask
assert not hasattr(asyncflask.app, "Rule")
asyncflask.install_as_flask()
import click, werkzeug.routing
from flask.cli import click as lent
from flask.app import Rule
assert lent is click and Rule is werkzeug.routing.Rule
from asyncflask.compat import LENT
for module, names in LENT.items():
    for name in names:
        assert hasattr(importlib.import_module("flask." + module), name), (module, name)
"""
    )


def test_metadata_names_the_version_of_the_api():
    out = succeeds(
        WITHOUT_FLASK
        + """
import asyncflask
try:
    metadata.version("flask")
except metadata.PackageNotFoundError:
    print("none")
asyncflask.install_as_flask()
print(metadata.version("flask"), metadata.version("Flask"), metadata.metadata("flask")["Name"])
try:
    metadata.version("flask-of-another-name")
except metadata.PackageNotFoundError:
    print("none")
print(metadata.distribution("flask").read_text("RECORD"), metadata.version("werkzeug") != "3.1.3")
"""
    )
    assert out == "none\n3.1.3 3.1.3 Flask\nnone\nNone True\n"


def test_the_deprecated_attribute_is_the_version_of_the_api():
    """Old extensions compare it when they are imported. It is not kept, so that each one who asks is warned."""
    for _ in range(2):
        with pytest.warns(DeprecationWarning, match=r"Flask deprecates the attribute") as caught:
            assert asyncflask.__version__ == "3.1.3"
        assert caught[0].filename == __file__


def test_an_installed_flask_answers_for_itself():
    pytest.importorskip("flask", exc_type=ImportError)
    out = succeeds(
        """
import importlib.metadata as metadata, asyncflask
before = metadata.distribution("flask").locate_file("")
asyncflask.install_as_flask()
assert metadata.distribution("flask").locate_file("") == before
"""
    )
    assert out == ""


@pytest.mark.parametrize("module", ["flask", "flask.json", "flask.something"])
def test_a_flask_that_was_imported_before_is_refused(module):
    done = run(
        f"""
import sys, types, asyncflask
sys.modules[{module!r}] = types.ModuleType({module!r})
asyncflask.install_as_flask()
"""
    )
    assert done.returncode == 1
    assert f"RuntimeError: {module!r} has been imported already, from None." in done.stderr
    assert "before anything imports flask" in done.stderr


def test_python_dash_m_flask_finds_the_command_line():
    out = succeeds(
        """
import importlib.util, asyncflask
asyncflask.install_as_flask()
found = importlib.util.find_spec("flask.__main__")
print(found is None or found.origin)
"""
    )
    assert out.strip() in ("True", str(ROOT / "asyncflask" / "__main__.py"))


def test_optional_parts_may_be_missing():
    succeeds(
        """
import sys
missing = ("httpx2", "watchfiles", "watchdog", "dotenv", "orjson", "uvloop", "websockets", "cryptography")
sys.modules.update(dict.fromkeys(missing))
import asyncflask
asyncflask.install_as_flask()
import flask.testing
assert flask.testing is asyncflask.testing
"""
    )


def test_modules_are_loaded_when_they_are_asked_for():
    succeeds(
        """
import sys
import asyncflask
asyncflask.install_as_flask()
import flask
assert not {"uvicorn", "httpx2", "werkzeug.debug.console"} & set(sys.modules)
import flask.sessions as one, asyncflask.sessions as other
from flask.json.tag import TaggedJSONSerializer
assert one is other and sys.modules["flask.sessions"] is one and flask.sessions is one
assert one.__spec__.name == one.__name__ == "asyncflask.sessions"
for name in ("flask.nothing", "flask.app.nothing"):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert name in str(error), error
    else:
        raise AssertionError(name)
"""
    )
