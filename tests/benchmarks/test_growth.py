"""The cost of a request does not grow: counted in bytecode instructions and bytes, never in time.

Only what runs on the loop is counted; a worker thread runs the same pipeline.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from asyncflask import App, Blueprint, websocket

from .workloads import WORKLOADS, InProcess, Workload

HERE = Path(__file__).parent
TOLERANCE = 0.15
WARM = 20


async def bytecode(work: Callable[[], Awaitable[Any]]) -> int:
    """Return how many bytecode instructions one call needs, once it is warm."""
    for _ in range(WARM):
        await work()
    count = 0

    def inside(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "opcode"
        return inside

    def enter(frame: Any, event: str, argument: Any) -> Any:
        frame.f_trace_opcodes = True
        return inside

    before = sys.gettrace()
    gc.disable()
    sys.settrace(enter)
    try:
        await work()
    finally:
        sys.settrace(before)
        gc.enable()
    assert count
    return count


@pytest.fixture
def app(app: App) -> App:
    app.config["TESTING"] = False

    @app.get("/hello")
    async def hello() -> str:
        return "Hello"

    @app.get("/users/<int:id>")
    async def user(id: int) -> dict[str, int]:
        return {"id": id}

    return app


def add_routes(app: App, number: int) -> None:
    async def view(k: int) -> str:
        return str(k)

    for index in range(number):
        app.add_url_rule(f"/r{index}/<int:k>", f"r{index}", view)


async def cost(app: App, path: str = "/hello", status: int = 200) -> int:
    client = InProcess(app.asgi, Workload(path))
    found = await bytecode(client.once)
    assert client.status == status
    return found


@pytest.fixture(scope="module")
def by_number_of_routes() -> dict[int, App]:
    apps = {number: App("growth") for number in (10, 200, 10_000)}
    for number, app in apps.items():
        app.add_url_rule("/hello", "hello", hello)
        add_routes(app, number)
    return apps


@pytest.mark.parametrize(("path", "status"), [("/r{last}/7", 200), ("/hello", 200), ("/nothing/at/all", 404)])
async def test_with_the_number_of_routes(by_number_of_routes: dict[int, App], path: str, status: int) -> None:
    costs = [await cost(app, path.format(last=number - 1), status) for number, app in by_number_of_routes.items()]
    assert max(costs) <= min(costs) * (1 + TOLERANCE), costs


async def hello() -> str:
    return "Hello"


async def test_with_the_number_of_blueprints() -> None:
    def blueprint(number: int) -> Blueprint:
        own = Blueprint(f"b{number}", __name__, url_prefix=f"/b{number}")
        own.before_request(nothing)
        own.get("/hello")(hello)
        return own

    async def nothing() -> None:
        pass

    def grown(number: int) -> App:
        app = App("growth")
        app.get("/hello")(hello)
        for index in range(number):
            app.register_blueprint(blueprint(index))
        return app

    few, many = grown(2), grown(300)
    assert await cost(few) == await cost(many)
    assert await cost(few, "/b1/hello") == await cost(many, "/b1/hello")


async def test_with_the_number_of_requests(app: App) -> None:
    client = InProcess(app.asgi, Workload("/users/42", "q=x"))
    await client.repeat(100)
    early = await bytecode(client.once)
    await client.repeat(20_000)
    assert await bytecode(client.once) == early


async def test_with_the_number_of_requests_under_way(app: App) -> None:
    leave = asyncio.Event()
    inside = 0

    @app.get("/wait")
    async def wait() -> str:
        nonlocal inside
        inside += 1
        await leave.wait()
        return "waited"

    alone = await cost(app)
    clients = [InProcess(app.asgi, Workload("/wait")) for _ in range(1000)]
    tasks = [asyncio.create_task(client.once()) for client in clients]
    while inside < len(clients):
        await asyncio.sleep(0)
    crowded = await cost(app)
    leave.set()
    await asyncio.gather(*tasks)
    assert {client.status for client in clients} == {200}
    assert crowded == alone
    assert await cost(app) == alone


async def test_with_the_number_of_open_streams_and_websockets(app: App) -> None:
    leave = asyncio.Event()

    @app.get("/stream")
    async def stream() -> Any:
        async def pieces() -> AsyncIterator[str]:
            yield "first"
            await leave.wait()

        return pieces()

    @app.websocket("/socket")
    async def socket() -> None:
        await websocket.accept()
        await leave.wait()

    alone = await cost(app)
    connections = [Connection(app.asgi, path) for path in ("/stream", "/socket") for _ in range(300)]
    tasks = [asyncio.create_task(connection.serve()) for connection in connections]
    for connection in connections:
        await connection.opened.wait()
    crowded = await cost(app)
    leave.set()
    await asyncio.gather(*tasks)
    assert crowded == alone
    assert await cost(app) == alone


class Connection:
    """A client that opens a stream or a websocket and then listens."""

    def __init__(self, app: Any, path: str) -> None:
        self.app = app
        kind = "websocket" if path == "/socket" else "http"
        self.messages = [{"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request"}]
        self.scope = InProcess(app, Workload(path)).scope | {"type": kind, "subprotocols": []}
        #: once something has come
        self.opened = asyncio.Event()

    async def serve(self) -> None:
        await self.app(self.scope, self.receive, self.send)

    async def receive(self) -> Any:
        return self.messages.pop() if self.messages else await asyncio.get_running_loop().create_future()

    async def send(self, message: Any) -> None:
        if message["type"] != "http.response.start":
            self.opened.set()


def test_memory_with_the_number_of_requests() -> None:
    """In a process of its own, where nothing but the requests takes memory."""
    args = [sys.executable, HERE / "endurance.py", "3000", "9000", "--trace"]
    done = subprocess.run(args, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    early, late = (json.loads(line)["traced"] for line in done.stdout.splitlines())
    assert late <= early * 1.01, done.stdout


def test_the_count_sees_growth() -> None:
    """A view that does more the more there is would be found."""
    seen: list[int] = []

    async def view() -> None:
        seen.append(0)
        for _ in seen:
            pass

    early = asyncio.run(bytecode(view))
    assert asyncio.run(bytecode(view)) > early


def test_every_workload_is_answered_by_us() -> None:
    """What the benchmarks measure is the right answer."""
    program = (
        "import asyncio, apps\n"
        "from workloads import WORKLOADS, InProcess\n"
        "async def main():\n"
        "    for name in ('asyncflask', 'asyncflask_hooks', 'asyncflask_fast'):\n"
        "        app = apps.make(name)\n"
        "        for work in WORKLOADS.values():\n"
        "            await InProcess(app, work).checked()\n"
        "asyncio.run(main())\n"
    )
    environ = {"PYTHONPATH": f"{HERE.parents[1]}:{HERE}"}
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr
    assert set(WORKLOADS) >= {"hello", "users", "echo", "sync", "page", "upload", "routes", "sleep"}
