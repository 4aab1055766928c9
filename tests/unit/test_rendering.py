"""Short ways through templates: what is rendered is what Jinja itself renders."""

from __future__ import annotations

import enum
import functools
from collections import OrderedDict
from decimal import Decimal
from typing import Any

import jinja2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup, escape
from werkzeug.local import LocalProxy

from asyncflask import App
from asyncflask.plain import is_plain
from asyncflask.rendering import escape_for_output
from asyncflask.templating import Environment


class Text(str):
    pass


class Said(Text):
    def __html__(self) -> str:
        return "<said>"


class Number(enum.IntEnum):
    ONE = 1

    def __str__(self) -> str:
        return "<one>"


class Shown:
    def __repr__(self) -> str:
        return "<shown & 'escaped'>"


class Counting(dict):
    def __missing__(self, key: str) -> str:
        return f"no <{key}>"


VALUES = st.one_of(
    st.text(st.sampled_from("ab <>&\"'é")),
    st.integers(),
    st.floats(),
    st.sampled_from(
        [
            True,
            None,
            Markup("<b>"),
            Text("<i>"),
            Said("x"),
            Number.ONE,
            Shown(),
            Decimal("1.5"),
            b"<bytes>",
            ["<a>"],
            {"a": "<b>"},
            LocalProxy(lambda: "<proxy>"),
            LocalProxy(lambda: 1),
            jinja2.Undefined(name="x"),
            jinja2.DebugUndefined(name="x"),
        ]
    ),
)


@given(VALUES)
@example("<" * 10_000)
@example("a" * 10_000)
def test_what_is_written_is_what_is_escaped(value: Any) -> None:
    written = escape_for_output(value)
    assert isinstance(written, str)
    assert str.__str__(written) == str.__str__(escape(value))


BASE = """{% macro shown(x, y=0) %}<{{ x }}{{ caller(x) if caller else y }}>{% endmacro %}
{% block head %}{{ value }}{{ row.name }}{% endblock %}|{% block body scoped %}{{ self.head() }}{% endblock %}"""
PAGE = """{% extends "base.html" %}{% from "base.html" import shown %}
{% block head %}{{ super() }}{{ super()|length }}{{ shown(value) }}{{ shown(value)|escape }}{% endblock %}
{% block body %}
{% for one in (row, value, {"a": value}, loops) %}
  {{ loop.index }}{{ loop.cycle("<", ">") }}{{ one.name }}{{ one.items }}{{ one["name"] }}{{ one.a }}{{ one.absent }}
{% endfor %}
{% set kept %}<{{ value }}{{ 1 }}{% endset %}{{ kept }}{{ kept|escape }}{{ kept ~ value ~ "<" }}
{% filter upper %}<{{ value }}{% endfilter %}
{% call(x) shown(value) %}{{ x }}{{ kept }}{% endcall %}
{% autoescape false %}{{ value }}{{ row.name }}{{ kept }}{% endautoescape %}
{% autoescape flag %}{{ value }}{{ value|safe }}{{ "<" ~ value }}{% endautoescape %}
{{ value|default("<none>") }}{{ "a<%s" % value }}{{ value is string }}{{ "<"|e }}{{ [value]|join("<") }}
{% include "part.html" %}{% import "base.html" as base with context %}{{ base.shown(row) }}
{% endblock %}"""
SOURCES = {"base.html": BASE, "page.html": PAGE, "part.html": "{{ value }}{{ row.get('name') }}{{ row.name.x }}"}
SOURCES["named.html"] = "{{ value }}{{ theirs }}{{ x }}"
LOADER = jinja2.DictLoader(SOURCES)
THEIRS = jinja2.Environment(loader=LOADER, autoescape=True)
OURS = Environment(App("output"), loader=LOADER, autoescape=True)
ROWS = st.one_of(
    st.dictionaries(st.sampled_from(["name", "items", "get_", "a", "__class__"]), VALUES),
    st.sampled_from([OrderedDict(name="<o>"), Counting(a=1), LocalProxy(lambda: {"name": "<p>"}), Shown()]),
)


def rendered(environment: jinja2.Environment, **context: Any) -> str:
    try:
        return environment.get_template("page.html").render(context)
    except Exception as error:
        return repr(error)


def stable(text: str) -> str:
    """Leave out where in memory a method shown by its repr belongs to."""
    return text.partition(" at 0x")[0] if " at 0x" in text else text


@given(VALUES, ROWS, st.booleans())
def test_a_page_is_what_jinja_makes_of_it(value: Any, row: Any, flag: bool) -> None:
    context = {"value": value, "row": row, "flag": flag, "loops": {"loop": 1, "name": "<n>"}}
    assert stable(rendered(OURS, **context)) == stable(rendered(THEIRS, **context))


def arguments(*args: Any, **named: Any) -> str:
    shown = [type(one).__name__ if isinstance(one, (jinja2.Environment, Context, EvalContext)) else one for one in args]
    return f"<{['Environment' if 'Environment' in str(one) else one for one in shown]} {named}>".replace("Quick", "")


@jinja2.pass_context
def reads_context(context: Context, *args: Any) -> str:
    return f"{context.get('outer')} {context.get('one')} {args}"


class Calls:
    """What a template may call, of every kind."""

    with_context = staticmethod(jinja2.pass_context(lambda context, *args, **named: arguments(context, *args, **named)))

    def method(self, *args: Any, **named: Any) -> str:
        return arguments(*args, **named)

    @jinja2.pass_environment
    def wants_environment(self, *args: Any) -> str:
        return arguments(*args[::-1])

    @jinja2.pass_eval_context
    def wants_eval_context(self, *args: Any) -> str:
        return arguments(*args)

    @classmethod
    def of_class(cls, *args: Any) -> str:
        return arguments(*args)

    def __call__(self, *args: Any) -> str:
        return arguments(*args)

    def stops(self) -> Any:
        return next(iter(()))

    def raises(self) -> Any:
        raise LookupError("<raised>")


