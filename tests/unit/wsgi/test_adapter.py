"""WSGIAdapter: the rules of PEP 3333, both bodies in step with their slower side, and every way out closed."""

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import threading
from wsgiref.validate import validator

import pytest
from werkzeug.wrappers import Request, Response

from asyncflask.testing.transport import BodyCut, Exchange, ProtocolError
from asyncflask.threads import CallerBridge, PoolBridge, QueueFull, WorkerPool
from asyncflask.wsgi import WSGIAdapter
from asyncflask.wsgi.bodies import READ_AHEAD, UNSENT, RequestCut

LONG = 30
"""Seconds after which a test that waits for something that does not come has failed."""


@pytest.fixture(autouse=True)
def logs_at_debug(caplog):
    caplog.set_level(logging.DEBUG, "asyncflask.wsgi")


@pytest.fixture
def pool():
    pool = WorkerPool(4, name="asyncflask-test")
    yield pool
    assert pool.close(LONG)


def scope_of(method="GET", path="/", *, root_path="", query=b"", headers=(), **more):
    names = {name for name, _ in headers}
    host = [] if b"host" in names else [(b"host", b"localhost")]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "root_path": root_path,
        "path": root_path + path,
        "raw_path": (root_path + path).encode(),
        "query_string": query,
        "headers": host + list(headers),
        "client": ("127.0.0.1", 4000),
        "server": ("localhost", 80),
    } | more


def length_of(body):
    return [(b"content-length", b"%d" % len(body))]


def ask(app, scope=None, body=(), *, pool=None, **options):
    """Run one request to its end and return the exchange."""
    return asyncio.run(answer(app, scope, body, pool=pool, **options))


async def answer(app, scope=None, body=(), *, pool=None, exchange=None, **options):
    exchange = exchange or Exchange(scope or scope_of(), body)
    own = None
    if pool is None and not options:
        own = pool = WorkerPool(4, name="asyncflask-test")
    try:
        await asyncio.wait_for(exchange.run(WSGIAdapter(app, pool=pool, **options)), LONG)
    finally:
        if own is not None:
            assert own.close(LONG)
    return exchange


def body_of(exchange):
    return b"".join(exchange.pieces)


class Body:
    """A response body that counts how it is treated."""

    def __init__(self, pieces=(), at_close=None):
        self.pieces = pieces
        self.iterated = 0
        self.closed = []
        self.at_close = at_close

    def __iter__(self):
        self.iterated += 1
        yield from self.pieces

    def close(self):
        self.closed.append(threading.get_ident())
        if self.at_close is not None:
            raise self.at_close


def plain(start_response, status="200 OK", *headers):
    return start_response(status, [("Content-Type", "text/plain"), *headers])


# -- the answer ----------------------------------------


