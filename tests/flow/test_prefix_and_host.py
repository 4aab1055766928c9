"""An application under a prefix, hosts that are trusted, WSGI middleware of Werkzeug around it."""

from __future__ import annotations

import io

import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.middleware.profiler import ProfilerMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.middleware.shared_data import SharedDataMiddleware

from asyncflask import redirect, request, session, url_for

from .asking import BY_WAY
from .colours import COLOURS, both


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


# -- a prefix


def where():
    session["a"] = 1
    return [request.script_root, request.root_path, request.path, url_for("named"), url_for("named", _external=True)]


def test_a_prefix_that_the_server_gives(app, asked, colour):
    """SCRIPT_NAME of WSGI and root_path of ASGI; the cookie's path is configuration, as in Flask."""
    app.config["APPLICATION_ROOT"] = "/prefix"
    both(app, where)
    both(app, lambda: redirect(url_for("named")), "/moved")
    app.add_url_rule("/named/", "named", lambda: "named")
    under = "http://localhost/prefix/"
    got = asked(f"/{colour}", base_url=under)
    assert got.json == ["/prefix", "/prefix", f"/{colour}", "/prefix/named/", f"{under}named/"]
    assert "Path=/prefix" in got.headers["Set-Cookie"].split("; ")
    assert asked(f"/{colour}/moved", base_url=under).headers["Location"] == "/prefix/named/"
    assert asked("/named", base_url=under).headers["Location"] == f"{under}named/"


def test_a_prefix_without_a_request(app):
    app.config.update(APPLICATION_ROOT="/prefix", SERVER_NAME="example.com", PREFERRED_URL_SCHEME="https")
    app.add_url_rule("/named", "named", where)
    with app.app_context():
        assert url_for("named") == "https://example.com/prefix/named"


# -- hosts


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("good.example", 200),
        ("good.example:8080", 200),
        ("a.wide.example", 200),
        ("bad.example", 400),
        ("good.example.bad.example", 400),
        ("xgood.example", 400),
    ],
)
def test_only_trusted_hosts_are_answered(app, asked, colour, host, status):
    seen = []
    app.config["TRUSTED_HOSTS"] = ["good.example", ".wide.example"]
    app.before_request(lambda: seen.append(request.host))
    both(app, lambda: request.host)
    got = asked(f"/{colour}", base_url=f"http://{host}/")
    assert got.status == status
    if status == 200:
        assert got.text == host
    else:
        assert seen == []
        assert asked("/nothing", base_url=f"http://{host}/").status == 400
        head = asked(f"/{colour}", "HEAD", base_url=f"http://{host}/")
        assert (head.status, head.body) == (400, b"") and head.headers["Content-Length"] != "0"


def test_without_a_list_every_host_is_answered(app, asked, colour):
    both(app, lambda: request.host)
    assert asked(f"/{colour}", base_url="http://any.example/").text == "any.example"


# -- middleware of Werkzeug


def test_the_validator_has_nothing_to_say(app, asked, colour):
    """It wants reads to name their size, as Werkzeug's requests do only where input does not end by itself."""

    def view():
        return "text" if request.method == "GET" else request.stream.read(request.content_length)

    both(app, view, methods=["GET", "POST"])
    app.wsgi_app = LintMiddleware(app.wsgi_app)
    assert asked(f"/{colour}").text == "text"
    assert asked(f"/{colour}", "POST", data="sent").text == "sent"
    assert asked("/nothing").status == 404


def test_the_profiler_tells(app, asked, colour):
    both(app, lambda: "text")
    out = io.StringIO()
    app.wsgi_app = ProfilerMiddleware(app.wsgi_app, out)
    assert asked(f"/{colour}").text == "text"
    assert f"PATH: '/{colour}'" in out.getvalue()


def test_others_are_dispatched_to(app, asked, colour):
    def other(environ, start_response):
        start_response("200 OK", [])
        return [environ["SCRIPT_NAME"].encode()]

    both(app, lambda: "text")
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/other": other})
    assert asked(f"/{colour}").text == "text"
    assert asked("/other/x").text == "/other"


def test_shared_files(app, asked, colour, tmp_path):
    (tmp_path / "file.txt").write_text("shared")
    both(app, lambda: "text")
    app.wsgi_app = SharedDataMiddleware(app.wsgi_app, {"/shared": str(tmp_path)})
    assert asked(f"/{colour}").text == "text"
    assert asked("/shared/file.txt").text == "shared"
    assert asked("/shared/missing").status == 404


@pytest.mark.parametrize("way", BY_WAY)
def test_forwarded_headers_are_believed_where_told(app, way, colour):
    headers = {
        "X-Forwarded-For": "6.6.6.6, 1.2.3.4",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "example.com",
        "X-Forwarded-Prefix": "/prefix",
    }
    both(app, lambda: [request.remote_addr, request.url, request.script_root, url_for("named")])
    app.add_url_rule("/named", "named", where)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
    got = BY_WAY[way](app, f"/{colour}", headers=headers)
    assert got.json == ["1.2.3.4", f"https://example.com/prefix/{colour}", "/prefix", "/prefix/named"]
