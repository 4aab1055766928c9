"""Sessions that are kept on the server: the cookie holds an unguessable id, a store holds the values.

Only what a request has changed is written, key by key, and by the store in one step: two requests of one session that
are handled at the same time and touch different keys lose nothing. Values are compared with what was loaded, so a list
or dict that was changed inside a session is found without setting ``session.modified``.
"""

from __future__ import annotations

import re
import secrets
import time
import typing as t
from dataclasses import dataclass

from werkzeug.exceptions import ServiceUnavailable

from .sessions import SecureCookieSession, SessionInterface, SessionMixin, session_json_serializer

if t.TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from .app import App
    from .wrappers import Request, Response

_ID = re.compile(r"[A-Za-z0-9_-]{43}")
_OF_BODIES = {"accept-ranges", "cache-control", "etag", "expires", "last-modified", "location", "set-cookie"}
_RETRY_AFTER = 5
"""Seconds after which a client may ask again, where the store cannot be reached."""


class StoreUnavailable(Exception):
    """A store cannot be reached, or refuses to work. Raised by stores; the text says where and why."""


@dataclass(frozen=True)
class Change:
    """What a request has done to a session.

    Args:
        sid: the id that it came with; None for a new session.
        new_sid: the id that it gets, of a new session, or instead of `sid`; None: it keeps its own.
        cleared: whether everything that was there goes.
        written: values, as text, by key.
        deleted: keys that go.
        lifetime: seconds for which the session is kept from now on.
    """

    sid: str | None
    new_sid: str | None
    cleared: bool
    written: dict[str, str]
    deleted: tuple[str, ...]
    lifetime: int


class SessionStore(t.Protocol):
    """Keeps the values of sessions. All methods run on the event loop; any may raise `StoreUnavailable`."""

    async def load(self, sid: str) -> dict[str, str] | None:
        """Return the values of a session as text, by key; None if there is no such session."""
        ...

    async def save(self, change: Change) -> str | None:
        """Carry out a change in one step; return the session's id, or None if nothing is left of it.

        A session that is gone by now, since another request has ended it, is not made again. One that another request
        has given a new id is changed under that.
        """
        ...

    async def begin(self) -> None:
        """Get ready on the running loop, and see whether the store can be used."""
        ...

    async def end(self) -> None:
        """Let go of what `begin` has opened on the running loop."""
        ...


class ServerSession(SecureCookieSession):
    """A session whose values are in a store.

    Args:
        sid: its id; None for a new one.
        texts: its values as they were loaded.
        values: the same, read.
    """

    def __init__(
        self, sid: str | None = None, texts: Mapping[str, str] | None = None, values: Mapping[str, t.Any] | None = None
    ) -> None:
        super().__init__(values)
        self.sid = sid
        self.new: bool = sid is None
        self.is_renewed: bool = False
        self.is_cleared: bool = False
        self.loaded: Mapping[str, str] = texts or {}

    def regenerate(self) -> None:
        """Have the session get a new id when it is saved; the old one is dead then. Call it when somebody logs in."""
        self.is_renewed = self.modified = True

    def clear(self) -> None:
        """Remove everything, what other requests have written meanwhile too. What is set afterwards gets a new id."""
        super().clear()
        self.is_cleared = True

    def change(self, lifetime: int) -> Change:
        """Return what is different from what was loaded."""
        dumps = session_json_serializer.dumps
        texts = {key: dumps(value) for key, value in self.items()}
        loaded = {} if self.is_cleared else self.loaded
        written = {key: text for key, text in texts.items() if loaded.get(key) != text}
        gets_id = self.is_renewed or self.sid is None or (self.is_cleared and bool(texts))
        deleted = tuple(key for key in loaded if key not in texts)
        return Change(self.sid, new_id() if gets_id else None, self.is_cleared, written, deleted, lifetime)

    def note_saved(self, sid: str | None, change: Change) -> None:
        """Take what was saved for what was loaded, so that it may be changed and saved again."""
        kept = {} if change.cleared else {key: self.loaded[key] for key in self.loaded if key not in change.deleted}
        self.sid, self.loaded = sid, {**kept, **change.written}
        self.is_renewed = self.is_cleared = self.modified = False