def test_status_headers_and_body_arrive():
    def app(environ, start_response):
        start_response("201 Made", [("X-One", "1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=\xe4")])
        return iter([b"one", b"two"])

    exchange = ask(app)
    assert exchange.status == 201
    assert exchange.headers == [(b"x-one", b"1"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=\xe4")]
    assert body_of(exchange) == b"onetwo"


@pytest.mark.parametrize(("body", "length"), [([b"one", b"two"], b"6"), ([], b"0"), ((), b"0"), ([b""], b"0")])
def test_length_of_a_whole_body_is_told(body, length):
    def app(environ, start_response):
        plain(start_response)
        return body

    exchange = ask(app)
    assert dict(exchange.headers)[b"content-length"] == length
    assert body_of(exchange) == b"".join(body)


def test_no_length_is_made_up_for_a_stream():
    def app(environ, start_response):
        plain(start_response)
        yield b"one"

    assert b"content-length" not in dict(ask(app).headers)


def test_empty_pieces_are_not_sent_and_do_not_begin_the_answer():
    steps = []

    def app(environ, start_response):
        plain(start_response)
        yield b""
        start_response("202 Accepted", [], (ValueError, ValueError("replaced"), None))
        steps.append("replaced")
        yield b"x"
        yield b""

    messages = []
    exchange = Exchange(scope_of())
    send = exchange.send

    async def recording(message):
        messages.append(message)
        await send(message)

    exchange.send = recording
    asyncio.run(answer(app, exchange=exchange))
    assert exchange.status == 202
    assert steps == ["replaced"]
    assert all(m["body"] for m in messages[1:-1])
    assert body_of(exchange) == b"x"


def test_every_piece_is_sent_without_waiting_for_the_next():
    arrived = [threading.Event(), threading.Event()]

    def app(environ, start_response):
        plain(start_response)
        for number, event in enumerate(arrived):
            yield b"%d" % number
            assert event.wait(LONG)

    exchange = Exchange(scope_of())
    send = exchange.send

    async def client(message):
        await send(message)
        for number, event in enumerate(arrived):
            if b"%d" % number in message.get("body", b""):
                event.set()

    exchange.send = client
    asyncio.run(answer(app, exchange=exchange))
    assert exchange.complete


def test_write_sends_and_mixes_with_the_iterable():
    def app(environ, start_response):
        write = plain(start_response)
        write(b"one ")
        write(b"two ")
        return [b"three"]

    assert body_of(ask(app)) == b"one two three"


class Recording(PoolBridge):
    """Tells when a worker waits for the loop."""

    waits: asyncio.Event

    def run(self, awaitable, context):
        self.loop.call_soon_threadsafe(self.waits.set)
        return super().run(awaitable, context)


def test_worker_waits_where_the_client_is_slow(pool):
    made = []

    def app(environ, start_response):
        plain(start_response)
        for _ in range(1000):
            made.append(1024)
            yield b"x" * 1024

    async def run():
        exchange = Exchange(scope_of())
        send, go_on = exchange.send, asyncio.Event()
        bridge = Recording(asyncio.get_running_loop(), pool, pool)
        bridge.waits = asyncio.Event()

        async def slow(message):
            if message["type"] == "http.response.body":
                await go_on.wait()
            await send(message)

        exchange.send = slow
        task = asyncio.create_task(answer(app, exchange=exchange, bridge_for=lambda loop: bridge))
        await asyncio.wait_for(bridge.waits.wait(), LONG)
        assert sum(made) <= 2 * UNSENT + 1024
        go_on.set()
        await task
        return exchange

    assert len(body_of(asyncio.run(run()))) == 1000 * 1024


# -- start_response ----------------------------------------


def test_start_response_twice_is_refused(caplog):
    def app(environ, start_response):
        plain(start_response)
        plain(start_response)
        return [b"x"]

    assert ask(app).status == 500
    assert "start_response() was called again" in caplog.text


def test_start_response_with_exc_info_replaces_what_was_not_sent():
    def app(environ, start_response):
        plain(start_response, "200 OK", ("X-Old", "1"))
        try:
            raise ValueError("late")
        except ValueError as error:
            start_response("503 Later", [("X-New", "1")], (ValueError, error, error.__traceback__))
        return [b"sorry"]

    exchange = ask(app)
    assert exchange.status == 503
    assert dict(exchange.headers) == {b"x-new": b"1", b"content-length": b"5"}


def test_start_response_with_exc_info_raises_it_once_the_header_was_sent():
    def app(environ, start_response):
        plain(start_response)
        yield b"begun"
        try:
            raise LookupError("in the middle")
        except LookupError as error:
            start_response("500 Oops", [], (LookupError, error, error.__traceback__))
        yield b"never"

    exchange = Exchange(scope_of())
    with pytest.raises(LookupError, match="in the middle"):
        asyncio.run(answer(app, exchange=exchange))
    assert exchange.status == 200
    assert not exchange.complete


@pytest.mark.parametrize(
    ("status", "headers", "complaint"),
    [
        (200, [], "must be a str, not int"),
        ("OK", [], "must be like '200 OK'"),
        ("20 OK", [], "must be like '200 OK'"),
        ("101 Switching", [], "must be like '200 OK'"),
        ("200 OK\r\nX: 1", [], "must be like '200 OK'"),
        ("200 OK", (("X", "1"),), "must be a list, not tuple"),
        ("200 OK", [("X", "1", "2")], "must be a pair"),
        ("200 OK", [("X", 1)], "must be a pair of str"),
        ("200 OK", [(b"X", "1")], "must be a pair of str"),
        ("200 OK", [("X Y", "1")], "is not a name"),
        ("200 OK", [("", "1")], "is not a name"),
        ("200 OK", [("X\n", "1")], "is not a name"),
        ("200 OK", [("X", "1\r\nY: 2")], "has a line break or a NUL"),
        ("200 OK", [("X", "1\0")], "has a line break or a NUL"),
        ("200 OK", [("X", "\u20ac")], "beyond latin-1"),
        ("200 OK", [("Connection", "close")], "for the server to set"),
        ("200 OK", [("transfer-encoding", "chunked")], "for the server to set"),
        ("200 OK", [("Content-Length", "x")], "must be one number"),
        ("200 OK", [("Content-Length", "1"), ("Content-Length", "2")], "must be one number"),
    ],
)
def test_bad_status_or_header_becomes_a_whole_500(status, headers, complaint, caplog):
    def app(environ, start_response):
        start_response(status, headers)
        return [b"x"]

    exchange = ask(app)
    assert (exchange.status, body_of(exchange)) == (500, b"Internal Server Error\n")
    assert complaint in caplog.text


@pytest.mark.parametrize("pieces", [[b"x"], []])
def test_an_answer_without_start_response_is_a_500(pieces, caplog):
    assert ask(lambda environ, start_response: pieces).status == 500
    assert "did not call start_response()" in caplog.text


def test_a_body_of_text_is_a_500(caplog):
    def app(environ, start_response):
        plain(start_response)
        return ["text"]

    assert ask(app).status == 500
    assert "must yield bytes, not str" in caplog.text


# -- errors ----------------------------------------


@pytest.mark.parametrize("error", [ZeroDivisionError("early"), SystemExit(3)])
def test_an_error_before_the_header_is_a_500_and_logged(error, caplog):
    def app(environ, start_response):
        plain(start_response)
        raise error

    exchange = ask(app, scope_of("POST", "/a\nb"))
    assert (exchange.status, body_of(exchange)) == (500, b"Internal Server Error\n")
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage() == "The WSGI application failed: POST '/a\\nb'"
    assert record.exc_info[1] is error


def test_an_error_before_the_header_is_let_out_where_that_is_asked_for(pool):
    def app(environ, start_response):
        plain(start_response)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(app, pool=pool, raises=True)


def test_an_error_in_the_middle_cuts_the_answer_off():
    body = Body()

    def pieces():
        yield b"begun"
        raise ZeroDivisionError("in the middle")

    def app(environ, start_response):
        plain(start_response)
        body.pieces = pieces()
        return body

    exchange = Exchange(scope_of())
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        asyncio.run(answer(app, exchange=exchange))
    assert body_of(exchange) == b"begun"
    assert not exchange.complete
    assert len(body.closed) == 1


def test_an_interrupt_is_nobodys_500():
    def app(environ, start_response):
        raise KeyboardInterrupt

    bridge = CallerBridge()
    try:
        scope = scope_of() | {"asyncflask.client": type("Link", (), {"bridge": bridge, "environ": {}})}
        with pytest.raises(KeyboardInterrupt):
            bridge.serve(Exchange(scope).run(WSGIAdapter(app)))
    finally:
        bridge.close()


def test_an_error_in_close_is_logged_and_takes_nothing_from_a_whole_answer(caplog):
    body = Body([b"whole"], at_close=ZeroDivisionError("at close"))

    def app(environ, start_response):
        plain(start_response)
        return body

    exchange = ask(app)
    assert exchange.complete
    assert body_of(exchange) == b"whole"
    assert "at close" in caplog.text


# -- close() ----------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("pieces", [(), (b"", b"one", b"two")])
def test_close_is_called_once_in_the_worker(method, status, pieces):
    body, worker = Body(pieces), []

    def app(environ, start_response):
        worker.append(threading.get_ident())
        plain(start_response, status)
        return body

    exchange = ask(app, scope_of(method))
    assert body.closed == worker
    assert worker != [threading.get_ident()]
    expected = b"".join(pieces) if (method, status) == ("GET", "200 OK") else b""
    assert body_of(exchange) == expected


def test_close_is_called_after_an_error_before_the_header():
    body = Body(["text"])

    def app(environ, start_response):
        plain(start_response)
        return body

    assert ask(app).status == 500
    assert len(body.closed) == 1


def test_head_takes_no_more_than_the_first_piece_of_an_endless_body():
    def app(environ, start_response):
        plain(start_response, "200 OK", ("Content-Length", "10"))
        while True:
            yield b"x"

    exchange = ask(app, scope_of("HEAD"))
    assert dict(exchange.headers)[b"content-length"] == b"10"
    assert body_of(exchange) == b""


# -- Content-Length of the answer ----------------------------------------


def test_what_exceeds_the_declared_length_is_dropped(caplog):
    def app(environ, start_response):
        plain(start_response, "200 OK", ("Content-Length", "5"))
        yield b"123"
        yield b"4567"
        raise AssertionError("asked for more")

    assert body_of(ask(app)) == b"12345"
    assert "more than its Content-Length of 5" in caplog.text


def test_a_body_shorter_than_declared_is_cut_off():
    def app(environ, start_response):
        plain(start_response, "200 OK", ("Content-Length", "5"))
        yield b"123"

    exchange = Exchange(scope_of())
    with pytest.raises(RuntimeError, match="sent 3 of the 5 bytes"):
        asyncio.run(answer(app, exchange=exchange))
    assert not exchange.complete


def test_a_missing_body_that_was_declared_is_a_500():
    def app(environ, start_response):
        plain(start_response, "200 OK", ("Content-Length", "5"))
        return []

    assert ask(app).status == 500


# -- the request ----------------------------------------


def test_environ_follows_the_rules_for_native_strings():
    seen = {}

    def app(environ, start_response):
        seen.update(environ)
        plain(start_response)
        return []

    headers = [(b"content-type", b"a/b"), (b"x-name", b"\xe4"), (b"x-many", b"1"), (b"x-many", b"2")]
    ask(app, scope_of("PUT", "/\u00fcber/x", root_path="/ro\u00f6t", query=b"q=%20", headers=headers))
    assert seen["REQUEST_METHOD"] == "PUT"
    assert seen["SCRIPT_NAME"] == "/ro\u00f6t".encode().decode("latin-1")
    assert seen["PATH_INFO"] == "/\u00fcber/x".encode().decode("latin-1")
    assert seen["QUERY_STRING"] == "q=%20"
    assert seen["CONTENT_TYPE"] == "a/b"
    assert seen["HTTP_X_NAME"] == "\xe4"
    assert seen["HTTP_X_MANY"] == "1,2"
    assert seen["wsgi.multithread"] is True
    assert hasattr(seen["wsgi.errors"], "write")


def test_root_path_ends_at_a_slash():
    def app(environ, start_response):
        plain(start_response)
        return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode()]

    assert body_of(ask(app, scope_of(path="/api/x") | {"root_path": "/ap"})) == b"/ap|/api/x"
    assert body_of(ask(app, scope_of(path="/api/x") | {"root_path": "/api/"})) == b"/api|/x"


def test_the_validator_of_pep_3333_has_nothing_to_say():
    @validator
    def app(environ, start_response):
        data = environ["wsgi.input"].read(3) + environ["wsgi.input"].readline()
        plain(start_response, "200 OK", ("Content-Length", str(len(data))))
        return [data]

    scope = scope_of("POST", headers=length_of(b"ab\ncd\nef"))
    assert body_of(ask(app, scope, [b"ab\ncd", b"\nef"])) == b"ab\ncd\n"


READERS = {
    "read": lambda source: source.read(),
    "read pieces": lambda source: b"".join(iter(lambda: source.read(3), b"")),
    "lines": lambda source: b"".join(source),
    "readlines": lambda source: b"".join(source.readlines()),
    "readline": lambda source: b"".join(iter(lambda: source.readline(4), b"")),
    "readinto": lambda source: readinto(source),
}


def readinto(source):
    buffer, found = bytearray(5), io.BytesIO()
    while count := source.readinto(buffer):
        found.write(buffer[:count])
    return found.getvalue()


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("pieces", [(b"one\ntwo\n\nthree",), (b"o", b"ne\nt", b"wo\n\n", b"three"), ()])
@pytest.mark.parametrize("framing", ["length", "chunked", "http/2"])
def test_every_way_to_read_gives_the_whole_body(reader, pieces, framing):
    def app(environ, start_response):
        plain(start_response)
        found = READERS[reader](environ["wsgi.input"])
        assert environ["wsgi.input"].read() == b""
        return [found]

    body = b"".join(pieces)
    headers = {"length": length_of(body), "chunked": [(b"transfer-encoding", b"chunked")], "http/2": []}[framing]
    scope = scope_of("POST", headers=headers, http_version="2" if framing == "http/2" else "1.1")
    assert body_of(ask(app, scope, pieces)) == body


def test_reading_never_goes_past_content_length():
    def app(environ, start_response):
        plain(start_response)
        return [environ["wsgi.input"].read()]

    assert body_of(ask(app, scope_of("POST", headers=length_of(b"123")), [b"12", b"345", b"67"])) == b"123"


def test_a_body_that_the_server_ends_early_ends():
    def app(environ, start_response):
        plain(start_response)
        return [environ["wsgi.input"].read()]

    assert body_of(ask(app, scope_of("POST", headers=length_of(b"12345")), [b"123"])) == b"123"


def cut_body():
    yield b"123"
    raise BodyCut


def test_reading_a_body_that_the_client_cut_off_raises():
    caught = []

    def app(environ, start_response):
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            caught.append(error)
        plain(start_response)
        return []

    asyncio.run(run_tolerant(app, Exchange(scope_of("POST", headers=length_of(b"12345")), cut_body())))
    assert isinstance(caught[0], RequestCut)


def test_a_cut_body_is_a_400_for_werkzeugs_request():
    codes = []

    @Request.application
    def app(request):
        try:
            request.get_data()
        except Exception as error:
            codes.append(error.code)
        return Response("")

    asyncio.run(run_tolerant(app, Exchange(scope_of("POST", headers=length_of(b"12345")), cut_body())))
    assert codes == [400]


@pytest.mark.parametrize("begins", [False, True])
def test_an_application_that_fails_over_a_cut_body_is_no_error(begins, caplog):
    def app(environ, start_response):
        write = plain(start_response)
        if begins:
            write(b"begun")
        return [environ["wsgi.input"].read()]

    asyncio.run(run_tolerant(app, Exchange(scope_of("POST", headers=length_of(b"12345")), cut_body())))
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


async def run_tolerant(app, exchange):
    try:
        await answer(app, exchange=exchange)
    except ProtocolError:
        assert not exchange.complete  # nobody is there to be sent an answer


class Counting(Exchange):
    received = 0

    async def receive(self):
        message = await super().receive()
        self.received += 1
        return message


def test_a_body_that_is_not_read_is_not_received():
    def app(environ, start_response):
        plain(start_response)
        return [b"no, thanks"]

    exchange = Counting(scope_of("POST", headers=length_of(b"x" * 10)), [b"x" * 10])
    asyncio.run(answer(app, exchange=exchange))
    assert exchange.received == 0


def test_no_more_is_received_than_was_asked_for():
    counts = []
    exchange = Counting(scope_of("POST", headers=length_of(b"x" * 1000)), [b"x" * 100] * 10)

    def app(environ, start_response):
        source = environ["wsgi.input"]
        for _ in range(10):
            source.read(100)
            counts.append(exchange.received)
        plain(start_response)
        return []

    asyncio.run(answer(app, exchange=exchange))
    assert counts == list(range(1, 11))


def test_a_long_answer_reads_ahead_to_see_the_client_leave_and_no_further():
    piece = b"x" * 32 * 1024
    exchange = Counting(scope_of("POST", headers=[(b"content-length", b"%d" % (len(piece) * 100))]), [piece] * 100)
    most, arrived = READ_AHEAD // len(piece), threading.Semaphore(0)

    def app(environ, start_response):
        plain(start_response)
        for _ in range(50):
            yield b"x"
            assert arrived.acquire(timeout=LONG)

    send = exchange.send

    async def client(message):
        await send(message)
        for _ in message.get("body", b""):
            arrived.release()

    exchange.send = client
    asyncio.run(answer(app, exchange=exchange))
    assert exchange.received <= most


def test_an_upload_can_be_echoed_while_it_arrives():
    def app(environ, start_response):
        plain(start_response)
        for line in environ["wsgi.input"]:
            yield line.upper()

    exchange = Exchange(scope_of("POST", headers=[(b"transfer-encoding", b"chunked")]))
    arrived, send = [], exchange.send

    async def run():
        echoed = asyncio.Event()

        async def client_sends():
            if len(arrived) == 2:
                return {"type": "http.request", "body": b"", "more_body": False}
            if arrived:
                await asyncio.wait_for(echoed.wait(), LONG)  # the second line waits for the echo of the first
            arrived.append(True)
            return {"type": "http.request", "body": b"line\n", "more_body": True}

        async def client_gets(message):
            await send(message)
            if message.get("body"):
                echoed.set()

        exchange.receive, exchange.send = client_sends, client_gets
        await answer(app, exchange=exchange)

    asyncio.run(run())
    assert body_of(exchange) == b"LINE\nLINE\n"


# -- the client leaves ----------------------------------------


class Leaving(Exchange):
    """A client that leaves once it has the first piece of the body."""

    def __init__(self, scope, *, says_so):
        super().__init__(scope)
        self.says_so = says_so
        self.left = threading.Event()
        self.has_left = asyncio.Event()

    async def send(self, message):
        if self.left.is_set():
            if self.says_so == "send":
                raise OSError("gone")
            return
        await super().send(message)
        if message.get("body"):
            self.left.set()
            self.has_left.set()

    async def receive(self):
        await self.has_left.wait()
        if self.says_so != "receive":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}


