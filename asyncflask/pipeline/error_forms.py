"""HTTP errors in the form that their client prefers, where ``ERROR_MIMETYPES`` offers others than Werkzeug's HTML page.

    application/json            {"code": 404, "name": "Not Found", "description": "The requested URL ..."}
    application/problem+json    {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "The ..."}

The former is what Flask's documentation makes of errors by a handler, the latter RFC 9457, "Problem Details for HTTP
APIs". An error's description is told, and nothing else of it but what its attribute ``problem`` has: more members of
the latter, or standard ones in the place of those above.
"""

from __future__ import annotations

import json
import typing as t

from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import HTTPException

if t.TYPE_CHECKING:
    from ..ctx import AppContext
    from ..wrappers import Response

_HTML, _JSON, _PROBLEM = FORMS = ("text/html", "application/json", "application/problem+json")
_TEXTS = ("type", "title", "detail", "instance")


def in_form(ctx: AppContext, error: HTTPException, offered: t.Any) -> HTTPException | Response:
    """Return the answer to an error that has no handler.

    Args:
        ctx: whose request says what its client accepts.
        error: one that has its own body or response is returned as it is.
        offered: the setting ``ERROR_MIMETYPES``: one of `FORMS`, or several of them, the one for clients without a
            preference first.

    Raises ValueError if it is something else.
    """
    forms = checked(offered)
    if error.response is not None or _speaks_for_itself(type(error)):
        return error
    form = _preferred(ctx, forms)
    response = ctx.app.make_response(error) if form == _HTML else _made(ctx, error, form)
    if len(forms) > 1:
        response.vary.add("Accept")
    return response


def checked(offered: t.Any) -> tuple[str, ...]:
    """Return the media types that errors are offered in. Raises ValueError if they are not some of `FORMS`."""
    forms: tuple[str, ...] = ()
    if isinstance(offered, (str, tuple, list)):
        forms = (offered,) if isinstance(offered, str) else tuple(offered)
    if not forms or not set(forms) <= set(FORMS):
        raise ValueError(
            f"ERROR_MIMETYPES must be None or name one or more of {', '.join(map(repr, FORMS))}, not {offered!r}."
        )
    return forms


def _speaks_for_itself(kind: type[HTTPException]) -> bool:
    base = HTTPException
    return kind.get_body is not base.get_body or kind.get_response is not base.get_response


def _preferred(ctx: AppContext, forms: tuple[str, ...]) -> str:
    # Who accepts JSON reads problems too: hardly any client names their type.
    matches = {form: form for form in forms}
    if _PROBLEM in forms:
        matches.setdefault(_JSON, _PROBLEM)
    accepted = ctx.request.accept_mimetypes
    best = accepted.best_match(matches)
    if best is None:  # "application/json; charset=utf-8" accepts none of them, to the letter
        bare = MIMEAccept([(kind.partition(";")[0].strip(), quality) for kind, quality in accepted])
        best = bare.best_match(matches, forms[0])
    return matches[best]


def _made(ctx: AppContext, error: HTTPException, form: str) -> Response:
    try:
        text = f"{ctx.app.json.dumps(_members(error, form))}\n"
        if _says_more(error):
            _check(json.loads(text, parse_constant=_refuse), error)
    except (TypeError, ValueError, RecursionError) as why:
        raise TypeError(
            f"{type(error).__name__} cannot be told as {form}: {why}. Its attribute 'problem', if it has one, must be a"
            " dict, and that and its description must be of what JSON has."
        ) from error  # which shows where it was raised
    headers = [pair for pair in error.get_headers(ctx.request.environ) if pair[0].lower() != "content-type"]
    return ctx.app.response_class(text, error.code, headers, mimetype=form)


def _says_more(error: HTTPException) -> bool:
    return hasattr(error, "problem") or not isinstance(error.description, (str, type(None)))


def _refuse(number: str) -> t.NoReturn:
    raise ValueError(f"{number} is no number in JSON")


def _check(told: dict[str, t.Any], error: HTTPException) -> None:
    """Raise ValueError if standard members of a problem are not what they have to be. (RFC 9457 section 3.1.)"""
    if told.get("status", error.code) != error.code:
        raise ValueError(f"its 'status' is {told['status']!r}, but the answer has {error.code}")
    for name in _TEXTS:
        if not isinstance(told.get(name, ""), str):
            raise ValueError(f"its {name!r} is {told[name]!r}, and not a text")


def _members(error: HTTPException, form: str) -> dict[str, t.Any]:
    said: t.Any = error.description
    if form == _JSON:
        described = said if isinstance(said, (str, dict, list, type(None))) else str(said)
        return {"code": error.code, "name": error.name, "description": described}
    members = {"type": "about:blank", "title": error.name, "status": error.code}
    if said is not None:
        members["detail"] = str(said)
    return members | dict(getattr(error, "problem", {}))
