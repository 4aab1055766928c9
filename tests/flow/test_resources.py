"""Resources: opened on first use, closed after the last byte, whatever ended the answer."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import asynccontextmanager, contextmanager

import pytest
from werkzeug.exceptions import NotFound

from asyncflask import Blueprint, abort, g, request, start_task, stream_with_context, websocket
from asyncflask.lifetime import Resource

from .asking import BY_WAY, Client, all_of, ask, environ_of, turns
from .lifespans import Lifespan
from .talking import talk

LIMIT = 20.0


def make(app, kind, events, **options):
    """A resource whose opening and closing is noted, with the error and the path that is current."""

    def opened():
        events.append("opened")
        return len([event for event in events if event == "opened"])

    def closed(error):
        path = request.path if options.get("scope") != "app" else None
        events.append(("closed", type(error).__name__ if error else None, path))

    if kind == "async":

        @app.resource(**options)
        async def resource():
            await asyncio.sleep(0)
            number = opened()
            try:
                yield number
            except BaseException as error:
                closed(error)
                raise
            closed(None)

    else:

        @app.resource(**options)
        def resource():
            number = opened()
            try:
                yield number
            except BaseException as error:
                closed(error)
                raise
            closed(None)

    return resource


def routes(app, resource):
    """Routes of both kinds that use a resource, and those that do not, end well and badly."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/async")
    async def asynchronous():
        assert await resource == await resource
        return str(await resource)

    @app.get("/def")
    def sync():
        assert resource.get() == resource.get()
        return str(resource.get())

    @app.get("/none")
    async def none():
        return "none"

    @app.get("/async/<kind>")
    async def fails(kind):
        await resource
        abort(404) if kind == "abort" else 1 / 0

    @app.get("/def/<kind>")
    def fails_def(kind):
        resource.get()
        abort(404) if kind == "abort" else 1 / 0

    @app.get("/stream/async")
    async def stream():
        async def body():
            yield f"{await resource} "
            yield request.path

        return stream_with_context(body()) if "kept" in request.args else body()

    @app.get("/stream/def")
    def stream_def():
        def body():
            yield f"{resource.get()} "
            yield request.path

        return stream_with_context(body()) if "kept" in request.args else body()

    @app.get("/break/<kind>")
    async def breaks(kind):
        await resource

        async def body():
            yield "x"
            raise OSError

        def body_def():
            yield "x"
            raise OSError

        return body() if kind == "async" else body_def()


@pytest.mark.parametrize("kind", ["def", "async"])
@pytest.mark.parametrize("view", ["def", "async"])
def test_one_for_each_request_that_asks(app, asked, view, kind):
    events = []
    routes(app, make(app, kind, events))
    assert asked("/none").text == "none"
    assert not events
    assert asked(f"/{view}").text == "1"
    assert asked(f"/{view}").text == "2"
    assert events == ["opened", ("closed", None, f"/{view}")] * 2


@pytest.mark.parametrize("kind", ["def", "async"])
@pytest.mark.parametrize("view", ["def", "async"])
def test_the_error_of_the_view_is_told_handled_or_not(app, asked, view, kind):
    events = []
    routes(app, make(app, kind, events))
    assert asked(f"/{view}/abort").status == 404
    assert asked(f"/{view}/fail").status == 500
    assert events[1] == ("closed", "NotFound", f"/{view}/abort")
    assert events[3] == ("closed", "ZeroDivisionError", f"/{view}/fail")


def test_the_error_of_an_after_hook_is_told(app, asked):
    events = []
    routes(app, make(app, "async", events))

    @app.after_request
    def fails(response):
        raise ValueError

    app.register_error_handler(500, lambda error: ("sorry", 500))
    assert asked("/async").status == 500
    assert events[1] == ("closed", "ValueError", "/async")


@pytest.mark.parametrize("kind", ["def", "async"])
@pytest.mark.parametrize("body", ["def", "async"])
@pytest.mark.parametrize("query", ["", "?kept"])
def test_a_streamed_body_may_use_it_to_its_end(app, asked, body, kind, query):
    events = []
    routes(app, make(app, kind, events))
    assert asked(f"/stream/{body}{query}").text == f"1 /stream/{body}"
    assert events == ["opened", ("closed", None, f"/stream/{body}")]


