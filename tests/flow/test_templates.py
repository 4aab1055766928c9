"""Templates in both kinds of view: plain strings, streams, what templates see, where they are found."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from contextvars import ContextVar

import pytest

from asyncflask import (
    App,
    Blueprint,
    g,
    get_template_attribute,
    render_template,
    render_template_string,
    request,
    stream_template,
    stream_template_string,
)

from .asking import BY_WAY, Client, all_of, ask, environ_of
from .colours import COLOURS, both


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


@pytest.fixture
def app(app, tmp_path):
    """An application whose templates are in a folder of the test."""
    app.root_path = str(tmp_path)
    return app


def write(folder, **texts):
    folder.mkdir(exist_ok=True, parents=True)
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text)


# -- rendering


def test_rendering_gives_plain_text(app, asked, colour, tmp_path):
    write(tmp_path / "templates", page="<p>{{ x }}</p>")

    def view():
        texts = [
            render_template("page.html", x="<1>"),
            render_template(["missing.html", "page.html"], x=2),
            render_template_string("{{ x }}", x=3),
        ]
        assert [type(text) for text in texts] == [str] * 3
        return texts

    both(app, view)
    assert asked(f"/{colour}").json == ["<p>&lt;1&gt;</p>", "<p>2</p>", "3"]


@pytest.mark.parametrize("by", ["name", "source"])
def test_a_stream_sees_its_request_to_the_end(app, asked, colour, tmp_path, by):
    source = "{{ request.path }} {% for n in range(3) %}{{ n }} {{ session.get('a', 'no') }}{% endfor %}"
    write(tmp_path / "templates", page=source)
    both(app, lambda: stream_template("page.html") if by == "name" else stream_template_string(source))
    assert asked(f"/{colour}").text == f"/{colour} 0 no1 no2 no"


async def test_the_first_piece_is_sent_before_the_last_is_made(app, colour):
    made = []

    def numbers():
        for n in range(3):
            made.append(n)
            yield n

    class Watching(Client):
        async def send(self, message):
            if message.get("body"):
                seen.append((message["body"], list(made)))
            await super().send(message)

    seen = []
    both(app, lambda: stream_template_string("{% for n in numbers %}{{ n }}{% endfor %}", numbers=numbers()))
    client = Watching(environ_of(f"/{colour}"))
    await client.run(app)
    assert client.got.text == "012"
    assert seen[0] == (b"0", [0])
    await app.shutdown()


# -- what templates see


def test_context_processors_of_app_and_blueprint(app, asked, colour):
    """What the view passes wins, then the blueprint's, then the application's."""
    blue = Blueprint("blue", __name__, url_prefix="/blue")
    both(blue, lambda: render_template_string("{{ a }} {{ b }} {{ c }} {{ d }}", a="view"))
    both(app, lambda: render_template_string("{{ a }} {{ b }} {{ c }} {{ d }}", a="view"))
    app.context_processor(lambda: {"a": "app", "b": "app", "c": "app"})
    blue.context_processor(lambda: {"a": "blue", "b": "blue"})
    blue.app_context_processor(lambda: {"d": "for all"})
    app.register_blueprint(blue)
    assert asked(f"/blue/{colour}").text == "view blue app for all"
    assert asked(f"/{colour}").text == "view app app for all"


def test_a_context_processor_may_be_async(app, asked, colour):
    @app.context_processor
    async def processor():
        await asyncio.sleep(0)
        return {"a": "awaited"}

    both(app, lambda: render_template_string("{{ a }}"))
    assert asked(f"/{colour}").text == "awaited"


def test_update_template_context_may_be_called_by_hand(app):
    app.context_processor(lambda: {"a": "processor", "b": "processor"})
    context = {"a": "given"}
    with app.test_request_context("/here") as ctx:
        app.update_template_context(context)
        # not the session: putting it there would count as reading it; templates find it among the globals
        assert context == {"a": "given", "b": "processor", "g": ctx.g, "request": ctx.request}


@pytest.mark.parametrize("owner", ["app", "blueprint"])
def test_filters_tests_and_globals(app, asked, colour, owner):
    blue = Blueprint("blue", __name__)
    prefix, registry = ("", app) if owner == "app" else ("app_", blue)
    for kind in ("filter", "test", "global"):
        decorate = getattr(registry, f"{prefix}template_{kind}")
        add = getattr(registry, f"add_{prefix}template_{kind}")

        @decorate()
        def bare(value="x"):
            return f"({value})"

        @decorate(f"named_{kind}")
        def other(value="x"):
            return f"[{value}]"

        add(lambda value="x": f"<{value}>", f"added_{kind}")
    app.register_blueprint(blue)
    source = (
        "{{ 1|bare }}{{ 1|named_filter }}{{ 1|added_filter }}"
        "{{ 1 is bare }}{{ 1 is named_test }}{{ 1 is added_test }}"
        "{{ bare() }}{{ named_global(1) }}{{ added_global(1) }}"
    )
    both(app, lambda: render_template_string(source))
    assert asked(f"/{colour}").text == "(1)[1]&lt;1&gt;(1)[1]&lt;1&gt;(x)[1]&lt;1&gt;"


@pytest.mark.parametrize(
    ("name", "escaped"), [(f"x.{end}", True) for end in ("html", "htm", "xml", "xhtml", "svg")] + [("x.txt", False)]
)
def test_escaping_goes_by_the_name(app, asked, tmp_path, name, escaped):
    write(tmp_path / "templates")
    (tmp_path / "templates" / name).write_text("{{ x }}{{ x|safe }}{% autoescape false %}{{ x }}{% endautoescape %}")
    both(app, lambda: render_template(name, x="<i>"))
    assert asked("/def").text == ("&lt;i&gt;" if escaped else "<i>") + "<i><i>"


def test_names_that_are_always_there(app, asked, colour, tmp_path):
    source = (
        "{{ config.TESTING }} {{ request.path }} {{ session.get('a') }} {{ g.get('a') }} {{ url_for('named') }} "
        "{{ get_flashed_messages() }}"
    )
    write(tmp_path / "templates", macros="{% macro path() %}{{ request.path }}{% endmacro %}")
    app.add_url_rule("/named", "named", lambda: "")
    imported = "{% from 'macros.html' import path %} {{ path() }}"
    both(app, lambda: render_template_string(source + imported))
    assert asked(f"/{colour}").text == f"True /{colour} None None /named [] /{colour}"


def test_outside_of_a_request_there_is_no_request_to_see(app):
    source = "{{ request is defined and request.__class__.__name__ }} {{ g.x }} {{ config.TESTING }}"
    with app.app_context() as ctx:
        ctx.g.x = "g"
        context = {}
        app.update_template_context(context)
        assert set(context) == {"g"}
        assert render_template_string(source).split()[1:] == ["g", "True"]


def test_a_macro_is_called_from_python(app, asked, colour, tmp_path):
    write(tmp_path / "templates", macros="{% macro hello(name) %}Hello {{ name }}{% endmacro %}{% set x = 42 %}")

    def view():
        return [get_template_attribute("macros.html", "hello")("<you>"), get_template_attribute("macros.html", "x")]

    both(app, view)
    assert asked(f"/{colour}").json == ["Hello &lt;you&gt;", 42]


# -- where they are found


def test_the_application_comes_before_blueprints(app, asked, colour, tmp_path):
    write(tmp_path / "templates", a="app")
    write(tmp_path / "one", a="one", b="one")
    write(tmp_path / "two", a="two", b="two", c="two")
    for name in ("one", "two"):
        blue = Blueprint(name, __name__, url_prefix=f"/{name}", root_path=str(tmp_path), template_folder=name)
        both(blue, lambda: [render_template(f"{template}.html") for template in "abc"])
        app.register_blueprint(blue)
    for name in ("one", "two"):  # a blueprint's own templates do not go first in its own views
        assert asked(f"/{name}/{colour}").json == ["app", "one", "two"]
    assert sorted(app.jinja_env.list_templates()) == ["a.html", "b.html", "c.html"]


def test_looking_can_be_explained(app, asked, colour, tmp_path, caplog):
    app.config["EXPLAIN_TEMPLATE_LOADING"] = True
    write(tmp_path / "templates", other="")
    write(tmp_path / "one", page="page")
    blue = Blueprint("one", __name__, url_prefix="/one", root_path=str(tmp_path), template_folder="one")
    both(blue, lambda: render_template("page.html"))
    app.register_blueprint(blue)
    with caplog.at_level(logging.INFO, app.logger.name):
        assert asked(f"/one/{colour}").text == "page"
    told = caplog.text
    assert "Locating template 'page.html'" in told
    app_at, blue_at = told.index(str(tmp_path / "templates")), told.index(str(tmp_path / "one"))
    assert app_at < blue_at
    assert "no match" in told and "found" in told


@pytest.mark.parametrize(
    ("config", "seen"),
    [
        ({"TEMPLATES_AUTO_RELOAD": True}, "new"),
        ({"TEMPLATES_AUTO_RELOAD": None, "DEBUG": True}, "new"),
        ({"TEMPLATES_AUTO_RELOAD": False, "DEBUG": True}, "old"),
        ({}, "old"),
    ],
)
def test_a_template_that_was_edited(app, asked, colour, tmp_path, config, seen):
    app.config.update(config)
    write(tmp_path / "templates", page="old")
    both(app, lambda: render_template("page.html"))
    assert asked(f"/{colour}").text == "old"
    write(tmp_path / "templates", page="new")
    os.utime(tmp_path / "templates" / "page.html", (1, 1))  # another time than before, whatever the clock's steps
    assert asked(f"/{colour}").text == seen


# -- async environments


class AsyncApp(App):
    jinja_options = {"enable_async": True}  # noqa: RUF012  as Flask's documentation sets it


@pytest.fixture
def async_app():
    app = AsyncApp("asyncflask_test", root_path=os.path.dirname(__file__))
    app.testing = True
    yield app
    app.close_threads()


async def numbers():
    for n in range(3):
        await asyncio.sleep(0)
        yield n


async def value():
    await asyncio.sleep(0)
    return "value"


@pytest.mark.parametrize("render", [render_template_string, stream_template_string])
@pytest.mark.parametrize("way", BY_WAY)
def test_coroutines_in_templates_are_awaited(async_app, way, colour, render):
    app = async_app

    @app.context_processor
    async def processor():
        await asyncio.sleep(0)
        return {"processed": "processor"}

    @app.template_filter()
    async def shout(text):
        await asyncio.sleep(0)
        return text.upper()

    @app.template_global()
    async def everywhere():
        await asyncio.sleep(0)
        return "global"

    source = (
        "{{ processed }} {{ 'x'|shout }} {{ everywhere() }} {{ value() }} {{ value }} {{ request.path }} "
        "{% for n in numbers %}{{ n }}{% endfor %}{% for n in [3] %}{{ n }}{% endfor %}"
    )

    def view():
        return render(source, value=value, numbers=numbers())

    both(app, view)
    text = BY_WAY[way](app, f"/{colour}").text
    shown, _, rest = text.partition(" &lt;function")
    assert shown == "processor X global value"
    assert rest.endswith(f"/{colour} 0123")


@pytest.mark.parametrize("way", BY_WAY)
def test_a_macro_of_an_async_environment_is_awaited(async_app, way, colour, tmp_path):
    app = async_app
    app.root_path = str(tmp_path)
    write(tmp_path / "templates", macros="{% macro hello(f) %}Hello {{ f() }}{% endmacro %}{% set x = 42 %}")

    def view():
        return [get_template_attribute("macros.html", "hello")(value), get_template_attribute("macros.html", "x")]

    both(app, view)
    assert BY_WAY[way](app, f"/{colour}").json == ["Hello value", 42]


@pytest.mark.parametrize("way", BY_WAY)
def test_async_code_of_templates_is_part_of_the_request(async_app, way, colour):
    """It sees the request, and what it sets is there afterwards; its errors are the view's."""
    app = async_app
    variable = ContextVar("variable", default="unset")

    @app.context_processor
    async def processor():
        await asyncio.sleep(0)
        g.a = "g"
        variable.set("set")
        return {"processed": request.path}

    async def fail():
        await asyncio.sleep(0)
        raise LookupError("in the template")

    app.register_error_handler(LookupError, str)
    both(app, lambda: [render_template_string("{{ processed }} {{ g.a }}"), g.a, variable.get()])
    both(app, lambda: render_template_string("{{ fail() }}", fail=fail), "/fail")
    assert BY_WAY[way](app, f"/{colour}").json == [f"/{colour} g", "g", "set"]
    assert BY_WAY[way](app, f"/{colour}/fail").text == "in the template"


