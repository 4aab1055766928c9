"""A file that another is put in the place of, after what is told of it was looked up and before it is opened."""

from __future__ import annotations

import itertools
import os
import sys

import pytest

from asyncflask import send_file, send_from_directory
from asyncflask.serving.static import StaticFiles, exports_of
from asyncflask.static_files import serve_folder

from .asking import ask_asgi

OLD = b"0123456789"


@pytest.fixture
def folder(app, tmp_path):
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "file.txt").write_bytes(OLD)
    app.root_path = str(tmp_path)
    app.static_folder = "static"
    return tmp_path / "static"


@pytest.fixture(params=["send_file", "send_from_directory", "static", "folder"])
def get(request, app, asked, folder):
    """Ask for the file, sent in each way."""
    app.add_url_rule("/send_file", "1", lambda: send_file("static/file.txt"))
    app.add_url_rule("/send_from_directory", "2", lambda: send_from_directory("static", "file.txt"))
    serve_folder(app, "/folder", "static")
    name = "" if request.param.startswith("send") else "/file.txt"
    return lambda method="GET", **headers: asked(f"/{request.param}{name}", method, headers=headers)


@pytest.fixture
def replacing(folder, monkeypatch):
    """Put each of some contents in the file's place, at the moment when Werkzeug has looked at the one before."""
    file, looked, new = folder / "file.txt", os.stat, folder.parent / "new"

    def replace(contents):
        contents = iter(contents)

        def stat(path, **options):
            found = looked(path, **options)
            if sys._getframe(1).f_globals["__name__"] == "werkzeug.utils" and str(path).endswith("file.txt"):
                content = next(contents, None)
                if content is not None:
                    new.write_bytes(content)
                    os.replace(new, file)
            return found

        monkeypatch.setattr(os, "stat", stat)

    return replace


@pytest.mark.parametrize("new", [b"a longer text than before", b"short", b"", b"9876543210"])
def test_what_is_told_is_of_what_is_sent(get, replacing, new):
    before = get()
    replacing([new])
    got = get()
    assert (got.status, got.body, got.headers["Content-Length"]) == (200, new, str(len(new)))
    assert got.headers["ETag"] not in (None, before.headers["ETag"])


def test_the_length_that_head_tells(get, replacing):
    replacing([b"a longer text than before"])
    got = get("HEAD")
    assert (got.body, got.headers["Content-Length"]) == (b"", "25")


def test_a_range_of_the_old_file_is_not_taken_of_the_new(get, replacing):
    """Whoever puts ranges together says so, by If-Range, and gets the new file whole."""
    tag = get().headers["ETag"]
    replacing([b"9876543210"])
    got = get(**{"Range": "bytes=2-3", "If-Range": tag})
    assert (got.status, got.body) == (200, b"9876543210")


def test_a_range_that_the_new_file_has_not(get, replacing):
    replacing([b"short"])
    got = get(Range="bytes=3-8")
    assert (got.status, got.body, got.headers["Content-Range"]) == (206, b"rt", "bytes 3-4/5")


def test_a_file_that_is_replaced_without_end(get, replacing):
    replacing(b"x" * number for number in itertools.count(20))
    got = get()
    assert (got.status, got.headers["Retry-After"]) == (503, "1")


def test_a_file_that_grows_is_sent_as_far_as_was_told(get, folder, monkeypatch):
    looked = os.stat

    def stat(path, **options):
        found = looked(path, **options)
        with open(folder / "file.txt", "ab") as file:
            file.write(b"more")
        return found

    monkeypatch.setattr(os, "stat", stat)
    got = get()
    assert (got.status, got.headers["Content-Length"]) == (200, str(len(got.body)))
    assert got.body.startswith(OLD)


def test_the_files_in_front_of_an_application(folder, app, replacing, monkeypatch):
    files = StaticFiles(app, exports_of({"/files": str(folder)}))
    try:
        replacing([b"a longer text than before"])
        got = ask_asgi(files, "/files/file.txt")
        assert (got.status, got.body, got.headers["Content-Length"]) == (200, b"a longer text than before", "25")
        replacing(b"x" * number for number in itertools.count(20))
        assert ask_asgi(files, "/files/file.txt").status == 503
        monkeypatch.undo()
        monkeypatch.setattr("asyncflask.serving.static.sent_as_seen", lambda path, send: (os.unlink(path), send())[1])
        assert ask_asgi(files, "/files/file.txt").status == 404
    finally:
        files.close()