@pytest.mark.parametrize("view", ["def", "async", "stream/def", "stream/async"])
async def test_it_is_closed_after_the_last_byte(app, view):
    events = []
    routes(app, make(app, "async", events))

    class Noting(Client):
        async def send(self, message):
            await asyncio.sleep(0)
            await super().send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                events.append("last byte")

    await Noting(environ_of(f"/{view}")).run(app)
    assert events == ["opened", "last byte", ("closed", None, f"/{view}")]


@pytest.mark.parametrize("kind", ["def", "async"])
@pytest.mark.parametrize("body", ["def", "async"])
async def test_an_error_in_the_middle_of_a_body_is_told(app, body, kind):
    events = []
    routes(app, make(app, kind, events))
    with pytest.raises(OSError):
        await Client(environ_of(f"/break/{body}")).run(app)
    assert events == ["opened", ("closed", "OSError", f"/break/{body}")]


@pytest.mark.parametrize("body", ["def", "async"])
@pytest.mark.parametrize("pieces", [0, 1])
async def test_it_is_closed_when_the_client_leaves(app, body, pieces):
    events = []
    resource = make(app, body, events)

    @app.get("/async")
    async def endless():
        await resource

        async def steps():
            while True:
                yield "x"

        return steps()

    @app.get("/def")
    def endless_def():
        resource.get()

        def steps():
            while True:
                yield "x"

        return steps()

    client = Client(environ_of(f"/{body}"), leaves_after=pieces)
    await app(client.scope, client.receive, client.send)
    await turns(lambda: len(events) == 2)
    assert events == ["opened", ("closed", None, f"/{body}")]


@pytest.mark.parametrize("kind", ["def", "async"])
@pytest.mark.parametrize("body", ["def", "async"])
def test_a_body_that_is_never_begun(app, asked, body, kind):
    events = []
    resource = make(app, kind, events)

    @app.get("/")
    async def index():
        await resource

        async def steps():
            yield await resource

        return steps() if body == "async" else iter(["x"])

    assert asked("/", "HEAD").status == 200
    assert events == ["opened", ("closed", None, "/")]


@pytest.mark.parametrize("kind", ["def", "async"])
async def test_a_request_that_outlives_its_client(app, kind):
    events = []
    resource = make(app, kind, events)
    inside, go = asyncio.Event(), asyncio.Event()

    @app.get("/", on_disconnect="shield")
    async def index():
        await resource
        inside.set()
        await go.wait()
        return "x"

    client = Client(environ_of("/"))
    task = asyncio.create_task(app(client.scope, client.receive, client.send))
    await inside.wait()
    client.leave()
    go.set()
    await task
    assert events == ["opened", ("closed", None, "/")]


async def test_a_view_that_fails_after_a_resource_of_a_thread(app):
    events = []
    resource = make(app, "def", events)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.get("/")
    def index():
        resource.get()
        raise LookupError

    with pytest.raises(LookupError):
        await ask(app, "/")
    assert events == ["opened", ("closed", "LookupError", "/")]


async def test_a_cancelled_view_is_told_of(app):
    events = []
    resource = make(app, "async", events)
    inside = asyncio.Event()

    @app.get("/", on_disconnect="cancel")
    async def index():
        await resource
        inside.set()
        await asyncio.Event().wait()

    client = Client(environ_of("/"))
    task = asyncio.create_task(app(client.scope, client.receive, client.send))
    await inside.wait()
    client.leave()
    await task
    assert events == ["opened", ("closed", "CancelledError", "/")]


async def test_one_bound_to_its_thread_is_opened_used_and_closed_in_it(app):
    @app.resource
    def database():
        connection = sqlite3.connect(":memory:")  # refuses any other thread
        connection.execute("create table t (x)")
        try:
            yield connection
        finally:
            connection.close()

    @app.get("/")
    def index():
        database.get().execute("insert into t values (1)")
        return str(database.get().execute("select x from t").fetchone()[0])

    @app.get("/stream")
    def stream():
        return (str(row[0]) for row in database.get().execute("values (1), (2)"))

    answers = await all_of(*(ask(app, path) for path in ["/", "/stream"] * 10))
    assert {answer.text for answer in answers} == {"1", "12"}


