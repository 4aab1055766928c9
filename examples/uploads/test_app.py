"""What examples/uploads takes."""

from __future__ import annotations

import asyncio
import json
import os
import socket

import app as example
import pytest
import uvicorn


@pytest.fixture(autouse=True)
def folder(tmp_path):
    example.app.config["FOLDER"] = tmp_path / "uploads"
    yield tmp_path / "uploads"
    assert not example.transfers


@pytest.fixture
async def client():
    async with example.app.async_test_client() as client:
        yield client


async def test_files_are_stored(client, folder):
    content = os.urandom(1_000_000)
    files = [("file", ("../one.bin", content)), ("file", ("two.txt", b"two"))]
    answer = await client.post("/upload/key", files=files, data={"note": "passed over"})
    assert answer.json() == {"files": {"one.bin": len(content), "two.txt": 3}}
    assert (folder / "one.bin").read_bytes() == content
    assert sorted(os.listdir(folder)) == ["one.bin", "two.txt"]
    assert "two.txt" in (await client.get("/")).text
    assert (await client.get("/files/one.bin")).content == content


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"files": [("file", ("..", b"x"))]}, 400),
        ({"files": [("file", ("x" * 300, b"x"))]}, 400),
        ({"content": b"no form", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
        ({"json": {}}, 415),
    ],
)
async def test_what_is_no_upload_is_refused(client, folder, options, status):
    assert (await client.post("/upload/key", **options)).status_code == status
    assert not folder.is_dir() or os.listdir(folder) == []


@pytest.fixture
async def port():
    """A port where uvicorn serves the example, on the running loop."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(example.asgi, log_config=None, lifespan="on"))
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


async def test_progress_over_a_socket(port, folder):
    """An upload that stops half-way: its progress is told; then it goes on, and is stored."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n\r\n'
    content, tail = b"y" * 600_000, b"\r\n--x--\r\n"
    total = len(head) + len(content) + len(tail)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    watcher, asking = await asyncio.open_connection("127.0.0.1", port)
    asking.write(b"GET /progress/one HTTP/1.1\r\nHost: test\r\n\r\n")
    writer.write(
        b"POST /upload/one HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n" % total
    )
    writer.write(head + content[:300_000])
    told = None
    while not told or told["received"] < len(head) + 300_000:
        line = await watcher.readline()
        if line.startswith(b"data: "):
            told = json.loads(line[6:])
    assert told == {"received": len(head) + 300_000, "total": total, "files": {}, "error": None}
    assert [path.suffix for path in folder.iterdir()] == [".part"]
    writer.write(content[300_000:] + tail)
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b'{"files":{"f.bin":600000}}\n')
    while (line := await watcher.readline()) != b"event: over\n":
        assert line
    assert (folder / "f.bin").read_bytes() == content
    for stream in (writer, asking):
        stream.close()
        await stream.wait_closed()


async def test_an_upload_that_is_left_leaves_nothing(port, folder):
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f.bin"\r\n\r\n'
    writer.write(
        b"POST /upload/two HTTP/1.1\r\nHost: test\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        b"Content-Length: 1000000\r\n\r\n" + head + b"y" * 300_000
    )
    await writer.drain()
    while "two" not in example.transfers or not example.transfers["two"].parts:
        await asyncio.sleep(0.01)
    transfer = example.transfers["two"]
    writer.transport.abort()
    while not transfer.over:
        await asyncio.sleep(0.01)
    assert "400" in transfer.error
    assert os.listdir(folder) == []
