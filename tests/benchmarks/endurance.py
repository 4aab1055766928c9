#!/usr/bin/env python3
"""Memory and cost after many requests: different paths, hosts, queries, cookies, errors, JSON, uploads, templates,
streams, and `def` views in threads.

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
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from workloads import InProcess, Workload  # noqa: E402

#: of so many requests one goes to a `def` view in a thread, one fails, one finds nothing, one sets a session cookie...
PERIOD = 20


def make() -> Any:
    from asyncflask import App, render_template, request, session, url_for

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

    @app.post("/upload/<name>")
    async def upload(name: str) -> Any:
        return {"name": request.form["name"], "size": len(request.files["file"].read())}

    @app.get("/page/<name>")
    async def page(name: str) -> str:
        session["seen"] = session.get("seen", 0) + 1
        return render_template(
            "page.html", rows=[{"id": 1, "name": name, "price": 1.5}], here=url_for("item", name=name)
        )

    @app.get("/stream/<name>")
    async def stream(name: str) -> Any:
        async def pieces() -> AsyncIterator[str]:
            yield name
            yield request.path

        return pieces()

    @app.get("/lines/<name>")
    def lines(name: str) -> Any:
        return (f"{name} {number}\n" for number in range(3))

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
    if kind == 7:
        return Workload(f"/upload/{number}", body=form(number), content_type="multipart/form-data; boundary=b")
    if kind < 11:
        return Workload(("/page/", "/stream/", "/lines/")[kind - 8] + str(number))
    return Workload(f"/item/{number}", f"q={number}")


def form(number: int) -> str:
    """Return a form with a field and a file of up to 20 kB."""
    head = f'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\n{number}\r\n--b\r\n'
    file = f'Content-Disposition: form-data; name="file"; filename="{number}.txt"\r\n\r\n{"x" * (number % 20_000)}'
    return f"{head}{file}\r\n--b--\r\n"


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
