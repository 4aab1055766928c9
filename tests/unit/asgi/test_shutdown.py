"""The event that says that the server stops, what ends streams, and the signals that tell of it."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from asyncflask import App
from asyncflask.asgi.shutdown import OpenStreams, ShutdownEvent, SignalWatch


async def test_the_event_is_waited_for_on_a_loop_and_in_a_thread():
    event = ShutdownEvent()
    waiting = [asyncio.create_task(event.wait()) for _ in range(3)]
    in_thread = asyncio.create_task(asyncio.to_thread(event.wait_in_thread, 30))
    await asyncio.sleep(0)
    assert not event.is_set() and not any(task.done() for task in waiting)
    waiting.pop().cancel()
    threading.Thread(target=event.set).start()
    await asyncio.gather(*waiting)
    assert await in_thread is True
    await event.wait()
    event.clear()
    assert not event.is_set()
    assert event.wait_in_thread(0) is False


def test_the_loop_of_a_waiter_may_have_ended():
    event = ShutdownEvent()

    async def wait():
        return asyncio.get_running_loop().create_future()

    event._waiting.add(asyncio.run(wait()))
    event.set()
    assert event.is_set()


class Noted:
    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.ends = []

    def end(self, *, cleanly):
        self.ends.append(cleanly)


async def test_endless_streams_end_at_once_and_others_in_their_time():
    streams = OpenStreams()
    endless, finite, over = Noted(), Noted(), Noted()
    for stream, is_endless in ((endless, True), (finite, False), (over, True)):
        streams.add(stream, is_endless)
    streams.discard(over)
    streams.discard(over)
    threading.Thread(target=streams.end_all, args=(0.01,)).start()
    while not (endless.ends and finite.ends):
        await asyncio.sleep(0.001)
    assert (endless.ends, finite.ends, over.ends) == ([True], [False], [])
    late = Noted()
    streams.add(late, True)
    assert late.ends == [True]
    streams.begin()
    later = Noted()
    streams.add(later, True)
    assert later.ends == []


@pytest.fixture
def handler():
    """A server's handler of SIGTERM."""
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append("server"))
    yield heard
    signal.signal(signal.SIGTERM, before)


def test_a_signal_is_heard_before_the_server_hears_it(handler):
    own = signal.getsignal(signal.SIGTERM)
    watch = SignalWatch(lambda: handler.append("app"))
    signal.raise_signal(signal.SIGTERM)
    assert handler == ["app", "server"]
    watch.stop()
    assert signal.getsignal(signal.SIGTERM) is own


def test_watches_of_several_applications_end_in_any_order(handler):
    first, second = (SignalWatch(lambda name=name: handler.append(name)) for name in ("first", "second"))
    first.stop()
    signal.raise_signal(signal.SIGTERM)
    assert handler == ["second", "server"]
    second.stop()


def test_a_server_without_a_handler_is_left_alone():
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        SignalWatch(lambda: None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


async def test_signals_are_watched_while_an_app_is_served(handler):
    app = App("asyncflask_test")
    await app.startup()
    assert not app.shutdown_event.is_set()
    signal.raise_signal(signal.SIGTERM)
    assert app.shutdown_event.is_set()
    await app.shutdown()
    await app.startup()
    assert not app.shutdown_event.is_set()
    await app.shutdown()
    assert app.shutdown_event.is_set()
    signal.raise_signal(signal.SIGTERM)
    assert handler == ["server", "server"]


async def test_nothing_is_watched_outside_of_the_main_thread(handler):
    own = signal.getsignal(signal.SIGTERM)
    await asyncio.to_thread(SignalWatch, lambda: None)
    assert signal.getsignal(signal.SIGTERM) is own


def test_a_signal_handler_may_have_interrupted_who_holds_the_lock():
    event, streams = ShutdownEvent(), OpenStreams()

    def interrupted():
        with event._lock, streams._lock:
            event.set()
            streams.end_all(1)

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert event.is_set()


async def test_a_waiter_that_is_interrupted_by_the_setting_does_not_wait():
    event = ShutdownEvent()

    class Waiting(set):
        def add(self, future):
            super().add(future)
            event.set()  # as a signal handler does here

    event._waiting = Waiting()
    await asyncio.wait_for(event.wait(), 10)
