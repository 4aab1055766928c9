"""Static files: where they are served, for how long they are kept, conditional and range requests."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.http import http_date

from asyncflask import App, Blueprint, send_from_directory, url_for

from .asking import BY_WAY

TEXT = b"0123456789"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "static" / "inside").mkdir(parents=True)
    (tmp_path / "static" / "text.txt").write_bytes(TEXT)
    (tmp_path / "static" / "inside" / "page.css").write_text("css")
    (tmp_path / "static" / "empty.txt").write_text("")
    return tmp_path


@pytest.fixture
def make(folder):
    """Make applications in that folder; their threads end with the test."""
    made = []

    def make_app(**options):
        made.append(App("asyncflask_test", root_path=str(folder), **options))
        made[-1].testing = True
        return made[-1]

    yield make_app
    for app in made:
        app.close_threads()


@pytest.fixture(params=BY_WAY)
def ask(request):
    return BY_WAY[request.param]


@pytest.fixture(params=["static", "def", "async"])
def asked(request, make, ask):
    """A function that asks for the text: as a static file, or from a view of either kind."""
    app = make()

    @app.get("/def/<path:name>")
    def sent(name):
        return send_from_directory("static", name)

    @app.get("/async/<path:name>")
    async def sent_on_the_loop(name):
        return send_from_directory("static", name)

    def get(name="text.txt", method="GET", **headers):
        return ask(
            app, f"/{request.param}/{name}", method, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    get.app = app
    return get


# -- where


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        ({}, "/static"),
        ({"static_url_path": "/assets"}, "/assets"),
        ({"static_url_path": ""}, ""),
        ({"static_folder": "static/inside"}, "/inside"),
        ({"static_folder": "static/inside/", "static_url_path": "/a/"}, "/a"),
    ],
)
def test_folder_and_url(make, ask, options, prefix):
    app = make(**options)
    name = "page.css" if "static_folder" in options else "inside/page.css"
    with app.test_request_context():
        assert url_for("static", filename=name) == f"{prefix}/{name}"
    assert app.has_static_folder
    assert ask(app, f"{prefix}/{name}").text == "css"
    assert ask(app, f"{prefix}/missing").status == 404


def test_without_a_folder_there_is_no_route(make, ask):
    app = make(static_folder=None)
    assert not app.has_static_folder and "static" not in app.view_functions
    assert ask(app, "/static/text.txt").status == 404


def test_on_a_host_of_their_own(make, ask):
    app = make(static_host="static.example.com", host_matching=True)
    assert ask(app, "/static/text.txt", base_url="http://static.example.com/").body == TEXT
    assert ask(app, "/static/text.txt", base_url="http://other.example.com/").status == 404
    with app.test_request_context(base_url="http://other.example.com/"):
        assert url_for("static", filename="text.txt") == "http://static.example.com/static/text.txt"


@pytest.mark.parametrize("options", [{"static_host": "x"}, {"host_matching": True}])
def test_a_host_needs_host_matching_and_the_reverse(make, options):
    with pytest.raises(AssertionError, match="Invalid static_host/host_matching combination"):
        make(**options)


def test_of_a_blueprint(make, ask, folder):
    app = make()
    for name, options in (("a", {"url_prefix": "/a"}), ("b", {"static_url_path": "/of-b"})):
        blue = Blueprint(name, "asyncflask_test", root_path=str(folder), static_folder="static/inside", **options)
        app.register_blueprint(blue)
        assert blue.has_static_folder
    assert ask(app, "/a/inside/page.css").text == ask(app, "/of-b/page.css").text == "css"
    with app.test_request_context():
        assert url_for("a.static", filename="page.css") == "/a/inside/page.css"
        assert url_for("b.static", filename="page.css") == "/of-b/page.css"


def test_the_folder_of_the_application_goes_first(make, ask, folder):
    """A blueprint whose files have the application's URL is not reached."""
    app = make()
    app.register_blueprint(Blueprint("a", "asyncflask_test", root_path=str(folder), static_folder="static/inside",
                                     static_url_path="/static"))  # fmt: skip
    assert ask(app, "/static/text.txt").body == TEXT
    assert ask(app, "/static/page.css").status == 404


