"""Applications put together by chance, of hooks, error handlers and receivers: they answer, and run, as in Flask.

Each has the same parts for Flask and for us, `def` and `async def` ones among ours; the answer is compared, and which
functions ran in what order, with what errors. Teardown functions don't fail here: ours run all the same, Flask's don't.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import flask
import pytest
from werkzeug import exceptions

import asyncflask
from tests.flow.asking import ask_asgi, ask_client, ask_wsgi

Log = list[tuple[Any, ...]]


class Base(Exception):
    pass


class Special(Base):
    pass


BEFORE = ["nothing"] * 4 + ["text", "tuple", "response", "redirect", "abort", "raise", "session", "later"]
AFTER = ["as it came"] * 4 + ["response", "abort", "raise", "session", "later"]
VIEW = ["text", "tuple", "dict", "response", "redirect", "exception", "nothing", "session", "later", "missing key"]
FAILING_VIEW = ["abort", "abort 404", "raise", "raise special"]
HANDLER = ["text", "tuple", "dict", "as it came", "exception", "abort", "abort 404", "raise", "raise again"]
HANDLED: list[Any] = [Base, Exception, exceptions.HTTPException, 400, 404, 418, 500]
SIGNALS = ["request_started", "request_finished", "got_request_exception", "request_tearing_down"]
SIGNALS += ["appcontext_tearing_down", "appcontext_popped"]
REQUESTS = [("/", "GET")] * 5 + [("/", "HEAD"), ("/", "PUT"), ("/", "OPTIONS"), ("/nothing", "GET")]


class Parts:
    """What an application is made of, chosen by chance."""

    def __init__(self, random: Random) -> None:
        self.config = {
            "PROPAGATE_EXCEPTIONS": random.choice([False, False, None, True]),
            "TESTING": random.random() < 0.2,
            "TRAP_HTTP_EXCEPTIONS": random.random() < 0.1,
        }
        self.hooks = [self.hook(random) for _ in range(random.randrange(7))]
        self.view = random.choice(VIEW + FAILING_VIEW * 2)
        self.signals = random.sample(SIGNALS, random.randrange(4))
        self.request = random.choice(REQUESTS)

    def hook(self, random: Random) -> tuple[bool, Any, str]:
        """Return whether it is the blueprint's, what it is registered as, and what it does."""
        kinds = {"before_request": BEFORE, "after_request": AFTER, "teardown_request": ["nothing"]}
        kind = random.choice([*kinds, *HANDLED])
        return random.random() < 0.5, kind, random.choice(kinds.get(kind, HANDLER))

    def __repr__(self) -> str:
        return f"{self.config} {self.hooks} {self.view} {self.signals} {self.request}"


def act(framework: Any, action: str, given: Any) -> Any:
    """Do what a hook, a handler or a view is to do."""

    def later(response: Any) -> Any:
        response.headers["X-Later"] = "yes"
        return response

    match action:
        case "nothing":
            return None
        case "as it came":
            return given
        case "abort" | "abort 404":
            framework.abort(404 if action.endswith("404") else 418)
        case "raise" | "raise special":
            raise Special if action.endswith("special") else Base
        case "raise again":
            raise given
        case "missing key":
            return framework.request.args["missing"]
        case "session":
            framework.session["key"] = 1
            return given
        case "later":
            framework.after_this_request(later)
            return given
        case "redirect":
            return framework.redirect("/other")
        case "response":
            return framework.Response("response", 209, {"X-Made": "yes"})
        case "exception":
            return exceptions.Conflict("returned")
    return {"text": "text", "tuple": ("text", 207, {"X-Tuple": "yes"}), "dict": {"a": 1}}[action]


def make(framework: Any, parts: Parts, is_async: Callable[[], bool], log: Log) -> Any:
    """Make an application of these parts; each function of it notes when it runs, and with what."""
    app = framework.Flask("random_application")
    app.secret_key = "key"
    app.logger.disabled = True
    app.config.update(parts.config)
    blueprint = framework.Blueprint("blueprint", "random_application")

    def function(name: Any, action: str) -> Callable[..., Any]:
        def run(given: Any = None) -> Any:
            log.append((name, type(given).__name__ if given is None or isinstance(given, Exception) else given.status))
            return act(framework, action, given)

        async def run_async(given: Any = None) -> Any:
            await asyncio.sleep(0)
            return run(given)

        return run_async if is_async() else run

    for number, (inside, kind, action) in enumerate(parts.hooks):
        owner = blueprint if inside else app
        made = function((number, kind), action)
        if isinstance(kind, str):
            getattr(owner, kind)(made)
        else:
            owner.register_error_handler(kind, made)
    for name in parts.signals:

        def receiver(sender: Any, name: str = name, **values: Any) -> None:
            log.append((name, *(getattr(value, "status", type(value).__name__) for value in values.values())))

        getattr(framework.signals, name).connect(receiver, app)
        app.extensions[name] = receiver  # which the signal holds weakly
    blueprint.add_url_rule("/", "view", function("view", parts.view), methods=["GET", "POST"])
    app.register_blueprint(blueprint)
    return app


def outcome(framework: Any, parts: Parts, is_async: Callable[[], bool], ask: Callable[..., Any]) -> Any:
    log: Log = []
    app = make(framework, parts, is_async, log)
    path, method = parts.request
    try:
        got = ask(app, path, method)
    except Exception as error:  # it propagates
        return type(error).__name__, log
    finally:
        if framework is asyncflask:
            app.close_threads()
    # the cookie is signed at some time
    headers = sorted(
        (name.lower(), value[:10] if name.lower() == "set-cookie" else value) for name, value in got.headers
    )
    return got.status, headers, got.body, log


@pytest.mark.parametrize("seed", range(20))
def test_a_random_application_is_flasks(seed: int) -> None:
    random = Random(seed)
    for _ in range(20):
        parts = Parts(random)
        expected = outcome(flask, parts, lambda: False, ask_wsgi)
        for is_async in (lambda: False, lambda: True, lambda: random.random() < 0.5):
            ask = random.choice([ask_asgi, ask_asgi, ask_wsgi, ask_client])
            assert outcome(asyncflask, parts, is_async, ask) == expected, f"{parts} {ask.__name__}"
