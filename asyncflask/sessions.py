"""Sessions: the object a handler sees, and the interfaces that load and save it.

The default keeps it in a signed cookie, byte for byte the one of Flask: users stay logged in when an application moves.
"""

from __future__ import annotations

import hashlib
import typing as t
from collections.abc import Awaitable, Mapping, MutableMapping
from datetime import UTC, datetime
from functools import cache
from inspect import iscoroutinefunction
from traceback import clear_frames

from werkzeug.datastructures import CallbackDict

from .config import ConfigAttribute
from .lazy import late, late_names
from .plain import is_plain
from .wrappers import Response
from .wrappers.response import VARY

if t.TYPE_CHECKING:
    from itsdangerous import URLSafeTimedSerializer

    from .app import App
    from .json.tag import TaggedJSONSerializer
    from .versions import Version
    from .wrappers import Request

# How many serializers an interface keeps: one a set of keys, so a few are plenty.
_KEPT_SERIALIZERS = 16

# What Flask runs for every request, touched or not: where a subclass has its own, opening can't wait for a touch.
_SEEN_EACH_REQUEST = ("open_session", "save_session", "should_set_cookie", "session_class")

_NO_KEY = (
    "The session is unavailable because no secret key was set.  "
    "Set the secret_key on the application to something unique and secret."
)


def _lazy_sha1(string: bytes = b"") -> t.Any:
    """Look SHA-1 up when it is used: a FIPS build may not have it, and a subclass may not want it."""
    return hashlib.sha1(string)


class SessionMixin(MutableMapping[str, t.Any]):
    """What a session has beyond a dict."""

    #: Whether the session was just made, where an interface can tell.
    new: bool = False
    #: Whether it was changed and must be saved; interfaces that can't tell leave it True.
    modified: bool = True
    #: Whether a handler touched it at all, set by the context: the answer then varies with the cookie.
    accessed: bool = False

    @property
    def permanent(self) -> bool:
        """Whether it outlives the browser: the key `_permanent`."""
        lasting: bool = self.get("_permanent", False)
        return lasting

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)


def _mark_modified(session: SessionMixin) -> None:
    session.modified = True


class SecureCookieSession(CallbackDict[str, t.Any], SessionMixin):  # pyright: ignore[reportIncompatibleMethodOverride]
    """A session that lives in a signed cookie.

    Only its own keys are watched: after changing a list or dict inside it, set `modified` to True.

    Args:
        initial: what it starts with.
    """

    modified: bool = False
    on_update: t.Any = staticmethod(_mark_modified)

    def __init__(self, initial: Mapping[str, t.Any] | None = None) -> None:
        if initial is not None:
            dict.__init__(self, initial)


