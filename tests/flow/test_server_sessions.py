"""Sessions kept on the server, in memory, in a file, in a real Redis: what requests of one session do to each other."""

from __future__ import annotations

import asyncio
import logging

import pytest

from asyncflask import App, Response, request, session
from asyncflask.server_sessions import (
    Change,
    MemorySessionInterface,
    MemoryStore,
    ServerSession,
    StoreUnavailable,
    new_id,
)
from asyncflask.sessions import RedisSessionInterface
from asyncflask.sqlite_sessions import SQLiteSessionInterface

from ..redis_server import RedisServer


@pytest.fixture(scope="module")
def running_redis():
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis(running_redis):
    """Redis, as good as new."""
    if running_redis.process is None:
        running_redis.start()
    return running_redis


@pytest.fixture(params=["memory", "sqlite", "redis"])
def interface(request, tmp_path):
    if request.param == "memory":
        yield MemorySessionInterface()
    elif request.param == "sqlite":
        interface = SQLiteSessionInterface(tmp_path / "sessions.db")
        yield interface
        interface.store.close()
    else:
        yield RedisSessionInterface(request.getfixturevalue("redis").url, prefix=f"{new_id()}:")


@pytest.fixture
def app(app, interface):
    app.session_interface = interface
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False

    @app.get("/get")
    async def get():
        return dict(session)

    @app.post("/set-async")
    async def set_async():
        session.update(request.get_json())
        return {"sid": session.sid}

    @app.post("/set")
    def set_():
        session.update(request.get_json())
        return {"sid": session.sid}

    @app.post("/append/<value>")
    def append(value):
        session["list"].append(value)  # and no session.modified
        return "appended"

    @app.post("/pop/<key>")
    async def pop(key):
        return {"was": session.pop(key)}

    @app.post("/login")
    async def login():
        session.regenerate()
        session["user"] = 7
        return "in"

    @app.post("/logout")
    def logout():
        session.clear()
        return "out"

    @app.get("/sid")
    async def sid():
        return session.sid or "none"

    @app.get("/other")
    async def other():
        return "no session needed"

    return app


def cookie(client):
    found = client.get_cookie("session")
    return None if found is None else found.value


@pytest.mark.parametrize("path", ["/set", "/set-async"])
def test_values_come_back(app, path):
    client = app.test_client()
    value = {"a": 1, "t": (1, 2), "b": b"\0", "n": {"x": [1]}, "é": "ü"}
    assert client.post(path, json={"a": 1, "n": {"x": [1]}, "é": "ü"}).status_code == 200
    assert client.get("/get").json == {"a": 1, "n": {"x": [1]}, "é": "ü"}
    with client.session_transaction() as opened:
        opened.update(value)
    with client.session_transaction() as opened:
        assert dict(opened) == value
    assert app.test_client().get("/get").json == {}, "another client has a session of its own"


def test_nothing_is_sent_or_kept_for_a_session_nobody_fills(app):
    client = app.test_client()
    answer = client.get("/get")
    assert "Set-Cookie" not in answer.headers and answer.headers["Vary"] == "Cookie"
    assert "Vary" not in client.get("/other").headers


def test_the_cookie_is_an_id_and_is_set_once(app):
    client = app.test_client()
    answer = client.post("/set", json={"secret": "x"})
    sid = cookie(client)
    assert len(sid) == 43 and "x" not in answer.headers["Set-Cookie"].partition(sid)[2].partition(";")[0]
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert "Set-Cookie" not in client.get("/get").headers
    assert client.post("/set", json={"b": 2}).json == {"sid": sid}


@pytest.mark.parametrize("sid", ["", "x", "A" * 43, "A" * 42, "A" * 44, "../../../etc/passwd", "é" * 43, "A" * 3000])
def test_an_unknown_id_is_never_taken_over(app, sid):
    client = app.test_client()
    client.set_cookie("session", sid)
    assert client.get("/get").json == {}
    client.post("/set", json={"a": 1})
    assert cookie(client) != sid and len(cookie(client)) == 43


def test_a_change_inside_a_value_is_found(app):
    client = app.test_client()
    client.post("/set", json={"list": ["a"], "other": 1})
    client.post("/append/b")
    assert client.get("/get").json == {"list": ["a", "b"], "other": 1}


def test_login_renews_the_id_and_the_old_one_is_dead(app):
    client, thief = app.test_client(), app.test_client()
    client.post("/set", json={"cart": 1})
    old = cookie(client)
    client.post("/login")
    assert cookie(client) != old
    assert client.get("/get").json == {"cart": 1, "user": 7}
    thief.set_cookie("session", old)
    assert thief.get("/get").json == {}


