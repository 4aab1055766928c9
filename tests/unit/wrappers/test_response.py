"""The response: whatever is done to it, the same as Werkzeug's; and its ASGI side."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
import threading
from datetime import UTC, datetime
from http import HTTPStatus
from types import SimpleNamespace

import pytest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import NotFound
from werkzeug.test import EnvironBuilder, run_wsgi_app
from werkzeug.utils import redirect as make_redirect
from werkzeug.wrappers import Response as BaseResponse

from asyncflask.wrappers import Request, Response
from asyncflask.wrappers import response as response_module
from asyncflask.wrappers.redirect import redirect
from asyncflask.wrappers.response import VARY


class Model(BaseResponse):
    """Werkzeug's response with Flask's default mimetype."""

    default_mimetype = "text/html"


@pytest.fixture(autouse=True)
def no_app(monkeypatch):
    monkeypatch.setattr(Request, "current_config", staticmethod(lambda: None))


def is_untouched(response):
    return list(vars(response)) == ["_plain"]


def wsgi_pairs(headers):
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]


async def agen(*items, closed=None):
    try:
        for item in items:
            yield item
    finally:
        if closed is not None:
            closed.append("agen")


def gen(*items, closed=None):
    try:
        yield from items
    finally:
        if closed is not None:
            closed.append("gen")


# Made lazily

MADE = {
    "str": lambda c: c("hé"),
    "bytes": lambda c: c(b"hi"),
    "empty": lambda c: c(""),
    "nothing": lambda c: c(),
    "bytearray": lambda c: c(bytearray(b"hi")),
    "list": lambda c: c(["a", b"b"]),
    "tuple": lambda c: c((b"a",)),
    "generator": lambda c: c(gen("a", b"b")),
    "status int": lambda c: c("hi", 404),
    "status unknown": lambda c: c("hi", 299),
    "status 204": lambda c: c("hi", 204),
    "status 304": lambda c: c("hi", 304),
    "status str": lambda c: c("hi", "201 Made"),
    "status enum": lambda c: c("hi", HTTPStatus.ACCEPTED),
    "headers": lambda c: c("hi", headers={"X-A": "b", "Content-Type": "a/b"}),
    "simple headers": lambda c: c("hi", 201, {"X-A": "b", "X-U": "é"}),
    "simple headers and a type": lambda c: c("hi", 201, {"X-A": "b"}, content_type="a/b"),
    "one name in two cases": lambda c: c("hi", headers={"X-A": "1", "x-a": "2"}),
    "several values": lambda c: c("hi", headers={"X-A": ["1", "2"]}),
    "a number": lambda c: c("hi", headers={"X-A": 1}),
    "length": lambda c: c("hi", headers={"X-A": "1", "content-length": "7"}),
    "vary": lambda c: c("hi", headers={"Vary": "Accept"}),
    "headers object": lambda c: c("hi", headers=Headers([("X-A", "1"), ("X-A", "2")])),
    "no headers": lambda c: c("hi", headers={}),
    "location": lambda c: c("hi", 302, {"Location": "/ü?a b"}),
    "304 with entity headers": lambda c: c("hi", 304, {"Content-Language": "en", "ETag": '"x"'}),
    "mimetype": lambda c: c("hi", mimetype="application/json"),
    "text mimetype": lambda c: c("hi", mimetype="text/css"),
    "content type": lambda c: c("hi", content_type="a/b; c=d"),
    "passthrough": lambda c: c([b"hi"], direct_passthrough=True),
    "passthrough str": lambda c: c("hi", direct_passthrough=True),
}


def amend(response, status=None, headers=None):
    """As `Response.amend`, for Werkzeug's too."""
    if isinstance(response, Response):
        response.amend(status, headers)
        return
    if isinstance(status, str):
        response.status = status
    elif status is not None:
        response.status_code = status
    response.headers.update(headers or {})


def vary_on_cookie(response):
    if not (isinstance(response, Response) and response.add_ready(VARY)):
        response.vary.add("Cookie")


