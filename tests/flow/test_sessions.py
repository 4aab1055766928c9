"""The session in both kinds of view: what is sent, when, with which attributes; flashed messages."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.http import parse_date

from asyncflask import (
    App,
    Request,
    flash,
    get_flashed_messages,
    message_flashed,
    request,
    request_finished,
    session,
)
from asyncflask.plain import is_plain
from asyncflask.sessions import SecureCookieSessionInterface
from asyncflask.signing import CookieSerializer

from .colours import COLOURS, both


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


def cookie_of(got):
    """Return the pair of the session's cookie and its attributes, with their names in lower case."""
    pair, *attributes = got.headers["Set-Cookie"].split("; ")
    return pair, {name.lower(): value for name, _, value in (part.partition("=") for part in attributes)}


def change():
    session["a"] = 1
    return ""


# -- when it is sent


def test_an_untouched_session_adds_nothing_to_the_answer(app, asked, colour):
    both(app, lambda: "text")
    got = asked(f"/{colour}", headers={"Cookie": "session=x"})
    assert "Vary" not in got.headers and "Set-Cookie" not in got.headers


@pytest.mark.parametrize("touch", [lambda: session.get("a"), lambda: "a" in session, lambda: len(session)])
def test_a_session_that_was_read_makes_the_answer_vary(app, asked, colour, touch):
    both(app, lambda: str(touch()))
    got = asked(f"/{colour}")
    assert got.headers["Vary"] == "Cookie" and "Set-Cookie" not in got.headers


def test_the_vary_of_a_read_session_is_one_header_among_others(app, asked, colour):
    @app.after_request
    def after(response):
        response.headers["X-Seen"] = response.headers.get("Vary", "none yet")
        return response

    def view():
        session.get("a")
        return "text", {"Vary": "Accept"} if "accept" in request.args else {}

    both(app, view)
    got = asked(f"/{colour}")
    assert (got.headers["Vary"], got.headers["X-Seen"]) == ("Cookie", "none yet")
    got = asked(f"/{colour}?accept")
    assert (got.headers["Vary"], got.headers["X-Seen"]) == ("Accept, Cookie", "Accept")


def test_an_async_receiver_of_the_finished_response_may_look_at_its_vary(app, asked, colour):
    seen = []

    async def receiver(sender, response):
        seen.append((response.headers["Vary"], response.content_length))
        response.vary.add("Accept")

    both(app, lambda: str(session.get("a")))
    with request_finished.connected_to(receiver, app):
        assert asked(f"/{colour}").headers["Vary"] == "Cookie, Accept"
    assert seen == [("Cookie", 4)]


@pytest.mark.parametrize("place", ["class", "instance", "later"])
def test_an_interface_that_opens_in_its_own_way_is_asked_without_cookies_too(app, asked, colour, monkeypatch, place):
    def opening(app, request):
        return SecureCookieSessionInterface.session_class({"path": request.path})

    class Interface(SecureCookieSessionInterface):
        lazy_open = True

    interface = app.session_interface = Interface()
    both(app, lambda: session.get("path", "none"))
    if place == "class":
        monkeypatch.setattr(Interface, "open_session", lambda self, *args: opening(*args))
    elif place == "later":
        assert asked(f"/{colour}").text == "none"
    if place != "class":
        interface.open_session = opening
    assert asked(f"/{colour}").text == f"/{colour}"


@pytest.mark.parametrize("opens", COLOURS)
@pytest.mark.parametrize("saves", COLOURS)
@pytest.mark.parametrize("lazy", [False, True])
def test_an_interface_may_have_methods_of_either_kind(app, asked, colour, opens, saves, lazy):
    ran = []

    def open_session(self, app, request):
        ran.append("opened")
        return SecureCookieSessionInterface.session_class({"a": 1})

    def save_session(self, app, session, response):
        ran.append("saved")

    async def async_open(self, *args):
        return open_session(self, *args)

    async def async_save(self, *args):
        await asyncio.sleep(0)
        save_session(self, *args)

    methods = {
        "open_session": open_session if opens == "def" else async_open,
        "save_session": save_session if saves == "def" else async_save,
        "lazy_open": lazy,
    }
    app.session_interface = type("Interface", (SecureCookieSessionInterface,), methods)()
    both(app, lambda: str(session["a"]))
    assert asked(f"/{colour}").text == "1"
    assert ran == ["opened", "saved"]


