"""The one context variable, and the proxies that read it.

Everything that is "current" hangs on one ``AppContext`` in one ``ContextVar``. This module imports nothing of ours, so
that every other one may use it.
"""

from __future__ import annotations

import typing as t
from contextvars import ContextVar

from werkzeug.local import LocalProxy

if t.TYPE_CHECKING:
    from .app import App
    from .ctx import AppContext
    from .sessions import SessionMixin
    from .wrappers import Request, Websocket

_MISSING: t.Any = object()

_no_app_msg = """\
Working outside of application context.

Nothing says which application this code belongs to. Inside a handler, a hook or a command that is known by itself;
anywhere else open one with 'with app.app_context():'.\
"""

_no_req_msg = """\
Working outside of request context.

This code needs an active HTTP request, and none is being handled here. In a test or a shell open one with
'with app.test_request_context(...):'; in a thread of your own use 'copy_current_request_context'.\
"""

no_websocket_msg = """\
Working outside of websocket context.

This code needs a websocket, and none is being handled here. It is there in the handlers that 'app.websocket' registers
and in their hooks; in a task or thread of your own use 'copy_current_websocket_context'.\
"""

_cv_app: ContextVar[AppContext] = ContextVar("asyncflask.app_ctx")


class _RequestVar:
    """The current context as far as it belongs to a request: read-only, shaped like a ``ContextVar``."""

    name = "asyncflask.request_ctx"

    def get(self, default: t.Any = _MISSING) -> t.Any:
        """Return the innermost context that has a request, or `default`.

        Raises LookupError when there is none and no default was given.
        """
        ctx = _cv_app.get(None)
        owner = None if ctx is None else ctx.request_owner
        if owner is not None:
            return owner
        if default is _MISSING:
            raise LookupError(self.name)
        return default


_cv_request = _RequestVar()


class _AppCtxGlobals:
    """The namespace behind ``g``: any attribute, plus the handful of dict methods Flask gives it.

    Flask docs: Application Globals.
    """

    if t.TYPE_CHECKING:  # any name may be read, set and deleted

        def __getattr__(self, name: str) -> t.Any: ...
        def __setattr__(self, name: str, value: t.Any) -> None: ...
        def __delattr__(self, name: str) -> None: ...

    def get(self, name: str, default: t.Any | None = None) -> t.Any:
        """Return the attribute `name`, or `default` if it is not set."""
        return vars(self).get(name, default)

    def pop(self, name: str, default: t.Any = _MISSING) -> t.Any:
        """Take out and return the attribute `name`; without it `default`, or KeyError if none was given."""
        rest = () if default is _MISSING else (default,)
        return vars(self).pop(name, *rest)

    def setdefault(self, name: str, default: t.Any = None) -> t.Any:
        """Return the attribute `name`, setting it to `default` first if it is missing."""
        return vars(self).setdefault(name, default)

    def __contains__(self, name: str) -> bool:
        return name in vars(self)

    def __iter__(self) -> t.Iterator[str]:
        return iter(vars(self))

    def __repr__(self) -> str:
        ctx = _cv_app.get(None)
        return object.__repr__(self) if ctx is None else f"<flask.g of {ctx.app.name!r}>"


def _proxy(attribute: str, unbound_message: str) -> t.Any:
    """Return a proxy of an attribute of the current context.

    It is Werkzeug's, with short ways for what programs do all the time: those of Werkzeug take several times as long.
    """
    current, own_attribute = _cv_app.get, object.__getattribute__

    def target() -> t.Any:
        ctx = current(None)
        if ctx is None:
            raise RuntimeError(unbound_message)
        return getattr(ctx, attribute)

    class ContextProxy(LocalProxy[t.Any]):
        __slots__ = ()

        def __getattribute__(self, name: str) -> t.Any:
            # A name from "a" on, before which "`" stands: Werkzeug's proxy has none such of its own. To that all others
            # are left, and what is asked where nothing is bound.
            if name > "`" and (ctx := current(None)) is not None:
                return getattr(getattr(ctx, attribute), name)
            return own_attribute(self, name)

        def __setattr__(self, name: str, value: t.Any) -> None:
            setattr(target(), name, value)

        def __getitem__(self, key: t.Any) -> t.Any:
            return target()[key]

        def __setitem__(self, key: t.Any, value: t.Any) -> None:
            target()[key] = value

        def __contains__(self, key: t.Any) -> bool:
            return key in target()

    class SessionProxy(ContextProxy):
        __slots__ = ()

        def __getattribute__(self, name: str) -> t.Any:
            if name > "`" and (ctx := current(None)) is not None:
                return getattr(ctx.touch_session(), name)
            return own_attribute(self, name)

    kind = SessionProxy if attribute == "session" else ContextProxy
    kind.__name__ = kind.__qualname__ = LocalProxy.__name__  # what an unbound one shows
    return kind(_cv_app, attribute, unbound_message=unbound_message)


app_ctx: AppContext = _proxy("app_owner", _no_app_msg)
"""The current application context. Raises RuntimeError outside of one, like every proxy here."""

current_app: App = _proxy("app", _no_app_msg)
"""The application that handles this request or command."""

g: _AppCtxGlobals = _proxy("g", _no_app_msg)
"""A namespace that lives as long as the application context."""

request_ctx: AppContext = _proxy("own_request_ctx", _no_req_msg)
"""The context of the current request."""

request: Request = _proxy("request", _no_req_msg)
"""The current request."""

websocket: Websocket = _proxy("websocket", no_websocket_msg)
"""The current websocket. In its handler `request` is the same object: what a websocket begins with is a request."""

websocket_ctx: AppContext = _proxy("own_websocket_ctx", no_websocket_msg)
"""The context of the current websocket."""

session: SessionMixin = _proxy("session", _no_req_msg)
"""The session of the current request; touching it opens it."""


def _default_template_ctx_processor() -> dict[str, t.Any]:
    # The objects behind two proxies, as these are quicker. The session stays a proxy: touching it has to count.
    seen: dict[str, t.Any] = {}
    if (app_ctx := _cv_app.get(None)) is not None:
        seen["g"] = app_ctx.g
        if (owner := _cv_request.get(None)) is not None:
            seen["request"] = owner.request
    return seen
