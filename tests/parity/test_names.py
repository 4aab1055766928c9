"""Every public name of Flask 3.1.3 is here, with its members and its parameters."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import asyncflask
from asyncflask.compat import FLASK_VERSION

from . import names

flask = pytest.importorskip("flask", reason="Flask is not installed, with which the names are compared")
MODULES = names.modules("flask")


def test_flask_is_the_version_to_compare_with():
    assert importlib.metadata.version("flask") == FLASK_VERSION
    assert len(MODULES) >= 23
    assert {"Flask", "request", "url_for", "Response", "jsonify"} <= set(names.public(flask))


#: Callables whose parameters are not Flask's, with the reason. All but these, and any that is Flask's again, fail.
DIFFERENT = {
    "flask.cli:AppGroup": "it hands on what click.Group takes, whichever release of click that is",
    "flask.ctx:AppContext": "one class is the context of applications and of requests; what makes it one is by keyword",
    "flask.testing:FlaskClient": "transport= says how the application is asked",
}


@dataclass
class Compared:
    """What of one module of Flask is not the same in ours; dotted paths."""

    seen: int = 0
    missing: list[str] = field(default_factory=list)
    different: dict[str, tuple] = field(default_factory=dict)


@pytest.fixture(scope="module")
def compared():
    """All of Flask's modules, compared before a test's own fixtures replace any method."""
    return {module: compare(module) for module in MODULES}


def compare(module):
    result = Compared()
    for path in things(module):
        result.seen += 1
        theirs = names.parameters(names.get(module, path))
        try:
            found = names.parameters(names.get("async" + module, path))
        except AttributeError:
            result.missing.append(path)
            continue
        if theirs is not None and found != theirs:
            result.different[f"{module}:{path}"] = (theirs, found)
    return result


def things(module):
    """Yield the dotted paths of a module's public names and of the members of its classes."""
    for name in names.public(importlib.import_module(module)):
        yield name
        found = names.get(module, name)
        if inspect.isclass(found):
            yield from (f"{name}.{member}" for member in names.members(found))


def test_a_thousand_names_are_compared(compared):
    assert sum(result.seen for result in compared.values()) > 1000
    assert compared["flask"].seen > 40


@pytest.mark.parametrize("module", MODULES)
def test_every_name_and_member_is_here(compared, module):
    assert compared[module].missing == []


def test_every_callable_takes_the_same_parameters(compared):
    different = {path: pair for result in compared.values() for path, pair in result.different.items()}
    assert different.keys() == DIFFERENT.keys(), different


@pytest.mark.parametrize(("cls", "args"), [("Flask", ("names",)), ("Blueprint", ("names", "names"))])
def test_objects_have_the_attributes_they_get_when_they_are_made(cls, args):
    theirs, made = getattr(flask, cls)(*args), getattr(asyncflask, cls)(*args)
    assert [name for name in dir(theirs) if not name.startswith("_") and not hasattr(made, name)] == []


def test_parameters_are_told_apart():
    assert names.parameters(lambda a, /, b, *c, d=1, **e: 0) == ["/a", "b", "*c", "kw d=1", "**e"]
    assert names.parameters(lambda a=len: 0) == ["a=..."]
    assert names.parameters("text") is None


def test_each_of_flasks_modules_is_ours_once_installed():
    code = """
import importlib, importlib.metadata, json, sys, asyncflask
asyncflask.install_as_flask()
for name in json.load(sys.stdin):
    assert importlib.import_module(name) is importlib.import_module("async" + name), name
from flask import *
assert importlib.metadata.version("flask") == "3.1.3"
"""
    environ = {**os.environ, "PYTHONPATH": str(Path(asyncflask.__file__).parent.parent)}
    options = {"input": json.dumps(MODULES), "env": environ, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run([sys.executable, "-c", code], **options)
    assert done.returncode == 0, done.stderr
