"""Folders of files: index pages, listings, single-page applications, compressed variants, URLs with a version."""

from __future__ import annotations

import gzip
import os
import sys

import pytest

from asyncflask import App, Blueprint, send_from_directory, url_for
from asyncflask.static_files import serve_folder

from .asking import BY_WAY

PAGE = {"headers": {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}}


@pytest.fixture
def folder(tmp_path):
    files = {
        "index.html": "home",
        "app.js": "script",
        "docs/index.html": "docs",
        "docs/a b.html": "a b",
        "open/one.txt": "one",
        "open/two & three/x": "x",
        "open/.secret": "hidden",
        ".env": "hidden",
        ".well-known/security.txt": "contact",
        ".git/config": "hidden",
    }
    for name, text in files.items():
        path = tmp_path / "dist" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "outside.txt").write_text("outside")
    return tmp_path / "dist"


@pytest.fixture
def app(folder):
    app = App("asyncflask_test", root_path=str(folder.parent), static_folder=None)
    app.testing = True
    yield app
    app.close_threads()


@pytest.fixture(params=BY_WAY)
def ask(request, app):
    """Ask in each way for files that are served with these options."""

    def served(prefix="/", **options):
        serve_folder(app, prefix, "dist", **options)
        return lambda path, *args, **more: BY_WAY[request.param](app, path, *args, **more)

    return served


def test_files_and_the_index_of_a_folder(ask):
    get = ask("/files")
    texts = {"/files/": "home", "/files/app.js": "script", "/files/docs/": "docs", "/files/docs/a b.html": "a b"}
    assert {path: get(path).text for path in texts} == texts
    assert get("/files/docs/").headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("path", ["docs?a=%2F&b", "docs?", "docs"])
def test_a_folder_gets_its_slash(ask, path):
    got = ask("/files")(f"/files/{path}")
    assert (got.status, got.headers["Location"]) == (308, "./docs/" + path.removeprefix("docs").removesuffix("?"))


def test_no_index_no_listing_no_folder(ask):
    get = ask("/files", index=None)
    paths = ["/files/", "/files/docs", "/files/docs/", "/files/app.js"]
    assert [get(path).status for path in paths] == [404, 404, 404, 200]


def test_a_folder_without_the_index(ask):
    assert ask("/files")("/files/open/").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/app.js/",
        "/app.js/x",
        "/.env",
        "/.git/config",
        "/open/.secret",
        "/../outside.txt",
        "/%2e%2e/outside.txt",
    ],
)
def test_what_is_not_served(ask, path):
    assert ask()(path).status == 404


def test_odd_names_are_not_found(ask, folder):
    get = ask(fallback="index.html", versioned=True, precompressed=True)
    for name in ("%00.txt", "a" * 300 + ".txt", "%ff.txt", "..%5coutside.txt", "//etc/passwd.txt"):
        assert get(f"/{name}").status == 404, name


def test_well_known_files_are(ask):
    assert ask()("/.well-known/security.txt").text == "contact"


def test_routes_go_first_and_methods_are_checked(ask, app):
    get = ask(fallback="index.html")
    app.get("/app.js")(lambda: "a route")
    assert get("/app.js").text == "a route"
    assert get("/docs/", "POST").status == 405


# -- a listing


def test_a_listing(ask, folder):
    get = ask(listing=True)
    (folder / "open" / "<b>.txt").write_text("")
    if os.sep == "/":
        (folder / "open" / os.fsdecode(b"\xff.txt")).write_text("")
    text = get("/open/").text
    assert '<a href="./one.txt">one.txt</a>' in text
    assert '<a href="./two%20%26%20three/">two &amp; three/</a>' in text
    assert '<a href="./%3Cb%3E.txt">&lt;b&gt;.txt</a>' in text
    assert text.count("<li>") == 3
    assert get("/docs/").text == "docs"
    assert get("/open").headers["Location"] == "./open/"


def test_a_listing_with_what_is_neither_file_nor_folder(ask, folder):
    get = ask(listing=True)
    (folder / "open" / "circle").symlink_to("circle")
    (folder / "open" / "gone").symlink_to("nothing")
    assert get("/open/").text.count("<li>") == 4
    assert get("/open/circle").status == get("/open/gone").status == 404


