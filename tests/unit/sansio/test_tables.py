"""Every change of a table gives its version a new number, and nothing else does."""

from __future__ import annotations

import copy
import operator
import sys
import threading
from collections import defaultdict

import pytest

from asyncflask.sansio.tables import HookList, HookTable
from asyncflask.versions import Version, WatchedDict


def failing():
    yield "added"
    raise LookupError


LIST_CHANGES = {
    "append": (lambda hooks: hooks.append("d"), ["b", "a", "c", "d"]),
    "extend": (lambda hooks: hooks.extend("de"), ["b", "a", "c", "d", "e"]),
    "insert": (lambda hooks: hooks.insert(0, "d"), ["d", "b", "a", "c"]),
    "remove": (lambda hooks: hooks.remove("a"), ["b", "c"]),
    "pop": (lambda hooks: hooks.pop(), ["b", "a"]),
    "clear": (lambda hooks: hooks.clear(), []),
    "sort": (lambda hooks: hooks.sort(reverse=True), ["c", "b", "a"]),
    "reverse": (lambda hooks: hooks.reverse(), ["c", "a", "b"]),
    "set item": (lambda hooks: operator.setitem(hooks, 0, "d"), ["d", "a", "c"]),
    "set slice": (lambda hooks: operator.setitem(hooks, slice(1, 3), "d"), ["b", "d"]),
    "delete item": (lambda hooks: operator.delitem(hooks, 0), ["a", "c"]),
    "delete slice": (lambda hooks: operator.delitem(hooks, slice(0, 2)), ["c"]),
    "add in place": (lambda hooks: operator.iadd(hooks, ["d"]), ["b", "a", "c", "d"]),
    "multiply in place": (lambda hooks: operator.imul(hooks, 2), ["b", "a", "c"] * 2),
}


@pytest.mark.parametrize("change", LIST_CHANGES)
def test_each_change_of_a_list_is_seen(change):
    version = Version()
    hooks = HookList(version, ["b", "a", "c"])
    act, after = LIST_CHANGES[change]
    act(hooks)
    assert hooks == after and version.number == 1
    assert isinstance(hooks, list)


def test_list_methods_answer_as_those_of_list():
    hooks = HookList(Version(), ["a", "b"])
    assert hooks.pop(0) == "a"
    same = hooks
    same += ["c"]
    assert same is hooks


def test_all_methods_that_change_a_list_are_covered():
    reading = {"copy", "count", "index"}
    named = {name for name in vars(list) if not name.startswith("_")} - reading
    assert named <= set(LIST_CHANGES)


def test_a_change_that_breaks_off_is_seen():
    version = Version()
    hooks = HookList(version)
    with pytest.raises(LookupError):
        hooks.extend(failing())
    assert hooks == ["added"] and version.number == 1


def test_reading_a_list_changes_nothing():
    version = Version()
    hooks = HookList(version, ["a", "b"])
    assert hooks[0] == "a" and hooks.index("b") == 1 and hooks.count("c") == 0
    assert list(reversed(hooks)) == ["b", "a"] and hooks.copy() == hooks
    assert version.number == 0


def test_a_list_of_its_own_has_a_version_of_its_own():
    hooks = HookList()
    hooks.append("a")
    assert hooks.version.number == 1


TABLE_CHANGES = {
    "append to a scope": (lambda table: table[None].append("b"), {None: ["a", "b"]}),
    "append to a new scope": (lambda table: table["bp"].append("b"), {None: ["a"], "bp": ["b"]}),
    "set": (lambda table: operator.setitem(table, None, ["b"]), {None: ["b"]}),
    "delete": (lambda table: operator.delitem(table, None), {}),
    "pop": (lambda table: table.pop(None), {}),
    "popitem": (lambda table: table.popitem(), {}),
    "clear": (lambda table: table.clear(), {}),
    "update": (lambda table: table.update({None: ["b"]}), {None: ["b"]}),
    "update by name": (lambda table: table.update(bp=["b"]), {None: ["a"], "bp": ["b"]}),
    "update by pairs": (lambda table: table.update([("bp", ("b",))]), {None: ["a"], "bp": ["b"]}),
    "unite in place": (lambda table: operator.ior(table, {"bp": ["b"]}), {None: ["a"], "bp": ["b"]}),
    "setdefault": (lambda table: table.setdefault("bp", ["b"]), {None: ["a"], "bp": ["b"]}),
    "setdefault without a value": (lambda table: table.setdefault("bp"), {None: ["a"], "bp": []}),
}


