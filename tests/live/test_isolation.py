"""Thousands of requests in flight at once, of every kind, each seeing nothing but its own in every stage."""

from __future__ import annotations

import asyncio
import gc
import threading
import tracemalloc
from collections import Counter
from contextvars import ContextVar

import pytest

from asyncflask import App, after_this_request, g, session, stream_with_context
from asyncflask import request as current
from asyncflask.signals import request_finished, request_started, request_tearing_down

from .servers import request

token_var: ContextVar[str] = ContextVar("token")

KINDS = ["def", "async", "def-sync", "def-async", "async-sync", "async-async"]

#: How often each stage runs in a request of each kind.
ALWAYS = Counter(
    ["started", "started async", "before", "before async", "view", "this", "after", "after async", "finished",
     "finished async", "tearing down", "tearing down async", "teardown", "teardown async", "app teardown"]
)  # fmt: skip


class Watch:
    """Counts the stages that saw their own request, and keeps what others saw."""

    def __init__(self):
        self.seen = Counter()
        self.mixed = []
        self._lock = threading.Lock()

    def check(self, stage, first=False):
        token = current.path.rpartition("/")[2]
        found = {
            "header": current.headers.get("X-Token"),
            "cookie": current.cookies.get("token"),
            "query": current.args.get("token"),
            "body": current.get_data(as_text=True),
            "var": token if first else token_var.get("nothing"),
            "g": token if first else g.get("token"),
            "session": token if first else session.get("token"),
        }
        with self._lock:
            self.seen[stage] += 1
            if set(found.values()) != {token}:
                self.mixed.append((stage, token, found))
        return token


def add_stages(app, watch):
    """Every stage, in a sync and in an async form, checks that it sees its own request."""
    for signal, name in (
        (request_started, "started"),
        (request_finished, "finished"),
        (request_tearing_down, "tearing down"),
    ):

        def receiver(sender, name=name, **values):
            watch.check(name, first=name == "started")

        async def receiver_async(sender, name=name, **values):
            await asyncio.sleep(0)
            watch.check(f"{name} async", first=name == "started")

        signal.connect(receiver, app, weak=False)
        signal.connect(receiver_async, app, weak=False)

    @app.before_request
    def before():
        token = watch.check("before", first=True)
        assert token_var.get("nothing") == "nothing", "a variable of another request"
        token_var.set(token)
        g.token = session["token"] = token

    @app.before_request
    async def before_async():
        await asyncio.sleep(0)
        watch.check("before async")

    @app.after_request
    def after(response):
        response.headers["X-Token"] = watch.check("after")
        return response

    @app.after_request
    async def after_async(response):
        await asyncio.sleep(0)
        watch.check("after async")
        return response

    @app.teardown_request
    def teardown(error):
        watch.check("teardown")

    @app.teardown_request
    async def teardown_async(error):
        await asyncio.sleep(0)
        watch.check("teardown async")

    @app.teardown_appcontext
    def app_teardown(error):
        watch.check("app teardown")


def add_views(app, watch):
    """A route /<kind>/<token> for each kind: `def` or `async def`, with a plain, a sync or an async body."""

    def sync_body():
        for _ in range(2):
            yield watch.check("stream")

    async def async_body():
        for _ in range(2):
            await asyncio.sleep(0)
            yield watch.check("stream")

    def this(response):
        watch.check("this")
        return response

    bodies = {"": lambda: watch.check("view"), "sync": sync_body, "async": async_body}
    for kind in KINDS:
        colour, _, how = kind.partition("-")

        def view(token, how=how):
            after_this_request(this)
            if how:
                watch.check("view")
            return stream_with_context(sync_body()) if how == "sync" else bodies[how]()

        async def view_async(token, how=how):
            after_this_request(this)
            await asyncio.sleep(0)
            if how:
                watch.check("view")
            return bodies[how]()

        app.add_url_rule(
            f"/{kind}/<token>", kind, view if colour == "def" else view_async, methods=["POST"], strict_slashes=False
        )


@pytest.fixture
def watch(app):
    watch = Watch()
    app.config["PROPAGATE_EXCEPTIONS"] = None
    add_stages(app, watch)
    add_views(app, watch)
    return watch


