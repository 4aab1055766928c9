"""Messages that explain."""

from __future__ import annotations

import traceback
from types import SimpleNamespace

import jinja2
import pytest
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.routing import RequestRedirect

from asyncflask.debughelpers import (
    DebugFilesKeyError,
    FormDataRoutingRedirect,
    UnexpectedUnicodeError,
    attach_enctype_error_multidict,
    explain_template_loading_attempts,
)
from asyncflask.globals import _cv_app


@pytest.fixture
def form_request():
    request = SimpleNamespace(
        form=ImmutableMultiDict([("file", "index.txt"), ("file", "b")]),
        files=ImmutableMultiDict({"there": "contents"}),
        mimetype="application/x-www-form-urlencoded",
    )
    attach_enctype_error_multidict(request)
    return request


def test_a_file_sent_as_text_is_explained(form_request):
    with pytest.raises(DebugFilesKeyError) as info:
        form_request.files["file"]
    message = str(info.value)
    assert "the file 'file'" in message and "'application/x-www-form-urlencoded'" in message
    assert "no file contents were transmitted" in message and 'enctype="multipart/form-data"' in message
    assert message.endswith("This was submitted: 'index.txt', 'b'")
    assert info.value.__suppress_context__
    assert traceback.extract_tb(info.value.__traceback__)[-1].filename != __file__  # the place it really failed


def test_nothing_submitted():
    error = DebugFilesKeyError(SimpleNamespace(form=ImmutableMultiDict(), mimetype=""), "file")
    assert "submitted" not in str(error)
    assert isinstance(error, KeyError) and isinstance(error, AssertionError)


def test_other_files_are_as_before(form_request):
    assert form_request.files["there"] == "contents"
    assert isinstance(form_request.files, ImmutableMultiDict)
    assert type(form_request.files).__name__ == "ImmutableMultiDict"
    assert type(form_request.files).__module__ == ImmutableMultiDict.__module__
    with pytest.raises(KeyError) as info:
        form_request.files["nowhere"]
    assert not isinstance(info.value, DebugFilesKeyError)


def redirected(url, to):
    return SimpleNamespace(url=url, base_url=url.partition("?")[0], routing_exception=RequestRedirect(to))


def test_a_redirect_that_drops_the_form():
    message = str(FormDataRoutingRedirect(redirected("http://h/user?a=1", "http://h/user/?a=1")))
    assert message.startswith("A request was sent to 'http://h/user?a=1'")
    assert "canonical URL 'http://h/user/?a=1'" in message and "trailing slash" in message
    assert "307 or 308" in message and "debug mode" in message


def test_a_redirect_for_another_reason():
    error = FormDataRoutingRedirect(redirected("http://h/a", "http://h/b"))
    assert "trailing slash" not in str(error) and isinstance(error, AssertionError)


def test_unexpected_unicode_is_two_errors():
    assert issubclass(UnexpectedUnicodeError, UnicodeError) and issubclass(UnexpectedUnicodeError, AssertionError)


# -- template loading --------------------------------------------------------------------------------------------------


class Loader(jinja2.BaseLoader):
    def __init__(self):
        self.path = "/templates"
        self.many = ("a", "b")
        self.mixed = ["a", 1]
        self.number = 2
        self.function = print
        self._private = "hidden"


@pytest.fixture
def explain():
    logged = []
    app = SimpleNamespace(import_name="my.app", logger=SimpleNamespace(info=logged.append))
    blueprint = SimpleNamespace(import_name="my.admin", name="admin", deferred_functions=[])

    def run(*found):
        owners = [app, blueprint, "something"]
        attempts = [(Loader(), owner, source) for owner, source in zip(owners, found, strict=False)]
        explain_template_loading_attempts(app, "page.html", attempts)
        return logged.pop()

    return run


FOUND = ("source", "/templates/page.html", None)


def test_every_attempt_is_told(explain):
    text = explain(None, ("source", None, None), None)
    assert text.startswith("Locating template 'page.html':\n")
    assert "    1: trying loader of application 'my.app'\n" in text
    assert "    2: trying loader of blueprint 'admin' (my.admin)\n" in text
    assert "    3: trying loader of 'something'\n" in text
    assert text.count("       -> no match") == 2
    assert "       -> found ('<string>')" in text
    assert "Error" not in text and "Warning" not in text
    assert "-> found ('/templates/page.html')" in explain(FOUND)


def test_a_loader_is_described_by_its_public_data(explain):
    lines = explain(FOUND).splitlines()
    assert lines[2:8] == [
        f"       class: {__name__}.Loader",
        "       many:",
        "         - a",
        "         - b",
        "       number: 2",
        "       path: '/templates'",
    ]
    assert len(lines) == 9


def test_what_looks_wrong(explain):
    assert explain(None, None).endswith("\nError: the template could not be found.")
    assert explain(FOUND, FOUND).splitlines()[-1].startswith("Warning: ")


@pytest.mark.parametrize(("found", "hints"), [([None], True), ([FOUND, FOUND], True), ([FOUND], False)])
def test_the_blueprint_of_the_request_is_a_hint(explain, found, hints):
    ctx = SimpleNamespace(request=SimpleNamespace(blueprint="frontend"))
    ctx.request_owner = ctx
    token = _cv_app.set(ctx)
    try:
        text = explain(*found)
        assert ("looked up from an endpoint that belongs to the blueprint 'frontend'" in text) is hints
        assert ("See https://flask.palletsprojects.com/blueprints/#templates" in text) is hints
        ctx.request.blueprint = None
        assert "blueprint 'frontend'" not in explain(*found)
    finally:
        _cv_app.reset(token)
