"""Sessions and their interfaces. The cookies below were written by Flask 3.1.3."""

from __future__ import annotations

import ast
import datetime
import uuid
from types import SimpleNamespace

import itsdangerous
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.http import parse_date
from werkzeug.wrappers import Response

from asyncflask.json.tag import JSONTag, TaggedJSONSerializer
from asyncflask.sessions import (
    NullSession,
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionInterface,
    SessionMixin,
    _lazy_sha1,
    session_json_serializer,
)

WRITTEN_AT = 1_700_000_000

FLASK_DATA = {
    "n": 1,
    "t": (1, "zwei"),
    "b": b"\x00\xff",
    "m": Markup("<i>"),
    "u": uuid.UUID(int=7),
    "d": datetime.datetime(2024, 2, 3, 4, 5, 6, tzinfo=datetime.UTC),
    "text": "grün",
    "_permanent": True,
    "nest": {"l": [1, None, {" t": 0}]},
}
FLASK_COOKIE = (
    ".eJx9j8sKwjAQRX8l3HUWY60PggpudCUIutNSWh2l0AapCYol_-4k7s3iQM5chjsDLMxIw8EMUMKTfD4vblAEjTpZIdb7-RJiumSEWDSrKHwSQtD_N"
    "4vpa0oLcaicVjRWG65VRlmuKDc0MTRV290xRh2_pQ7u_dkT3S4WGuWD-66ybGXges8alp-peZuKW9-2Ou5vfteUJQyFUITwBSvyPYE.ZVPxAA.dRxTjsT"
    "R4Ab7S6cMqnjtUTinhSI"
)
#: with the key "first", and "old" only accepted
ROTATED_COOKIE = ".eJyrVsrJz0tXslJKTBqFgwkq1QIA_U2bww.ZVPxAA.ETBR9aQz2O_yM_C2nwl_OrJtVV4"


def make_app(**config):
    defaults = {
        **{"SECRET_KEY": "first", "SECRET_KEY_FALLBACKS": None, "APPLICATION_ROOT": "/root"},
        **{f"SESSION_COOKIE_{name}": None for name in ("DOMAIN", "PATH", "SAMESITE")},
        **{f"SESSION_COOKIE_{name}": False for name in ("SECURE", "PARTITIONED")},
        **{"SESSION_COOKIE_NAME": "session", "SESSION_COOKIE_HTTPONLY": True, "SESSION_REFRESH_EACH_REQUEST": True},
    }

    class App:
        config = defaults
        permanent_session_lifetime = datetime.timedelta(days=31)
        secret_key = property(lambda self: self.config["SECRET_KEY"])

    App.config.update(config)
    return App()


@pytest.fixture
def app():
    return make_app()


@pytest.fixture
def interface():
    return SecureCookieSessionInterface()


@pytest.fixture
def at_that_time(monkeypatch):
    """Sign and check as at the time when Flask wrote the cookies."""
    monkeypatch.setattr(itsdangerous.TimestampSigner, "get_timestamp", lambda self: WRITTEN_AT)


def request_with(cookie, name="session"):
    return SimpleNamespace(cookies=ImmutableMultiDict({name: cookie}))


def saved(interface, app, session):
    response = Response()
    interface.save_session(app, session, response)
    return response


# the objects


def test_a_session_knows_that_it_was_changed():
    session = SecureCookieSession({"a": 1})
    assert session == {"a": 1} and not session.modified and not session.accessed and not session.new
    assert session["a"] == 1 and not session.modified
    session["b"] = 2
    assert session.modified


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.pop("a"),
        lambda s: s.clear(),
        lambda s: s.update(b=1),
        lambda s: s.setdefault("b", 1),
        lambda s: s.__delitem__("a"),
        lambda s: s.popitem(),
        lambda s: setattr(s, "permanent", True),
    ],
)
def test_each_change_is_noticed(change):
    session = SecureCookieSession({"a": 1})
    change(session)
    assert session.modified


