"""A pytest plugin: what is collected after it imports asyncflask where it says ``import flask``.

It is loaded by ``-p as_flask``, so before any conftest. Nothing of the project is imported but the package itself.
"""

from __future__ import annotations

import importlib.machinery
import sys
from pathlib import Path

import pytest
import werkzeug.serving

import asyncflask
import asyncflask.serving

PACKAGE = Path(asyncflask.__file__).parent


def start() -> None:
    """Put asyncflask in Flask's place.

    Raises UsageError where Flask itself could be imported: then nobody would know who passed the tests.
    """
    if importlib.machinery.PathFinder.find_spec("flask") is not None:
        raise pytest.UsageError("Flask itself is installed here; run this in an environment without it")
    asyncflask.install_as_flask()
    asyncflask.serving.run_simple = hand_over
    if strangers := not_ours():
        raise pytest.UsageError(f"not asyncflask's: {', '.join(strangers)}")


def not_ours() -> list[str]:
    """Return the names under ``flask`` that are other modules than those under ``asyncflask``."""
    return [
        name
        for name, module in sorted(sys.modules.items())
        if name.partition(".")[0] == "flask"
        and module is not None
        and module is not sys.modules.get("async" + name)
        and name != "flask.__main__"
    ]


#: Of Werkzeug, which no test may reach.
starts_a_server = werkzeug.serving.run_simple


def hand_over(*args, **kwargs):
    """Stand for `asyncflask.serving.run_simple`: call what a test has put where Flask's ``app.run`` looks."""
    target = werkzeug.serving.run_simple
    assert target is not starts_a_server, "this test would start a server"
    return target(*args, **kwargs)


def pytest_addoption(parser):
    parser.addoption("--outcomes", help="file to which a line is written for each test: outcome, tab, id")


def pytest_configure(config):
    path = config.getoption("outcomes")
    if path:
        config.pluginmanager.register(Outcomes(path))


class Outcomes:
    """Writes what became of each test as it ends, so that a process that dies leaves what it had."""

    def __init__(self, path):
        self.path = path
        self.worst = {}

    def pytest_runtest_logreport(self, report):
        """A test has passed if its set-up, its call and its teardown have."""
        if not report.passed:
            self.worst.setdefault(report.nodeid, report.outcome)

    def pytest_runtest_logfinish(self, nodeid):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{self.worst.get(nodeid, 'passed')}\t{nodeid}\n")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        """A copy of a module that came in later would have tested something else."""
        if strangers := not_ours():
            raise pytest.UsageError(f"imported in the meantime, and not asyncflask's: {', '.join(strangers)}")


start()
