"""Sync hooks that follow each other around an ``async def`` view share one hop to a thread; nothing else changes."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from asyncflask.threads import InThread

trail: ContextVar[tuple[str, ...]] = ContextVar("trail", default=())


def noting(name, result=None):
    def hook(*args):
        trail.set((*trail.get(), name))
        return args[0] if args and result is None else result

    return hook


def in_colours(function, colour):
    """As `function`; "late" is a sync function that returns an awaitable, as decorators do."""

    async def asynchronous(*args):
        return function(*args)

    return {"def": function, "async": asynchronous, "late": lambda *args: asynchronous(*args)}[colour]


MIXES = [
    ("def", "def", "def"), ("def", "def", "async"), ("async", "def", "def"), ("def", "late", "def"),
    ("late", "late", "def"), ("def", "def", "late"), ("late", "async", "late"),
]  # fmt: skip


@pytest.mark.parametrize("mix", MIXES, ids="-".join)
@pytest.mark.parametrize("answering", [None, 0, 1, 2])
def test_each_hook_runs_once_and_in_order(app, asked, mix, answering):
    for number, colour in enumerate(mix):
        answer = f"by {number}" if number == answering else None
        app.before_request(in_colours(noting(f"before {number}", answer), colour))
        app.after_request(in_colours(noting(f"after {number}"), colour))

    @app.after_request
    async def tell(response):  # runs first
        trail.set((*trail.get(), "first"))
        return response

    @app.teardown_request
    async def keep(error):
        kept.append(trail.get())

    @app.get("/")
    async def view():
        trail.set((*trail.get(), "view"))
        return "by view"

    kept = []
    assert asked("/").text == ("by view" if answering is None else f"by {answering}")
    ran = [f"before {number}" for number in range(3 if answering is None else answering + 1)]
    ran += ["view"] * (answering is None)
    assert kept == [(*ran, "first", "after 2", "after 1", "after 0")]


@pytest.mark.parametrize("mix", MIXES, ids="-".join)
def test_after_hooks_hand_on_what_they_return(app, asked, mix):
    def adding(text):
        return lambda response: app.response_class(response.get_data() + text.encode())

    for number, colour in enumerate(mix):
        app.after_request(in_colours(adding(str(number)), colour))

    @app.get("/")
    async def view():
        return ">"

    assert asked("/").text == ">210"


@pytest.mark.parametrize("mix", MIXES, ids="-".join)
def test_an_error_in_one_of_them_is_handled_and_ends_the_others(app, asked, mix):
    def fail():
        raise ZeroDivisionError

    for number, colour in enumerate(mix):
        app.before_request(in_colours(fail if number == 1 else noting(str(number)), colour))

    @app.errorhandler(ZeroDivisionError)
    async def answer(error):
        return ",".join(trail.get()), 400

    @app.get("/")
    async def view():
        return "view"

    got = asked("/")
    assert (got.status, got.text) == (400, "0")


async def test_they_share_a_hop(app, monkeypatch):
    hops, threads = [], {"before": set(), "after": set()}
    original = InThread.__init__
    monkeypatch.setattr(InThread, "__init__", lambda self, *args: hops.append(args) or original(self, *args))
    for _ in range(3):
        app.before_request(lambda: threads["before"].add(threading.get_ident()))
        app.after_request(lambda response: threads["after"].add(threading.get_ident()) or response)

    @app.get("/")
    async def view():
        return "view"

    async with app.async_test_client() as client:
        assert (await client.get("/")).text == "view"
    assert len(hops) == 2 and [len(those) for those in threads.values()] == [1, 1]
    assert threading.get_ident() not in threads["before"] | threads["after"]
