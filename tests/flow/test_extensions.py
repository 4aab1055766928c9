"""What Flask extensions do to an application and inside of a request."""

from __future__ import annotations

import asyncio
from functools import wraps

import pytest

from asyncflask import (
    App,
    Blueprint,
    Response,
    current_app,
    g,
    has_request_context,
    make_response,
    request,
    session,
    signals,
)
from asyncflask.globals import app_ctx, request_ctx
from asyncflask.sessions import SecureCookieSessionInterface, SessionInterface, SessionMixin

from .asking import BY_WAY, WAYS


def both(app, view=None):
    """Give `app` a `def` view at /def and an `async def` one at /async, doing what `view` does."""
    view = view or (lambda: "ok")

    @app.get("/def", endpoint="def")
    def sync():
        return view()

    @app.get("/async", endpoint="async")
    async def asynchronous():
        await asyncio.sleep(0)
        return view()


@pytest.fixture(params=["/def", "/async"])
def path(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["threaded", "single"])
def mode(request, app):
    app.config["THREADED"] = request.param


def test_hooks_are_put_into_the_tables_by_hand(app, asked, path):
    seen = []
    app.before_request_funcs.setdefault(None, []).append(lambda: seen.append("before"))
    app.before_request_funcs[None].insert(0, lambda: seen.append("first"))
    app.teardown_request_funcs.setdefault(None, []).append(lambda error: seen.append("teardown"))
    app.teardown_appcontext_funcs.append(lambda error: seen.append("app teardown"))
    both(app)
    assert asked(path).text == "ok"
    assert seen == ["first", "before", "teardown", "app teardown"]


def test_an_after_hook_is_added_while_a_request_runs(app, asked, path):
    """It runs for this request already, as Flask's lists make it."""

    def mark(response):
        response.headers["X-Late"] = "yes"
        return response

    def view():
        hooks = current_app.after_request_funcs.setdefault(None, [])
        if mark not in hooks:
            hooks.append(mark)
        return "ok"

    both(app, view)
    assert asked(path).headers["X-Late"] == "yes"
    assert asked("/def").headers["X-Late"] == "yes"


def test_a_teardown_function_is_added_while_a_request_runs(app, asked, path):
    seen = []
    both(app, lambda: app.teardown_request_funcs.setdefault(None, []).append(seen.append) or "ok")
    assert asked(path).text == "ok"
    assert seen == [None]


def cors(function):
    """A decorator as Flask-CORS has it."""

    @wraps(function)
    def wrapped(*args, **kwargs):
        response = make_response(current_app.ensure_sync(function)(*args, **kwargs))
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return wrapped


def login_required(function):
    """A decorator as Flask-Login has it."""

    @wraps(function)
    def wrapped(*args, **kwargs):
        if request.args.get("user") is None:
            return current_app.make_response(("who are you?", 401))
        return current_app.ensure_sync(function)(*args, **kwargs)

    return wrapped


def test_a_sync_decorator_that_calls_ensure_sync(app, asked, path, mode):
    @app.get("/def")
    @login_required
    def view():
        return request.args["user"]

    @app.get("/async")
    @login_required
    async def async_view():
        await asyncio.sleep(0)
        return request.args["user"]

    assert asked(path).status == 401
    assert asked(f"{path}?user=me").text == "me"


def test_a_sync_decorator_that_makes_a_response_of_what_ensure_sync_gives(app, asked, path, mode):
    @app.get("/def")
    @cors
    def view():
        return "made"

    @app.get("/async")
    @cors
    async def async_view():
        await asyncio.sleep(0)
        return "made"

    got = asked(path)
    assert (got.text, got.headers["Access-Control-Allow-Origin"]) == ("made", "*")


