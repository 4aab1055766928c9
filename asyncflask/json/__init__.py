"""JSON as the current application does it, and as the standard library does it where there is none."""

from __future__ import annotations

import json as _json
import typing as t

from ..globals import _cv_app, current_app
from .provider import _default

if t.TYPE_CHECKING:
    from ..wrappers import Response


def dumps(obj: t.Any, **kwargs: t.Any) -> str:
    """Return `obj` as JSON text.

    Args:
        obj: what to write.
        kwargs: passed on to ``current_app.json.dumps``, or to ``json.dumps`` outside of an application context.

    Raises:
        TypeError: something in `obj` has no JSON form. (Flask docs: JSON Support.)
    """
    ctx = _cv_app.get(None)
    if ctx is not None:
        return ctx.app.json.dumps(obj, **kwargs)
    return _json.dumps(obj, **{"default": _default, **kwargs})


def dump(obj: t.Any, fp: t.IO[str], **kwargs: t.Any) -> None:
    """Write `obj` as JSON to a text file.

    Args:
        obj: what to write.
        fp: open for writing text, which should be encoded as UTF-8.
        kwargs: passed on to ``current_app.json.dump``, or to ``json.dump`` outside of an application context.
    """
    ctx = _cv_app.get(None)
    if ctx is not None:
        return ctx.app.json.dump(obj, fp, **kwargs)
    return _json.dump(obj, fp, **{"default": _default, **kwargs})


def loads(s: str | bytes, **kwargs: t.Any) -> t.Any:
    """Return what a JSON text says.

    Args:
        s: text, or bytes in UTF-8.
        kwargs: passed on to ``current_app.json.loads``, or to ``json.loads`` outside of an application context.

    Raises:
        ValueError: it is not JSON.
    """
    ctx = _cv_app.get(None)
    return _json.loads(s, **kwargs) if ctx is None else ctx.app.json.loads(s, **kwargs)


def load(fp: t.IO[t.AnyStr], **kwargs: t.Any) -> t.Any:
    """Return what a JSON file says.

    Args:
        fp: open for reading text, or bytes in UTF-8.
        kwargs: passed on to ``current_app.json.load``, or to ``json.load`` outside of an application context.

    Raises:
        ValueError: it is not JSON.
    """
    ctx = _cv_app.get(None)
    return _json.load(fp, **kwargs) if ctx is None else ctx.app.json.load(fp, **kwargs)


def jsonify(*args: t.Any, **kwargs: t.Any) -> Response:
    """Return a JSON response with what was given, made by ``current_app.json.response``.

    A view that returns a dict or a list needs no call of this.

    Args:
        args: one value is sent as it is, several as a list, none as ``null``.
        kwargs: sent as an object.

    Raises:
        TypeError: both kinds were given.
        RuntimeError: there is no application context.
    """
    return t.cast("Response", current_app.json.response(*args, **kwargs))
