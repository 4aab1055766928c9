"""What can be known ahead of answers, where nobody would look at a response in between: see `respond.plain_answer`."""

from __future__ import annotations

import typing as t

from ..wrappers import Response
from ..wrappers.headers import content_type_for

if t.TYPE_CHECKING:
    from ..app import App
    from ..wrappers.headers import Pair


class Plainly:
    """How an app's answers begin, if they are of a response class that is as ours where it matters.

    Args:
        text: Content-Type of a str or bytes.
        json: Content-Type of a dict or list.
        write: makes the body of a dict or list; None: only the app's JSON provider can.
    """

    __slots__ = ("json", "text", "write")

    def __init__(self, text: Pair, json: Pair, write: t.Callable[[t.Any], bytes] | None) -> None:
        self.text: Pair = text
        self.json: Pair = json
        self.write: t.Callable[[t.Any], bytes] | None = write

    @staticmethod
    def of(app: App) -> Plainly | None:
        """Return it for an app; None if its responses are not so plain."""
        kind = app.response_class
        if not (isinstance(kind, type) and issubclass(kind, Response) and kind.is_sent_plainly()):
            return None
        text = content_type_for(None, kind.default_mimetype).pair
        writes = app.json.body_writer()
        json = None if writes is None else content_type_for(None, writes[1]).pair
        if text is None:
            return None
        return Plainly(text, json or text, writes[0] if writes is not None and json is not None else None)