def test_a_sync_decorator_around_an_async_view(app, asked, mode):
    def plain(function):
        @wraps(function)
        def wrapped(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapped

    @app.get("/")
    @plain
    async def view():
        await asyncio.sleep(0)
        return "awaited"

    assert asked("/").text == "awaited"


def test_view_functions_are_wrapped_in_their_table(app, asked, path):
    both(app)
    assert asked(path).text == "ok"
    for endpoint in ("def", "async"):
        app.view_functions[endpoint] = cors(app.view_functions[endpoint])
    assert asked(path).headers["Access-Control-Allow-Origin"] == "*"


def test_attributes_are_hung_on_everything(app, asked, path):
    app.thing = "app"

    @app.before_request
    def before():
        g.thing = "g"
        request.thing = "request"
        request_ctx.thing = "context"
        app_ctx._get_current_object().other_thing = "app context"

    @app.after_request
    def after(response):
        response.thing = "response"
        response.call_on_close(lambda: seen.append(response.thing))
        return response

    def view():
        ctx = request_ctx._get_current_object()
        return [current_app.thing, g.thing, request.thing, ctx.thing, app_ctx.other_thing]

    seen = []
    both(app, view)
    assert asked(path).json == ["app", "g", "request", "context", "app context"]
    assert seen == ["response"]


def test_there_is_one_context_object_in_a_request(app, asked, path, mode):
    """Its id is what Flask-SQLAlchemy takes for the scope of its sessions."""
    ids = []

    def note(*args):
        ids.append(id(app_ctx._get_current_object()))

    async def note_async(*args):
        await asyncio.sleep(0)
        note()

    app.before_request(note_async)
    app.before_request(lambda: note())
    app.after_request(lambda response: note() or response)
    app.teardown_request(note_async)
    app.teardown_request(note)
    app.teardown_appcontext(note)
    both(app, lambda: note() or "ok")
    assert asked(path).text == "ok"
    assert len(ids) == 7
    assert len(set(ids)) == 1


class Stored(dict, SessionMixin):
    pass


class SyncSessions(SessionInterface):
    def __init__(self):
        self.store = {}
        self.opened = []

    def open_session(self, app, request):
        assert not has_request_context() or request.path
        self.opened.append(request.path)
        return Stored(self.store)

    def save_session(self, app, session, response):
        self.store.update(session)
        response.headers["X-Saved"] = "yes"


class AsyncSessions(SyncSessions):
    async def open_session(self, app, request):
        await asyncio.sleep(0)
        return super().open_session(app, request)

    async def save_session(self, app, session, response):
        await asyncio.sleep(0)
        super().save_session(app, session, response)


@pytest.mark.parametrize("interface", [SyncSessions, AsyncSessions])
def test_a_session_interface_of_either_kind(app, asked, path, mode, interface):
    app.session_interface = interface()
    both(app, lambda: str(session.setdefault("count", 0)))

    @app.before_request
    def before():
        session["count"] = session.get("count", 0) + 1

    assert [asked(path).text for _ in range(3)] == ["1", "2", "3"]
    got = asked(path)
    assert got.headers["X-Saved"] == "yes"
    assert app.session_interface.opened == [path] * 4


@pytest.mark.parametrize("interface", [SyncSessions, AsyncSessions])
def test_the_session_is_there_for_errors(app, asked, interface):
    app.session_interface = interface()
    app.register_error_handler(404, lambda error: str(session.get("count", "none")))
    got = asked("/nothing")
    assert got.text == "none"
    assert got.headers["X-Saved"] == "yes"


def test_a_subclass_of_the_cookie_session(app, asked, path):
    class Counting(SecureCookieSessionInterface):
        opened = 0

        def open_session(self, app, request):
            self.opened += 1
            return super().open_session(app, request)

    app.session_interface = Counting()
    both(app, lambda: session.get("user", "nobody"))
    assert asked(path).text == "nobody"
    assert app.session_interface.opened == 1


SENT = ("appcontext_pushed", "request_started", "request_finished", "request_tearing_down", "appcontext_tearing_down")


@pytest.mark.parametrize("receiver_kind", ["def", "async"])
def test_signals_reach_receivers_of_either_kind(app, asked, path, mode, receiver_kind):
    heard = []
    both(app)

    def receiver_for(name):
        def receiver(sender, **values):
            heard.append((name, sender is app, request.path))

        async def async_receiver(sender, **values):
            await asyncio.sleep(0)
            receiver(sender)

        return receiver if receiver_kind == "def" else async_receiver

    receivers = {name: receiver_for(name) for name in (*SENT, "appcontext_popped")}
    receivers["appcontext_popped"] = lambda sender, **values: heard.append(("appcontext_popped", sender is app, path))
    for name, receiver in receivers.items():
        getattr(signals, name).connect(receiver, app)
    assert asked(path).text == "ok"
    assert heard == [(name, True, path) for name in (*SENT, "appcontext_popped")]


@pytest.mark.parametrize("receiver_kind", ["def", "async"])
def test_the_signal_of_an_error(app, asked, receiver_kind):
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True
    heard = []

    def receiver(sender, exception):
        heard.append((type(exception), request.path))

    async def async_receiver(sender, exception):
        receiver(sender, exception)

    def fail():
        raise ZeroDivisionError

    both(app, fail)
    one = receiver if receiver_kind == "def" else async_receiver
    with signals.got_request_exception.connected_to(one, app):
        assert [asked(path).status for path in ("/def", "/async")] == [500, 500]
    assert heard == [(ZeroDivisionError, "/def"), (ZeroDivisionError, "/async")]


def test_one_extension_serves_two_applications(app):
    class Extension:
        def init_app(self, app):
            app.extensions["counter"] = {"count": 0}
            app.before_request(self.count)

        def count(self):
            current_app.extensions["counter"]["count"] += 1

    other = App("other")
    extension = Extension()
    for one in (app, other):
        extension.init_app(one)
        both(one, lambda: str(current_app.extensions["counter"]["count"]))
    try:
        assert [BY_WAY["asgi"](app, "/def").text for _ in range(3)] == ["1", "2", "3"]
        assert BY_WAY["asgi"](other, "/async").text == "1"
    finally:
        other.close_threads()


def test_endpoints_can_be_listed(app):
    both(app)
    blueprint = Blueprint("bp", "bp", url_prefix="/bp")
    blueprint.add_url_rule("/x/<int:n>", "x", lambda n: str(n))
    app.register_blueprint(blueprint)
    rules = {rule.endpoint: rule.rule for rule in app.url_map.iter_rules()}
    assert {"def": "/def", "async": "/async", "bp.x": "/bp/x/<int:n>"}.items() <= rules.items()
    assert rules.keys() - {"static"} <= app.view_functions.keys()
    assert [name for name, _ in app.blueprints.items()] == ["bp"]


def test_metadata_of_a_route_is_read_by_a_hook(app, asked):
    class Rule(app.url_rule_class):
        def __init__(self, *args, role=None, **kwargs):
            super().__init__(*args, **kwargs)
            self.role = role

    app.url_rule_class = Rule
    app.before_request(lambda: None if request.url_rule.role is None else (f"only for {request.url_rule.role}", 403))
    app.add_url_rule("/open", "open", lambda: "open")
    app.add_url_rule("/closed", "closed", lambda: "closed", role="staff")
    assert asked("/open").text == "open"
    assert asked("/closed").text == "only for staff"


@pytest.mark.parametrize("way", WAYS)
def test_a_compressing_after_hook(app, way):
    """As Flask-Compress reads and replaces a body."""

    @app.after_request
    def compress(response):
        if response.is_streamed or response.direct_passthrough:
            return response
        response.set_data(response.get_data().upper())
        response.headers["Content-Length"] = response.content_length
        return response

    app.add_url_rule("/", "view", lambda: Response("text", headers={"X-Was": "lower"}))
    app.add_url_rule("/stream", "stream", lambda: (piece for piece in ("a", "b")))
    assert BY_WAY[way](app, "/").text == "TEXT"
    assert BY_WAY[way](app, "/stream").text == "ab"


def test_the_session_of_a_context_is_replaced_under_flasks_name(app):
    """As Flask-SocketIO does, which keeps a session of its own for what comes after the handshake."""
    other = Stored(user="me")
    with app.test_request_context():
        session["user"] = "you"
        request_ctx._session = other
        assert session["user"] == "me"
        session["seen"] = True
    assert other == {"user": "me", "seen": True}


@pytest.mark.parametrize("transport", ["asgi", "wsgi"])
def test_an_app_context_ends_below_requests_that_a_client_holds(app, transport):
    """Tests of extensions push one inside of the client's block. (In Flask its teardown waits for the end of that.)"""
    ended = []
    app.teardown_request(lambda error: ended.append(request.path))
    app.teardown_appcontext(lambda error: ended.append("app"))
    app.add_url_rule("/", "first", lambda: current_app.redirect("/second"))
    app.add_url_rule("/second", "second", lambda: "ok")
    with app.test_client(transport=transport) as client:
        with app.app_context():
            g.kept = "kept"
            assert client.get("/", follow_redirects=True).text == "ok"
            assert request.path == "/second"
        assert (request.path, g.kept) == ("/second", "kept")
    assert ended == ["/", "/second", "app", "/second", "/"]
    assert not has_request_context() and not current_app