def test_logout_removes_values_and_cookie(app):
    client, copy = app.test_client(), app.test_client()
    client.post("/set", json={"a": 1})
    copy.set_cookie("session", cookie(client))
    client.post("/logout")
    assert cookie(client) is None
    assert copy.get("/get").json == {}


def test_popping_the_last_value_ends_the_session(app):
    client = app.test_client()
    client.post("/set", json={"a": 1})
    assert client.post("/pop/a").json == {"was": 1}
    assert cookie(client) is None and client.get("/get").json == {}


def test_a_permanent_session_has_a_cookie_that_lasts(app):
    @app.post("/stay")
    def stay():
        session.permanent = True
        return "stays"

    client = app.test_client()
    assert "Expires" in client.post("/stay").headers["Set-Cookie"]
    app.config["SESSION_REFRESH_EACH_REQUEST"] = True
    assert "Expires" in client.get("/get").headers["Set-Cookie"]


class Meeting:
    """Lets requests go on once all of them are there, with their sessions loaded."""

    def __init__(self, count):
        self.missing = count
        self.complete = asyncio.Event()

    async def wait(self):
        self.missing -= 1
        if not self.missing:
            self.complete.set()
        await asyncio.wait_for(self.complete.wait(), 20)


@pytest.fixture
def meet(app):
    """A function that says how many requests meet in the views made here."""
    meeting = None

    def act(how, key):
        if how == "set":
            session[key] = key
        elif how == "pop":
            session.pop(key)
        elif how == "renew":
            session.regenerate()
            session[key] = key
        else:
            session.clear()
        return session.sid or "none"

    @app.post("/async/<how>/<key>")
    async def in_async(how, key):
        await meeting.wait()
        return act(how, key)

    @app.post("/def/<how>/<key>")
    def in_def(how, key):
        app.async_to_sync(meeting.wait)()
        return act(how, key)

    def begin(count):
        nonlocal meeting
        meeting = Meeting(count)

    return begin


@pytest.mark.parametrize("colour", ["async", "def"])
async def test_requests_that_touch_different_keys_lose_nothing(app, meet, colour):
    """All of them have loaded the session before the first one saves it."""
    async with app.async_test_client() as client:
        await client.post("/set", json={"first": 1, "gone": 2})
        paths = [f"/{colour}/set/k{n}" for n in range(8)] + [f"/{colour}/pop/gone"]
        meet(len(paths))
        answers = await asyncio.gather(*map(client.post, paths))
        assert {answer.status_code for answer in answers} == {200}
        expected = {"first": 1} | {f"k{n}": f"k{n}" for n in range(8)}
        assert (await client.get("/get")).json() == expected


async def test_a_change_reaches_the_new_id_of_a_session(app, meet):
    async with app.async_test_client() as client:
        await client.post("/set", json={"first": 1})
        old = client.cookies["session"]
        meet(3)
        await asyncio.gather(*map(client.post, ["/async/renew/user", "/async/set/cart", "/async/renew/admin"]))
        assert client.cookies["session"] != old
        values = {"first": 1, "user": "user", "cart": "cart", "admin": "admin"}
        assert (await client.get("/get")).json() == values
        client.cookies.set("session", old)
        assert (await client.get("/get")).json() == {}


async def test_an_id_that_the_client_has_is_sent_again_only_to_last_longer(app):
    async with app.async_test_client() as client:
        assert "set-cookie" in (await client.post("/set", json={"a": 1})).headers
        assert "set-cookie" not in (await client.post("/set", json={"a": 2})).headers
        assert "set-cookie" in (await client.post("/set", json={"_permanent": True})).headers
        assert "set-cookie" in (await client.post("/set", json={"a": 3})).headers
        assert (await client.get("/get")).json()["a"] == 3
        assert "expires" not in (await client.post("/set", json={"_permanent": False})).headers["set-cookie"].lower()


async def test_a_change_does_not_bring_back_a_session_that_was_ended(app, meet):
    async with app.async_test_client() as client:
        await client.post("/set", json={"user": 1})
        old = client.cookies["session"]
        meet(2)
        await asyncio.gather(client.post("/async/clear/-"), client.post("/async/set/late"))
        client.cookies.delete("session")
        client.cookies.set("session", old)
        assert (await client.get("/get")).json() == {}


# -- the stores themselves ---------------------------------------------------------------------------------------------