async def test_resources_may_need_each_other_and_are_closed_the_other_way_round(app):
    events = []

    @app.resource
    async def connection():
        yield "connection"
        events.append("connection")

    @app.resource
    @asynccontextmanager
    async def transaction():
        yield f"transaction on {await connection}"
        events.append("transaction")

    @app.resource
    @contextmanager
    def cursor():
        yield "cursor"
        events.append("cursor")

    @app.get("/")
    async def index():
        return f"{await transaction}, {await cursor}"

    assert (await ask(app, "/")).text == "transaction on connection, cursor"
    assert events == ["cursor", "transaction", "connection"]


async def test_every_one_is_closed_and_errors_come_together(app):
    events = []
    app.config["PROPAGATE_EXCEPTIONS"] = False

    def bad(name):
        @app.resource
        async def resource():
            yield name
            events.append(name)
            raise ValueError(name)

        return resource

    one, two = bad("one"), bad("two")

    @app.get("/")
    async def index():
        return f"{await one} {await two}"

    client = Client(environ_of("/"))
    with pytest.raises(ExceptionGroup) as caught:
        await client.run(app)
    assert client.got.text == "one two"  # it had its answer
    assert events == ["two", "one"]
    assert ["resource" in error.__notes__[0] for error in caught.value.exceptions] == [True, True]


async def test_tasks_of_one_request_open_it_once(app):
    events = []
    resource = make(app, "async", events)

    @app.get("/")
    async def index():
        return ",".join(map(str, await asyncio.gather(*(resource for _ in range(5)))))

    assert (await ask(app, "/")).text == "1,1,1,1,1"
    assert events == ["opened", ("closed", None, "/")]


async def test_an_opening_that_fails_is_the_errors_of_who_asked_and_is_tried_again(app):
    tries = []

    @app.resource
    async def resource():
        tries.append(1)
        if len(tries) == 1:
            raise NotFound
        yield "open"

    @app.get("/")
    async def index():
        return await resource

    assert (await ask(app, "/")).status == 404
    assert (await ask(app, "/")).text == "open"


@pytest.mark.parametrize("kind", ["def", "async"])
def test_an_application_context_by_hand_closes_it_too(app, kind):
    events = []

    @app.resource
    def resource():
        yield "open"
        events.append("closed")

    if kind == "def":
        with app.app_context():
            assert resource.get() == "open"
            assert not events
    else:

        async def main():
            async with app.app_context():
                assert await resource == "open"
                assert not events

        asyncio.run(main())
    assert events == ["closed"]


def test_asking_in_the_wrong_place_says_what_to_do(app):
    events = []
    resource = make(app, "async", events)
    sync = make(app, "def", events)
    with pytest.raises(RuntimeError, match="outside of application context"):
        resource.get()

    @app.get("/")
    async def index():
        for one in (resource, sync):
            with pytest.raises(RuntimeError, match=r"not open.*use 'await resource'"):
                one.get()
        assert await resource == resource.get()
        return ""

    assert BY_WAY["asgi"](app, "/").status == 200


async def test_after_the_end_of_its_request_nothing_is_opened(app):
    events = []
    resource = make(app, "async", events)
    go, errors = asyncio.Event(), []

    async def orphan():
        await go.wait()
        try:
            await resource
        except RuntimeError as error:
            errors.append(str(error))

    @app.get("/")
    async def index():
        g.task = tasks.append(asyncio.create_task(orphan()))
        return ""

    tasks = []
    await ask(app, "/")
    go.set()
    await tasks[0]
    assert "The request is over" in errors[0] and not events


@pytest.mark.parametrize("kind", ["def", "async"])
@pytest.mark.parametrize("handler", ["def", "async"])
async def test_one_of_a_websocket_is_closed_when_that_is(app, handler, kind):
    events = []
    resource = make(app, kind, events)

    if handler == "def":

        @app.websocket("/ws")
        def ws():
            websocket.send(str(resource.get()))
            websocket.receive()

    else:

        @app.websocket("/ws")
        async def ws():
            await websocket.send(str(await resource))
            await websocket.receive()

    async with talk(app, "/ws") as ws:
        assert await ws.hear() == "1"
        assert events == ["opened"]
        ws.say("end")
    assert events == ["opened", ("closed", None, "/ws")]


