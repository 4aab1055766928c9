"""Templates and files that are not there, paths that lead out of their folder, cookies that were tampered with."""

from __future__ import annotations

import base64
import json
import logging
import os
import types

import pytest
import werkzeug.security
from itsdangerous import TimestampSigner

from asyncflask import Blueprint, render_template, request, send_from_directory, session

COLOURS = ("def", "async def")


@pytest.fixture(params=COLOURS)
def view(request, app):
    """A decorator for views: they answer in one colour, then in the other."""

    def route(rule):
        def add(f):
            async def coroutine(**values):
                return f(**values)

            app.add_url_rule(rule, f.__name__, f if request.param == "def" else coroutine)
            return f

        return add

    return route


# -- templates


@pytest.fixture
def templates(app, tmp_path):
    """Two folders with no templates: the application's and a blueprint's."""
    app.root_path = str(tmp_path)
    app.config.update(TESTING=False, PROPAGATE_EXCEPTIONS=False, EXPLAIN_TEMPLATE_LOADING=True)
    (tmp_path / "templates").mkdir()
    (tmp_path / "more").mkdir()
    app.register_blueprint(Blueprint("blue", "asyncflask_test", root_path=str(tmp_path), template_folder="more"))
    return tmp_path


@pytest.mark.parametrize("names", ["missing.html", ["missing.html", "other.html"]])
def test_a_missing_template_is_a_500_whose_log_says_what_was_searched(asked, app, view, templates, caplog, names):
    view("/")(lambda: render_template(names))
    with caplog.at_level(logging.INFO, app.logger.name):
        got = asked("/")
    assert got.status == 500 and b"missing" not in got.body
    assert "TemplateNotFound" in caplog.text or "TemplatesNotFound" in caplog.text
    for what in ("'missing.html'", str(templates / "templates"), str(templates / "more"), "blueprint 'blue'"):
        assert what in caplog.text
    if isinstance(names, list):
        assert "'other.html'" in caplog.text


# -- files


@pytest.fixture
def folder(app, tmp_path):
    """A folder of files, served as static ones, as a blueprint's, and by views; a secret lies beside it."""
    app.static_folder = str(tmp_path / "files")  # the rule stays /static
    blue = Blueprint("blue", "asyncflask_test", static_folder=app.static_folder, url_prefix="/blue")
    app.register_blueprint(blue)

    @app.get("/sent/<path:name>")
    def sent(name):
        return send_from_directory(app.static_folder, name)

    @app.get("/sent-on-the-loop/<path:name>")
    async def sent_on_the_loop(name):
        return send_from_directory(app.static_folder, name)

    inside = tmp_path / "files" / "inside"
    inside.mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "files-too").mkdir()
    (tmp_path / "files-too" / "secret.txt").write_text("secret")
    (inside / "page.txt").write_text("page")
    return tmp_path / "files"


@pytest.fixture(params=["/static", "/blue/files", "/sent", "/sent-on-the-loop"])
def prefix(request):
    return request.param


def test_a_file_that_is_there_is_sent(asked, folder, prefix):
    got = asked(f"{prefix}/inside/page.txt")
    assert (got.status, got.body) == (200, b"page")
    assert asked(f"{prefix}/inside/../inside/page.txt").body == b"page"


OUTSIDE = (
    "../secret.txt",
    "%2e%2e/secret.txt",
    "..%2fsecret.txt",
    "inside/../../secret.txt",
    "inside/%2e%2e/%2e%2e/secret.txt",
    "../files-too/secret.txt",
    "..",
    "inside/..",
    "%2fetc/hostname",
    "..%5csecret.txt",
    "..%00/secret.txt",
    "inside/page.txt%00",
    "inside/page.txt/x",
    "inside",
    "missing.txt",
    "%ff.txt",
    "x" * 300,
)


def test_what_is_no_file_in_the_folder_is_not_found(asked, folder, prefix):
    for name in (*OUTSIDE, str(folder.parent / "secret.txt").replace("/", "%2f")):
        got = asked(f"{prefix}/{name}")
        if got.status == 308:  # slashes that follow each other are one
            got = asked(got.headers["Location"].removeprefix("http://localhost"))
        assert got.status == 404 and b"secret" not in got.body, name


DEVICES = ("CON", "nul.txt", "inside/aux", "Com1.tar.gz", "LPT9 .txt", "PRN:", "conin$")


def test_devices_of_windows_are_not_found_there(asked, folder, prefix, monkeypatch):
    for name in DEVICES:
        (folder / name).write_text("device")
        assert asked(f"{prefix}/{name}").body == b"device", name  # a file like any other elsewhere
    monkeypatch.setattr(werkzeug.security, "os", types.SimpleNamespace(name="nt", path=os.path))
    for name in DEVICES:
        assert asked(f"{prefix}/{name}").status == 404, name


# -- sessions


@pytest.fixture
def counting(app, view):
    """A view that counts in the session, and one that tells what is in it."""

    @view("/count")
    def count():
        session["count"] = session.get("count", 0) + 1
        return dict(session)

    @view("/tell")
    def tell():
        return {"session": dict(session), "cookies": len(request.cookies)}

    return app


def cookie_of(got):
    return got.headers["Set-Cookie"].partition("session=")[2].partition(";")[0]


def swapped(text):
    """Change one letter in the middle."""
    at = len(text) // 2
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def forged(cookie):
    """Another payload under the signature of this one."""
    payload = base64.urlsafe_b64encode(json.dumps({"count": 1000}).encode()).rstrip(b"=").decode()
    return ".".join((payload, *cookie.split(".")[1:]))


def foreign(cookie):
    """The same payload, signed with another key."""
    return (
        TimestampSigner("another key", salt="cookie-session", key_derivation="hmac").sign(cookie.split(".")[0]).decode()
    )


TAMPERED = {
    "payload": lambda cookie: swapped(cookie.split(".")[0]) + "." + cookie.partition(".")[2],
    "time": lambda cookie: ".".join((cookie.split(".")[0], swapped(cookie.split(".")[1]), cookie.split(".")[2])),
    "signature": lambda cookie: cookie.rpartition(".")[0] + "." + swapped(cookie.rpartition(".")[2]),
    "cut off": lambda cookie: cookie[:-3],
    "without signature": lambda cookie: cookie.split(".")[0],
    "forged": forged,
    "another key": foreign,
    "compressed nonsense": lambda cookie: "." + cookie,
    "nonsense": lambda cookie: "nonsense",
    "empty": lambda cookie: "",
    "no text": lambda cookie: "\xff\xfe",
    "long": lambda cookie: cookie * 50,
}


def test_a_session_comes_back(asked, counting):
    cookie = cookie_of(asked("/count"))
    assert asked("/tell", headers={"Cookie": f"session={cookie}"}).json == {"session": {"count": 1}, "cookies": 1}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_cookie_is_an_empty_session(asked, counting, caplog, how):
    cookie = TAMPERED[how](cookie_of(asked("/count")))
    headers = {"Cookie": f"session={cookie}"}
    got = asked("/tell", headers=headers)
    assert (got.status, got.json) == (200, {"session": {}, "cookies": 1})
    assert asked("/count", headers=headers).json == {"count": 1}
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
