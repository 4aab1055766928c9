"""`run_simple`: what it makes of Werkzeug's arguments."""

from __future__ import annotations

import asyncio
import inspect
import os
import ssl
import threading

import pytest
import uvicorn

from asyncflask import App, serving
from asyncflask.serving import is_running_from_reloader, run_simple


@pytest.fixture
def served(monkeypatch):
    """What uvicorn was called with; `during`, if set, is called while it serves."""

    class Served:
        during = None

        def __call__(self, app, **settings):
            self.app, self.settings = app, settings
            if self.during is not None:
                self.during(app)

    served = Served()
    monkeypatch.setattr(uvicorn, "run", served)
    return served


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [threading.current_thread().name.encode()]


async def get(app):
    """Send one request to an ASGI application; return the body."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    asked, body = [], b""

    async def receive():
        if asked:
            await asyncio.Event().wait()
        asked.append(1)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        nonlocal body
        body += message.get("body", b"")

    await app(scope, receive, send)
    return body.decode()


def test_parameters_are_those_of_werkzeug():
    from werkzeug.serving import run_simple as werkzeugs

    ours, theirs = (inspect.signature(f).parameters.values() for f in (run_simple, werkzeugs))
    assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]


@pytest.mark.parametrize("threaded", [True, False])
def test_an_app_is_served_as_it_is(served, threaded):
    app = App("x")
    app.config["THREADED"] = None
    run_simple("h", 80, app, threaded=threaded)
    assert served.app is app and app.config["THREADED"] is threaded
    assert served.settings == {"interface": "asgi3", "proxy_headers": False, "host": "h", "port": 80}


def test_an_asgi_callable_is_served_as_it_is(served):
    async def asgi(scope, receive, send):
        """Nothing."""

    run_simple("h", 80, asgi)
    assert served.app is asgi


@pytest.mark.parametrize("threaded", [True, False])
def test_a_wsgi_callable_runs_in_threads_that_end(served, threaded):
    names = []

    async def ask(app):
        names.extend(await asyncio.gather(*(get(app) for _ in range(4))))

    served.during = lambda app: asyncio.run(ask(app))
    run_simple("h", 80, wsgi, threaded=threaded)
    assert len(names) == 4 and all(name.startswith("asyncflask-wsgi") for name in names)
    if not threaded:
        assert len(set(names)) == 1


def test_a_unix_socket(served, tmp_path, monkeypatch):
    run_simple("unix:///tmp/x.sock", 0, App("x"))
    assert served.settings["uds"] == "/tmp/x.sock" and "host" not in served.settings
    monkeypatch.chdir(tmp_path)
    run_simple("unix://x.sock", 0, App("x"))
    assert served.settings["uds"] == os.path.join(tmp_path, "x.sock")


def test_the_port_is_a_number(served):
    with pytest.raises(TypeError, match="port must be an integer, not '80'"):
        run_simple("h", "80", App("x"))


# -- TLS


@pytest.mark.parametrize("key", ["key.pem", None])
def test_certificate_files(served, key):
    run_simple("h", 80, App("x"), ssl_context=("cert.pem", key))
    assert (served.settings["ssl_certfile"], served.settings["ssl_keyfile"]) == ("cert.pem", key)


def test_an_ssl_context(served):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    run_simple("h", 80, App("x"), ssl_context=context)
    assert served.settings["ssl_context_factory"](None, None) is context


def test_a_certificate_made_on_the_spot(served, monkeypatch):
    monkeypatch.setattr("werkzeug.serving.generate_adhoc_ssl_context", lambda: "made")
    run_simple("h", 80, App("x"), ssl_context="adhoc")
    assert served.settings["ssl_context_factory"](None, None) == "made"


@pytest.mark.parametrize("wrong", ["else", 3, ("a", "b", "c"), (1, 2)])
def test_another_ssl_context(served, wrong):
    with pytest.raises(TypeError, match="ssl_context must be"):
        run_simple("h", 80, App("x"), ssl_context=wrong)
    assert not hasattr(served, "app")


# -- what is not there yet


def test_what_cannot_be_done_is_said_in_one_line(served, caplog):
    run_simple(
        *("h", 80, App("x")),
        use_reloader=True,
        use_debugger=True,
        processes=2,
        request_handler=object,
        static_files={"/s": "s"},
        passthrough_errors=True,
    )
    [record] = caplog.records
    for name in ("use_reloader", "use_debugger", "processes", "request_handler", "static_files", "passthrough_errors"):
        assert name in record.getMessage()
    assert record.levelname == "WARNING"


def test_nothing_is_said_where_nothing_is_missing(served, caplog):
    run_simple("h", 80, App("x"), threaded=True, extra_files=["a"], use_evalex=False)
    assert not caplog.records


def test_running_from_the_reloader(monkeypatch):
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    assert not is_running_from_reloader()
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    assert is_running_from_reloader()


def test_uvicorn_is_loaded_by_the_first_server():
    assert "uvicorn" not in vars(serving)
