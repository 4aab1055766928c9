"""The leak detectors of tests/conftest.py find what they are for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
addopts = -p no:cacheprovider -v
"""
#: Test files, all run at once by a pytest of their own: in this one our own detectors would find the leaks as well.
FILES = {
    "test_clean": """
import asyncio

def test_contexts(app):
    with app.app_context(), app.test_request_context("/"):
        pass

async def test_tasks():
    await asyncio.create_task(asyncio.sleep(0))
""",
    "test_variables": """
import os

def test_clean():
    assert not [name for name in os.environ if name.startswith(("FLASK_", "ASYNCFLASK_"))]
""",
    "test_bound": """
from asyncflask import has_app_context

def test_leaks(app):
    app.app_context().push()

def test_next():
    assert not has_app_context()
""",
    "test_elsewhere": """
import contextvars

def test_leaks(app):
    app.kept = app.app_context()
    contextvars.copy_context().run(app.kept.push)
    globals()["kept"] = app
""",
    "test_task": """
import asyncio

async def test_leaks():
    globals()["kept"] = asyncio.create_task(asyncio.Event().wait())
""",
    "test_thread": """
import threading

stop = threading.Event()

def test_leaks(monkeypatch):
    monkeypatch.setattr(threading.Thread, "join", lambda self, timeout=None: None)  # no need to wait for it
    threading.Thread(target=stop.wait, name="asyncflask-leak", daemon=True).start()

def test_next():
    stop.set()
""",
}


@pytest.fixture(scope="module")
def report(root, tmp_path_factory):
    """What pytest says of the files, under our conftest."""
    folder = tmp_path_factory.mktemp("leaks")
    files = {"conftest.py": (root / "tests" / "conftest.py").read_text(encoding="utf-8"), "pytest.ini": SETTINGS}
    for name, text in (files | {f"{name}.py": text for name, text in FILES.items()}).items():
        (folder / name).write_text(text, encoding="utf-8")
    variables = {"PYTHONPATH": str(root), "FLASK_DEBUG": "1", "ASYNCFLASK_THREADS": "1"}
    command = [sys.executable, "-m", "pytest"]
    done = subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def outcomes(report):
    """A function that gives what became of the tests of a file, of which an error follows the test that made it."""

    def of(file):
        lines = [line.split() for line in report.splitlines() if line.startswith(f"{file}.py::")]
        return [(words[0].partition("::")[2], words[1]) for words in lines]

    return of


def test_clean_tests_pass(outcomes):
    assert outcomes("test_clean") == [("test_contexts", "PASSED"), ("test_tasks", "PASSED")]


LEAKS = [("test_leaks", "PASSED"), ("test_leaks", "ERROR")]


def test_a_context_left_bound_is_found_and_does_not_reach_the_next_test(outcomes, report):
    assert outcomes("test_bound") == [*LEAKS, ("test_next", "PASSED")]
    assert "left <AppContext" in report


def test_a_context_left_in_another_contextvars_context_is_found(outcomes, report):
    assert outcomes("test_elsewhere") == LEAKS
    assert "never popped" in report


def test_a_task_left_running_is_found(outcomes, report):
    assert outcomes("test_task") == LEAKS
    assert "tasks that the test left running" in report


def test_a_thread_left_running_is_found(outcomes, report):
    assert outcomes("test_thread") == [*LEAKS, ("test_next", "PASSED")]
    assert "asyncflask-leak" in report


def test_variables_of_the_machine_are_hidden(outcomes):
    assert outcomes("test_variables") == [("test_clean", "PASSED")]