def test_permanent_is_a_key():
    session = SecureCookieSession()
    assert session.permanent is False
    session.permanent = 1
    assert session == {"_permanent": True} and session.permanent is True


def test_the_mixin_counts_as_changed():
    class Own(dict, SessionMixin):
        pass

    own = Own()
    assert own.modified and not own.new and not own.accessed and not own.permanent


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.__setitem__("a", 1),
        lambda s: s.__delitem__("a"),
        lambda s: s.pop("a", None),
        lambda s: s.popitem(),
        lambda s: s.clear(),
        lambda s: s.update(a=1),
        lambda s: s.setdefault("a", 1),
        lambda s: s.__ior__({"a": 1}),
        lambda s: setattr(s, "permanent", True),
    ],
)
def test_a_null_session_can_only_be_read(change):
    session = NullSession()
    assert session.get("a") is None and "a" not in session and not session.permanent
    with pytest.raises(RuntimeError) as caught:
        change(session)
    assert str(caught.value) == (
        "The session is unavailable because no secret key was set.  Set the secret_key on the application to something"
        " unique and secret."
    )
    assert not hasattr(session, "_fail")


# the interface


def test_the_bare_interface(app):
    bare = SessionInterface()
    null = bare.make_null_session(app)
    assert type(null) is NullSession and bare.is_null_session(null) and not bare.is_null_session(SecureCookieSession())
    assert bare.pickle_based is False and bare.lazy_open is False
    for unwritten in (lambda: bare.open_session(app, None), lambda: bare.save_session(app, {}, None)):
        with pytest.raises(NotImplementedError):
            unwritten()


def test_a_null_session_class_of_its_own(app):
    class Null(NullSession):
        pass

    class Own(SessionInterface):
        null_session_class = Null

    assert type(Own().make_null_session(app)) is Null and not Own().is_null_session(NullSession())


def test_cookie_attributes_are_configuration(app):
    bare = SessionInterface()
    assert bare.get_cookie_path(app) == "/root"
    names = ("NAME", "DOMAIN", "PATH", "HTTPONLY", "SECURE", "SAMESITE", "PARTITIONED")
    for name in names:
        app.config[f"SESSION_COOKIE_{name}"] = marker = object()
        assert getattr(bare, f"get_cookie_{name.lower()}")(app) is marker


@pytest.mark.parametrize(
    ("modified", "permanent", "refresh", "sets"),
    [
        (True, False, False, True),
        (False, True, True, True),
        (False, True, False, False),
        (False, False, True, False),
    ],
)
def test_when_the_cookie_is_set(app, modified, permanent, refresh, sets):
    app.config["SESSION_REFRESH_EACH_REQUEST"] = refresh
    session = SecureCookieSession({"_permanent": permanent})
    session.modified = modified
    assert SessionInterface().should_set_cookie(app, session) is sets


def test_only_a_permanent_session_expires(app):
    bare = SessionInterface()
    assert bare.get_expiration_time(app, SecureCookieSession()) is None
    before = datetime.datetime.now(datetime.UTC)
    ends = bare.get_expiration_time(app, SecureCookieSession({"_permanent": True}))
    after = datetime.datetime.now(datetime.UTC)
    assert before <= ends - app.permanent_session_lifetime <= after