class NullSession(SecureCookieSession):
    """The empty session of an application without a secret key: it can be read; changing it raises RuntimeError."""

    if not t.TYPE_CHECKING:  # to checkers they are the methods of any session

        def _fail(self, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
            raise RuntimeError(_NO_KEY)

        setdefault = update = __setitem__ = __ior__ = _fail
        pop = popitem = clear = __delitem__ = _fail
        del _fail


class SessionInterface:
    """Loads a session before a request is handled, and saves it when there is an answer.

    A subclass gives `open_session` and `save_session`. Either may be `async def`: it runs on the event loop, for `def`
    and `async def` views alike. Requests of one session may be handled at the same time and in any order.

    Source: Flask docs, API: "Session Interface".
    """

    #: What `make_null_session` makes and `is_null_session` looks for.
    null_session_class = NullSession
    #: Whether sessions are pickled; for extensions.
    pickle_based = False
    #: Whether opening may wait until a handler touches the session; untouched, it is then neither opened nor saved.
    #: It is False again where a subclass overrides `open_session`, `save_session`, `should_set_cookie` or
    #: `session_class`, unless that subclass says otherwise: those may do more than read and write a cookie. It is False
    #: wherever `open_session` is `async def`, as the touch of a session cannot be awaited.
    lazy_open: bool = False

    def __init_subclass__(cls, **kwargs: t.Any) -> None:
        super().__init_subclass__(**kwargs)
        if iscoroutinefunction(cls.open_session):  # nothing can be awaited where a handler touches the session
            cls.lazy_open = False
            return
        for base in cls.__mro__:
            if "lazy_open" in vars(base):
                return
            if any(name in vars(base) for name in _SEEN_EACH_REQUEST):
                cls.lazy_open = False
                return

    def open_session(self, app: App, request: Request) -> SessionMixin | Awaitable[SessionMixin | None] | None:
        """Return the session of a request, or None for the one of `make_null_session`. May be `async def`.

        Called when the context is made, before the URL is matched; see `lazy_open`.
        """
        raise NotImplementedError

    def may_be_permanent(self, cookie: str) -> bool:
        """Say whether the session of a cookie could be a permanent one, before it is opened; False is certain."""
        return True

    def save_session(self, app: App, session: SessionMixin, response: Response) -> Awaitable[None] | None:
        """Save the session, as a rule by a cookie on the response. May be `async def`.

        Called after the after hooks; not called for a null session.
        """
        raise NotImplementedError

    def before_serving(self, app: App) -> Awaitable[None] | None:
        """Get ready when the application starts; an error refuses the start. May be `async def`."""
        return None

    def after_serving(self, app: App) -> Awaitable[None] | None:
        """Let go of everything when the application stops. May be `async def`."""
        return None

    def make_null_session(self, app: App) -> NullSession:
        """Return the session of a request that can't have one."""
        return self.null_session_class()

    def is_null_session(self, obj: object) -> bool:
        """Say whether an object is such a session."""
        # issubclass asks abstract classes, which takes long; `obj` may be the proxy, which tells of another class
        return type.__subclasscheck__(self.null_session_class, obj.__class__)

    def should_set_cookie(self, app: App, session: SessionMixin) -> bool:
        """Say whether the answer sets the cookie: the session was changed, or is permanent and refreshed each time."""
        if session.modified:
            return True
        refreshed: bool = session.permanent and app.config["SESSION_REFRESH_EACH_REQUEST"]
        return refreshed

    def cookie_attributes(self, app: App) -> dict[str, t.Any]:
        """Return what the cookie is set and removed with: where and how it is sent, as keywords of ``set_cookie``."""
        return {
            "path": self.get_cookie_path(app),
            "domain": self.get_cookie_domain(app),
            "samesite": self.get_cookie_samesite(app),
            "secure": self.get_cookie_secure(app),
            "httponly": self.get_cookie_httponly(app),
            "partitioned": self.get_cookie_partitioned(app),
        }

    def get_expiration_time(self, app: App, session: SessionMixin) -> datetime | None:
        """Return when the cookie ends: a lifetime from now for a permanent session, else None (with the browser)."""
        if not session.permanent:
            return None
        return datetime.now(UTC) + app.permanent_session_lifetime

    # attributes of the cookie

    def get_cookie_name(self, app: App) -> str:
        """Return SESSION_COOKIE_NAME."""
        name: str = app.config["SESSION_COOKIE_NAME"]
        return name

    def get_cookie_path(self, app: App) -> str:
        """Return SESSION_COOKIE_PATH, or else APPLICATION_ROOT."""
        path: str = app.config["SESSION_COOKIE_PATH"] or app.config["APPLICATION_ROOT"]
        return path

    def get_cookie_domain(self, app: App) -> str | None:
        """Return SESSION_COOKIE_DOMAIN; None: the cookie is for exactly the host that set it."""
        domain: str | None = app.config["SESSION_COOKIE_DOMAIN"]
        return domain

    def get_cookie_samesite(self, app: App) -> str | None:
        """Return SESSION_COOKIE_SAMESITE: "Strict", "Lax", "None" or None."""
        samesite: str | None = app.config["SESSION_COOKIE_SAMESITE"]
        return samesite

    def get_cookie_secure(self, app: App) -> bool:
        """Return SESSION_COOKIE_SECURE."""
        secure: bool = app.config["SESSION_COOKIE_SECURE"]
        return secure

    def get_cookie_httponly(self, app: App) -> bool:
        """Return SESSION_COOKIE_HTTPONLY."""
        httponly: bool = app.config["SESSION_COOKIE_HTTPONLY"]
        return httponly

    def get_cookie_partitioned(self, app: App) -> bool:
        """Return SESSION_COOKIE_PARTITIONED."""
        partitioned: bool = app.config["SESSION_COOKIE_PARTITIONED"]
        return partitioned


@cache
def _tagged_json() -> TaggedJSONSerializer:
    from .json.tag import TaggedJSONSerializer  # it and itsdangerous load with the first session

    return TaggedJSONSerializer()


if t.TYPE_CHECKING:
    from .redis_sessions import RedisSessionInterface as RedisSessionInterface
    from .server_sessions import MemorySessionInterface as MemorySessionInterface
    from .server_sessions import ServerSession as ServerSession

    session_json_serializer: TaggedJSONSerializer = TaggedJSONSerializer()


def __getattr__(name: str) -> t.Any:
    return _tagged_json() if name == "session_json_serializer" else _others(name)


# for those who import them from here, as they can from flask.sessions
_others = late_names(
    __name__,
    {
        "BadSignature": "itsdangerous",
        "MemorySessionInterface": f"{__package__}.server_sessions",
        "RedisSessionInterface": f"{__package__}.redis_sessions",
        "ServerSession": f"{__package__}.server_sessions",
        "TaggedJSONSerializer": f"{__package__}.json.tag",
        "URLSafeTimedSerializer": "itsdangerous",
    },
)


def _may_hold() -> t.Callable[[str, str], bool]:
    from .signing import may_hold  # it and itsdangerous load with the first session

    return may_hold


def _is_unreadable(error: Exception) -> bool:
    """Say whether an error of loading is the cookie's fault."""
    from itsdangerous import BadData

    # TypeError, ValueError: rightly signed, but no mapping inside, or text that is none
    return isinstance(error, (BadData, ValueError, TypeError))


def _vary_on_cookie(response: Response) -> None:
    # ``response.vary.add("Cookie")``, which takes a set of headers apart and puts it together again.
    if any(name.lower() == "vary" for name, _ in response.headers):
        response.vary.add("Cookie")
    else:
        response.headers.add("Vary", "Cookie")


class SecureCookieSessionInterface(SessionInterface):
    """Keeps the session in a cookie that itsdangerous signs with the application's secret key."""

    # The one thing that it keeps by itself: what else an instance has of its own was put there by others.
    __slots__ = ("_serializers",)
    _serializers: dict[t.Any, URLSafeTimedSerializer]

    session_class = SecureCookieSession
    lazy_open: bool = not is_plain()
    #: Turns the session to text: compact JSON with tags for tuples, bytes, dates and so on.
    serializer: t.Any = late(_tagged_json)
    #: How the signing key is made of the secret key; what is mixed into it; the hash of the signature.
    key_derivation = "hmac"
    salt = "cookie-session"
    digest_method: staticmethod[..., t.Any] = staticmethod(_lazy_sha1)
    _may_hold: t.Callable[[str, str], bool] = late(_may_hold)

    def get_signing_serializer(self, app: App) -> URLSafeTimedSerializer | None:
        """Return what signs and checks cookies, or None without a secret key.

        It costs more to make than to use, so it is kept for as long as keys and attributes stay what they are.
        """
        current = app.secret_key
        if not current:
            return None
        # the key that signs comes last, behind those that are only accepted
        keys = (*(app.config["SECRET_KEY_FALLBACKS"] or ()), current)
        made_of = (keys, self.salt, self.serializer, self.key_derivation, self.digest_method)
        kept = self._serializers = getattr(self, "_serializers", {})
        try:
            signer = kept.get(made_of)
        except TypeError:  # a part that can't be a key of a dict: nothing is kept
            return self._new_serializer(keys)
        if signer is None:
            if len(kept) >= _KEPT_SERIALIZERS:
                kept.clear()
            signer = kept[made_of] = self._new_serializer(keys)
        return signer

    def _new_serializer(self, keys: tuple[str | bytes, ...]) -> URLSafeTimedSerializer:
        from itsdangerous import URLSafeTimedSerializer  # once: the serializer is kept

        from .signing import CookieSerializer

        # ``hmac`` has a quick way for the methods of ``hashlib``, if they are not wrapped.
        digest_method = hashlib.sha1 if self.digest_method is _lazy_sha1 else self.digest_method
        how = {"digest_method": digest_method, "key_derivation": self.key_derivation}
        kind = URLSafeTimedSerializer if is_plain() else CookieSerializer
        return kind(list(keys), self.salt, self.serializer, signer_kwargs=how)  # type: ignore[arg-type]

    @property
    def _reads_as_written(self) -> bool:
        # Nobody has replaced what opens and reads sessions: of the instance, by a subclass or on this class itself.
        is_ours = type(self) is _ours and _ours.open_session is _open_session
        return is_ours and _ours.get_signing_serializer is _get_signer and not self.__dict__

    def may_be_permanent(self, cookie: str) -> bool:
        """As `SessionInterface` has it: one whose cookie does not even have the word in it is none."""
        is_plain_json = self._reads_as_written and getattr(self.serializer, "has_own_tags_only", False)
        return not is_plain_json or self._may_hold(cookie, "_permanent")

    def open_session(self, app: App, request: Request) -> SecureCookieSession | None:
        """Read the cookie. One that is expired, forged or unreadable makes an empty session."""
        signer = self.get_signing_serializer(app)
        if signer is None:
            return None
        cookie = request.cookies.get(self.get_cookie_name(app))
        if cookie:
            lifetime = app.permanent_session_lifetime
            try:
                return self.session_class(signer.loads(cookie, max_age=int(lifetime.total_seconds())))
            except Exception as error:
                if not _is_unreadable(error):
                    raise
                # itsdangerous keeps errors in frames of their own tracebacks: cycles, which would keep the request.
                clear_frames(error.__traceback__)
        return self.session_class()

    def save_session(self, app: App, session: SessionMixin, response: Response) -> None:
        """Set the cookie, remove it when the session was emptied, or leave it alone.

        Raises:
            RuntimeError: the secret key is gone.
        """
        # What is sent depends on it. A response that nobody has looked at only notes that.
        if session.accessed and not (isinstance(response, Response) and response.add_ready(VARY)):
            _vary_on_cookie(response)
        wanted = self.should_set_cookie(app, session) if session else session.modified
        if not wanted:
            return

        name = self.get_cookie_name(app)
        attributes = self.cookie_attributes(app)
        if session:
            signer = self.get_signing_serializer(app)
            if signer is None:
                raise RuntimeError(_NO_KEY)
            expires = self.get_expiration_time(app, session)
            response.set_cookie(name, signer.dumps(dict(session)), expires=expires, **attributes)
        else:
            response.delete_cookie(name, **attributes)
        if not session.accessed:
            _vary_on_cookie(response)


_ours = SecureCookieSessionInterface
_open_session, _get_signer = _ours.open_session, _ours.get_signing_serializer
_is_null_session, _null_session_class = _ours.is_null_session, _ours.null_session_class
_ANYTHING: Mapping[str, t.Any] = {"": None}


def interface_stays(app: App) -> bool:
    """Return whether an app has the same session interface until it is assigned another; a property may give any."""
    return isinstance(type(app).session_interface, SessionInterface)


class SessionsAhead:
    """What is known of an app's sessions ahead of requests, for as long as its `version` has the same number.

    Args:
        app: the app.
        knows_config: whether changes of its configuration change that number.
    """

    __slots__ = ("interface", "number", "others", "version")

    def __init__(self, app: App, knows_config: bool) -> None:
        self.version: Version = app.tables
        self.number: int = self.version.number
        self.interface: SessionInterface = app.session_interface
        #: What others have put into the interface, at any time. Never empty where it is not ours or has no key.
        self.others: Mapping[str, t.Any] = _ANYTHING
        if type(self.interface) is _ours and interface_stays(app) and knows_config and self._is_plain(app):
            self.others = vars(self.interface)

    def _is_plain(self, app: App) -> bool:
        kind: t.Any = type(app)
        has_key = type(kind.secret_key) is ConfigAttribute and bool(app.secret_key)  # kept in the configuration
        knows_null = _ours.is_null_session is _is_null_session and _ours.null_session_class is _null_session_class
        return has_key and knows_null and self.interface.lazy_open

    def open_empty(self) -> SessionMixin | None:
        """Return the session of a request that has no cookies; None: the interface has to open it."""
        if self.others or self.number != self.version.number or _ours.open_session is not _open_session:
            return None
        return _ours.session_class() if _ours.get_signing_serializer is _get_signer else None
