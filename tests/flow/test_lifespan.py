"""What an application does before, while and after it serves, and what becomes of that where something fails."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from contextlib import asynccontextmanager

import pytest

from asyncflask import App, Blueprint, current_app, g, has_request_context, request
from asyncflask.lifetime import State
from asyncflask.signals import got_serving_exception

from .asking import ask, ask_wsgi
from .lifespans import Lifespan


def noting(events):
    """Functions and generators that write their names down, sync and async."""

    def plain(name):
        def function():
            assert current_app and not has_request_context()
            events.append((name, threading.current_thread() is threading.main_thread()))

        return function

    def coroutine(name):
        async def function():
            await asyncio.sleep(0)
            assert current_app and not has_request_context()
            events.append((name, threading.current_thread() is threading.main_thread()))

        return function

    def generator(name):
        def function():
            events.append((f"{name} begins", threading.current_thread() is threading.main_thread()))
            yield
            events.append((f"{name} ends", threading.current_thread() is threading.main_thread()))

        return function

    def async_generator(name):
        async def function():
            events.append((f"{name} begins", threading.current_thread() is threading.main_thread()))
            yield
            events.append((f"{name} ends", threading.current_thread() is threading.main_thread()))

        return function

    return plain, coroutine, generator, async_generator


async def test_everything_runs_in_its_order_and_sync_functions_not_on_the_loop(app):
    events = []
    plain, coroutine, generator, async_generator = noting(events)
    app.before_serving(plain("before, def"))
    app.before_serving(coroutine("before, async"))
    app.while_serving(generator("while, def"))
    app.while_serving(async_generator("while, async"))
    app.after_serving(plain("after, def"))
    app.after_serving(coroutine("after, async"))
    app.add_url_rule("/", view_func=lambda: "answer")
    async with Lifespan(app) as lifespan:
        assert (await lifespan.ask("/")).text == "answer"
        events.append("served")
    assert events == [
        ("before, def", False),
        ("before, async", True),
        ("while, def begins", False),
        ("while, async begins", True),
        "served",
        ("after, def", False),
        ("after, async", True),
        ("while, async ends", True),
        ("while, def ends", False),
    ]


async def test_blueprints_have_them_too_for_the_whole_application(app):
    events = []
    plain, coroutine, _, async_generator = noting(events)
    blueprint = Blueprint("b", __name__)
    blueprint.before_app_serving(plain("before"))
    blueprint.while_app_serving(async_generator("while"))
    blueprint.after_app_serving(coroutine("after"))
    app.register_blueprint(blueprint)
    app.register_blueprint(blueprint, name="again")
    async with Lifespan(app):
        pass
    assert [name for name, _ in events] == ["before", "while begins", "after", "while ends"]


async def test_a_function_that_returns_a_context_manager(app):
    events = []

    @app.while_serving
    @asynccontextmanager
    async def pool():
        events.append("open")
        yield
        events.append("closed")

    async with Lifespan(app):
        assert events == ["open"]
    assert events == ["open", "closed"]


@pytest.mark.parametrize("kind", ["before", "while", "mount"])
async def test_a_failed_start_undoes_what_had_started_and_says_why(app, caplog, kind):
    events = []
    plain, _, generator, async_generator = noting(events)
    heard = []
    got_serving_exception.connect(lambda sender, exception: heard.append(exception), app, weak=False)
    app.before_serving(plain("before"))
    app.while_serving(async_generator("first"))
    app.while_serving(generator("second"))
    app.after_serving(plain("after"))

    async def refused(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no disk"})

    def fails():
        raise ConnectionError("no database")

    def fails_to_begin():
        raise ConnectionError("no database")
        yield

    if kind == "before":
        app.before_serving(fails)
    elif kind == "while":
        app.while_serving(fails_to_begin)
    else:
        app.mount("/good", mounted := App("mounted"))
        mounted.while_serving(async_generator("mounted"))
        app.mount("/bad", refused)

    lifespan = Lifespan(app)
    with caplog.at_level(logging.ERROR):
        answer = await lifespan.start()
    assert answer["type"] == "lifespan.startup.failed"
    assert len(heard) == 1
    names = [name for name, _ in events]
    if kind == "before":
        assert "ConnectionError: no database" in answer["message"]
        assert "before_serving function" in answer["message"] and "fails" in answer["message"]
        assert names == ["before", "after"]
    elif kind == "while":
        assert "while_serving generator" in answer["message"]
        assert names == ["before", "first begins", "second begins", "after", "second ends", "first ends"]
    else:
        assert "'/bad' did not start: no disk" in answer["message"]
        assert names[3:5] == ["mounted begins", "mounted ends"]
        assert names[5:] == ["after", "second ends", "first ends"]
    assert "The application cannot start" in caplog.text
    assert not app.threads.stats().threads


@pytest.mark.parametrize("error", [SystemExit("no configuration"), asyncio.CancelledError()], ids=["exit", "cancelled"])
async def test_what_is_no_exception_refuses_the_start_too(app, error):
    """A server takes a lifespan that raises for one that is not there, and would serve what has not started."""
    events = []

    @app.while_serving
    async def first():
        events.append("begins")
        yield
        events.append("ends")

    @app.while_serving
    async def fails():
        raise error
        yield

    said = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        said.append(message)

    with pytest.raises(type(error)):
        await app.asgi({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    assert "while_serving generator" in said[0]["message"]
    assert events == ["begins", "ends"]


async def test_one_that_fails_at_the_stop_keeps_nobody_else_from_it(app, caplog):
    events = []
    plain, _, _, async_generator = noting(events)

    @app.while_serving
    async def last():
        yield
        raise ValueError("second")

    app.while_serving(async_generator("while"))

    @app.after_serving
    async def fails():
        raise ValueError("first")

    app.after_serving(plain("after"))
    lifespan = Lifespan(app)
    await lifespan.start()
    answer = await lifespan.stop()
    assert answer["type"] == "lifespan.shutdown.failed"
    assert "Several functions failed" in answer["message"]
    assert [name for name, _ in events] == ["while begins", "after", "while ends"]
    assert "fails failed while the application stopped" in caplog.text


def test_what_is_no_function_of_that_kind_is_refused_when_it_is_registered(app):
    async def coroutine():
        pass

    def generator():
        yield

    with pytest.raises(TypeError, match=r"while_serving takes a function that yields once.*coroutine"):
        app.while_serving(coroutine)
    for register in (app.before_serving, app.after_serving):
        with pytest.raises(TypeError, match=r"yields. Use 'while_serving'"):
            register(generator)
        with pytest.raises(TypeError, match="takes a function"):
            register(42)
    with pytest.raises(TypeError, match="takes a function"):
        app.while_serving(None)


async def test_a_generator_that_does_not_yield_or_yields_twice(app):
    @app.while_serving
    async def twice():
        yield
        yield

    lifespan = Lifespan(app)
    await lifespan.start()
    answer = await lifespan.stop()
    assert answer["type"] == "lifespan.shutdown.failed"
    assert "twice" in answer["message"] and "didn't stop" in answer["message"]


async def test_set_up_is_over_after_the_first_request(app):
    app.add_url_rule("/", view_func=lambda: "")
    await ask(app, "/")
    for register in (app.before_serving, app.while_serving, app.after_serving):
        with pytest.raises(AssertionError, match="can no longer be called"):
            register(lambda: None)


# -- state -------------------------------------------------------------------------------------------------------------


async def test_state_is_shared_through_the_scope(app):
    @app.before_serving
    async def fill():
        app.state.pool = "a pool"

    @app.get("/")
    async def index():
        return [current_app.state.pool, request.scope["state"]["pool"], current_app.state.outer]

    lifespan = Lifespan(app)
    lifespan.state["outer"] = "of a middleware"
    async with lifespan:
        assert lifespan.state == {"outer": "of a middleware", "pool": "a pool"}
        assert (await lifespan.ask("/")).json == ["a pool", "a pool", "of a middleware"]


async def test_a_server_without_lifespan_state(app):
    app.before_serving(lambda: setattr(app.state, "pool", 1))
    app.add_url_rule("/", view_func=lambda: str(current_app.state.pool))
    async with Lifespan(app, state=False) as lifespan:
        assert (await lifespan.ask("/")).text == "1"


def test_state_is_a_small_namespace():
    class Typed(State):
        pool: str
        workers: int = 3

    state = Typed()
    state.pool = "p"
    assert (state.pool, state.workers, "pool" in state, list(state), len(state)) == ("p", 3, True, ["pool"], 1)
    assert (state.get("pool"), state.get("nothing", 5)) == ("p", 5)
    assert repr(state) == "<Typed ['pool']>"
    del state.pool
    with pytest.raises(AttributeError, match=r"no 'pool'.*before_serving"):
        state.pool  # noqa: B018
    with pytest.raises(AttributeError, match="no 'pool'"):
        del state.pool


# -- mounted applications ----------------------------------------------------------------------------------------------


async def test_lifespans_of_mounted_applications_run_in_turn(app):
    events = []
    inner = App("inner")

    @inner.while_serving
    async def serving():
        events.append(f"inner begins with {sorted(current_app.state)}")
        current_app.state.own = 1
        yield
        events.append("inner ends")

    @inner.get("/state")
    async def state():
        return sorted(request.scope["state"])

    async def plain(scope, receive, send):
        assert scope["type"] == "lifespan"
        assert (await receive())["type"] == "lifespan.startup"
        events.append("plain begins")
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        events.append("plain ends")
        await send({"type": "lifespan.shutdown.complete"})

    async def knows_none(scope, receive, send):
        assert scope["type"] == "http"

    async def takes_all_for_requests(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app.before_serving(lambda: setattr(app.state, "outer", 1))
    app.mount("/inner", inner)
    app.mount("/inner/again", inner)
    app.mount("/plain", plain)
    app.mount("/none", knows_none)
    app.mount("/any", takes_all_for_requests)
    app.mount("/wsgi", lambda environ, start_response: [])
    async with Lifespan(app) as lifespan:
        assert events == ["inner begins with ['outer']", "plain begins"]
        assert (await lifespan.ask("/inner/state")).json == ["outer", "own"]
        assert (await lifespan.ask("/inner/again/state")).json == ["outer", "own"]
        assert sorted(app.state) == ["outer"]
    assert events[2:] == ["plain ends", "inner ends"]
    inner.close_threads()


async def test_a_mounted_application_that_fails_while_it_stops(app):
    async def fails(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise OSError("gone")

    app.mount("/m", fails)
    lifespan = Lifespan(app)
    await lifespan.start()
    answer = await lifespan.stop()
    assert answer["type"] == "lifespan.shutdown.failed"
    assert "'/m' failed while it stopped" in answer["message"]


# -- servers that run no lifespan --------------------------------------------------------------------------------------


async def test_without_a_lifespan_the_first_request_starts_the_application_and_says_so_once(app, caplog):
    ran = []
    app.before_serving(lambda: ran.append(1))
    app.add_url_rule("/", view_func=lambda: str(len(ran)))
    assert not app.stages.serves_http_directly
    answers = await asyncio.gather(*(ask(app.asgi, "/") for _ in range(3)))
    assert [answer.text for answer in answers] == ["1", "1", "1"]
    assert caplog.text.count("The server runs no lifespan") == 1
    assert app.stages.serves_http_directly
    await app.shutdown()


async def test_without_a_lifespan_a_mounted_application_of_ours_starts_with_its_own_first_request(app):
    ran = []
    inner = App("inner")
    inner.before_serving(lambda: ran.append(1))
    inner.add_url_rule("/", view_func=lambda: "inner")

    async def foreign(scope, receive, send):
        assert scope["type"] != "lifespan"

    app.mount("/foreign", foreign)
    app.mount("/inner", inner)
    app.add_url_rule("/", view_func=lambda: "outer")
    assert (await ask(app, "/")).text == "outer"
    assert not ran
    assert (await ask(app, "/inner/")).text == "inner"
    assert ran == [1]
    await inner.shutdown()


async def test_a_start_with_the_first_request_that_fails_is_tried_again(app):
    tries = []

    @app.before_serving
    def fails_once():
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("not yet")

    app.add_url_rule("/", view_func=lambda: "up")
    with pytest.raises(ConnectionError):
        await ask(app, "/")
    assert (await ask(app, "/")).text == "up"
    await app.shutdown()


def test_under_wsgi_the_first_request_starts_the_application(app):
    events = []
    _, coroutine, _, async_generator = noting(events)
    app.while_serving(async_generator("while"))
    app.after_serving(coroutine("after"))
    app.add_url_rule("/", view_func=lambda: "up")
    assert ask_wsgi(app, "/").text == "up"
    assert ask_wsgi(app, "/").text == "up"
    assert [name for name, _ in events] == ["while begins"]
    from asyncflask.lifetime.serving import stop_all  # what runs at exit

    stop_all()
    assert [name for name, _ in events] == ["while begins", "after", "while ends"]


AT_EXIT = """
import sys, asyncflask
from werkzeug.test import run_wsgi_app, EnvironBuilder
app = asyncflask.App("at_exit", root_path=".")

