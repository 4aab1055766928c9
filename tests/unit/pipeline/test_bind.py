"""Binding the URL map: the quick way for a host that is known gives what the other way gives."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map

from asyncflask import App
from asyncflask.ctx import ServedContext
from asyncflask.pipeline import bind as module
from asyncflask.pipeline.bind import bind
from asyncflask.plain import is_plain
from asyncflask.wrappers import Request
from asyncflask.wrappers.environ import RequestHeaders

HOSTS = [
    b"localhost", b"localhost:8000", b"EXAMPLE.com", b"example.com:80", b"example.com:443", b"[::1]:5000", b"127.0.0.1",
    b"", b"a..b", b"a" * 70, b"a" * 100, b"bad host", b"b\xc3\xbccher.de", b"xn--bcher-kva.de", b"a:b", b"a:99999",
    b".",
]  # fmt: skip


def request(host: bytes | None, kind: type[Request] = Request, *more: tuple[bytes, bytes], **scope: Any) -> Request:
    headers = [*([] if host is None else [(b"host", host)]), *more]
    whole = {"type": "http", "method": "GET", "query_string": b"a=\xc3\xa9", "headers": headers, **scope}
    made = kind.from_scope(whole, path="/x/y", root_path="/under")
    made.header_bytes = dict(headers)
    return made


def outcome(url_map: Map, asked: Request, *rest: Any) -> Any:
    try:
        adapter = bind(url_map, asked, *rest)
    except HTTPException as error:
        return type(error), error.description
    return type(adapter), vars(adapter), asked.host


def both(monkeypatch: pytest.MonkeyPatch, make: Any, url_map: Map, *rest: Any) -> tuple[Any, Any]:
    quick = outcome(url_map, make(), *rest)
    monkeypatch.setattr(module, "PLAIN", True)
    return quick, outcome(url_map, make(), *rest)


@pytest.mark.parametrize("host", [None, *HOSTS])
@pytest.mark.parametrize(
    "scope", [{}, {"scheme": "https"}, {"server": ("10.0.0.1", 80)}, {"server": ("/a.sock", None)}]
)
@pytest.mark.parametrize("of_map", [{}, {"default_subdomain": "www"}, {"host_matching": True}])
def test_adapters_are_the_same(
    monkeypatch: pytest.MonkeyPatch, host: bytes | None, scope: dict[str, Any], of_map: dict[str, Any]
) -> None:
    quick, long = both(monkeypatch, lambda: request(host, **scope), Map(**of_map), None, False)
    assert quick == long


@pytest.mark.parametrize("more", [[(b"upgrade", b"websocket"), (b"connection", b"upgrade")], [(b"upgrade", b"h2c")]])
def test_a_handshake_is_one(monkeypatch: pytest.MonkeyPatch, more: list[tuple[bytes, bytes]]) -> None:
    quick, long = both(monkeypatch, lambda: request(b"a", Request, *more), Map(), None, False)
    assert quick == long


def test_a_host_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bind(Map(), request(b"known.example"), None, False)
    monkeypatch.delattr(module, "get_host")
    assert bind(Map(), request(b"known.example"), None, False).server_name == "known.example"


def test_trusted_hosts_and_the_name_of_the_server_count(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trusting(Request):
        trusted_hosts = ("example.com",)  # type: ignore[assignment]

    for host in (b"example.com", b"evil.com"):
        quick, long = both(monkeypatch, lambda host=host: request(host, Trusting), Map(), None, False)
        assert quick == long
        quick, long = both(monkeypatch, lambda host=host: request(host), Map(), "example.com", False)
        assert quick == long


def test_what_a_request_says_of_its_headers_and_host_counts() -> None:
    class Proxied(Request):
        @property
        def headers(self) -> RequestHeaders:  # type: ignore[override]
            return RequestHeaders([(b"host", b"behind.example")])

    assert bind(Map(), request(b"front.example", Proxied), None, False).server_name == "behind.example"
    assigned = request(b"front.example")
    assigned.headers = RequestHeaders([(b"host", b"assigned.example")])
    assert bind(Map(), assigned, None, False).server_name == "assigned.example"


def test_a_map_that_binds_otherwise_is_asked() -> None:
    class Own(Map):
        def bind(self, server_name: str, *args: Any, **kwargs: Any) -> Any:
            return super().bind("own." + server_name, *args, **kwargs)

    assert bind(Own(), request(b"a.example"), None, False).server_name == "own.a.example"
    replaced = Map()
    replaced.bind = lambda *args, **kwargs: "replaced"  # type: ignore[method-assign, assignment]
    assert bind(replaced, request(b"a.example"), None, False) == "replaced"  # type: ignore[comparison-overlap]


def test_a_request_class_may_have_a_host_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(Request):
        @property
        def host(self) -> str:  # type: ignore[override]
            return "mine.example"

    quick, long = both(monkeypatch, lambda: request(b"localhost", Mine), Map(), None, False)
    assert quick == long
    assert quick[1]["server_name"] == "localhost"


def served(app: App, host: bytes | None, *more: tuple[bytes, bytes], **scope: Any) -> ServedContext:
    headers = [*([] if host is None else [(b"host", host)]), *more]
    whole = {"type": "http", "method": "get", "query_string": b"a=\xc3\xa9", "headers": headers, **scope}
    return app.stages.open_exchange(app, app.stages, whole, "/under/", "//x/y", dict(headers), None)  # type: ignore[arg-type]


def adapter_of(ctx: ServedContext, made: bool) -> Any:
    if made:
        assert ctx.request
    adapter = ctx.url_adapter
    return adapter if adapter is None else (type(adapter), vars(adapter))


@pytest.mark.parametrize("host", [None, *HOSTS])
@pytest.mark.parametrize(
    "scope", [{}, {"scheme": "https"}, {"server": ["10.0.0.1", 80]}, {"server": ("/a.sock", None)}, {"root_path": "/b"}]
)
def test_an_adapter_is_the_same_before_the_request_is_made(host: bytes | None, scope: dict[str, Any]) -> None:
    app = App("bound", static_folder=None)
    assert adapter_of(served(app, host, **scope), False) == adapter_of(served(app, host, **scope), True)


@pytest.mark.skipif(is_plain(), reason="short ways are switched off")
def test_no_request_is_made_for_an_adapter() -> None:
    ctx = served(App("bound", static_folder=None), b"a.example:80")
    assert ctx.url_adapter is not None and ctx.url_adapter is ctx.url_adapter and not ctx.request_made


@pytest.mark.parametrize(
    "config", [{"SERVER_NAME": "example.com"}, {"TRUSTED_HOSTS": ["example.com"]}, {"APPLICATION_ROOT": "/x"}]
)
@pytest.mark.parametrize("host", [b"example.com", b"other.example"])
@pytest.mark.parametrize("more", [[], [(b"upgrade", b"h2c")], [(b"x-a", b"1"), (b"x-a", b"2")]])
def test_what_else_counts_is_asked(config: dict[str, Any], host: bytes, more: list[tuple[bytes, bytes]]) -> None:
    app = App("bound", static_folder=None)
    app.config.update(config)
    assert adapter_of(served(app, host, *more), False) == adapter_of(served(app, host, *more), True)


def test_an_application_that_makes_adapters_in_its_own_way_is_asked() -> None:
    class Own(App):
        def create_url_adapter(self, request: Request | None) -> Any:
            return request and request.method

    assert served(Own("bound", static_folder=None), b"a").url_adapter == "GET"  # type: ignore[comparison-overlap]

    class Behind(Request):
        @property
        def path(self) -> str:  # type: ignore[override]
            return "/behind"

        trusted_hosts = ("a",)  # type: ignore[assignment]

    app = App("bound", static_folder=None)
    app.request_class = Behind
    adapter = served(app, b"a").url_adapter
    assert adapter is not None and adapter.path_info == "/behind"
    assert served(app, b"b").url_adapter is None