DONE = {
    "nothing": lambda r: None,
    "header": lambda r: r.headers.add("X-B", "c"),
    "header replaced": lambda r: r.headers.__setitem__("Content-Type", "x/y"),
    "headers": lambda r: setattr(r, "headers", Headers({"X-B": "c"})),
    "status": lambda r: setattr(r, "status", "418 Tea"),
    "status code": lambda r: setattr(r, "status_code", 404),
    "mimetype": lambda r: setattr(r, "mimetype", "text/plain"),
    "data": lambda r: setattr(r, "data", "other"),
    "response": lambda r: setattr(r, "response", ["other ", "body"]),
    "response then header": lambda r: (setattr(r, "response", [b"other"]), r.headers.add("X-B", "c")),
    "all parts": lambda r: (
        setattr(r, "headers", Headers({"X-B": "c"})),
        setattr(r, "status_code", 201),
        setattr(r, "response", [b"other"]),
    ),
    "streamed": lambda r: setattr(r, "response", gen(b"other")),
    "length": lambda r: setattr(r, "content_length", 1),
    "length removed": lambda r: r.headers.pop("Content-Length", None),
    "freeze": lambda r: r.freeze(),
    "etag": lambda r: r.set_etag("x"),
    "cookie": lambda r: (r.set_cookie("a", "b"), r.set_cookie("c", "d")),
    "cookies of all kinds": lambda r: (
        r.set_cookie("a", "b", expires=0, path="/x", domain="example.com", samesite="lax", httponly=True),
        r.set_cookie("c", "d", expires=datetime(2030, 1, 1, tzinfo=UTC), secure=True, partitioned=True, path=None),
        r.set_cookie("e", "f", max_age=9),
        r.set_cookie("g", "f g;"),
        r.delete_cookie("h"),
    ),
    "cookie, then read": lambda r: (r.set_cookie("a", "b"), r.headers.add("X-B", "c"), r.set_cookie("c", "d")),
    "cookie, then amended": lambda r: (r.set_cookie("a", "b"), amend(r, 201, {"X-B": "c"})),
    "amended, then cookie": lambda r: (amend(r, 201, {"X-B": "c"}), r.set_cookie("a", "b"), vary_on_cookie(r)),
    "cookie, then vary said": lambda r: (r.set_cookie("a", "b"), vary_on_cookie(r), vary_on_cookie(r)),
    "vary said, then cookie": lambda r: (vary_on_cookie(r), r.set_cookie("a", "é"), r.set_cookie("c", "d")),
    "vary": lambda r: r.vary.add("Cookie"),
    "vary said": vary_on_cookie,
    "vary said, then read": lambda r: (vary_on_cookie(r), r.vary.add("Accept")),
    "vary said, then amended": lambda r: (vary_on_cookie(r), amend(r, 201, {"X-B": "c"})),
    "amended": lambda r: amend(r, 201, {"X-B": "c", "X-C": "d"}),
    "amended, then vary said": lambda r: (amend(r, None, {"X-B": "c"}), vary_on_cookie(r)),
    "amended twice": lambda r: (amend(r, 201, {"X-B": "c"}), amend(r, 202, {"x-b": "d"})),
    "amended with a status": lambda r: amend(r, 204),
    "amended with a reason": lambda r: amend(r, "299 Fine", {"X-A": "c"}),
    "amended with what is there": lambda r: amend(r, None, {"X-A": "c", "Content-Length": "1"}),
    "amended in two cases": lambda r: amend(r, None, {"X-B": "c", "x-b": "d"}),
    "amended, then read": lambda r: (amend(r, 201, {"X-B": "c"}), r.headers.add("X-C", "d")),
    "attribute": lambda r: setattr(r, "anything", 1),
    "own switch": lambda r: setattr(r, "automatically_set_content_length", False),
    "conditional": lambda r: (setattr(r, "date", 0), r.make_conditional(EnvironBuilder().get_environ())),
    "sequence": lambda r: None if r.direct_passthrough else r.make_sequence(),
}


@pytest.mark.parametrize("done", DONE)
@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_sent_is_what_werkzeug_sends(method, made, done):
    ours, theirs = MADE[made](Response), MADE[made](Model)
    DONE[done](ours)
    DONE[done](theirs)
    pieces, _, headers = theirs.get_wsgi_response({"REQUEST_METHOD": method})
    expected_body = b"".join(piece.encode() if isinstance(piece, str) else piece for piece in pieces)
    status, pairs, body, _ = ours.asgi_answer(method)
    assert status == theirs.status_code
    assert pairs == wsgi_pairs(headers)
    assert (b"".join(ours.asgi_pieces()) if body is None else body) == expected_body


