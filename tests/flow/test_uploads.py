"""Uploaded files in both kinds of view: reading, saving, where large ones are kept; languages that a client prefers."""

from __future__ import annotations

import asyncio
import io
import tracemalloc
from tempfile import SpooledTemporaryFile

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.utils import secure_filename

from asyncflask import Request, request
from asyncflask.testing.transport import Exchange, scope_from_environ

from .asking import environ_of
from .colours import COLOURS, both


@pytest.fixture(params=COLOURS)
def colour(request):
    return request.param


def send(asked, path, content=b"content", name="../a b.txt"):
    return asked(path, "POST", data={"file": (io.BytesIO(content), name, "text/x-own; charset=utf-8"), "field": "x"})


def send_large(asked, path, size):
    """Send a form made by hand: Werkzeug's builder keeps large ones in a file that it does not close."""
    head = '--x\r\nContent-Disposition: form-data; name="file"; filename="large"\r\n\r\n'
    body = head.encode() + b"x" * size + b"\r\n--x--\r\n"
    return asked(path, "POST", data=body, content_type="multipart/form-data; boundary=x")


def test_an_uploaded_file(app, asked, colour, tmp_path):
    def view():
        file = request.files["file"]
        assert isinstance(file, FileStorage)
        first = file.read(3)
        file.stream.seek(0)
        target = tmp_path / secure_filename(file.filename)
        file.save(target)
        copy = io.BytesIO()
        file.stream.seek(0)
        file.save(copy)
        return {
            "first": first.decode(),
            "name": file.name,
            "filename": file.filename,
            "types": [file.content_type, file.mimetype, file.mimetype_params],
            "saved": [target.name, target.read_text(), copy.getvalue().decode()],
            "field": request.form["field"],
            "truth": [bool(file), request.files.get("other") is None, len(request.files.getlist("file"))],
        }

    both(app, view, methods=["POST"])
    assert send(asked, f"/{colour}").json == {
        "first": "con",
        "name": "file",
        "filename": "../a b.txt",
        "types": ["text/x-own; charset=utf-8", "text/x-own", {"charset": "utf-8"}],
        "saved": ["a_b.txt", "content", "content"],
        "field": "x",
        "truth": [True, True, 1],
    }


def test_an_async_view_may_save_in_a_thread(app, asked, tmp_path):
    @app.post("/")
    async def view():
        await asyncio.to_thread(request.files["file"].save, tmp_path / "saved")
        return (tmp_path / "saved").read_bytes()

    assert send(asked, "/").text == "content"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("My cool movie.mov", "My_cool_movie.mov"),
        ("../../../etc/passwd", "etc_passwd"),
        ("i contain cool \xfcml\xe4uts.txt", "i_contain_cool_umlauts.txt"),
        ("..", ""),
    ],
)
def test_names_are_made_safe(app, asked, colour, name, safe):
    both(app, lambda: secure_filename(request.files["file"].filename), methods=["POST"])
    assert send(asked, f"/{colour}", name=name).text == safe


def test_a_large_file_goes_to_disk(app, asked, colour):
    """A small one stays in memory."""

    def view():
        stream = request.files["file"].stream
        in_memory = isinstance(stream, io.BytesIO) or (isinstance(stream, SpooledTemporaryFile) and not stream._rolled)
        return [in_memory, len(stream.read())]

    both(app, view, methods=["POST"])
    assert send_large(asked, f"/{colour}", 1000).json == [True, 1000]
    assert send_large(asked, f"/{colour}", 600_000).json == [False, 600_000]


def test_a_request_class_may_say_where_files_go(app, asked, colour):
    made = []

    class Own(Request):
        def _get_file_stream(self, total_content_length, content_type, filename=None, content_length=None):
            made.append((content_type, filename))
            return io.BytesIO()

    app.request_class = Own
    both(app, lambda: request.files["file"].read(), methods=["POST"])
    assert send(asked, f"/{colour}").text == "content"
    assert made == [("text/x-own; charset=utf-8", "../a b.txt")]


@pytest.mark.parametrize(
    ("accepted", "best"),
    [("de-AT, de;q=0.8, en;q=0.5", "de"), ("fr, en;q=0.2", "en"), ("fr", "None"), ("*", "en"), ("en-GB", "en")],
)
def test_the_language_that_a_client_likes_best(app, asked, colour, accepted, best):
    both(app, lambda: str(request.accept_languages.best_match(["en", "de"])))
    assert asked(f"/{colour}", headers={"Accept-Language": accepted}).text == best


@pytest.mark.parametrize("path", COLOURS)
async def test_a_large_upload_takes_little_memory(app, path):
    """It comes in pieces, as servers give them; none of them is kept."""
    size, piece = 24 * 2**20, b"x" * 2**16
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="large"\r\n\r\n'
    tail = b"\r\n--x--\r\n"

    def body():
        yield head
        for _ in range(size // len(piece)):
            yield bytes(piece)
        yield tail

    both(app, lambda: str(request.files["file"].seek(0, io.SEEK_END)), methods=["POST"])
    scope = scope_from_environ(environ_of(f"/{path}", "POST"))
    length = len(head) + size + len(tail)
    scope["headers"] = [
        (b"host", b"localhost"),
        (b"content-type", b"multipart/form-data; boundary=x"),
        (b"content-length", str(length).encode()),
    ]
    exchange = Exchange(scope, body())
    tracemalloc.start()
    try:
        await exchange.run(app)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await app.shutdown()
    assert exchange.pieces == [str(size).encode()]
    assert peak < size / 4
