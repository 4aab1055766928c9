"""A pipe holds its writer back, and loses nothing when a reader is cancelled."""

from __future__ import annotations

import asyncio

from asyncflask.testing.pipe import Pipe


async def test_a_writer_waits_for_room():
    pipe = Pipe(most=2)
    await pipe.put("a", 2)
    waits = asyncio.create_task(pipe.put("b", 1))
    await asyncio.sleep(0)
    assert not waits.done()
    assert await pipe.get() == "a"
    await waits
    assert await pipe.get() == "b"


async def test_a_reader_waits_and_may_be_cancelled():
    pipe = Pipe()
    reader = asyncio.create_task(pipe.get())
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    await pipe.put("a", 1)
    assert await pipe.get() == "a"


async def test_what_is_under_way_comes_out_before_the_end():
    pipe = Pipe()
    await pipe.put("a", 1)
    pipe.end()
    assert not pipe.at_end
    await pipe.put("late", 1)
    assert await pipe.get() == "a"
    assert pipe.at_end
    assert await pipe.get() is None


async def test_dropped_it_lets_both_go():
    pipe = Pipe(most=0)
    writer = asyncio.create_task(pipe.put("a", 1))
    await asyncio.sleep(0)
    pipe.drop()
    await writer
    assert await pipe.get() is None
