"""Redirects: Werkzeug's, as responses that nobody has looked at."""

from __future__ import annotations

from typing import cast

from markupsafe import escape
from werkzeug.utils import redirect as make_redirect
from werkzeug.wrappers import Response as BaseResponse

from .headers import content_type_for, is_uri
from .response import Response, untouched

HTML = content_type_for(None, "text/html")


class Redirect:
    """What Werkzeug's ``redirect`` makes a response of."""

    def __init__(self, body: str, status: int, mimetype: str) -> None:
        self.body = body
        self.status = status
        self.mimetype = mimetype
        self.headers: dict[str, str] = {}


def recorded(location: str, code: int) -> Redirect:
    """Return what Werkzeug's ``redirect`` makes a response of."""
    return cast(Redirect, make_redirect(location, code, cast("type[BaseResponse]", Redirect)))


def around_location() -> tuple[str, str, str] | None:
    """Return what stands around the two places in Werkzeug's page that tell the location; None: it is not like that."""
    made = recorded("\0", 302)
    pieces = made.body.split("\0")
    is_usual = (made.status, made.mimetype, made.headers) == (302, "text/html", {"Location": "\0"})
    return (pieces[0], pieces[1], pieces[2]) if len(pieces) == 3 and is_usual else None


AROUND = around_location()


def redirect(location: str, code: int, kind: type[BaseResponse]) -> BaseResponse:
    """Return Werkzeug's ``redirect`` as a response of a class, not made in full if that is as ours."""
    if not getattr(kind, "is_made_as_ours", False) or type(location) is not str or not is_uri(location):
        return make_redirect(location, code, kind)
    if kind is Response and kind.automatically_set_content_length and type(code) is int and AROUND is not None:
        # Of what a URI may be made of, as `is_uri` has it, two characters are written otherwise in HTML.
        told = str(escape(location)) if "&" in location or "'" in location else location
        body = f"{AROUND[0]}{told}{AROUND[1]}{told}{AROUND[2]}"
        return untouched(Response, (body.encode(), code, HTML, (), (("Location", location),), ()))
    made = recorded(location, code)
    response = cast("type[Response]", kind)(made.body, made.status, mimetype=made.mimetype)
    response.amend(headers=made.headers)
    return response
