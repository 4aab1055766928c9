"""Microseconds of CPU that an application itself spends on a request: its ASGI callable in-process, no server.

As a script: ``inprocess.py NAME WORKLOAD,...`` prints the best of some rounds as JSON; `measure` runs that in fresh
processes, the applications in turn, and keeps the least of each.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from environment import variables
from workloads import WORKLOADS, InProcess, can, start_up

ROUNDS, TIMES = 5, 400
#: too slow in itself, or about waiting
LEFT_OUT = ("sleep",)


async def least(client: InProcess) -> float:
    """Return the CPU time of one exchange in microseconds, all threads counted: the least of some rounds."""
    await client.checked()
    await client.repeat(TIMES // 2)
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        await client.repeat(TIMES)
        best = min(best, time.process_time() - start)
    return best / TIMES * 1e6


async def child(name: str, works: list[str]) -> dict[str, float]:
    from apps import make

    app = make(name)
    task = await start_up(app)
    found = {work: await least(InProcess(app, WORKLOADS[work])) for work in works}
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return found


def measure(python: Path, names: list[str], works: list[str], rounds: int = 3) -> dict[str, dict[str, float]]:
    """Return microseconds by workload and name."""
    table: dict[str, dict[str, float]] = {work: {} for work in works if work not in LEFT_OUT}
    for _ in range(rounds):
        for name in names:
            if name == "flask":  # no ASGI
                continue
            args = [python, __file__, name, ",".join(can(name, table))]
            done = subprocess.run(args, env=variables(), capture_output=True, text=True)
            if done.returncode:
                print(f"{name} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
                continue
            for work, cost in json.loads(done.stdout.splitlines()[-1]).items():
                table[work][name] = min(cost, table[work].get(name, cost))
    return {work: row for work, row in table.items() if row}


if __name__ == "__main__":
    import uvloop

    print(json.dumps(uvloop.run(child(sys.argv[1], [work for work in sys.argv[2].split(",") if work]))), flush=True)
    os._exit(0)  # threads of a peer may linger