async def test_tasks_of_a_websocket_end_with_its_handler(app):
    cancelled = []

    async def endless():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(websocket.path)
            raise

    async def answer():
        await websocket.send("from a task")

    @app.websocket("/ws")
    async def with_tasks():
        start_task(answer)
        start_task(endless)
        await websocket.receive()
        abort(400)

    async with talk(app, "/ws") as ws:
        assert await ws.hear() == "from a task"
        ws.say("end")
    assert cancelled == ["/ws"]


def test_what_is_no_resource_is_refused(app):
    async def coroutine():
        pass

    with pytest.raises(TypeError, match="without a 'yield'"):
        app.resource(coroutine)
    with pytest.raises(ValueError, match="'request' or 'app', not 'session'"):
        app.resource(scope="session")(lambda: None)
    with pytest.raises(ValueError, match="needs scope='app'"):
        app.resource(at_start=True)
    nothing = app.resource(lambda: None)
    with app.app_context(), pytest.raises(TypeError, match="is no context manager"):
        nothing.get()


# -- of the application ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["def", "async"])
async def test_one_of_the_application_is_opened_once_and_closed_at_the_end(app, kind):
    events = []
    routes(app, make(app, kind, events, scope="app"))
    async with Lifespan(app) as lifespan:
        assert not events
        answers = await all_of(*(lifespan.ask(path) for path in ["/async", "/def"] * 5))
        assert {answer.text for answer in answers} == {"1"}
        assert events == ["opened"]
    assert events == ["opened", ("closed", None, None)]


async def test_one_that_is_opened_at_the_start(app):
    events = []
    make(app, "async", events, scope="app", at_start=True)
    async with Lifespan(app):
        assert events == ["opened"]
    assert len(events) == 2


async def test_one_that_cannot_be_opened_at_the_start_refuses_it(app):
    blueprint = Blueprint("b", __name__)

    @blueprint.resource(scope="app", at_start=True)
    async def database():
        raise ConnectionError("no database")
        yield

    app.register_blueprint(blueprint)
    answer = await Lifespan(app).start()
    assert "no database" in answer["message"] and "database)" in answer["message"]


async def test_a_request_that_is_cancelled_does_not_keep_others_from_it(app):
    go = asyncio.Event()

    @app.resource(scope="app")
    async def slow():
        async with asyncio.timeout(LIMIT):  # bound to the task that opens it
            await go.wait()
            yield "open"

    @app.get("/")
    async def index():
        return await slow

    async with Lifespan(app) as lifespan:
        first = asyncio.create_task(lifespan.ask("/"))
        second = asyncio.create_task(lifespan.ask("/"))
        for _ in range(10):
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        go.set()
        assert (await second).text == "open"


async def test_one_of_the_application_that_fails_to_open_is_tried_again(app):
    tries = []

    @app.resource(scope="app")
    async def resource():
        tries.append(1)
        if len(tries) == 1:
            raise NotFound
        yield "open"

    @app.get("/")
    async def index():
        return await resource

    async with Lifespan(app) as lifespan:
        assert (await lifespan.ask("/")).status == 404
        assert (await lifespan.ask("/")).text == "open"


def test_a_resource_says_what_it_is(app):
    @app.resource
    def one():
        """The docstring."""
        yield

    assert isinstance(one, Resource) and one.__doc__ == "The docstring."
    assert repr(one).endswith("one for each request>")


# -- tasks beside the view ---------------------------------------------------------------------------------------------


def tasks_routes(app, events):
    gate = asyncio.Event()

    async def good(value):
        await asyncio.sleep(0)
        events.append((value, request.path, g.user))
        return value

    def good_def(value):
        events.append((value, request.path, g.user))
        return value

    async def bad():
        await asyncio.sleep(0)
        abort(404)

    async def endless():
        try:
            await gate.wait()
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    return good, good_def, bad, endless


