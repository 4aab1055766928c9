"""The HTTP client of handlers: shared, closed at the end, and part of the trace of the request being handled."""

from __future__ import annotations

import json
import sys

import httpx2
import pytest

from asyncflask.http_client import HTTPClient

from ..flow.asking import Client, all_of, environ_of
from ..flow.lifespans import Lifespan

HEADERS = {"Traceparent": "00-a-b-01", "X-Request-Id": "7", "Cookie": "secret=1", "Authorization": "Bearer x"}


@pytest.fixture
def upstream():
    """A server that answers with what it was asked, and counts the transports that are open."""

    class Transport(httpx2.ASGITransport):
        opened = closed = 0

        async def __aenter__(self):
            type(self).opened += 1
            return await super().__aenter__()

        async def __aexit__(self, *error):
            type(self).closed += 1
            await super().__aexit__(*error)

    async def echo(scope, receive, send):
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = json.dumps({"method": scope["method"], "path": scope["path"], "headers": headers}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return Transport(app=echo)


def made_with(app, http):
    @app.get("/async")
    async def index():
        return (await http.get("http://upstream/a")).json()

    @app.get("/def")
    def index_def():
        return app.async_to_sync(http.post)("http://upstream/b").json()

    @app.get("/own")
    async def own():
        return (await http.get("http://upstream/c", headers={"traceparent": "own"})).json()


async def asked(lifespan, path):
    client = Client(environ_of(path, headers=HEADERS))
    await client.run(lifespan.app)
    return client.got.json


async def test_one_pool_for_all_requests_that_is_closed_when_the_application_stops(app, upstream):
    made_with(app, HTTPClient(transport=upstream, timeout=5))
    async with Lifespan(app) as lifespan:
        assert upstream.opened == 0
        answers = await all_of(*(asked(lifespan, path) for path in ["/async", "/def"] * 50))
        assert {(answer["method"], answer["path"]) for answer in answers} == {("GET", "/a"), ("POST", "/b")}
        assert (upstream.opened, upstream.closed) == (1, 0)
    assert (upstream.opened, upstream.closed) == (1, 1)


@pytest.mark.parametrize("path", ["/async", "/def"])
async def test_trace_headers_are_passed_on_and_no_others(app, upstream, path):
    made_with(app, HTTPClient(transport=upstream))
    async with Lifespan(app) as lifespan:
        sent = (await asked(lifespan, path))["headers"]
    assert (sent["traceparent"], sent["x-request-id"]) == ("00-a-b-01", "7")
    assert not sent.keys() & {"cookie", "authorization", "tracestate"}


async def test_a_request_may_have_its_own(app, upstream):
    made_with(app, HTTPClient(transport=upstream, forward=["TraceParent"]))
    async with Lifespan(app) as lifespan:
        sent = (await asked(lifespan, "/own"))["headers"]
    assert sent["traceparent"] == "own"
    assert "x-request-id" not in sent


async def test_hooks_and_other_methods_of_httpx(app, upstream):
    seen = []

    async def hook(outgoing):
        seen.append((outgoing.method, outgoing.headers.get("traceparent")))

    http = HTTPClient(transport=upstream, event_hooks={"request": [hook]}, base_url="http://upstream")
    async with Lifespan(app), app.app_context():
        for method in ("get", "head", "post", "put", "patch", "delete"):
            assert (await getattr(http, method)("/")).status_code == 200
        assert await http.client is await http.client
    assert seen == [(method, None) for method in "GET HEAD POST PUT PATCH DELETE".split()]


async def test_outside_of_an_application_it_says_so():
    with pytest.raises(RuntimeError, match="outside of application context"):
        await HTTPClient().get("http://upstream/")


def test_without_httpx_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(ModuleNotFoundError, match=r"asyncflask\[http\]"):
        HTTPClient()