@pytest.mark.parametrize(("error", "status"), [(PermissionError, 403), (FileNotFoundError, 404)])
def test_a_folder_that_is_refused_or_goes_meanwhile(ask, monkeypatch, error, status):
    get = ask(listing=True)

    def refuse(path):
        raise error(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert get("/open/").status == status


# -- pages that route in the browser


@pytest.mark.parametrize("path", ["/users/7", "/users/", "/a/b/c"])
def test_a_path_of_the_pages_own(ask, path):
    get = ask(fallback="index.html")
    got = get(path, **PAGE)
    assert (got.status, got.text, got.headers["Cache-Control"]) == (200, "home", "no-cache")
    assert get(path).text == "home"


def test_missing_files_and_data_are_not_found(ask):
    get = ask(fallback="index.html")
    assert get("/assets/gone.js", **PAGE).status == 404
    for accepted in (
        "application/json, text/plain, */*",
        "application/json; charset=utf-8",
        "image/*",
        "text/html;q=0",
    ):
        assert get("/api/typo", headers={"Accept": accepted}).status == 404, accepted


def test_caches_are_told_what_such_a_page_depends_on(ask):
    get = ask(fallback="index.html", precompressed=True)
    assert set(get("/users/7", **PAGE).headers["Vary"].split(", ")) == {"Accept", "Accept-Encoding"}
    assert get("/app.js", **PAGE).headers["Vary"] == "Accept-Encoding"


# -- variants


@pytest.fixture
def compressed(folder):
    (folder / "app.js.gz").write_bytes(gzip.compress(b"script"))
    (folder / "app.js.br").write_bytes(b"brotli")
    (folder / "app.js.zst").write_bytes(b"zstandard")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip, br;q=0", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("identity;q=1, *;q=0", None),
        ("gzip;q=x, ;;, br;q=-1", None),
        ("zstd", "zstd"),
        ("*", "br"),
        ("deflate", None),
        (None, None),
    ],
)
def test_the_best_variant(ask, compressed, accepted, coding):
    get = ask(precompressed=True)
    got = get("/app.js", headers={} if accepted is None else {"Accept-Encoding": accepted})
    assert (got.status, got.headers.get("Content-Encoding"), got.headers["Vary"]) == (200, coding, "Accept-Encoding")
    assert got.headers["Content-Type"] == get("/app.js").headers["Content-Type"]
    assert got.headers["Content-Disposition"] == "inline; filename=app.js"
    assert (gzip.decompress(got.body) if coding == "gzip" else got.body) in (b"script", b"brotli", b"zstandard")
    assert (got.headers["ETag"] == get("/app.js").headers["ETag"]) is (coding is None)


def test_a_variant_that_the_client_has(ask, compressed):
    get = ask(precompressed=True)
    asked = {"Accept-Encoding": "gzip"}
    tag = get("/app.js", headers=asked).headers["ETag"]
    got = get("/app.js", headers={**asked, "If-None-Match": tag})
    assert (got.status, got.body, got.headers["Vary"]) == (304, b"", "Accept-Encoding")
    assert get("/app.js", headers={"If-None-Match": tag}).status == 200


def test_files_without_variants(ask):
    got = ask(precompressed=True)("/", headers={"Accept-Encoding": "gzip"})
    assert (got.text, "Content-Encoding" in got.headers) == ("home", False)


# -- versions


def test_a_url_with_a_version_may_be_kept(ask, app, folder):
    get = ask(versioned=True)
    with app.test_request_context():
        url = url_for("folder", filename="app.js")
        assert url_for("folder", filename="nothing.js") == "/nothing.js"
        assert url_for("folder", filename="docs") == "/docs"
        assert url_for("folder", filename="app.js", v="1") == "/app.js?v=1"
    path, _, version = url.partition("?v=")
    assert (path, len(version)) == ("/app.js", 16)
    assert get(url).headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert get("/app.js").headers["Cache-Control"] == get("/app.js?v=old").headers["Cache-Control"] == "no-cache"
    (folder / "app.js").write_text("changed script")
    with app.test_request_context():
        assert url_for("folder", filename="app.js") != url
    assert get(url).headers["Cache-Control"] == "no-cache"


def test_without_the_right_version_nothing_lasts(ask, app, folder, monkeypatch):
    get = ask(versioned=True)

    def refuse(*args):
        raise OSError("too many open files")

    with monkeypatch.context() as patch, app.test_request_context():
        patch.setattr("asyncflask.static_files.open", refuse, raising=False)
        assert url_for("folder", filename="app.js") == "/app.js"
    assert get("/app.js").headers["Cache-Control"] == "no-cache"
    with app.test_request_context():
        assert url_for("folder", filename="app.js") != "/app.js", "what once failed is not remembered"


