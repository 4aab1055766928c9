"""Background work: when it begins, what it sees, how it fails, how it ends; and work that is done again and again."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from datetime import timedelta

import pytest

from asyncflask import Blueprint, current_app, g, has_request_context, request, websocket
from asyncflask.lifetime import Job
from asyncflask.signals import got_background_exception

from .asking import BY_WAY, WAYS, Client, ask, environ_of, turns
from .lifespans import Lifespan
from .talking import talk

LIMIT = 20.0


def later(ran):
    """A function of either kind that notes what it sees."""

    def note(*args, **kwargs):
        on_loop = asyncio._get_running_loop() is not None
        ran.append((current_app.name, request.path, g.user, on_loop, args, kwargs))
        return "result"

    async def note_async(*args, **kwargs):
        await asyncio.sleep(0)
        return note(*args, **kwargs)

    return {"def": note, "async": note_async}


@pytest.mark.parametrize("work", ["def", "async"])
@pytest.mark.parametrize("view", ["def", "async"])
async def test_it_sees_a_snapshot_of_its_request_from_either_kind_of_view(app, view, work):
    ran = []
    function = later(ran)[work]
    jobs = []

    def add():
        g.user = "ada"
        jobs.append(current_app.add_background_task(function, 1, two=2))
        return "answer"

    async def add_async():
        return add()

    app.add_url_rule("/x", view_func=add if view == "def" else add_async)
    async with Lifespan(app) as lifespan:
        assert (await lifespan.ask("/x")).text == "answer"
        assert await jobs[0] == "result"
    assert ran == [(app.name, "/x", "ada", work == "async", (1,), {"two": 2})]
    assert jobs[0].done and not app.background_tasks


@pytest.mark.parametrize("way", WAYS)
def test_it_runs_however_the_application_is_served(app, way):
    ran = threading.Event()
    jobs = []

    @app.get("/")
    def index():
        jobs.append(app.add_background_task(ran.set))
        return ""

    if way == "asgi":

        async def serve():
            async with Lifespan(app) as lifespan:
                await lifespan.ask("/")

        asyncio.run(serve())
    else:
        BY_WAY[way](app, "/")
    assert ran.wait(LIMIT)
    jobs[0].wait(LIMIT)


@pytest.mark.parametrize("view", ["def", "async"])
async def test_the_client_gets_its_response_first(app, view):
    events = []

    async def work():
        events.append("work")

    def add():
        app.add_background_task(work)
        events.append("view")
        return "x"

    async def add_async():
        add()
        for _ in range(10):
            await asyncio.sleep(0)
        return "x"

    app.add_url_rule("/", view_func=add if view == "def" else add_async)

    class Noting(Client):
        async def send(self, message):
            await asyncio.sleep(0)
            events.append(message["type"])
            await super().send(message)

    await Noting(environ_of("/")).run(app)
    await turns(lambda: "work" in events)
    assert events == ["view", "http.response.start", "http.response.body", "work"]


async def test_what_teardown_took_out_of_g_is_not_there_and_the_rest_is(app):
    seen, closed = [], []

    @app.teardown_appcontext
    def close(error):
        if (db := g.pop("db", None)) is not None:
            closed.append(db)

    async def work():
        seen.append((g.user, g.get("db")))
        g.user = "changed"

    @app.get("/")
    async def index():
        g.user, g.db = "ada", "of the request"
        app.add_background_task(work)
        return ""

    await ask(app, "/")
    await turns(lambda: seen)
    assert (seen, closed) == ([("ada", None)], ["of the request"])


async def test_a_streamed_answer_begins_with_it(app):
    queue = asyncio.Queue()

    async def produce():
        for piece in ("a", "b", None):
            await queue.put(piece)

    @app.get("/")
    async def index():
        app.add_background_task(produce)

        async def body():
            while (piece := await queue.get()) is not None:
                yield piece

        return body()

    assert (await ask(app, "/")).text == "ab"


@pytest.mark.parametrize("handler", ["def", "async"])
async def test_of_a_websocket_it_begins_at_once(app, handler):
    loop = asyncio.get_running_loop()
    began = asyncio.Event()

    def work():
        assert request.path == "/ws"
        loop.call_soon_threadsafe(began.set)

    if handler == "def":

        @app.websocket("/ws")
        def ws():
            app.add_background_task(work)
            websocket.send(websocket.receive())

    else:

        @app.websocket("/ws")
        async def ws():
            app.add_background_task(work)
            await websocket.send(await websocket.receive())

    async with talk(app, "/ws") as ws:
        await began.wait()
        ws.say("still open")
        assert await ws.hear() == "still open"
    await turns(lambda: not app.background_tasks)


async def test_one_that_is_awaited_by_its_view_begins_at_once(app):
    async def work():
        return "done"

    @app.get("/async")
    async def index():
        return await app.add_background_task(work)

    @app.get("/def")
    def index_def():
        return app.add_background_task(work).wait(LIMIT)

    assert (await ask(app, "/async")).text == "done"
    assert (await ask(app, "/def")).text == "done"


async def test_it_may_call_back_to_the_loop_from_its_thread(app):
    loops = []

    async def on_loop():
        loops.append(asyncio.get_running_loop())

    def work():
        app.async_to_sync(on_loop)()

    @app.get("/")
    async def index():
        app.add_background_task(work)
        return ""

    await ask(app, "/")
    await turns(lambda: loops)
    assert loops == [asyncio.get_running_loop()]


@pytest.mark.parametrize("kind", ["def", "async"])
async def test_an_error_is_logged_and_announced_and_nothing_else_is_touched(app, caplog, kind):
    heard = []

    @got_background_exception.connect_via(app)
    async def hear(sender, exception):
        heard.append((current_app.name, exception))

    def fail():
        raise ValueError("broken")

    async def fail_async():
        fail()

    @app.get("/")
    async def index():
        app.add_background_task(fail if kind == "def" else fail_async, _name="fragile")
        return "fine"

    assert (await ask(app, "/")).text == "fine"
    await turns(lambda: not app.background_tasks)
    assert [str(error) for _, error in heard] == ["broken"]
    assert "The background task 'fragile' has failed." in caplog.text and "ValueError: broken" in caplog.text
    assert (await ask(app, "/")).text == "fine"
    await turns(lambda: not app.background_tasks)


async def test_one_that_wants_to_end_the_process_is_logged(app, caplog):
    @app.get("/")
    async def index():
        app.add_background_task(sys.exit, "no more", _name="leaving")
        return "fine"

    assert (await ask(app, "/")).text == "fine"
    await turns(lambda: not app.background_tasks)
    assert "The background task 'leaving' has failed." in caplog.text and "SystemExit: no more" in caplog.text


async def test_the_registry_knows_names_and_cancels(app):
    gone = asyncio.Event()

    async def endless():
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()

    async with app.app_context():
        job = app.add_background_task(endless, _name="endless")
        assert isinstance(job, Job) and repr(job) == "<Job 'endless' running>"
        with pytest.raises(ValueError, match="'endless' has not ended"):
            app.add_background_task(endless, _name="endless")
        other = app.add_background_task(endless)
    assert "endless" in app.background_tasks and app.background_tasks["endless"] is job
    assert other.name.endswith("endless-1") and len(app.background_tasks) == 2
    for _ in range(3):
        await asyncio.sleep(0)
    assert job.cancel()
    await gone.wait()
    await turns(lambda: job.done)
    assert job.cancelled and not job.cancel() and list(app.background_tasks) == [other.name]
    with pytest.raises(asyncio.CancelledError):
        await job
    other.cancel()
    await turns(lambda: other.done)
    assert not app.background_tasks


def test_each_loop_has_names_of_its_own(app):
    """A test client that has started the application, and is not closed, is in nobody's way."""

    @app.every(3600, name="hourly")
    async def hourly():
        pass

    @app.get("/")
    async def index():
        return {"mine": app.background_tasks["hourly"].bridge.loop is asyncio.get_running_loop()}

    async def ask_in_loop():
        async with app.async_test_client() as client:
            assert list(app.background_tasks) == ["hourly"] and len(app.background_tasks) == 1
            return (await client.get("/")).json()

    first = app.test_client()
    with app.test_client() as second:
        for _ in range(2):
            assert first.get("/").json == second.get("/").json == {"mine": True}
            assert asyncio.run(ask_in_loop()) == {"mine": True}
    with pytest.raises(KeyError):
        app.background_tasks["daily"]


