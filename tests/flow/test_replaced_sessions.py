"""What is known of sessions ahead of requests holds until anything is replaced: between requests, and during one."""

from __future__ import annotations

import asyncio

import pytest
from werkzeug.test import EnvironBuilder

from asyncflask import App, request, request_finished, session
from asyncflask.config import Config
from asyncflask.ctx import RequestContext
from asyncflask.globals import app_ctx
from asyncflask.plain import is_plain
from asyncflask.sessions import NullSession, SecureCookieSession, SecureCookieSessionInterface

from .asking import ask_asgi
from .colours import COLOURS, both


class Own(SecureCookieSession):
    """A session that can be told from others."""


class OwnInterface(SecureCookieSessionInterface):
    session_class = Own


def own_session(self, app, request):
    return Own({"path": request.path})


#: what may be replaced, by what, and which sessions there are then
OPENING = {
    "open_session": (own_session, "Own"),
    "get_signing_serializer": (lambda self, app: None, "NullSession"),
    "session_class": (Own, "Own"),
}


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


@pytest.fixture
def shown(app, asked, colour):
    """A function that returns the kind of session that a request without cookies gets; one has been there already."""
    app.session_interface = SecureCookieSessionInterface()
    both(app, lambda: f"{type(session._get_current_object()).__name__} {session.get('path')}")

    def show():
        return asked(f"/{colour}").text.split()[0]

    assert show() == "SecureCookieSession"
    return show


@pytest.mark.parametrize("name", OPENING)
def test_what_is_replaced_on_the_class_itself(shown, monkeypatch, name):
    replacement, kind = OPENING[name]
    with monkeypatch.context() as patch:
        patch.setattr(SecureCookieSessionInterface, name, replacement)
        assert shown() == kind
    assert shown() == "SecureCookieSession"


@pytest.mark.parametrize("name", OPENING)
def test_what_is_replaced_on_the_instance(app, shown, name):
    replacement, kind = OPENING[name]
    bound = replacement if name == "session_class" else replacement.__get__(app.session_interface)
    setattr(app.session_interface, name, bound)
    assert shown() == kind
    delattr(app.session_interface, name)
    assert shown() == "SecureCookieSession"


def test_another_interface(app, shown):
    app.session_interface = OwnInterface()
    assert shown() == "Own"
    app.session_interface = SecureCookieSessionInterface()
    assert shown() == "SecureCookieSession"


@pytest.mark.parametrize("where", ["config", "attribute"])
def test_a_key_that_is_taken_away_and_given_again(app, shown, where):
    for key, kind in ((None, "NullSession"), ("", "NullSession"), ("other", "SecureCookieSession")):
        if where == "config":
            app.config["SECRET_KEY"] = key
        else:
            app.secret_key = key
        assert shown() == kind


@pytest.mark.skipif(is_plain(), reason="with the short ways off the session is open by then")
@pytest.mark.parametrize(("key", "kind"), [(None, NullSession), ("key", SecureCookieSession)])
def test_a_key_that_comes_or_goes_during_a_request(app, asked, colour, key, kind):
    app.secret_key = None if key else "key"

    @app.before_request
    async def before():
        app.secret_key = key

    both(app, lambda: str(type(session._get_current_object()) is kind))
    assert asked(f"/{colour}").text == "True"


@pytest.mark.skipif(is_plain(), reason="with the short ways off the session is open by then")
def test_another_interface_during_a_request_opens_and_saves(app, asked, colour):
    saved = []

    class Interface(OwnInterface):
        lazy_open = True

        def save_session(self, app, session, response):
            saved.append(type(session))

    @app.before_request
    async def before():
        if request.path.endswith("/after"):
            app.session_interface = Interface()

    both(app, lambda: type(session._get_current_object()).__name__, "/before")
    both(app, lambda: type(session._get_current_object()).__name__, "/after")
    assert asked(f"/{colour}/before").text == "SecureCookieSession"
    assert (asked(f"/{colour}/after").text, saved) == ("Own", [Own])


@pytest.mark.parametrize("sees", ["key", "item"])
def test_a_key_that_is_worked_out_for_each_request(colour, sees):
    key = "key"

    class Settings(Config):
        def __getitem__(self, name):
            return key if name == "SECRET_KEY" else super().__getitem__(name)

    class Tenants(App):
        if sees == "item":
            config_class = Settings
        else:
            secret_key = property(lambda self: key, lambda self, value: None)

    app = Tenants("tenants")
    both(app, lambda: type(session._get_current_object()).__name__)
    seen = []
    for given in ("key", None, "other"):
        key = given
        seen.append(ask_asgi(app, f"/{colour}").text)
    app.close_threads()
    assert seen == ["SecureCookieSession", "NullSession", "SecureCookieSession"]


