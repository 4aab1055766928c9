"""A function that is put into a table of hooks during a request: it runs within that request where it does in Flask.

Flask walks through the tables themselves, so that a function counts that was put where it has not come by yet; from the
end on to the front, with the response and at the end. Ours has decided by then which functions run in a stage, and
looks again between the stages.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import flask
import pytest

import asyncflask
from tests.flow.asking import ask_asgi, ask_wsgi

TABLES = {
    "url": "url_value_preprocessors",
    "before": "before_request_funcs",
    "after": "after_request_funcs",
    "teardown": "teardown_request_funcs",
}
PLACES = [*itertools.product(TABLES, ("app", "blueprint")), ("app teardown", "app")]
CASES = list(itertools.product([*PLACES, ("view", "blueprint")], PLACES))

#: During one stage, into what is left of it.
NOT_SEEN = {
    *itertools.product([("url", "app")], [("url", "app"), ("url", "blueprint")]),
    *itertools.product([("url", "blueprint")], [("url", "blueprint")]),
    *itertools.product([("url", "app"), ("url", "blueprint")], [("before", "app"), ("before", "blueprint")]),
    *itertools.product([("before", "app")], [("before", "app"), ("before", "blueprint")]),
    *itertools.product([("before", "blueprint")], [("before", "blueprint")]),
    (("after", "blueprint"), ("after", "app")),
    (("teardown", "blueprint"), ("teardown", "app")),
}
REASON = "to see it a request would have to look for it behind each of its hooks"


def table(app: Any, kind: str, owner: str) -> list[Any]:
    if kind == "app teardown":
        functions: list[Any] = app.teardown_appcontext_funcs
        return functions
    own: list[Any] = getattr(app, TABLES[kind]).setdefault(None if owner == "app" else "blueprint", [])
    return own


def order(framework: Any, ask: Callable[..., Any], adds: Any, place: Any, is_async: bool = False) -> list[Any]:
    """Return what runs in a request whose function `adds`, the first of its kind, puts one more at a place."""
    app = framework.Flask("tables_that_grow")
    blueprint = framework.Blueprint("blueprint", "tables_that_grow")
    ran: list[Any] = []

    def make(name: Any, kind: str) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            ran.append(name)
            if name == (*adds, 1) and ("new", *place) not in ran:
                table(app, *place).append(make(("new", *place), place[0]))
            return args[0] if kind == "after" else "text" if kind == "view" else None

        async def run_async(*args: Any) -> Any:
            await asyncio.sleep(0)
            return run(*args)

        return run_async if is_async and kind != "url" else run

    blueprint.add_url_rule("/", "view", make(("view", "blueprint", 1), "view"))
    app.register_blueprint(blueprint)
    for (kind, owner), number in itertools.product(PLACES, (1, 2)):
        table(app, kind, owner).append(make((kind, owner, number), kind))
    try:
        assert ask(app, "/").text == "text"
    finally:
        if framework is asyncflask:
            app.close_threads()
    return ran


@pytest.mark.parametrize(
    ("adds", "place"),
    [
        pytest.param(*case, marks=[pytest.mark.xfail(strict=True, reason=REASON)] if case in NOT_SEEN else [])
        for case in CASES
    ],
)
def test_what_runs_is_what_flask_runs(adds: Any, place: Any) -> None:
    expected = order(flask, ask_wsgi, adds, place)
    for ask, is_async in itertools.product((ask_asgi, ask_wsgi), (False, True)):
        assert order(asyncflask, ask, adds, place, is_async) == expected


@pytest.mark.parametrize(("adds", "place"), sorted(NOT_SEEN))
@pytest.mark.parametrize("is_async", [False, True])
def test_what_is_not_seen_at_once_runs_in_the_next_request(adds: Any, place: Any, is_async: bool) -> None:
    def ask_twice(app: Any, path: str) -> Any:
        ask_asgi(app, path)
        return ask_asgi(app, path)

    assert ("new", *place) in order(asyncflask, ask_twice, adds, place, is_async)