@pytest.mark.parametrize("change", TABLE_CHANGES)
def test_each_change_of_a_table_is_seen_and_keeps_it_live(change):
    version = Version()
    table = HookTable(version, {None: ["a"]})
    act, after = TABLE_CHANGES[change]
    act(table)
    assert table == after and version.number == 1
    assert isinstance(table, dict)
    for hooks in table.values():
        assert isinstance(hooks, HookList) and hooks.version is version


def test_all_methods_that_change_a_table_are_covered():
    reading = {"copy", "fromkeys", "get", "items", "keys", "values", "default_factory"}
    named = {name for cls in (dict, defaultdict) for name in vars(cls) if not name.startswith("_")} - reading
    assert named <= set(TABLE_CHANGES) | {"set", "delete"}


def test_reading_a_table_changes_nothing_even_where_it_creates():
    version = Version()
    table = HookTable(version)
    assert table["bp"] == [] and table.get("other") is None and "bp" in table
    assert table.setdefault("bp", ["unused"]) == []
    assert version.number == 0
    table["bp"].append("a")
    assert version.number == 1


def test_setdefault_returns_the_live_list():
    table = HookTable()
    table.setdefault(None, []).append("a")
    assert table == {None: ["a"]} and table.version.number == 2


def test_a_list_of_the_same_table_stays_itself():
    table = HookTable(hooks={None: ["a"]})
    same = table[None]
    table[None] += ["b"]
    assert table[None] is same and same == ["a", "b"]


def test_a_list_of_another_owner_is_copied():
    theirs = HookTable(hooks={None: ["a"]})
    ours = HookTable(hooks=theirs)
    theirs[None].append("b")
    assert ours == {None: ["a"]} and ours.version.number == 0


@pytest.mark.parametrize("copied", [HookTable.copy, copy.copy, lambda table: table | {}, lambda table: {} | table])
def test_a_copy_is_plain_and_apart(copied):
    table = HookTable(hooks={None: ["a"]})
    apart = copied(table)
    apart[None].append("b")
    apart["bp"].append("c")
    assert type(apart) is defaultdict
    assert table == {None: ["a"]} and table.version.number == 0


def test_fromkeys_makes_a_table():
    table = HookTable.fromkeys(["bp"], ["a"])
    assert isinstance(table["bp"], HookList) and table == {"bp": ["a"]}


DICT_CHANGES = {
    "set": (lambda views: operator.setitem(views, "b", 2), {"a": 1, "b": 2}),
    "delete": (lambda views: operator.delitem(views, "a"), {}),
    "pop": (lambda views: views.pop("a"), {}),
    "popitem": (lambda views: views.popitem(), {}),
    "clear": (lambda views: views.clear(), {}),
    "update": (lambda views: views.update(b=2), {"a": 1, "b": 2}),
    "setdefault": (lambda views: views.setdefault("b", 2), {"a": 1, "b": 2}),
    "unite in place": (lambda views: operator.ior(views, {"b": 2}), {"a": 1, "b": 2}),
}


@pytest.mark.parametrize("change", DICT_CHANGES)
def test_each_change_of_a_dict_is_seen(change):
    version = Version()
    views = WatchedDict(version, {"a": 1})
    act, after = DICT_CHANGES[change]
    act(views)
    assert views == after and version.number == 1
    assert isinstance(views, dict)


def test_reading_a_dict_changes_nothing():
    views = WatchedDict(items={"a": 1})
    assert views["a"] == views.get("a") == 1 and list(views.items()) == [("a", 1)] and views | {"b": 2}
    assert views.version.number == 0


def test_numbers_never_return_when_threads_change_at_once():
    version = Version()
    seen = [set(), set()]
    start = threading.Barrier(2)

    def change(numbers):
        start.wait()
        for _ in range(500):
            version.bump()
            numbers.add(version.number)

    pace = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=change, args=(numbers,)) for numbers in seen]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(pace)
    last = version.number
    version.bump()
    assert version.number == 1001 and last <= 1000
    assert repr(version) == "<Version 1001>"