@pytest.mark.parametrize("says_so", ["send", "receive"])
@pytest.mark.parametrize("fails", [False, True])
def test_iteration_ends_when_the_client_has_left(says_so, fails, caplog):
    ended, bodies = [], []

    def pieces(exchange):
        try:
            yield b"first"
            assert exchange.left.wait(LONG)
            while True:
                yield b"more"
        except GeneratorExit:
            ended.append(True)
            if fails:
                raise ZeroDivisionError("at the end") from None

    def app(environ, start_response):
        plain(start_response)
        bodies.append(pieces(exchange))
        return bodies[0]

    exchange = Leaving(scope_of(), says_so=says_so)
    asyncio.run(run_tolerant(app, exchange))
    assert ended == [True]
    assert [record.levelname for record in caplog.records] == (["DEBUG"] if fails else [])


def test_write_fails_when_the_client_has_left():
    caught = []

    def app(environ, start_response):
        write = plain(start_response)
        try:
            while True:
                write(b"x")
        except ConnectionResetError as error:
            caught.append(str(error))
        return []

    asyncio.run(run_tolerant(app, Leaving(scope_of(), says_so="send")))
    assert "The client has left" in caught[0]


def test_a_cancelled_request_ends_when_its_thread_has_ended(pool):
    runs, may_end, order = threading.Event(), threading.Event(), []

    def app(environ, start_response):
        runs.set()
        assert may_end.wait(LONG)
        order.append("thread")
        plain(start_response)
        return [b"x"]

    async def run():
        task = asyncio.create_task(Exchange(scope_of()).run(WSGIAdapter(app, pool=pool)))
        while not runs.is_set():
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        order.append("task")

    asyncio.run(run())
    assert order == ["thread", "task"]