def made(sid, *, new=None, cleared=False, deleted=(), lifetime=100, **written):
    return Change(sid, new, cleared, written, tuple(deleted), lifetime)


async def test_what_a_store_makes_of_changes(interface):
    store = interface.store
    await store.begin()
    a, b, c = new_id(), new_id(), new_id()
    assert await store.load(a) is None
    assert await store.save(made(None, new=a, x="1", y="2")) == a
    assert await store.load(a) == {"x": "1", "y": "2"}
    assert await store.save(made(a, deleted=["x"], z="3")) == a
    assert await store.load(a) == {"y": "2", "z": "3"}
    assert await store.save(made(a, new=b, w="4")) == b, "renewed"
    assert await store.load(a) is None
    assert await store.load(b) == {"y": "2", "z": "3", "w": "4"}
    assert await store.save(made(a, v="5")) == b, "a request that began under the old id"
    assert await store.save(made(a, new=c, u="6")) == b, "... and renews it too"
    assert await store.load(c) is None
    assert await store.save(made(b, new=c, cleared=True, s="7")) == c
    assert (await store.load(b), await store.load(c)) == (None, {"s": "7"})
    assert await store.save(made(b, late="8")) is None
    assert await store.load(b) is None
    assert await store.save(made(c, deleted=["s"])) is None, "nothing is left"
    assert await store.load(c) is None
    assert await store.save(made(new_id(), cleared=True)) is None
    await store.end()


async def test_an_id_that_was_renewed_away_stays_dead(interface):
    store = interface.store
    a, b, c = new_id(), new_id(), new_id()
    await store.save(made(None, new=a, x="1"))
    assert await store.save(made(a, new=b)) == b
    assert await store.save(made(b, new=c)) == c, "renewed twice"
    assert await store.save(made(a, y="2")) == c
    assert (await store.load(a), await store.load(b)) == (None, None)
    assert await store.load(c) == {"x": "1", "y": "2"}
    assert await store.save(made(a, cleared=True)) is None, "a logout that began under the first id ends the session"
    assert await store.load(c) is None
    assert await store.save(made(a, late="3")) is None
    assert [await store.load(sid) for sid in (a, b, c)] == [None, None, None]
    await store.end()


async def test_a_login_that_clears_leaves_nothing_of_what_was_renewed_meanwhile(interface):
    store = interface.store
    a, b, c = new_id(), new_id(), new_id()
    await store.save(made(None, new=a, x="1"))
    await store.save(made(a, new=b))
    assert await store.save(made(a, new=c, cleared=True, user="7")) == c
    assert [await store.load(sid) for sid in (a, b, c)] == [None, None, {"user": "7"}]
    await store.end()


async def test_a_session_ends_after_its_lifetime():
    now = 0.0
    store = MemoryStore(lambda: now)
    sid = new_id()
    await store.save(made(None, new=sid, x="1"))
    now = 99.0
    assert await store.load(sid) == {"x": "1"}
    await store.save(made(sid))
    now = 198.0
    assert await store.load(sid) == {"x": "1"}, "each use begins it anew"
    now = 200.0
    assert await store.load(sid) is None
    now = 1000.0
    await store.save(made(None, new=new_id(), x="1"))
    assert len(store.sessions) == 1, "what is over is removed"


async def test_redis_is_told_the_lifetime(redis):
    store = RedisSessionInterface(redis.url, prefix="lifetime:").store
    sid = new_id()
    await store.save(made(None, new=sid, x="1", lifetime=1000))
    assert 990 <= await store._ask(lambda client: client.ttl(f"lifetime:{sid}")) <= 1000
    await store.save(made(sid, lifetime=2000))
    assert 1990 <= await store._ask(lambda client: client.ttl(f"lifetime:{sid}")) <= 2000


# -- Redis that is away ------------------------------------------------------------------------------------------------


only_redis = pytest.mark.parametrize("interface", ["redis"], indirect=True)


@only_redis
async def test_away_and_back(app, redis, caplog):
    async with app.async_test_client() as client:
        await client.post("/set", json={"a": 1})
        redis.stop()
        for path in ("/get", "/get"):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert (await client.post("/set", json={"b": 1})).status_code == 503
        assert (await client.get("/other")).text == "no session needed"
        client.cookies.clear()
        refused = await client.post("/set", json={"b": 1})
        assert refused.status_code == 503, "what was not saved is not said to be"
        assert "Set-Cookie" not in refused.headers and "sid" not in refused.text
        redis.start()
        assert (await client.post("/set", json={"c": 1})).status_code == 200
        assert (await client.get("/get")).json() == {"c": 1}
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, said
    assert f"127.0.0.1:{redis.port}" in said[0] and "503" in said[0]
    assert said[1] == "The session store is back."


