"""The same requests to Flask 3.1.3 and to asyncflask, from one application: status, headers and body are the same.

Each request goes to our application four ways: with `def` and with `async def` code, as ASGI and as WSGI.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib.metadata
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from http.cookies import SimpleCookie
from typing import Any

import flask
import flask.sessions
import pytest
from itsdangerous import TimestampSigner

import asyncflask
import asyncflask.sessions

from .app_module import FLAVOURS, MOMENT, make_app
from .cases import CASES, Case
from .differences import BY_CASE, DIFFERENCES, what_differs
from .raw import Answer, Raw, ask_asgi, ask_wsgi

Ask = Callable[[Raw], Answer]


class FixedClock(datetime):
    """For the expiry of permanent sessions."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return MOMENT


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions signed in the same second, so that their cookies can be compared as they are."""
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: 1_700_000_000)
    for module in (flask.sessions, asyncflask.sessions):
        monkeypatch.setattr(module, "datetime", FixedClock)


def as_coroutine_function(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    return asynchronous


def play(case: Case, ask: Ask) -> list[Answer]:
    """Send the requests of a case as one client, which sends its cookies back."""
    jar: dict[str, str] = {}
    answers = []
    for raw in case.steps:
        if jar:
            cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
            raw = Raw(raw.method, raw.target, (*raw.headers, ("Cookie", cookies)), raw.body, raw.pieces, raw.declared)
        answer = ask(raw)
        answers.append(answer)
        for line in answer.all("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                jar[name] = morsel.coded_value
                if morsel["max-age"] == "0":
                    del jar[name]
    return answers


@pytest.fixture(scope="module")
def flask_apps() -> dict[str, Any]:
    assert importlib.metadata.version("flask") == "3.1.3" and flask.__name__ == "flask"
    return {flavour: make_app(flask, flavour) for flavour in FLAVOURS}


@pytest.fixture(scope="module")
def our_apps() -> dict[str, dict[str, Any]]:
    wraps: dict[str, Any] = {"def": lambda function: function, "async def": as_coroutine_function}
    return {kind: {name: make_app(asyncflask, name, wrap) for name in FLAVOURS} for kind, wrap in wraps.items()}


@pytest.fixture(scope="module")
def flask_answers(flask_apps: dict[str, Any]) -> Callable[[Case], list[Answer]]:
    known: dict[str, list[Answer]] = {}

    def answers(case: Case) -> list[Answer]:
        if case.name not in known:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # Flask leaves files of a cut off upload open
                known[case.name] = play(case, lambda raw: ask_wsgi(flask_apps[case.flavour], raw))
                if "multipart" in case.name:
                    gc.collect()
        return known[case.name]

    return answers


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["asgi", "wsgi"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ask(way: str, runner: asyncio.Runner) -> Callable[[Any, Raw], Answer]:
    if way == "wsgi":
        return lambda app, raw: ask_wsgi(app.wsgi_app, raw)

    async def serve(app: Any, raw: Raw) -> Answer:
        answer = await ask_asgi(app.asgi, raw)
        await app.shutdown()
        return answer

    return lambda app, raw: runner.run(serve(app, raw))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_same_answer(
    case: Case,
    kind: str,
    way: str,
    ask: Callable[[Any, Raw], Answer],
    our_apps: dict[str, dict[str, Any]],
    flask_answers: Callable[[Case], list[Answer]],
) -> None:
    theirs = flask_answers(case)
    assert theirs[-1].status == case.status, "the corpus is wrong about Flask"
    app = our_apps[kind][case.flavour]
    ours = play(case, lambda raw: ask(app, raw))
    found = [what_differs(*pair) for pair in zip(theirs, ours, strict=True)]
    difference = BY_CASE.get(case.name)
    if difference is None or way not in difference.ways:
        assert not any(found)
        return
    assert not any(found[:-1])
    assert set(found[-1]) == difference.parts, f"no longer true: {difference.reason}"
    assert ours[-1].status == difference.status
    assert difference.says in ours[-1].body


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    listed = [name for difference in DIFFERENCES for name in difference.cases]
    assert len(listed) == len(set(listed))
    assert set(listed) <= set(names)


def test_the_comparison_is_not_blind() -> None:
    one = Answer(200, [("A", "1"), ("B", "2"), ("Date", "now")], b"x")
    assert not what_differs(one, Answer(200, [("b", "2"), ("a", "1"), ("Date", "then")], b"x"))
    for other in (
        Answer(201, one.headers, b"x"),
        Answer(200, [("A", "1")], b"x"),
        Answer(200, [*one.headers, ("A", "1")], b"x"),
        Answer(200, one.headers, b"y"),
        Answer(200, one.headers, b"x", cut=True),
    ):
        assert what_differs(one, other)
