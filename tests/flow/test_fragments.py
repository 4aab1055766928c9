"""One block of a template: with what its page imports, sets and inherits, and without the rest of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import TemplateNotFound, TemplateRuntimeError, UndefinedError

from asyncflask import App, before_render_template, template_rendered
from asyncflask.templating import render_block

from .colours import COLOURS, both

TEMPLATES = {
    "macros": "{% macro bold(x) %}<b>{{ x }}</b>{% endmacro %}",
    "base": "{% set site = 'shop' %}[{% block title %}{{ site }}{% endblock %}{% block body %}{% endblock %}"
    "{% block foot %}foot of {{ site }} for {{ user }}{% endblock %}]",
    "page": "{% extends 'base.html' %}{% import 'macros.html' as m %}{% set n = 3 %}"
    "{% block title %}page of {{ super() }}{% endblock %}"
    "{% block body %}{% for x in rows %}{% block row scoped %}{{ m.bold(x) }}{% endblock %}{% endfor %} {{ n }}"
    "{{ explode() if explode }}{% endblock %}",
    "leaf": "{% extends 'page.html' %}{% block title %}leaf of {{ super() }}{% endblock %}",
}


class Async(App):
    jinja_options = {"enable_async": True}  # noqa: RUF012  as Flask's documentation sets it


@pytest.fixture(params=[App, Async], ids=["plain", "async templates"])
def app(request, tmp_path):
    (tmp_path / "templates").mkdir()
    for name, text in TEMPLATES.items():
        (tmp_path / "templates" / f"{name}.html").write_text(text)
    app = request.param("asyncflask_test", root_path=str(tmp_path))
    app.testing = True
    app.context_processor(lambda: {"user": "<me>"})
    yield app
    app.close_threads()


@pytest.fixture(params=COLOURS)
def render(app, asked, request):
    """A function that renders a block in a view of either kind and returns its text, or raises what it raises."""

    wanted = []
    both(app, lambda: render_block(*wanted[-1][0], **wanted[-1][1]))

    def render(template, block, **context):
        wanted.append(((template, block), context))
        return asked(f"/{request.param}").text

    return render


@pytest.mark.parametrize(
    ("template", "block", "text"),
    [
        ("page.html", "body", "<b>1</b><b>&lt;</b> 3"),
        ("page.html", "title", "page of shop"),
        ("leaf.html", "title", "leaf of page of shop"),
        ("leaf.html", "body", "<b>1</b><b>&lt;</b> 3"),
        ("leaf.html", "foot", "foot of shop for &lt;me&gt;"),
        (["missing.html", "base.html"], "title", "shop"),
    ],
)
def test_a_block_is_what_it_is_on_the_page(render, template, block, text):
    assert render(template, block, rows=[1, "<"]) == text


def test_other_blocks_are_not_rendered(render):
    def explode():
        raise AssertionError("the body was rendered")

    assert render("leaf.html", "title", explode=explode) == "leaf of page of shop"
    with pytest.raises(AssertionError, match="the body"):
        render("page.html", "body", explode=explode)


REQUIRED = {
    "form": "{% block head required %} {% endblock %}{% block body %}<{% block inner required %}{% endblock %}>"
    "{% for x in [1] recursive %}{% block row required %}{% endblock %}{% endfor %}{% endblock %}"
    "{% block foot %}{% endblock %}",
    "empty": "{% extends 'form.html' %}",
    "filled": "{% extends 'form.html' %}{% block head %}{% endblock %}{% block inner %}in{% endblock %}"
    "{% block row %}row{% endblock %}",
    "asks": "{% extends 'filled.html' %}{% block head required %}{% endblock %}",
}


@pytest.fixture
def required(app):
    for name, text in REQUIRED.items():
        (Path(app.root_path) / "templates" / f"{name}.html").write_text(text)


@pytest.mark.parametrize("name", ["head", "inner", "row", "body"])
@pytest.mark.parametrize("template", ["form.html", "empty.html"])
def test_a_block_that_has_to_be_filled_and_is_not(app, required, render, template, name):
    """As the page itself: Jinja docs, Template Designer, Required Blocks. A block without any like it is rendered."""
    with pytest.raises(TemplateRuntimeError, match=r"Required block '(head|inner|row)' not found"):
        render(template, name)
    assert render(template, "foot") == ""


def test_a_block_that_has_to_be_filled_and_is(required, render):
    assert [render("filled.html", name) for name in ("head", "inner", "row", "body")] == ["", "in", "row", "<in>row"]
    assert render("asks.html", "head") == ""  # as the page has it: there is another one behind it


def test_what_is_not_there(app):
    with app.test_request_context():
        with pytest.raises(
            LookupError, match=r"'leaf.html' has no block 'side'\. It has: 'title', 'body', 'row', 'foot'"
        ):
            render_block("leaf.html", "side")
        with pytest.raises(LookupError, match=r"'macros.html' has no block 'x'\. It has: none\."):
            render_block("macros.html", "x")
        with pytest.raises(TemplateNotFound):
            render_block("nothing.html", "title")


def test_signals_tell_of_it(app):
    told = []

    def tell(sender, template, context, **_):
        told.append((template.name, context["x"]))

    signals = before_render_template.connected_to(tell, app), template_rendered.connected_to(tell, app)
    with signals[0], signals[1], app.test_request_context():
        render_block("base.html", "title", x=1)
    assert told == [("base.html", 1)] * 2


def test_an_error_has_the_lines_of_its_template(app, tmp_path):
    (tmp_path / "templates" / "bad.html").write_text("{% block x %}\n{{ nothing.more }}{% endblock %}")
    with app.test_request_context(), pytest.raises(UndefinedError) as caught:
        render_block("bad.html", "x")
    assert [entry.lineno for entry in caught.traceback if "bad.html" in str(entry.path)] == [1]
    (tmp_path / "templates" / "worse.html").write_text("{% extends none_there %}{% block x %}{% endblock %}")
    with app.test_request_context(), pytest.raises((UndefinedError, TemplateRuntimeError)):
        render_block("worse.html", "x")
