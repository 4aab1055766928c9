"""A form read part by part as it arrives, in both kinds of view: nothing spooled, every limit held."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tracemalloc

import pytest

from asyncflask import request
from asyncflask.testing.transport import BodyCut, Exchange, scope_from_environ
from asyncflask.wrappers import body as body_module

from .asking import BY_WAY, WAYS, environ_of, turns

HEAD = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
FILE_HEAD = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\nContent-Type: text/x-own\r\n\r\n'
END = b"\r\n--x--\r\n"
TYPE = "multipart/form-data; boundary=x"


@pytest.fixture(params=["def", "async"])
def colour(request):
    return request.param


def add(app, colour, sync, asynchronous, **options):
    view = sync if colour == "def" else asynchronous
    app.add_url_rule("/", "view", view, methods=["POST"], **({"stream_body": True} | options))


def collecting(app, colour, **options):
    """Add a view that answers with what it found."""

    def sync():
        found = []
        for part in request.multipart():
            found.append([part.name, part.filename, part.content_type, b"".join(part).decode(), part.received])
        return found

    async def asynchronous():
        found = []
        async for part in request.multipart():
            content = b"".join([piece async for piece in part]).decode()
            found.append([part.name, part.filename, part.content_type, content, part.received])
        return found

    add(app, colour, sync, asynchronous, **options)


@pytest.mark.parametrize("streamed", [True, False], ids=["stream_body", "read before"])
def test_all_kinds_of_parts(app, asked, colour, streamed):
    collecting(app, colour, stream_body=streamed)
    data = HEAD % b"a" + b"one\r\n" + FILE_HEAD % (b"f", b"../n \xc3\xbc.txt") + b"line\r\n--not\n" + END + b"epilogue"
    assert asked("/", "POST", data=data, content_type=TYPE).json == [
        ["a", None, None, "one", 3],
        ["f", "../n \u00fc.txt", "text/x-own", "line\r\n--not\n", 12],
    ]
    assert asked("/", "POST", data=b"--x--\r\n", content_type=TYPE).json == []
    assert asked("/", "POST", data=b"", content_type=TYPE).json == []


async def exchange_of(app, pieces, declared=None, **options):
    """Begin an exchange whose form comes in these pieces: bytes, or what to wait for before the next."""
    scope = scope_from_environ(environ_of("/", "POST", **options))
    scope["headers"] = [(b"host", b"localhost"), (b"content-type", TYPE.encode())]
    scope["headers"].append((b"transfer-encoding", b"chunked") if declared is None else declared)
    exchange = Exchange(scope, ())
    left = iter(pieces)
    exchange.taken = 0

    async def receive():
        for piece in left:
            if not isinstance(piece, bytes):
                await piece.wait()
                continue
            exchange.taken += 1
            return {"type": "http.request", "body": piece, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    exchange.receive = receive
    return exchange


async def test_parts_are_there_as_they_arrive(app, colour):
    """The first part before the second was sent, and each piece of a part before the next one."""
    go_on, seen = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def note(what):
        loop.call_soon_threadsafe(seen.append, what)

    def sync():
        parts = request.multipart()
        for part in parts:
            note((part.name, parts.received, parts.total))
            for piece in part:
                note(piece)
        return "done"

    async def asynchronous():
        parts = request.multipart()
        async for part in parts:
            note((part.name, parts.received, parts.total))
            async for piece in part:
                note(piece)
        return "done"

    add(app, colour, sync, asynchronous)
    first = HEAD % b"a" + b"one" + b"\r\n" + FILE_HEAD % (b"f", b"n") + b"two"
    last = b"three" + END
    total = len(first) + len(last)
    exchange = await exchange_of(app, [first, go_on, last], (b"content-length", b"%d" % total))
    running = asyncio.create_task(exchange.run(app))
    await turns(lambda: len(seen) == 4, most=1_000_000)
    assert seen == [("a", len(first), total), b"one", ("f", len(first), total), b"two"]
    go_on.set()
    await running
    assert seen[4:] == [b"three"]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
async def test_any_cut_into_pieces(app, colour, size):
    collecting(app, colour)
    data = HEAD % b"a" + b"\r\n--\r\n-" + b"\r\n" + FILE_HEAD % (b"f", b"n") + b"\r\r\n\n--x" + b"y" * 50 + END
    exchange = await exchange_of(app, [data[at : at + size] for at in range(0, len(data), size)])
    await exchange.run(app)
    content = "\r\r\n\n--x" + "y" * 50
    assert contents(exchange) == {"a": "\r\n--\r\n-", "f": content}


def contents(exchange):
    return {name: content for name, _, _, content, _ in json.loads(b"".join(exchange.pieces))}


def test_what_is_not_read_is_passed_over(app, asked, colour):
    def sync():
        return [part.name for part in request.multipart()]

    async def asynchronous():
        return [part.name async for part in request.multipart()]

    add(app, colour, sync, asynchronous)
    data = HEAD % b"a" + b"x" * 300_000 + b"\r\n" + HEAD % b"b" + b"y" + END
    assert asked("/", "POST", data=data, content_type=TYPE).json == ["a", "b"]


def test_fields_and_files_by_their_methods(app, asked, colour, tmp_path):
    def sync():
        found = {}
        for part in request.multipart():
            if part.filename:
                found[part.name] = part.save(tmp_path / part.name)
            else:
                found[part.name] = part.text()
        return found

    async def asynchronous():
        found = {}
        async for part in request.multipart():
            if part.filename:
                found[part.name] = await part.asave(tmp_path / part.name)
            else:
                found[part.name] = await part.atext()
        return found

    add(app, colour, sync, asynchronous)
    content = os.urandom(1_000_000).replace(b"\r\n--x", b"")
    latin = b'--x\r\nContent-Disposition: form-data; name="l"\r\nContent-Type: text/plain; charset=latin-1\r\n\r\n'
    latin = latin.replace(b"latin-1", b"iso-8859-1")
    data = HEAD % b"u" + "\u00fc".encode() + b"\r\n" + latin + b"\xfc\r\n" + FILE_HEAD % (b"f", b"n") + content + END
    got = asked("/", "POST", data=data, content_type=TYPE).json
    assert got == {"u": "\u00fc", "l": "\u00fc", "f": len(content)}
    assert (tmp_path / "f").read_bytes() == content
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("way", ["asgi"])
def test_a_file_is_there_as_a_whole_or_not_at_all(app, way, colour, tmp_path):
    (tmp_path / "f").write_text("before")

    def sync():
        for part in request.multipart():
            part.save(tmp_path / "f")
        return "done"

    async def asynchronous():
        async for part in request.multipart():
            await part.asave(tmp_path / "f")
        return "done"

    add(app, colour, sync, asynchronous)
    data = FILE_HEAD % (b"f", b"n") + b"y" * 600_000
    assert BY_WAY[way](app, "/", "POST", data=data, content_type=TYPE).status == 400
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_to_a_file_object(app, asked, colour):
    kept = io.BytesIO()

    def sync():
        return str([part.save(kept) for part in request.multipart()])

    async def asynchronous():
        return str([await part.asave(kept) async for part in request.multipart()])

    add(app, colour, sync, asynchronous)
    assert asked("/", "POST", data=FILE_HEAD % (b"f", b"n") + b"content" + END, content_type=TYPE).text == "[7]"
    assert kept.getvalue() == b"content"


LIMITS = {
    "parts": ({"MAX_FORM_PARTS": 2}, (HEAD % b"a" + b"\r\n") * 3 + END[2:], 413),
    "field": ({"MAX_FORM_MEMORY_SIZE": 10}, HEAD % b"a" + b"x" * 11 + END, 413),
    "whole": ({"MAX_CONTENT_LENGTH": 50}, HEAD % b"a" + b"x" * 100 + END, 413),
    "header": ({}, b"--x\r\nX-Long: " + b"y" * 17_000 + b"\r\n" + HEAD[5:] % b"a" + END, 413),
    "header without end": ({}, b"--x\r\nX-Long: " + b"y" * 300_000, 413),
    "preamble without end": ({}, b"y" * 300_000, 413),
    "epilogue without end": ({}, HEAD % b"a" + END + b"y" * 300_000, 400),
    "cut in the header": ({}, HEAD[:20], 400),
    "cut in the content": ({}, HEAD % b"a" + b"content", 400),
    "no form at all": ({}, b"{}", 400),
    "no disposition": ({}, b"--x\r\nA: b\r\n\r\n" + END, 400),
    "no name": ({}, b"--x\r\nContent-Disposition: form-data\r\n\r\n" + END, 400),
    "bytes in the header": ({}, b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n' + END, 400),
}


@pytest.mark.parametrize("case", LIMITS)
def test_bounds_and_bad_input(app, asked, colour, case):
    config, data, status = LIMITS[case]
    app.config.update(config)

    def sync():
        return [part.text() for part in request.multipart()]

    async def asynchronous():
        return [await part.atext() async for part in request.multipart()]

    add(app, colour, sync, asynchronous)
    assert asked("/", "POST", data=data, content_type=TYPE).status == status


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/json", 415), (None, 415), ("multipart/form-data", 400), ("multipart/form-data; boundary=\xfc", 400)],
)
def test_what_is_no_form_is_refused(app, asked, colour, content_type, status):
    collecting(app, colour)
    assert asked("/", "POST", data=b"x", content_type=content_type).status == status


def test_a_part_is_over_when_the_next_is_asked_for(app, asked, colour):
    def sync():
        first, _ = request.multipart()
        return first.text()

    async def asynchronous():
        first, _ = [part async for part in request.multipart()]
        assert request.multipart() is request.multipart()
        return await first.atext()

    add(app, colour, sync, asynchronous)
    app.register_error_handler(RuntimeError, lambda error: (str(error), 200))
    data = HEAD % b"a" + b"1\r\n" + HEAD % b"b" + b"2" + END
    # Its content has been passed over, so it is empty; what is asked of it in the middle of the next is refused.
    assert asked("/", "POST", data=data, content_type=TYPE).text == ""


def test_a_form_is_parsed_once(app, asked):
    @app.post("/")
    def view():
        assert request.form["a"] == "1"
        with pytest.raises(RuntimeError, match="parsed before"):
            request.multipart()
        return "done"

    assert asked("/", "POST", data=HEAD % b"a" + b"1" + END, content_type=TYPE).text == "done"


async def test_parts_are_piped_without_being_kept(app, colour, monkeypatch):
    """24 MiB through a view in little memory, and no file is made."""
    size, piece = 24 * 2**20, 2**16
    monkeypatch.setattr(body_module, "TemporaryFile", None)
    sizes = []

    def sync():
        for part in request.multipart():
            sizes.append(sum(map(len, part)))
        return "done"

    async def asynchronous():
        async for part in request.multipart():
            sizes.append(sum([len(piece) async for piece in part]))
        return "done"

    add(app, colour, sync, asynchronous)

    def pieces():
        yield FILE_HEAD % (b"f", b"n")
        for _ in range(size // piece):
            yield b"x" * piece
        yield END

    exchange = await exchange_of(app, pieces())
    tracemalloc.start()
    try:
        await exchange.run(app)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await app.shutdown()
    assert sizes == [size]
    assert peak < 2 * 2**20


@pytest.mark.parametrize("way", WAYS)
def test_an_async_view_reads_its_body_itself(app, way):
    """Under a WSGI server too, where the input is read in a thread."""

    @app.post("/", stream_body=True)
    async def view():
        first = await request.stream.aread(5)
        rest = [len(piece) async for piece in request.stream]
        return [first.decode(), sum(rest)]

    assert BY_WAY[way](app, "/", "POST", data=b"start" + b"x" * 200_000).json == ["start", 200_000]
    assert BY_WAY[way](app, "/", "POST", data=b"").json == ["", 0]
    app.config["MAX_CONTENT_LENGTH"] = 10
    assert BY_WAY[way](app, "/", "POST", data=b"x" * 11).status == 413


def test_a_body_that_is_cut_under_a_wsgi_server(app):
    @app.post("/", stream_body=True)
    async def view():
        return str(len(await request.stream.aread()))

    environ = environ_of("/", "POST", data=b"short")
    environ["CONTENT_LENGTH"] = "100"
    statuses = []
    body = app.wsgi_app(environ, lambda status, headers, exc_info=None: statuses.append(status))
    assert b"".join(body) and statuses == ["400 BAD REQUEST"]
    body.close()


def test_an_uploaded_file_is_saved_by_either_kind_of_view(app, asked, colour, tmp_path):
    target = tmp_path / "saved"

    def sync():
        request.files["f"].save(target)
        return target.read_text()

    async def asynchronous():
        file = request.files["f"]
        await file.save(target)
        first = target.read_text()
        file.stream.seek(0)
        await file.asave(target)
        return first[:0] + target.read_text()

    add(app, colour, sync, asynchronous, stream_body=False)
    data = FILE_HEAD % (b"f", b"n") + b"content" + END
    assert asked("/", "POST", data=data, content_type=TYPE).text == "content"


def test_the_client_leaves_in_the_middle(app, colour):
    """The view sees it as 400, and what it holds is given back."""
    order = []
    app.teardown_request(lambda error: order.append("torn down"))

    def sync():
        try:
            return [part.text() for part in request.multipart()]
        finally:
            order.append("view")

    async def asynchronous():
        try:
            return [await part.atext() async for part in request.multipart()]
        finally:
            order.append("view")

    add(app, colour, sync, asynchronous)

    def body():
        yield HEAD % b"a" + b"x"
        raise BodyCut

    scope = scope_from_environ(environ_of("/", "POST", content_type=TYPE, data=b"y" * 500))
    exchange = Exchange(scope, body())
    asyncio.run(exchange.run(app))
    assert exchange.status == 400
    assert order == ["view", "torn down"]
