"""The request, from a scope and from an environ: one and the same."""

from __future__ import annotations

import gc
import io
import json
import warnings
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    HTTPException,
    RequestEntityTooLarge,
    SecurityError,
    UnsupportedMediaType,
)
from werkzeug.routing import Rule
from werkzeug.sansio.http import parse_cookie
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request as BaseRequest

from asyncflask.wrappers import Request
from asyncflask.wrappers.body import Body
from asyncflask.wrappers.stream import BodyStream

MULTIPART = "multipart/form-data; boundary=bb"
FORM = "application/x-www-form-urlencoded"
UPLOAD = (
    b'--bb\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--bb\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\n\r\ndata\r\n--bb--\r\n'
)


def make_scope(headers=(), **changes):
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/app/p",
        "raw_path": b"/app/p",
        "root_path": "/app",
        "query_string": b"q=1&q=2",
        "headers": [(b"host", b"example.org"), *((k.encode(), v.encode("latin-1")) for k, v in headers)],
        "client": ("192.0.2.1", 4321),
        "server": ("127.0.0.1", 8000),
        **changes,
    }


def make_body(data, declared=None, limit=None):
    body = Body(limit, declared)
    body.feed(data)
    body.finish()
    return body


def make(data=b"", content_type=None, cls=Request, headers=(), **changes):
    headers = [*headers, ("content-length", str(len(data)))]
    if content_type:
        headers.append(("content-type", content_type))
    scope = make_scope(headers, **changes)
    return cls.from_scope(scope, make_body(data, len(data)), path="/p", root_path="/app")


def chunked(data, limit=None, cut=False):
    body = Body(limit)
    body.feed(data)
    if cut:
        body.cut()
    else:
        body.finish()
    return Request.from_scope(make_scope([("transfer-encoding", "chunked")]), body, path="/p", root_path="/app")


@pytest.fixture
def config(monkeypatch):
    values = {"DEBUG": False, "MAX_CONTENT_LENGTH": None, "MAX_FORM_MEMORY_SIZE": 500_000, "MAX_FORM_PARTS": 1000}
    monkeypatch.setattr(Request, "current_config", staticmethod(lambda: values))
    return values


@pytest.fixture(autouse=True)
def no_app(monkeypatch):
    monkeypatch.setattr(Request, "current_config", staticmethod(lambda: None))


# From a scope


def test_nothing_is_made_before_it_is_touched():
    request = make()
    assert not {"scheme", "headers", "environ", "args", "path"} & set(vars(request))
    assert request.path is request.path
    assert "path" in vars(request)


def test_the_line_and_the_addresses():
    request = make(method="patch", scheme="https")
    assert request.method == "PATCH"
    assert request.scheme == "https"
    assert request.server == ("127.0.0.1", 8000)
    assert (request.root_path, request.path, request.query_string) == ("/app", "/p", b"q=1&q=2")
    assert request.remote_addr == "192.0.2.1"
    assert request.args.getlist("q") == ["1", "2"]
    assert request.is_secure
    assert repr(request) == "<Request 'https://example.org/app/p?q=1&q=2' [PATCH]>"
    assert not request.is_disconnected


def test_what_a_server_may_leave_out():
    scope = make_scope()
    for key in ("scheme", "server", "client", "query_string", "root_path"):
        del scope[key]
    request = Request.from_scope(scope, path="x")
    assert (request.scheme, request.server, request.remote_addr) == ("http", None, None)
    assert (request.root_path, request.path, request.query_string) == ("", "/x", b"")
    assert not request.args and not request.cookies
    assert request.environ["PATH_INFO"] == "x"


def test_attributes_can_be_assigned():
    request = make()
    request.path = "/other"
    request.method = "PUT"
    assert (request.path, request.method) == ("/other", "PUT")


URLS = ["url", "base_url", "root_url", "url_root", "host_url", "host", "full_path", "script_root", "path", "root_path"]


@pytest.mark.parametrize("path", ["/", "/a//b", "/ü ?#", "/%41", "//x"])
@pytest.mark.parametrize("root_path", ["", "/app", "/ä/"])
@pytest.mark.parametrize("host", ["example.org", "example.org:80", "[::1]:5000", "bad host"])
def test_urls_are_those_of_a_wsgi_request(path, root_path, host):
    scope = make_scope()
    scope["headers"] = [(b"host", host.encode())]
    request = Request.from_scope(scope, path=path, root_path=root_path)
    wsgi = BaseRequest(dict(Request.from_scope(scope, path=path, root_path=root_path).environ))
    for name in URLS:
        assert getattr(request, name) == getattr(wsgi, name), name


