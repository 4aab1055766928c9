"""The sync test client's bridge: loop and sync code in the caller's thread."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import threading
import weakref

import pytest

from asyncflask.threads import CallerBridge, InContext, InThread, OnLoop, current_bridge, drive, run_async

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@pytest.fixture
def bridge():
    bridge = CallerBridge()
    yield bridge
    bridge.close()


async def where():
    await asyncio.sleep(0)
    return asyncio.get_running_loop()


def test_everything_runs_in_the_callers_thread(bridge):
    async def view():
        return (
            threading.get_ident(),
            await bridge.submit(threading.get_ident),
            await bridge.submit(threading.get_ident, side=True),
        )

    assert set(bridge.serve(view())) == {threading.get_ident()}


def test_no_loop_runs_during_a_job(bridge):
    def job():
        assert asyncio._get_running_loop() is None
        assert current_bridge() is bridge
        return asyncio.run(asyncio.sleep(0, "own loop"))

    async def main():
        assert asyncio.get_running_loop() is bridge.loop
        answer = await bridge.submit(job)
        assert asyncio.get_running_loop() is bridge.loop
        return answer

    assert bridge.serve(main()) == "own loop"
    assert current_bridge() is None


def test_jobs_may_call_async_code_that_calls_jobs(bridge):
    async def deep(level):
        await asyncio.sleep(0)
        if level == 0:
            return [threading.get_ident()]
        return [*await bridge.submit(lambda: run_async(deep(level - 1))), level]

    assert bridge.serve(deep(5)) == [threading.get_ident(), 1, 2, 3, 4, 5]


def test_both_drivers_keep_one_context(bridge):
    async def pipeline():
        token = variable.set("1")
        await OnLoop(asyncio.sleep(0))
        inner = await InThread(variable.set, ("2",))
        assert variable.get() == "2"
        variable.reset(inner)
        variable.reset(token)
        return variable.get()

    async def main():
        context = contextvars.copy_context()
        on_loop = await InContext(pipeline(), context, bridge)
        in_place = await bridge.submit(drive, pipeline(), context, bridge)
        return on_loop, in_place

    assert bridge.serve(main()) == ("unset", "unset")


def test_the_callers_context_is_seen_and_changed(bridge):
    async def main():
        seen = variable.get()
        variable.set("changed")
        return seen

    token = variable.set("the test's")
    assert bridge.serve(main()) == "the test's"
    assert variable.get() == "changed"
    variable.reset(token)


def test_a_given_context_is_used(bridge):
    context = contextvars.copy_context()

    async def main():
        variable.set("inside")

    bridge.serve(main(), context)
    assert context.run(variable.get) == "inside"
    assert variable.get() == "unset"


def test_a_context_does_not_leak_from_a_job(bridge):
    async def main():
        await bridge.submit(variable.set, "leaked")
        return variable.get(), await bridge.submit(variable.get)

    assert bridge.serve(main()) == ("unset", "unset")
    assert variable.get() == "unset"


def test_works_inside_a_running_loop(bridge):
    async def view():
        assert asyncio.get_running_loop() is bridge.loop
        assert asyncio.current_task() is not None
        return await bridge.submit(lambda: (asyncio._get_running_loop(), run_async(where())))

    async def test():
        outer, task = asyncio.get_running_loop(), asyncio.current_task()
        answer = bridge.serve(view())
        assert asyncio.get_running_loop() is outer
        assert asyncio.current_task() is task
        await asyncio.sleep(0)
        return answer

    assert asyncio.run(test()) == (None, bridge.loop)


def test_an_exception_inside_a_running_loop_restores_it(bridge):
    async def fails():
        raise LookupError

    async def test():
        outer, task = asyncio.get_running_loop(), asyncio.current_task()
        with pytest.raises(LookupError):
            bridge.serve(fails())
        assert asyncio.get_running_loop() is outer
        assert asyncio.current_task() is task
        await asyncio.sleep(0)

    asyncio.run(test())


def test_anyio_from_thread_works_in_a_job(bridge):
    import anyio.from_thread
    import anyio.lowlevel

    async def add(a, b):
        await anyio.lowlevel.checkpoint()
        return a + b, asyncio.get_running_loop()

    def job():
        anyio.from_thread.check_cancelled()
        return anyio.from_thread.run(add, 1, 2), anyio.from_thread.run_sync(asyncio.get_running_loop)

    async def main():
        return await bridge.submit(job)

    assert bridge.serve(main()) == ((3, bridge.loop), bridge.loop)
    with pytest.raises(RuntimeError, match="worker thread"):
        anyio.from_thread.run(add, 1, 2)


def test_a_job_can_not_be_cancelled(bridge):
    order = []

    async def request():
        try:
            await bridge.submit(order.append, "job")
        except asyncio.CancelledError:
            order.append("cancelled")
            raise

    async def main():
        task = asyncio.create_task(request())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    bridge.serve(main())
    assert order == ["job", "cancelled"]


def throw(error):
    raise error


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, LookupError])
@pytest.mark.parametrize("place", ["job", "loop", "deep"])
def test_exceptions_come_out_as_themselves(bridge, caplog, kind, place):
    error = kind("out")
    cleaned = []

    async def fails():
        await asyncio.sleep(0)
        raise error

    async def main():
        try:
            if place == "job":
                await bridge.submit(throw, error)
            elif place == "loop":
                await fails()
            else:
                await bridge.submit(lambda: run_async(fails()))
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(kind) as info:
        bridge.serve(main())
    assert info.value is error
    assert cleaned == [True]
    assert not asyncio.all_tasks(bridge.loop)
    assert bridge.serve(where()) is bridge.loop, "usable afterwards"
    bridge.close()
    gc.collect()
    assert not caplog.records


def test_nothing_is_kept_of_an_exception(bridge):
    class Fault(Exception):
        pass

    refs = []

    def job():
        raise Fault

    async def main():
        try:
            await bridge.submit(job)
        except Fault as error:
            refs.append(weakref.ref(error))
        raise Fault

    gc.disable()  # so that cycles would show
    try:
        try:
            bridge.serve(main())
        except Fault as error:
            refs.append(weakref.ref(error))
        assert [ref() for ref in refs] == [None, None]
    finally:
        gc.enable()


@pytest.fixture
def python_handles_ctrl_c():
    """Shells let what they run in the background ignore SIGINT, and Python leaves it at that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_handles_ctrl_c")
