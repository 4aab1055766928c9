"""The corpus: what is sent to both applications, and the status that Flask is known to answer with.

A case is one request or several by one client, which keeps its cookies. Each group is a function that yields cases; the
expected statuses are there so that a mistake in the corpus does not hide as "both say 404".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .raw import Raw

JSON = (("Content-Type", "application/json"),)
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)


@dataclass(frozen=True)
class Case:
    """Requests by one client to one flavour of the application.

    Args:
        name: unique; what the table of differences calls it.
        steps: the requests, in order.
        status: what Flask answers to the last of them.
        flavour: which application.
    """

    name: str
    steps: tuple[Raw, ...]
    status: int
    flavour: str = "main"


def one(
    status: int,
    target: str,
    method: str = "GET",
    *,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    flavour: str = "main",
    note: str = "",
    pieces: int = 1,
    declared: str | None = None,
    host: bool = True,
) -> Case:
    """A case of one request, named after it."""
    raw = Raw(method, target, headers, body, pieces, declared, host)
    shown = target if len(target) < 60 else f"{target[:50]}..."
    name = " ".join(filter(None, [flavour if flavour != "main" else "", method, shown, note]))
    return Case(name, (raw,), status, flavour)


def steps(name: str, status: int, *targets: str | Raw, flavour: str = "main") -> Case:
    """A case of several requests; a target alone is a GET."""
    raws = tuple(Raw("GET", target) if isinstance(target, str) else target for target in targets)
    return Case(name, raws, status, flavour)


# --- routing


def matching() -> Iterator[Case]:
    found = """
        / /hello /multi /split /branch/ /branch/leaf /loose /loose/ /a/b/c /with%20space /%E2%98%83 /semi;colon /u/me
        /u/you /int/0 /int/42 /int/007 /int/%D9%A4%D9%A2 /bounded/3 /bounded/10 /fixed/0042 /signed/-7 /signed/7
        /float/1.5 /float-signed/-0.25 /str/abc /str/a%20b /str/%C3%A9 /str/%FF /str/a%0Ab /str/. /str/a%00b /str/a+b
        /str/%25 /str/%2525 /str/a%3Fb /str/a%23b /str/~!$&'()*,;=:@ /two/de /some/ab /some/abcd /path/a
        /path/a/b/c.txt /path/a//b /path/a/edit /path/edit /path/a/b/edit /path/edit/edit /path/a%2Fb /tree/a/b/
        /tree/a/ /uuid/01234567-89ab-cdef-0123-456789ABCDEF /colour/red /colour/light%20blue /even/8 /items/a+b+c
        /v1.20 /mixed/a-b-3/x /caf%C3%A9/ol%C3%A9 /pages/ /pages/2 /item/5 /shop/ /shop/cart/3 /second/ /second/cart/3
        /in/de/words /urls //hello ///hello /echo/url /echo/url/x/y
    """
    for target in found.split():
        yield one(200, target)


def not_found() -> Iterator[Case]:
    missing = """
        /nothing /hello/ /Hello /hello%20 /hello%2F /hello%00 /int/ /int/x /int/-1 /int/1.0 /int/1%0A /bounded/2
        /bounded/11 /fixed/42 /float/1 /float/-1.5 /str/ /str/a/b /two/d /two/deu /some/a /some/abcde /path/
        /uuid/1234 /colour/blue /even/7 /items/ /v1 /mixed/a-b/x /caf%E9/x /u/ /split/x /only-built /shop/nothing
        /second/nothing /static/ /static/nothing.txt /int/99999999999999999999x /shop/missing /shop/cart/missing
        /broken/gone /.. /%2e%2e /hello/../multi
    """
    for target in missing.split():
        yield one(404, target)
    yield one(404, "/int/" + "9" * 5000, note="too many digits for int()")
    yield one(500, "/broken/x", note="an error in a converter")
    yield one(500, "/url-missing")


def moved() -> Iterator[Case]:
    for target in (
        "/branch",
        "/old/target",
        "/static//etc/passwd",
        "/static/%2Fetc/passwd",
        "/branch?q=1&r=%C3%A9",
        "/a//b/c",
        "/a/b//c?x=%20y",
        "/a///b//c",
        "/tree/a/b",
        "/shop",
        "/second",
        "/pages",
        "/pages/1",
        "/pages/1?x=1",
        "/thing/5",
        "/thing/5?q=1",
        "/item//5",
        "/shop//cart/3",
        "/shop/cart//3",
    ):
        yield one(308, target)
    yield one(404, "/with%20space//")
    yield one(308, "/branch", "POST", body=b"a=1", headers=FORM)
    yield one(308, "/branch", "HEAD")
    yield one(404, "/branch", "DELETE")
    yield one(308, "/branch", headers=(("Host", "other.example:8080"),), note="other host")
    yield one(308, "//branch", note="two slashes in front")
    yield one(308, "/caf%C3%A9//x")


def methods() -> Iterator[Case]:
    for target in (
        "/",
        "/hello",
        "/str/x",
        "/echo/url?q=1",
        "/return/dict",
        "/stream/numbers",
        "/static/hello.txt",
        "/u/x",
    ):
        yield one(200, target, "HEAD")
        yield one(200, target, "OPTIONS")
    for method, target, status in (
        ("POST", "/hello", 405),
        ("POST", "/multi", 200),
        ("POST", "/split", 200),
        ("HEAD", "/split", 200),
        ("PUT", "/split", 405),
        ("GET", "/put-only", 405),
        ("HEAD", "/put-only", 405),
        ("OPTIONS", "/put-only", 200),
        ("PUT", "/put-only", 200),
        ("BREW", "/brew", 200),
        ("GET", "/brew", 405),
        ("BREW", "/hello", 405),
        ("get", "/hello", 200),
        ("post", "/hello", 405),
        ("OPTIONS", "/own-options", 200),
        ("OPTIONS", "/no-options", 405),
        ("HEAD", "/no-options", 200),
        ("OPTIONS", "/nothing", 404),
        ("OPTIONS", "/split", 200),
        ("DELETE", "/u/me", 200),
        ("POST", "/u/me", 405),
        ("DELETE", "/u/x", 200),
        ("TRACE", "/hello", 405),
        ("POST", "/int/3", 405),
        ("DELETE", "/static/hello.txt", 405),
        ("HEAD", "/nothing", 404),
        ("HEAD", "/branch/", 200),
        ("HEAD", "/return/none", 500),
        ("OPTIONS", "/shop/", 200),
        ("POST", "/shop/", 405),
        ("POST", "/shop/cart/3", 405),
    ):
        yield one(status, target, method)
    upgrade = (("Connection", "Upgrade"), ("Upgrade", "websocket"))
    yield one(400, "/hello", headers=upgrade, note="upgrade to a websocket")
    yield one(200, "/hello", headers=(("Connection", "keep-alive"), ("Upgrade", "h2c")), note="another upgrade")


def queries() -> Iterator[Case]:
    for query in (
        "a=1&a=2&b",
        "a=caf%C3%A9",
        "a=%FF",
        "a=%E2%98",
        "a=%zz",
        "a=b=c",
        "=x",
        "&&a=1&&",
        "a=1;b=2",
        "a+b=c+d",
        "a=%2B%26%3D",
        "a=%00",
        "a[]=1&a[]=2",
        "%61=1",
        "?",
        "a=" + "x" * 5000,
        "&".join(f"k{n}={n}" for n in range(200)),
        "a=%F0%9F%98%80",
        "a#b",
    ):
        yield one(200, f"/echo/url?{query}")
    yield one(200, "/echo/url?", note="an empty query")
    for target in ("/args-key?name=x", "/args-int?n=12", "/args-int?n=x", "/args-int"):
        yield one(200, target)
    yield one(400, "/args-key")
    yield one(400, "/args-key?Name=x")
    for path in ("%C3%A9/%FF", "a%2Fb", "%3Fq", "a;b=1", "%252F", "a%20b?q=%20"):
        yield one(200, f"/echo/url/{path}")


def hosts() -> Iterator[Case]:
    def to(status: int, host: str, target: str = "/", flavour: str = "hosts") -> Case:
        return one(status, target, headers=(("Host", host),), flavour=flavour, note=f"host {host}")

    yield to(200, "one.example.com")
    yield to(200, "ONE.example.com")
    yield to(200, "joe.people.example.com")
    yield to(404, "two.example.com")
    yield to(404, "people.example.com")
    yield to(200, "one.example.com:8080", "/deep/")
    yield to(308, "one.example.com:8080", "/deep")
    yield to(404, "one.example.com", "/deep/")
    yield to(200, "static.example.com", "/static/hello.txt")
    yield to(404, "one.example.com", "/static/hello.txt")
    yield to(200, "example.com", flavour="subdomains")
    yield to(200, "example.com:80", flavour="subdomains")
    yield to(200, "api.example.com", flavour="subdomains")
    yield to(200, "joe.example.com", "/me/", "subdomains")
    yield to(308, "joe.example.com", "/me", "subdomains")
    yield to(404, "example.com", "/me/", "subdomains")
    yield to(404, "a.b.example.com", flavour="subdomains")
    yield to(200, "good.example", flavour="trusting")
    yield to(200, "good.example:99", flavour="trusting")
    yield to(200, "a.wide.example", flavour="trusting")
    yield to(400, "bad.example", flavour="trusting")
    yield to(400, "bad.example", "/nothing", "trusting")
    for host in ("localhost:8080", "[::1]:80", "127.0.0.1", "EXAMPLE.com", "xn--n3h.example", "localhost:80"):
        yield to(200, host, "/echo/url", "main")
    for host in ("a b", "a/b", "x@y", "a\\b", "[::1", "a:b:c", "caf\xe9.example", "<x>"):
        yield to(200, host, "/echo/url", "main")
    yield one(200, "/echo/url", host=False, note="no host")


# --- bodies


def json_bodies() -> Iterator[Case]:
    good = {
        "object": b'{"name": "x", "n": [1, 2.5, null, true]}',
        "array": b"[1, 2]",
        "string": b'"text"',
        "number": b" 12 ",
        "unicode": '{"name": "\u2603"}'.encode(),
        "escapes": rb'{"name": "\u2603\ud83d\ude00"}',
        "lone surrogate": rb'["a\ud800"]',
        "utf-16": '{"name": 1}'.encode("utf-16"),
        "utf-8 bom": b"\xef\xbb\xbf[1]",
        "same key twice": b'{"a": 1, "a": 2}',
        "NaN": b"[NaN, Infinity]",
        "nested": b"[" * 50 + b"]" * 50,
    }
    for note, body in good.items():
        yield one(200, "/json", "POST", headers=JSON, body=body, note=note)
    bad = {
        "nothing": b"",
        "cut": b'{"name": ',
        "single quotes": b"{'a': 1}",
        "invalid utf-8": b'{"a": "\xff"}',
        "trailing": b"[1] x",
        "spaces": b"  ",
        "nul": b"\x00",
    }
    for note, body in bad.items():
        yield one(400, "/json", "POST", headers=JSON, body=body, note=note)
        yield one(200, "/json-silent", "POST", headers=JSON, body=body, note=note)
    yield one(500, "/json", "POST", headers=JSON, body=b"[" * 100_000, note="deep")
    for kind, status in (
        ("text/plain", 415),
        ("application/vnd.api+json", 200),
        ("application/json; charset=latin-1", 200),
        ("APPLICATION/JSON", 200),
        ("application/x-json", 415),
        ("json", 415),
        ("", 415),
    ):
        headers = (("Content-Type", kind),)
        yield one(status, "/json", "POST", headers=headers, body=b"[1]", note=f"as {kind!r}")
        yield one(status, "/json-property", "POST", headers=headers, body=b"[1]", note=f"as {kind!r}")
    yield one(415, "/json")
    yield one(200, "/json-force", "POST", body=b"[1]", note="no type")
    yield one(400, "/json-force", "POST", body=b"[1", note="no type, cut")
    yield one(200, "/json-silent", "POST", body=b"[1]", note="no type")
    yield one(500, "/json-key", "POST", headers=JSON, body=b'{"other": 1}', note="no such key")
    yield one(200, "/json-key", "POST", headers=JSON, body=b'{"name": "n"}')


def form_bodies() -> Iterator[Case]:
    for note, body in {
        "plain": b"name=x&b=2&b=3&empty=",
        "encoded": b"name=caf%C3%A9+%2B&k%20ey=v",
        "invalid utf-8": b"name=%FF&a=\xff",
        "raw bytes": "name=caf\xe9".encode(),
        "no equals": b"name&other",
        "ampersands": b"&&name=x&&",
        "semicolons": b"name=x;b=2",
        "nothing": b"",
        "nul": b"name=%00",
        "newline": b"name=x\r\n",
    }.items():
        yield one(200, "/echo/body?q=1", "POST", headers=FORM, body=body, note=note)
    yield one(200, "/echo/body", "POST", headers=FORM, body=b"name=" + b"x" * 5000, pieces=7, note="in pieces")
    yield one(200, "/echo/body", "PUT", headers=FORM, body=b"name=put")
    yield one(200, "/echo/body", "PATCH", headers=FORM, body=b"name=patch")
    yield one(200, "/echo/body", "DELETE", headers=FORM, body=b"name=delete")
    yield one(200, "/form-key", "POST", headers=FORM, body=b"name=x")
    yield one(400, "/form-key", "POST", headers=FORM, body=b"other=x", note="other")
    yield one(400, "/form-key", "POST", headers=JSON, body=b'{"name": 1}', note="json")
    yield one(400, "/form-key")
    charset = (("Content-Type", "application/x-www-form-urlencoded; charset=latin-1"),)
    yield one(200, "/echo/body", "POST", headers=charset, body=b"name=%E9", note="latin-1")
    capitals = (("Content-Type", "Application/X-WWW-Form-Urlencoded"),)
    yield one(200, "/echo/body", "POST", headers=capitals, body=b"name=x", note="capitals")
    for target in ("/data-then-form", "/form-then-data", "/data", "/text", "/stream", "/lines", "/unread"):
        yield one(200, target, "POST", headers=FORM, body=b"name=x&b=%E2%98%83")
    for target in ("/data", "/text", "/stream", "/lines"):
        yield one(200, target, "POST", body=b"line one\nline \xff two\r\nthree", note="plain bytes")
        yield one(200, target, note="no body")


BOUNDARY = "----parity"


def part(disposition: str, content: bytes, kind: str | None = None, extra: str = "") -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n"
    if kind is not None:
        head += f"Content-Type: {kind}\r\n"
    return (head + extra + "\r\n").encode("utf-8") + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def multipart(boundary: str = BOUNDARY) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", f"multipart/form-data; boundary={boundary}"),)


def uploads() -> Iterator[Case]:
    field = part('form-data; name="name"', b"value")
    file = part('form-data; name="upload"; filename="a.txt"', b"file content\n\x00\xff", "text/plain")
    for note, body in {
        "field and file": field + file + END,
        "two files": file + part('form-data; name="upload"; filename="b.bin"', b"b" * 3000) + END,
        "empty file": part('form-data; name="upload"; filename=""', b"", "application/octet-stream") + END,
        "utf-8 name": part('form-data; name="upload"; filename="\u2603.txt"', b"snow") + END,
        "encoded name": part("form-data; name=\"upload\"; filename*=UTF-8''%E2%98%83.txt", b"snow") + END,
        "quoted name": part('form-data; name="upload"; filename="a\\"b.txt"', b"q") + END,
        "path in name": part('form-data; name="upload"; filename="../../etc/passwd"', b"p") + END,
        "windows path": part('form-data; name="upload"; filename="C:\\dir\\a.txt"', b"w") + END,
        "field charset": part('form-data; name="name"', b"caf\xe9", "text/plain; charset=latin-1") + END,
        "invalid utf-8 field": part('form-data; name="name"', b"\xff") + END,
        "part headers": part('form-data; name="name"', b"v", None, "X-Extra: 1\r\n") + END,
        "preamble": b"preamble\r\n" + field + END + b"epilogue",
        "line ends inside": part('form-data; name="name"', b"a\r\nb\r\n\r\nc") + END,
        "boundary inside": part('form-data; name="name"', b"x --" + BOUNDARY.encode() + b" y") + END,
        "no parts": END,
        "nothing": b"",
        "no end": field + file,
        "cut in a header": field + b"--" + BOUNDARY.encode() + b"\r\nContent-Dispo",
        "no disposition": f"--{BOUNDARY}\r\nX: 1\r\n\r\nv\r\n".encode() + END,
        "no name": part("form-data", b"v") + END,
        "wrong boundary": b"--other\r\n\r\nx\r\n--other--\r\n",
        "not multipart": b"name=value",
    }.items():
        yield one(200, "/echo/body", "POST", headers=multipart(), body=body, note=f"multipart, {note}")
    big = part('form-data; name="upload"; filename="big"', bytes(range(256)) * 3000, "application/x-big")
    yield one(200, "/echo/body", "POST", headers=multipart(), body=field + big + END, pieces=50, note="multipart, big")
    yield one(
        200, "/echo/body", "POST", headers=multipart("x y"), body=b"--x y--\r\n", note="multipart, boundary with space"
    )
    yield one(
        200,
        "/echo/body",
        "POST",
        headers=(("Content-Type", "multipart/form-data"),),
        body=field + END,
        note="no boundary",
    )
    yield one(200, "/file-key", "POST", headers=multipart(), body=file + END)
    yield one(400, "/file-key", "POST", headers=multipart(), body=field + END, note="only a field")
    yield one(400, "/file-key", "POST", headers=FORM, body=b"upload=a.txt", note="as a form")
    yield one(200, "/data-then-form", "POST", headers=multipart(), body=field + file + END, note="multipart")
    yield one(200, "/form-then-data", "POST", headers=multipart(), body=field + file + END, note="multipart")


def framing() -> Iterator[Case]:
    yield one(200, "/data", "POST", body=b"chunk" * 100, pieces=9, declared="chunked", note="chunked")
    yield one(200, "/stream", "POST", body=b"chunk" * 100, pieces=9, declared="chunked", note="chunked")
    yield one(200, "/json", "POST", headers=JSON, body=b'{"a": 1}', pieces=3, declared="chunked", note="chunked")
    yield one(200, "/echo/body", "POST", headers=FORM, body=b"a=1&b=2", pieces=3, declared="chunked", note="chunked")
    yield one(200, "/data", "POST", declared="0", note="length 0")
    yield one(400, "/data", "POST", body=b"12345", declared="10", note="too short")
    yield one(400, "/json", "POST", headers=JSON, body=b'{"a":', declared="10", note="too short")
    yield one(400, "/echo/body", "POST", headers=FORM, body=b"a=1", declared="10", note="too short")
    yield one(200, "/unread", "POST", body=b"12345", declared="10", note="too short")
    for length in ("abc", "-1", "1 2", "+5", "0x5"):
        yield one(200, "/data", "POST", body=b"12345", declared=length, note=f"length {length}")


def limits() -> Iterator[Case]:
    big = b"x" * 1001
    for target, status in (("/data", 413), ("/stream", 413), ("/unread", 200), ("/text", 413)):
        yield one(status, target, "POST", body=big, flavour="limited", note="over")
        yield one(200, target, "POST", body=big[:1000], flavour="limited", note="at the limit")
        yield one(200, target, "POST", body=big, pieces=5, declared="chunked", flavour="limited", note="over, chunked")
    yield one(413, "/json", "POST", headers=JSON, body=b'"' + big + b'"', flavour="limited", note="over")
    yield one(413, "/echo/body", "POST", headers=FORM, body=b"a=" + big, flavour="limited", note="over")
    for size in (700, 500):
        yield one(200, "/echo/body", "POST", headers=FORM, body=b"a=" + b"x" * size, flavour="limited", note=f"{size}")
    fields = [part(f'form-data; name="f{n}"', b"v") for n in range(4)]
    yield one(
        413, "/echo/body", "POST", headers=multipart(), body=b"".join(fields) + END, flavour="limited", note="4 parts"
    )
    yield one(
        200,
        "/echo/body",
        "POST",
        headers=multipart(),
        body=b"".join(fields[:3]) + END,
        flavour="limited",
        note="3 parts",
    )
    long_field = part('form-data; name="f"', b"v" * 700) + END
    yield one(413, "/echo/body", "POST", headers=multipart(), body=long_field, flavour="limited", note="long field")
    for size, status in ((700, 413), (400, 200)):
        file = part('form-data; name="f"; filename="f"', b"v" * size) + END
        yield one(
            status, "/echo/body", "POST", headers=multipart(), body=file, flavour="limited", note=f"file of {size}"
        )
    yield one(413, "/json-silent", "POST", headers=JSON, body=b'"' + big + b'"', flavour="limited", note="over")
    yield one(404, "/nothing", "POST", body=big, flavour="limited", note="over")
    yield one(405, "/echo/body", "GETX", body=big, flavour="limited", note="over")


# --- headers


def request_headers() -> Iterator[Case]:
    for note, pairs in {
        "none": (),
        "accept": (("Accept", "text/html;q=0.5, application/json, */*;q=0.1"),),
        "accept odd": (("Accept", "text/html;q=x, ;, a/b;q=2"),),
        "languages": (("Accept-Language", "de-AT, de;q=0.8, en;q=0.5"), ("Accept-Encoding", "gzip, br;q=0")),
        "cookies": (("Cookie", "a=1; b=two; a=3"),),
        "cookie odd": (("Cookie", 'q="x\\"y\\073"; ; =v; flag; c=a=b; d= e '),),
        "cookie utf-8": (("Cookie", "a=caf\xc3\xa9; b=\xff"),),
        "two cookie headers": (("Cookie", "a=1"), ("Cookie", "b=2")),
        "basic": (("Authorization", "Basic dXNlcjpwYTpzcw=="),),
        "basic odd": (("Authorization", "Basic !!!"),),
        "basic utf-8": (("Authorization", "Basic w6k6w6k="),),
        "basic latin-1": (("Authorization", "Basic 6Trp"),),
        "bearer": (("Authorization", "Bearer abc.def="),),
        "digest": (("Authorization", 'Digest username="u", realm="r", nc=1'),),
        "no scheme": (("Authorization", "token"),),
        "repeated": (("X-Test", "1"), ("X-Test", "2"), ("x-test", "3")),
        "latin-1": (("X-Test", "caf\xe9"),),
        "empty": (("X-Test", ""),),
        "underscore": (("X_Test", "no"), ("X-Test", "yes")),
        "forwarded": (("X-Forwarded-For", "1.2.3.4, 5.6.7.8"), ("X-Forwarded-Proto", "https")),
        "conditions": (("If-None-Match", '"a", W/"b"'), ("If-Match", "*"), ("If-Range", '"x"'), ("Range", "bytes=0-4")),
        "dates": (("If-Modified-Since", "Thu, 29 Feb 2024 12:30:15 GMT"), ("Date", "nonsense")),
        "cors": (
            ("Origin", "https://o"),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Headers", "X-A, b"),
        ),
        "cache": (("Cache-Control", "no-cache, max-age=0"), ("Pragma", "no-cache")),
        "who": (("User-Agent", "parity/1 (x; y)"), ("Referer", "http://r/?q=1"), ("Max-Forwards", "3")),
        "types": (
            ("Content-Type", 'text/plain; charset="utf-8"; a=b'),
            ("Content-Encoding", "gzip"),
            ("Content-MD5", "x"),
        ),
        "bad max-forwards": (("Max-Forwards", "x"),),
        "long": (("X-Test", "y" * 6000),),
        "dnt and dots": (("DNT", "1"), ("X.Y", "dot")),
    }.items():
        yield one(200, "/echo/headers", headers=pairs, note=note)


# --- responses


def return_types() -> Iterator[Case]:
    for name, status in {
        "str": 200,
        "empty": 200,
        "bytes": 200,
        "bytearray": 200,
        "dict": 200,
        "list": 200,
        "generator": 200,
        "iterator": 200,
        "status": 201,
        "status-text": 418,
        "headers": 200,
        "header-list": 200,
        "three": 202,
        "no-content": 204,
        "not-modified": 304,
        "response": 203,
        "response-tuple": 202,
        "make": 206,
        "make-empty": 200,
        "jsonify-args": 200,
        "jsonify-types": 200,
        "jsonify-bad": 500,
        "exception": 409,
        "wsgi": 418,
        "none": 500,
        "int": 500,
        "none-body": 500,
        "four": 500,
        "set": 500,
        "header-crlf": 500,
        "header-latin": 200,
        "object": 500,
        "status-over-599": 777,
        "missing-header": 500,
    }.items():
        yield one(status, f"/return/{name}")
    for name in ("generator", "no-content", "not-modified", "wsgi", "bytes"):
        yield one({"no-content": 204, "not-modified": 304, "wsgi": 418}.get(name, 200), f"/return/{name}", "HEAD")
    yield one(200, "/return/str", "POST", body=b"not read")


def error_answers() -> Iterator[Case]:
    for code in (
        400,
        401,
        403,
        404,
        405,
        406,
        409,
        410,
        412,
        413,
        415,
        416,
        418,
        428,
        429,
        431,
        451,
        500,
        501,
        502,
        503,
        504,
    ):
        yield one(code, f"/abort/{code}")
        yield one(code, f"/abort-text/{code}")
    yield one(499, "/abort/422", note="has a handler")
    for code in (200, 299, 600):
        yield one(500, f"/abort/{code}", note="no such error")
    for name, status in {
        "app": 400,
        "special": 200,
        "other": 400,
        "zero": 500,
        "key": 500,
        "retry": 429,
        "unauthorized": 401,
        "bare": 200,
        "response": 417,
        "failing-handler": 500,
        "unicode": 500,
    }.items():
        yield one(status, f"/raise/{name}")
    yield one(402, "/abort-response")
    for target in ("/shop/missing", "/second/missing", "/second/cart/missing"):
        yield one(404, target, "HEAD" if target == "/shop/missing" else "GET")
    yield one(409, "/shop/fail")
    yield one(409, "/second/fail")


def everything_handled() -> Iterator[Case]:
    for target, status in {
        "/fine": 200,
        "/fine?stop": 202,
        "/fine?fail-before": 400,
        "/fine?abort-before": 403,
        "/fine?fail-after": 400,
        "/nothing": 404,
        "/nothing?stop": 202,
        "/slash": 308,
        "/zero": 500,
        "/zero?fail-after": 500,
        "/lookup": 400,
        "/teapot": 418,
        "/500": 500,
        "/none": 500,
        "/static/nothing": 404,
    }.items():
        yield one(500 if target == "/fine?fail-after" else status, target, flavour="handled")
    yield one(405, "/fine", "POST", flavour="handled")
    yield one(200, "/fine", "OPTIONS", flavour="handled")
    yield one(202, "/fine?stop", "OPTIONS", flavour="handled")
    yield one(202, "/slash?stop", flavour="handled")


def cookies_and_redirects() -> Iterator[Case]:
    for name in ("plain", "odd", "empty", "all", "expires", "age", "two"):
        yield one(200, f"/cookie/{name}")
    for target, status in {
        "/redirect": 302,
        "/redirect?code=301": 301,
        "/redirect?code=303": 303,
        "/redirect?code=307": 307,
        "/redirect?code=308": 308,
        "/redirect?code=200": 200,
        "/redirect?to=relative/x": 302,
        "/redirect?to=/a%20b%3Fq%3D%C3%A9": 302,
        "/redirect?to=//evil.example/": 302,
        "/redirect?to=/%0D%0AX-Bad:1": 500,
        "/redirect?to=http://o.example/%E2%98%83": 302,
        "/redirect?to=%22%3E%3Cscript%3E": 302,
        "/redirect?to=": 302,
        "/redirect?to=/%5C%5Cx": 302,
        "/redirect?to=https://b%C3%BCcher.example/": 302,
    }.items():
        yield one(status, target)
    yield one(201, "/dressed")
    yield one(201, "/dressed", headers=(("Host", "other:81"),), note="other host")
    yield one(200, "/after-this")
    steps_of_client = ("/cookie/plain", "/cookie/odd", "/cookie/two", "/echo/headers")
    yield steps("cookies come back", 200, *steps_of_client)


def nothing_sees_them() -> Iterator[Case]:
    """What ends elsewhere than in a view, where no hook or handler has a say."""
    methods = "GET HEAD POST PUT DELETE OPTIONS BREW get brew"
    for target, statuses in {
        "/hello": "200 200 200 405 405 200 405 200 405",
        "/slash/": "200 200 405 200 405 200 405 200 405",
        "/slash": "308 308 404 308 404 308 404 308 404",
        "/slash?a=%C3%A9&b": "308 308 404 308 404 308 404 308 404",
        "/loose": "200 200 404 404 404 200 404 200 404",
        "/loose/": "200 200 405 405 405 200 405 200 405",
        "/once/": "200 200 405 405 405 200 405 200 405",
        "/once//": "404 404 405 405 405 404 405 404 405",
        "/once": "308 308 404 404 404 308 404 308 404",
        "/plain-options": "200 200 405 405 405 405 405 200 405",
        "/m-search": "200 200 405 405 405 200 405 200 405",
        "/user/7": "200 200 405 405 308 200 405 200 405",
        "/user/x/": "200 200 405 405 200 200 405 200 405",
        "/user/x": "308 308 404 404 308 308 404 308 404",
        "/user//x": "308 308 404 404 308 308 404 308 404",
        "/moved": "308 308 405 405 405 308 405 308 405",
        "/person/3": "308 308 405 405 405 308 405 308 405",
        "/nothing": "404 404 404 404 404 404 404 404 404",
        "/hello/": "404 404 404 404 404 404 404 404 404",
        "//hello": "200 200 200 405 405 200 405 200 405",
        "/%C3%A9?x": "404 404 404 404 404 404 404 404 404",
        "/user/%C3%A9%3F": "308 308 404 404 308 308 404 308 404",
    }.items():
        for method, status in zip(methods.split(), statuses.split(), strict=True):
            yield one(int(status), target, method, flavour="unseen")
    for host, is_name in {
        "a.example:80": 1,
        "B.example": 1,
        "[::1]:80": 1,
        "127.0.0.1": 1,
        "a..b": 0,
        "x" * 70: 0,
    }.items():
        for status, target, method in (
            (308, "/slash?q", "GET"),
            (200, "/hello", "OPTIONS"),
            (405, "/hello", "PUT"),
            (404, "/nothing", "GET"),
            (302, "/go/hello", "GET"),
            (302, "/go/named", "GET"),
        ):
            headers = (("Host", host),)
            yield one(
                status if is_name else 400, target, method, headers=headers, flavour="unseen", note=f"host {host}"
            )
    for name, status in {
        "hello": 302,
        "user": 303,
        "named": 302,
        "secure": 301,
        "nowhere": 500,
        "missing": 404,
        "forbidden": 403,
        "told": 403,
        "methods": 405,
        "response": 410,
        "login": 401,
    }.items():
        for method in ("GET", "HEAD", "POST"):
            yield one(405 if method == "POST" else status, f"/go/{name}", method, flavour="unseen")
    yield one(404, "/nothing", "POST", body=b"x" * 10, flavour="unseen", note="with a body")
    yield one(308, "/slash", "PUT", body=b"x" * 10, flavour="unseen", note="with a body")
    yield one(308, "/slash", headers=(("Cookie", "session=x"),), flavour="unseen", note="with a cookie")
    upgrade = (("Upgrade", "h2c"), ("Connection", "upgrade"))
    yield one(308, "/slash", headers=upgrade, flavour="unseen", note="upgrading")


ON = "Thu, 29 Feb 2024 12:30:15 GMT"
# RFC 9110 section 14.2 has the first ignored; Werkzeug refuses them, and so do we
BAD_RANGES = ("", " ", "bytes", "bytes=", "bytes=-", "bytes=--1", "bytes=-0", "bytes=1-2x", "bytes=0-3,", "=0-3")
BAD_RANGES += ("bytes=1.5-2", "bytes=+0-+3")
ODD_RANGES = ("BYTES=0-3", "bytes= 0 - 3", "bytes=0-99999999999999999999", " bytes=0-3")
BEFORE = "Thu, 29 Feb 2024 12:30:14 GMT"


def conditions() -> Iterator[Case]:
    conditional: list[tuple[int, str, tuple[tuple[str, str], ...]]] = [
        (304, "not later", (("If-Modified-Since", ON),)),
        (200, "later", (("If-Modified-Since", BEFORE),)),
        (200, "nonsense", (("If-Modified-Since", "yesterday"),)),
        (304, "star", (("If-None-Match", "*"),)),
        (200, "other tag", (("If-None-Match", '"other"'),)),
        (200, "bare tag", (("If-None-Match", "other"),)),
        (412, "if-match", (("If-Match", '"other"'),)),
        (200, "unmodified since", (("If-Unmodified-Since", BEFORE),)),
        (200, "tag and date", (("If-None-Match", '"other"'), ("If-Modified-Since", ON))),
        (206, "range", (("Range", "bytes=0-3"),)),
        (206, "open range", (("Range", "bytes=5-"),)),
        (206, "last bytes", (("Range", "bytes=-4"),)),
        (416, "past the end", (("Range", "bytes=100-"),)),
        (416, "two ranges", (("Range", "bytes=0-1,3-4"),)),
        (416, "other unit", (("Range", "lines=0-1"),)),
        (416, "bad range", (("Range", "bytes=x"),)),
        (416, "backwards", (("Range", "bytes=4-1"),)),
        *((416, f"bad range {wanted!r}", (("Range", wanted),)) for wanted in BAD_RANGES),
        *((206, f"odd range {wanted!r}", (("Range", wanted),)) for wanted in ODD_RANGES),
        (416, "two range headers", (("Range", "bytes=0-3"), ("Range", "bytes=1-2"))),
        (200, "bad range if other tag", (("Range", "bytes=x"), ("If-Range", '"other"'))),
        (200, "range if other tag", (("Range", "bytes=0-3"), ("If-Range", '"other"'))),
        (206, "range if date", (("Range", "bytes=0-3"), ("If-Range", ON))),
    ]
    for status, note, pairs in conditional:
        for target in ("/conditional", "/send/bytes"):
            yield one(status, target, headers=pairs, note=note)
        yield one(status, "/static/hello.txt", headers=tuple(map(for_files, pairs)), note=note)
    yield one(304, "/weak", headers=(("If-None-Match", 'W/"w1"'),), note="weak tag")
    yield one(304, "/weak", headers=(("If-None-Match", '"w1"'),), note="strong tag")
    yield one(200, "/conditional", "POST", headers=(("If-None-Match", "*"),), note="star")
    yield one(206, "/send/bytes", "HEAD", headers=(("Range", "bytes=0-3"),), note="range")


def for_files(pair: tuple[str, str]) -> tuple[str, str]:
    """A file has the time of the working copy: the far future stands for `ON`, the far past for `BEFORE`."""
    name, value = pair
    return name, {ON: "Fri, 01 Jan 2100 00:00:00 GMT", BEFORE: "Mon, 01 Jan 1990 00:00:00 GMT"}.get(value, value)


def file_answers() -> Iterator[Case]:
    for target, status in {
        "/static/hello.txt": 200,
        "/static/page.html": 200,
        "/static/empty.txt": 200,
        "/static/folder/inner.css": 200,
        "/static/folder": 404,
        "/static/folder/": 404,
        "/static/../app_module.py": 404,
        "/static/%2e%2e/app_module.py": 404,
        "/static/..%2Fapp_module.py": 404,
        "/static/hello.txt%00": 404,
        "/static/HELLO.txt": 404,
        "/static/folder%5Cinner.css": 404,
        "/static/" + "x" * 300: 404,
        "/static/./hello.txt": 200,
        "/static/C:/x": 404,
        "/from/hello.txt": 200,
        "/from/../cases.py": 404,
        "/from/nothing": 404,
        "/send/bytes": 200,
        "/send/path": 200,
        "/send/relative": 200,
        "/send/attached": 200,
        "/send/named": 200,
        "/send/plain": 200,
        "/send/missing": 500,
        "/send/no-type": 500,
    }.items():
        yield one(status, target)
    for target in ("/static/hello.txt", "/send/attached", "/send/bytes", "/static/empty.txt"):
        yield one(200, target, "HEAD", note="head")


def session_steps() -> Iterator[Case]:
    yield one(200, "/session/get/a")
    yield one(200, "/session/set/a/1")
    yield one(200, "/session/new")
    yield one(200, "/session/rich")
    yield one(200, "/session/permanent")
    yield one(500, "/session/failing")
    yield one(200, "/session/clear", note="nothing there")
    yield one(200, "/flash/show", note="nothing there")
    yield steps("session: set and get", 200, "/session/set/a/b%20c", "/session/get/a")
    yield steps("session: count", 200, *["/session/count"] * 4)
    yield steps("session: pop", 200, "/session/set/a/1", "/session/pop/a", "/session/all")
    yield steps("session: clear", 200, "/session/set/a/1", "/session/clear", "/session/all")
    yield steps("session: nested change is not seen", 200, "/session/nested", "/session/nested", "/session/all")
    yield steps("session: rich", 200, "/session/rich", "/session/all")
    yield steps("session: permanent is sent again", 200, "/session/permanent", "/hello", "/session/all")
    yield steps("session: unicode", 200, "/session/set/k/%E2%98%83", "/session/get/k")
    yield steps("session: failing view", 200, "/session/failing", "/session/all")
    yield steps("session: not touched", 200, "/session/set/a/1", "/hello")
    yield steps("session: long", 200, "/session/set/long/" + "xyz" * 900, "/session/get/long")
    yield steps("session: new", 200, "/session/set/a/1", "/session/new")
    yield steps("flash: shown once", 200, "/flash/add", "/flash/show", "/flash/show")
    yield steps("flash: filter", 200, "/flash/add", "/flash/filter")
    for note, value in {
        "tampered": "eyJhIjoiMiJ9.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb",
        "not signed": "eyJhIjoiMiJ9",
        "empty": "",
        "dots": "...",
        "not ascii": "caf\xc3\xa9",
        "quotes": '"x"',
    }.items():
        yield one(200, "/session/all", headers=(("Cookie", f"session={value}"),), note=f"cookie {note}")
    for target in ("/session/set/a/1", "/session/permanent"):
        yield one(200, target, flavour="configured")
    yield steps("configured session: not refreshed", 200, "/session/permanent", "/session/get/x", flavour="configured")
    yield one(500, "/write-session", headers=(("Host", "good.example"),), flavour="trusting", note="no secret")
    yield one(200, "/read-session", headers=(("Host", "good.example"),), flavour="trusting", note="no secret")
    for target, status in {
        "/slash": 200,
        "/slash/": 200,
        "/json": 200,
        "/files/hello.txt": 200,
        "/static/hello.txt": 404,
        "/key": 500,
    }.items():
        yield one(status, target, flavour="configured")
    yield one(405, "/json", "OPTIONS", flavour="configured")


def hook_order() -> Iterator[Case]:
    clear = Raw("DELETE", "/log")
    for target in (
        "/shop/",
        "/shop/cart/3",
        "/shop/fail",
        "/shop/missing",
        "/hello",
        "/nothing",
        "/shop",
        "/raise/zero",
    ):
        yield steps(f"hooks of {target}", 200, clear, target, "/log")
    yield steps("hooks of POST /shop/", 200, clear, Raw("POST", "/shop/"), "/log")
    yield steps("hooks of OPTIONS /shop/", 200, clear, Raw("OPTIONS", "/shop/"), "/log")
    yield steps("hooks of HEAD /shop/", 200, clear, Raw("HEAD", "/shop/"), "/log")
    yield steps("hooks of a stream", 200, clear, "/stream/context", "/log")


def streamed() -> Iterator[Case]:
    for name in ("numbers", "sized", "context", "bytes", "empty", "empty-pieces", "breaking"):
        yield one(200, f"/stream/{name}")
    yield one(200, "/stream/context?q=x%20y")
    yield one(200, "/stream/numbers", "POST", body=b"ignored")
    for name in ("context", "breaking", "sized"):
        yield one(200, f"/stream/{name}", "HEAD")
    for name in ("list", "text", "string", "stream"):
        yield one(200, f"/template/{name}")
    yield one(500, "/template/missing")
    yield one(200, "/template/stream", "HEAD")


GROUPS = (
    matching,
    not_found,
    moved,
    methods,
    queries,
    hosts,
    json_bodies,
    form_bodies,
    uploads,
    framing,
    limits,
    request_headers,
    return_types,
    error_answers,
    everything_handled,
    cookies_and_redirects,
    nothing_sees_them,
    conditions,
    file_answers,
    session_steps,
    hook_order,
    streamed,
)
CASES = [case for group in GROUPS for case in group()]