def test_an_override_is_used(folder, ask):
    class Own(App):
        def send_static_file(self, filename):
            return f"own {filename}"

    app = Own("asyncflask_test", root_path=str(folder))
    assert ask(app, "/static/any/thing").text == "own any/thing"
    app.close_threads()


# -- conditions


def test_what_a_client_needs_to_ask_again(asked):
    got = asked()
    assert (got.status, got.body, got.headers["Content-Length"]) == (200, TEXT, "10")
    assert got.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert got.headers["ETag"] and got.headers["Last-Modified"] and got.headers["Date"]
    assert got.headers["Cache-Control"] == "no-cache"


def test_an_unchanged_file_is_304(asked):
    first = asked()
    modified = first.headers["Last-Modified"]
    for condition in ({"If_None_Match": first.headers["ETag"]}, {"If_Modified_Since": modified}):
        got = asked(**condition)
        assert (got.status, got.body, got.headers["ETag"]) == (304, b"", first.headers["ETag"])
        assert asked(method="HEAD", **condition).status == 304
    # the tag decides where both are sent
    assert asked(If_None_Match='"other"', If_Modified_Since=modified).status == 200
    assert asked(If_Modified_Since=http_date(datetime.now(UTC) - timedelta(days=1000))).status == 200
    assert asked(If_Match='"other"').status == 412


def test_a_changed_file_is_sent_again(asked, folder):
    first = asked()
    (folder / "static" / "text.txt").write_bytes(b"new")
    os.utime(folder / "static" / "text.txt", (1, 1))
    got = asked(If_None_Match=first.headers["ETag"])
    assert (got.status, got.body) == (200, b"new")


@pytest.mark.parametrize("value", [60, timedelta(minutes=1)])
def test_how_long_a_file_is_kept(asked, value):
    asked.app.config["SEND_FILE_MAX_AGE_DEFAULT"] = value
    got = asked()
    assert got.headers["Cache-Control"] in ("public, max-age=60", "max-age=60, public")
    assert got.headers["Expires"]


def test_how_long_each_file_is_kept(asked, monkeypatch):
    ages = {"text.txt": 60, "inside/page.css": 3600}
    monkeypatch.setattr(
        asked.app, "get_send_file_max_age", lambda name: next((ages[end] for end in ages if name.endswith(end)), None)
    )
    assert "max-age=60" in asked().headers["Cache-Control"]
    assert "max-age=3600" in asked("inside/page.css").headers["Cache-Control"]
    assert asked("empty.txt").headers["Cache-Control"] == "no-cache"


# -- ranges


@pytest.mark.parametrize(
    ("wanted", "body", "content_range"),
    [
        ("bytes=0-4", b"01234", "bytes 0-4/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=9-99", b"9", "bytes 9-9/10"),
        ("bytes=0-9", TEXT, "bytes 0-9/10"),
    ],
)
def test_a_part_of_a_file(asked, wanted, body, content_range):
    got = asked(Range=wanted)
    assert (got.status, got.body, got.headers["Content-Range"]) == (206, body, content_range)
    assert (got.headers["Content-Length"], got.headers["Accept-Ranges"]) == (str(len(body)), "bytes")
    head = asked(method="HEAD", Range=wanted)
    assert (head.status, head.body, head.headers["Content-Range"]) == (206, b"", content_range)


@pytest.mark.parametrize("wanted", ["bytes=99-", "bytes=10-", "bytes=4-1", "bytes=x", "lines=0-1", "bytes=0-1,3-4"])
def test_a_part_that_cannot_be_sent(asked, wanted):
    """Several ranges at once are refused, as by Flask."""
    got = asked(Range=wanted)
    assert got.status == 416
    if wanted not in ("bytes=x", "bytes=4-1"):
        assert got.headers["Content-Range"] == "bytes */10"


def test_a_part_of_the_file_as_it_was(asked):
    first = asked()
    for condition in (first.headers["ETag"], first.headers["Last-Modified"]):
        assert asked(Range="bytes=0-4", If_Range=condition).status == 206
    got = asked(Range="bytes=0-4", If_Range='"other"')
    assert (got.status, got.body) == (200, TEXT)
