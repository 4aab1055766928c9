"""Sessions in Redis, for applications of several processes and machines: each session is a hash, each key a field."""

from __future__ import annotations

import asyncio
import typing as t
from weakref import WeakKeyDictionary

from .server_sessions import MOVED_FOR, Change, ServerSessionInterface, StoreUnavailable

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError
except ImportError as error:
    raise ImportError("Sessions in Redis need its client: pip install 'asyncflask[redis]'") from error

SAVE = """
local key, new, cleared, lifetime = KEYS[1], KEYS[2], ARGV[1] == '1', ARGV[2]
local written, deleted = tonumber(ARGV[3]), tonumber(ARGV[4])
local comes, renews = key ~= '', new ~= ''
if comes then
  local moved = redis.call('GET', key .. ':moved')
  while moved do
    key, renews = moved, renews and cleared
    moved = redis.call('GET', key .. ':moved')
  end
  if redis.call('EXISTS', key) == 0 and not (cleared and renews) then return '' end
end
if comes and cleared then redis.call('DEL', key) end
if not comes or (cleared and renews) then key, renews = new, false end
local at = 4
for i = 1, deleted do redis.call('HDEL', key, ARGV[at + i]) end
at = at + deleted
for i = 1, written do redis.call('HSET', key, ARGV[at + 2 * i - 1], ARGV[at + 2 * i]) end
if redis.call('EXISTS', key) == 0 then return '' end
if renews then
  redis.call('RENAME', key, new)
  redis.call('SET', key .. ':moved', new, 'EX', ARGV[at + 2 * written + 1])
  key = new
end
redis.call('EXPIRE', key, lifetime)
return key
"""
"""Carries out a `Change` at once: Redis runs nothing else meanwhile. Returns the session's key, '' if it is gone."""


class RedisStore:
    """Keeps sessions in Redis.

    Args:
        url: such as ``redis://localhost:6379/0``, ``rediss://`` for TLS, ``unix://`` for a socket.
        prefix: of the keys.
        timeout: seconds that connecting, or an answer, may take.
        options: further ones of ``redis.asyncio.Redis.from_url``.
    """

    def __init__(self, url: str, *, prefix: str = "session:", timeout: float = 2.0, **options: t.Any) -> None:
        self.url = url
        self.prefix = prefix
        self.options: dict[str, t.Any] = {
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            **options,
            "decode_responses": True,
        }
        # Connections belong to the loop that they were made on.
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()

    async def begin(self) -> None:
        """Open a pool of connections for the running loop, and ask Redis for a sign of life."""
        self._clients.setdefault(asyncio.get_running_loop(), self._client())
        await self._ask(lambda client: client.ping())

    async def end(self) -> None:
        """Close the connections of the running loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    def _client(self) -> Redis:
        return Redis.from_url(self.url, **self.options)

    async def _ask(self, ask: t.Callable[[Redis], t.Awaitable[t.Any]]) -> t.Any:
        kept = self._clients.get(asyncio.get_running_loop())
        client = kept or self._client()
        try:
            return await ask(client)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"Redis at {self._place} cannot be used for sessions: {error}.") from error
        finally:
            if kept is None:  # a loop that nobody said the start of, nor will say the end of
                await client.aclose()

    @property
    def _place(self) -> str:
        # without a password
        scheme, slashes, rest = self.url.partition("://")
        return scheme + slashes + rest.rpartition("@")[2]

    async def load(self, sid: str) -> dict[str, str] | None:
        """Return the values of a session."""
        values: dict[str, str] = await self._ask(lambda client: client.hgetall(self.prefix + sid))
        return values or None

    async def save(self, change: Change) -> str | None:
        """Carry out a change."""
        keys = [self.prefix + sid if sid else "" for sid in (change.sid, change.new_sid)]
        fields = [text for pair in change.written.items() for text in pair]
        numbers = ["1" if change.cleared else "0", change.lifetime, len(change.written), len(change.deleted)]
        arguments = [*numbers, *change.deleted, *fields, MOVED_FOR]
        key: str = await self._ask(lambda client: client.eval(SAVE, 2, *keys, *arguments))
        return key.removeprefix(self.prefix) or None


class RedisSessionInterface(ServerSessionInterface):
    """Sessions in Redis.

    Args:
        url: of the server, such as ``redis://localhost:6379/0``.
        prefix: of the keys.
        timeout: seconds that connecting, or an answer, may take.
        must_be_there: refuse to start while Redis cannot be reached; otherwise that is logged and Redis may come later.
        options: further ones of ``redis.asyncio.Redis.from_url``.

    Raises ImportError, when imported, without redis-py: ``pip install "asyncflask[redis]"``.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        prefix: str = "session:",
        timeout: float = 2.0,
        must_be_there: bool = False,
        **options: t.Any,
    ) -> None:
        super().__init__(RedisStore(url, prefix=prefix, timeout=timeout, **options), must_be_there=must_be_there)