READ = {
    "headers": lambda r: list(r.headers),
    "status": lambda r: (r.status, r.status_code),
    "response": lambda r: r.response,
    "data": lambda r: r.data,
    "text": lambda r: r.get_data(as_text=True),
    "json": lambda r: r.get_json(force=True, silent=True),
    "mimetype": lambda r: (r.mimetype, r.mimetype_params, r.content_type),
    "length": lambda r: (r.content_length, r.calculate_content_length()),
    "kind": lambda r: (r.is_streamed, r.is_sequence, r.is_json),
    "iter": lambda r: list(r.iter_encoded()),
    "passthrough": lambda r: r.direct_passthrough,
    "on close": lambda r: r._on_close,
}


@pytest.mark.parametrize("made", [name for name in MADE if name not in ("generator", "passthrough", "passthrough str")])
@pytest.mark.parametrize("read", READ)
def test_what_is_read_is_what_werkzeug_says(made, read):
    assert READ[read](MADE[made](Response)) == READ[read](MADE[made](Model))


@pytest.mark.parametrize("value", ["a\nb", "a\rb"])
def test_a_line_break_in_a_header_is_refused_at_once(value):
    for give in (lambda: Response("x", headers={"X-A": value}), lambda: Response("x").amend(None, {"X-A": value})):
        with pytest.raises(ValueError, match="newline"):
            give()


def test_the_signature_is_werkzeugs():
    assert list(inspect.signature(Response).parameters) == list(inspect.signature(BaseResponse).parameters)
    ours, theirs = (inspect.signature(c.set_cookie).parameters.values() for c in (Response, BaseResponse))
    assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]


def test_an_untouched_response_is_sent_from_ready_bytes():
    body = b"hi"
    response = Response(body)
    status, pairs, sent, left_to_do = response.asgi_answer("GET")
    assert (status, pairs) == (200, [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"2")])
    assert (sent, left_to_do) == (body, None)
    assert response.asgi_answer("HEAD") == (200, pairs, b"", None)
    assert not response.is_async_iterable and not response.has_close_work
    response.close()
    asyncio.run(response.close_async())
    assert is_untouched(response)


def test_class_defaults_are_followed():
    class Own(Response):
        default_status = 201
        default_mimetype = "text/plain"

    assert Own("x").asgi_start("GET")[0] == 201
    assert Own("x").asgi_start("GET")[1][0] == (b"content-type", b"text/plain; charset=utf-8")
    assert (Own("x").status, Own("x").mimetype) == ("201 CREATED", "text/plain")

    class Worded(Response):
        default_status = "202 Taken"
        default_mimetype = None
        automatically_set_content_length = False

    assert Worded("x").asgi_start("GET") == (202, [])
    assert Worded("x").status == "202 Taken"


@pytest.mark.parametrize("name", ["set_data", "iter_encoded", "get_wsgi_headers"])
def test_a_subclass_that_replaces_a_seam_is_called(name):
    calls = []

    def seam(self, *args):
        calls.append(name)
        return getattr(Response, name)(self, *args)

    own = type("Own", (Response,), {name: seam})
    response = own("x")
    response.asgi_start("GET")
    assert response.asgi_body("GET") == b"x"
    assert calls


def test_a_subclass_that_watches_its_attributes_sees_those_of_werkzeug():
    """Set and read in Werkzeug's order, under Werkzeug's names."""
    seen = []

    def watched(kind):
        class Watched(kind):
            def __setattr__(self, name, value):
                seen.append(name)
                super().__setattr__(name, value)

        return Watched

    watched(Model)("x")
    expected = seen.copy()
    seen.clear()
    watched(Response)("x")
    assert seen == expected


def test_a_subclass_that_finds_its_attributes_itself():
    class Own(Response):
        def __getattribute__(self, name):
            return Headers({"X-A": "b"}) if name == "headers" else super().__getattribute__(name)

    assert (b"x-a", b"b") in Own("x").asgi_answer("GET")[1]


def test_a_subclass_with_its_own_init():
    class Own(Response):
        def __init__(self, text):
            super().__init__(text, 201, mimetype="text/plain")
            self.headers["X-A"] = "b"

    status, pairs = Own("x").asgi_start("GET")
    assert (status, pairs[-1]) == (201, (b"x-a", b"b"))


def test_errors_of_the_arguments_are_raised_at_once():
    for bad in (lambda: Response("x", ""), lambda: Response("\ud800"), lambda: Response("x", content_type="a\r\nb: c")):
        with pytest.raises(ValueError):
            bad()


