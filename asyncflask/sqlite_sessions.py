"""Sessions in a file, for applications of several processes on one machine: an SQLite database, nothing to install."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
import time
import typing as t
from collections.abc import MutableMapping
from concurrent.futures import ThreadPoolExecutor

from .server_sessions import Change, MemoryStore, ServerSessionInterface, StoreUnavailable

T = t.TypeVar("T")

_COLUMNS = "(sid TEXT PRIMARY KEY, value TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID"
_AT_FIRST = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    f"CREATE TABLE IF NOT EXISTS sessions {_COLUMNS}",
    f"CREATE TABLE IF NOT EXISTS moved {_COLUMNS}",
    "CREATE INDEX IF NOT EXISTS sessions_until ON sessions (until)",
    "CREATE INDEX IF NOT EXISTS moved_until ON moved (until)",
)
_AT_ONCE = 1000
"""Most rows that one request removes of those that are over: others wait for it."""


class Table(MutableMapping[str, tuple[T, float]]):
    """A table of the file, as a mapping from ids to values and when they are over.

    Args:
        name: of the table.
        database: gives the connection.
    """

    def __init__(self, name: str, database: t.Callable[[], sqlite3.Connection]) -> None:
        self.name = name
        self._database = database

    def _do(self, sql: str, *values: t.Any) -> sqlite3.Cursor:
        return self._database().execute(sql.format(self.name), values)

    def __getitem__(self, sid: str) -> tuple[T, float]:
        row = self._do("SELECT value, until FROM {} WHERE sid = ?", sid).fetchone()
        if row is None:
            raise KeyError(sid)
        try:
            return json.loads(row[0]), row[1]
        except ValueError:  # spoilt: as good as gone
            raise KeyError(sid) from None

    def __setitem__(self, sid: str, kept: tuple[T, float]) -> None:
        self._do("INSERT OR REPLACE INTO {} VALUES (?, ?, ?)", sid, json.dumps(kept[0]), kept[1])

    def __delitem__(self, sid: str) -> None:
        if not self._do("DELETE FROM {} WHERE sid = ?", sid).rowcount:
            raise KeyError(sid)

    def __iter__(self) -> t.Iterator[str]:
        return iter([row[0] for row in self._do("SELECT sid FROM {}")])

    def __len__(self) -> int:
        count: int = self._do("SELECT count(*) FROM {}").fetchone()[0]
        return count

    def forget_until(self, now: float) -> bool:
        """Remove what is over, as much as may be at once; return whether there may be more."""
        over = "SELECT sid FROM {0} WHERE until <= ? LIMIT ?"
        return self._do(f"DELETE FROM {{0}} WHERE sid IN ({over})", now, _AT_ONCE).rowcount == _AT_ONCE


class SQLiteStore(MemoryStore):
    """Keeps sessions in an SQLite database. What becomes of them is as in memory, each change in a transaction.

    Args:
        path: of the file, which only its owner may read if it is made here. It belongs on a disk of this machine: the
            locks of network file systems cannot be relied on. It must not be removed or replaced while it is in use;
            ``DELETE FROM sessions`` ends all sessions.
        timeout: seconds to wait for other processes that write.
        now: gives the time in seconds, the same in all processes.

    Raises ValueError for ":memory:", which is no file.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, timeout: float = 2.0, now: t.Callable[[], float] = time.time
    ) -> None:
        super().__init__(now)
        if path == ":memory:":
            raise ValueError(
                "':memory:' is no file. For sessions in memory there is MemorySessionInterface of"
                " asyncflask.server_sessions."
            )
        self.path: str = os.path.abspath(path)
        self.timeout = timeout
        self._lock = threading.RLock()
        # By process: a fork has neither the thread, nor may it use the connection.
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._connections: dict[int, sqlite3.Connection] = {}
        self._failures = 0
        self.sessions = Table("sessions", self._database)
        self.moved = Table("moved", self._database)

    def _database(self) -> sqlite3.Connection:
        found = self._connections.get(os.getpid())
        if found is None:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            found = sqlite3.connect(self.path, self.timeout, isolation_level=None, check_same_thread=False)
            try:
                for statement in _AT_FIRST:
                    found.execute(statement)
            except BaseException:
                found.close()
                raise
            self._connections[os.getpid()] = found
        return found

    def _thread(self) -> ThreadPoolExecutor:
        # One of its own: requests that wait for the file are in the way of nothing else.
        return self._threads.setdefault(os.getpid(), ThreadPoolExecutor(1, "sqlite-sessions"))

    async def _in_thread(self, work: t.Callable[..., T], *values: t.Any) -> T:
        failures = self._failures

        def locked() -> T:
            try:
                if self._failures != failures:  # of one that was in front of this one: it need not wait as long, too
                    raise sqlite3.OperationalError("it could not be used by a request that was first")
                with self._lock:
                    return work(*values)
            except (sqlite3.Error, OSError) as error:
                self._failures += 1
                raise StoreUnavailable(f"Sessions cannot be kept in {self.path!r}: {error}.") from error

        return await asyncio.get_running_loop().run_in_executor(self._thread(), locked)

    async def load(self, sid: str) -> dict[str, str] | None:
        """Return the values of a session."""
        return await self._in_thread(self.look_up, sid)

    async def save(self, change: Change) -> str | None:
        """Carry out a change."""
        return await self._in_thread(self._in_transaction, change)

    def _in_transaction(self, change: Change) -> str | None:
        database = self._database()
        database.execute("BEGIN IMMEDIATE")
        try:
            sid = self.carry_out(change)
            database.execute("COMMIT")
        except BaseException:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise
        return sid

    def forget_until(self, now: float) -> None:
        """Remove what is over; if that is much, the next change goes on with it."""
        for table in (self.sessions, self.moved):
            if t.cast("Table[t.Any]", table).forget_until(now):
                self._sweep_at = now

    async def begin(self) -> None:
        """Open the file, and make it if it is not there. Raises StoreUnavailable."""
        await self._in_thread(self._database)

    async def end(self) -> None:
        """Close the file; whoever needs it afterwards opens it again."""
        await asyncio.get_running_loop().run_in_executor(self._thread(), self.close)

    def close(self) -> None:
        """`end`, as a plain function."""
        with self._lock:
            found = self._connections.pop(os.getpid(), None)
            if found is not None:
                found.close()


class SQLiteSessionInterface(ServerSessionInterface):
    """Sessions in a file.

    Args:
        path: of the file, such as "/var/lib/shop/sessions.db"; see `SQLiteStore`.
        timeout: seconds to wait for other processes that write.
        must_be_there: refuse to start while the file cannot be used; otherwise that is logged.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 2.0, must_be_there: bool = False) -> None:
        super().__init__(SQLiteStore(path, timeout=timeout), must_be_there=must_be_there)
