"""The worker threads under load: what goes on while all of them are taken, and what is refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from asyncflask import request as current
from asyncflask.signals import request_started

from .servers import LIMIT, request


class Gate:
    """Where views block until the test lets them go."""

    def __init__(self):
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()

    def pass_through(self):
        self.inside.release()
        assert self.open.wait(LIMIT)

    def wait_for(self, count):
        for _ in range(count):
            assert self.inside.acquire(timeout=LIMIT)


@pytest.fixture
def gate(app):
    """A `def` route /block that waits at the gate."""
    gate = Gate()

    @app.get("/block")
    def block():
        gate.pass_through()
        return "went on"

    yield gate
    gate.open.set()


@pytest.fixture
def asking():
    """A function that sends requests from threads of their own; gives futures of the answers."""
    with ThreadPoolExecutor(210) as pool:
        yield lambda live, target, count=1: [pool.submit(live.get, target) for _ in range(count)]


def test_async_handlers_answer_while_every_thread_is_blocked(app, serve_each, gate, asking):
    live = serve_each(app)
    blocked = asking(live, "/block", 200)
    gate.wait_for(40)
    for _ in range(20):
        live.alive()
    stats = app.threads.stats()
    assert (stats.threads, stats.busy, stats.idle) == (40, 40, 0)
    assert not any(answer.done() for answer in blocked)
    gate.open.set()
    assert {answer.result(LIMIT).text for answer in blocked} == {"went on"}
    stats = app.threads.stats()
    assert (stats.threads, stats.queued, stats.refused) == (40, 0, 0)


def test_sync_parts_of_async_requests_do_not_queue_behind_views(app, serve_each, gate, asking):
    app.config["THREADS"] = 2
    ran = []

    @app.before_request
    def before():
        if current.path == "/pong":
            ran.append(("before", threading.current_thread().name))

    @app.after_request
    def after(response):
        if current.path == "/pong":
            ran.append(("after", threading.current_thread().name))
        return response

    @app.teardown_request
    def teardown(error):
        if current.path == "/pong":
            ran.append(("teardown", threading.current_thread().name))

    def receiver(sender, **values):
        if current.path == "/pong":
            ran.append(("signal", threading.current_thread().name))

    request_started.connect(receiver, app)

    @app.get("/pong")
    async def pong():
        return (str(n) for n in range(3))  # a sync stream, too

    live = serve_each(app)
    blocked = asking(live, "/block", 10)
    gate.wait_for(2)
    assert live.get("/pong").text == "012"
    assert not any(answer.done() for answer in blocked)
    gate.open.set()
    assert {answer.result(LIMIT).text for answer in blocked} == {"went on"}
    assert [stage for stage, _ in ran] == ["signal", "before", "after", "teardown"]
    assert all(name.startswith("asyncflask-side") for _, name in ran)


def test_over_the_queue_limit_is_503(app, serve_each, gate, asking):
    app.config.update(THREADS=2, THREAD_QUEUE_LIMIT=1)
    live = serve_each(app)
    answers = asking(live, "/block", 2)
    gate.wait_for(2)
    answers += asking(live, "/block", 2)  # one waits, the other is refused
    refused = next(answer for answer in _done(answers))
    assert (refused.status, refused["retry-after"], refused.whole) == (503, "1", True)
    assert app.threads.stats().refused == 1
    live.alive()
    gate.open.set()
    assert sorted(answer.result(LIMIT).status for answer in answers) == [200, 200, 200, 503]
    assert live.get("/block").status == 200


def _done(futures):
    from concurrent.futures import as_completed

    return (future.result() for future in as_completed(futures, LIMIT))


def test_sync_parts_of_async_requests_are_never_refused(app, serve_each, asking):
    """A teardown function that found no place in a queue would not run at all."""
    app.config.update(THREADS=1, THREAD_QUEUE_LIMIT=0)
    gate, tore_down = Gate(), []

    @app.before_request
    def before():
        if current.path == "/slow":
            gate.pass_through()

    @app.teardown_request
    def teardown(error):
        tore_down.append(current.path)

    @app.get("/slow")
    async def slow():
        return "slow"

    live = serve_each(app)
    answers = asking(live, "/slow", 30)
    gate.wait_for(1)
    gate.open.set()
    assert {answer.result(LIMIT).status for answer in answers} == {200}
    assert tore_down.count("/slow") == 30


def test_a_thread_calls_back_to_a_loop_that_others_use_too(app, serve_each, asking):
    app.config["THREADS"] = 3

    @app.get("/call")
    def call():
        async def on_loop():
            return threading.get_ident()

        return {"loop": app.async_to_sync(on_loop)(), "here": threading.get_ident()}

    live = serve_each(app)
    answers = [answer.result(LIMIT).json for answer in asking(live, "/call", 50)]
    assert {answer["loop"] for answer in answers} == {live.thread.ident}
    assert live.thread.ident not in {answer["here"] for answer in answers}


def test_shutdown_waits_for_a_blocked_view_and_ends_the_threads(app, serve_each, gate, asking):
    live = serve_each(app)
    [answer] = asking(live, "/block")
    gate.wait_for(1)
    stopping = threading.Thread(target=live.stop)
    stopping.start()
    gate.open.set()
    stopping.join(LIMIT)
    assert answer.result(LIMIT).text == "went on"
    assert app.threads.stats().threads == 0


def test_unthreaded_views_run_one_after_another_on_the_loop(app, serve_each, asking):
    app.config["THREADED"] = False
    running, most = [], []

    @app.get("/")
    def view():
        running.append(threading.get_ident())
        most.append(len(running))
        running.pop()
        return str(threading.get_ident())

    live = serve_each(app)
    answers = {answer.result(LIMIT).text for answer in asking(live, "/", 20)}
    assert answers == {str(live.thread.ident)}
    assert set(most) == {1}


def test_pipelined_sync_requests_are_answered_in_their_order(app, serve_each):
    @app.get("/<int:n>")
    def number(n):
        return str(n)

    live = serve_each(app)
    with live.connect() as wire:
        wire.send(b"".join(request("GET", f"/{n}") for n in range(100)))
        assert [wire.answer().text for n in range(100)] == [str(n) for n in range(100)]