class Flight:
    """Exchanges with the ASGI callable that all wait for their bodies until each of them has begun."""

    def __init__(self, app: App, count: int, first: int) -> None:
        self.app = app
        self.count = count
        self.first = first
        self.waiting = 0
        self.all_here = asyncio.Event()
        self.wrong: list[object] = []

    async def one(self, number: int) -> None:
        token = f"t{number}"
        kind = KINDS[number % len(KINDS)]
        head: dict[str, object] = {}
        pieces: list[bytes] = []
        asked = 0
        over = asyncio.Event()

        async def receive() -> dict[str, object]:
            nonlocal asked
            asked += 1
            if asked == 1:
                self.waiting += 1
                if self.waiting == self.count:
                    self.all_here.set()
                await self.all_here.wait()
                return {"type": "http.request", "body": token.encode(), "more_body": False}
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                pieces.append(message.get("body", b""))  # type: ignore[arg-type]

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": f"/{kind}/{token}", "raw_path": b"", "root_path": "", "query_string": b"token=" + token.encode(),
            "headers": [(b"host", b"live.test"), (b"x-token", token.encode()), (b"cookie", b"token=" + token.encode()),
                        (b"content-length", b"%d" % len(token))],
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        await self.app(scope, receive, send)
        over.set()
        body = b"".join(pieces).decode()
        headers = dict(head["headers"])  # type: ignore[call-overload]
        got = head["status"], headers.get(b"x-token"), set(body.split("t")[1:])
        if got != (200, token.encode(), {token[1:]}):
            self.wrong.append((kind, token, head, body))

    async def all(self) -> None:
        await asyncio.gather(*[self.one(n) for n in range(self.first, self.first + self.count)])


def expected(count, first=0):
    kinds = [KINDS[n % len(KINDS)] for n in range(first, first + count)]
    streams = [kind for kind in kinds if "-" in kind]
    # What a body opens after its request was torn down is torn down after it: all but the one that keeps its context.
    torn_down = count + len(streams) - streams.count("def-sync")
    return {name: count for name in ALWAYS} | {"stream": 2 * len(streams), "app teardown": torn_down}


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_in_flight_at_once(app, watch, count):
    app.config["SECRET_KEY"] = "isolation"
    sizes = []

    async def rounds():
        await Flight(app, 300, 0).all()  # threads, caches and tables are made
        watch.seen.clear()
        flight = Flight(app, count, 100_000)
        await flight.all()
        assert flight.wrong[:3] == []
        assert watch.mixed[:3] == []
        assert watch.seen == expected(count, 100_000)
        tracemalloc.start()
        try:
            for first in (200_000, 300_000, 400_000):
                flight = Flight(app, 300, first)
                await flight.all()
                assert flight.wrong[:3] == watch.mixed[:3] == []
                del flight
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
        finally:
            tracemalloc.stop()
        await app.shutdown()

    asyncio.run(rounds())
    # A kept request would be some 5 kB, 300 of them 1.5 MB.
    assert sizes[2] - sizes[0] < 500_000, sizes
    names = [thread.name for thread in threading.enumerate()]
    # The process-wide loop threads stay: they belong to no app.
    assert not [name for name in names if name.startswith("asyncflask") and not name.startswith("asyncflask-loop")]
    assert app.threads.stats().threads == app.side_threads.stats().threads == 0


def test_five_hundred_connections(app, serve_each, watch):
    app.config["SECRET_KEY"] = "isolation"
    live = serve_each(app)
    count, wires = 500, []
    try:
        wires += [live.connect() for _ in range(count)]
        for rounds in range(2):
            tokens = [f"t{rounds}x{n}" for n in range(count)]
            for n, (wire, token) in enumerate(zip(wires, tokens, strict=True)):
                lines = [f"X-Token: {token}", f"Cookie: token={token}", f"Content-Length: {len(token)}"]
                wire.send(request("POST", f"/{KINDS[n % len(KINDS)]}/{token}?token={token}", *lines))
            for wire, token in zip(wires, tokens, strict=True):  # all have begun, each is at its body
                wire.send(token.encode())
            for wire, token in zip(wires, tokens, strict=True):
                answer = wire.answer()
                assert (answer.status, answer["x-token"]) == (200, token)
                assert answer.text in (token, token * 2)
    finally:
        for wire in wires:
            wire.leave()
    live.stop()
    assert watch.mixed[:3] == []
    assert watch.seen == {name: 2 * times for name, times in expected(count).items()}
