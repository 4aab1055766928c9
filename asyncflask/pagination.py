"""Answers in pages: which part of a list a client asks for, and the links to the other parts.

    @app.get("/books")
    async def books():
        part = pages(per_page=50)                             # or slices(), cursors()
        rows = await db.fetch(SELECT, part.limit, part.offset)
        return part.respond(rows, total=await db.count())

(RFC 8288, Web Linking, for the Link header.)
"""

from __future__ import annotations

import base64
import binascii
import typing as t
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from werkzeug.exceptions import BadRequest

from . import json
from .globals import current_app, request

if t.TYPE_CHECKING:
    from .wrappers import Response

MOST = 2**63 - 1
"""The largest offset: databases have no larger numbers."""

Arguments = dict[str, t.Any]


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a list that a client asks for.

    Attributes:
        limit: how many items at most.
        offset: how many items come before it; 0 for `cursors`.
        cursor: where it begins, for `cursors`: what the view gave as `next_cursor` before, None at the beginning. It
            comes from the client: check it as any other input.
        style: which function it is from.
    """

    limit: int
    offset: int
    cursor: t.Any
    style: t.Literal["pages", "slices", "cursors"]

    def respond(self, items: t.Iterable[t.Any], total: int | None = None, next_cursor: t.Any = None) -> Response:
        """Return a JSON list of the items, with a Link header that names the parts around it.

        Args:
            items: `limit` of them at most. Without `total` a full part is taken to have a next one.
            total: how many there are in all; sent as X-Total-Count, too.
            next_cursor: where the next part begins, for `cursors`: anything that JSON can hold; None at the end.
        """
        listed = list(items)
        response = current_app.json.response(listed)
        if total is not None:
            response.headers["X-Total-Count"] = str(total)
        if self.style == "cursors":
            links = {} if next_cursor is None else {"next": {"cursor": _encoded(next_cursor), "limit": self.limit}}
        else:
            links = self._links(len(listed), total)
        if links:
            parts = (f'<{_url(arguments)}>; rel="{relation}"' for relation, arguments in links.items())
            response.headers["Link"] = ", ".join(parts)
        return t.cast("Response", response)

    def _links(self, count: int, total: int | None) -> dict[str, Arguments]:
        at, size = self.offset, self.limit
        links: dict[str, Arguments] = {}
        if at:
            links |= {"first": self._at(0), "prev": self._at(max(0, at - size))}
        if at + size < total if total is not None else count >= size:
            links["next"] = self._at(at + size)
        if total is not None and total > size:
            links["last"] = self._at((total - 1) // size * size)
        return links

    def _at(self, offset: int) -> Arguments:
        if self.style == "pages":
            return {"page": offset // self.limit + 1, "per_page": self.limit}
        return {"offset": offset, "limit": self.limit}


def pages(per_page: int = 20, most: int = 100) -> Part:
    """Return what ``?page=`` (from 1 on) and ``?per_page=`` ask for.

    Args:
        per_page: items of a page, where the client does not say.
        most: items of a page at most, where it does.

    Raises BadRequest, 400, for what is no such number.
    """
    size = min(_number("per_page", per_page, least=1), most)
    return Part(size, _bounded("page", (_number("page", 1, least=1) - 1) * size), None, "pages")


def slices(limit: int = 20, most: int = 100) -> Part:
    """Return what ``?offset=`` and ``?limit=`` ask for; as `pages`."""
    offset = _bounded("offset", _number("offset", 0, least=0))
    return Part(min(_number("limit", limit, least=1), most), offset, None, "slices")


def cursors(limit: int = 20, most: int = 100) -> Part:
    """Return what ``?cursor=`` and ``?limit=`` ask for; as `pages`."""
    text = request.args.get("cursor")
    size = min(_number("limit", limit, least=1), most)
    return Part(size, 0, None if text is None else _decoded(text), "cursors")


def _number(name: str, default: int, least: int) -> int:
    text = request.args.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) >= least):
        raise BadRequest(f"The parameter {name!r} must be a whole number, {least} or more.")
    return int(text)


def _bounded(name: str, offset: int) -> int:
    if offset > MOST:
        raise BadRequest(f"The parameter {name!r} is too large.")
    return offset


def _encoded(cursor: t.Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")


def _decoded(text: str) -> t.Any:
    try:
        return json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise BadRequest("The parameter 'cursor' is none that was given here.") from None


def _url(arguments: Arguments) -> str:
    # Without the host: what a client says it is must not come back as a link.
    others = [(name, value) for name, value in request.args.items(multi=True) if name not in arguments]
    query = urlencode([*others, *arguments.items()])
    return f"{quote(request.root_path + request.path)}?{query}"
