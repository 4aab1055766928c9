"""Answers in pages: what a client may ask for, and the links to the other pages."""

from __future__ import annotations

import re

import pytest

from asyncflask.pagination import cursors, pages, slices

from .colours import COLOURS, both

ITEMS = list(range(45))


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


def links(got):
    found = re.findall(r'<([^>]*)>; rel="(\w+)"', got.headers.get("Link", ""))
    return {relation: url for url, relation in found}


def numbered(app, how, total=True):
    def view():
        part = how(10, most=20)
        return part.respond(ITEMS[part.offset : part.offset + part.limit], total=len(ITEMS) if total else None)

    both(app, view)


def test_pages(app, asked, colour):
    numbered(app, pages)
    got = asked(f"/{colour}?q=%C3%BC&q=b&page=2")
    assert (got.json, got.headers["X-Total-Count"]) == (ITEMS[10:20], "45")
    assert links(got) == {
        "first": f"/{colour}?q=%C3%BC&q=b&page=1&per_page=10",
        "prev": f"/{colour}?q=%C3%BC&q=b&page=1&per_page=10",
        "next": f"/{colour}?q=%C3%BC&q=b&page=3&per_page=10",
        "last": f"/{colour}?q=%C3%BC&q=b&page=5&per_page=10",
    }
    last = asked(links(got)["last"])
    assert (last.json, set(links(last))) == (ITEMS[40:], {"first", "prev", "last"})
    assert asked(f"/{colour}?per_page=999").json == ITEMS[:20]
    beyond = asked(f"/{colour}?page=99")
    assert (beyond.json, set(links(beyond))) == ([], {"first", "prev", "last"})


def test_slices(app, asked, colour):
    numbered(app, slices)
    got = asked(f"/{colour}?offset=5&limit=15")
    assert got.json == ITEMS[5:20]
    assert links(got) == {
        "first": f"/{colour}?offset=0&limit=15",
        "prev": f"/{colour}?offset=0&limit=15",
        "next": f"/{colour}?offset=20&limit=15",
        "last": f"/{colour}?offset=30&limit=15",
    }


def test_all_pages_by_their_links_without_a_total(app, asked, colour):
    numbered(app, pages, total=False)
    url, seen = f"/{colour}", []
    while url:
        got = asked(url)
        assert "X-Total-Count" not in got.headers
        seen += got.json
        url = links(got).get("next")
    assert seen == ITEMS


def test_all_parts_by_their_cursors(app, asked, colour):
    def view():
        part = cursors(10)
        begin = part.cursor["after"] + 1 if part.cursor else 0
        found = ITEMS[begin : begin + part.limit]
        more = begin + part.limit < len(ITEMS)
        return part.respond(found, next_cursor={"after": found[-1], "of": "\u00fc"} if more else None)

    both(app, view)
    url, seen = f"/{colour}?limit=7&q=x", []
    while url:
        got = asked(url)
        seen += got.json
        url = links(got).get("next")
        assert url is None or "&limit=7" in url
    assert seen == ITEMS


@pytest.mark.parametrize(
    "query",
    ["page=0", "page=-1", "page=x", "page=", "page=1.5", "page=%D9%A3", "per_page=0", "page=9999999999999999999"],
)
def test_what_is_no_page_is_400(app, asked, query):
    numbered(app, pages)
    assert asked(f"/async?{query}").status == 400


@pytest.mark.parametrize("query", ["offset=-1", "offset=9999999999999999999", "offset=1&limit=0"])
def test_what_is_no_slice_is_400(app, asked, query):
    numbered(app, slices)
    assert asked(f"/async?{query}").status == 400


@pytest.mark.parametrize("cursor", ["x", "!!!!", "%FF", "bm90IGpzb24", "W1tb", "", "W" * 200_000])
def test_what_is_no_cursor_is_400(app, asked, cursor):
    both(app, lambda: cursors().respond([]))
    assert asked(f"/async?cursor={cursor}").status == 400
