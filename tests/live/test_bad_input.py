"""What a client sends wrong is a 4xx or is parsed, never a 500; what the app answers wrong is a whole 500."""

from __future__ import annotations

import logging

import pytest

from asyncflask import Response, abort, send_from_directory
from asyncflask import request as current

from .servers import JSON, URLENCODED, request


@pytest.fixture
def everything(app, tmp_path):
    """Routes that touch all there is to a request."""
    (tmp_path / "there.txt").write_text("there")

    def touch(path=""):
        auth = current.authorization
        return {
            "path": current.path,
            "full": current.full_path,
            "url": current.url,
            "args": list(current.args.items(multi=True)),
            "cookies": list(current.cookies.items(multi=True)),
            "auth": None if auth is None else [auth.type, auth.username, auth.password, auth.token],
            "accept": str(current.accept_mimetypes) + str(current.accept_languages) + str(current.accept_charsets),
            "range": str(current.range) + str(current.if_range) + str(current.if_match) + str(current.if_none_match),
            "dates": str(current.date) + str(current.if_modified_since) + str(current.if_unmodified_since),
            "cache": str(current.cache_control) + str(current.pragma),
            "type": str(current.mimetype_params) + str(current.content_type) + str(current.content_length),
            "origin": str(current.origin) + str(current.referrer) + str(current.user_agent),
            "forwarded": str(current.access_route),
            "values": list(current.values.items(multi=True)),
            "form": list(current.form.items(multi=True)),
            "json": current.get_json(silent=True),
            "environ": len(str(current.environ)),
        }

    @app.route("/async/<path:path>", methods=["GET", "POST"])
    async def touch_async(path):
        return touch(path)

    app.add_url_rule("/def/<path:path>", "touch_def", touch, methods=["GET", "POST"])

    @app.get("/files/<path:name>")
    def files(name):
        return send_from_directory(tmp_path, name)

    app.static_folder = str(tmp_path)


LINES = [
    b"Authorization: Basic \xff\xfe",
    b"Authorization: Basic //79",
    b"Authorization: Basic " + b"A" * 50_000,
    b"Authorization: Basic !!!!",
    b"Authorization: Basic",
    b'Authorization: Digest username="\xff, a=b, =, ,,',
    b"Authorization: Digest a*=utf-8''%ff%fe",
    b"Authorization: Bearer \xe9",
    b"Authorization: \xff\xff\xff",
    b"Cookie: a=\xff\xfe; \xff=b; session=\xff.\xff.\xff",
    b'Cookie: =; ;;;==; a="\\777\\0"',
    b"Cookie: session=eyJ.aaa.bbb",
    b"Cookie: a=" + b"x" * 60_000,
    b"Accept: \xff/\xfe;q=x, */*;q=99999999999999999999, ;;;",
    b"Accept-Language: \xff;q=nan, en;q=inf",
    b"Range: bytes=99999999999999999999999-, -5, x-y",
    b"Range: bytes=\xb2-\xb3",
    b"If-Range: \xff",
    b"If-Modified-Since: \xff Feb 31 99999999999",
    b"If-Modified-Since: Thu, 99 Jan 99999 99:99:99 +9999999",
    b"Date: 0",
    b'If-None-Match: "\xff, W/',
    b"Cache-Control: max-age=\xff, =, max-age=99999999999999999999",
    b"Content-Type: \xff/\xff; charset=\xff; boundary*=x''%",
    b"X-Forwarded-For: \xff, ,,,",
    b"User-Agent: \xff\xfe",
    b"Referer: http://[::1",
    b"Origin: \xff",
    b"Content-Encoding: \xff",
    b"Transfer-Encodin: \xff",
    b"Host2: \xff",
]
TARGETS = [
    b"/{}/%ff%fe",
    b"/{}/%c0%af..%2f..%2f",
    b"/{}/%00",
    b"/{}/%",
    b"/{}/%zz",
    b"/{}/x?%ff=%fe&%00=%",
    b"/{}/x?" + b"&".join([b"a=%ff"] * 1000),
    b"/{}/x?a=" + b"b" * 20_000,
    b"/{}/x?;=&&&=&?&#",
    b"/{}/\xff\xfe",
    b"/{}/x?\xff=\xfe",
    b"/{}/%ed%a0%80",
    b"/{}/%f0%9f%98%80?%f0%9f=",
    b"//{}//x",
    b"http://other.test/{}/x",
    b"http://\xff/{}/x",
    b"//[::1/{}/x",
    b"*",
    b"other.test:80",
    b"/{}/../../x",
    b"/%2e%2e/{}/x",
    b"/\\..\\{}",
]