async def test_a_stream_of_an_async_environment_is_closed_when_its_client_leaves(async_app, colour):
    app, closed = async_app, threading.Event()

    async def endless():
        try:
            while True:
                await asyncio.sleep(0)
                yield 1
        finally:
            await asyncio.sleep(0)
            closed.set()

    both(app, lambda: stream_template_string("{% for n in endless %}{{ n }}{% endfor %}", endless=endless()))
    client = Client(environ_of(f"/{colour}"), leaves_after=2)
    await app.asgi(client.scope, client.receive, client.send)
    await app.shutdown()
    assert await asyncio.to_thread(closed.wait, 60)  # on the loop on which the template's code runs
    assert not client.complete


async def test_many_requests_of_an_async_environment_at_once(async_app, colour):
    async def own():
        await asyncio.sleep(0)
        return request.args["q"]

    both(async_app, lambda: render_template_string("{{ own() }}", own=own))
    answers = await all_of(*(ask(async_app, f"/{colour}?q={n}") for n in range(50)))
    assert [got.text for got in answers] == [str(n) for n in range(50)]
    await async_app.shutdown()


@pytest.mark.parametrize("session_is_read", [True, False])
def test_a_template_that_reads_the_session_makes_the_answer_vary(app, asked, colour, session_is_read):
    both(app, lambda: render_template_string("{{ session.a }}" if session_is_read else "{{ a }}"))
    assert ("Vary" in asked(f"/{colour}").headers) is session_is_read


def test_a_new_app_renders_outside_of_requests_in_either_environment(app, async_app):
    for one in (app, async_app):
        with one.app_context():
            assert render_template_string("{{ 1 + 1 }}") == "2"


async def test_a_new_app_renders_where_a_loop_runs(app, async_app):
    for one in (app, async_app):
        with one.app_context():
            assert render_template_string("{{ 1 + 1 }}") == "2"
            assert "".join(stream_template_string("{{ 1 + 1 }}")) == "2"
