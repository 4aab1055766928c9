"""Each argument of `run_simple` against a real server, which `make_server` runs in a thread here."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import logging
import socket
import ssl
import threading
from pathlib import Path

import pytest

from asyncflask import App, request
from asyncflask.serving import (
    BadOption,
    BaseWSGIServer,
    ForkingWSGIServer,
    ThreadedWSGIServer,
    WSGIRequestHandler,
    make_server,
    make_ssl_devcert,
    run_simple,
)

from .servers import LIMIT


@pytest.fixture
def app():
    app = App("serving_test")
    app.config["TESTING"] = False

    @app.get("/")
    async def index():
        return f"hello from {request.host}"

    @app.get("/error")
    def error():
        raise LookupError("oh no")

    yield app
    app.close_threads()


@pytest.fixture
def start():
    """A function that makes a server and serves in a thread; at the end it is stopped."""
    with contextlib.ExitStack() as stack:

        def start(app, host="127.0.0.1", port=0, **options):
            server = make_server(host, port, app, **({"access_log": False} | options))
            server.raised = None

            def serve():
                try:
                    server.serve_forever()
                except BaseException as error:
                    server.raised = error

            thread = server.thread = threading.Thread(target=serve, name="test-server")
            thread.start()
            stack.callback(thread.join, LIMIT)
            stack.callback(server.shutdown)
            return server

        yield start


def get(server, target="/", *, method="GET", context=None, **headers):
    """Send one request to a server; return the response, its body read as `body`."""
    if isinstance(server.server_address, str):
        connection = http.client.HTTPConnection("localhost", timeout=LIMIT)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(server.server_address)
    elif context is not None:
        connection = http.client.HTTPSConnection("localhost", server.port, timeout=LIMIT, context=context)
    else:
        connection = http.client.HTTPConnection(*server.server_address[:2], timeout=LIMIT)
    with contextlib.closing(connection):
        connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.body = answer.read()
    return answer


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/error":
        raise LookupError("oh no")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [threading.current_thread().name.encode()]


async def asgi(scope, receive, send):
    assert scope["type"] == "http", "there is no lifespan here"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


# -- the server object


def test_it_listens_at_once_serves_and_stops(app):
    with make_server("127.0.0.1", 0, app, access_log=False) as server:
        assert isinstance(server, BaseWSGIServer) and not server.multithread and not server.multiprocess
        assert server.server_port == server.port == server.socket.getsockname()[1] > 0
        assert (server.host, server.server_name, server.fileno()) == ("127.0.0.1", "127.0.0.1", server.socket.fileno())
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert get(server).body == f"hello from 127.0.0.1:{server.port}".encode()
        port = server.port
        server.shutdown()
        thread.join(LIMIT)
        assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_a_stop_before_it_serves_is_not_lost(app):
    server = make_server("127.0.0.1", 0, app)
    server.shutdown()
    server.serve_forever()  # returns
    assert server.fileno() == -1


def test_the_class_says_the_mode(app):
    for options, kind in (({"threaded": True}, ThreadedWSGIServer), ({"processes": 2}, ForkingWSGIServer)):
        with make_server("127.0.0.1", 0, app, **options) as server:
            assert type(server) is kind
            assert (server.multithread, server.multiprocess) == ("threaded" in options, "processes" in options)


def test_an_app_a_wsgi_and_an_asgi_callable(app, start):
    assert get(start(app)).body.startswith(b"hello")
    assert get(start(wsgi)).body.startswith(b"asyncflask-wsgi")
    assert get(start(asgi), "/path").body == b"/path"


# -- hostname, port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "0.0.0.0"])
def test_addresses(app, start, host):
    try:
        server = start(app, host)
    except BadOption as error:
        pytest.skip(str(error))
    assert get(server).status == 200
    shown = {"::1": "[::1]", "0.0.0.0": "127.0.0.1"}.get(host, host)
    assert server.url == f"http://{shown}:{server.port}"


def test_a_unix_socket(app, start, tmp_path):
    path = tmp_path / "x.sock"
    server = start(app, f"unix://{path}")
    assert get(server).status == 200 and server.url == f"unix://{path}"
    with pytest.raises(BadOption, match="in use by another program"):
        make_server(f"unix://{path}", 0, app)
    server.shutdown()
    server.thread.join(LIMIT)
    assert not path.exists()
    with socket.socket(socket.AF_UNIX) as left_over:  # by a server that was killed
        left_over.bind(str(path))
    assert get(start(app, f"unix://{path}")).status == 200


@pytest.mark.parametrize("said", ["argument", "hostname"])
def test_an_inherited_socket(app, start, said):
    with socket.create_server(("127.0.0.1", 0)) as ours:
        fd = ours.fileno()
        server = start(app, **({"fd": fd} if said == "argument" else {"host": f"fd://{fd}"}))
        assert server.port == ours.getsockname()[1]
        assert get(server).status == 200


def test_an_address_in_use_says_by_whom(app):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(BadOption) as caught:
        make_server("127.0.0.1", taken.getsockname()[1], app)
    import os

    text = str(caught.value)
    assert text.startswith(f"Port {taken.getsockname()[1] if taken.fileno() > 0 else ''}") and "is in use by" in text
    if os.path.exists("/proc/net/tcp"):
        assert f"process {os.getpid()} (" in text
    assert "start the server with a different port; port 0 takes a free one" in text


# -- threaded


def overlapping(app, start, **options):
    """Whether two requests of a ``def`` handler run at once; and the threads that they run in."""
    barrier, threads = threading.Barrier(2), []

    @app.get("/meet")
    def meet():
        threads.append(threading.current_thread().name)
        try:
            barrier.wait(0.5 if options.get("threads") == 1 or not options else LIMIT)
        except threading.BrokenBarrierError:
            return "alone"
        return "met"

    server = start(app, **options)
    answers = []
    clients = [threading.Thread(target=lambda: answers.append(get(server, "/meet").body)) for _ in range(2)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(LIMIT)
    assert len(answers) == 2 and len(set(answers)) == 1
    return answers[0] == b"met", set(threads)


def test_def_handlers_run_in_threads(app, start):
    met, threads = overlapping(app, start, threaded=True)
    assert met and len(threads) == 2


def test_without_threads_one_after_another(app, start):
    met, threads = overlapping(app, start)
    assert not met and threads == {"test-server"}


def test_the_number_of_threads(app, start):
    met, threads = overlapping(app, start, threads=1)
    assert not met and len(threads) == 1 and threads != {"test-server"}
    assert app.config["THREADS"] == 1


def test_threads_of_a_wsgi_callable_end_with_the_server(start):
    server = start(wsgi, threads=2)
    name = get(server).body.decode()
    server.shutdown()
    server.thread.join(LIMIT)
    assert name not in {thread.name for thread in threading.enumerate()}


# -- request_handler


def test_a_protocol_class_of_uvicorns(app, start):
    requests = []

    class Noting(WSGIRequestHandler):
        def data_received(self, data):
            requests.append(data)
            super().data_received(data)

    assert get(start(app, request_handler=Noting)).status == 200
    assert requests[0].startswith(b"GET / HTTP/1.1")


def test_h11(app, start):
    from uvicorn.protocols.http.h11_impl import H11Protocol

    assert get(start(app, request_handler=H11Protocol)).status == 200


def test_options_of_uvicorns(app, start):
    answer = get(start(app, headers=[("X-Extra", "yes")], server_header=False))
    assert (answer.headers["X-Extra"], answer.headers["Server"]) == ("yes", None)


# -- static_files


@pytest.fixture
def files(tmp_path):
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    (tmp_path / "folder" / "sub" / "a b.txt").write_text("0123456789")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "one.css").write_text("p {}")
    return {"/files": str(tmp_path / "folder"), "/one.css": str(tmp_path / "one.css"), "/lib": ("asyncflask", "json")}


@pytest.mark.parametrize("kind", ["app", "wsgi", "asgi"])
def test_static_files_of_each_kind(app, start, files, kind):
    server = start({"app": app, "wsgi": wsgi, "asgi": asgi}[kind], static_files=files)
    answer = get(server, "/files/sub/a%20b.txt")
    assert (answer.status, answer.body, answer.headers.get_content_type()) == (200, b"0123456789", "text/plain")
    assert (
        answer.headers["Cache-Control"] == "no-cache, max-age=43200"
        or "max-age=43200" in (answer.headers["Cache-Control"])
    )
    assert get(server, "/one.css").body == b"p {}"
    assert b"JSON" in get(server, "/lib/provider.py").body
    assert get(server, "/elsewhere").status == (404 if kind == "app" else 200)


def test_ranges_etags_and_304(app, start, files):
    server = start(app, static_files=files)
    whole = get(server, "/files/sub/a%20b.txt")
    etag = whole.headers["ETag"]
    part = get(server, "/files/sub/a%20b.txt", Range="bytes=2-4")
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert get(server, "/files/sub/a%20b.txt", Range="bytes=50-").status == 416
    same = get(server, "/files/sub/a%20b.txt", If_None_Match=etag)
    assert (same.status, same.body) == (304, b"")
    since = get(server, "/files/sub/a%20b.txt", If_Modified_Since=whole.headers["Last-Modified"])
    assert since.status == 304
    head = get(server, "/files/sub/a%20b.txt", method="HEAD")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "10")


@pytest.mark.parametrize(
    "path",
    [
        "/files/../secret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/sub/../../secret.txt",
        "/files//etc/passwd",
        "/files/" + "x" * 300,
        "/files/%00",
        "/files",
        "/files/sub",
        "/filesystem",
        "/one.css/more",
    ],
)
def test_what_is_no_file_of_the_folder_goes_to_the_app(app, start, files, path):
    assert get(start(app, static_files=files), path).status == 404


def test_other_methods_go_to_the_app(app, start, files):
    assert get(start(app, static_files=files), "/one.css", method="POST").status == 404


# -- passthrough_errors


@pytest.mark.parametrize("kind", ["async", "def", "wsgi"])
def test_errors_reach_the_caller(app, start, kind):
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.get("/async")
    async def failing():
        raise LookupError("oh no")

    server = start(wsgi if kind == "wsgi" else app, passthrough_errors=True, threaded=True)
    assert get(server, "/async" if kind == "async" else "/error").status == 500
    server.thread.join(LIMIT)
    assert isinstance(server.raised, LookupError)
    frames = []
    trace = server.raised.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert frames[-1] == {"async": "failing", "def": "error", "wsgi": "wsgi"}[kind]  # what a post-mortem looks at


def test_otherwise_errors_are_answered(app, start):
    server = start(app)
    assert get(server, "/error").status == 500
    assert get(server).status == 200


# -- use_debugger


@pytest.mark.parametrize("kind", ["app", "wsgi"])
def test_errors_are_shown_in_the_browser(app, start, kind, caplog):
    app.config["PROPAGATE_EXCEPTIONS"] = True
    server = start(app if kind == "app" else wsgi, use_debugger=True, threaded=True)
    page = get(server, "/error", Accept="text/html")
    assert page.status == 500 and b"LookupError" in page.body and b"__debugger__" in page.body
    assert "Debugger PIN: " in caplog.text


# -- ssl_context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_ssl_devcert(str(tmp_path_factory.mktemp("tls") / "dev"), cn="localhost")


def trusting(certificate):
    context = ssl.create_default_context(cafile=certificate[0])
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)  # as before Python 3.13
    return context


def test_tls_by_files(app, start, certificate):
    server = start(app, ssl_context=certificate)
    assert server.url.startswith("https://")
    assert get(server, context=trusting(certificate)).body == f"hello from localhost:{server.port}".encode()


def test_tls_by_a_context(app, start, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    assert get(start(app, ssl_context=context), context=trusting(certificate)).status == 200


def test_tls_by_one_file(app, start, certificate, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text("".join(Path(path).read_text() for path in certificate))
    assert get(start(app, ssl_context=(both, None)), context=trusting(certificate)).status == 200


def test_tls_by_a_certificate_made_on_the_spot(app, start):
    untrusting = ssl._create_unverified_context()
    server = start(app, ssl_context="adhoc")
    assert get(server, context=untrusting).status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        get(server, context=ssl.create_default_context())


# -- HTTP/2 and websockets


def test_http2(app, start, certificate):
    pytest.importorskip("zttp")
    h2 = pytest.importorskip("h2.connection")

    @app.get("/version")
    async def version():
        return request.environ["SERVER_PROTOCOL"]

    server = start(app, ssl_context=certificate, http2=True)
    context = trusting(certificate)
    context.set_alpn_protocols(["h2"])
    with context.wrap_socket(
        socket.create_connection(("127.0.0.1", server.port), LIMIT), server_hostname="localhost"
    ) as wire:
        assert wire.selected_alpn_protocol() == "h2"
        connection = h2.H2Connection()
        connection.initiate_connection()
        pairs = [(":method", "GET"), (":path", "/version"), (":authority", "localhost"), (":scheme", "https")]
        connection.send_headers(1, pairs, end_stream=True)
        wire.sendall(connection.data_to_send())
        body, ended = b"", False
        while not ended:
            for event in connection.receive_data(wire.recv(65536)):
                body += getattr(event, "data", b"") if type(event).__name__ == "DataReceived" else b""
                ended = ended or type(event).__name__ == "StreamEnded"
            wire.sendall(connection.data_to_send())
    assert body == b"HTTP/2"
    assert get(server, "/version", context=trusting(certificate)).body == b"HTTP/1.1"


# -- access_log


@pytest.fixture
def lines():
    """What is logged of requests."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    loggers = [logging.getLogger(name) for name in ("werkzeug", "asyncflask.access")]
    for logger in loggers:
        logger.addHandler(handler)
    yield lambda: stream.getvalue().splitlines()
    for logger in loggers:
        logger.removeHandler(handler)


