"""Short ways through query strings, content types and JSON: each gives what the long way gives."""

from __future__ import annotations

import json
from contextvars import ContextVar, copy_context
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from asyncflask import App
from asyncflask.threads import Bridge, InContext
from asyncflask.wrappers import Request

QUERIES = st.one_of(st.text(st.sampled_from("ab=&;%+ é2")), st.text())
DOCUMENTS = st.one_of(st.text(st.sampled_from('{}[]":,1a \t\n\r\0é')), st.text())


def request(query: bytes = b"", *headers: tuple[bytes, bytes]) -> Request:
    scope = {"type": "http", "method": "GET", "query_string": query, "headers": list(headers)}
    return Request.from_scope(scope, path="/")


@given(QUERIES)
def test_args_are_what_parse_qsl_says(text: str) -> None:
    query = text.encode("utf-8", "ignore")
    expected = parse_qsl(query.decode(), keep_blank_values=True, errors="werkzeug.url_quote")
    assert list(request(query).args.items(multi=True)) == sorted_as_multidict(expected)


def sorted_as_multidict(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    names = dict.fromkeys(name for name, _ in pairs)
    return [pair for name in names for pair in pairs if pair[0] == name]


def outcome(read: Any, document: bytes) -> tuple[str, Any]:
    try:
        return "value", repr(read(document))
    except ValueError as error:
        return type(error).__name__, str(error)


@given(DOCUMENTS, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be", "latin-1"]))
def test_loads_is_what_json_says(text: str, encoding: str) -> None:
    document = text.encode(encoding, "ignore")
    assert outcome(App("shortcuts").json.loads, document) == outcome(json.loads, document)


@pytest.mark.parametrize("text", ["[1]", "[1]\n", ' {"a": [1, 2]} ', "[1", "{", "[]x", "", "[1]\x0b", "{\0"])
def test_loads_of_whole_and_broken_documents(text: str) -> None:
    assert outcome(App("shortcuts").json.loads, text.encode()) == outcome(json.loads, text.encode())


@pytest.mark.parametrize("header", ["", "text/plain; charset=utf-8", "a/b; " + "c=d; " * 40])
def test_parameters_of_a_content_type_belong_to_one_request(header: str) -> None:
    first, second = (request(b"", (b"content-type", header.encode())) for _ in range(2))
    first.mimetype_params["mine"] = "1"
    assert (second.mimetype, second.mimetype_params) == parse_options_header(header)


variable: ContextVar[int] = ContextVar("variable")


async def test_a_coroutine_whose_first_step_was_taken_goes_on_in_its_context() -> None:
    async def work() -> int:
        import asyncio

        variable.set(1)
        await asyncio.sleep(0)
        variable.set(variable.get() + 1)
        return variable.get()

    context, coroutine = copy_context(), work()
    wish = context.run(coroutine.send, None)
    bridge: Bridge = None  # type: ignore[assignment]  # no thread is asked for
    assert await InContext(coroutine, context, bridge, wish) == 2
    assert variable.get(None) is None and context[variable] == 2