def test_ctrl_c_while_the_loop_runs_cancels_what_it_interrupts(bridge, caplog):
    seen = []

    async def main():
        try:
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            seen.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        bridge.serve(main())
    assert seen == ["cleaned up"]
    assert not asyncio.all_tasks(bridge.loop)
    gc.collect()
    assert not caplog.records


def test_a_background_task_lives_from_one_call_to_the_next(bridge):
    async def start():
        event = asyncio.Event()
        return event, asyncio.create_task(event.wait())

    async def finish(event, task):
        event.set()
        return await task

    assert bridge.serve(finish(*bridge.serve(start()))) is True


def test_close_cancels_what_runs_and_runs_what_waits(bridge):
    seen = []

    async def background():
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(await bridge.submit(str, "job at the end"))

    async def numbers():
        try:
            yield 1
        finally:
            seen.append("generator closed")

    async def main():
        seen.append(asyncio.create_task(background()))
        seen.append(generator := numbers())
        await anext(generator)

    bridge.serve(main())
    loop = bridge.loop
    bridge.close()
    assert seen[2:] == ["job at the end", "generator closed"]
    assert loop.is_closed()
    bridge.close()
    assert bridge.serve(where()) is not loop, "opens again"


def test_close_inside_a_running_loop(bridge):
    async def test():
        bridge.serve(where())
        bridge.close()
        await asyncio.sleep(0)

    asyncio.run(test())


def test_a_bridge_that_nobody_holds_closes_its_loop():
    bridge = CallerBridge()
    loop = bridge.serve(where())
    gone = weakref.ref(bridge)
    del bridge
    assert gone() is None
    assert loop.is_closed()


def test_async_code_on_the_private_loop_is_told_to_await(bridge):
    async def main():
        with pytest.raises(RuntimeError, match="Use `await`"):
            bridge.run(where(), None)
        with pytest.raises(RuntimeError, match="Use `await`"):
            run_async(where())
        with pytest.raises(RuntimeError, match="should `await`"):
            bridge.serve(where())
        return await bridge.submit(lambda: run_async(inner()))

    async def inner():
        with pytest.raises(RuntimeError, match="Use `await`"):
            run_async(where())
        return "ok"

    assert bridge.serve(main()) == "ok"


def test_another_thread_is_refused_while_in_use(bridge):
    errors = []

    def other():
        try:
            bridge.serve(where())
        except RuntimeError as error:
            errors.append(str(error))

    def job():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(30)

    async def main():
        await bridge.submit(job)

    bridge.serve(main())
    assert len(errors) == 1
    assert "another thread" in errors[0]


def test_threads_may_take_turns(bridge):
    answers = [bridge.serve(where())]
    thread = threading.Thread(target=lambda: answers.append(bridge.serve(where())))
    thread.start()
    thread.join(30)
    assert answers == [bridge.loop] * 2


def test_serve_from_a_job(bridge):
    async def main():
        return await bridge.submit(lambda: bridge.serve(where()))

    assert bridge.serve(main()) is bridge.loop
