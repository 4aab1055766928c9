"""Short ways through query strings, content types and JSON: each gives what the long way gives."""

from __future__ import annotations

import json
from contextvars import ContextVar, copy_context
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.utils import get_current_url
from werkzeug.wrappers import Request as BaseRequest

from asyncflask import App
from asyncflask.threads import Bridge, InContext
from asyncflask.wrappers import Request
from asyncflask.wrappers.body import WholeBody
from asyncflask.wrappers.form import FormParser
from asyncflask.wrappers.request_head import current_url

QUERIES = st.one_of(st.text(st.sampled_from("ab=&;%+ é2")), st.text())
URLENCODED = b"application/x-www-form-urlencoded"
DOCUMENTS = st.one_of(st.text(st.sampled_from('{}[]":,1a \t\n\r\0é')), st.text())


def request(query: bytes = b"", *headers: tuple[bytes, bytes]) -> Request:
    scope = {"type": "http", "method": "GET", "query_string": query, "headers": list(headers)}
    return Request.from_scope(scope, path="/")


@given(QUERIES)
def test_args_are_what_parse_qsl_says(text: str) -> None:
    query = text.encode("utf-8", "ignore")
    expected = parse_qsl(query.decode(), keep_blank_values=True, errors="werkzeug.url_quote")
    assert list(request(query).args.items(multi=True)) == sorted_as_multidict(expected)


@given(QUERIES)
def test_forms_are_what_parse_qsl_says(text: str) -> None:
    data = text.encode("utf-8", "ignore")
    expected = parse_qsl(data.decode(), keep_blank_values=True, errors="werkzeug.url_quote")
    assert list(posted(data).form.items(multi=True)) == sorted_as_multidict(expected)


def posted(data: bytes, kind: type[Request] = Request, content_type: bytes = URLENCODED) -> Request:
    headers = {b"content-type": content_type, b"content-length": b"%d" % len(data)}
    scope = {"type": "http", "method": "POST", "headers": list(headers.items())}
    made = kind.from_scope(scope, WholeBody(data, None), path="/")
    made.header_bytes = headers
    return made


class ByTheBook(Request):
    """One that parses forms in Werkzeug's way."""

    def make_form_data_parser(self) -> Any:
        return super().make_form_data_parser()


@pytest.mark.parametrize("data", [b"a=1&a=2&b=%C3%A9+x", b"", b"\xff=1", b"&".join([b"a=1"] * 60), b"a" * 100])
@pytest.mark.parametrize("content_type", [URLENCODED, URLENCODED + b"; charset=utf-8", b"text/plain", b""])
@pytest.mark.parametrize("first", ["form", "data", "values", "stream", "get_data"])
def test_a_form_and_its_body_are_as_by_the_book(data: bytes, content_type: bytes, first: str) -> None:
    def seen(kind: type[Request]) -> list[Any]:
        asked = posted(data, kind, content_type)
        asked.max_form_parts = 1
        found: list[Any] = []
        for name in (first, "form", "files", "data", "stream", "form"):
            try:
                value = getattr(asked, name)
                value = value() if name == "get_data" else value.read() if name == "stream" else value
            except HTTPException as error:
                value = type(error)
            found.append((name, value, type(value)))
        return found

    assert seen(Request) == seen(ByTheBook)


@pytest.mark.parametrize("name", ["form", "data"])
def test_a_form_over_the_limit_is_refused(name: str) -> None:
    asked = posted(b"a=1")
    asked.max_content_length = 2
    with pytest.raises(RequestEntityTooLarge):
        getattr(asked, name)


def test_what_a_subclass_does_with_forms_counts() -> None:
    class Own(Request):
        def _load_form_data(self) -> None:
            self.__dict__["form"] = "own"

    class Parser(FormParser):
        def _parse_urlencoded(self, stream: Any, *rest: Any) -> Any:
            return stream, self.cls({"own": "1"}), self.cls()

    class Parsing(Request):
        form_data_parser_class = Parser

    class Ordered(Request):
        parameter_storage_class = MultiDict  # type: ignore[assignment]

    own = posted(b"x", Own, b"text/plain")
    assert own.data == b"x" and own.form == "own"
    assert posted(b"a=1", Parsing).form.to_dict() == {"own": "1"}
    assert type(posted(b"a=1", Ordered).form) is MultiDict


PIECES = ["/", "//", "a", "B.", "~", "%20", "%", "?", "#", ":", "@", ";", "[", "é", " ", "\t", "+"]
PATHS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
HOSTS = st.sampled_from(["localhost", "A.example:80", "[::1]:5", "", "xn--bcher-kva.de", "a..b", "example.com:"])


@given(st.sampled_from(["http", "https"]), HOSTS, PATHS, PATHS, PATHS)
def test_urls_are_what_werkzeug_says(scheme: str, host: str, root_path: str, path: str, query: str) -> None:
    parts = scheme, host, root_path, path, query.encode()
    try:
        expected = get_current_url(*parts)
    except ValueError as error:
        with pytest.raises(type(error)):
            current_url(*parts)
    else:
        assert current_url(*parts) == expected


ACCEPTS = ["", "text/html", "text/html,application/json;q=0.9,*/*;q=0.1", "gzip;q=0", "de-CH, en;q=x", "a" * 500, ";"]


@pytest.mark.parametrize("header", ACCEPTS)
@pytest.mark.parametrize("name", ["mimetypes", "charsets", "encodings", "languages"])
def test_what_is_accepted_is_what_werkzeug_says(header: str, name: str) -> None:
    field = b"accept" if name == "mimetypes" else b"accept-" + name[:-1].encode()
    first, second = (request(b"", (field, header.encode())) for _ in range(2))
    for asked in (first, second, request()):
        found, expected = (getattr(kind, f"accept_{name}").__get__(asked) for kind in (Request, BaseRequest))
        assert (type(found), list(found), found.provided) == (type(expected), list(expected), expected.provided)
    with pytest.raises(TypeError):
        getattr(first, f"accept_{name}").append(("x", 1))


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