@pytest.mark.parametrize("key", [None, "key"])
def test_a_null_session_is_known_by_its_proxy_too(app, key):
    app.secret_key = key
    with app.test_request_context():
        assert app.session_interface.is_null_session(session) is (key is None)


@pytest.mark.parametrize("touched", [True, False])
def test_a_request_class_may_find_the_cookie_in_another_place(app, asked, colour, touched):
    class Own(Request):
        @property
        def cookies(self):
            return {"session": self.headers.get("X-Session", "")}

    app.request_class = Own
    value = app.session_interface.get_signing_serializer(app).dumps({"a": 1, "_permanent": True})
    both(app, lambda: str(session["a"]) if touched else "untouched")
    got = asked(f"/{colour}", headers={"X-Session": value})
    assert got.text == ("1" if touched else "untouched")
    assert "Set-Cookie" in got.headers  # a permanent one is sent anew


def test_a_changed_session_is_sent_and_comes_back(app, asked, colour):
    def view():
        session["list"] = [*session.get("list", ()), len(session)]
        return list(session["list"])

    both(app, view)
    got = asked(f"/{colour}")
    assert (got.json, got.headers["Vary"]) == ([0], "Cookie")
    assert asked(f"/{colour}", headers={"Cookie": cookie_of(got)[0]}).json == [0, 1]


@pytest.mark.parametrize("told", [True, False])
def test_a_change_inside_of_it_counts_once_it_is_told(app, asked, colour, told):
    def begin():
        session["list"] = []
        return ""

    def append():
        session["list"].append(1)
        if told:
            session.modified = True
        return [session.new, session.modified, session.accessed]

    both(app, begin, "/begin")
    both(app, append, "/append")
    cookie = cookie_of(asked(f"/{colour}/begin"))[0]
    got = asked(f"/{colour}/append", headers={"Cookie": cookie})
    assert got.json == [False, told, True]
    assert ("Set-Cookie" in got.headers) is told


def test_an_emptied_session_is_taken_away(app, asked, colour):
    both(app, change, "/change")
    both(app, lambda: session.clear() or "", "/clear")
    cookie = cookie_of(asked(f"/{colour}/change"))[0]
    pair, attributes = cookie_of(asked(f"/{colour}/clear", headers={"Cookie": cookie}))
    assert (pair, attributes["max-age"]) == ("session=", "0")


@pytest.mark.parametrize("read", [True, False])
@pytest.mark.parametrize(("refresh", "sent"), [(True, True), (False, False)])
def test_a_permanent_session_is_sent_again_if_it_is_to_be_refreshed(app, asked, colour, refresh, sent, read):
    app.config.update(SESSION_REFRESH_EACH_REQUEST=refresh, PERMANENT_SESSION_LIFETIME=timedelta(days=2))

    def last():
        session.permanent = True
        return change()

    both(app, last, "/last")
    both(app, lambda: str(session["a"]) if read else "", "/other")
    before = datetime.now(UTC).replace(microsecond=0)
    pair, attributes = cookie_of(asked(f"/{colour}/last"))
    ends = parse_date(attributes["expires"])
    assert before <= ends - timedelta(days=2) <= datetime.now(UTC)
    got = asked(f"/{colour}/other", headers={"Cookie": pair})
    assert ("Set-Cookie" in got.headers) is sent
    assert ("Vary" in got.headers) is (sent or read)
    if sent:
        assert cookie_of(got)[1]["expires"] and got.headers["Vary"] == "Cookie"


