"""Websockets over real sockets, with a client that is not ours: each of uvicorn's protocols, hypercorn and granian."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from asyncflask import App, abort, session, websocket

from .servers import LIMIT
from .websocket_servers import SERVERS, uvicorn


def make_app():
    app = App(__name__)
    app.secret_key = "key"
    app.config["MAX_WEBSOCKET_MESSAGE"] = 1000
    app.ended = queue.Queue()

    @app.teardown_websocket
    def ended(error):
        app.ended.put((websocket.path, error and type(error).__name__, websocket.disconnect))

    @app.websocket("/echo")
    async def echo():
        while True:
            await websocket.send(await websocket.receive())

    @app.websocket("/def")
    def echo_def():
        threading.current_thread().held = True
        for message in websocket:
            websocket.send(message)

    @app.websocket("/json")
    async def json():
        while True:
            await websocket.send_json(got=await websocket.receive_json())

    @app.websocket("/bytes")
    async def just_bytes():
        await websocket.receive_bytes()

    @app.websocket("/subprotocol")
    async def subprotocol():
        await websocket.accept(headers={"X-Hello": "there"}, subprotocol=websocket.requested_subprotocols[1])
        await websocket.send(websocket.subprotocol)

    @app.websocket("/session")
    async def in_session():
        session["count"] = session.get("count", 0) + 1
        await websocket.send(str(session["count"]))

    @app.websocket("/refused")
    async def refused():
        abort(401, "No entry.")

    @app.websocket("/closed")
    async def closed():
        await websocket.accept()
        await websocket.close(4321, "enough")

    @app.websocket("/fails")
    async def fails():
        await websocket.accept()
        raise LookupError("not here")

    @app.websocket("/push")
    async def push():
        while True:
            await websocket.send("tick")
            await asyncio.sleep(0.01)

    @app.websocket("/push-def")
    def push_def():
        pause = threading.Event()
        while True:
            websocket.send("tick")
            pause.wait(0.01)

    @app.websocket("/waits", on_disconnect="cancel")
    async def waits():
        await websocket.accept()
        await asyncio.Event().wait()

    @app.get("/echo")
    def not_a_websocket():
        return "a request"

    return app


@pytest.fixture(params=sorted(SERVERS))
def served(request):
    app = make_app()
    app.logger.disabled = True
    with SERVERS[request.param](app.asgi) as port:
        app.port, app.server = port, request.param
        yield app
    app.logger.disabled = False
    app.close_threads()


@pytest.fixture
def open_(served):
    while not served.ended.empty():
        served.ended.get()

    def open_(path, **options):
        options = {"proxy": None, "open_timeout": LIMIT, "close_timeout": LIMIT} | options
        return connect(f"ws://127.0.0.1:{served.port}{path}", **options)

    return open_


def end_of(served):
    return served.ended.get(timeout=LIMIT)


@pytest.mark.parametrize("path", ["/echo", "/def"])
def test_messages_go_both_ways(served, open_, path):
    with open_(path) as ws:
        for message in ("text", "Ünïcode", b"\x00bytes", "", b"", "x" * 1000):
            ws.send(message)
            assert ws.recv(LIMIT) == message
    ended, error, disconnect = end_of(served)
    assert (ended, error) == (path, None)
    assert disconnect.code == (1006 if served.server == "hypercorn" else 1000)  # hypercorn does not look at it


def test_many_at_once(served, open_):
    with ExitStack() as stack:
        open_ones = [stack.enter_context(open_(path)) for path in ("/echo", "/def") for _ in range(20)]
        for number, ws in enumerate(open_ones):
            ws.send(str(number))
        assert [ws.recv(LIMIT) for ws in open_ones] == [str(number) for number in range(40)]


def test_json(served, open_):
    with open_("/json") as ws:
        ws.send('{"a": [1]}')
        assert ws.recv(LIMIT) == '{"got": {"a": [1]}}'
        ws.send("{")
        assert code_of(ws) == (1007, "A message was not valid JSON.")


def code_of(ws):
    """Receive until the server closes; return its code and reason."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            ws.recv(LIMIT)
    assert caught.value.rcvd is not None, "the connection was cut off"
    return caught.value.rcvd.code, caught.value.rcvd.reason


@pytest.mark.parametrize(
    "path, message, code",
    [
        ("/bytes", "text", (1003, "A text message came where bytes were expected.")),
        ("/echo", "x" * 1001, (1009, "A message was longer than 1000 bytes.")),
        ("/closed", None, (4321, "enough")),
        ("/fails", None, (1011, "Internal Server Error")),
    ],
)
def test_close_codes(served, open_, path, message, code):
    with open_("/echo") as other, open_(path) as ws:
        if message is not None:
            ws.send(message)
        got = code_of(ws)
        assert got[0] == code[0]
        assert got[1] == code[1] or served.server == "granian"
        other.send("still there")
        assert other.recv(LIMIT) == "still there"