def test_trusted_hosts_are_checked():
    request = make()
    request.trusted_hosts = ["other.org"]
    with pytest.raises(SecurityError):
        _ = request.host


def test_environ_knows_the_request_and_the_scope():
    request = make(b"abc")
    environ = request.environ
    assert environ["werkzeug.request"] is request
    assert environ["asgi.scope"] is request.scope
    assert environ["wsgi.input"] is request.input_stream
    assert request.input_stream.read() == b"abc"
    assert (request.is_multithread, request.is_multiprocess, request.is_run_once) == (True, False, False)
    assert request.remote_user is None


def test_the_test_clients_environ_shines_through():
    link = SimpleNamespace(environ={"REMOTE_USER": "kim"})
    assert make(**{"asyncflask.client": link}).remote_user == "kim"


def test_a_subclass_with_its_own_init_gets_an_environ():
    class Own(Request):
        def __init__(self, environ, populate_request=True, shallow=False):
            super().__init__(environ, populate_request, shallow)
            self.seen = environ["REQUEST_METHOD"], self.form["a"]

    request = make(b"a=1", FORM, Own, method="PUT")
    assert request.seen == ("PUT", "1")
    assert request.environ["werkzeug.request"] is request
    assert request.scope["type"] == "http"


def test_a_subclass_with_its_own_init_and_a_body_that_comes_later():
    class Own(Request):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)

    request = Own.from_scope(make_scope([("content-length", "3")]), path="/p")
    request.asgi_body = make_body(b"abc", 3)
    assert request.data == b"abc"


def with_cookies(text, cls=Request):
    request = make(headers=[("cookie", text)], cls=cls)
    request.header_bytes = {b"cookie": text.encode("latin-1")}  # as the ASGI side says where no name is repeated
    return request


COOKIE_PIECES = ["a", "b=1", "b=2", "=", ";", "; ", " ", '"', "\t", "é", "x=y=z", ",", "\\073", "a=b; c=d", 'q="1 2"']


@settings(deadline=None)
@given(st.lists(st.sampled_from(COOKIE_PIECES), max_size=7))
def test_cookies_are_what_werkzeug_reads(pieces):
    text = "".join(pieces)
    cookies = with_cookies(text).cookies
    assert cookies == BaseRequest({"HTTP_COOKIE": text}).cookies
    assert type(cookies) is BaseRequest.dict_storage_class
    assert list(cookies.items(multi=True)) == list(parse_cookie(text).items(multi=True))


def test_cookies_may_be_kept_in_a_class_of_ones_own():
    class Own(Request):
        dict_storage_class = MultiDict

    request = with_cookies("a=1; b=2; a=3", Own)
    assert type(request.cookies) is MultiDict
    assert request.cookies.getlist("a") == ["1", "3"]


def test_cookies_and_typed_headers():
    request = make(headers=[("cookie", "a=1"), ("cookie", 'b="2"'), ("if-none-match", '"x"'), ("max-forwards", "x")])
    assert request.cookies.to_dict() == {"a": "1", "b": "2"}
    assert "x" in request.if_none_match
    assert request.max_forwards is None


# From an environ


def test_a_wsgi_request_is_werkzeugs():
    environ = EnvironBuilder("/p?q=1", method="POST", data={"a": "1"}).get_environ()
    request = Request(environ)
    assert environ["werkzeug.request"] is request
    assert (request.path, request.args["q"], request.form["a"]) == ("/p", "1", "1")
    assert request.asgi_body is None and request.scope is None
    assert Request({}, populate_request=False).method == "GET"
    assert Request.from_values("/x").path == "/x"


@pytest.mark.parametrize("name", ["data", "form", "stream"])
def test_a_shallow_request_has_no_body(name):
    request = Request(EnvironBuilder(method="POST", data={"a": "1"}).get_environ(), shallow=True)
    with pytest.raises(RuntimeError, match="shallow"):
        getattr(request, name)


# The body


def test_data_is_the_very_bytes_that_came():
    data = b"x" * 1000
    body = make_body(data, 1000)
    request = Request.from_scope(make_scope([("content-length", "1000")]), body, path="/p")
    assert request.get_data() is data
    assert request.get_data() is data
    assert request.stream.read() == b""


def test_a_body_attached_after_matching():
    request = Request.from_scope(make_scope([("content-length", "3")]), path="/p")
    source = request.environ["wsgi.input"]
    request.asgi_body = make_body(b"abc", 3)
    assert source.read(1) == b"a"
    assert request.data == b"bc"


def test_no_body_was_read():
    request = Request.from_scope(make_scope([("content-type", FORM)]), path="/p")
    assert (request.data, dict(request.form), request.stream.read()) == (b"", {}, b"")