class UnavailableSession(SessionMixin):
    """The session of a request while the store cannot be reached: whoever touches it answers 503."""

    modified: bool = False

    def _refuse(self, *args: t.Any) -> t.NoReturn:
        raise unavailable()

    __getitem__ = __setitem__ = __delitem__ = __iter__ = __len__ = _refuse
    regenerate: t.Callable[..., t.NoReturn] = _refuse
    sid: property = property(_refuse)


def new_id() -> str:
    """Return an id that nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(32)


def unavailable() -> ServiceUnavailable:
    """Return the error that answers a request which needs a session, while there are none to be had."""
    return ServiceUnavailable("Sessions are not available at the moment. Try again soon.", retry_after=_RETRY_AFTER)


class ServerSessionInterface(SessionInterface):
    """Opens and saves sessions in a store. The cookie is the one of the configuration, as for signed-cookie sessions.

    While the store cannot be reached, requests that touch the session are answered by 503; others go on.

    Args:
        store: where the values are.
        must_be_there: refuse to start the application while the store cannot be reached; otherwise that is logged.
    """

    session_class = ServerSession

    def __init__(self, store: SessionStore, *, must_be_there: bool = False) -> None:
        self.store = store
        self.must_be_there = must_be_there
        self._is_away = self._is_asking = False

    async def before_serving(self, app: App) -> None:
        """See whether the store can be reached. Raises StoreUnavailable with `must_be_there`."""
        try:
            await self.store.begin()
        except StoreUnavailable as error:
            if self.must_be_there:
                raise
            self._note_away(app, error)

    async def after_serving(self, app: App) -> None:
        """Close what is open to the store."""
        await self.store.end()

    async def open_session(self, app: App, request: Request) -> SessionMixin:
        """Load the session that the cookie names; without one, or with an id that the store has not, it is new."""
        sid = request.cookies.get(self.get_cookie_name(app), "")
        if _ID.fullmatch(sid) is None:
            return self.session_class()
        if self._is_away and self._is_asking:  # one request at a time finds out whether it is back; others do not wait
            return UnavailableSession()
        self._is_asking = True
        try:
            texts = await self.store.load(sid)
        except StoreUnavailable as error:
            self._note_away(app, error)
            return UnavailableSession()
        finally:
            self._is_asking = False
        self._note_back(app)
        if texts is None:
            return self.session_class()
        return self.session_class(sid, texts, self._read(app, texts))

    def _read(self, app: App, texts: Mapping[str, str]) -> dict[str, t.Any]:
        values = {}
        for key, text in texts.items():
            try:
                values[key] = session_json_serializer.loads(text)
            except Exception:  # whatever a tag makes of what somebody else has put there
                app.logger.warning("A session has a value under %r that cannot be read; it is left out.", key)
        return values

    async def save_session(self, app: App, session: SessionMixin, response: Response) -> None:
        """Write what has changed and set the cookie; where that fails, the response becomes a 503."""
        if not isinstance(session, ServerSession):
            return
        if not (session.accessed or session.modified):
            return
        response.vary.add("Cookie")
        if session.sid is None and not session:
            return
        change = session.change(int(app.permanent_session_lifetime.total_seconds()))
        try:
            sid = await self.store.save(change)
        except StoreUnavailable as error:
            self._note_away(app, error)
            await refuse(response)
            return
        self._note_back(app)
        lasts_otherwise = "_permanent" in change.written or "_permanent" in change.deleted
        self._set_cookie(app, session, sid, response, lasts_otherwise)
        session.note_saved(sid, change)

    def _set_cookie(
        self, app: App, session: ServerSession, sid: str | None, response: Response, lasts_otherwise: bool
    ) -> None:
        name = self.get_cookie_name(app)
        attributes = self.cookie_attributes(app)
        if sid is None:
            if not session:  # else another request has ended it, and may have set a cookie of its own
                response.delete_cookie(name, **attributes)
        elif sid != session.sid or lasts_otherwise or (session.permanent and self.should_set_cookie(app, session)):
            # Not sent again for nothing: it might come after the new id that another request has brought meanwhile.
            response.set_cookie(name, sid, expires=self.get_expiration_time(app, session), **attributes)

    def regenerate(self, session: ServerSession) -> None:
        """Give a session a new id; as ``session.regenerate()``, under the name that Flask-Session has for it."""
        session.regenerate()

    def _note_away(self, app: App, error: StoreUnavailable) -> None:
        # Once for each time that it goes away.
        if not self._is_away:
            self._is_away = True
            app.logger.error("%s Requests that need a session are answered by 503 until it is back.", error)

    def _note_back(self, app: App) -> None:
        if self._is_away:
            self._is_away = False
            app.logger.warning("The session store is back.")


async def refuse(response: Response) -> None:
    """Turn a response into the 503 of a session that could not be saved: what it says has not come to pass.

    Headers that tell of its body go, those for other ends (CORS and the like) stay.
    """
    body: t.Any = response.response
    if hasattr(body, "aclose"):
        await body.aclose()
    elif hasattr(body, "close"):
        response.call_on_close(body.close)
    error = unavailable().get_response()
    for name in set(response.headers.keys()):
        if name.lower().startswith("content-") or name.lower() in _OF_BODIES:
            del response.headers[name]
    response.headers.update(error.headers)
    response.status_code = error.status_code
    response.direct_passthrough = False
    response.set_data(error.get_data())


class MemoryStore:
    """Keeps sessions in this process: for tests and for servers of one process.

    Args:
        now: gives the time in seconds.
    """

    def __init__(self, now: t.Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self.sessions: MutableMapping[str, tuple[dict[str, str], float]] = {}
        self.moved: MutableMapping[str, tuple[str, float]] = {}
        self._sweep_at = now()

    async def load(self, sid: str) -> dict[str, str] | None:
        """Return the values of a session."""
        return self.look_up(sid)

    async def save(self, change: Change) -> str | None:
        """Carry out a change. No other task runs meanwhile."""
        return self.carry_out(change)

    def look_up(self, sid: str) -> dict[str, str] | None:
        """`load`, as a plain function."""
        values = self._kept(sid, self.now())
        return None if values is None else dict(values)

    def carry_out(self, change: Change) -> str | None:
        """`save`, as a plain function, during which nobody else may change what is kept."""
        now = self.now()
        if now >= self._sweep_at:  # what is over is looked for once in a while, not each time
            self._sweep_at = now + MOVED_FOR
            self.forget_until(now)
        sid, renews = change.sid, change.new_sid is not None
        while sid is not None and sid in self.moved:
            sid, renews = self.moved[sid][0], renews and change.cleared
        values = self._kept(sid, now)
        if values is None and sid is not None and not (change.cleared and renews):
            return None
        values = {} if values is None or change.cleared else values
        for key in change.deleted:
            values.pop(key, None)
        values.update(change.written)
        if sid is not None and (renews or change.cleared):
            self.sessions.pop(sid, None)
            if change.new_sid is not None and not change.cleared:
                self.moved[sid] = change.new_sid, now + MOVED_FOR
        sid = change.new_sid if renews else sid
        if sid is None or not values:
            self.sessions.pop(sid or "", None)
            return None
        self.sessions[sid] = values, now + change.lifetime
        return sid

    def _kept(self, sid: str | None, now: float) -> dict[str, str] | None:
        values, until = self.sessions.get(sid or "", ({}, 0.0))
        return values if until > now else None

    def forget_until(self, now: float) -> None:
        """Remove what is over."""
        for table in (self.sessions, self.moved):
            for sid in [sid for sid, (_, until) in table.items() if until <= now]:
                del table[sid]

    async def begin(self) -> None:
        """Nothing has to be opened."""

    async def end(self) -> None:
        """Nothing was opened."""


MOVED_FOR = 60
"""Seconds for which a store remembers the new id of a session, for requests that began under the old one."""


class MemorySessionInterface(ServerSessionInterface):
    """Sessions in the memory of this process: they end with it, and other processes do not see them."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
