"""A pytest plugin: what is collected after it imports asyncflask where it says ``import flask``.

It is loaded by ``-p as_flask``, so before any conftest. Nothing of the project is imported but the package itself.
"""

from __future__ import annotations

import importlib.machinery

import pytest
import werkzeug.serving

import asyncflask
import asyncflask.serving


def start() -> None:
    """Put asyncflask in Flask's place.

    Raises UsageError where Flask itself could be imported: then nobody would know who passed the tests.
    """
    if importlib.machinery.PathFinder.find_spec("flask") is not None:
        raise pytest.UsageError("Flask itself is installed here; run this in an environment without it")
    asyncflask.install_as_flask()
    asyncflask.serving.run_simple = hand_over


#: Of Werkzeug, which no test may reach.
starts_a_server = werkzeug.serving.run_simple


def hand_over(*args, **kwargs):
    """Stand for `asyncflask.serving.run_simple`: call what a test has put where Flask's ``app.run`` looks."""
    target = werkzeug.serving.run_simple
    assert target is not starts_a_server, "this test would start a server"
    return target(*args, **kwargs)


start()
