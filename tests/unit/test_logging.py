"""Where the application's messages go."""

from __future__ import annotations

import io
import logging
import sys
from types import SimpleNamespace

import pytest

from asyncflask.globals import _cv_app
from asyncflask.logging import create_logger, default_handler, has_level_handler, wsgi_errors_stream


@pytest.fixture
def root(monkeypatch):
    """A root of our own above the loggers used here: pytest puts handlers on the real one."""
    manager = logging.Manager(root := logging.RootLogger(logging.WARNING))
    monkeypatch.setattr(logging.Logger, "manager", manager)
    return root


@pytest.fixture
def bound_request():
    ctx = SimpleNamespace(request=SimpleNamespace(environ={"wsgi.errors": io.StringIO()}))
    ctx.request_owner = ctx
    token = _cv_app.set(ctx)
    yield ctx
    _cv_app.reset(token)


def fake_app(name="lonely", debug=False):
    return SimpleNamespace(name=name, debug=debug)


def test_errors_go_to_stderr_outside_of_a_request(monkeypatch):
    assert wsgi_errors_stream._get_current_object() is sys.stderr
    other = io.StringIO()
    monkeypatch.setattr("sys.stderr", other)
    assert wsgi_errors_stream._get_current_object() is other


def test_errors_go_to_the_stream_of_the_request(bound_request):
    assert wsgi_errors_stream._get_current_object() is bound_request.request.environ["wsgi.errors"]


def test_a_context_without_request_writes_to_stderr():
    token = _cv_app.set(SimpleNamespace(request_owner=None))
    try:
        assert wsgi_errors_stream._get_current_object() is sys.stderr
    finally:
        _cv_app.reset(token)


def test_the_default_format(root, bound_request):
    create_logger(fake_app()).error("went wrong")
    text = bound_request.request.environ["wsgi.errors"].getvalue()
    assert text.startswith("[2") and text.endswith("] ERROR in test_logging: went wrong\n")


def test_has_level_handler_looks_along_the_chain(root):
    child, parent = logging.getLogger("parent.child"), logging.getLogger("parent")
    assert not has_level_handler(child)
    parent.addHandler(handler := logging.NullHandler())
    assert has_level_handler(child)
    child.propagate = False
    assert not has_level_handler(child)
    child.propagate = True
    handler.setLevel(logging.ERROR)
    assert not has_level_handler(child)
    child.setLevel(logging.ERROR)
    assert has_level_handler(child)


def test_a_logger_gets_the_handler_once_and_only_if_it_needs_one(root):
    app = fake_app()
    assert create_logger(app) is create_logger(app) is logging.getLogger("lonely")
    assert create_logger(app).handlers == [default_handler]
    assert create_logger(app).level == logging.NOTSET

    root.addHandler(logging.NullHandler())
    assert create_logger(fake_app("parent")).handlers == []


def test_debug_mode_sets_a_level_where_there_is_none(root):
    assert create_logger(fake_app(debug=True)).level == logging.DEBUG
    logging.getLogger("parent").setLevel(logging.ERROR)
    assert create_logger(fake_app("parent", debug=True)).level == logging.ERROR