def test_subprotocol_and_headers(served, open_):
    with open_("/subprotocol", subprotocols=["one", "two"]) as ws:
        assert ws.subprotocol == "two"
        if served.server != "granian":  # it does not send headers with the acceptance
            assert ws.response.headers["X-Hello"] == "there"
        assert ws.recv(LIMIT) == "two"
        assert code_of(ws)[0] == 1000


def test_session(served, open_):
    if served.server == "granian":
        pytest.skip("granian does not send headers with the acceptance")
    with open_("/session") as ws:
        assert ws.recv(LIMIT) == "1"
        cookie = ws.response.headers["Set-Cookie"].split(";")[0]
    with open_("/session", additional_headers={"Cookie": cookie}) as ws:
        assert ws.recv(LIMIT) == "2"


@pytest.mark.parametrize("path, status, text", [("/refused", 401, b"No entry."), ("/nowhere", 404, b"Not Found")])
def test_refusal(served, open_, path, status, text):
    with pytest.raises(InvalidStatus) as caught, open_(path):
        pass
    answer = caught.value.response
    assert answer.status_code == status
    assert text in answer.body


@pytest.mark.parametrize("path", ["/push", "/push-def"])
def test_who_only_sends_notices_that_the_client_has_left(served, open_, path):
    with open_(path) as ws:
        assert ws.recv(LIMIT) == ws.recv(LIMIT) == "tick"
    assert end_of(served)[:2] == (path, None)


def test_who_does_nothing_is_cancelled(served, open_):
    with open_("/waits"):
        pass
    assert end_of(served)[:2] == ("/waits", "CancelledError")


def test_a_request_for_the_same_url(served, open_):
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert opener.open(f"http://127.0.0.1:{served.port}/echo", timeout=LIMIT).read() == b"a request"


def test_shutdown_ends_what_is_open():
    """Where the server closes, a handler sees its client leave."""
    app = make_app()
    for path in ("/echo", "/def", "/push"):
        with ExitStack() as client, SERVERS["websockets-sansio"](app.asgi) as port:
            ws = client.enter_context(connect(f"ws://127.0.0.1:{port}{path}", proxy=None))
            ws.send("a")
            ws.recv(LIMIT)
            client.pop_all()
        ended, error, disconnect = end_of(app)
        assert (ended, error, disconnect.code) == (path, None, 1012)
    app.close_threads()


# -- clients that do not read, or are dead -----------------------------------------------------------------------------


def raw(port, path):
    """Return a socket behind an accepted handshake, on which nobody reads or answers pings."""
    wire = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
    wire.sendall(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += wire.recv(1)
    assert b" 101 " in head
    return wire


def test_a_dead_peer_is_noticed_by_the_heartbeat():
    app = make_app()

    @app.websocket("/quiet")
    async def quiet():
        await websocket.accept()
        await websocket.receive()

    options = {"ws": "websockets-sansio", "ws_ping_interval": 0.1, "ws_ping_timeout": 0.1}
    with uvicorn(app.asgi, **options) as port, raw(port, "/quiet"):
        ended, error, disconnect = end_of(app)
        assert (ended, error) == ("/quiet", None) and disconnect is not None
    app.close_threads()


@pytest.mark.parametrize("server", ["websockets-sansio", "wsproto"])
def test_a_fast_sender_is_held_back(server):
    """What nobody receives is not read from the socket: the sender's buffers fill, not the server's memory."""
    app = make_app()
    app.config["MAX_WEBSOCKET_MESSAGE"] = None
    go = threading.Event()
    got = queue.Queue()

    @app.websocket("/slow")
    def slow():
        websocket.accept()
        go.wait(LIMIT)
        got.put(sum(len(message) for message in websocket))

    piece = bytes(64 * 1024)
    frame = b"\x82\xff" + len(piece).to_bytes(8, "big") + bytes(4) + piece  # masked with zeros
    most = 64 * 1024 * 1024
    with uvicorn(app.asgi, ws=server) as port, raw(port, "/slow") as wire:
        sent = 0
        wire.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while sent < most:
                sent += wire.send((frame * 16)[sent % len(frame) :])
        assert sent < most / 2
        go.set()
        wire.settimeout(LIMIT)
        wire.sendall(frame[sent % len(frame) :] if sent % len(frame) else b"")
        wire.sendall(b"\x88\x82" + bytes(4) + (1000).to_bytes(2, "big"))
        assert got.get(timeout=LIMIT) == -(-sent // len(frame)) * len(piece)
    app.close_threads()
