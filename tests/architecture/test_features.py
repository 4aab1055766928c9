"""tests/features.toml is true: every row is there, and names tests that exist, or says why it has none."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
FEATURES = tomllib.loads((TESTS / "features.toml").read_text(encoding="utf-8"))
ROWS: dict[str, dict[str, object]] = FEATURES["rows"]


def names_in(path: Path) -> set[str]:
    """Names of the test functions of a file, those of its test classes as ``Class::function``."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            functions = (one for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)))
            found.update(f"{node.name}::{one.name}" for one in functions)
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


def test_no_row_is_missing_and_none_is_unknown():
    expected = {f"{group}{n:02}" for group, count in FEATURES["groups"].items() for n in range(1, count + 1)}
    assert expected.isdisjoint(FEATURES["single"]["ids"])
    expected.update(FEATURES["single"]["ids"])
    assert ROWS.keys() == expected


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_tests_or_a_reason(row):
    entry = ROWS[row]
    assert entry.keys() <= {"tests", "later", "note"}
    assert ("tests" in entry) != ("later" in entry), "either tests, or `later` with the reason"
    assert all(entry.values()), "nothing may be empty"


def test_the_tests_that_are_named_exist():
    named = {name for entry in ROWS.values() for name in entry.get("tests", ())}
    missing = []
    for path in sorted({name.partition("::")[0] for name in named}):
        file = TESTS / path
        there = {f"{path}::{test}" for test in names_in(file)} if file.is_file() else set()
        missing += sorted({name for name in named if name.partition("::")[0] == path} - there)
    assert not missing, "features.toml names tests that are not there"


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_a_test_once(row):
    tests = ROWS[row].get("tests", [])
    assert len(tests) == len(set(tests))