def test_cancelling_wakes_a_worker_that_waits_for_the_client(pool):
    caught = []

    def app(environ, start_response):
        try:
            environ["wsgi.input"].read()
        except RequestCut as error:
            caught.append(error)
            raise

    async def run():
        exchange = Exchange(scope_of("POST", headers=length_of(b"x")))
        asked = asyncio.Event()

        async def silent():
            asked.set()
            await asyncio.Event().wait()

        exchange.receive = silent
        task = asyncio.create_task(exchange.run(WSGIAdapter(app, pool=pool)))
        await asyncio.wait_for(asked.wait(), LONG)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert len(caught) == 1


def test_an_error_of_the_server_comes_out_once_the_worker_has_ended():
    body = Body([b"one", b"two"])

    def app(environ, start_response):
        plain(start_response)
        return body

    exchange = Exchange(scope_of())

    async def broken(message):
        raise RuntimeError("the server is broken")

    exchange.send = broken
    with pytest.raises(RuntimeError, match="the server is broken"):
        asyncio.run(answer(app, exchange=exchange))
    assert len(body.closed) == 1


# -- threads and contexts ----------------------------------------


def test_context_variables_come_in_and_do_not_get_out():
    variable = contextvars.ContextVar("variable", default="nothing")
    seen = []

    def app(environ, start_response):
        seen.append(variable.get())
        variable.set("the application's")
        plain(start_response)
        yield variable.get().encode()

    async def run():
        variable.set("the middleware's")
        exchange = await answer(app)
        return body_of(exchange), variable.get()

    assert asyncio.run(run()) == (b"the application's", "the middleware's")
    assert seen == ["the middleware's"]