class SilentStore(MemoryStore):
    """Never answers, until it is told that it has failed."""

    def __init__(self):
        super().__init__()
        self.asked = 0
        self.fails = asyncio.Event()

    async def load(self, sid):
        self.asked += 1
        await self.fails.wait()
        raise StoreUnavailable("The store is silent.")


@pytest.mark.parametrize("interface", ["memory"], indirect=True)
async def test_one_request_at_a_time_waits_for_a_store_that_is_away(app, interface):
    async with app.async_test_client() as client:
        interface.store = store = SilentStore()
        client.cookies.set("session", new_id())
        store.fails.set()
        assert (await client.get("/get")).status_code == 503
        store.fails.clear()
        waits = asyncio.create_task(client.get("/other"))
        while store.asked < 2:
            await asyncio.sleep(0)
        for path, status in {"/get": 503, "/other": 200, "/sid": 503}.items():
            assert (await client.get(path)).status_code == status
        assert store.asked == 2 and not waits.done()
        store.fails.set()
        assert (await waits).status_code == 200
        assert (await client.get("/get")).status_code == 503
        assert store.asked == 3


class FullStore(MemoryStore):
    """Keeps nothing."""

    async def save(self, change):
        raise StoreUnavailable("The store is full.")


class Body:
    """A body that has to be closed, and sent as it is."""

    def __init__(self, closed):
        self.closed = closed

    def __iter__(self):
        return iter([b"never sent"])

    def close(self):
        self.closed.append("body")


class AsyncBody(Body):
    close = None

    def __aiter__(self):
        return self

    async def __anext__(self):
        raise StopAsyncIteration

    async def aclose(self):
        self.closed.append("body")


@pytest.mark.parametrize("kind", [Body, AsyncBody])
@pytest.mark.parametrize("interface", ["memory"], indirect=True)
async def test_an_answer_that_cannot_be_saved_is_replaced_as_a_whole_and_closed_once(app, interface, kind):
    closed = []
    headers = {"Content-Encoding": "gzip", "Content-Disposition": "attachment", "ETag": '"x"', "Location": "/elsewhere"}

    @app.get("/report")
    async def report():
        session["seen"] = True
        answer = Response(kind(closed), headers=headers | {"Cache-Control": "max-age=99", "X-Frame-Options": "DENY"})
        answer.call_on_close(lambda: closed.append("callback"))
        return answer

    interface.store = FullStore()
    async with app.async_test_client() as client:
        answer = await client.get("/report")
        assert answer.status_code == 503 and "Sessions are not available" in answer.text
        assert not [name for name in (*headers, "Cache-Control") if name in answer.headers]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Content-Length"] == str(len(answer.content))
    assert sorted(closed) == ["body", "callback"]


@only_redis
async def test_away_at_the_start(app, redis, caplog):
    redis.stop()
    async with app.async_test_client() as client:
        assert f"Redis at {redis.url}" in caplog.text and "503" in caplog.text
        assert (await client.get("/other")).status_code == 200
        redis.start()
        assert (await client.post("/set", json={"c": 1})).status_code == 200


@only_redis
async def test_away_at_the_start_where_it_must_be_there(app, redis):
    redis.stop()
    app.session_interface.must_be_there = True
    with pytest.raises(Exception, match=f"Redis at {redis.url} cannot be used"):
        async with app.async_test_client():
            pass


def test_a_password_is_not_logged():
    interface = RedisSessionInterface("redis://user:hidden@localhost:1/0")
    assert interface.store._place == "redis://localhost:1/0"


def test_what_somebody_else_has_put_there_is_left_out(caplog):
    app, interface = App("other"), MemorySessionInterface()
    with caplog.at_level(logging.WARNING):
        assert interface._read(app, {"good": "1", "bad": "{", "tag": '{" u":"no uuid"}'}) == {"good": 1}
    assert caplog.text.count("left out") == 2


def test_a_session_can_be_saved_twice():
    session = ServerSession("sid", {"a": "1"}, {"a": 1})
    session["b"] = 2
    session.note_saved("sid", session.change(10))
    assert session.change(10) == Change("sid", None, False, {}, (), 10)
    del session["a"]
    assert session.change(10) == Change("sid", None, False, {}, ("a",), 10)
