"""Finding and rendering templates, with a minimal application around them."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import contextmanager
from types import SimpleNamespace

import jinja2
import pytest

from asyncflask import templating
from asyncflask.globals import _cv_app, request
from asyncflask.signals import before_render_template, template_rendered


class FakeApp:
    def __init__(self, templates=(), **blueprints):
        self.name = self.import_name = "fake"
        self.config = {"EXPLAIN_TEMPLATE_LOADING": False}
        self.logged = []
        self.logger = SimpleNamespace(info=self.logged.append)
        self.jinja_loader = jinja2.DictLoader(dict(templates)) if templates is not None else None
        self.blueprints = [FakeBlueprint(name, templates) for name, templates in blueprints.items()]
        self.jinja_env = templating.Environment(self, autoescape=True)

    def create_global_jinja_loader(self):
        return templating.DispatchingJinjaLoader(self)

    def iter_blueprints(self):
        return self.blueprints

    def update_template_context(self, context):
        context.setdefault("injected", "by the application")

    def ensure_sync(self, function):
        if not inspect.iscoroutinefunction(function):
            return function
        return lambda *args, **kwargs: asyncio.run(function(*args, **kwargs))


class FakeBlueprint:
    deferred_functions = ()

    def __init__(self, name, templates):
        self.name = name
        self.import_name = f"fake.{name}"
        self.jinja_loader = None if templates is None else jinja2.DictLoader(templates)


class FakeContext:
    def __init__(self, app, request=None):
        self.app = app
        self.g = object()
        self.request = request
        self.request_owner = None if request is None else self
        self.log = []

    def hold(self):
        pass

    def release(self):
        pass

    def __enter__(self):
        self.log.append("push")
        self.token = _cv_app.set(self)

    def __exit__(self, *exc_info):
        self.log.append("pop")
        _cv_app.reset(self.token)


@contextmanager
def bound(ctx):
    token = _cv_app.set(ctx)
    try:
        yield ctx
    finally:
        _cv_app.reset(token)


@pytest.fixture
def app():
    with bound(
        FakeContext(
            app := FakeApp({"a": "A {{ x }} {{ injected }}", "b": "B", "m": "{% macro f(x) %}<{{ x }}>{% endmacro %}"})
        )
    ):
        yield app


@pytest.fixture
def signals(app):
    sent = []

    def before(sender, template, context):
        context["x"] = f"{context.get('x', '')}!"
        sent.append((sender, "before", template.name, dict(context)))

    async def after(sender, template, context):
        await asyncio.sleep(0)
        sent.append((sender, "after", template.name, dict(context)))

    with before_render_template.connected_to(before, app), template_rendered.connected_to(after, app):
        yield sent


# -- rendering ---------------------------------------------------------------------------------------------------------


def test_render_template(app):
    assert templating.render_template("a", x="<i>") == "A &lt;i&gt; by the application"
    assert templating.render_template(["missing", "b", "a"]) == "B"
    assert templating.render_template(app.jinja_env.get_template("b")) == "B"
    assert type(templating.render_template("b")) is str


def test_render_template_string(app):
    assert templating.render_template_string("{{ x }}, {{ injected }}", x=1) == "1, by the application"


def test_a_missing_template_names_what_was_looked_for(app):
    with pytest.raises(jinja2.TemplateNotFound, match="missing"):
        templating.render_template("missing")
    with pytest.raises(jinja2.TemplatesNotFound, match=r"missing.*other"):
        templating.render_template(["missing", "other"])


@pytest.mark.parametrize(
    "render",
    [
        templating.render_template,
        templating.render_template_string,
        templating.stream_template,
        templating.stream_template_string,
    ],
)
def test_rendering_needs_an_application(render):
    with pytest.raises(RuntimeError, match="outside of application context"):
        render("a")


def test_signals_are_sent_around_rendering(app, signals):
    assert templating.render_template("a", x=1) == "A 1! by the application"
    context = {"x": "1!", "injected": "by the application"}
    assert signals == [(app, "before", "a", context), (app, "after", "a", context)]
    signals.clear()
    templating.render_template_string("")
    assert [(kind, name) for _, kind, name, _ in signals] == [("before", None), ("after", None)]


def test_stream_template(app, signals):
    stream = templating.stream_template("a", x=1)
    assert [kind for _, kind, *_ in signals] == ["before"]
    assert "".join(stream) == "A 1! by the application"
    assert [kind for _, kind, *_ in signals] == ["before", "after"]
    assert "".join(templating.stream_template(["missing", "b"])) == "B"


def test_stream_template_string_is_lazy(app):
    produced = []

    def numbers():
        for number in range(3):
            produced.append(number)
            yield number

    stream = templating.stream_template_string("{% for n in numbers %}{{ n }}{% endfor %}", numbers=numbers())
    assert next(stream) == "0" and produced == [0]
    assert list(stream) == ["1", "2"]


def test_a_stream_keeps_the_request(app):
    ctx = FakeContext(app, SimpleNamespace(path="/here"))
    app.jinja_env.globals["request"] = request
    with bound(ctx):
        stream = templating.stream_template_string("{{ request.path }}")
    assert ctx.log == []
    assert list(stream) == ["/here"]
    assert ctx.log == ["push", "pop"]


# -- what templates see ------------------------------------------------------------------------------------------------


def test_default_context(app):
    seen = templating._default_template_ctx_processor
    assert seen() == {"g": _cv_app.get().g}
    with bound(FakeContext(app, SimpleNamespace())) as ctx:
        assert seen() == {"g": ctx.g, "request": ctx.request}
        inner = FakeContext(app)
        inner.request_owner = ctx
        with bound(inner):
            assert seen() == {"g": inner.g, "request": ctx.request}


def test_default_context_without_an_application():
    assert templating._default_template_ctx_processor() == {}


# -- finding -----------------------------------------------------------------------------------------------------------


def test_environment_makes_its_loader_unless_given_one(app):
    assert app.jinja_env.app is app
    assert type(app.jinja_env.loader) is templating.DispatchingJinjaLoader
    own = jinja2.DictLoader({})
    assert templating.Environment(app, loader=own).loader is own
    assert templating.Environment(app, loader=None).loader is None


@pytest.mark.parametrize("explain", [False, True])
def test_the_application_comes_first_then_blueprints_in_order(explain):
    app = FakeApp({"x": "app"}, one={"x": "one", "y": "one"}, none=None, two={"y": "two", "z": "two"})
    app.config["EXPLAIN_TEMPLATE_LOADING"] = explain
    with bound(FakeContext(app)):
        assert [templating.render_template(name) for name in "xyz"] == ["app", "one", "two"]
        with pytest.raises(jinja2.TemplateNotFound, match="w"):
            templating.render_template("w")
    assert len(app.logged) == (4 if explain else 0)


def test_an_application_without_templates():
    app = FakeApp(None, one={"x": "one"})
    with bound(FakeContext(app)):
        assert templating.render_template("x") == "one"
    assert app.jinja_env.list_templates() == ["x"]


def test_list_templates_lists_each_once():
    app = FakeApp({"x": ""}, one={"x": "", "y": ""})
    assert sorted(app.jinja_env.loader.list_templates()) == ["x", "y"]


def test_looking_stops_at_the_first_find(monkeypatch):
    app = FakeApp({"x": "app"}, one={"x": "one"})
    asked = []
    monkeypatch.setattr(app.blueprints[0].jinja_loader, "get_source", lambda *args: asked.append(args))
    with bound(FakeContext(app)):
        templating.render_template("x")
    assert asked == []


def test_a_subclass_may_say_which_loaders_there_are(app):
    class Own(templating.DispatchingJinjaLoader):
        def _iter_loaders(self, template):
            yield self.app, jinja2.DictLoader({template: "made for " + template})

    assert templating.Environment(app, loader=Own(app)).get_template("t").render() == "made for t"
