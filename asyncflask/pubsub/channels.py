"""Channels, who listens to them in this process, and a queue with an end for each."""

from __future__ import annotations

import threading
import typing as t
from collections import deque
from contextlib import asynccontextmanager

from ..lazy import late_module
from ..threads import run_async
from .errors import SlowConsumer

if t.TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    from .redis import RedisLink
else:
    asyncio = late_module("asyncio")

WhenFull = t.Literal["drop", "end"]

_FULL = "A subscriber of {} took its messages too slowly: {} were waiting."


class PubSub:
    """Channels to publish to and to subscribe to.

    On the loop its methods are awaited; in a ``def`` handler, in a worker thread, the same calls wait.

    Args:
        url: of a Redis, such as ``redis://localhost:6379/0``; None: messages stay in this process. It needs the extra
            ``redis``, and connects when it is first used. What is published while Redis is away is an error for the
            publisher, and what others publish meanwhile is not heard here.
        queue: how many messages may wait for one subscriber, at least 1.
        when_full: "drop" leaves the oldest out (`Subscription.dropped` counts them); "end" has the subscriber get
            SlowConsumer. A slow subscriber never holds up the others, nor who publishes.
        prefix: of the channels' names in Redis.

    Raises:
        ValueError: `queue` is under 1, or `when_full` is neither.
        RuntimeError: a URL is given, and redis-py is not installed.
    """

    def __init__(
        self, url: str | None = None, *, queue: int = 100, when_full: WhenFull = "drop", prefix: str = "asyncflask:"
    ) -> None:
        if queue < 1:
            raise ValueError(f"A subscriber's queue holds at least 1 message, not {queue}.")
        if when_full not in ("drop", "end"):
            raise ValueError(f"'when_full' is 'drop' or 'end', not {when_full!r}.")
        self.url = url
        self.queue = queue
        self.when_full: WhenFull = when_full
        self.prefix = prefix
        self._lock = threading.Lock()
        self._listening: dict[str, set[Subscription]] = {}
        self._link: RedisLink | None = None
        if url is not None:
            from .redis import check_installed  # redis-py is an extra

            check_installed()

    # -- publishing ------------------------------------------------------------------------------------------------

    def publish(self, channel: str, message: str) -> t.Awaitable[None]:
        """Send a message to everybody who listens to `channel`. In a thread it waits until it is sent.

        Raises:
            TypeError: the message is no text.
            PubSubUnavailable: Redis cannot be reached.
        """
        if not isinstance(message, str):
            raise TypeError(f"Text is published, not {type(message).__name__}. Make it JSON, or base64.")
        work = self._publish(channel, message)
        if asyncio._get_running_loop() is not None:
            return work
        return t.cast("t.Awaitable[None]", run_async(work))

    async def _publish(self, channel: str, message: str) -> None:
        if self.url is None:
            self.deliver(channel, message)
        else:
            await self._linked().publish(channel, message)

    def deliver(self, channel: str, message: str, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Give a message to the subscribers in this process; with `loop` only to those of that loop."""
        with self._lock:
            listening = tuple(self._listening.get(channel, ()))
        for subscription in listening:
            if loop is None or subscription.loop is loop:
                subscription.offer(message)

    # -- subscribing -----------------------------------------------------------------------------------------------

    def subscribe(self, *channels: str) -> Subscription:
        """Return a subscription, to be entered: ``async with`` on the loop, ``with`` in a thread.

        Raises ValueError without any channel.
        """
        if not channels:
            raise ValueError("Say at least one channel to subscribe to.")
        return Subscription(self, channels)

    @asynccontextmanager
    async def relay(self, send: t.Callable[[str], t.Awaitable[t.Any]], *channels: str) -> t.AsyncIterator[None]:
        """Call `send` with every message of the channels while the body of the ``async with`` runs.

        Args:
            send: such as ``websocket.send``. What it raises cancels the body, and comes out in an ExceptionGroup.
            channels: at least one.
        """

        async def pass_on(messages: Subscription) -> None:
            async for message in messages:
                await send(message)

        async with self.subscribe(*channels) as messages, asyncio.TaskGroup() as group:
            task = group.create_task(pass_on(messages))
            yield
            task.cancel()

    async def enter(self, subscription: Subscription) -> None:
        """Let a subscription hear its channels; returns when it does."""
        with self._lock:
            for channel in subscription.channels:
                self._listening.setdefault(channel, set()).add(subscription)
        if self.url is not None:
            try:
                await self._linked().listen(subscription.channels)
            except BaseException:
                self.leave(subscription)
                raise

    def leave(self, subscription: Subscription) -> None:
        """Let a subscription hear nothing more."""
        silent = []
        with self._lock:
            for channel in subscription.channels:
                others = self._listening.get(channel, set())
                others.discard(subscription)
                if not others:
                    self._listening.pop(channel, None)
                    silent.append(channel)
        if self._link is not None and silent:
            self._link.ignore(silent)

    # -- beginning and end -----------------------------------------------------------------------------------------

    async def __aenter__(self) -> t.Self:
        """Connect. PubSubUnavailable: Redis cannot be reached."""
        if self.url is not None:
            await self._linked().check()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of Redis; the next use connects again. Subscriptions that are open hear nothing more from it."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    def _linked(self) -> RedisLink:
        from .redis import RedisLink

        loop = asyncio.get_running_loop()
        link = self._link
        if link is None or link.loop is not loop:  # another test, another loop
            link = self._link = RedisLink(t.cast(str, self.url), self.prefix, self.deliver)
        return link


class Subscription:
    """The messages of some channels, in the order they were published on each, from about when it is entered.

    ``async with`` and ``async for`` on the loop, ``with`` and ``for`` in a worker thread. Made by `PubSub.subscribe`.

    Args:
        hub: whose channels these are.
        channels: their names.

    Attributes:
        dropped: how many messages were left out because they were taken too slowly.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self, hub: PubSub, channels: tuple[str, ...]) -> None:
        self.channels = channels
        self.dropped: int = 0
        self._hub = hub
        self._waiting: deque[str] = deque()
        self._overrun = False

    def offer(self, message: str) -> None:
        """Give it a message, from any thread and without waiting."""
        if asyncio._get_running_loop() is self.loop:
            self._put(message)
        elif not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._put, message)

    def _put(self, message: str) -> None:
        if len(self._waiting) >= self._hub.queue:
            if self._hub.when_full == "end":
                self._overrun = True
                self._come.set()
                return
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(message)
        self._come.set()

    async def __aenter__(self) -> t.Self:
        """Begin to listen. PubSubUnavailable: Redis cannot be reached."""
        self.loop = asyncio.get_running_loop()
        self._come = asyncio.Event()
        await self._hub.enter(self)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._hub.leave(self)

    def __aiter__(self) -> t.Self:
        return self

    async def __anext__(self) -> str:
        """Wait for the next message. SlowConsumer: this subscriber was too slow, and hears nothing more."""
        while not self._waiting or self._overrun:
            if self._overrun:
                self._hub.leave(self)
                raise SlowConsumer(_FULL.format(", ".join(map(repr, self.channels)), len(self._waiting)))
            self._come.clear()
            await self._come.wait()
        return self._waiting.popleft()

    def __enter__(self) -> t.Self:
        return run_async(self.__aenter__())

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        run_async(self.__aexit__(exc_type, exc, tb))

    def __iter__(self) -> t.Iterator[str]:
        while True:
            yield run_async(self.__anext__())
