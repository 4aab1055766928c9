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
from ..wrappers.headers import ContentType, Pair, content_type_for, encode_headers
from ..wrappers.redirect import redirect
from ..wrappers.response import ADDED

if t.TYPE_CHECKING:
    from ..wrappers import Response

PLAIN = is_plain()

_GET_RESPONSE = HTTPException.get_response
_GET_REDIRECT = RequestRedirect.get_response
_PARTS = ("get_headers", "get_body", "get_description")
_OWN_PARTS = frozenset({"get_response", *_PARTS})
_NAME: t.Any = HTTPException.name
_GET_ALLOW = MethodNotAllowed.get_headers
MOST_PARTS, _LONGEST = 200, 300


class Parts(t.NamedTuple):
    """What the response to an exception is made of: body, status, Content-Type, and other headers as they are sent."""

    body: bytes
    status: int
    content_type: ContentType
    added: tuple[Pair, ...]


class Said:
    """What a class of exceptions says, as of now, and the parts of responses to it by the methods that are allowed."""

    __slots__ = ("code", "description", "get_body", "get_description", "get_headers", "get_response", "name", "parts")

    def __init__(self, kind: t.Any) -> None:
        self.code: t.Any = kind.code
        self.description: t.Any = kind.description
        self.name: t.Any = getattr(kind, "name", None)
        self.get_headers: t.Any = kind.get_headers
        self.get_body: t.Any = kind.get_body
        self.get_description: t.Any = kind.get_description
        self.get_response: t.Any = kind.get_response
        self.parts: dict[t.Any, Parts] = {}

    def holds_for(self, kind: t.Any) -> bool:
        """Whether the class has not been changed since."""
        return (
            self.description is kind.description
            and self.code is kind.code
            and self.name is getattr(kind, "name", None)
            and self.get_headers is kind.get_headers
            and self.get_body is kind.get_body
            and self.get_description is kind.get_description
            and self.get_response is kind.get_response
        )


known: dict[t.Any, Said] = {}


def usual_parts(error: HTTPException) -> Parts | None:
    """Return the parts of the response to an exception that says no more than its class does; None for any other.

    Methods that are allowed count as said by the class.
    """
    own, kind, methods = vars(error), type(error), None
    if len(own) == 2 and "valid_methods" in own:
        listed = own["valid_methods"]
        if listed is not None and type(listed) is not list:
            return None
        methods = None if listed is None else tuple(listed)
    elif len(own) != 1:
        return None
    if own.get("response", own) is not None:  # it has one, or has been made in some other way
        return None
    said = known.get(kind)
    if said is None or not said.holds_for(kind):
        said = Said(kind)
    try:
        parts = said.parts.get(methods)
    except TypeError:  # what is in a list may be anything
        return None
    if parts is None and (parts := _parts(error)) is not None:
        if len(known) >= MOST_PARTS:
            known.clear()
        if len(said.parts) >= MOST_PARTS:
            said.parts.clear()
        known[kind], said.parts[methods] = said, parts
    return parts


def _parts(error: HTTPException) -> Parts | None:
    """Return the parts of the response to an exception, if nothing but Werkzeug's code and its class tell them."""
    kind = type(error)
    is_more = isinstance(error, (BaseResponse, cabc.Iterator)) or hasattr(error, "__aiter__")
    if PLAIN or is_more or type(kind.code) is not int or type(kind.description) is not str:
        return None
    if getattr(kind, "name", None) is not _NAME or len(kind.description) > _LONGEST:
        return None
    # Others have headers that are made of more.
    takes_methods = kind.get_headers is _GET_ALLOW
    if takes_methods is ("valid_methods" not in vars(error)) or not _is_written_by_werkzeug(error):
        return None
    if not takes_methods and kind.get_headers is not HTTPException.get_headers:
        return None
    (_, content_type), *others = error.get_headers()
    try:
        added = tuple(encode_headers(others))
    except ValueError:  # it is met again when they are to be sent
        return None
    if any(name not in ADDED for name, _ in added) or [v.decode("latin-1") for _, v in added] != [v for _, v in others]:
        return None
    return Parts(error.get_body().encode(), kind.code, content_type_for(content_type, None), added)


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
    if type(error).get_response is _GET_REDIRECT and "get_response" not in vars(error):
        return redirect(t.cast(RequestRedirect, error).new_url, error.code, kind)
    if (parts := usual_parts(error)) is not None:
        response = kind(parts.body, parts.status, content_type=parts.content_type.text)
        for name, value in parts.added:
            response.headers.add(ADDED[name], value.decode("latin-1"))
        return response
    if not _is_written_by_werkzeug(error):
        return None
    pairs, body = error.get_headers(), error.get_body()
    headers = dict(pairs)
    if len(headers) != len(pairs):
        return None
    content_type = headers.pop("Content-Type", None)
    return kind(body, error.code, headers, content_type=content_type)
