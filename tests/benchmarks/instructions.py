#!/usr/bin/env python3
"""How many machine instructions a request costs, counted by callgrind: as many on a busy machine as on an idle one.

    python tests/benchmarks/instructions.py            count, and compare with instructions.json
    python tests/benchmarks/instructions.py --write    count, and keep that as the baseline of this environment

A baseline belongs to one environment: interpreter, libraries, valgrind. Where there is none for this one, counts are
only reported. Otherwise the exit status is 1 if a workload needs more than 5 % more instructions than its baseline.

One process serves all workloads. A system call that nobody else makes marks the ends of each stretch, callgrind writes
down what it counted there; a stretch with an application that does nothing but send is what the measuring costs.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from environment import variables
from workloads import WORKLOADS, InProcess, Workload

HERE = Path(__file__).parent
BASELINE = HERE / "instructions.json"
LIMIT = 0.05
#: exchanges counted for each application and workload, after as many that are not: enough for steady counts
PLAN = {
    ("asyncflask", "hello"): 200,
    ("asyncflask", "users"): 200,
    ("asyncflask", "echo"): 100,
    ("asyncflask", "sync"): 100,
    ("asyncflask", "routes"): 200,
    ("asyncflask", "session"): 100,
    ("asyncflask", "page"): 20,
    ("asyncflask", "upload"): 20,
    ("asyncflask_hooks", "hello"): 100,
}
LIBRARIES = ("blinker", "itsdangerous", "jinja2", "markupsafe", "werkzeug")
#: the C function that ``os.getsid`` calls
MARK = "getsid"
#: exchanges of the empty stretch
EMPTY = 200


# -- the measured process ----------------------------------------------------------------------------------------------


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """The least that an exchange costs: our own client."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def stretch(client: InProcess, times: int) -> None:
    """Make everything warm, then have `times` exchanges counted."""
    await client.repeat(times)
    gc.collect()
    os.getsid(0)
    await client.repeat(times)
    os.getsid(0)


async def child() -> None:
    """Run all stretches in their order, the empty one first."""
    from apps import make

    await stretch(InProcess(nothing, Workload("/")), EMPTY)
    apps = {name: make(name) for name, _ in PLAN}
    for (name, work), times in PLAN.items():
        client = InProcess(apps[name], WORKLOADS[work])
        await client.checked()
        await stretch(client, times)


# -- the one that counts -----------------------------------------------------------------------------------------------


def environment_key() -> dict[str, str]:
    """Return what counts depend on apart from our own code."""
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {
        "python": sys.version,
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": valgrind,
        **versions,
    }


def parts(folder: Path) -> list[int]:
    """Return the totals of callgrind's dumps, in the order they were made."""
    dumps = sorted(folder.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
    totals = []
    for dump in dumps:
        lines = dump.read_text(encoding="utf-8", errors="replace").splitlines()
        totals.append(int(next(line for line in lines if line.startswith("summary:")).split()[1]))
    return totals


def count() -> dict[str, int]:
    """Return instructions per exchange by workload. Raises RuntimeError if the measured process fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        args = ["valgrind", "--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={folder / 'counts'}"]
        args += ["--compress-strings=no", sys.executable, __file__, "--child"]
        environ = variables(PYTHONHASHSEED="0", PYTHONDONTWRITEBYTECODE="1")
        done = subprocess.run(args, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        totals = parts(folder)
    # Before the first mark; then, in turn, a stretch and what lies between it and the next.
    stretches = totals[1::2]
    if done.returncode or len(stretches) != len(PLAN) + 1:
        raise RuntimeError(f"callgrind gave {len(totals)} parts, exit {done.returncode}:\n{done.stderr[-3000:]}")
    empty = stretches[0] / EMPTY
    return {
        work if name == "asyncflask" else f"{work} ({name.removeprefix('asyncflask_')})": round(total / times - empty)
        for ((name, work), times), total in zip(PLAN.items(), stretches[1:], strict=True)
    }


# -- comparing ---------------------------------------------------------------------------------------------------------


def known() -> list[dict[str, Any]]:
    """Return the baselines: a list of ``{"key": ..., "counts": ...}``."""
    return list(json.loads(BASELINE.read_text(encoding="utf-8"))) if BASELINE.exists() else []


def write(key: dict[str, str], counts: dict[str, int]) -> None:
    """Make `counts` the baseline for `key`; those of other environments stay."""
    others = [entry for entry in known() if entry["key"] != key]
    BASELINE.write_text(json.dumps([*others, {"key": key, "counts": counts}], indent=1) + "\n", encoding="utf-8")


def compare(counts: dict[str, int], base: dict[str, int]) -> list[str]:
    """Print all counts beside their baseline; return the workloads that became slower than the limit allows."""
    slower = []
    for work, number in counts.items():
        before = base.get(work)
        if before is None:
            print(f"{work:16} {number:>10,}")
            continue
        change = number / before - 1
        is_slower, is_faster = number > before * (1 + LIMIT), number < before * (1 - LIMIT)
        note = "  slower" if is_slower else "  faster: renew the baseline (--write)" if is_faster else ""
        print(f"{work:16} {number:>10,}  baseline {before:>10,}  {change:+7.1%}{note}")
        if is_slower:
            slower.append(work)
    return slower


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="renew the baseline of this environment")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        asyncio.run(child())
        sys.stdout.flush()
        os._exit(0)
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: nothing can be counted. Debian's package is called valgrind.")
        return 0
    key, counts = environment_key(), count()
    base = next((entry["counts"] for entry in known() if entry["key"] == key), None)
    print("Instructions per request:")
    slower = compare(counts, base or {})
    if options.write:
        write(key, counts)
        return 0
    if base is None:
        print("No baseline for this environment, so nothing to compare with. --write makes one:", json.dumps(key))
    if slower:
        print(f"Slower by more than {LIMIT:.0%}: {', '.join(slower)}. If that is meant, renew the baseline (--write).")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
