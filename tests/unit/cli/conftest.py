"""Fixtures of the command line's tests: runners, and modules to find applications in."""

from __future__ import annotations

import os
import sys
import textwrap

import pytest
from click.testing import CliRunner


@pytest.fixture(autouse=True)
def environment_as_before(monkeypatch):
    """Commands set variables and the import path on purpose; no test sees those of another."""
    variables, path, modules = dict(os.environ), sys.path[:], set(sys.modules)
    yield
    os.environ.clear()
    os.environ.update(variables)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if not name.startswith("asyncflask"):
            del sys.modules[name]


@pytest.fixture
def runner():
    return CliRunner()


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty current folder, and a function that writes files in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**files):
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__in__', '/')}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return tmp_path

    return write
