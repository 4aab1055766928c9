"""A pytest plugin: the run counts only if every module under ``flask`` was asyncflask's, from its start to its end."""

from __future__ import annotations

import sys

import pytest


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


def pytest_configure(config):
    if "flask" not in sys.modules or not_ours():
        raise pytest.UsageError(f"asyncflask is not in Flask's place: {', '.join(not_ours()) or 'nothing'} is")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    """A copy of a module that came in later would have tested something else."""
    if strangers := not_ours():
        raise pytest.UsageError(f"imported in the meantime, and not asyncflask's: {', '.join(strangers)}")
