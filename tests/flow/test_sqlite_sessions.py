"""Sessions in a file: what its own about them is; what all stores have is tested in test_server_sessions.py."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys

import pytest

from asyncflask import App, session
from asyncflask.server_sessions import Change, StoreUnavailable, new_id
from asyncflask.sqlite_sessions import SQLiteSessionInterface, SQLiteStore


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def open_store(path):
    """Make stores on one file, as several processes would."""
    made = []

    def make(**options):
        made.append(SQLiteStore(path, **options))
        return made[-1]

    yield make
    for store in made:
        store.close()


def made(sid, *, new=None, lifetime=100, **written):
    return Change(sid, new, False, written, (), lifetime)


async def test_a_restart_keeps_them(open_store):
    store, sid = open_store(), new_id()
    await store.save(made(None, new=sid, x="1"))
    await store.end()
    assert await open_store().load(sid) == {"x": "1"}
    assert await store.load(sid) == {"x": "1"}, "opened again"


async def test_processes_that_touch_different_keys_lose_nothing(open_store):
    one, two, sid = open_store(), open_store(), new_id()
    await one.save(made(None, new=sid, x="1"))
    keys = [f"key {number}" for number in range(40)]
    await asyncio.gather(*((one, two)[number % 2].save(made(sid, **{key: "1"})) for number, key in enumerate(keys)))
    assert await one.load(sid) == await two.load(sid) == {"x": "1", **dict.fromkeys(keys, "1")}


def test_another_process_sees_them(path, open_store):
    store, sid = open_store(), new_id()
    asyncio.run(store.save(made(None, new=sid, x="1")))
    code = "import asyncio, sys; from asyncflask.sqlite_sessions import SQLiteStore\n"
    code += "store = SQLiteStore(sys.argv[1]); print(asyncio.run(store.load(sys.argv[2]))); store.close()"
    assert ran(code, path, sid) == "{'x': '1'}"


def ran(code, *arguments):
    """Run a program; return what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


FORK = """
import asyncio, os, sys
from asyncflask.server_sessions import Change
from asyncflask.sqlite_sessions import SQLiteStore

store, sid = SQLiteStore(sys.argv[1]), "a"
asyncio.run(store.begin())
before = store._connections.copy()
if not (child := os.fork()):
    asyncio.run(store.save(Change(None, sid, False, {"x": "1"}, (), 100)))
    store.close()
    sys.exit(store._connections != before)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), asyncio.run(store.load(sid)))
store.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_has_a_connection_of_its_own(path):
    assert ran(FORK, path) == "0 {'x': '1'}"


async def test_what_is_over_is_removed(path, open_store):
    now = 0.0
    store, sid = open_store(now=lambda: now), new_id()
    await store.save(made(None, new=sid, x="1"))
    await store.save(made(sid, new=new_id()))
    now = 101.0
    assert await store.load(sid) is None
    await store.save(made(None, new=new_id(), x="1"))
    assert (len(store.sessions), len(store.moved)) == (1, 0)


async def test_the_file_is_for_its_owner_alone(path, open_store):
    await open_store().begin()
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


async def test_a_file_that_cannot_be_used(path, open_store):
    path.mkdir()
    with pytest.raises(StoreUnavailable, match=r"Sessions cannot be kept in '.*sessions.db': .*Is a directory"):
        await open_store().begin()
    path.rmdir()
    path.write_text("no database, but long enough to be taken for one" * 100)
    with pytest.raises(StoreUnavailable, match="file is not a database"):
        await open_store().begin()


async def test_another_process_writes_for_too_long(path, open_store):
    store, sid = open_store(timeout=0.01), new_id()
    await store.save(made(None, new=sid, x="1"))
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        assert await store.load(sid) == {"x": "1"}, "who reads does not wait"
        with pytest.raises(StoreUnavailable, match="database is locked"):
            await store.save(made(sid, x="2"))
        other.execute("ROLLBACK")
        assert await store.save(made(sid, x="2")) == sid
    finally:
        other.close()


async def test_a_change_that_fails_leaves_nothing_half_done(open_store, monkeypatch):
    store, sid, new = open_store(), new_id(), new_id()
    await store.save(made(None, new=sid, x="1"))
    monkeypatch.setattr(type(store.sessions), "__setitem__", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await store.save(made(sid, new=new, x="2"))
    monkeypatch.undo()
    assert (await store.load(sid), await store.load(new)) == ({"x": "1"}, None)


def test_an_application_whose_file_cannot_be_used_answers_503(path, caplog):
    path.mkdir()
    app = App("asyncflask_test")
    app.session_interface = SQLiteSessionInterface(path)

    @app.get("/")
    def index():
        session["x"] = 1
        return "x"

    with app.test_client() as client:
        client.set_cookie("session", new_id())
        assert client.get("/").status_code == 503
    assert "Is a directory" in caplog.text
    app.close_threads()


async def test_a_file_in_use_keeps_each_request_waiting_only_once(path, open_store):
    store = open_store(timeout=0.01)
    await store.begin()
    begun = []
    store._database().set_trace_callback(lambda sql: begun.append(sql) if sql.startswith("BEGIN") else None)
    other = sqlite3.connect(path, isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        with store._lock:
            saving = [asyncio.ensure_future(store.save(made(None, new=new_id(), x="1"))) for _ in range(50)]
            await asyncio.sleep(0)  # all of them stand in the queue
            await asyncio.wait_for(asyncio.to_thread(str), 30)  # in which nobody else's work stands
        ends = await asyncio.gather(*saving, return_exceptions=True)
    finally:
        other.close()
    assert {type(end) for end in ends} == {StoreUnavailable} and len(begun) == 1
    await store.save(made(None, new=new_id(), x="1"))


async def test_much_that_is_over_is_removed_little_by_little(open_store, monkeypatch):
    monkeypatch.setattr("asyncflask.sqlite_sessions._AT_ONCE", 2)
    now = 0.0
    store = open_store(now=lambda: now)
    await store.save(made(None, new="x", x="1", lifetime=1000))
    for _ in range(5):
        await store.save(made(None, new=new_id(), x="1"))
    now, lengths = 101.0, []
    for _ in range(4):
        await store.save(made("x", x="2"))
        lengths.append(len(store.sessions))
    assert lengths == [4, 2, 1, 1]


async def test_a_spoilt_value_is_no_session(open_store):
    store, sid = open_store(), new_id()
    await store.save(made(None, new=sid, x="1"))
    store._database().execute("UPDATE sessions SET value = '{'")
    assert await store.load(sid) is None
    assert await store.save(made(sid, x="2")) is None


def test_memory_is_no_file():
    with pytest.raises(ValueError, match=r"':memory:' is no file\. .*MemorySessionInterface"):
        SQLiteSessionInterface(":memory:")