def test_stream_and_wsgi_input_are_one():
    request = make(b"abcdef")
    assert request.stream.read(2) == b"ab"
    assert request.environ["wsgi.input"].read(2) == b"cd"
    assert request.stream.read() == b"ef"


def test_a_replaced_wsgi_input_is_read_through():
    request = make(b"a=1", FORM)
    request.environ["wsgi.input"] = io.BytesIO(request.environ["wsgi.input"].read().upper())
    assert request.form.to_dict() == {"A": "1"}


def both(data, content_type):
    """The same request from a scope and as Werkzeug's own."""
    environ = EnvironBuilder(method="POST", input_stream=io.BytesIO(data), content_type=content_type).get_environ()
    environ["CONTENT_LENGTH"] = str(len(data))
    return make(data, content_type), BaseRequest(environ)


ACCESSES = {
    "data": lambda r: r.data,
    "get_data": lambda r: r.get_data(),
    "get_data uncached": lambda r: r.get_data(cache=False),
    "get_data as text": lambda r: r.get_data(as_text=True),
    "get_data parsed": lambda r: r.get_data(parse_form_data=True),
    "form": lambda r: dict(r.form.lists()),
    "files": lambda r: [(k, f.filename, f.read()) for k, f in r.files.items()],
    "values": lambda r: sorted(k for k in dict(r.values.lists()) if k != "q"),
    "stream": lambda r: r.stream.read(),
    "json": lambda r: r.get_json(silent=True),
}


@pytest.mark.parametrize("data, content_type", [(UPLOAD, MULTIPART), (b"a=1", FORM), (b"a=1", "text/plain")])
@pytest.mark.parametrize("second", ACCESSES)
@pytest.mark.parametrize("first", ACCESSES)
def test_any_two_reads_give_what_werkzeug_gives(first, second, data, content_type):
    ours, theirs = both(data, content_type)
    for access in (ACCESSES[first], ACCESSES[second]):
        assert access(ours) == access(theirs)
    ours.close()
    theirs.close()


def test_a_streamed_body_is_handed_on_and_read_in_a_thread():
    async def pull():
        return chunks.pop(0) if chunks else b""

    def block(awaitable):
        with pytest.raises(StopIteration) as end:
            awaitable.send(None)
        return end.value.value

    chunks = [b'{"a":', b" 1}"]
    scope = make_scope([("content-type", "application/json")])
    request = Request.from_scope(scope, path="/p")
    request.asgi_body = BodyStream(pull, block)
    assert request.json == {"a": 1}
    assert request.stream is request.asgi_body
    chunks[:] = [b"a=1&", b"b=2"]
    form = Request.from_scope(make_scope([("content-type", FORM)]), BodyStream(pull, block), path="/p")
    assert form.form.to_dict() == {"a": "1", "b": "2"}
    chunks[:] = [b"abc"]
    small = Request.from_scope(make_scope(), BodyStream(pull, block), path="/p")
    small.max_content_length = 2
    with pytest.raises(RequestEntityTooLarge):
        small.get_data()
    declared = Request.from_scope(make_scope(), BodyStream(pull, block, content_length=3), path="/p")
    declared.max_content_length = 2
    with pytest.raises(RequestEntityTooLarge):
        _ = declared.stream


# Limits


def test_limits_come_from_the_request_then_the_app_then_werkzeug(config, monkeypatch):
    config.update(MAX_CONTENT_LENGTH=100, MAX_FORM_MEMORY_SIZE=50, MAX_FORM_PARTS=3)
    request = Request({})
    limits = ("max_content_length", "max_form_memory_size", "max_form_parts")
    assert [getattr(request, name) for name in limits] == [100, 50, 3]
    for name in limits:
        setattr(request, name, 9)
    assert [getattr(request, name) for name in limits] == [9, 9, 9]
    request.max_form_parts = None
    assert request.max_form_parts == 3
    monkeypatch.setattr(Request, "current_config", staticmethod(lambda: None))
    assert [getattr(Request({}), name) for name in limits] == [None, 500_000, 1000]
    assert request.max_content_length == 9


READS = ["data", "form", "json", "stream"]


@pytest.mark.parametrize("name", READS)
def test_a_declared_excess_is_413(config, name):
    config["MAX_CONTENT_LENGTH"] = 2
    for body in (None, Body(2, 3)):
        scope = make_scope([("content-length", "3"), ("content-type", "application/json")])
        request = Request.from_scope(scope, body, path="/p")
        with pytest.raises(RequestEntityTooLarge):
            getattr(request, name)


