"""Things of one thread: database connections, sessions in thread-locals; and work that is kept off the loop."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from werkzeug.security import check_password_hash, generate_password_hash

from asyncflask import g, request

from .asking import all_of, ask
from .colours import COLOURS, both


class Registry:
    """One session for each thread, as SQLAlchemy's `scoped_session` without a function for its scope has them."""

    def __init__(self):
        self.local = threading.local()
        self.made = 0
        self.lock = threading.Lock()

    def __call__(self):
        if not hasattr(self.local, "session"):
            with self.lock:
                self.made += 1
                self.local.session = {"number": self.made, "owner": None}
        return self.local.session

    def remove(self):
        self.local.__dict__.clear()


@pytest.mark.parametrize("hook", COLOURS)
async def test_a_thread_bound_session_belongs_to_one_request(app, hook):
    """It is taken in a before hook, used in the view and in an after hook, and removed in teardown."""
    app.config["THREADS"] = 8
    registry = Registry()
    strange = []

    def note():
        current = registry()
        if current["owner"] != request.args["q"]:
            strange.append((current["owner"], request.args["q"]))

    @app.before_request
    def take():
        current = registry()
        if current["owner"] is not None:  # left by another request
            strange.append((current["owner"], "new"))
        current["owner"] = request.args["q"]

    if hook == "async":

        @app.before_request
        async def wait():
            await asyncio.sleep(0)

    @app.after_request
    def look(response):
        note()
        return response

    @app.teardown_appcontext
    def put_back(error):
        note()
        registry.remove()

    @app.get("/")
    def view():
        note()
        return str(registry()["number"])

    answers = await all_of(*(ask(app, f"/?q={n}") for n in range(200)))
    await app.shutdown()
    assert strange == []
    assert len({got.text for got in answers}) == 200 == registry.made


def test_a_connection_that_refuses_other_threads(app, asked):
    """`sqlite3` objects raise where they are used outside of the thread that made them."""

    @app.before_request
    def connect():
        g.db = sqlite3.connect(":memory:")

    @app.teardown_appcontext
    def close(error):
        g.pop("db").close()
        closed.append(error)

    @app.get("/")
    def view():
        rows = g.db.execute("select 1 union select 2")
        return (str(n) for (n,) in rows.fetchall())

    @app.get("/fails")
    def fails():
        raise LookupError

    @app.errorhandler(LookupError)
    def handle(error):
        return str(g.db.execute("select 3").fetchone()[0])

    closed = []
    assert asked("/").text == "12"
    assert asked("/fails").text == "3"
    assert closed == [None, None]


# -- passwords and tokens


def test_passwords(app, asked):
    """Hashing takes its time: an async view hands it to a thread, and the loop goes on."""
    stored = {}

    def make(method):
        return generate_password_hash(request.form["password"], method=method, salt_length=8)

    @app.post("/def/<method>")
    def sync(method):
        stored["hash"] = make(method)
        return ""

    @app.post("/async/<method>")
    async def asynchronous(method):
        stored["hash"] = await asyncio.to_thread(make, method)
        return ""

    both(app, lambda: str(check_password_hash(stored["hash"], request.form["password"])), "/check", methods=["POST"])
    for colour in COLOURS:
        for method in ("scrypt:1024:8:1", "pbkdf2:sha256:2"):
            assert asked(f"/{colour}/{method}", "POST", data={"password": "secret"}).status == 200
            assert stored["hash"].startswith(f"{method}$")
            said = [asked(f"/{colour}/check", "POST", data={"password": each}).text for each in ("secret", "other")]
            assert said == ["True", "False"]


def test_signed_and_timed_tokens(app, asked):
    def signer():
        return URLSafeTimedSerializer(app.secret_key, salt="token")

    both(app, lambda: signer().dumps({"user": 1}), "/make")

    def read(token):
        try:
            return signer().loads(token, max_age=int(request.args["age"]))
        except SignatureExpired:
            return "too old"
        except BadSignature:
            return "bad"

    both(app, read, "/read/<token>")
    for colour in COLOURS:
        token = asked(f"/{colour}/make").text
        assert asked(f"/{colour}/read/{token}?age=60").json == {"user": 1}
        assert asked(f"/{colour}/read/{token}?age=-1").text == "too old"
        assert asked(f"/{colour}/read/{token}x?age=60").text == "bad"