async def test_one_that_is_cancelled_before_it_begins_never_runs(app):
    ran = []

    @app.get("/")
    async def index():
        app.add_background_task(ran.append, 1).cancel()
        return ""

    await ask(app, "/")
    for _ in range(10):
        await asyncio.sleep(0)
    assert not ran and not app.background_tasks


async def test_shutdown_waits_for_it(app):
    going = asyncio.Event()
    ended = []

    async def work():
        await going.wait()
        await asyncio.sleep(0)
        ended.append("async")

    async with Lifespan(app):
        async with app.app_context():
            app.add_background_task(work)
            app.add_background_task(lambda: ended.append("def"))
        going.set()
    assert sorted(ended) == ["async", "def"]


async def test_shutdown_cancels_what_takes_too_long_and_says_so(app, caplog):
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.01
    cancelled = []

    async def endless():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    async with Lifespan(app):
        app.add_background_task(endless, _name="endless")
    assert cancelled == [1]
    assert "did not end within 0.01 seconds are cancelled: 'endless'" in caplog.text


async def test_a_job_that_waits_for_an_answer_is_run_though_the_view_fails(app):
    ran = []
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/")
    async def index():
        app.add_background_task(ran.append, 1)
        raise ValueError

    assert (await ask(app, "/")).status == 500
    await turns(lambda: ran)


