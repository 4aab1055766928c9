#!/usr/bin/env python3
"""What a request costs in applications with 10, 200 and 10,000 routes: in-process, without a server.

    python tests/benchmarks/routes.py

Asked for are ``/users/42``, the first and the last of the routes, a path that is no route's, and at last all routes in
disorder, where ten thousand do not fit into the processor's caches. All views do the same. The applications take turns
in one process; the least CPU time of each counts. Prints microseconds, and in brackets the ratio to the same with the
fewest routes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from workloads import InProcess, Workload, start_up  # noqa: E402

NUMBERS = (10, 200, 10_000)
#: name -> path in an application with so many routes, status
PATHS = {
    "users": ("/users/42", 200),
    "first": ("/r0/42", 200),
    "last": ("/r{last}/42", 200),
    "no route": ("/nothing/42", 404),
    "all": ("/r0/42", 200),
}


class Everywhere(InProcess):
    """A client that asks for all routes, again and again, in the disorder that is the same each time."""

    def __init__(self, app: Any, work: Workload, routes: int) -> None:
        super().__init__(app, work)
        self.paths = [f"/r{index}/42" for index in range(routes)]
        random.Random(0).shuffle(self.paths)
        self.asked = 0

    async def once(self) -> None:
        self.scope["path"] = self.paths[self.asked % len(self.paths)]
        self.asked += 1
        await super().once()


def make(routes: int) -> Any:
    """Return an app with that many routes beside ``/users/<int:id>``, which answer like it."""
    from asyncflask import App, request

    async def user(id: int) -> dict[str, Any]:
        return {"id": id, "q": request.args.get("q")}

    app = App("routes")
    app.add_url_rule("/users/<int:id>", "user", user)
    for index in range(routes):
        app.add_url_rule(f"/r{index}/<int:id>", f"r{index}", user)
    return app.asgi


async def measure(numbers: tuple[int, ...], rounds: int, times: int) -> dict[str, dict[int, float]]:
    """Return microseconds by what is asked for and the number of routes."""
    apps = {number: make(number) for number in numbers}
    tasks = [await start_up(app) for app in apps.values()]
    clients: dict[tuple[str, int], tuple[InProcess, int]] = {}
    for name, (path, status) in PATHS.items():
        for number, app in apps.items():
            work = Workload(path.format(last=number - 1), "q=x")
            client = Everywhere(app, work, number) if name == "all" else InProcess(app, work)
            clients[name, number] = client, status
    for (name, number), (client, status) in clients.items():
        await client.repeat(max(times, number if name == "all" else 0))
        if client.status != status:
            raise ValueError(f"{client.work.target} answered {client.status} instead of {status}")
    best = dict.fromkeys(clients, float("inf"))
    for _ in range(rounds):
        for key, (client, _status) in clients.items():
            start = time.process_time()
            await client.repeat(times)
            best[key] = min(best[key], time.process_time() - start)
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return {name: {number: best[name, number] / times * 1e6 for number in numbers} for name in PATHS}


def table(costs: dict[str, dict[int, float]]) -> str:
    """Return the costs in columns by the number of routes."""
    numbers = list(next(iter(costs.values())))
    lines = ["routes  " + "".join(f"{number:>16,}" for number in numbers)]
    for name, row in costs.items():
        cells = (f"{cost:8.2f} ({cost / row[numbers[0]]:.3f})" for cost in row.values())
        lines.append(f"{name:8}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--times", type=int, default=200, help="requests of one round")
    options = parser.parse_args()
    print(table(asyncio.run(measure(NUMBERS, options.rounds, options.times))))


if __name__ == "__main__":
    main()
