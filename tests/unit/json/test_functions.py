"""The module's functions use the current application's provider, or the standard library without one."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from markupsafe import Markup

from asyncflask import json
from asyncflask.globals import _cv_app
from asyncflask.json.provider import JSONProvider


class Upper(JSONProvider):
    def dumps(self, obj, **kwargs):
        return f"DUMPED {obj} {kwargs}"

    def loads(self, s, **kwargs):
        return f"LOADED {s} {kwargs}"


class FakeApp:
    def response_class(self, body, mimetype):
        return body, mimetype


@pytest.fixture
def active_app():
    app = FakeApp()
    app.json = Upper(app)
    token = _cv_app.set(SimpleNamespace(app=app))
    yield app
    _cv_app.reset(token)


def test_without_an_application():
    assert json.dumps({"b": 1, "a": Markup("<p>")}) == '{"b": 1, "a": "<p>"}'
    assert json.dumps(object(), default=lambda o: 5) == "5"
    assert json.loads('{"a": 1}', object_pairs_hook=list) == [("a", 1)]
    assert json.loads(b"[1]") == [1]
    out = io.StringIO()
    json.dump([Markup("x")], out, indent=1)
    assert out.getvalue() == '[\n "x"\n]'
    out.seek(0)
    assert json.load(out) == ["x"]
    with pytest.raises(TypeError, match="Object of type object is not JSON serializable"):
        json.dumps(object())


def test_with_an_application(active_app):
    assert json.dumps(1, a=2) == "DUMPED 1 {'a': 2}"
    assert json.loads("x", a=2) == "LOADED x {'a': 2}"
    out = io.StringIO()
    json.dump(1, out, a=2)
    assert out.getvalue() == "DUMPED 1 {'a': 2}"
    assert json.load(io.StringIO("x"), a=2) == "LOADED x {'a': 2}"


def test_jsonify_asks_the_provider(active_app):
    assert json.jsonify(1, 2) == ("DUMPED (1, 2) {}", "application/json")


def test_jsonify_needs_an_application():
    with pytest.raises(RuntimeError, match="application context"):
        json.jsonify(1)