@pytest.mark.parametrize("read", READ)
def test_threads_may_share_a_response(monkeypatch, read):
    """As a view may return one that its module has made: it is read here while another thread completes it."""
    response, seen = Response("hi", 201, {"X-A": "b"}), []
    original = response_module.status_line

    def status_line(status):
        monkeypatch.undo()
        thread = threading.Thread(target=lambda: seen.append((response.headers, READ[read](response))))
        thread.start()
        thread.join()
        return original(status)

    monkeypatch.setattr(response_module, "status_line", status_line)
    assert response.status_code == 201
    ((headers, value),) = seen
    assert headers is response.headers and value == READ[read](response) == READ[read](Model("hi", 201, {"X-A": "b"}))
    assert not any(name == "_plain" for name in vars(response))


def test_an_attribute_that_nobody_set_is_missing():
    empty = Response.__new__(Response)
    with pytest.raises(AttributeError, match="'Response' object has no attribute 'headers'"):
        _ = empty.headers


def test_copies_and_pickles():
    response = Response("x", 201)
    twin = copy.copy(response)
    twin.headers["X-A"] = "b"
    assert is_untouched(response)
    stored = pickle.loads(pickle.dumps(response))
    assert (stored.data, stored.status_code) == (b"x", 201)


def test_force_type_both_ways():
    class Other(BaseResponse):
        pass

    ours = Response.force_type(NotFound().get_response())
    assert type(ours) is Response and ours.__class__ is Response
    assert ours.asgi_start("GET")[0] == 404
    theirs = Other.force_type(Response("x", 201))
    assert type(theirs) is Other
    assert (theirs.data, theirs.status_code, theirs.direct_passthrough) == (b"x", 201, False)
    theirs.close()


def test_from_a_wsgi_app_and_as_one():
    environ = EnvironBuilder().get_environ()
    pieces, status, headers = run_wsgi_app(Response("x", 201), environ)
    assert (b"".join(pieces), status, headers["Content-Length"]) == (b"x", "201 CREATED", "1")
    assert Response.from_app(Response("x"), environ).data == b"x"
    assert Response.force_type(BaseResponse("x"), environ).data == b"x"


def test_the_stream_writes_into_the_body():
    response = Response("a")
    response.stream.write(b"b")
    assert response.asgi_start("GET")[1][-1] == (b"content-length", b"2")
    assert response.asgi_body() == b"ab"


def test_json_module():
    class Own(Response):
        json_module = SimpleNamespace(loads=lambda data: json.loads(data.upper()))

    assert Own('"a"', mimetype="application/json").json == "A"
    assert Response("[1]", mimetype="application/json").json == [1]
    assert Response("x").json is None


def test_repr():
    assert repr(Response("hé")) == "<Response 3 bytes [200 OK]>"
    assert repr(Response(agen("a"))) == "<Response streamed [200 OK]>"


# Closing


def test_close_runs_what_was_given_and_closes_the_body():
    closed = []
    response = Response("x")
    assert response.call_on_close(lambda: closed.append("callback"))
    assert response.has_close_work
    response.close()
    body = gen("a", closed=closed)
    next(body)
    with Response(body) as streamed:
        streamed.call_on_close(lambda: closed.append("after"))
        assert streamed.has_close_work
    assert closed == ["callback", "gen", "after"]


def test_a_body_set_later_is_closed():
    closed = []
    body = gen("a", closed=closed)
    next(body)
    response = Response("x")
    response.response = body
    assert response.has_close_work
    response.close()
    assert closed == ["gen"]


def test_a_close_of_a_subclass_is_called():
    closed = []

    class Own(Response):
        def close(self):
            closed.append("own")
            super().close()

    assert Own("x").has_close_work
    asyncio.run(Own("x").close_async())
    assert closed == ["own"]


# Async bodies


def run_pieces(response, take=None):
    async def main():
        found = []
        pieces = response.asgi_pieces_async()
        async for piece in pieces:
            found.append(piece)
            if len(found) == take:
                break
        await response.close_async()
        return found

    return asyncio.run(main())


def test_an_async_body_is_streamed_as_bytes():
    response = Response(agen("é", b"b"))
    assert response.is_async_iterable and response.is_streamed and not response.is_sequence
    assert response.asgi_start("GET") == (200, [(b"content-type", b"text/html; charset=utf-8")])
    assert response.asgi_body("GET") is None
    assert response.asgi_body("HEAD") == b""
    assert run_pieces(response) == ["é".encode(), b"b"]