@pytest.mark.parametrize("first", ["cookie", "own"])
def test_an_interface_that_is_worked_out_for_each_request(colour, first):
    saved = []

    class Watched(SecureCookieSessionInterface):
        def save_session(self, app, session, response):
            saved.append(type(session))

    interfaces = {"cookie": SecureCookieSessionInterface(), "own": Watched()}
    interfaces["own"].session_class = Own
    now = first

    class Tenants(App):
        session_interface = property(lambda self: interfaces[now])

    app = Tenants("tenants")
    app.secret_key = "key"
    both(app, lambda: type(session._get_current_object()).__name__, "/touched")
    both(app, lambda: "", "/untouched")
    for now in (first, "cookie", "own", "cookie"):
        got = ask_asgi(app, f"/{colour}/touched")
        assert (got.text, saved) == (("SecureCookieSession", []) if now == "cookie" else ("Own", [Own]))
        saved.clear()
        ask_asgi(app, f"/{colour}/untouched")
        assert saved == ([] if now == "cookie" else [Own])
        saved.clear()
    app.close_threads()


# -- saving


@pytest.mark.parametrize("place", ["class", "instance"])
@pytest.mark.parametrize("kind", COLOURS)
def test_saving_that_is_replaced_after_the_first_request(app, shown, asked, colour, monkeypatch, place, kind):
    saved = []

    async def async_save(*args):
        await asyncio.sleep(0)
        saved.append(args[-3:])

    def save(*args):
        saved.append(args[-3:])

    replacement = save if kind == "def" else async_save
    if place == "class":
        monkeypatch.setattr(SecureCookieSessionInterface, "save_session", replacement)
    else:
        app.session_interface.save_session = replacement
    got = asked(f"/{colour}")
    assert "Vary" not in got.headers
    assert [(args[0] is app, args[1]) for args in saved] == [(True, {})]


@pytest.mark.parametrize("place", ["class", "instance"])
def test_the_cookie_is_set_whenever_the_interface_says_so(app, asked, colour, monkeypatch, place):
    interface = app.session_interface = SecureCookieSessionInterface()
    both(app, lambda: session.setdefault("a", 1) * 0 or "", "/change")
    both(app, lambda: str(session.get("a")), "/read")
    cookie = asked(f"/{colour}/change").headers["Set-Cookie"].partition(";")[0]
    assert "Set-Cookie" not in asked(f"/{colour}/read", headers={"Cookie": cookie}).headers
    owner = SecureCookieSessionInterface if place == "class" else interface
    monkeypatch.setattr(owner, "should_set_cookie", lambda *args: True, raising=False)
    got = asked(f"/{colour}/read", headers={"Cookie": cookie})
    assert (got.text, "Set-Cookie" in got.headers, got.headers["Vary"]) == ("1", True, "Cookie")


def test_a_session_that_only_an_after_hook_touches(app, asked, colour):
    seen = []

    @app.after_request
    def after(response):
        seen.append((session.get("a"), session.accessed, session.modified))
        return response

    both(app, lambda: "")
    assert asked(f"/{colour}").headers["Vary"] == "Cookie"
    assert seen == [(None, True, False)]


def test_a_session_touched_when_it_has_been_saved(app, asked, colour):
    def receiver(sender, response):
        session["a"] = 1

    both(app, lambda: "")
    with request_finished.connected_to(receiver, app):
        got = asked(f"/{colour}")
    assert "Set-Cookie" not in got.headers and "Vary" not in got.headers


def test_every_touch_marks_it_as_accessed(app, asked, colour):
    def view():
        marks = []
        for touch in (lambda: session.get("a"), lambda: "a" in session, lambda: session.permanent):
            app_ctx._session.accessed = False
            touch()
            marks.append(app_ctx._session.accessed)
        app_ctx._session.accessed = False
        return marks

    both(app, view)
    got = asked(f"/{colour}")
    assert got.json == [True, True, True] and "Vary" not in got.headers


# -- contexts


def test_an_application_context_keeps_no_session_of_the_request_around_it(app):
    bare = app.app_context()
    for name in ("a", "b"):
        with app.test_request_context():
            session["name"] = name
            with bare:
                assert session["name"] == name and bare._session["name"] == name
    with bare, pytest.raises(RuntimeError, match="request context"):
        session.get("name")


def test_the_session_that_a_class_of_contexts_has(app):
    class Mixin:
        @property
        def session(self):
            super().session["own"] = True
            return super().session

    class Context(Mixin, RequestContext):
        pass

    class Below(Context):
        pass

    for kind in (Context, Below):
        with kind(app, EnvironBuilder().get_environ()):
            assert session.get("own") and session["own"]