def test_the_test_clients_thread_is_used_where_there_is_one():
    def app(environ, start_response):
        plain(start_response)
        yield environ["wsgi.input"].read()
        for _ in range(20):
            yield b"%d" % threading.get_ident() + b" " * UNSENT

    bridge = CallerBridge()
    try:
        scope = scope_of("POST", headers=length_of(b"in")) | {
            "asyncflask.client": type("Link", (), {"bridge": bridge, "environ": {"x.kept": "1"}})
        }
        exchange = Exchange(scope, [b"in"])
        bridge.serve(exchange.run(WSGIAdapter(app)))
    finally:
        bridge.close()
    assert set(body_of(exchange).split()) == {b"in%d" % threading.get_ident(), b"%d" % threading.get_ident()}


def test_a_full_pool_is_a_503():
    class Full(PoolBridge):
        def submit(self, fn, *args, side=False):
            raise QueueFull("full")

    exchange = ask(lambda environ, start_response: [], bridge_for=lambda loop: Full(loop, WorkerPool(1), WorkerPool(1)))
    assert exchange.status == 503
    assert dict(exchange.headers)[b"retry-after"] == b"1"


# -- other scopes, and mistakes ----------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"a"), (b"host", b"b")],
        [(b"host", b"a/b")],
        [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
        [(b"content-length", b"-1")],
    ],
)
def test_a_request_with_doubtful_framing_is_refused(headers):
    exchange = ask(lambda environ, start_response: pytest.fail("was called"), scope_of(headers=headers))
    assert exchange.status == 400
    assert dict(exchange.headers)[b"connection"] == b"close"


