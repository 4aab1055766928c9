"""The worker pool: threads on demand, results, limits, and nothing kept or left."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import subprocess
import sys
import threading
import weakref

import pytest

from asyncflask.threads import PoolBridge, QueueFull, Stats, WorkerPool, current_bridge

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def pool():
    pool = WorkerPool(threads=4)
    yield pool
    assert pool.close(timeout=30)


class Thing:
    """Something that can be referred to weakly."""


class Fault(Exception):
    """An exception that can be referred to weakly, unlike the built-in ones."""


def raiser(error):
    raise error


def test_a_job_runs_in_a_named_daemon_thread(pool):
    async def main():
        return await pool.submit(lambda *args: (threading.current_thread(), args), 1, 2)

    thread, args = asyncio.run(main())
    assert args == (1, 2)
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert thread.name.startswith("asyncflask-")


def test_the_name_is_the_pools(pool):
    async def main():
        side = WorkerPool(name="side")
        name = await side.submit(lambda: threading.current_thread().name)
        side.close()
        return name

    assert asyncio.run(main()).startswith("side-")


def test_one_after_another_needs_one_thread(pool):
    async def main():
        return {await pool.submit(threading.get_ident) for _ in range(100)}

    assert len(asyncio.run(main())) == 1
    assert pool.stats() == Stats(1, 0, 1, 0, 0, longest_wait=pool.stats().longest_wait)


def test_threads_start_when_none_is_idle(pool):
    barrier = threading.Barrier(4)

    async def main():
        await asyncio.gather(*(pool.submit(barrier.wait, 30) for _ in range(4)))

    asyncio.run(main())
    assert pool.stats().threads == 4


def test_no_more_threads_than_allowed():
    pool = WorkerPool(threads=2)
    gate = threading.Event()

    async def main():
        jobs = [pool.submit(gate.wait, 30) for _ in range(5)]
        seen = pool.stats()
        gate.set()
        await asyncio.gather(*jobs)
        return seen

    assert asyncio.run(main())[:5] == (2, 2, 0, 3, 0)
    assert pool.stats()[:5] == (2, 0, 2, 0, 0)
    assert pool.stats().longest_wait > 0
    assert pool.close(timeout=30)


def test_over_the_queue_limit_is_refused_at_once():
    pool = WorkerPool(threads=1, queue_limit=1)
    gate = threading.Event()

    async def main():
        jobs = [pool.submit(gate.wait, 30), pool.submit(str, 2)]
        with pytest.raises(QueueFull, match=r"1 threads are busy and 1 jobs wait.*THREAD_QUEUE_LIMIT"):
            pool.submit(str, 3)
        gate.set()
        return await asyncio.gather(*jobs), await pool.submit(str, 4)

    assert asyncio.run(main()) == ([True, "2"], "4")
    assert pool.stats().refused == 1
    assert pool.close(timeout=30)
    assert pool.stats().refused == 1, "counts survive a close"
    assert asyncio.run(use(pool, pool.stats)).refused == 1, "and another opening"
    assert pool.close(timeout=30)


@pytest.mark.parametrize(("threads", "limit"), [(0, 1), (-1, 1), (1, -1)])
def test_limits_are_checked(pool, threads, limit):
    with pytest.raises(ValueError, match="THREAD"):
        WorkerPool(threads, limit)
    with pytest.raises(ValueError, match="THREAD"):
        pool.resize(threads, limit)


@pytest.mark.parametrize("limits", [("8", 1), (2.5, 1), (1, None)])
def test_limits_are_numbers(pool, limits):
    for call in (WorkerPool, pool.resize):
        with pytest.raises(TypeError, match=r"^THREAD(S|_QUEUE_LIMIT) of a worker pool must be an int, not "):
            call(*limits)


def test_submit_needs_a_running_loop(pool):
    with pytest.raises(RuntimeError, match="no running event loop"):
        pool.submit(str)


def test_two_hundred_jobs_from_several_loops_each_get_their_own_answer(pool):
    wrong = []

    def loop_thread(number):
        async def one(i):
            me = threading.get_ident()
            answer = await pool.submit(lambda: (number, i, threading.get_ident()))
            if answer[:2] != (number, i) or answer[2] == me or threading.get_ident() != me:
                wrong.append((number, i, answer))

        async def main():
            for _ in range(4):
                await asyncio.gather(*(one(i) for i in range(50)))

        asyncio.run(main())

    loops = [threading.Thread(target=loop_thread, args=(n,)) for n in range(5)]
    for thread in loops:
        thread.start()
    for thread in loops:
        thread.join()
    assert not wrong
    assert pool.stats()[:4] == (4, 0, 4, 0)


@pytest.mark.parametrize("kind", [ValueError, StopAsyncIteration, asyncio.CancelledError, GeneratorExit])
def test_an_exception_reaches_the_awaiter_as_itself(pool, kind):
    error = kind("why")

    async def main():
        try:
            await pool.submit(raiser, error)
        except BaseException as caught:
            return caught

    assert asyncio.run(main()) is error


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_an_exit_reaches_the_awaiter_and_spares_the_thread(pool, kind):
    async def main():
        with pytest.raises(kind):
            await pool.submit(raiser, kind("out"))
        return await pool.submit(str, 1)

    assert asyncio.run(main()) == "1"
    assert pool.stats().threads == 1


def test_stop_iteration_becomes_a_runtime_error(pool):
    async def main():
        with pytest.raises(RuntimeError, match="StopIteration") as info:
            await pool.submit(next, iter(()))
        return info.value.__cause__

    assert isinstance(asyncio.run(main()), StopIteration)


def test_a_traceback_begins_in_the_job(pool):
    async def main():
        with pytest.raises(ValueError) as info:
            await pool.submit(raiser, ValueError())
        return [entry.name for entry in info.traceback]

    assert asyncio.run(main())[-1] == "raiser"
    assert "_serve" not in asyncio.run(main())


def test_cancelling_waits_for_the_thread(pool):
    gate, started = threading.Event(), asyncio.Event()
    order = []

    async def request(loop):
        def job():
            loop.call_soon_threadsafe(started.set)
            assert gate.wait(30)
            order.append("job ends")

        try:
            await pool.submit(job)
        except asyncio.CancelledError:
            order.append("task hears of it")
            raise

    async def main():
        task = asyncio.create_task(request(asyncio.get_running_loop()))
        await started.wait()
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert order == ["job ends", "task hears of it"]


def test_a_future_of_a_job_refuses_to_be_cancelled(pool):
    async def main():
        future = pool.submit(str, 1)
        assert future.cancel() is False
        assert not future.cancelled()
        return await future

    assert asyncio.run(main()) == "1"


def test_a_result_for_a_closed_loop_is_dropped(pool, caplog):
    gate = threading.Event()
    futures = []

    async def main():
        futures.append(pool.submit(gate.wait, 30))

    asyncio.run(main())
    gate.set()

    async def later():
        return await pool.submit(str, 2)

    assert asyncio.run(later()) == "2"
    assert pool.close(timeout=30)
    assert not futures[0].done()
    assert not caplog.records


def test_results_that_a_loop_never_fetched_do_not_keep_it(pool):
    done = threading.Event()

    def left_behind():
        async def main():
            pool.submit(Thing)
            pool.submit(done.set)
            done.wait(30)  # blocks the loop: its results are posted, and nobody fetches them

        loop = asyncio.new_event_loop()
        task = loop.create_task(main())
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert task.done()
        loop.close()
        return weakref.ref(loop)

    gone = left_behind()
    asyncio.run(use(pool))
    asyncio.run(use(pool))
    gc.collect()
    assert gone() is None


async def use(pool, fn=str, *args):
    return await pool.submit(fn, *args)


def test_an_idle_worker_keeps_neither_job_nor_result_nor_exception():
    pool = WorkerPool(threads=1)
    refs = []

    def job(argument, fails):
        result = Thing()
        refs.append(weakref.ref(result))
        if fails:
            error = Fault(result)
            refs.append(weakref.ref(error))
            try:
                raise error
            finally:
                del error
        return result

    async def main():
        for fails in (False, True):
            argument, function = Thing(), Thing()
            function.call = lambda *args: job(*args)
            refs.extend([weakref.ref(argument), weakref.ref(function)])
            with contextlib.suppress(Fault):
                await pool.submit(lambda a, b, f=function: f.call(a, b), argument, fails)
            del argument, function
        await pool.submit(str)  # the only worker has left the job before behind

    gc.disable()  # so that cycles would show
    try:
        asyncio.run(main())
        assert [ref() for ref in refs] == [None] * 7
    finally:
        gc.enable()
    assert pool.close(timeout=30)


def test_a_context_does_not_leak_to_the_next_job():
    pool = WorkerPool(threads=1)

    async def main():
        await pool.submit(variable.set, "leaked")
        return await pool.submit(variable.get)

    assert asyncio.run(main()) == "unset"
    assert pool.close(timeout=30)


def test_a_given_context_is_used(pool):
    context = contextvars.copy_context()

    async def main():
        await pool.submit(context.run, variable.set, "given")
        return await pool.submit(context.run, variable.get)

    assert asyncio.run(main()) == "given"
    assert context[variable] == "given"
    assert variable.get() == "unset"


def test_bare_pool_jobs_have_no_bridge(pool):
    assert asyncio.run(use(pool, current_bridge)) is None


def test_jobs_of_a_bridge_see_it_and_only_they(pool):
    async def main():
        bridge = PoolBridge(asyncio.get_running_loop(), pool, pool)
        assert await bridge.submit(current_bridge) is bridge
        assert await bridge.submit(current_bridge, side=True) is bridge
        return await pool.submit(current_bridge)

    assert asyncio.run(main()) is None


def test_anyio_from_thread_reaches_the_submitting_loop(pool):
    import anyio.from_thread
    import anyio.lowlevel

    async def where(argument):
        await anyio.lowlevel.checkpoint()
        return asyncio.get_running_loop(), argument

    def job():
        anyio.from_thread.check_cancelled()
        return anyio.from_thread.run(where, 1), anyio.from_thread.run_sync(asyncio.get_running_loop)

    async def main():
        loop = asyncio.get_running_loop()
        assert await pool.submit(job) == ((loop, 1), loop)

    asyncio.run(main())
    asyncio.run(main())  # the same threads, another loop


def test_resize_up_serves_waiting_jobs():
    pool = WorkerPool(threads=1)
    barrier = threading.Barrier(3)

    async def main():
        jobs = [pool.submit(barrier.wait, 30) for _ in range(3)]
        assert pool.stats()[:4] == (1, 1, 0, 2)
        pool.resize(threads=3, queue_limit=0)
        await asyncio.gather(*jobs)
        gate = threading.Event()
        jobs = [pool.submit(gate.wait, 30) for _ in range(3)]
        with pytest.raises(QueueFull):
            pool.submit(str)
        gate.set()
        await asyncio.gather(*jobs)

    asyncio.run(main())
    assert pool.close(timeout=30)


def test_resize_down_ends_idle_threads():
    pool = WorkerPool(threads=4)
    barrier = threading.Barrier(4)

    async def main():
        await asyncio.gather(*(pool.submit(barrier.wait, 30) for _ in range(4)))
        assert pool.stats().threads == 4
        pool.resize(threads=1, queue_limit=100)
        while pool.stats().threads > 1:
            await asyncio.sleep(0)
        assert await asyncio.gather(*(pool.submit(str, i) for i in range(20))) == [str(i) for i in range(20)]
        assert pool.stats().threads == 1

    asyncio.run(main())
    assert pool.close(timeout=30)


def test_resize_down_ends_busy_threads_after_their_job():
    pool = WorkerPool(threads=2)
    first, second = threading.Event(), threading.Event()

    async def main():
        jobs = [pool.submit(first.wait, 30) for _ in range(2)] + [pool.submit(second.wait, 30) for _ in range(2)]
        pool.resize(threads=1, queue_limit=100)
        first.set()
        while pool.stats().threads > 1:  # though two jobs wait
            await asyncio.sleep(0)
        second.set()
        assert await asyncio.gather(*jobs) == [True] * 4

    asyncio.run(main())
    assert pool.close(timeout=30)


async def until_it_takes_no_jobs(pool):
    """`closed` is said first, the door shuts a moment later."""
    while not pool.closed:
        await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="'asyncflask' is being closed"):
        while True:
            pool.submit(str)
            await asyncio.sleep(0)


def test_resize_down_under_load_then_close_runs_every_job():
    pool = WorkerPool(threads=3)
    gate = threading.Event()
    ran = []

    async def main():
        for _ in range(3):
            pool.submit(gate.wait, 30)
        for number in range(10):
            pool.submit(ran.append, number)
        pool.resize(threads=1, queue_limit=10_000)
        pool.submit(ran.append, "last")
        closing = asyncio.create_task(asyncio.to_thread(pool.close, 30))
        await until_it_takes_no_jobs(pool)
        gate.set()
        assert await closing

    asyncio.run(main())
    assert ran == [*range(10), "last"]
    assert pool.stats().threads == 0


def test_close_runs_what_waits_and_refuses_what_comes():
    pool = WorkerPool(threads=1)
    gate = threading.Event()
    ran = []

    async def main():
        pool.submit(gate.wait, 30)
        pool.submit(ran.append, 1)
        closing = asyncio.create_task(asyncio.to_thread(pool.close, 30))
        await until_it_takes_no_jobs(pool)
        gate.set()
        return await closing

    assert asyncio.run(main()) is True
    assert ran == [1]


def test_close_tells_when_time_is_up():
    pool = WorkerPool(threads=1)
    gate = threading.Event()

    async def main():
        job = pool.submit(gate.wait, 30)
        assert pool.close(timeout=0) is False
        gate.set()
        assert await job
        return await pool.submit(str, 2)  # open again

    assert asyncio.run(main()) == "2"
    assert not pool.closed
    assert pool.close(timeout=30)


def test_closed_pools_open_again(pool):
    assert not pool.closed
    for _ in range(3):
        assert asyncio.run(use(pool, str, 1)) == "1"
        assert not pool.closed
        assert pool.close(timeout=30)
        assert pool.closed
        assert pool.stats().threads == 0


def test_close_without_threads(pool):
    assert pool.close()
    assert pool.closed


def test_a_job_may_close_its_own_pool():
    pool = WorkerPool(threads=2)
    assert asyncio.run(use(pool, pool.close, 30)) is True
    assert pool.close(timeout=30)


def test_threads_end_with_a_pool_that_nobody_holds():
    pool = WorkerPool(threads=2)
    thread = asyncio.run(use(pool, threading.current_thread))
    gone = weakref.ref(pool)
    del pool
    assert gone() is None
    thread.join(30)
    assert not thread.is_alive()


def test_a_job_keeps_running_when_its_pool_goes():
    pool = WorkerPool(threads=1)
    gate = threading.Event()

    async def main():
        nonlocal pool
        first, second = pool.submit(gate.wait, 30), pool.submit(threading.current_thread)
        pool = None
        gate.set()
        return await first, await second

    value, thread = asyncio.run(main())
    assert value is True
    thread.join(30)
    assert not thread.is_alive()


def test_a_thread_that_cannot_start_fails_its_job(pool, monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    async def main():
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="can't start new thread"):
                await pool.submit(str)
        assert pool.stats()[:4] == (0, 0, 0, 0)
        return await pool.submit(str, 1)

    assert asyncio.run(main()) == "1"


def test_a_thread_that_cannot_start_leaves_the_job_to_others(pool, monkeypatch):
    gate = threading.Event()

    def refuse(self):
        raise RuntimeError("can't start new thread")

    async def main():
        first = pool.submit(gate.wait, 30)
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            second = pool.submit(str, 2)
        assert pool.stats()[:4] == (1, 1, 0, 1)
        gate.set()
        return await first, await second

    assert asyncio.run(main()) == (True, "2")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_starts_with_an_empty_pool(tmp_path):
    script = """