@pytest.mark.parametrize("kind", ["def", "async"])
def test_headers_that_cannot_be_decoded(app, serve_each, everything, kind):
    live = serve_each(app)
    for line in LINES:
        assert live.get(f"/{kind}/x", line).status in (200, 400, 431), line
    live.alive()


@pytest.mark.parametrize("kind", [b"def", b"async"])
def test_targets_that_cannot_be_decoded(app, serve_each, everything, kind):
    live = serve_each(app)
    for target in TARGETS:
        answer = live.get(target.replace(b"{}", kind))
        assert answer.status in (200, 308, 400, 404), target
        live.alive()


@pytest.mark.parametrize("kind", ["def", "async"])
def test_forms_that_cannot_be_decoded(app, serve_each, everything, kind):
    live = serve_each(app)
    for body in (b"\xff\xfe=\xff", b"%ff=%fe&%", b"a=%zz&&&=&", b"\0=\0", b"%ed%a0%80=%00", b"a" * 70_000 + b"=\xff"):
        assert live.ask(request("POST", f"/{kind}/x", URLENCODED, body=body)).status in (200, 400), body[:20]
    live.alive()


@pytest.mark.parametrize("path", ["/static/", "/files/"])
def test_paths_that_the_file_system_refuses(app, serve_each, everything, path):
    live = serve_each(app)
    assert live.get(path + "there.txt").text == "there"
    for name in ("n" * 300, "n/" * 3000, "%00", "there.txt%00", "%ff", "%2e%2e/%2e%2e/etc/passwd", "..%5c..%5cetc",
                 "there.txt/x", "%ed%a0%80", "con", "%0d%0a", "."):  # fmt: skip
        assert live.get(path + name).status in (404, 400), name[:20]
    live.alive()


@pytest.mark.parametrize("method", ["get", "GETT", "PROPFIND", "X" * 300, "TRACE", "CONNECT", "OPTIONS", "HEAD"])
def test_methods(app, serve_each, everything, method):
    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request(method, "/async/x"))
        assert wire.answer(method).status in (200, 400, 404, 405)
    live.alive()


BAD = {
    "value CR": lambda: ("x", {"X": "a\rb"}),
    "value LF": lambda: ("x", {"X": "a\nSet-Cookie: evil=1"}),
    "value NUL": lambda: ("x", {"X": "a\0b"}),
    "value not latin-1": lambda: ("x", {"X": "\u20ac"}),
    "name CR LF": lambda: ("x", {"X\r\nSet-Cookie": "evil=1"}),
    "name space": lambda: ("x", {"X Y": "1"}),
    "name colon": lambda: ("x", {"X:": "1"}),
    "name empty": lambda: ("x", {"": "1"}),
    "status 99": lambda: ("x", 99),
    "status 1000": lambda: ("x", 1000),
    "nothing": lambda: None,
    "a number": lambda: 7,
    "a pair of pairs": lambda: ("x", 200, {}, 1),
    "content type": lambda: Response("x", content_type="text/plain\r\nEvil: 1"),
}


