"""The shortest way to an answer gives what a response would have given; who looks at responses gets one."""

from __future__ import annotations

import gc
import json
from types import SimpleNamespace
from typing import Any

import pytest

from asyncflask import App, Request, Response, after_this_request, request, request_finished, session
from asyncflask.config import Config
from asyncflask.ctx import ServedContext
from asyncflask.json.provider import DefaultJSONProvider
from asyncflask.pipeline.hooks import Plan
from asyncflask.pipeline.plainly import Plainly
from asyncflask.pipeline.respond import plain_answer
from asyncflask.plain import is_plain
from asyncflask.wrappers.headers import MOST_READY

pytestmark = pytest.mark.skipif(is_plain(), reason="short ways are switched off")
VALUES = ["", "Hello", "Grüße", b"", b"\xff", {}, {"b": 1, "a": [None, 1.5]}, [], ["x" * MOST_READY], {"ü": "<"}]


class Typed(Response):
    default_mimetype = "application/xml"


class Own(Response):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers["X-Own"] = "1"


class Closing(Response):
    def close(self) -> None:
        super().close()


class Helping(Response):
    def say(self) -> str:
        return "a name that the base does not have"


@pytest.fixture
def app() -> App:
    return App("plainly", static_folder=None)


def answer(app: App, method: str, value: Any) -> Any:
    plan = app.plan_for(None, app.stages)
    assert plan.plain is not None
    ctx: Any = SimpleNamespace(plan=plan, touched=False, has_cookies=False, request_made=False, method=method)
    return plain_answer(ctx, value)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("kind", [Response, Typed, Helping])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_it_is_what_a_response_gives(app: App, kind: type[Response], value: Any, method: str) -> None:
    app.response_class = kind
    with app.test_request_context("/"):
        assert answer(app, method, value) == app.make_response(value).asgi_answer(method)


@pytest.mark.parametrize(
    "value", [None, 1, ("x", 201), iter("x"), Response("x"), bytearray(b"x"), type("S", (str,), {})()]
)
def test_everything_else_is_left_to_a_response(app: App, value: Any) -> None:
    assert answer(app, "GET", value) is None


@pytest.mark.parametrize("kind", [Own, Closing, type("Status", (Response,), {"default_status": 201})])
def test_a_class_with_its_own_ways_makes_responses(app: App, kind: type[Response]) -> None:
    app.response_class = kind
    assert Plainly.of(app) is None


def test_a_class_with_its_own_init_is_told_that_there_is_no_status(app: App) -> None:
    class Created(Response):
        def __init__(self, response: Any, status: Any = 201, headers: Any = None) -> None:
            super().__init__(response, status, headers)

    app.response_class = Created
    with app.test_request_context():  # as Flask does, which gives it all it has
        assert app.make_response("text").status_code == app.make_response(bytearray(b"text")).status_code == 200


def test_what_cannot_be_written_fails_as_in_a_response(app: App) -> None:
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        answer(app, "GET", {"a": {1}})
    with pytest.raises(UnicodeEncodeError):
        answer(app, "GET", "\udc00")