def test_a_variant_of_an_older_file_is_not_kept_for_a_year(ask, app, folder, compressed):
    get = ask(versioned=True, precompressed=True)
    with app.test_request_context():
        url = url_for("folder", filename="app.js")
    asked = {"Accept-Encoding": "gzip"}
    assert get(url, headers=asked).headers["Content-Encoding"] == "gzip"
    past = (folder / "app.js").stat().st_mtime - 10
    os.utime(folder / "app.js.gz", (past, past))
    assert get(url, headers=asked).text == "script"
    assert get("/app.js", headers=asked).headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("before", ["is_looked_at", "is_opened"])
def test_a_file_replaced_meanwhile_is_not_kept_for_a_year(ask, app, folder, monkeypatch, before):
    get = ask(versioned=True)
    with app.test_request_context():
        url = url_for("folder", filename="app.js")

    def replace_first(*args, **options):
        (folder / "app.js").write_text("another script")
        return send_from_directory(*args, **options)

    if before == "is_opened":
        monkeypatch.setattr("asyncflask.static_files.send_from_directory", replace_first)
    else:
        (folder / "app.js").write_text("another script")
    got = get(url)
    assert (got.text, got.headers["Cache-Control"]) == ("another script", "no-cache")


def test_what_is_told_of_a_file_is_of_the_one_that_is_sent(ask, folder, monkeypatch):
    """Werkzeug looks at a file and opens it then; the new one here is longer, and stands at its place in between."""
    get, looked = ask(), os.stat
    (folder / "new.js").write_text("another script")

    def stat(path, **options):
        found = looked(path, **options)
        if sys._getframe(1).f_code.co_name == "send_file" and (folder / "new.js").exists():
            os.replace(folder / "new.js", folder / "app.js")
        return found

    monkeypatch.setattr(os, "stat", stat)
    got = get("/app.js")
    assert (got.text, got.headers["Content-Length"]) == ("another script", "14")


def test_a_compressor_that_keeps_only_seconds(ask, app, folder, compressed):
    get = ask(versioned=True, precompressed=True)
    os.utime(folder / "app.js", ns=(10**18 + 5, 10**18 + 5))
    for changed, coding in ((10**18, "gzip"), (10**18 + 4, None)):
        os.utime(folder / "app.js.gz", ns=(changed, changed))
        with app.test_request_context():
            url = url_for("folder", filename="app.js")
        assert get(url, headers={"Accept-Encoding": "gzip"}).headers.get("Content-Encoding") == coding


def test_folders_of_one_name_have_versions_of_their_own(app, tmp_path):
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "app.js").write_text("another script")
    outer = Blueprint("outer", "asyncflask_test", root_path=app.root_path, url_prefix="/outer")
    inner = Blueprint("inner", "asyncflask_test", root_path=app.root_path, url_prefix="/inner")
    serve_folder(app, "/", "dist", versioned=True)
    serve_folder(outer, "/", "two", versioned=True)
    serve_folder(inner, "/", "dist")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.register_blueprint(outer, name="again", url_prefix="/again")
    with app.test_request_context():
        urls = [url_for(f"{name}folder", filename="app.js") for name in ("", "outer.", "again.", "outer.inner.")]
    versions = [url.partition("?v=")[2] for url in urls]
    assert versions[0] != versions[1] == versions[2] != "" and versions[3] == ""
    assert "immutable" in BY_WAY["asgi"](app, urls[1]).headers["Cache-Control"]


def test_of_a_blueprint(app, ask):
    blueprint = Blueprint("shop", "asyncflask_test", root_path=app.root_path, url_prefix="/shop")
    serve_folder(blueprint, "/assets", "dist", endpoint="assets", versioned=True)
    app.register_blueprint(blueprint)
    serve_folder(app, "/plain", "dist", endpoint="assets")
    get = ask("/x")
    with app.test_request_context():
        url = url_for("shop.assets", filename="app.js")
        assert url_for("assets", filename="app.js") == "/plain/app.js"
    assert url.startswith("/shop/assets/app.js?v=") and get(url).text == "script"


def test_a_second_folder_needs_an_endpoint_of_its_own(app):
    serve_folder(app, "/one", "dist")
    with pytest.raises(AssertionError, match="folder"):
        serve_folder(app, "/two", "dist")
