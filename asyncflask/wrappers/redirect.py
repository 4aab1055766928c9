"""Redirects: Werkzeug's, as responses that nobody has looked at."""

from __future__ import annotations

from typing import cast

from werkzeug.utils import redirect as make_redirect
from werkzeug.wrappers import Response as BaseResponse

from .headers import is_uri
from .response import Response


class Redirect:
    """What Werkzeug's ``redirect`` makes a response of."""

    def __init__(self, body: str, status: int, mimetype: str) -> None:
        self.body = body
        self.status = status
        self.mimetype = mimetype
        self.headers: dict[str, str] = {}


def redirect(location: str, code: int, kind: type[BaseResponse]) -> BaseResponse:
    """Return Werkzeug's ``redirect`` as a response of a class, not made in full if that is as ours."""
    if not getattr(kind, "is_made_as_ours", False) or type(location) is not str or not is_uri(location):
        return make_redirect(location, code, kind)
    made = cast(Redirect, make_redirect(location, code, cast("type[BaseResponse]", Redirect)))
    response = cast("type[Response]", kind)(made.body, made.status, mimetype=made.mimetype)
    response.amend(headers=made.headers)
    return response