class Upper(DefaultJSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return json.dumps(obj, **kwargs).upper()


def furnished(app: App) -> Any:
    @app.get("/")
    async def view() -> dict[str, int]:
        return {"b": 1, "a": 2}

    return app.test_client()


def test_changes_of_the_provider_are_followed(app: App) -> None:
    client = furnished(app)
    assert client.get("/").text == '{"a":2,"b":1}\n'
    app.json.sort_keys = False  # type: ignore[attr-defined]
    assert client.get("/").text == '{"b":1,"a":2}\n'
    app.json.mimetype = "application/problem+json"  # type: ignore[attr-defined]
    assert client.get("/").mimetype == "application/problem+json"
    app.json = Upper(app)
    assert client.get("/").text == '{"B":1,"A":2}\n'
    app.json = DefaultJSONProvider(app)
    app.debug = True
    assert client.get("/").text == '{\n  "a": 2,\n  "b": 1\n}\n'
    app.debug = False
    app.json.compact = False
    assert client.get("/").text == '{\n  "a": 2,\n  "b": 1\n}\n'


def test_what_begins_while_a_request_runs_sees_its_response(app: App) -> None:
    seen: list[str] = []

    def note(where: str) -> Any:
        def call(response: Response) -> Response:
            seen.append(f"{where} {response.status_code}")
            return response

        return call

    @app.get("/hook")
    async def hook() -> str:
        app.after_request_funcs[None].append(note("hook"))
        return ""

    @app.get("/once")
    async def once() -> str:
        after_this_request(note("once"))
        return ""

    @app.get("/signal")
    async def signal() -> str:
        request_finished.connect(finished, app)
        return ""

    def finished(sender: App, response: Response) -> None:
        seen.append(f"signal {response.status_code}")

    @app.get("/session")
    async def touched() -> str:
        session["seen"] = True
        return ""

    app.secret_key = "k"
    client = app.test_client()
    client.get("/once")
    assert seen == ["once 200"]
    client.get("/hook")
    assert seen == ["once 200", "hook 200"]
    client.get("/signal")
    assert seen[2:] == ["hook 200", "signal 200"]
    assert "Set-Cookie" in client.get("/session").headers


def test_a_request_that_nobody_touches_is_not_made(app: App) -> None:
    contexts: list[ServedContext] = []

    @app.get("/<int:k>")
    async def view(k: int) -> str:
        contexts.append(request_ctx())
        return "" if k else request.path

    client = app.test_client()
    assert (client.get("/1").text, client.get("/0").text) == ("", "/0")
    assert [ctx.request_made for ctx in contexts] == [False, True]
    assert contexts[1].request.view_args == {"k": 0}
    assert contexts[1].request.url_rule is not None and contexts[1].request.url_rule.rule == "/<int:k>"


def request_ctx() -> ServedContext:
    from asyncflask.globals import _cv_app

    ctx = _cv_app.get()
    assert isinstance(ctx, ServedContext)
    return ctx


def test_a_request_class_with_its_own_init_is_made_for_each_request(app: App) -> None:
    made: list[str] = []

    class Counted(Request):
        def __init__(self, environ: Any, **kwargs: Any) -> None:
            super().__init__(environ, **kwargs)
            made.append(environ["PATH_INFO"])

    app.request_class = Counted
    client = furnished(app)
    assert client.get("/").status_code == 200 and made == ["/"]


class Moving(Config):
    """A configuration that changes without telling."""

    threaded = True

    def __getitem__(self, key: str) -> Any:
        return self.threaded if key == "THREADED" else super().__getitem__(key)


def test_a_configuration_that_changes_unseen_is_asked_each_time() -> None:
    class Dynamic(App):
        config_class = Moving

    app = Dynamic("dynamic", static_folder=None)
    client = app.test_client()

    @app.get("/")
    def view() -> str:
        return request_ctx().lane.name

    assert client.get("/").text == "worker"
    app.config.threaded = False  # type: ignore[attr-defined]
    assert client.get("/").text == "inline"


def test_trusted_hosts_may_be_set_at_any_time(app: App) -> None:
    client = furnished(app)
    assert client.get("/").status_code == 200
    app.config["TRUSTED_HOSTS"] = ["example.org"]
    assert client.get("/").status_code == 400
    app.config["TRUSTED_HOSTS"] = None
    assert client.get("/").status_code == 200


def test_plans_are_made_once(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    original = Plan.__init__

    def counted(self: Plan, *args: Any) -> None:
        made.append(args[1])
        original(self, *args)

    gc.collect()  # a receiver of an earlier test that is collected now would be a change, too
    monkeypatch.setattr(Plan, "__init__", counted)
    client = furnished(app)
    for _ in range(5):
        client.get("/")
    assert [rule.rule for rule in made if rule is not None] == ["/"]
