"""ProxyFix on the ASGI scope, compared with Werkzeug's on the WSGI side of the same application."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix as WerkzeugProxyFix

from asyncflask import App, request, url_for, websocket
from asyncflask.middleware import ProxyFix

from ..flow.asking import ask, ask_asgi, ask_wsgi
from ..flow.talking import talk

app = App("proxied")


@app.get("/where", defaults={"rest": ""})
@app.get("/where/<path:rest>")
async def where(rest):
    return {
        "addr": request.remote_addr,
        "scheme": request.scheme,
        "host": request.host,
        "root": request.root_path,
        "path": request.path,
        "url": request.url,
        "built": url_for("where", rest="x", _external=True),
        "server": [request.environ["SERVER_NAME"], request.environ["SERVER_PORT"]],
    }


@app.websocket("/ws")
async def ws():
    await websocket.send(f"{websocket.remote_addr} {websocket.url}")


VALUES = {
    "For": ["1.2.3.4", "6.6.6.6, 1.2.3.4", "a, b, c", "2001:db8::1", "", ",", '"quoted"', "1.2.3.4,"],
    "Proto": ["https", "http", "http,https", "https, http", ""],
    "Host": ["example.com", "example.com:8443", "[::1]", "[::1]:8443", "evil.test, example.com", ""],
    "Port": ["8443", "80, 8443", ""],
    "Prefix": ["/prefix", "/a/b", "/evil, /prefix", ""],
}
HEADERS = st.fixed_dictionaries(
    {}, optional={f"X-Forwarded-{name}": st.sampled_from(values) for name, values in VALUES.items()}
)
HOPS = st.fixed_dictionaries({}, optional={f"x_{name.lower()}": st.integers(0, 3) for name in VALUES})


@given(HEADERS, HOPS, st.sampled_from(["/where", "/where/a%20b%C3%A9", "/where/prefix"]))
def test_the_answers_are_those_of_werkzeugs(headers, hops, path):
    ours = ask_asgi(ProxyFix(app.asgi, **hops), path, headers=headers)
    theirs = ask_wsgi(WerkzeugProxyFix(app, **hops), path, headers=headers)
    assert ours.status == theirs.status
    if ours.status == 200:
        assert ours.json == theirs.json


@pytest.mark.parametrize(("hops", "seen"), [(0, None), (1, "10.0.0.1"), (2, "1.2.3.4"), (3, "6.6.6.6"), (4, None)])
async def test_what_is_over_the_number_of_proxies_is_not_believed(hops, seen):
    got = await ask(ProxyFix(app.asgi, x_for=hops), "/where", headers={"X-Forwarded-For": "6.6.6.6, 1.2.3.4, 10.0.0.1"})
    assert got.json["addr"] == seen


async def test_lines_of_one_header_are_one_list():
    """A client's line and the proxy's: as WSGI servers join them."""
    headers = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "1.2.3.4")]
    assert (await ask(ProxyFix(app.asgi), "/where", headers=headers)).json["addr"] == "1.2.3.4"


async def test_nothing_is_believed_unless_asked_to():
    headers = {f"X-Forwarded-{name}": values[0] for name, values in VALUES.items()}
    plain = (await ask(app.asgi, "/where")).json
    none = {f"x_{name.lower()}": 0 for name in VALUES}
    assert (await ask(ProxyFix(app.asgi, **none), "/where", headers=headers)).json == plain
    fixed = (await ask(ProxyFix(app.asgi), "/where", headers=headers)).json
    assert fixed["url"] == "https://localhost/where"  # for and proto only, by default
    assert fixed["root"] == ""


async def test_a_prefix_replaces_the_one_of_the_server():
    got = await ask(
        ProxyFix(app.asgi, x_prefix=1),
        "/where/x%20y",
        base_url="http://localhost/inner/",
        headers={"X-Forwarded-Prefix": "/outer/"},
    )
    assert (got.json["root"], got.json["path"]) == ("/outer", "/where/x y")
    assert got.json["built"] == "http://localhost/outer/where/x"


async def test_a_prefix_never_makes_a_url_of_another_host():
    got = await ask(ProxyFix(app.asgi, x_prefix=1), "/where", headers={"X-Forwarded-Prefix": "//evil.test"})
    assert got.json["built"] == "http://localhost/evil.test/where/x"


async def test_a_second_host_is_refused_all_the_same():
    async def doubled(scope, receive, send):
        scope["headers"] = [*scope["headers"], (b"host", b"other.test")]
        await ProxyFix(app.asgi, x_host=1)(scope, receive, send)

    assert (await ask(doubled, "/where", headers={"X-Forwarded-Host": "example.com"})).status == 400


@pytest.mark.parametrize("host", ["exa mple.com", "ex/ample.com", "a@b"])
async def test_a_host_that_is_none_is_refused(host):
    assert (await ask(ProxyFix(app.asgi, x_host=1), "/where", headers={"X-Forwarded-Host": host})).status == 400


async def test_websockets_too():
    headers = {"X-Forwarded-For": "6.6.6.6, 1.2.3.4", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "example.com"}
    async with talk(ProxyFix(app.asgi, x_host=1), "/ws", headers=headers) as one:
        assert await one.hear() == "1.2.3.4 wss://example.com/ws"


async def test_as_middleware_of_the_app():
    fixed = App("fixed")
    fixed.add_url_rule("/", "index", lambda: str(request.remote_addr), threaded=False)
    fixed.asgi_app = ProxyFix(fixed.asgi_app)
    for target in (fixed, fixed.asgi):
        assert (await ask(target, "/", headers={"X-Forwarded-For": "1.2.3.4"})).text == "1.2.3.4"


@pytest.mark.parametrize("hops", [-1, 1.0, "1", None])
def test_a_number_of_proxies_that_is_none(hops):
    with pytest.raises(ValueError, match="x_for is a number of proxies"):
        ProxyFix(app.asgi, x_for=hops)