def test_lines_as_werkzeugs(app, start, lines):
    server = start(app, access_log="werkzeug")
    get(server)
    get(server, "/a%20b/%C3%A4?c=%0Ad%1b[31m")
    first, second = lines()
    assert first.startswith("127.0.0.1 - - [") and first.endswith('] "GET / HTTP/1.1" 200 -')
    assert second.endswith('"GET /a%20b/ä?c=%0Ad%1b[31m HTTP/1.1" 404 -')


@pytest.mark.parametrize("raw", [b"/x?\xff\xfe", b"/\xe2\x80\xae", b"/x?\xc2\x85y", b"/\\x"])
def test_nothing_that_a_client_sends_leaves_its_line(app, start, lines, raw):
    server = start(app, access_log="werkzeug")
    with socket.create_connection(("127.0.0.1", server.port), LIMIT) as wire:
        wire.sendall(b"GET " + raw + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert wire.makefile("rb").read().startswith(b"HTTP/1.1 4")
    assert len(lines()) <= 1 and all(line.isprintable() for line in lines())


def test_json_lines(app, start, lines):
    server = start(app, access_log="json")
    port = server.port
    get(server, "/?a=1", User_Agent='Me "\xe4\\', Referer="there")
    server.shutdown()
    [line] = lines()
    told = json.loads(line)
    assert told["ms"] >= 0 and told["pid"] > 0 and told["time"].endswith("Z")
    assert {name: told[name] for name in ("client", "method", "path", "protocol", "status", "referer")} == {
        "client": "127.0.0.1",
        "method": "GET",
        "path": "/?a=1",
        "protocol": "HTTP/1.1",
        "status": 200,
        "referer": "there",
    }
    assert told["bytes"] == len(f"hello from 127.0.0.1:{port}")
    assert told["user_agent"].startswith('Me "') and line.isascii()


def test_lines_of_the_callers_own(app, start, lines):
    server = start(app, access_log=lambda access: None if access.status == 404 else f"{access.method} {access.status}")
    get(server)
    get(server, "/nowhere")
    assert lines() == ["GET 200"]


def test_no_lines(app, start, lines):
    get(start(app, access_log=False))
    assert lines() == []


def test_what_silences_werkzeugs_server_silences_this_one(app, start, lines, monkeypatch):
    monkeypatch.setattr(logging.getLogger("werkzeug"), "level", logging.ERROR)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    get(start(app, access_log="werkzeug"))
    assert lines() == []


def test_run_simple_wants_the_main_thread_for_its_reloader(app):
    raised = []

    def serve():
        try:
            run_simple("127.0.0.1", 0, app, use_reloader=True)
        except BadOption as error:
            raised.append(str(error))

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join(LIMIT)
    assert raised == ["The reloader works in the main thread only; say use_reloader=False here."]