def test_an_async_iterable_that_is_no_iterator():
    closed = []

    class Rows:
        def __aiter__(self):
            return agen("a", "b", closed=closed)

    assert run_pieces(Response(Rows()), take=1) == [b"a"]
    assert closed == ["agen"]


def test_an_async_body_is_closed_half_way_and_unstarted():
    closed = []
    response = Response(agen("a", "b", closed=closed))
    response.call_on_close(lambda: closed.append("callback"))
    assert run_pieces(response, take=1) == [b"a"]
    assert closed == ["agen", "callback"]
    unstarted = agen("a")
    asyncio.run(Response(unstarted).close_async())
    assert unstarted.ag_frame is None


def test_callbacks_run_though_closing_the_body_fails():
    class Bad:
        def __aiter__(self):
            return self

        async def aclose(self):
            raise OSError("gone")

    closed = []
    response = Response(Bad())
    response.call_on_close(lambda: closed.append("callback"))
    with pytest.raises(OSError, match="gone"):
        asyncio.run(response.close_async())
    assert closed == ["callback"]


@pytest.mark.parametrize(
    "read", [lambda r: r.get_data(), lambda r: r.data, lambda r: r.freeze(), lambda r: list(r.iter_encoded())]
)
def test_sync_reads_of_an_async_body_say_what_to_do(read):
    with pytest.raises(RuntimeError, match=r"async iterable \(async_generator\).*is_streamed"):
        read(Response(agen("a")))


def test_an_async_body_can_be_made_conditional():
    response = Response(agen("a")).make_conditional(EnvironBuilder().get_environ())
    assert response.content_length is None


def test_a_body_that_is_both_is_read_by_sync_code():
    class Both:
        def __iter__(self):
            return iter([b"a"])

        def __aiter__(self):
            return agen("a")

    assert not Response(Both()).is_async_iterable
    assert list(Response(Both()).asgi_pieces()) == [b"a"]


# Headers


@pytest.mark.parametrize("value", ["a\0b", "€"])
def test_a_header_that_cannot_be_sent_is_refused_by_name(value):
    response = Response("x")
    response.headers["X-Bad"] = value
    with pytest.raises(ValueError, match="'X-Bad'"):
        response.asgi_start("GET")
    with pytest.raises(ValueError, match="'Content-Type'"):
        Response("x", content_type=value).asgi_start("GET")


def test_a_header_name_that_cannot_be_sent_is_refused():
    response = Response("x")
    response.headers["X Bad"] = "a"
    with pytest.raises(ValueError, match="'X Bad'"):
        response.asgi_start("GET")


def test_location_is_made_absolute_if_the_class_asks_for_it():
    class Absolute(Response):
        autocorrect_location_header = True

    scope = {"type": "http", "method": "GET", "path": "/p", "headers": [(b"host", b"example.org")]}
    request = Request.from_scope(scope, path="/p")
    response = Absolute("x", 302, {"Location": "/ü"})
    assert (b"location", b"http://example.org/%C3%BC") in response.asgi_start("GET", request)[1]


@pytest.mark.parametrize("status", [0, 100, 199, 600, "Fine"])
def test_a_status_that_servers_refuse(status):
    response = Response("x", status)
    with pytest.raises(ValueError, match="from 200 to 599"):
        response.asgi_start("GET")
    response.status_code = 599
    assert response.asgi_start("GET")[0] == 599
    assert Response("x", status).status == BaseResponse("x", status).status


# Cookies


def test_cookies_keep_their_own_lines():
    response = Response("x")
    response.set_cookie("a", "1", domain="example.org", partitioned=True)
    response.delete_cookie("b")
    lines = [value for name, value in response.asgi_start("GET")[1] if name == b"set-cookie"]
    assert lines[0] == b"a=1; Domain=example.org; Secure; Path=/; Partitioned"
    assert lines[1].startswith(b"b=; Expires=Thu, 01 Jan 1970")


