"""A task that is cancelled while a thread works for it: the thread is not abandoned, and does come to its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from asyncflask.threads import PoolBridge, WorkerPool, is_interrupted, run_async
from asyncflask.threads.drive import OnLoop, drive


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool(2)
    yield pool
    assert pool.close(10)


async def test_what_the_thread_waits_for_is_cancelled(pool: WorkerPool) -> None:
    bridge = PoolBridge(asyncio.get_running_loop(), pool, pool)
    waiting, seen = asyncio.Event(), list[str]()

    async def forever() -> None:
        waiting.set()
        await asyncio.Event().wait()

    def job() -> None:
        try:
            run_async(forever())
        except asyncio.CancelledError:
            seen.append("told")
            raise
        finally:
            seen.append("ended")

    async def work() -> None:
        await bridge.submit(job)

    task = asyncio.create_task(work())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["told", "ended"]


async def test_a_thread_that_does_not_wait_is_told_at_its_next_call_once(pool: WorkerPool) -> None:
    bridge = PoolBridge(asyncio.get_running_loop(), pool, pool)
    entered, go_on, seen = asyncio.Event(), threading.Event(), list[object]()

    async def value() -> int:
        return 1

    def job() -> str:
        bridge.loop.call_soon_threadsafe(entered.set)
        go_on.wait(10)
        try:
            run_async(value())
        except asyncio.CancelledError:
            seen.append("told")
        seen.append(run_async(value()))
        return "its own end"

    async def work() -> None:
        await bridge.submit(job)

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["told", 1]


async def test_what_the_pipeline_awaits_is_still_begun(pool: WorkerPool) -> None:
    from contextvars import copy_context

    bridge = PoolBridge(asyncio.get_running_loop(), pool, pool)
    entered, go_on, seen = asyncio.Event(), threading.Event(), list[object]()

    async def teardown() -> str:
        return "torn down"

    async def steps() -> None:
        bridge.loop.call_soon_threadsafe(entered.set)
        go_on.wait(10)
        seen.append(await OnLoop(teardown()))
        seen.append(is_interrupted())
        seen.append(is_interrupted())

    async def work() -> None:
        await bridge.submit(drive, steps(), copy_context(), bridge)

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["torn down", True, False]


def test_outside_of_jobs_nothing_is_interrupted() -> None:
    assert not is_interrupted()