import asyncio, os, sys, threading
from asyncflask.threads import WorkerPool, run_async

pool = WorkerPool(threads=2)

async def main():
    return await pool.submit(threading.get_ident)

async def answer():
    return 42

asyncio.run(main())
assert run_async(answer()) == 42
child = os.fork()
if child == 0:
    assert pool.stats().threads == 0
    asyncio.run(main())
    assert pool.stats().threads == 1
    assert run_async(answer()) == 42
    assert pool.close(10)
    sys.stdout.flush()
    os._exit(7)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 7, status
asyncio.run(main())
assert run_async(answer()) == 42
assert pool.close(10)
"""
    run_script(script)


@pytest.mark.parametrize("state", ["idle", "busy", "unfetched"])
def test_an_ordinary_exit_prints_nothing(state):
    run_script(f"""
import asyncio, threading, time
from asyncflask.threads import WorkerPool, run_async

pool = WorkerPool(threads=2)

async def main():
    await pool.submit(str)
    if {state!r} == "busy":
        pool.submit(threading.Event().wait)
        pool.submit(time.sleep, 1000)
    if {state!r} == "unfetched":
        pool.submit(str)

asyncio.run(main())
run_async(asyncio.sleep(0))
""")


def test_the_background_loop_winds_up_at_exit():
    run_script(
        """
import asyncio
from asyncflask.threads import run_async

tasks = []

async def stuck():
    try:
        await asyncio.Event().wait()
    finally:
        print("cleaned up")

async def start():
    tasks.append(asyncio.create_task(stuck()))
    await asyncio.sleep(0)

run_async(start())
""",
        stdout="cleaned up\n",
    )


def run_script(script, stdout=""):
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, stdout, "")
