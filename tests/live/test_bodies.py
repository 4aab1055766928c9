"""Bodies over a socket: every byte counted, nothing cut, nothing read ahead without bound, no file left open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading

import pytest

from asyncflask import request as current
from asyncflask.wrappers import Request
from asyncflask.wrappers import body as body_module
from asyncflask.wrappers.form import FormParser

from .servers import JSON, LAST_PART, LIMIT, MULTIPART, URLENCODED, Cut, chunked, part, request

MB = 1024 * 1024


def open_files():
    """The files, not sockets or pipes, that this process has open."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
            found.append(target)
    return sorted(found)


@pytest.fixture
def no_file_left(monkeypatch):
    """Count the temporary files that are made; afterwards none may be open, without the help of the collector."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc")
    before = open_files()
    made = []
    original = body_module.TemporaryFile
    monkeypatch.setattr(body_module, "TemporaryFile", lambda *args: made.append(original(*args)) or made[-1])
    yield made
    assert all(file.closed for file in made)
    assert open_files() == before


@pytest.fixture
def ended(app):
    """A semaphore released by each teardown: the request is over for the app."""
    ended = threading.Semaphore(0)
    app.teardown_request(lambda error: ended.release())
    return ended


@pytest.fixture
def sink(app):
    """Routes that take a body in each way, `def` and `async def`."""

    def data():
        return {"size": len(current.get_data())}

    def form():
        return {
            "fields": {name: len(value) for name, value in current.form.items()},
            "files": {name: len(file.read()) for name, file in current.files.items()},
        }

    def stream():
        size = 0
        while piece := current.stream.read(1000):
            size += len(piece)
        return {"size": size}

    def both(view):
        async def asynchronous():
            return view()

        app.add_url_rule(f"/def/{view.__name__}", f"def_{view.__name__}", view, methods=["POST"])
        app.add_url_rule(f"/async/{view.__name__}", f"async_{view.__name__}", asynchronous, methods=["POST"])

    for view in (data, form, stream):
        both(view)

    @app.post("/async/unread", stream_body=True)
    async def async_unread():
        return {"size": sum([len(piece) async for piece in current.stream])}

    @app.post("/def/unread", stream_body=True)
    def def_unread():
        return stream()


KINDS = pytest.mark.parametrize("kind", ["def", "async"])


@KINDS
@pytest.mark.parametrize("how", ["data", "stream", "unread"])
def test_every_byte_is_counted(app, serve_each, sink, kind, how):
    app.config["MAX_CONTENT_LENGTH"] = 1000
    live = serve_each(app)
    target = f"/{kind}/{how}"
    full, over = b"x" * 1000, b"x" * 1001
    for size, body in ((1000, full), (1001, over)):
        answers = [
            live.ask(request("POST", target, body=body)),
            live.ask(request("POST", target, "Transfer-Encoding: chunked", body=chunked(body))),
            live.ask(request("POST", target, "Transfer-Encoding: chunked", body=chunked(*[b"x"] * size))),
            live.ask(request("POST", target, "Transfer-Encoding: chunked", body=chunked(body[:999], body[999:]))),
        ]
        if size == 1000:
            assert [answer.text.strip() for answer in answers] == ['{"size":1000}'] * 4
        else:
            assert [answer.status for answer in answers] == [413] * 4
        live.alive()


@KINDS
def test_a_form_over_the_limit_is_refused_whole(app, serve_each, sink, kind):
    app.config["MAX_CONTENT_LENGTH"] = 1000
    live = serve_each(app)
    target = f"/{kind}/form"
    small = part(b"a", b"1") + part(b"f", b"2" * 300, b"f.txt") + LAST_PART
    big = part(b"a", b"1") + part(b"f", b"2" * 1000, b"f.txt") + LAST_PART
    pairs = b"a=1&b=" + b"2" * 1000
    for framed in (False, True):
        lines = ["Transfer-Encoding: chunked"] if framed else []
        made = chunked if framed else bytes
        assert live.ask(request("POST", target, MULTIPART, *lines, body=made(small))).status == 200
        assert live.ask(request("POST", target, MULTIPART, *lines, body=made(big))).status == 413
        assert live.ask(request("POST", target, URLENCODED, *lines, body=made(pairs[:1000]))).status == 200
        assert live.ask(request("POST", target, URLENCODED, *lines, body=made(pairs))).status == 413
    live.alive()


def counting(app, log):
    """The application behind a counter of the messages that it receives of each request."""

    async def counted(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)

        async def noted():
            message = await receive()
            log.append((message["type"], len(message.get("body", b""))))
            return message

        await app(scope, noted, send)

    return counted


@KINDS
@pytest.mark.parametrize("how", ["data", "unread"])
def test_a_declared_excess_is_refused_unread(app, serve_each, sink, kind, how):
    app.config["MAX_CONTENT_LENGTH"] = 1000
    log = []
    live = serve_each(counting(app, log))
    with live.connect() as wire:
        wire.send(request("POST", f"/{kind}/{how}", "Content-Length: 1001"))  # and not one byte of it
        assert wire.answer().status == 413
    assert [entry for entry in log if entry[0] == "http.request"] == []
    assert live.ask(request("POST", f"/{kind}/{how}", "Content-Length: 1001", body=b"x" * 1001)).status == 413
    assert [entry for entry in log if entry[0] == "http.request"] == []
    live.alive()


def test_nothing_is_read_for_a_404_or_405(app, serve_each, sink):
    log = []
    live = serve_each(counting(app, log))
    for target, status in (("/nowhere", 404), ("/alive", 405)):
        with live.connect() as wire:
            wire.send(request("POST", target, "Content-Length: 100000"))
            assert wire.answer().status == status
    assert [entry for entry in log if entry[0] == "http.request"] == []
    live.alive()


@KINDS
def test_little_is_read_ahead_of_a_slow_consumer(app, serve_each, kind):
    """The client can send no more than the buffers on the way hold while the view has taken one piece only."""
    log, first, go_on = [], threading.Event(), threading.Event()

    @app.post("/async", stream_body=True)
    async def slow_async():
        size = len(await anext(current.stream))
        first.set()
        await asyncio.to_thread(go_on.wait, LIMIT)
        return {"size": size + sum([len(piece) async for piece in current.stream])}

    @app.post("/def", stream_body=True)
    def slow_def():
        size = len(current.stream.read1())
        first.set()
        assert go_on.wait(LIMIT)
        return {"size": size + len(current.stream.read())}

    live = serve_each(counting(app, log))
    size = 8 * MB
    with live.connect() as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        sent, stuck = 0, threading.Event()
        wire.send(request("POST", f"/{kind}", f"Content-Length: {size}"))
        wire.socket.settimeout(0.5)
        try:  # a send that times out is the very thing: nobody takes more
            while sent < size:
                sent += wire.socket.send(b"x" * min(65536, size - sent))
        except TimeoutError:
            stuck.set()
        wire.socket.settimeout(LIMIT)
        assert first.wait(LIMIT)
        assert stuck.is_set(), "the whole body was taken"
        assert sum(count for _, count in log) <= 256 * 1024  # what the application side has taken
        go_on.set()
        wire.send(b"x" * (size - sent))
        assert wire.answer().json == {"size": size}
    live.alive()


@KINDS
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("part header of 1 MB", part(b"a", b"1", header=b"X: " + b"x" * MB + b"\r\n") + LAST_PART),
        ("part header of 20 KB", part(b"a", b"1", header=b"X: " + b"x" * 20_000 + b"\r\n") + LAST_PART),
        ("part header without end", b"--frontier\r\nContent-Disposition: " + b"x" * MB),
        ("file with a name of 1 MB", part(b"a", b"1", b"f" * MB) + LAST_PART),
        ("1001 parts", part(b"a", b"1") * 1001 + LAST_PART),
        ("1001 files", part(b"a", b"1", b"f") * 1001 + LAST_PART),
        ("field over 500 kB", part(b"a", b"1" * 500_001) + LAST_PART),
        ("preamble of 1 MB", b"x" * MB + b"\r\n" + part(b"a", b"1") + LAST_PART),
    ],
)
def test_multipart_is_capped_while_it_is_parsed(app, serve, sink, kind, name, body):
    live = serve(app)
    assert live.ask(request("POST", f"/{kind}/form", MULTIPART, body=body)).status in (413, 400)
    live.alive()


@KINDS
def test_100_000_form_fields_are_refused(app, serve_each, sink, kind):
    live = serve_each(app)
    assert live.ask(request("POST", f"/{kind}/form", URLENCODED, body=b"a=&" * 100_000)).status == 413
    live.alive()


@KINDS
@pytest.mark.parametrize("kind_of_form", ["multipart", "urlencoded"])
def test_big_forms_are_parsed_off_the_loop(app, serve, sink, kind, kind_of_form):
    threads = []

    class Noting(FormParser):
        def parse(self, *args, **kwargs):
            threads.append(threading.current_thread())
            return super().parse(*args, **kwargs)

    class NotingRequest(Request):
        form_data_parser_class = Noting

    app.request_class = NotingRequest
    live = serve(app)
    if kind_of_form == "multipart":
        body, line = part(b"a", b"1") + part(b"f", b"2" * 3 * MB, b"f.bin") + LAST_PART, MULTIPART
    else:
        body, line = b"a=" + b"1" * 400_000, URLENCODED
    assert live.ask(request("POST", f"/{kind}/form", line, body=body)).status == 200
    assert len(threads) == 1 and live.thread not in threads


BIG = 3 * MB  # spooled


@KINDS
@pytest.mark.parametrize("how", ["data", "form", "stream"])
def test_spooled_files_are_closed_after_an_answer(app, serve, sink, ended, no_file_left, kind, how):
    live = serve(app)
    body = part(b"a", b"1") + part(b"f", b"2" * BIG, b"f.bin") + part(b"h", b"2" * BIG, b"h.bin") + LAST_PART
    expected = {"size": len(body)} if how != "form" else {"fields": {"a": 1}, "files": {"f": BIG, "h": BIG}}
    for _ in range(2):
        assert live.ask(request("POST", f"/{kind}/{how}", MULTIPART, body=body)).json == expected
        assert ended.acquire(timeout=LIMIT)
    live.alive()
    live.stop()
    assert len(no_file_left) == 2


@KINDS
def test_spooled_files_are_closed_when_the_form_is_bad(app, serve, sink, ended, no_file_left, kind):
    app.config["MAX_FORM_PARTS"] = 2
    live = serve(app)
    file = part(b"f", b"2" * BIG, b"f.bin")
    bodies = [(file * 3 + LAST_PART, 413), (file + b"--frontier\r\nno header", (200, 400)), (file, (200, 400))]
    bodies += [(b"no boundary at all" * 100_000, (400, 413))]
    for body, status in bodies:
        answer = live.ask(request("POST", f"/{kind}/form", MULTIPART, body=body))
        assert answer.status in (status if isinstance(status, tuple) else (status,)), answer
        assert ended.acquire(timeout=LIMIT)
    live.alive()
    live.stop()
    assert len(no_file_left) == len(bodies)


@KINDS
def test_spooled_files_are_closed_when_the_limit_is_passed(app, serve, sink, ended, no_file_left, kind):
    app.config["MAX_CONTENT_LENGTH"] = 2 * MB
    live = serve(app)
    for how in ("data", "form", "stream"):
        raw = request("POST", f"/{kind}/{how}", MULTIPART, "Transfer-Encoding: chunked")
        with live.connect() as wire:
            wire.send(raw + chunked(part(b"f", b"2" * (MB + 1), b"f.bin"), b"x" * BIG))
            assert wire.answer().status == 413
        assert ended.acquire(timeout=LIMIT)
    live.alive()
    live.stop()
    assert len(no_file_left) == 3


@KINDS
@pytest.mark.parametrize("rudely", [True, False])
@pytest.mark.parametrize("how", ["data", "form", "stream", "unread"])
def test_a_client_that_leaves_in_mid_upload(app, serve_each, sink, ended, no_file_left, kind, how, rudely):
    live = serve_each(app)
    with live.connect() as wire:
        wire.send(request("POST", f"/{kind}/{how}", MULTIPART, f"Content-Length: {10 * MB}"))
        wire.send(part(b"f", b"2" * BIG, b"f.bin"))
        wire.leave(rudely=rudely)
    assert ended.acquire(timeout=LIMIT)
    live.alive()
    live.stop()


@KINDS
def test_a_body_cut_short_is_400_and_never_the_beginning_of_one(app, serve_each, sink, kind):
    """The client closes its direction only, and hears about it where the server still sends."""
    live = serve_each(app)
    for how in ("data", "form", "stream", "unread"):
        for lines, body in [
            (["Content-Length: 100"], b"a=1"),
            (["Transfer-Encoding: chunked"], chunked(b"a=1", end=False)),
            (["Transfer-Encoding: chunked"], b"64\r\na=1"),
        ]:
            with live.connect() as wire:
                wire.send(request("POST", f"/{kind}/{how}", URLENCODED, *lines, body=body))
                wire.say_no_more()
                with contextlib.suppress(Cut):
                    assert wire.answer().status == 400
                assert wire.closed()
            live.alive()


@KINDS
def test_bad_boundaries(app, serve, sink, kind):
    live = serve(app)
    body = part(b"a", b"1") + LAST_PART
    for line in (
        "Content-Type: multipart/form-data",
        "Content-Type: multipart/form-data; boundary=",
        "Content-Type: multipart/form-data; boundary=other",
        'Content-Type: multipart/form-data; boundary="\xe9\xff"',
        "Content-Type: multipart/form-data; boundary*=utf-8''%ff%fe",
        "Content-Type: multipart/form-data; boundary=" + "b" * 5000,
        'Content-Type: multipart/form-data; boundary="a\\"b(((["',
        "Content-Type: multipart/form-data; boundary=frontier; charset=no-such-thing",
        "Content-Type: application/x-www-form-urlencoded; charset=no-such-thing",
        "Content-Type: ;;;=",
        "Content-Type: \xff/\xfe",
    ):
        answer = live.ask(request("POST", f"/{kind}/form", line, body=body))
        assert answer.status in (200, 400), line
    for header in (
        b"Content-Type: text/plain; charset=no-such-thing\r\n",
        b"Content-Type: text/plain; charset=\xff\r\n",
        b"\xff\xfe: x\r\n",
        b"Content-Length: x\r\n",
        b"no colon\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
    ):
        for name in (None, b"f", b"\xff", b"../../x\0"):
            body = part(b"a\xff", b"\xff\xfe", name, header) + LAST_PART
            answer = live.ask(request("POST", f"/{kind}/form", MULTIPART, body=body))
            assert answer.status in (200, 400), (header, name)
    live.alive()


@KINDS
def test_deep_and_undecodable_json(app, serve_each, kind):
    @app.post("/def")
    def def_json():
        return {"got": str(current.json)[:10]}

    @app.post("/async")
    async def async_json():
        return {"got": str(current.json)[:10]}

    live = serve_each(app)
    bodies = [b"[" * 200_000, b'{"a":' * 100_000, b"\xff\xfe", b'"\xff"', b"{", b"nul", b"", b"\0"]
    bodies += [b'"\x00"', b"1e", b"[1,]"]
    bodies += ["\ufeff{}".encode(), b"9" * 5000]
    for body in bodies:
        answer = live.ask(request("POST", f"/{kind}", JSON, f"Content-Length: {len(body)}", body=body))
        assert answer.status in (200, 400), body[:20]
        assert answer.status == 400 or body.startswith((b"9", b"\xef")), body[:20]
    assert live.ask(request("POST", f"/{kind}", "Content-Type: text/plain", body=b"{}")).status == 415
    live.alive()


@pytest.mark.parametrize("where", ["hook", "view"])
def test_limits_of_big_forms_count_when_set_before_the_first_use(app, serve, where):
    """Even though a thread has parsed the form before that."""

    def set_limits():
        for name in ("max_content_length", "max_form_parts", "max_form_memory_size"):
            if name in current.args:
                setattr(current, name, int(current.args[name]))

    if where == "hook":
        app.before_request(set_limits)

    @app.post("/")
    async def view():
        set_limits()
        return {"fields": len(current.form)}

    live = serve(app)
    big = part(b"a", b"1" * 300_000) + part(b"b", b"1" * 300_000) + LAST_PART
    huge = part(b"a", b"1" * 600_000) + LAST_PART
    for query, body, status in [
        ("", big, 200),
        ("max_form_parts=1", big, 413),
        ("max_content_length=500000", big, 413),
        ("max_form_memory_size=200000", big, 413),
        ("", huge, 413),
        ("max_form_memory_size=700000", huge, 200),
    ]:
        assert live.ask(request("POST", f"/?{query}", MULTIPART, body=body)).status == status, (query, len(body))
    live.alive()


def test_the_limit_may_be_raised_by_a_hook(app, serve_each, sink):
    app.config["MAX_CONTENT_LENGTH"] = 10

    @app.before_request
    def more():
        current.max_content_length = BIG

    live = serve_each(app)
    for kind in ("def", "async"):
        for body in (b"x" * 100, b"x" * BIG):
            for raw in (
                request("POST", f"/{kind}/data", body=body),
                request("POST", f"/{kind}/data", "Transfer-Encoding: chunked", body=chunked(body[:20], body[20:])),
            ):
                assert live.ask(raw).json == {"size": len(body)}
        assert live.ask(request("POST", f"/{kind}/data", f"Content-Length: {BIG + 1}")).status == 413
    live.alive()


def test_an_upload_that_is_kept_open_by_the_view_can_be_read_to_its_end(app, serve, no_file_left):
    """A response that is produced from the request's body while it is sent."""

    @app.post("/back")
    def back():
        return (line for line in current.stream)

    live = serve(app)
    body = b"".join(b"%d %s\n" % (n, b"x" * 1000) for n in range(3000))
    assert live.ask(request("POST", "/back", body=body)).body == body
    live.alive()
    live.stop()
