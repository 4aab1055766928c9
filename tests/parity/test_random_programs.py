"""Programs put together by chance (`programs`), and requests to them, are answered by us as by Flask.

Answers and what the functions saw are compared, the log of the application, too; each program runs as `def`, as
`async def` and mixed, over ASGI with and without threads and over WSGI.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import replace
from random import Random
from typing import Any

import flask
import pytest

import asyncflask

from .cases import Case
from .differences import what_differs
from .programs import Build, Notes, Program, Wrap
from .raw import Answer, Raw, ask_asgi, ask_wsgi
from .test_parity import as_coroutine_function, fixed_time, play

__all__ = ["fixed_time"]  # a fixture for every test here, too

Told = list[tuple[Answer, Notes]]


class NotesOfLog(logging.Handler):
    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        # Paths are escaped in ours.
        self._notes.append((record.levelname, record.getMessage().encode("unicode_escape").decode()))


def run(kit: Any, program: Program, wrap: Wrap, ask: Callable[[Any, Raw], Answer], **config: Any) -> Any:
    """Build a program and play its requests; return the answers and what was seen on the way."""
    notes: Notes = []
    answers = []
    try:
        app = Build(kit, program, wrap, notes).app
    except Exception as error:
        return type(error).__name__, str(error)
    app.config.update(config)
    app.logger.handlers[:] = [NotesOfLog(notes)]
    app.logger.propagate = False

    def ask_noted(raw: Raw) -> Answer:
        headers = dict(raw.headers)  # one Cookie header: WSGI servers join two by a comma
        raw = replace(raw, headers=tuple(headers.items()))
        answer = copy_context().run(ask, app, raw)
        notes.append(("answer", answer.status))
        return answer

    try:
        answers = play(Case("", tuple(program.requests), 0), ask_noted)
    finally:
        app.logger.handlers.clear()
        if kit is asyncflask:
            app.close_threads()
    return answers, notes


def over_asgi(app: Any, raw: Raw) -> Answer:
    return asyncio.run(ask_asgi(app.asgi, raw))


def over_wsgi(app: Any, raw: Raw) -> Answer:
    return ask_wsgi(app.wsgi_app, raw)


def mixed(random: Random) -> Wrap:
    return lambda function: as_coroutine_function(function) if random.random() < 0.5 else function


def check(program: Program, random: Random) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # Flask leaves files open
        theirs = run(flask, program, lambda function: function, over_wsgi)
        if any("file" in view.end for view in program.views) or any(
            b"filename" in raw.body for raw in program.requests
        ):
            gc.collect()
    for wrap, ask, config in (
        (lambda function: function, over_asgi, {}),
        (as_coroutine_function, over_asgi, {}),
        (mixed(random), over_asgi, {"THREADED": False}),
        (mixed(random), over_wsgi, {}),
    ):
        ours = run(asyncflask, program, wrap, ask, **config)
        if isinstance(theirs[0], str):
            assert ours == theirs, program
            continue
        assert ours[1] == theirs[1], program
        for answers in zip(theirs[0], ours[0], strict=True):
            assert not what_differs(*answers), program


# A file whose response a hook replaces, or empties, is left to be closed when it is freed, by Flask and by us.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", [*range(6), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(6, 100))])
def test_a_random_program_is_flasks(seed: int) -> None:
    random = Random(seed)
    for _ in range(20):
        check(Program(random), random)