@pytest.mark.parametrize("bad", ["example.org; Secure", "a\r\nX: y", "a\0", "\x7f"])
def test_a_cookie_cannot_smuggle(bad):
    response = Response("x")
    for arguments in ({"domain": bad}, {"expires": bad}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            response.set_cookie("a", "1", **arguments)
    with pytest.raises(ValueError, match="name"):
        response.set_cookie(bad, "1")
    with pytest.raises(ValueError, match="domain"):
        response.delete_cookie("a", domain=bad)
    assert is_untouched(response)


def test_the_cookie_limit_follows_the_app(monkeypatch):
    assert Response("x").max_cookie_size == BaseResponse.max_cookie_size
    monkeypatch.setattr(Request, "current_config", staticmethod(lambda: {"MAX_COOKIE_SIZE": 10}))
    assert Response("x").max_cookie_size == 10
    with pytest.warns(UserWarning, match="too large"):
        Response("x").set_cookie("a", "1" * 20)


LOCATIONS = [
    "/x",
    "/x?a=b&c=%20",
    "/<b>",
    "/é",
    "//x/y",
    "https://example.com/a b",
    "",
    "x",
    "/x?",
    "/a?b&c='d'",
    "http://localhost:8000/slash/?a=b&c",
    "https://a.b-c.example/x//y",
    "http://Upper.example/",
    "http://user@example.com:80/",
    "/a#b",
    "/" + "a" * 2000,
]


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("code", [302, 308])
def test_a_redirect_is_werkzeugs(location, code):
    made, model = redirect(location, code, Response), make_redirect(location, code, BaseResponse)
    status, pairs, body, _ = made.asgi_answer("GET")
    expected = [(name.lower().encode(), value.encode()) for name, value in model.get_wsgi_headers({})]
    assert (status, pairs, body) == (code, expected, model.data)
    again = redirect(location, code, Response)
    assert (again.status, list(again.headers), again.data) == (model.status, list(model.headers), model.data)


def test_most_redirects_stay_untouched_and_may_be_looked_at():
    response = redirect("/x", 302, Response)
    assert is_untouched(response)
    response.headers["Location"] = "/y é"
    assert dict(response.asgi_answer("GET")[1])[b"location"] == b"/y%20%C3%A9"


def test_a_redirect_of_another_class_is_made_by_it():
    class Own(Response):
        autocorrect_location_header = True

    class Strange(Response):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.headers["X-Own"] = "1"

    scope = {"type": "http", "method": "GET", "headers": [(b"host", b"here.example")]}
    asked = Request.from_scope(scope, path="/a/b")
    answer = redirect("/x", 302, Own).asgi_answer("GET", asked)
    assert dict(answer[1])[b"location"] == b"http://here.example/x"
    assert redirect("/x", 302, Strange).headers["X-Own"] == "1"
    assert type(redirect("/x", 302, BaseResponse)) is BaseResponse


def test_a_location_given_with_a_response_is_sent_as_it_is():
    response = Response("", 303, {"Location": "/x?a=b"})
    assert is_untouched(response) and (b"location", b"/x?a=b") in response.asgi_answer("GET")[1]
    assert (b"location", b"/%C3%A9") in Response("", 303, {"Location": "/é"}).asgi_answer("GET")[1]


def test_cookies_are_set_alike_whether_a_response_was_looked_at_or_not():
    untouched, touched = Response("x"), Response("x")
    assert touched.headers
    for response in (untouched, touched):
        response.set_cookie("a", "b", httponly=True, expires=0)
        response.set_cookie("a", "b;é", samesite="Lax")
        response.delete_cookie("c")
    assert untouched.asgi_answer("GET") == touched.asgi_answer("GET")
    assert len(untouched.headers.getlist("Set-Cookie")) == 3


@pytest.mark.parametrize("status", [204, 304])
def test_what_is_left_without_a_body_is_what_werkzeug_leaves(status):
    names = (
        "ETag",
        "Content-Length",
        "content-language",
        "Last-Modified",
        "Allow",
        "Expires",
        "Content-Location",
        "X-A",
    )
    headers = [(name, f"/{name} é") for name in names]
    made, model = Response("body", status, headers), BaseResponse("body", status, headers, mimetype="text/html")
    expected = [(name.lower().encode(), value.encode("latin-1")) for name, value in model.get_wsgi_headers({})]
    assert made.asgi_answer("GET")[:3] == (status, expected, b"")


def test_of_two_spellings_of_location_the_last_is_sent() -> None:
    headers = {"Location": "/a", "location": "/b"}
    assert BaseResponse("x", 201, headers).get_wsgi_headers({}).getlist("Location") == ["/b"]
    _, pairs, _, _ = Response("x", 201, headers).asgi_answer("GET")
    assert [value for name, value in pairs if name == b"location"] == [b"/b"]