async def test_what_cannot_be_called_is_refused(app):
    def generator():
        yield

    with pytest.raises(TypeError, match=r"yields. Iterate it"):
        app.add_background_task(generator)
    with pytest.raises(TypeError, match="takes a function, not 'name'"):
        app.add_background_task("name")


async def test_waiting_in_a_thread_is_refused_on_the_loop(app):
    async with app.app_context():
        job = app.add_background_task(lambda: 1)
    with pytest.raises(RuntimeError, match="use 'await'"):
        job.wait()
    assert await job == 1


def test_outside_of_any_loop_it_runs_on_the_process_wide_one(app):
    async def work():
        return has_request_context()

    with app.app_context():
        assert app.add_background_task(work).wait(LIMIT) is False


def test_the_sync_client_waits_for_the_work_of_its_request_and_for_no_other(app):
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05
    ran = []

    async def endless():
        await asyncio.Event().wait()

    @app.before_serving
    async def consume():
        app.add_background_task(endless, _name="endless")

    async def work():
        await asyncio.sleep(0)
        ran.append(1)

    @app.get("/")
    def index():
        app.add_background_task(work)
        return ""

    with app.test_client() as client:
        client.get("/")
        assert ran == [1] and list(app.background_tasks) == ["endless"]
        client.get("/")
        assert ran == [1, 1]
    assert not app.background_tasks


# -- again and again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["def", "async"])
async def test_every_calls_again_and_again_until_the_application_stops(app, kind):
    calls = []
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tick():
        assert current_app.name == app.name
        calls.append(threading.current_thread())
        if len(calls) == 3:
            loop.call_soon_threadsafe(enough.set)

    async def tick_async():
        tick()

    function = tick if kind == "def" else tick_async
    assert app.every(0.001, name="tick", at_start=True)(function) is function
    async with Lifespan(app):
        assert "tick" in app.background_tasks
        await asyncio.wait_for(enough.wait(), LIMIT)
    assert (threading.main_thread() in calls) is (kind == "async")
    count = len(calls)
    await asyncio.sleep(0.01)
    assert len(calls) == count and not app.background_tasks


async def test_calls_of_one_job_never_overlap(app):
    running, most, calls = [], [], []

    @app.every(timedelta(milliseconds=1), at_start=True)
    async def slow():
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0.005)
        running.pop()
        calls.append(1)

    async with Lifespan(app):
        while len(calls) < 3:
            await asyncio.sleep(0.001)
    assert set(most) == {1} and not running


async def test_an_error_of_one_call_does_not_end_the_job(app, caplog):
    calls = []
    heard = []
    got_background_exception.connect(lambda sender, exception: heard.append(exception), app, weak=False)

    @app.every(0.001, name="fragile", at_start=True)
    def fails():
        calls.append(1)
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        async with Lifespan(app):
            while len(calls) < 3:
                await asyncio.sleep(0.001)
    assert len(heard) >= 3 and "'fragile' has failed" in caplog.text


async def test_a_periodic_job_can_be_cancelled_by_its_name(app):
    app.every(3600, name="hourly")(lambda: None)
    async with Lifespan(app):
        job = app.background_tasks["hourly"]
        await asyncio.sleep(0)
        assert job.cancel()
        await turns(lambda: job.done)
        assert "hourly" not in app.background_tasks


@pytest.mark.parametrize("interval", [0, -1, float("nan"), float("inf"), timedelta(0)])
def test_an_interval_has_to_be_positive(app, interval):
    with pytest.raises(ValueError, match="positive number of seconds"):
        app.every(interval)(lambda: None)


@pytest.mark.parametrize("interval", [print, "60", None])
def test_an_interval_is_a_number_and_that_is_said_at_once(app, interval):
    with pytest.raises(TypeError, match=r"as in @app.every\(60\), not "):
        app.every(interval)


def test_two_jobs_of_one_name_are_refused(app):
    app.every(1, name="job")(print)
    with pytest.raises(ValueError, match="named 'job': give one of them a 'name'"):
        app.every(2, name="job")(print)


async def test_applications_that_use_none_of_it_have_nothing_of_it(app):
    app.register_blueprint(Blueprint("b", __name__))
    app.add_url_rule("/", view_func=lambda: "")
    await ask(app, "/")
    names = {"background_tasks", "background_threads", "servings", "periodic", "state", "before_serving_funcs"}
    assert not names & (vars(app).keys() - {"background_threads"})
