"""Publish and subscribe: who hears what, and who is too slow; in the process, and through a Redis."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from contextlib import AsyncExitStack, contextmanager

import pytest

from asyncflask.pubsub import PubSub, PubSubUnavailable, SlowConsumer

from ...flow.asking import turns
from ...redis_server import RedisServer

LIMIT = 20


@contextmanager
def redis_server():
    server = RedisServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def redis():
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def make(request):
    """A function that makes hubs that share their messages: one and the same, or several on one Redis."""
    made = []
    url = request.getfixturevalue("redis").url if request.param == "redis" else None

    def make(**options):
        if url is not None or not made:
            made.append(PubSub(url, **options))
        return made[-1]

    yield make
    for hub in made:
        await hub.close()


async def first(subscription, count):
    return [await asyncio.wait_for(anext(subscription), LIMIT) for _ in range(count)]


async def test_everybody_who_listens_hears_it_in_order(make):
    one, two = make(), make()
    async with one.subscribe("a") as a, two.subscribe("a", "b") as ab, one.subscribe("a") as again:
        for number in range(5):
            await two.publish("a", f"ä{number}")
        await one.publish("b", "to b")
        expected = [f"ä{number}" for number in range(5)]
        assert await first(a, 5) == await first(again, 5) == expected
        assert sorted(await first(ab, 6)) == sorted([*expected, "to b"])


async def test_who_has_left_hears_nothing(make):
    hub = make()
    async with hub.subscribe("a") as stays:
        async with hub.subscribe("a") as leaves:
            await hub.publish("a", "1")
            assert await first(leaves, 1) == ["1"]
        await hub.publish("a", "2")
        assert await first(stays, 2) == ["1", "2"]
        assert not leaves._waiting
    await hub.publish("b", "nobody")
    async with hub.subscribe("b") as later:
        await hub.publish("b", "3")
        assert await first(later, 1) == ["3"]


async def test_leaving_and_coming_back_at_once(make):
    hub = make()
    for number in range(20):
        async with hub.subscribe("a") as messages:
            await hub.publish("a", str(number))
            assert await first(messages, 1) == [str(number)]


@pytest.mark.parametrize("channels", [("a", "a", "a"), ("a", "b", "c")], ids=["same", "different"])
async def test_the_first_ones_come_at_once(make, channels):
    """Nobody is connected to Redis yet."""
    hub = make()

    async def hear(number):
        async with hub.subscribe(channels[number]) as messages:
            for _ in range(5):  # leaving and coming back beside the others
                async with hub.subscribe(f"{channels[number]}2"):
                    pass
            await hub.publish(channels[number], f"{number}")
            return [message async for message in until(messages, f"{number}")][-1]

    async with asyncio.timeout(LIMIT):
        assert await asyncio.gather(*map(hear, range(3))) == ["0", "1", "2"]


async def until(messages, last):
    async for message in messages:
        yield message
        if message == last:
            return


async def test_the_first_one_may_leave_while_it_connects(make):
    hub = make()
    first_one = asyncio.create_task(hub.subscribe("a").__aenter__())
    second = asyncio.create_task(hub.subscribe("a").__aenter__())
    await asyncio.sleep(0)
    first_one.cancel()
    async with asyncio.timeout(LIMIT):
        messages = await second
        await hub.publish("a", "x")
        assert await first(messages, 1) == ["x"]
    await messages.__aexit__(None, None, None)


async def test_a_thousand_subscribers(make):
    hub = make()
    async with AsyncExitStack() as stack:
        all_of_them = [await stack.enter_async_context(hub.subscribe("a")) for _ in range(1000)]
        await hub.publish("a", "to all")
        assert await asyncio.gather(*(first(one, 1) for one in all_of_them)) == [["to all"]] * 1000


async def test_a_slow_subscriber_misses_the_oldest(make):
    hub = make(queue=3)
    async with hub.subscribe("a") as slow, hub.subscribe("a") as quick:
        for number in range(10):
            await hub.publish("a", str(number))
            assert await first(quick, 1) == [str(number)]
        assert slow.dropped == 7 and quick.dropped == 0
        assert await first(slow, 3) == ["7", "8", "9"]


async def test_a_slow_subscriber_is_told_to_go(make):
    hub = make(queue=3, when_full="end")
    async with hub.subscribe("a") as slow, hub.subscribe("a") as quick:
        for number in range(10):
            await hub.publish("a", str(number))
            await first(quick, 1)
        with pytest.raises(SlowConsumer, match="'a' took its messages too slowly: 3 were waiting"):
            await first(slow, 1)
        with pytest.raises(SlowConsumer):
            await first(slow, 1)
        await hub.publish("a", "last")
        assert await first(quick, 1) == ["last"]


async def test_relay(make):
    hub, heard = make(), []

    async def send(message):
        if message == "broken":
            raise LookupError(message)
        heard.append(message)

    async with hub.relay(send, "a"):
        await hub.publish("a", "1")
        await turns_slowly(lambda: heard)
    with pytest.raises(ExceptionGroup) as caught:
        async with hub.relay(send, "a"):
            await hub.publish("a", "broken")
            await asyncio.Event().wait()
    assert isinstance(caught.value.exceptions[0], LookupError) and heard == ["1"]


async def turns_slowly(until):
    for _ in range(2000):
        if until():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("what was waited for has not happened")


def test_from_threads(make_in_thread):
    hub = make_in_thread
    with hub.subscribe("a") as messages:
        hub.publish("a", "1")
        hub.publish("a", "2")
        several = iter(messages)
        assert [next(several), next(several)] == ["1", "2"]


@pytest.fixture(params=["memory", "redis"])
def make_in_thread(request):
    from asyncflask.threads import run_async

    hub = PubSub(request.getfixturevalue("redis").url if request.param == "redis" else None)
    yield hub
    run_async(hub.close())


async def test_a_thread_publishes_to_the_loop():
    hub = PubSub()
    async with hub.subscribe("a") as messages:
        thread = threading.Thread(target=hub.publish, args=("a", "from a thread"))
        thread.start()
        assert await first(messages, 1) == ["from a thread"]
        thread.join()


async def test_what_it_refuses():
    for options in ({"queue": 0}, {"when_full": "wait"}):
        with pytest.raises(ValueError):
            PubSub(**options)
    hub = PubSub()
    with pytest.raises(ValueError, match="at least one channel"):
        hub.subscribe()
    with pytest.raises(TypeError, match="Text is published, not dict"):
        hub.publish("a", {})
    async with hub:
        pass


def test_without_redis_py(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setattr("asyncflask.pubsub.redis.find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install 'asyncflask\[redis\]'"):
        PubSub("redis://localhost")


async def test_redis_that_is_not_there(redis):
    hub = PubSub("redis://user:secret@127.0.0.1:1")
    for act in (hub.__aenter__, lambda: hub.publish("a", "x"), hub.subscribe("a").__aenter__):
        with pytest.raises(PubSubUnavailable, match=r"Redis at redis://127\.0\.0\.1:1 cannot be reached") as caught:
            await act()
        assert caught.value.code == 503 and "secret" not in str(caught.value)
    assert not hub._listening
    await hub.close()


async def test_redis_goes_away_and_comes_back(caplog):
    with redis_server() as server:
        hub = PubSub(server.url)
        async with hub, hub.subscribe("a") as messages:
            await hub.publish("a", "before")
            assert await first(messages, 1) == ["before"]
            server.stop()
            with pytest.raises(PubSubUnavailable):
                await hub.publish("a", "lost")
            await turns_slowly(lambda: "is away" in caplog.text)
            server.start()
            await turns_slowly_published(hub, messages)
        assert sum("is away" in record.getMessage() for record in caplog.records) == 1
        assert sum("is back" in record.getMessage() for record in caplog.records) == 1


async def test_redis_that_is_silent(monkeypatch):
    monkeypatch.setattr("asyncflask.pubsub.redis.CONFIRMED_WITHIN", 0.05)
    with redis_server() as server:
        hub = PubSub(server.url)
        async with hub, hub.subscribe("a") as messages:
            server.process.send_signal(signal.SIGSTOP)
            try:
                with pytest.raises(PubSubUnavailable, match=r"not confirmed a subscription within 0\.05 seconds"):
                    await hub.subscribe("b").__aenter__()
            finally:
                server.process.send_signal(signal.SIGCONT)
            assert list(hub._listening) == ["a"]
            await hub.publish("a", "again")
            assert await first(messages, 1) == ["again"]


async def turns_slowly_published(hub, messages):
    for _ in range(2000):
        await hub.publish("a", "after")
        if messages._waiting:
            assert await first(messages, 1) == ["after"]
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nothing is heard again")


async def test_no_task_stays(redis):
    before = asyncio.all_tasks()
    async with PubSub(redis.url) as hub, hub.subscribe("a"):
        assert len(asyncio.all_tasks()) > len(before)
    await turns(lambda: asyncio.all_tasks() == before)