@pytest.mark.skipif(is_plain(), reason="with the short ways off every session is opened")
@pytest.mark.parametrize("permanent", [True, False])
def test_a_session_that_nobody_touches_is_opened_only_if_it_may_be_permanent(
    app, asked, colour, permanent, monkeypatch
):
    both(app, lambda: setattr(session, "permanent", permanent) or change(), "/change")
    both(app, lambda: session.pop("_permanent") * 0 or "", "/popped")
    both(app, lambda: "", "/other")
    opened = []
    load = CookieSerializer.load_payload
    monkeypatch.setattr(CookieSerializer, "load_payload", lambda *args: opened.append(1) or load(*args))
    pair, _ = cookie_of(asked(f"/{colour}/change"))  # the key is there, be it with the value False
    got = asked(f"/{colour}/other", headers={"Cookie": f"a=b; {pair}; c=d"})
    assert len(opened) == 1 and ("Set-Cookie" in got.headers) is permanent
    pair, _ = cookie_of(asked(f"/{colour}/popped", headers={"Cookie": pair}))
    opened.clear()
    got = asked(f"/{colour}/other", headers={"Cookie": f"a=b; {pair}; c=d"})
    assert not opened and not {"Set-Cookie", "Vary"} & set(got.headers)


def test_lifetime_may_be_seconds(app, asked):
    app.config["PERMANENT_SESSION_LIFETIME"] = 60
    assert app.permanent_session_lifetime == timedelta(minutes=1)


# -- with which attributes

OPTIONS = [
    ("SESSION_COOKIE_NAME", "own", lambda pair, attributes: pair.startswith("own=")),
    ("SESSION_COOKIE_NAME", "session", lambda pair, attributes: pair.startswith("session=")),
    ("SESSION_COOKIE_DOMAIN", "example.com", lambda pair, attributes: attributes["domain"] == "example.com"),
    ("SESSION_COOKIE_DOMAIN", False, lambda pair, attributes: "domain" not in attributes),
    ("SESSION_COOKIE_DOMAIN", None, lambda pair, attributes: "domain" not in attributes),
    ("SESSION_COOKIE_PATH", "/def", lambda pair, attributes: attributes["path"] == "/def"),
    ("SESSION_COOKIE_PATH", None, lambda pair, attributes: attributes["path"] == "/"),
    ("APPLICATION_ROOT", "/root", lambda pair, attributes: attributes["path"] == "/root"),
    ("SESSION_COOKIE_HTTPONLY", True, lambda pair, attributes: "httponly" in attributes),
    ("SESSION_COOKIE_HTTPONLY", False, lambda pair, attributes: "httponly" not in attributes),
    ("SESSION_COOKIE_SECURE", True, lambda pair, attributes: "secure" in attributes),
    ("SESSION_COOKIE_SECURE", False, lambda pair, attributes: "secure" not in attributes),
    ("SESSION_COOKIE_SAMESITE", "Lax", lambda pair, attributes: attributes["samesite"] == "Lax"),
    ("SESSION_COOKIE_SAMESITE", None, lambda pair, attributes: "samesite" not in attributes),
    ("SESSION_COOKIE_PARTITIONED", True, lambda pair, attributes: {"partitioned", "secure"} <= attributes.keys()),
    ("SESSION_COOKIE_PARTITIONED", False, lambda pair, attributes: "partitioned" not in attributes),
]


@pytest.mark.parametrize(("key", "value", "holds"), OPTIONS, ids=[f"{key}={value}" for key, value, _ in OPTIONS])
def test_a_cookie_attribute(app, asked, key, value, holds):
    app.config[key] = value
    if key == "SESSION_COOKIE_PARTITIONED":
        app.config["SESSION_COOKIE_SECURE"] = value
    both(app, change)
    assert holds(*cookie_of(asked("/def")))


# -- keys


