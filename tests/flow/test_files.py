"""Large files: named to servers that send files themselves, else read in steps that keep neither loop nor thread."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from asyncflask import request, send_file
from asyncflask.testing.transport import Exchange
from asyncflask.wrappers import file as file_module

from .asking import Client, ask, environ_of, turns

SIZE = 300_000
CONTENT = bytes(range(250)) * (SIZE // 250)


class Sender(Client):
    """A client of a server that sends files by itself, with Starlette's and granian's extension."""

    def __init__(self, environ, **options):
        super().__init__(environ, **options)
        self.scope["extensions"] = {"http.response.pathsend": {}}
        self.paths = []

    async def send(self, message):
        if message["type"] != "http.response.pathsend":
            return await super().send(message)
        assert self.status and not self.complete and set(message) == {"type", "path"}
        self.paths.append(message["path"])
        with open(message["path"], "rb") as file:
            await Exchange.send(self, {"type": "http.response.body", "body": file.read()})


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(params=["def", "async", "inline"])
def serving(request, app, large):
    """`app`, which sends the file at /."""
    options = {"threaded": False} if request.param == "inline" else {}

    def view():
        return send_file(large)

    async def async_view():
        return view()

    app.add_url_rule("/", "view", async_view if request.param == "async" else view, **options)
    return app


async def test_a_server_that_can_sends_the_file(serving, large):
    client = Sender(environ_of("/"))
    await client.run(serving)
    assert client.paths == [str(large)]
    assert client.got.body == CONTENT
    assert client.got.headers["Content-Length"] == str(SIZE)


@pytest.mark.parametrize(
    ("headers", "status", "body"),
    [
        ({"Range": "bytes=10-99999"}, 206, CONTENT[10:100_000]),
        ({"Range": "bytes=-5"}, 206, CONTENT[-5:]),
        ({"Range": "bytes=999999-"}, 416, None),
        ({"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"}, 304, b""),
        ({"If-Range": '"other"', "Range": "bytes=1-2"}, 200, CONTENT),
    ],
)
@pytest.mark.parametrize("make", [Client, Sender])
async def test_ranges_and_conditions(serving, make, headers, status, body):
    client = make(environ_of("/", headers=headers))
    await client.run(serving)
    assert client.status == status
    assert body is None or client.got.body == body
    assert getattr(client, "paths", []) == ([] if status != 200 or make is Client else client.paths[:1])


async def test_a_file_that_is_not_sent_as_it_lies_there_is_read(app, large):
    """Not from its first byte, changed by a hook, of unknown length, or with another file in its place by now."""

    @app.get("/<how>")
    async def view(how):
        if how in ("replaced", "moved on"):
            file = large.open("rb")
            if how == "moved on":
                file.seek(10)
            else:
                large.with_suffix(".new").write_bytes(b"y" * SIZE)
                os.replace(large.with_suffix(".new"), large)
            response = send_file(file, mimetype="text/plain")
            response.content_length = SIZE - (10 if how == "moved on" else 0)
            return response
        response = send_file(large)
        if how == "status":
            response.status_code = 203
        elif how == "length":
            del response.content_length
        elif how == "changed":
            response.direct_passthrough = False
            response.set_data(response.get_data().upper())
        return response

    for how in ("status", "length", "changed", "moved on", "replaced"):
        client = Sender(environ_of(f"/{how}"))
        await client.run(app)
        assert not client.paths
        expected = {"changed": CONTENT.upper(), "moved on": CONTENT[10:]}.get(how, CONTENT)
        assert client.got.body == expected, how


async def test_head_and_x_sendfile_send_nothing(serving, large):
    for _ in range(2):
        client = Sender(environ_of("/", "HEAD"))
        await client.run(serving)
        assert (client.paths, client.pieces, client.got.headers["Content-Length"]) == ([], [], str(SIZE))
        serving.config["USE_X_SENDFILE"] = True
    client = Sender(environ_of("/"))
    await client.run(serving)
    assert (client.paths, client.got.headers["X-Sendfile"]) == ([], str(large))


async def test_steps_are_large_and_off_the_loop(serving, monkeypatch):
    readers = set()
    original = file_module.FileBody.__next__

    def noted(self):
        readers.add(threading.current_thread())
        return original(self)

    monkeypatch.setattr(file_module.FileBody, "__next__", noted)
    got = await ask(serving, "/")
    assert [len(piece) for piece in got.pieces] == [65536] * 4 + [SIZE - 4 * 65536]
    assert readers and threading.main_thread() not in readers


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=1-"}])
async def test_a_file_that_grows_while_it_is_sent_ends_where_it_was_said_to(serving, large, headers):
    class Slow(Client):
        async def send(self, message):
            await super().send(message)
            with open(large, "ab") as file:
                file.write(b"more")

    client = Slow(environ_of("/", headers=headers))
    await client.run(serving)
    assert client.got.body == CONTENT[len(headers) :]


async def test_a_small_file_is_one_message(app, tmp_path):
    (tmp_path / "small").write_bytes(b"x" * 65536)
    opened = []

    @app.get("/")
    def view():
        response = send_file(tmp_path / "small", mimetype="text/plain")
        opened.append(file_module.file_behind(response.response).file)
        return response

    for headers, size in (({}, 65536), ({"Range": "bytes=1-9"}, 9)):
        messages = []
        client = Client(environ_of("/", headers=headers))

        async def send(message, client=client, messages=messages):
            messages.append(message["type"])
            await Client.send(client, message)

        await app.asgi(client.scope, client.receive, send)
        assert messages == ["http.response.start", "http.response.body"]
        assert len(client.got.body) == size
    assert [file.closed for file in opened] == [True, True]


async def test_clients_that_take_a_file_slowly_keep_no_thread(app, large):
    """More of them than there are threads: views are served all the same."""
    app.config["THREADS"] = 2

    @app.get("/file")
    def view():
        return send_file(large)

    @app.get("/def")
    def sync():
        return request.path

    go_on = asyncio.Event()
    clients = [Client(environ_of("/file")) for _ in range(6)]

    def slowly(client):
        async def send(message):
            await client.send(message)
            if client.pieces:
                await go_on.wait()

        return send

    exchanges = [asyncio.create_task(app.asgi(c.scope, c.receive, slowly(c))) for c in clients]
    await turns(lambda: all(client.pieces for client in clients), most=1_000_000)
    assert (await asyncio.wait_for(ask(app, "/def"), 30)).text == "/def"
    go_on.set()
    await asyncio.gather(*exchanges)
    assert all(client.got.body == CONTENT for client in clients)
