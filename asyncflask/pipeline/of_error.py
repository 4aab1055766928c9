"""HTTP exceptions as responses, without the environ and the response that Werkzeug would make on the way.

That is for those whose words are all Werkzeug's, which looks at no environ. Of an exception that says no more than its
class does, everything that its page and headers are made of is a key here, so that they are written once.
"""

from __future__ import annotations

import collections.abc as cabc
import typing as t

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response as BaseResponse

from ..plain import is_plain
from ..wrappers.headers import ContentType, content_type_for
from ..wrappers.redirect import redirect

if t.TYPE_CHECKING:
    from ..wrappers import Response
    from ..wrappers.response import Given

PLAIN = is_plain()

_GET_RESPONSE = HTTPException.get_response
_GET_REDIRECT = RequestRedirect.get_response
_PARTS = ("get_headers", "get_body", "get_description")
_OWN_PARTS = frozenset({"get_response", *_PARTS})
_NAME: t.Any = HTTPException.name
#: what an exception has of its own, by what gives its headers
_SAID: dict[t.Any, set[str]] = {
    HTTPException.get_headers: {"response"},
    MethodNotAllowed.get_headers: {"response", "valid_methods"},
}
_MOST_PARTS, _LONGEST = 200, 300


class Parts(t.NamedTuple):
    """What the response to an exception is made of: its body, status, Content-Type, and other headers."""

    body: bytes
    status: int
    content_type: ContentType
    headers: Given


_usual_parts: dict[t.Any, Parts] = {}


def usual_parts(error: HTTPException) -> Parts | None:
    """Return the parts of the response to an exception that says no more than its class does; None for any other.

    Methods that are allowed count as said by the class.
    """
    own, kind = vars(error), type(error)
    if PLAIN or error.response is not None or own.keys() != _SAID.get(kind.get_headers):
        return None
    methods, said = own.get("valid_methods"), kind.description
    if methods is not None and type(methods) is not list:
        return None
    try:
        key = (
            *(kind, kind.code, kind.code.__class__, said, said.__class__, getattr(kind, "name", None)),
            *(kind.get_headers, kind.get_body, kind.get_description, kind.get_response),
            None if methods is None else tuple(methods),
        )
        parts = _usual_parts.get(key)
    except TypeError:  # what a class or a list holds may be anything
        return None
    if parts is None:
        parts = _parts(error)
        if parts is not None:
            if len(_usual_parts) >= _MOST_PARTS:
                _usual_parts.clear()
            _usual_parts[key] = parts
    return parts


def _parts(error: HTTPException) -> Parts | None:
    """Return the parts of the response to an exception, if nothing but Werkzeug's code and its class tell them."""
    kind = type(error)
    is_more = isinstance(error, (BaseResponse, cabc.Iterator)) or hasattr(error, "__aiter__")
    if is_more or type(kind.code) is not int or type(kind.description) is not str:
        return None
    is_named_by_code = getattr(kind, "name", None) is _NAME
    if not is_named_by_code or len(kind.description) > _LONGEST or not _is_written_by_werkzeug(error):
        return None
    (_, content_type), *others = error.get_headers()
    if any("\r" in value or "\n" in value for _, value in others):
        return None
    return Parts(error.get_body().encode(), kind.code, content_type_for(content_type, None), tuple(others))


def _is_written_by_werkzeug(error: HTTPException) -> bool:
    if type(error).get_response is not _GET_RESPONSE or not _OWN_PARTS.isdisjoint(vars(error)):
        return False
    return all(getattr(type(error), name).__module__ == _GET_RESPONSE.__module__ for name in _PARTS)


def of_error(kind: type[Response], error: HTTPException) -> BaseResponse | None:
    """Return an HTTP exception as a response of a class; None: Werkzeug has to be asked."""
    # Werkzeug's own class, which it would be made of, sets the length.
    is_as_werkzeugs = getattr(kind, "is_made_as_ours", False) and kind.automatically_set_content_length
    if error.response is not None or not is_as_werkzeugs or error.code is None:
        return None
    if (parts := usual_parts(error)) is not None:
        return kind(parts.body, parts.status, dict(parts.headers), content_type=parts.content_type.text)
    if type(error).get_response is _GET_REDIRECT and "get_response" not in vars(error):
        return redirect(t.cast(RequestRedirect, error).new_url, error.code, kind)
    if not _is_written_by_werkzeug(error):
        return None
    pairs, body = error.get_headers(), error.get_body()
    headers = dict(pairs)
    if len(headers) != len(pairs):
        return None
    content_type = headers.pop("Content-Type", None)
    return kind(body, error.code, headers, content_type=content_type)
