#!/usr/bin/env python3
"""Memory and cost after many requests: different paths, hosts, queries, cookies, errors, and `def` views in threads.

    python tests/benchmarks/endurance.py                          after 10,000, 100,000 and 1,000,000 requests
    python tests/benchmarks/endurance.py 10000 50000 --trace      with Python's own count of its memory

Prints a line of JSON each: requests so far, resident memory in KiB, traced bytes, microseconds of CPU per request since
the line before.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from workloads import InProcess, Workload  # noqa: E402

#: of so many requests one goes to a `def` view in a thread, one fails, one finds nothing, one sets a session cookie
PERIOD = 20


def make() -> Any:
    from asyncflask import App, request, session

    app = App("endurance")
    app.secret_key = "endurance"
    app.logger.disabled = True

    @app.route("/item/<name>", methods=["GET", "POST"])
    async def item(name: str) -> Any:
        if request.method == "POST":
            return request.get_json()
        if "keep" in request.args:
            session["name"] = name
        return {"name": name, "q": request.args.get("q"), "host": request.host}

    @app.get("/fails/<name>")
    async def fails(name: str) -> Any:
        raise LookupError(name)

    @app.get("/thread/<name>")
    def thread(name: str) -> str:
        return name

    return app.asgi


def work(number: int) -> Workload:
    """Return a request that no other one is like, of a kind by its number."""
    kind = number % PERIOD
    if kind < 3:
        return Workload(("/thread/", "/fails/", "/nothing/")[kind] + str(number))
    if kind == 3:
        return Workload(f"/item/{number}", f"keep={number}")
    if kind < 7:
        return Workload(f"/item/{number}", body=json.dumps({"number": number}))
    return Workload(f"/item/{number}", f"q={number}")


def send_as(client: InProcess, number: int) -> None:
    """Give the request a host and a cookie of its own."""
    headers = client.scope["headers"]
    headers[0] = (b"host", b"h%d.example" % number)
    headers.append((b"cookie", b"session=%d; c%d=1" % (number, number)))


async def run(stops: list[int], traced: bool) -> None:
    app = make()
    number = 0
    for stop in stops:
        start, done = time.process_time(), number
        while number < stop:
            client = InProcess(app, work(number))
            send_as(client, number)
            await client.once()
            expected = {1: 500, 2: 404}.get(number % PERIOD, 200)
            if client.status != expected:
                raise AssertionError(f"request {number}: {client.status} instead of {expected}: {client.answer!r}")
            number += 1
        spent = (time.process_time() - start) / (number - done) * 1e6
        gc.collect()
        line = {"requests": number, "resident": resident(), "us": round(spent, 1)}
        if traced:
            line["traced"] = tracemalloc.get_traced_memory()[0]
        print(json.dumps(line), flush=True)


def resident() -> int | None:
    """Return resident memory in KiB, where the system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stops", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--trace", action="store_true", help="count Python's memory (slow)")
    options = parser.parse_args()
    if options.trace:
        tracemalloc.start()
    asyncio.run(run(options.stops, options.trace))


if __name__ == "__main__":
    main()