def test_the_new_key_signs_and_the_old_one_is_read(app, asked, colour):
    both(app, change, "/change")
    both(app, lambda: dict(session), "/read")
    old = cookie_of(asked(f"/{colour}/change"))[0]
    app.config.update(SECRET_KEY="new key", SECRET_KEY_FALLBACKS=["older", "test key"])
    assert asked(f"/{colour}/read", headers={"Cookie": old}).json == {"a": 1}
    new = cookie_of(asked(f"/{colour}/change", headers={"Cookie": old}))[0]
    app.config["SECRET_KEY_FALLBACKS"] = None
    assert asked(f"/{colour}/read", headers={"Cookie": new}).json == {"a": 1}
    assert asked(f"/{colour}/read", headers={"Cookie": old}).json == {}


def test_without_a_key_it_can_be_read_and_says_why_it_cannot_be_changed(app, asked, colour):
    app.secret_key = None

    def view():
        with pytest.raises(RuntimeError, match="no secret key was set"):
            session["a"] = 1
        return str(session.get("a"))

    both(app, view)
    got = asked(f"/{colour}")
    assert got.text == "None" and "Set-Cookie" not in got.headers


# -- another interface


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_interface_that_opens_none_gives_a_null_session(app, asked, colour, kind):
    saved = []

    class Interface(SecureCookieSessionInterface):
        def open_session(self, app, request):
            return None

        def save_session(self, app, session, response):
            saved.append(session)

    class AsyncInterface(Interface):
        async def open_session(self, app, request):
            await asyncio.sleep(0)

    app.session_interface = Interface() if kind == "def" else AsyncInterface()
    both(app, lambda: [type(session._get_current_object()).__name__, session.get("a")])
    assert asked(f"/{colour}").json == ["NullSession", None]
    assert saved == []


# -- flashed messages


@pytest.mark.parametrize("receiver", COLOURS)
def test_a_message_is_shown_once_in_the_next_request(app, asked, colour, receiver):
    heard = []

    def hear(sender, message, category):
        heard.append((sender, message, category))

    async def hear_async(sender, message, category):
        await asyncio.sleep(0)
        hear(sender, message, category)

    def put():
        flash("one")
        flash("two", "error")
        flash("three", category="info")
        return str(len(heard))  # the async receiver has come to its end too

    def show():
        return [
            get_flashed_messages(),
            get_flashed_messages(with_categories=True),
            get_flashed_messages(category_filter=["error", "info"]),
            get_flashed_messages(with_categories=True, category_filter=["message"]),
        ]

    both(app, put, "/put")
    both(app, show, "/show")
    with message_flashed.connected_to(hear if receiver == "def" else hear_async, app):
        got = asked(f"/{colour}/put")
    assert got.text == "3"
    assert heard == [(app, "one", "message"), (app, "two", "error"), (app, "three", "info")]
    shown = asked(f"/{colour}/show", headers={"Cookie": cookie_of(got)[0]})
    assert shown.json == [
        ["one", "two", "three"],
        [["message", "one"], ["error", "two"], ["info", "three"]],
        ["two", "three"],
        [["message", "one"]],
    ]
    again = asked(f"/{colour}/show", headers={"Cookie": cookie_of(shown)[0]})
    assert again.json == [[], [], [], []]


def test_a_message_can_be_shown_in_its_own_request(app, asked, colour):
    def view():
        flash("now")
        return get_flashed_messages()

    both(app, view)
    got = asked(f"/{colour}")
    assert got.json == ["now"]
    assert cookie_of(got)[0] == "session="  # nothing is left to be kept


def test_two_applications_keep_their_cookies_apart(app):
    other = App("other")
    other.config.update(SECRET_KEY="other key", SESSION_COOKIE_NAME="session")
    both(app, change)
    both(other, lambda: dict(session))
    client, theirs = app.test_client(), other.test_client()
    client.get("/def")
    theirs.set_cookie("session", client.get_cookie("session").value)
    assert theirs.get("/def").json == {}