class CallsContext:
    @jinja2.pass_context
    def __call__(self, context: Context, *args: Any) -> str:
        return arguments(context, *args)


CALLABLES = {
    "plain": arguments,
    "reads_context": reads_context,
    "object": Calls(),
    "wants": CallsContext(),
    "type": Calls.of_class,
    "string": str,
    "partial": functools.partial(arguments, "<first>"),
    "proxy": LocalProxy(lambda: arguments),
    "method": Calls().method,
    "length": len,
    "upper": "<ab>".upper,
    "no_function": 7,
    **{name: getattr(Calls(), name) for name in ("with_context", "wants_environment", "wants_eval_context")},
    **{name: getattr(Calls(), name) for name in ("stops", "raises")},
}


@pytest.mark.parametrize("name", CALLABLES)
@pytest.mark.parametrize("arguments", ["", "1", "one, *rest", "a=one", "1, *rest, **named", "outer"])
def test_a_call_is_what_jinja_makes_of_it(name: str, arguments: str) -> None:
    source = f"{{% for one in 'ab' %}}{{{{ f({arguments}) }}}}{{{{ o.method({arguments}) }}}}{{% endfor %}}"
    source += f"{{% block inner scoped %}}{{{{ f({arguments}) }}}}{{% endblock %}}"
    context = {"f": CALLABLES[name], "o": Calls(), "rest": ("<", 2), "named": {"x": "&"}, "outer": "<o>"}

    def outcome(environment: jinja2.Environment) -> str:
        try:
            return environment.from_string(source).render(context)
        except Exception as error:
            return repr(error)

    assert outcome(OURS) == outcome(THEIRS)


@pytest.mark.skipif(is_plain(), reason="this is the run with the short ways off")
def test_the_short_ways_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    template = OURS.from_string("{{ row.name }}{{ f() }}")
    assert template.root_render_func.__globals__["escape"] is escape_for_output
    monkeypatch.setattr(jinja2.Environment, "getattr", None)
    monkeypatch.setattr(jinja2.Template, "new_context", None)
    monkeypatch.setattr(Context, "call", None)
    assert template.render(row={"name": "<n>"}, f=lambda: 1) == "&lt;n&gt;1"


def test_a_callers_error_is_shown_without_what_lies_between() -> None:
    with pytest.raises(LookupError) as caught:
        OURS.from_string("{{ f() }}").render(f=Calls().raises)
    names = [entry.name for entry in caught.traceback]
    assert "call" not in names and names[-1] == "raises"


@pytest.mark.parametrize("globals", [None, {"mine": "<own>", "theirs": "<hidden>"}])
def test_globals_are_those_of_the_moment(globals: dict[str, Any] | None) -> None:
    shown = []
    for kind in (Environment, jinja2.Environment):
        environment = kind(*[App("output")] * (kind is Environment), loader=LOADER, autoescape=True)
        environment.globals["theirs"] = "<first>"
        source = "{{ mine }}{{ theirs }}{{ late }}{{ x }}{{ range(2)|list }}{% include 'named.html' %}"
        template = environment.from_string(source, globals=globals)
        shown.append([template.render(x=1), template.render({"x": 2, "theirs": 3})])
        environment.globals |= {"theirs": "<second>", "late": "<late>"}
        shown[-1] += [
            template.render(),
            str(template.module),
            str(template.make_module({"x": 1, "range": range}, shared=True)),
        ]
        context = template.new_context({"x": 1, "range": 2})
        shown[-1] += [context.get_all().keys() == set(environment.globals) | {"x", *(globals or ())}]
        shown[-1] += [context.exported_vars, context.globals_keys == set(environment.globals) | set(globals or ())]
        assert "x" not in environment.globals
    assert shown[0] == shown[1]


def test_a_template_that_is_asked_for_with_globals_keeps_them_to_itself() -> None:
    assert OURS.get_template("named.html", globals={"value": "<mine>"}).render(x=1) == "&lt;mine&gt;1"
    assert OURS.get_template("named.html").render(x=2) == "&lt;mine&gt;2"  # as with Jinja
    assert "value" not in OURS.globals


@given(st.sampled_from(dir(dict)))
def test_a_methods_name_means_the_method(name: str) -> None:
    row = {name: "item"}
    assert OURS.getattr(row, name) == THEIRS.getattr(row, name)


def test_a_piece_of_a_streamed_template_is_text() -> None:
    pieces = list(OURS.from_string("{{ a }}{{ b }}").generate(a="<", b=1))
    assert "".join(pieces) == "&lt;1" and all(isinstance(piece, str) for piece in pieces)


async def test_with_async_templates() -> None:
    environment = Environment(App("output"), loader=LOADER, autoescape=True, enable_async=True)
    assert await environment.from_string("{{ a }}{{ row.a }}").render_async(a="<", row={"a": 1}) == "&lt;1"


def test_a_sandbox_still_refuses() -> None:
    class Sandbox(Environment, SandboxedEnvironment):
        pass

    template = Sandbox(App("output"), loader=LOADER).from_string("{{ row.a }}{{ row.__class__.__mro__ }}")
    with pytest.raises(jinja2.exceptions.SecurityError):
        template.render(row={"a": 1})