@pytest.mark.parametrize("name", ["data", "stream"])
def test_a_counted_excess_is_413(config, name):
    config["MAX_CONTENT_LENGTH"] = 2
    with pytest.raises(RequestEntityTooLarge):
        getattr(chunked(b"abc", limit=2), name)
    assert chunked(b"ab", limit=2).data == b"ab"


def test_the_limit_of_one_request_can_be_lowered_and_raised(config):
    config["MAX_CONTENT_LENGTH"] = 4
    lowered = chunked(b"abc", limit=4)
    lowered.max_content_length = 2
    with pytest.raises(RequestEntityTooLarge):
        _ = lowered.data
    raised = Request.from_scope(make_scope(), Body(4, 6), path="/p")
    raised.max_content_length = 6
    assert raised.asgi_body.wants_more
    raised.asgi_body.feed(b"abcdef")
    assert raised.data == b"abcdef"


def test_a_cut_body_is_400():
    for name in ("data", "stream"):
        with pytest.raises(ClientDisconnected):
            getattr(chunked(b"abc", cut=True), name)
    request = Request.from_scope(make_scope([("content-length", "4")]), make_body(b"abc", 4), path="/p")
    with pytest.raises(ClientDisconnected):
        request.get_json(force=True)


def test_too_many_parts_and_too_large_fields_are_413(config):
    config["MAX_FORM_PARTS"] = 1
    with pytest.raises(RequestEntityTooLarge):
        _ = make(UPLOAD, MULTIPART).files
    config.update(MAX_FORM_PARTS=1000, MAX_FORM_MEMORY_SIZE=10)
    with pytest.raises(RequestEntityTooLarge):
        _ = make(UPLOAD, MULTIPART).form
    config.update(MAX_FORM_MEMORY_SIZE=500_000)
    with pytest.raises(RequestEntityTooLarge):
        _ = make(b"a=1&" * 100_000, FORM).form


# JSON


def read_json(data, content_type="application/json", **options):
    return make(data, content_type).get_json(**options)


def test_json():
    assert read_json(b'{"a": [1]}') == {"a": [1]}
    assert read_json(b"1", "application/vnd.x+json") == 1
    assert read_json(b"1", "text/plain", force=True) == 1
    request = make(b"[]", "application/json")
    assert request.json is request.json
    assert request.data == b"[]"


BAD_JSON = [
    b"",
    b"{",
    b"\xff",
    b'"\xff"',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"9" * 10_000,
    b"\x00",
    b"\xff\xfe{",
]


@pytest.mark.parametrize("data", BAD_JSON, ids=lambda data: repr(data[:6]))
def test_bad_json_is_400_or_silently_none(config, data):
    assert read_json(data, silent=True) is None
    with pytest.raises(BadRequest) as caught:
        read_json(data)
    assert caught.value.description == BadRequest.description
    config["DEBUG"] = True
    with pytest.raises(BadRequest, match="Failed to decode JSON object"):
        read_json(data)


def test_another_type_is_415_or_silently_none(config):
    assert read_json(b"1", "text/plain", silent=True) is None
    with pytest.raises(UnsupportedMediaType):
        read_json(b"1", "text/plain")


def test_what_on_json_loading_failed_returns_is_the_result():
    class Lenient(Request):
        def on_json_loading_failed(self, e):
            return type(e).__name__

    assert make(b"{", "application/json", Lenient).json == "JSONDecodeError"
    assert make(b"[" * 100_000, "application/json", Lenient).json == "ValueError"


def test_json_module_can_be_replaced():
    class Upper(Request):
        json_module = SimpleNamespace(loads=lambda data: json.loads(data.upper()))

    assert make(b'"a"', "application/json", Upper).json == "A"


# Routing


def test_routing_attributes_before_and_after_a_match():
    request = make()
    assert (request.url_rule, request.view_args, request.routing_exception) == (None, None, None)
    assert (request.endpoint, request.blueprint, request.blueprints) == (None, None, [])
    request.url_rule = Rule("/", endpoint="index")
    assert (request.endpoint, request.blueprint, request.blueprints) == ("index", None, [])
    request.url_rule = Rule("/", endpoint="a.b.index")
    assert (request.endpoint, request.blueprint, request.blueprints) == ("a.b.index", "a.b", ["a.b", "a"])
    request.blueprints.append("mine")
    assert request.blueprints == ["a.b", "a"]


def test_in_debug_mode_a_missing_file_says_why(config):
    config["DEBUG"] = True
    request = make(b"f=x.txt", FORM)
    with pytest.raises(KeyError, match="multipart/form-data"):
        request.files["f"]
    with pytest.raises(BadRequest):
        request.files["other"]
    uploaded = make(UPLOAD, MULTIPART)
    with pytest.raises(BadRequest):
        uploaded.files["a"]
    uploaded.close()


