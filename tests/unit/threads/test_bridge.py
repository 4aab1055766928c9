"""From sync code to a loop and back: the server's bridge, the background loop, run_async."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from asyncflask.threads import Bridge, LoopThread, PoolBridge, WorkerPool, background, current_bridge, run_async

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def pool():
    pool = WorkerPool(threads=4)
    yield pool
    assert pool.close(timeout=30)


@pytest.fixture
def loop_thread():
    thread = LoopThread(name="asyncflask-test-loop")
    yield thread
    thread.close(timeout=30)


async def where():
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


async def change(value):
    before = variable.get()
    await asyncio.sleep(0)
    variable.set(value)
    return before


def bridged(pool, job):
    """Run `job(bridge)` in a worker of a loop's bridge."""

    async def main():
        bridge = PoolBridge(asyncio.get_running_loop(), pool, pool)
        return await bridge.submit(job, bridge)

    return asyncio.run(main())


def test_bridge_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Bridge()


def test_run_awaits_on_the_serving_loop(pool):
    assert bridged(pool, lambda bridge: bridge.run(where(), None) is bridge.loop)


def test_run_in_a_given_context(pool):
    context = contextvars.copy_context()

    def job(bridge):
        assert bridge.run(change("new"), context) == "unset"
        assert context.run(variable.get) == "new"  # left by the loop when run returns, so it can be entered
        return variable.get()

    assert bridged(pool, job) == "unset"


def test_run_without_a_context_gives_changes_back(pool):
    def job(bridge):
        variable.set("mine")
        assert bridge.run(change("loop's"), None) == "mine"
        return variable.get()

    assert bridged(pool, job) == "loop's"


def test_changes_are_given_back_after_an_exception_too(pool):
    async def fails():
        variable.set("before it failed")
        raise LookupError

    def job(bridge):
        with pytest.raises(LookupError):
            bridge.run(fails(), None)
        return variable.get()

    assert bridged(pool, job) == "before it failed"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, LookupError])
def test_exceptions_reach_the_thread_and_spare_the_loop(pool, kind):
    async def fails():
        raise kind("why")

    def job(bridge):
        with pytest.raises(kind, match="why"):
            bridge.run(fails(), None)
        return bridge.run(asyncio.sleep(0, "alive"), None)

    assert bridged(pool, job) == "alive"


def test_a_task_cancelled_before_its_first_step(pool):
    def cancelled_at_once(loop, coro, **options):
        task = asyncio.Task(coro, loop=loop, **options)
        task.cancel()
        return task

    async def main():
        loop = asyncio.get_running_loop()
        bridge = PoolBridge(loop, pool, pool)
        loop.set_task_factory(cancelled_at_once)
        with pytest.raises(asyncio.CancelledError):
            await bridge.submit(bridge.run, where(), None)
        loop.set_task_factory(None)

    asyncio.run(main())


def test_run_on_the_loops_own_thread_says_what_to_do(pool):
    async def main():
        bridge = PoolBridge(asyncio.get_running_loop(), pool, pool)
        with pytest.raises(RuntimeError, match="Use `await`"):
            bridge.run(where(), None)

    asyncio.run(main())


def test_run_when_the_loop_is_closed(pool):
    async def main():
        return PoolBridge(asyncio.get_running_loop(), pool, pool)

    bridge = asyncio.run(main())
    with pytest.raises(RuntimeError, match="event loop is closed"):
        bridge.run(where(), None)


def test_run_when_the_loop_stops_before_it_starts_the_task(pool):
    loop = asyncio.new_event_loop()
    bridge = PoolBridge(loop, pool, pool)
    with pytest.raises(RuntimeError, match="event loop has stopped"):
        bridge.run(where(), None)

    async def tasks():
        return len(asyncio.all_tasks())

    assert loop.run_until_complete(tasks()) == 1, "what was given up does not start later"
    loop.close()


def test_run_when_the_loop_ends_while_waiting(pool):
    started = threading.Event()
    errors = []

    async def stuck():
        started.set()
        await asyncio.Event().wait()

    def call(bridge):
        try:
            bridge.run(stuck(), None)
        except BaseException as error:
            errors.append(type(error))

    async def main():
        bridge = PoolBridge(asyncio.get_running_loop(), pool, pool)
        thread = threading.Thread(target=call, args=(bridge,))
        thread.start()
        while not started.is_set():
            await asyncio.sleep(0)
        return thread

    thread = asyncio.run(main())  # asyncio.run cancels what still runs
    thread.join(30)
    assert errors == [asyncio.CancelledError]


def test_many_threads_wait_at_once(pool):
    async def answer(number):
        await asyncio.sleep(0)
        return number

    async def main():
        bridge = PoolBridge(asyncio.get_running_loop(), pool, pool)
        jobs = [bridge.submit(lambda n=n: bridge.run(answer(n), None)) for n in range(200)]
        return await asyncio.gather(*jobs)

    assert asyncio.run(main()) == list(range(200))


# run_async


def test_run_async_in_a_worker_uses_the_serving_loop(pool):
    assert bridged(pool, lambda bridge: run_async(where()) is bridge.loop)


def test_run_async_elsewhere_uses_the_background_loop():
    async def name():
        return threading.current_thread().name, asyncio.get_running_loop()

    first, second = run_async(name()), run_async(name())
    assert first == second == ("asyncflask-loop", background().loop)
    assert current_bridge() is None


def test_run_async_gives_changes_back():
    variable.set("before")
    try:
        assert run_async(change("after")) == "before"
        assert variable.get() == "after"
    finally:
        variable.set("unset")


def test_run_async_on_a_loop_says_what_to_do():
    async def main():
        with pytest.raises(RuntimeError, match="Use `await`"):
            run_async(where())

    asyncio.run(main())


# LoopThread


def test_loop_thread_starts_with_its_first_use(loop_thread):
    def names():
        return [thread.name for thread in threading.enumerate()]

    assert loop_thread.name not in names()
    assert loop_thread.run(where(), None) is loop_thread.loop
    assert names().count(loop_thread.name) == 1


def test_loop_thread_runs_sync_code_in_workers(loop_thread):
    async def main():
        return await loop_thread.submit(lambda: (threading.current_thread().name, current_bridge(), run_async(where())))

    name, bridge, loop = loop_thread.run(main(), None)
    assert name.startswith("asyncflask-test-loop-worker-")
    assert bridge is loop_thread
    assert loop is loop_thread.loop


def test_loop_thread_closes_and_starts_again(loop_thread):
    seen = []

    async def stuck():
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cancelled")

    async def start():
        seen.append(asyncio.create_task(stuck()))
        await asyncio.sleep(0)

    loop_thread.run(start(), None)
    first = loop_thread.loop
    loop_thread.close(timeout=30)
    assert seen[1:] == ["cancelled"]
    assert first.is_closed()
    assert loop_thread.run(where(), None) is not first


def test_loop_thread_close_without_use(loop_thread):
    loop_thread.close()
