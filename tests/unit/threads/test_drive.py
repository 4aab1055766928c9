"""The two drivers: one Context for every step, results and exceptions both ways, cancellation."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref

import pytest

from asyncflask.threads import InContext, InThread, OnLoop, PoolBridge, WorkerPool, current_bridge, drive

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
other: contextvars.ContextVar[str] = contextvars.ContextVar("other", default="unset")


@pytest.fixture
def run():
    """Call `async def main(bridge)` on a loop that has a bridge."""
    views, side = WorkerPool(threads=4), WorkerPool(threads=2, name="asyncflask-side")

    def run(main):
        async def with_bridge():
            return await main(PoolBridge(asyncio.get_running_loop(), views, side))

        return asyncio.run(with_bridge())

    yield run
    assert views.close(timeout=30)
    assert side.close(timeout=30)


def in_context(bridge, coro, context):
    async def task():
        return await InContext(coro, context, bridge)

    return task()


def in_worker(bridge, coro, context):
    async def task():
        return await bridge.submit(drive, coro, context, bridge)

    return task()


both = pytest.mark.parametrize("driver", [in_context, in_worker])


@both
def test_tokens_work_across_every_hop(run, driver):
    async def pipeline():
        token = variable.set("1")

        async def on_loop():
            assert asyncio.current_task() is not None
            assert variable.get() == "1"
            await asyncio.sleep(0)
            return variable.set("2")

        def in_thread():
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            assert variable.get() == "2"
            return variable.set("3")

        second = await OnLoop(on_loop())
        third = await InThread(in_thread)
        assert variable.get() == "3"
        variable.reset(third)
        assert variable.get() == "2"
        await InThread(variable.reset, (second,))
        assert variable.get() == "1"
        await OnLoop(reset(token))
        return variable.get()

    async def reset(token):
        variable.reset(token)

    async def main(bridge):
        context = contextvars.copy_context()
        assert await driver(bridge, pipeline(), context) == "unset"
        assert variable.get() == "unset"
        return context

    run(main)


@both
def test_what_is_set_stays_in_the_context(run, driver):
    async def pipeline():
        variable.set("mine")
        await OnLoop(asyncio.sleep(0))
        await InThread(other.set, ("too",))

    async def main(bridge):
        context = contextvars.copy_context()
        await driver(bridge, pipeline(), context)
        assert (context[variable], context[other]) == ("mine", "too")
        assert variable.get() == other.get() == "unset"

    run(main)


@both
def test_exceptions_of_both_kinds_of_call_arrive_where_they_were_awaited(run, driver):
    async def fails():
        await asyncio.sleep(0)
        raise LookupError("loop")

    def throws():
        raise LookupError("thread")

    async def pipeline():
        seen = []
        for wish in (OnLoop(fails()), InThread(throws)):
            try:
                await wish
            except LookupError as error:
                seen.append(error.args)
        raise KeyError(*seen)

    async def main(bridge):
        with pytest.raises(KeyError) as info:
            await driver(bridge, pipeline(), contextvars.copy_context())
        assert info.value.args == (("loop",), ("thread",))

    run(main)


@both
def test_stop_iteration_in_a_thread_is_a_runtime_error_in_the_coroutine(run, driver):
    async def pipeline():
        with pytest.raises(RuntimeError, match="StopIteration"):
            await InThread(next, (iter(()),))
        return "went on"

    async def main(bridge):
        return await driver(bridge, pipeline(), contextvars.copy_context())

    assert run(main) == "went on"


@both
def test_on_loop_takes_any_awaitable(run, driver):
    class Awaitable:
        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return variable.get()

    async def main(bridge):
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, "future")
        task = loop.create_task(asyncio.sleep(0, "task"))

        async def pipeline():
            variable.set("seen")
            return [await OnLoop(thing) for thing in (Awaitable(), future, task)]

        return await driver(bridge, pipeline(), contextvars.copy_context())

    assert run(main) == ["seen", "future", "task"]


@both
def test_an_entered_context_is_an_error_not_a_hang(run, driver):
    async def main(bridge):
        context = contextvars.copy_context()
        gate, inside = threading.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold():
            loop.call_soon_threadsafe(inside.set)
            gate.wait(30)

        job = bridge.submit(context.run, hold)
        await inside.wait()
        with pytest.raises(RuntimeError, match="already entered"):
            await driver(bridge, asyncio.sleep(0), context)  # and no warning of a coroutine never awaited
        gate.set()
        await job

    run(main)


@both
def test_nothing_is_kept_of_what_went_through(run, driver):
    class Thing(Exception):
        pass

    refs = []

    def throws():
        raise Thing

    async def fails():
        raise Thing

    async def pipeline():
        for wish in (OnLoop(fails()), InThread(throws)):
            try:
                await wish
            except Thing as error:
                refs.append(weakref.ref(error))
        raise Thing

    async def main(bridge):
        try:
            await driver(bridge, pipeline(), contextvars.copy_context())
        except Thing as error:
            refs.append(weakref.ref(error))
        for side in (False, True):  # lets the workers leave the job before behind
            await bridge.submit(str, side=side)
        return [ref() for ref in refs]

    gc.disable()  # so that cycles would show
    try:
        assert run(main) == [None] * 3
    finally:
        gc.enable()


# InContext


def test_in_context_needs_no_task_of_its_own(run):
    async def pipeline():
        await asyncio.sleep(0)
        return asyncio.current_task()

    async def main(bridge):
        context = contextvars.copy_context()
        assert await InContext(pipeline(), context, bridge) is asyncio.current_task()

    run(main)


def test_in_context_passes_futures_and_bare_yields_through(run):
    async def main(bridge):
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        failing = loop.create_future()

        async def pipeline():
            await asyncio.sleep(0)
            variable.set("here")
            loop.call_soon(future.set_result, 5)
            loop.call_soon(failing.set_exception, LookupError())
            five = await future
            with pytest.raises(LookupError):
                await failing
            async with asyncio.timeout(30):
                await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
            assert variable.get() == "here"
            return five

        return await InContext(pipeline(), contextvars.copy_context(), bridge)

    assert run(main) == 5


def test_in_context_child_tasks_inherit_its_context(run):
    async def child():
        return variable.get()

    async def pipeline():
        variable.set("parent's")
        return await asyncio.create_task(child())

    async def main(bridge):
        return await InContext(pipeline(), contextvars.copy_context(), bridge)

    assert run(main) == "parent's"


def test_in_context_between_steps_the_outer_context_is_current(run):
    async def main(bridge):
        loop = asyncio.get_running_loop()
        seen = []

        async def pipeline():
            variable.set("inner")
            loop.call_soon(lambda: seen.append(variable.get()), context=contextvars.copy_context())
            await asyncio.sleep(0)

        variable.set("outer")
        await InContext(pipeline(), contextvars.Context(), bridge)
        return seen, variable.get()

    assert run(main) == (["inner"], "outer")


def test_in_context_cancellation_arrives_at_the_await_in_the_context(run):
    seen = []

    async def main(bridge):
        reached = asyncio.Event()

        async def pipeline():
            variable.set("mine")
            try:
                reached.set()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append(variable.get())
                await asyncio.sleep(0)
                seen.append("cleaned up")
                raise

        async def awaiter():
            await InContext(pipeline(), contextvars.copy_context(), bridge)

        task = asyncio.create_task(awaiter())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    assert seen == ["mine", "cleaned up"]


def test_in_context_cancellation_waits_for_the_thread(run):
    gate = threading.Event()
    order = []

    async def main(bridge):
        reached = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hook():
            loop.call_soon_threadsafe(reached.set)
            assert gate.wait(30)
            variable.set("by the thread")
            order.append("thread")

        async def pipeline():
            try:
                await InThread(hook)
            finally:
                order.append(variable.get())

        async def awaiter():
            await InContext(pipeline(), contextvars.copy_context(), bridge)

        task = asyncio.create_task(awaiter())
        await reached.wait()
        task.cancel()
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    assert order == ["thread", "by the thread"]


def test_in_context_closing_the_awaiter_closes_inside_the_context(run):
    seen = []

    async def main(bridge):
        async def pipeline():
            variable.set("mine")
            try:
                await asyncio.sleep(0)
            except GeneratorExit:
                seen.append(variable.get())
                raise
            finally:
                seen.append("closed")

        async def awaiter():
            await InContext(pipeline(), contextvars.copy_context(), bridge)

        coro = awaiter()
        coro.send(None)
        coro.close()

    run(main)
    assert seen == ["mine", "closed"]


def test_in_context_jobs_go_to_the_side_unless_told(run):
    async def pipeline():
        def name():
            return threading.current_thread().name

        return await InThread(name), await InThread(name, (), side=False)

    async def main(bridge):
        return await InContext(pipeline(), contextvars.copy_context(), bridge)

    side, view = run(main)
    assert side.startswith("asyncflask-side-")
    assert not view.startswith("asyncflask-side-")


def test_in_context_a_full_queue_is_raised_at_the_await(run):
    async def main(bridge):
        gate = threading.Event()
        bridge.side.resize(1, 0)
        job = bridge.submit(gate.wait, 30, side=True)

        async def pipeline():
            try:
                await InThread(str)
            except RuntimeError as error:
                return type(error).__name__

        answer = await InContext(pipeline(), contextvars.copy_context(), bridge)
        gate.set()
        await job
        return answer

    assert run(main) == "QueueFull"


def test_a_thousand_interleaved_coroutines_keep_their_contexts(run):
    async def main(bridge):
        async def pipeline(number):
            mine = str(number)
            variable.set(mine)
            for turn in range(3):
                await asyncio.sleep(0)
                assert variable.get() == mine
                if number % 10 == turn:
                    assert await InThread(variable.get) == mine
                    await InThread(other.set, (mine,))
                    assert other.get() == mine

        async def one(number):
            driver = in_worker if number % 7 == 0 else in_context
            if driver is in_worker:
                await driver(bridge, thread_side(number), contextvars.copy_context())
            else:
                await driver(bridge, pipeline(number), contextvars.copy_context())

        async def thread_side(number):
            variable.set(str(number))
            assert await OnLoop(on_loop()) == str(number)
            assert await InThread(variable.get) == str(number)

        async def on_loop():
            await asyncio.sleep(0)
            return variable.get()

        await asyncio.gather(*(one(number) for number in range(1000)))

    run(main)


# drive


def test_drive_stays_in_one_thread(run):
    async def pipeline():
        seen = [threading.get_ident()]
        await OnLoop(asyncio.sleep(0))
        seen.append(await InThread(threading.get_ident))
        await OnLoop(asyncio.sleep(0))
        return [*seen, threading.get_ident(), current_bridge()]

    async def main(bridge):
        *idents, last = await bridge.submit(drive, pipeline(), contextvars.copy_context(), bridge)
        assert len(set(idents)) == 1
        assert idents[0] != threading.get_ident()
        assert last is bridge

    run(main)


def test_drive_refuses_a_future_with_advice(run):
    async def main(bridge):
        future = asyncio.get_running_loop().create_future()

        async def pipeline():
            try:
                await future
            except RuntimeError as error:
                return str(error)

        message = await bridge.submit(drive, pipeline(), contextvars.copy_context(), bridge)
        asyncio.get_running_loop().call_soon(future.set_result, 1)
        assert await future == 1, "the future can still be awaited where it belongs"
        return message

    message = run(main)
    assert "awaited outside of the event loop" in message
    assert "app.async_to_sync" in message


def test_drive_refuses_a_bare_yield(run):
    async def main(bridge):
        async def pipeline():
            await asyncio.sleep(0)

        with pytest.raises(RuntimeError, match="outside of the event loop"):
            await bridge.submit(drive, pipeline(), contextvars.copy_context(), bridge)

    run(main)


def test_drive_cancelled_on_the_loop_raises_in_the_coroutine(run):
    async def main(bridge):
        tasks = []

        async def forever():
            tasks.append(asyncio.current_task())
            asyncio.get_running_loop().call_soon(tasks[0].cancel)
            await asyncio.Event().wait()

        async def pipeline():
            try:
                await OnLoop(forever())
            except asyncio.CancelledError:
                return "cancelled"

        return await bridge.submit(drive, pipeline(), contextvars.copy_context(), bridge)

    assert run(main) == "cancelled"


def test_drive_works_without_any_loop():
    async def pipeline():
        variable.set("x")
        return await InThread(variable.get)

    assert drive(pipeline(), contextvars.copy_context(), None) == "x"
