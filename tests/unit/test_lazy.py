"""Attributes and names that are worked out when first asked for."""

from __future__ import annotations

import sys
import types

import pytest

from asyncflask import App
from asyncflask.lazy import late, late_module, late_names
from asyncflask.templating import Environment


@pytest.fixture
def loads():
    return []


@pytest.fixture
def owner(loads):
    def load():
        loads.append(1)
        return list

    class Owner:
        kind: type[list] = late(load)

    return Owner


def test_it_loads_once_for_class_subclass_and_instance(owner, loads):
    assert loads == []
    sub = type("Sub", (owner,), {})
    assert (owner().kind, sub().kind, owner.kind, sub.kind) == (list, list, list, list)
    assert loads == [1]


def test_assignment_wins_on_instance_subclass_and_class(owner, loads):
    class Sub(owner):
        kind = tuple

    thing = owner()
    thing.kind = set
    assert (thing.kind, Sub.kind, Sub().kind, owner().kind) == (set, tuple, tuple, list)
    owner.kind = dict
    assert (owner.kind, owner().kind, thing.kind) == (dict, dict, set)


def test_a_class_that_fails_to_load_is_tried_again(loads):
    def load():
        loads.append(1)
        if len(loads) == 1:
            raise ImportError("not yet")
        return int

    class Owner:
        kind = late(load)

    with pytest.raises(ImportError):
        Owner.kind  # noqa: B018
    assert Owner.kind is int


def test_the_jinja_environment_of_an_app_may_be_replaced():
    class Mine(Environment):
        pass

    class Sub(App):
        jinja_environment = Mine

    app = App("x")
    app.jinja_environment = Mine
    assert App.jinja_environment is Environment
    assert type(App("x").jinja_env) is Environment
    assert type(app.jinja_env) is type(Sub("x").jinja_env) is Mine


@pytest.fixture
def module(monkeypatch):
    module = types.ModuleType("late_for_test")
    monkeypatch.setitem(sys.modules, "late_for_test", module)
    module.__getattr__ = late_names("late_for_test", {"dumps": "json", "tool": "json.tool"})
    return module


def test_a_late_name_is_imported_and_kept(module):
    import json

    assert "dumps" not in vars(module)
    assert module.dumps is json.dumps and vars(module)["dumps"] is json.dumps


def test_a_late_name_may_be_a_module(module):
    import json.tool

    assert module.tool is json.tool


def test_a_name_that_is_not_there(module):
    with pytest.raises(AttributeError, match="module 'late_for_test' has no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_a_late_module_is_imported_when_an_attribute_is_read(monkeypatch):
    monkeypatch.delitem(sys.modules, "this_is_late", raising=False)
    tool = late_module("this_is_late")
    with pytest.raises(ModuleNotFoundError):
        tool.name  # noqa: B018
    module = sys.modules["this_is_late"] = types.ModuleType("this_is_late")
    module.name = "late"
    assert tool.name == "late" and vars(tool)["name"] == "late"
    del sys.modules["this_is_late"]


def test_looking_at_a_late_module_does_not_import_it():
    tool = late_module("this_is_late")
    assert not hasattr(tool, "__wrapped__") and not callable(tool)
