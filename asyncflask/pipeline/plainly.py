"""What can be known ahead of answers whose values are plain: str, bytes, dict, list; responses and HTTP exceptions too.

`respond.finalize` makes their responses of that; `respond.plain_answer` does without, where nobody would look at one.
"""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from ..wrappers import Response
from ..wrappers.headers import content_type_for
from ..wrappers.response import untouched
from .of_error import of_error, usual_parts

if t.TYPE_CHECKING:
    from ..app import App
    from ..wrappers.headers import ContentType, Pair


class Plainly:
    """How an app's responses begin, if they are of a class that is as ours where it matters.

    Args:
        kind: their class.
        text: Content-Type of a str or bytes.
        json: Content-Type of a dict or list.
        write: makes the body of a dict or list; None: only the app's JSON provider can.
    """

    __slots__ = ("_json", "_kind", "_text", "json", "text", "write")

    def __init__(
        self,
        kind: type[Response],
        text: ContentType,
        json: ContentType,
        write: t.Callable[[t.Any], bytes] | None,
    ) -> None:
        self._kind: type[Response] = kind
        self._text: ContentType = text
        self._json: ContentType = json
        #: as they are sent
        self.text: Pair = t.cast("Pair", text.pair)
        self.json: Pair = t.cast("Pair", json.pair)
        self.write: t.Callable[[t.Any], bytes] | None = write

    def response(self, value: t.Any) -> Response | None:
        """Return the response that is made of what a view returned, or an error, if that is as plain."""
        kind = type(value)
        if kind is str:
            body, content_type = value.encode(), self._text
        elif (kind is dict or kind is list) and self.write is not None:
            body, content_type = self.write(value), self._json
        elif kind is bytes:
            body, content_type = value, self._text
        elif kind is self._kind:
            return t.cast("Response", value)
        elif kind is RequestRedirect:
            return t.cast("Response | None", of_error(self._kind, value))
        elif isinstance(value, HTTPException) and (parts := usual_parts(value)) is not None:
            return untouched(self._kind, (parts.body, parts.status, parts.content_type, (), (), parts.added))
        else:
            return None
        return untouched(self._kind, (body, 200, content_type, (), (), ()))

    @staticmethod
    def of(app: App) -> Plainly | None:
        """Return it for an app; None if its responses are not so plain."""
        kind = app.response_class
        if not (isinstance(kind, type) and issubclass(kind, Response) and kind.is_sent_plainly()):
            return None
        writes = app.json.body_writer()
        text = _content_type(kind.default_mimetype)
        json = None if writes is None else _content_type(writes[1])
        if text is None:
            return None
        if writes is None or json is None:
            return Plainly(kind, text, text, None)
        return Plainly(kind, text, json, writes[0])


def _content_type(mimetype: t.Any) -> ContentType | None:
    """Return what is sent for a mimetype; None: a response has to be asked, and it may be an error then."""
    if type(mimetype) is not str:  # a property of the class, say
        return None
    try:
        found = content_type_for(None, mimetype)
    except ValueError:
        return None
    return None if found.pair is None else found
