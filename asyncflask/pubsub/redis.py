"""One process's link to a Redis that carries its messages: a connection to listen on, others to publish on.

(Redis docs, Pub/Sub: at most once, nothing is kept for who does not listen.)
"""

from __future__ import annotations

import logging
import typing as t
from importlib.util import find_spec

from ..lazy import late_module
from .errors import PubSubUnavailable

if t.TYPE_CHECKING:
    import asyncio

    import redis.asyncio as redis
else:
    asyncio = late_module("asyncio")
    redis = late_module("redis.asyncio")

log = logging.getLogger("asyncflask.pubsub")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two tries to reach a Redis that is away."""

CONFIRMED_WITHIN = 10.0
"""Seconds that Redis may take to confirm a subscription."""

Deliver = t.Callable[[str, str, "asyncio.AbstractEventLoop"], None]


def check_installed() -> None:
    """Raise RuntimeError if redis-py is missing."""
    if find_spec("redis") is None:
        raise RuntimeError("Publishing through Redis needs redis-py: pip install 'asyncflask[redis]'.")


class RedisLink:
    """What `PubSub` does over Redis, on one loop. It is made on that loop.

    Args:
        url: of the Redis.
        prefix: of the channels' names there.
        deliver: called with channel, message and loop for each message that comes.
    """

    def __init__(self, url: str, prefix: str, deliver: Deliver) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._prefix = prefix
        self._deliver = deliver
        self._client = redis.Redis.from_url(url, decode_responses=True, socket_connect_timeout=5, socket_keepalive=True)
        self._place = _without_password(url)
        self._ears = self._client.pubsub()
        self._reader: asyncio.Task[None] | None = None
        # channel -> done when Redis has confirmed that it is listened to
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        # redis-py connects in several steps, and would do so twice for two that come at once.
        self._speaking = asyncio.Lock()

    async def check(self) -> None:
        """Raise PubSubUnavailable if Redis cannot be reached."""
        await self._reached(self._client.ping())

    async def publish(self, channel: str, message: str) -> None:
        """Publish, or raise PubSubUnavailable."""
        await self._reached(self._client.publish(self._prefix + channel, message))

    async def listen(self, channels: t.Iterable[str]) -> None:
        """Begin to listen to channels; returns when Redis has confirmed it."""
        names = [self._prefix + channel for channel in channels]
        new = [name for name in names if name not in self._confirmed]
        for name in new:
            self._confirmed[name] = self.loop.create_future()
        confirmed = [self._confirmed[name] for name in names]
        if new:
            self._do(self._subscribe(new))
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN):
                for one in confirmed:
                    await asyncio.shield(one)
        except TimeoutError:
            raise PubSubUnavailable(
                f"Redis at {self._place} has not confirmed a subscription within {CONFIRMED_WITHIN:g} seconds."
            ) from None

    async def _subscribe(self, names: list[str]) -> None:
        # In a task of its own: whoever was the first to ask may leave, and others wait for the same.
        try:
            async with self._speaking:
                await self._reached(self._ears.subscribe(*names))
        except PubSubUnavailable as error:
            return self._give_up(names, error)
        if self._reader is None:  # it needs a connection to read from
            self._reader = self.loop.create_task(self._read())

    def ignore(self, channels: t.Iterable[str]) -> None:
        """Listen to channels no more, soon."""
        names = [self._prefix + channel for channel in channels]
        known = [name for name in names if self._confirmed.pop(name, None) is not None]
        if known and self.loop.is_running():
            self._do(self._unsubscribe(known))

    def _do(self, work: t.Coroutine[t.Any, t.Any, None]) -> None:
        chore = self.loop.create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    async def _unsubscribe(self, names: list[str]) -> None:
        try:
            async with self._speaking:
                names = [name for name in names if name not in self._confirmed]  # somebody may listen again since
                if names:
                    await self._ears.unsubscribe(*names)
        except (redis.RedisError, OSError):  # it is away, and so is the subscription
            return

    async def _read(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                message = await self._ears.get_message(timeout=None)
            except (redis.RedisError, OSError) as error:
                if pause == _FIRST_PAUSE:
                    log.error("Redis at %s is away, its messages are not heard: %s", self._place, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            if message is None:
                continue
            if pause != _FIRST_PAUSE:
                log.warning("Redis at %s is back.", self._place)
                pause = _FIRST_PAUSE
            self._take(message)

    def _take(self, message: dict[str, t.Any]) -> None:
        name = message["channel"]
        if message["type"] == "subscribe":
            confirmed = self._confirmed.get(name)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
        elif message["type"] == "message":
            self._deliver(name.removeprefix(self._prefix), message["data"], self.loop)

    async def _reached(self, work: t.Any) -> None:
        try:
            await work
        except (redis.RedisError, OSError) as error:
            raise PubSubUnavailable(f"Redis at {self._place} cannot be reached: {error}") from error

    def _give_up(self, names: list[str], error: PubSubUnavailable) -> None:
        for name in names:
            confirmed = self._confirmed.pop(name, None)
            if confirmed is not None and not confirmed.done():
                confirmed.set_exception(error)
                confirmed.exception()  # nobody has to look at it

    async def close(self) -> None:
        """End the connections."""
        tasks = [task for task in (self._reader, *self._chores) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gone = PubSubUnavailable(f"Redis at {self._place} has not confirmed a subscription.")
        self._give_up(list(self._confirmed), gone)
        await self._ears.aclose()  # type: ignore[no-untyped-call]
        await self._client.aclose()


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