@pytest.mark.parametrize("kind", ["def", "async"])
def test_a_bad_answer_is_a_whole_500(app, serve_each, kind):
    def cookie(**options):
        response = Response("x")
        response.set_cookie(options.pop("key", "k"), options.pop("value", "v"), **options)
        return response

    def header_behind_the_back():
        response = Response("x")
        response.headers._list.append(("X", "a\r\nSet-Cookie: evil=1"))
        return response

    bad = BAD | {
        "cookie domain": lambda: cookie(domain="a.test\r\nEvil: 1"),
        "cookie domain ;": lambda: cookie(domain="a.test; Path=/evil"),
        "cookie domain NUL": lambda: cookie(domain="a\0"),
        "cookie domain long": lambda: cookie(domain="a" * 70 + ".test"),
        "cookie domain empty label": lambda: cookie(domain="a..test"),
        "cookie name": lambda: cookie(key="a\r\nb"),
        "header behind the back": header_behind_the_back,
        "stream with a bad header": lambda: Response((piece for piece in ["a"]), headers=[("X\n", "1")]),
    }

    @app.get("/def/<name>")
    def view(name):
        return bad[name]()

    @app.get("/async/<name>")
    async def view_async(name):
        return bad[name]()

    live = serve_each(app)
    with live.connect() as wire:  # the connection survives all of them
        for name in bad:
            wire.send(request("GET", f"/{kind}/{name.replace(' ', '%20')}"))
            answer = wire.answer()
            assert (answer.status, answer.whole) == (500, True), name
            assert "evil" not in str(answer.headers).lower() + answer.text.lower(), name
            assert answer["content-type"] == "text/html; charset=utf-8"
    live.alive()


def test_a_bad_cookie_domain_in_the_configuration_is_a_500(app, serve_each):
    from asyncflask import session

    app.config["SESSION_COOKIE_DOMAIN"] = "a.test\r\nEvil: 1"

    @app.get("/")
    async def index():
        session["x"] = 1
        return "x"

    live = serve_each(app)
    answer = live.get("/")
    assert (answer.status, answer.whole, answer["evil"]) == (500, True, None)
    live.alive()


@pytest.mark.parametrize("kind", ["def", "async"])
def test_log_lines_are_escaped(app, serve_each, caplog, kind):
    @app.get("/def/<path>")
    def fails(path):
        raise ZeroDivisionError

    @app.get("/async/<path>")
    async def fails_async(path):
        raise ZeroDivisionError

    live = serve_each(app, access_log=True)
    with caplog.at_level(logging.INFO):
        assert live.get(f"/{kind}/%0d%0aERROR%20forged%1b[31m%7f%c2%85%e2%80%a8").status == 500
        assert live.get(f"/{kind}/x%0aforged?a=%0aforged").status == 500
    ours = [record for record in caplog.records if record.name == app.logger.name]
    assert len(ours) == 2
    for record in caplog.records:
        assert record.getMessage().isprintable(), record.getMessage()


@pytest.mark.parametrize("kind", ["def", "async"])
def test_every_teardown_runs_and_errors_are_collected(app, serve_each, kind):
    ran, server_saw = [], []

    @app.teardown_request
    def first(error):
        ran.append(1)

    @app.teardown_request
    def second(error):
        ran.append(2)
        raise KeyError("second")

    @app.teardown_appcontext
    async def third(error):
        ran.append(3)
        raise ValueError("third")

    @app.teardown_appcontext
    def fourth(error):
        ran.append(4)

    @app.get("/def")
    def view():
        return "x"

    @app.get("/async")
    async def view_async():
        abort(418)

    async def seen(scope, receive, send):
        try:
            await app(scope, receive, send)
        except BaseExceptionGroup as group:
            server_saw.extend(type(error) for error in group.exceptions)
            raise

    live = serve_each(seen)
    live.tolerate()
    assert live.get(f"/{kind}").status == 500
    assert sorted(ran) == [1, 2, 3, 4]
    assert server_saw == [KeyError, ValueError]


def test_json_over_and_over_on_one_connection(app, serve_each):
    """After each bad request a good one is answered, where the connection is kept."""

    @app.post("/json")
    async def view():
        return {"got": current.json}

    live = serve_each(app)
    with live.connect() as wire:
        for bad in (b"[" * 100_000, b"{", b"\xff", b"nope"):
            wire.send(request("POST", "/json", JSON, body=bad))
            assert wire.answer().status == 400
            wire.send(request("POST", "/json", JSON, body=b'{"a": 1}'))
            assert wire.answer().json == {"got": {"a": 1}}