@app.while_serving
async def serving():
    print("begins")
    yield
    print("ends")

@app.after_serving
def after():
    print("after")

def work():
    sys.stdout.write("work\\n")  # in one piece, as the main thread may be printing

@app.get("/")
def index():
    app.add_background_task(work)
    return "answer"

sys.stdout.write(b"".join(run_wsgi_app(app, EnvironBuilder("/").get_environ())[0]).decode() + "\\n")
"""


def test_under_wsgi_it_stops_when_the_process_ends():
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, timeout=60)
    lines = done.stdout.split()
    assert (done.returncode, done.stderr) == (0, "")
    assert (lines[0], lines[-2:], sorted(lines[1:3])) == ("begins", ["after", "ends"], ["answer", "work"])


def test_the_sync_client_starts_the_application_too(app, caplog):
    thread = []
    app.before_serving(lambda: thread.append(threading.current_thread()))
    app.add_url_rule("/", view_func=lambda: "up")
    with app.test_client() as client:
        assert client.get("/").text == "up"
        assert client.get("/").text == "up"
    assert thread == [threading.main_thread()]
    assert "lifespan" not in caplog.text


async def test_start_twice_runs_once(app):
    ran = []
    app.before_serving(lambda: ran.append(1))
    await app.startup()
    await app.startup()
    await app.shutdown()
    assert ran == [1]
    await app.startup()
    await app.shutdown()
    assert ran == [1, 1]


async def test_teardown_of_the_application_context_runs_around_both(app):
    ended = []

    @app.teardown_appcontext
    def teardown(error):
        ended.append(g.get("opened"))

    @app.before_serving
    async def opens():
        g.opened = "at the start"

    async with Lifespan(app):
        assert ended == ["at the start"]
    assert ended == ["at the start", None]


def test_a_scope_of_another_type_is_refused_by_name() -> None:
    async def nobody(*_: object) -> None:
        raise AssertionError("neither receives nor sends")

    app = App("scopes", static_folder=None)
    with pytest.raises(RuntimeError, match="A scope of type 'tcp' cannot be served"):
        asyncio.run(app.asgi({"type": "tcp"}, nobody, nobody))