# Bad input


NAMES = [
    *("authorization", "accept", "accept-language", "cache-control", "if-match", "if-range", "range", "date"),
    *("max-forwards", "cookie", "content-type", "content-length", "x-forwarded-for", "pragma", "host"),
]
PIECES = [
    *("basic ", "digest ", "bearer ", "=", '"', "''", "*", "utf-8", ";", ",", "bytes=", "-", "0", "9" * 30, "q=", "\\"),
    *("multipart/form-data", "boundary=", "%ff", "\xff", "\xc3", " ", "W/", ":", "[", "]", "*0*=", "charset=", "\x00"),
]
VALUES = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
PARSED = [
    *("args", "cookies", "authorization", "access_route", "full_path", "url", "host", "content_length", "mimetype"),
    *("mimetype_params", "pragma", "accept_mimetypes", "accept_charsets", "accept_encodings", "accept_languages"),
    *("cache_control", "if_match", "if_none_match", "if_modified_since", "if_range", "range", "user_agent", "date"),
    *("max_forwards", "form", "files", "values", "data", "environ"),
]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=3), VALUES)
def test_no_header_and_no_query_makes_more_than_a_400(headers, query):
    request = make(b"abc", headers=headers, query_string=query.encode("latin-1"))
    for name in PARSED:
        try:
            getattr(request, name)
        except HTTPException as error:
            assert 400 <= error.code < 500
    request.close()


@pytest.mark.parametrize(
    "name, changes",
    [
        ("args", {"query_string": b"a=\xff"}),
        ("full_path", {"query_string": b"a=\xff"}),
        ("authorization", {"headers": [("authorization", "Basic \xe9")]}),
    ],
)
def test_undecodable_is_400(name, changes):
    with pytest.raises(BadRequest):
        getattr(make(**changes), name)


def test_undecodable_percent_escapes_stay_as_they_are():
    assert make(query_string=b"a=%ff&b").args.to_dict() == {"a": "%FF", "b": ""}
    assert make(headers=[("cookie", 'a="\\377"')]).cookies["a"] == "\ufffd"
    assert make(headers=[("authorization", "Basic !")]).authorization is None


# Closing


def spooled_upload(end=b"--bb--\r\n"):
    data = b'--bb\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
    return data + b"x" * 600_000 + b"\r\n" + end


@pytest.mark.parametrize("end", [b"--bb--\r\n", b"--bb\r\nbroken", b"--bb\r\nA: b\r\n\r\nv\r\n"])
def test_files_made_while_parsing_are_closed_with_the_request(end):
    request = make(spooled_upload(end), MULTIPART)
    if end == b"--bb--\r\n":
        assert len(request.files) == 1
    else:
        with pytest.raises(BadRequest):
            _ = request.files
    (file,) = request._files
    assert not file.closed
    request.close()
    assert file.closed


def test_files_are_closed_when_parsing_raised(config):
    config["MAX_FORM_PARTS"] = 1
    request = make(spooled_upload(b'--bb\r\nContent-Disposition: form-data; name="g"\r\n\r\n\r\n--bb--'), MULTIPART)
    with pytest.raises(RequestEntityTooLarge):
        _ = request.files
    (file,) = request._files
    request.close()
    assert file.closed


def test_a_file_stream_of_a_subclass_is_closed_too():
    made = []

    class Own(Request):
        def _get_file_stream(self, total_content_length, content_type, filename=None, content_length=None):
            made.append(io.BytesIO())
            return made[-1]

    with make(UPLOAD, MULTIPART, Own) as request:
        assert isinstance(request.files["f"], FileStorage)
        assert request.files["f"].stream is made[0]
    assert made[0].closed


def test_no_resource_warning_is_left():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        body = Body(None, None, spool_at=10)
        body.feed(spooled_upload())
        body.spool()
        body.finish()
        request = Request.from_scope(make_scope([("content-type", MULTIPART)]), body, path="/p")
        assert request.files["f"].read(1) == b"x"
        request.close()
        assert body._spool.file.closed
        del request, body
        gc.collect()


def test_who_is_half_way_through_the_stream_may_read_on():
    body = Body(None, None, spool_at=10)
    body.feed(b"x" * 200_000)
    body.spool()
    body.finish()
    request = Request.from_scope(make_scope(), body, path="/p")
    stream = request.stream
    assert stream.read(10) == b"x" * 10
    request.close()
    assert len(stream.read()) == 199_990
    assert body._spool.file.closed
