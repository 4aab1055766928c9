"""Contexts that are made by hand, inside and outside of a running loop, and the tasks and threads of a handler."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from asyncflask import (
    App,
    after_this_request,
    copy_current_request_context,
    current_app,
    g,
    has_app_context,
    has_request_context,
    request,
    session,
)
from asyncflask.globals import app_ctx, request_ctx

from .asking import ask


def use_by_hand(app):
    assert not has_app_context() and not has_request_context()
    with app.app_context():
        assert current_app._get_current_object() is app
        assert has_app_context() and not has_request_context()
        g.name = "outer"
        with app.test_request_context("/path?x=1", method="POST", data={"a": "b"}):
            assert has_request_context()
            assert (request.path, request.args["x"], request.form["a"]) == ("/path", "1", "b")
            assert g.name == "outer"  # one application context for both
            session["seen"] = True
        with app.app_context():
            assert "name" not in g
        assert g.name == "outer"
    assert not has_app_context()


def test_with_outside_of_a_loop(app):
    use_by_hand(app)


async def test_with_inside_of_a_loop(app):
    use_by_hand(app)


async def test_async_with_awaits_async_teardown(app):
    ended = []

    @app.teardown_request
    async def teardown(error):
        await asyncio.sleep(0)
        ended.append(("request", request.path, error))

    @app.teardown_appcontext
    async def app_teardown(error):
        ended.append(("app", current_app.name, error))

    async with app.app_context():
        assert has_app_context()
    async with app.test_request_context("/x"):
        assert request.path == "/x"
    assert ended == [("app", app.name, None), ("request", "/x", None), ("app", app.name, None)]


@pytest.mark.parametrize("running", [False, True])
def test_plain_with_runs_async_teardown_as_well(app, running):
    ended = []

    @app.teardown_appcontext
    async def teardown(error):
        await asyncio.sleep(0)
        ended.append(type(error))

    def use():
        with pytest.raises(ZeroDivisionError), app.app_context():
            raise ZeroDivisionError

    async def use_on_loop():
        use()

    asyncio.run(use_on_loop()) if running else use()
    assert ended == [ZeroDivisionError]


def test_the_same_object_takes_both_protocols(app):
    ctx = app.app_context()

    async def both():
        with ctx:
            assert has_app_context()
        async with ctx:
            assert has_app_context()

    asyncio.run(both())
    with ctx:
        assert app_ctx._get_current_object() is ctx


def test_push_and_pop_by_hand(app):
    ctx = app.test_request_context("/x")
    ctx.push()
    ctx.push()
    assert request_ctx._get_current_object() is ctx
    ctx.pop()
    assert request.path == "/x"
    ctx.pop()
    assert not has_request_context()


def test_the_wrong_order_is_an_error(app):
    outer, inner = app.app_context(), App("other").app_context()

    def mix_up():
        outer.push()
        inner.push()
        for ctx in (outer, inner):
            with pytest.raises(AssertionError, match="Popped wrong app context"):
                ctx.pop()

    copy_context().run(mix_up)


@pytest.mark.parametrize(
    ("proxy", "text"),
    [(current_app, "application context"), (g, "application context"), (request, "request"), (session, "request")],
    ids=["current_app", "g", "request", "session"],
)
def test_outside_of_a_context_the_error_says_what_to_do(proxy, text):
    with pytest.raises(RuntimeError, match=text):
        proxy.anything  # noqa: B018


def test_g_is_a_namespace(app):
    with app.app_context():
        g.a = 1
        assert "a" in g and list(g) == ["a"]
        assert g.get("b", 2) == 2 and g.setdefault("b", 3) == 3
        assert g.pop("b") == 3 and g.pop("b", None) is None
        del g.a
        with pytest.raises(AttributeError):
            g.a  # noqa: B018


# -- in a handler ------------------------------------------------------------------------------------------------------


async def test_tasks_and_threads_of_an_async_view_see_its_request(app):
    @app.get("/<name>")
    async def view(name):
        g.seen = []

        async def child(kind):
            await asyncio.sleep(0)
            g.seen.append((kind, request.path))

        await asyncio.create_task(child("task"))
        await asyncio.gather(child("gather"), child("gather"))
        async with asyncio.TaskGroup() as group:
            group.create_task(child("group"))
        await asyncio.to_thread(lambda: g.seen.append(("thread", request.path)))
        return g.seen

    answers = await asyncio.gather(*(ask(app, f"/{number}") for number in range(20)))
    for number, answer in enumerate(answers):
        assert answer.json == [[kind, f"/{number}"] for kind in ("task", "gather", "gather", "group", "thread")]


def test_a_copy_of_the_context_goes_into_a_thread(app, asked):
    @app.get("/thread")
    def thread():
        session["name"] = "copied"
        found = []
        work = copy_current_request_context(lambda: found.append((request.path, session["name"])))
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
        return str(found[0])

    @app.get("/executor")
    def executor():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(copy_current_request_context(lambda: request.path)).result()

    @app.get("/task")
    async def task():
        @copy_current_request_context
        async def later():
            await asyncio.sleep(0)
            return request.path

        return await asyncio.create_task(later())

    assert asked("/thread").text == "('/thread', 'copied')"
    assert asked("/executor").text == "/executor"
    assert asked("/task").text == "/task"


def test_a_copy_has_the_session_of_its_request_though_nobody_has_touched_that_yet(app, asked):
    @app.get("/")
    def view():
        @copy_current_request_context
        def remember():
            session["name"] = "copied"

        with ThreadPoolExecutor(1) as pool:
            pool.submit(remember).result()
        return session["name"]

    answer = asked("/")
    assert answer.text == "copied" and "session=" in answer.headers["Set-Cookie"]


async def test_a_copy_outlives_its_request(app):
    kept = []

    @app.get("/")
    async def view():
        go_on = asyncio.Event()

        @copy_current_request_context
        async def later():
            await go_on.wait()
            return request.path, current_app.name

        kept.extend((go_on, asyncio.create_task(later())))
        return "ok"

    await ask(app, "/")
    go_on, task = kept
    go_on.set()
    assert await task == ("/", app.name)


@pytest.mark.parametrize("kind", ["def", "async"])
def test_after_this_request(app, asked, kind):
    """In the order they were registered, before the after hooks, and only this once."""

    @app.after_request
    def after(response):
        response.headers.add("X-Order", "hook")
        return response

    def view():
        if request.args:

            @after_this_request
            def first(response):
                response.headers.add("X-Order", "first")
                return response

            @after_this_request
            async def second(response):
                await asyncio.sleep(0)
                response.headers.add("X-Order", "second")
                return response

        return "ok"

    async def async_view():
        return view()

    app.add_url_rule("/", "view", view if kind == "def" else async_view)
    assert asked("/?x=1").headers.getlist("X-Order") == ["first", "second", "hook"]
    assert asked("/").headers.getlist("X-Order") == ["hook"]


def test_an_application_context_inside_of_a_request_still_sees_it(app, asked):
    @app.get("/x")
    async def view():
        g.name = "request"
        with app.app_context():
            inside = request.path, "name" in g
        return [*inside, g.name]

    assert asked("/x").json == ["/x", False, "request"]


async def test_a_thousand_interleaved_requests_are_told_apart(app):
    app.before_request(lambda: setattr(g, "before", request.args["id"]))

    @app.get("/def/<id>")
    def sync(id):
        return f"{id} {request.args['id']} {g.before}"

    @app.get("/async/<id>")
    async def asynchronous(id):
        for _ in range(int(id) % 5):
            await asyncio.sleep(0)
        return f"{id} {request.args['id']} {g.before}"

    async def one(number):
        kind = ("def", "async")[number % 2]
        assert (await ask(app, f"/{kind}/{number}?id={number}")).text == f"{number} {number} {number}"

    await asyncio.gather(*(one(number) for number in range(1000)))


@pytest.mark.parametrize("kind", ["def", "async"])
async def test_sync_code_calls_async_code_on_the_serving_loop(app, kind):
    import anyio.from_thread

    async def loop_and_path():
        await asyncio.sleep(0)
        return id(asyncio.get_running_loop()), request.path

    @app.get("/")
    def view():
        by_app = current_app.async_to_sync(loop_and_path)()
        by_anyio = anyio.from_thread.run(loop_and_path)
        by_ensure = current_app.ensure_sync(loop_and_path)()
        return [by_app, by_anyio, by_ensure]

    @app.get("/async")
    async def async_view():
        with pytest.raises(RuntimeError, match="await"):
            current_app.async_to_sync(loop_and_path)()
        return [await loop_and_path()] * 3

    path = "/" if kind == "def" else "/async"
    assert (await ask(app, path)).json == [[id(asyncio.get_running_loop()), path]] * 3


async def test_locals_of_werkzeug_are_apart_in_threads_and_tasks():
    from werkzeug.local import Local, LocalStack, release_local

    local, stack = Local(), LocalStack()
    name = local("name")
    local.name = "outside"
    stack.push("outside")

    async def task():
        before = name._get_current_object(), stack.top
        local.name = "task"
        stack.push("task")
        await asyncio.sleep(0)
        return before, name._get_current_object(), stack.top

    def thread():
        return hasattr(local, "name"), stack.top

    assert await asyncio.gather(task(), task()) == [(("outside", "outside"), "task", "task")] * 2
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(thread).result() == (False, None)
    assert name._get_current_object() == "outside"
    assert stack.top == "outside"
    release_local(local)
    release_local(stack)
    assert not hasattr(local, "name")
    assert stack.top is None