async def talk(adapter, scope, *messages):
    incoming, sent = list(messages), []

    async def receive():
        return incoming.pop(0)

    async def send(message):
        sent.append(message)

    await adapter(scope, receive, send)
    return sent


def test_lifespan_is_answered_and_ends_the_threads():
    def app(environ, start_response):
        plain(start_response)
        return [threading.current_thread().name.encode()]

    async def run():
        adapter = WSGIAdapter(app)
        exchange = Exchange(scope_of())
        await exchange.run(adapter)
        sent = await talk(adapter, {"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
        return body_of(exchange).decode(), sent

    name, sent = asyncio.run(run())
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
    assert name.startswith("asyncflask-wsgi")
    assert name not in {thread.name for thread in threading.enumerate()}


def test_a_websocket_is_denied():
    adapter = WSGIAdapter(lambda environ, start_response: [])
    sent = asyncio.run(talk(adapter, {"type": "websocket"}, {"type": "websocket.connect"}))
    assert sent == [{"type": "websocket.close", "code": 1000}]


def test_an_unknown_scope_is_refused():
    with pytest.raises(RuntimeError, match="cannot serve a scope of type 'webtransport'"):
        asyncio.run(talk(WSGIAdapter(lambda environ, start_response: []), {"type": "webtransport"}))


def test_mistakes_in_set_up_are_told():
    with pytest.raises(TypeError, match="needs a WSGI callable, not 3"):
        WSGIAdapter(3)
    with pytest.raises(TypeError, match="either a pool or bridge_for"):
        WSGIAdapter(print, pool=WorkerPool(1), bridge_for=lambda loop: None)