@pytest.mark.parametrize("view", ["def", "async"])
def test_tasks_are_awaited_before_there_is_a_response(app, asked, view):
    events = []
    good, good_def, _, _ = tasks_routes(app, events)

    @app.after_request
    def after(response):
        events.append("after")
        return response

    def index():
        g.user = "ada"
        start_task(good, 1)
        start_task(good_def, 2)
        return "x"

    async def index_async():
        return index()

    app.add_url_rule("/", view_func=index if view == "def" else index_async)
    assert asked("/").text == "x"
    assert sorted(events[:2]) == [(1, "/", "ada"), (2, "/", "ada")] and events[2] == "after"


@pytest.mark.parametrize("view", ["def", "async"])
def test_the_error_of_a_task_is_answered_as_the_views(app, asked, view):
    events = []
    _, _, bad, endless = tasks_routes(app, events)

    def index():
        start_task(bad)
        start_task(endless)
        return "x"

    async def index_async():
        index()
        await asyncio.Event().wait()  # is cancelled

    app.add_url_rule("/", view_func=index if view == "def" else index_async)
    assert asked("/").status == 404
    assert events in (["cancelled"], [])  # it may not have begun


async def test_errors_of_several_tasks_come_as_a_group(app):
    both = asyncio.Barrier(2)

    async def fail(error):
        await both.wait()
        raise error

    @app.get("/")
    async def index():
        start_task(fail, LookupError("one"))
        start_task(fail, NotFound())
        await asyncio.Event().wait()

    assert (await ask(app, "/")).status == 404


async def test_the_view_that_fails_cancels_its_tasks(app):
    events = []
    _, _, _, endless = tasks_routes(app, events)

    @app.get("/")
    async def index():
        start_task(endless)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        abort(418)

    assert (await ask(app, "/")).status == 418
    assert events == ["cancelled"]


async def test_a_task_gives_its_result(app):
    events = []
    good, good_def, _, _ = tasks_routes(app, events)

    @app.get("/async")
    async def index():
        g.user = ""
        return [await start_task(good, 1), await start_task(good_def, 2)]

    @app.get("/def")
    def index_def():
        g.user = ""
        return [start_task(good, 1).wait(LIMIT), start_task(good_def, 2).wait(LIMIT)]

    assert (await ask(app, "/async")).json == [1, 2]
    assert (await ask(app, "/def")).json == [1, 2]


async def test_a_client_that_leaves_cancels_the_tasks_of_a_view_that_it_cancels(app):
    events = []
    _, _, _, endless = tasks_routes(app, events)
    inside = asyncio.Event()

    @app.get("/", on_disconnect="cancel")
    async def index():
        start_task(endless)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        inside.set()
        await asyncio.Event().wait()

    client = Client(environ_of("/"))
    task = asyncio.create_task(app(client.scope, client.receive, client.send))
    await inside.wait()
    client.leave()
    await task
    assert events == ["cancelled"]


async def test_orphans_are_cancelled_at_the_end_and_reported(app, caplog):
    events = []
    _, _, bad, endless = tasks_routes(app, events)

    @app.get("/")
    async def index():
        async def body():
            start_task(endless, _name="left behind")
            yield "x"
            await asyncio.sleep(0)

        return stream_with_context(body())

    @app.get("/fails")
    async def fails():
        async def body():
            start_task(bad)
            yield "x"
            for _ in range(10):
                await asyncio.sleep(0)

        return stream_with_context(body())

    assert (await ask(app, "/")).text == "x"
    assert "still ran at its end are cancelled: 'left behind'" in caplog.text
    assert (await ask(app, "/fails")).text == "x"
    assert "started after the view has failed" in caplog.text


def test_a_task_needs_a_request_and_a_function(app):
    with pytest.raises(RuntimeError, match="outside of request context"):
        start_task(print)
    with app.app_context(), pytest.raises(RuntimeError, match="outside of request context"):
        start_task(print)

    def generator():
        yield

    with app.test_request_context(), pytest.raises(TypeError, match="A generator is a stream"):
        start_task(generator)


async def test_a_task_of_another_thread_sees_the_request(app):
    seen = []

    @app.get("/x")
    async def index():
        start_task(lambda: seen.append((request.path, threading.current_thread() is threading.main_thread())))
        return ""

    await ask(app, "/x")
    assert seen == [("/x", False)]