OVERRIDES = {
    "open_session": lambda self, app, request: None,
    "save_session": lambda self, app, session, response: None,
    "should_set_cookie": lambda self, app, session: True,
    "session_class": SecureCookieSession,
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_opening_waits_no_longer_where_a_subclass_does_it_differently(name):
    assert SecureCookieSessionInterface.lazy_open is True
    own = type("Own", (SecureCookieSessionInterface,), {name: OVERRIDES[name]})
    assert own.lazy_open is False
    assert type("Below", (own,), {}).lazy_open is False
    mixin = type("Mixin", (), {name: OVERRIDES[name]})
    assert type("Mixed", (mixin, SecureCookieSessionInterface), {}).lazy_open is False
    assert type("Says", (SecureCookieSessionInterface,), {name: OVERRIDES[name], "lazy_open": True}).lazy_open is True


def test_opening_does_not_wait_where_it_has_to_be_awaited():
    async def open_session(self, app, request):
        return None

    asynchronous = {"open_session": open_session, "lazy_open": True}
    assert type("Own", (SecureCookieSessionInterface,), asynchronous).lazy_open is False


def test_opening_still_waits_where_a_subclass_changes_something_else():
    assert type("Own", (SecureCookieSessionInterface,), {"salt": "own"}).lazy_open is True
    assert type("Bare", (SessionInterface,), {}).lazy_open is False


# the signed cookie


def test_a_cookie_of_flask_is_read(app, interface, at_that_time):
    session = interface.open_session(app, request_with(FLASK_COOKIE))
    assert session == FLASK_DATA and not session.modified
    assert {key: type(value) for key, value in session.items()} == {k: type(v) for k, v in FLASK_DATA.items()}


def test_a_cookie_is_the_one_of_flask(app, interface, at_that_time):
    assert interface.get_signing_serializer(app).dumps(FLASK_DATA) == FLASK_COOKIE


def test_the_current_key_signs_and_old_ones_are_accepted(interface, at_that_time):
    rotated = make_app(SECRET_KEY_FALLBACKS=["old"])
    assert interface.get_signing_serializer(rotated).dumps({"long": "ab" * 200}) == ROTATED_COOKIE

    written_before = interface.get_signing_serializer(make_app(SECRET_KEY="old")).dumps({"a": 1})
    assert interface.open_session(rotated, request_with(written_before)) == {"a": 1}
    assert interface.open_session(make_app(), request_with(written_before)) == {}


def test_without_a_key_there_is_no_session(interface):
    app = make_app(SECRET_KEY=None)
    assert interface.get_signing_serializer(app) is None
    assert interface.open_session(app, request_with(FLASK_COOKIE)) is None


def test_without_a_cookie_it_is_empty(app, interface):
    session = interface.open_session(app, SimpleNamespace(cookies=ImmutableMultiDict()))
    assert type(session) is SecureCookieSession and not session


def signed(app, payload):
    """Sign any bytes rightly."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    return serializer.make_signer(serializer.salt).sign(payload).decode()


@pytest.mark.parametrize(
    "cookie",
    [
        "nonsense",
        "a.b.c",
        "..",
        "\udcff",
        "gr\u00fcn.ZVPxAA.x",
        FLASK_COOKIE[:-1],
        "x" + FLASK_COOKIE,
        FLASK_COOKIE.swapcase(),
        "." * 10_000,
    ],
)
def test_a_forged_cookie_is_an_empty_session(app, interface, at_that_time, cookie):
    session = interface.open_session(app, request_with(cookie))
    assert type(session) is SecureCookieSession and not session


@pytest.mark.parametrize(
    "payload",
    [
        b"not base64 !",
        b".bm90IHpsaWI",  # compressed, it says
        b"bm90IGpzb24",  # base64 of "not json"
        b"WzEsMl0",  # of [1,2]
        b"MQ",  # of 1
        b"bnVsbA",  # of null
        itsdangerous.base64_encode(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        itsdangerous.base64_encode(b'{" u":"no uuid"}'),
    ],
)
def test_a_rightly_signed_cookie_with_nonsense_inside_never_fails(app, interface, at_that_time, payload):
    session = interface.open_session(app, request_with(signed(app, payload)))
    assert type(session) is SecureCookieSession and not session


def test_an_old_cookie_is_an_empty_session(app, interface):
    assert interface.open_session(app, request_with(FLASK_COOKIE)) == {}


def test_the_serializer_is_kept_until_something_changes(app, interface):
    first = interface.get_signing_serializer(app)
    assert interface.get_signing_serializer(app) is first

    changes = [
        lambda: app.config.update(SECRET_KEY="second"),
        lambda: app.config.update(SECRET_KEY_FALLBACKS=["first"]),
        lambda: app.config["SECRET_KEY_FALLBACKS"].append("zeroth"),
        lambda: setattr(interface, "salt", "other"),
        lambda: setattr(interface, "key_derivation", "concat"),
        lambda: setattr(interface, "serializer", TaggedJSONSerializer()),
        lambda: setattr(interface, "digest_method", staticmethod(_lazy_sha1)),
    ]
    made = [first]
    for change in changes:
        change()
        made.append(interface.get_signing_serializer(app))
    assert len({id(serializer) for serializer in made}) == len(made)

    app.config["SECRET_KEY"] = None
    assert interface.get_signing_serializer(app) is None


def test_only_a_few_serializers_are_kept(interface):
    for number in range(100):
        interface.get_signing_serializer(make_app(SECRET_KEY=f"key {number}"))
    assert len(interface._serializers) <= 16


def test_what_can_not_be_compared_is_made_anew(interface):
    app = make_app(SECRET_KEY=bytearray(b"first"))
    first, second = (interface.get_signing_serializer(app) for _ in range(2))
    assert first is not second and second.loads(first.dumps({"a": 1})) == {"a": 1}


def test_an_untouched_session_leaves_the_answer_alone(app, interface):
    response = saved(interface, app, SecureCookieSession({"a": 1}))
    assert "Set-Cookie" not in response.headers and "Vary" not in response.headers


def test_a_session_that_was_read_makes_the_answer_vary(app, interface):
    for data in ({}, {"a": 1}):
        session = SecureCookieSession(data)
        session.accessed = True
        response = saved(interface, app, session)
        assert "Set-Cookie" not in response.headers and response.headers["Vary"] == "Cookie"


def test_a_changed_session_is_set(app, interface, at_that_time):
    session = SecureCookieSession()
    session.update(FLASK_DATA, _permanent=False)
    del session["_permanent"]
    response = saved(interface, app, session)
    value = interface.get_signing_serializer(app).dumps(dict(session))
    assert response.headers.getlist("Set-Cookie") == [f"session={value}; HttpOnly; Path=/root"]
    assert response.headers["Vary"] == "Cookie"


def test_a_permanent_session_has_an_end(app, interface):
    response = saved(interface, app, SecureCookieSession({"_permanent": True}))
    attributes = dict(part.strip().partition("=")[::2] for part in response.headers["Set-Cookie"].split(";"))
    assert parse_date(attributes["Expires"]) > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=30)


def test_all_attributes_of_the_cookie(interface):
    options = {"NAME": "s", "DOMAIN": "example.com", "PATH": "/p", "HTTPONLY": False, "SECURE": True}
    options |= {"SAMESITE": "Strict", "PARTITIONED": True}
    app = make_app(**{f"SESSION_COOKIE_{name}": value for name, value in options.items()})
    session = SecureCookieSession()
    session["a"] = 1
    cookie = saved(interface, app, session).headers["Set-Cookie"]
    assert cookie.startswith("s=")
    parts = {"Domain=example.com", "Path=/p", "Secure", "SameSite=Strict", "Partitioned"}
    assert set(cookie.split("; ")[1:]) == parts

    session.clear()
    removed = saved(interface, app, session).headers["Set-Cookie"]
    assert removed.startswith("s=;") and "Max-Age=0" in removed and parts <= set(removed.split("; "))


def test_an_emptied_session_is_removed(app, interface):
    session = SecureCookieSession({"a": 1})
    session.clear()
    response = saved(interface, app, session)
    assert response.headers["Set-Cookie"].startswith("session=; Expires=Thu, 01 Jan 1970")
    assert response.headers["Vary"] == "Cookie"


def test_a_key_that_is_gone_is_said_when_saving(interface):
    session = SecureCookieSession()
    session["a"] = 1
    with pytest.raises(RuntimeError, match="no secret key was set"):
        saved(interface, make_app(SECRET_KEY=None), session)


def test_attributes_of_a_subclass_are_used(app, at_that_time):
    class Own(SecureCookieSessionInterface):
        salt = "own"
        session_class = type("OwnSession", (SecureCookieSession,), {})

    cookie = Own().get_signing_serializer(app).dumps({"a": 1})
    assert Own().open_session(app, request_with(cookie)) == {"a": 1}
    assert type(Own().open_session(app, request_with(cookie))) is Own.session_class
    assert SecureCookieSessionInterface().open_session(app, request_with(cookie)) == {}


def test_names_that_extensions_import():
    assert isinstance(session_json_serializer, TaggedJSONSerializer)
    assert SecureCookieSessionInterface.serializer is session_json_serializer
    assert SecureCookieSessionInterface.digest_method is _lazy_sha1
    assert _lazy_sha1(b"a").hexdigest() == "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"


# -- whether a session could be permanent, before it is opened

contents = st.dictionaries(
    st.sampled_from(["a", "_permanent", "permanent", "_user_id", "grün", '"', "long"]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.just("_permanent") | st.just("ab" * 200),
)


@given(contents, st.sampled_from(["", "x", ".", "="]), st.integers(-3, 3))
def test_a_session_that_cannot_be_permanent_is_not(contents, junk, cut):
    app, interface = make_app(), SecureCookieSessionInterface()
    cookie = interface.get_signing_serializer(app).dumps(contents)
    for sent in (cookie, cookie[cut:], cookie + junk, junk + cookie):
        request = SimpleNamespace(cookies=ImmutableMultiDict({"session": sent}))
        if not interface.may_be_permanent(sent):
            assert "_permanent" not in interface.open_session(app, request)
    assert interface.may_be_permanent(cookie) == ("_permanent" in str(contents))


@pytest.mark.parametrize("cookie", ["", ".", "...", "a.b.c", ".a.b.c", "é.b.c", ".eJw.b.c", "a.b", "a" * 9000])
def test_a_cookie_that_is_none_of_ours_makes_no_error(app, interface, cookie):
    assert interface.may_be_permanent(cookie) or not interface.open_session(app, request_with(cookie))


def test_no_bomb_goes_off(app, interface):
    cookie = interface.get_signing_serializer(app).dumps({"a": "0" * 1_000_000})
    assert cookie[0] == "." and len(cookie) < 2000
    assert interface.may_be_permanent(cookie)


class Hidden(JSONTag):
    """Writes a whole session so that no word of it can be seen."""

    key = " h"

    def check(self, value):
        return isinstance(value, dict)

    def to_json(self, value):
        return repr(value).encode().hex()

    def to_python(self, value):
        return ast.literal_eval(bytes.fromhex(value).decode())


def test_an_interface_of_ones_own_is_asked_for_the_session(app, interface):
    cookie = interface.get_signing_serializer(app).dumps({"a": 1})
    assert not interface.may_be_permanent(cookie)
    assert type("Own", (SecureCookieSessionInterface,), {})().may_be_permanent(cookie)
    interface.serializer = TaggedJSONSerializer()
    assert interface.may_be_permanent(cookie)
    assert SessionInterface().may_be_permanent(cookie)


def test_tags_of_ones_own_may_hide_that_it_is_permanent(app, interface, monkeypatch):
    serializer = TaggedJSONSerializer()
    monkeypatch.setattr(SecureCookieSessionInterface, "serializer", serializer)
    assert not interface.may_be_permanent(interface.get_signing_serializer(app).dumps({"a": 1}))
    serializer.register(Hidden, index=0)
    assert interface.may_be_permanent(interface.get_signing_serializer(app).dumps({"_permanent": True}))
