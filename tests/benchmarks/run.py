#!/usr/bin/env python3
"""Measure asyncflask beside other frameworks; write JSON, a picture, and the table of the README.

    python tests/benchmarks/run.py                             servers and in-process, all peers
    python tests/benchmarks/run.py --peers raw,asyncflask,starlette --work hello,users --rounds 1 --seconds 1
    python tests/benchmarks/run.py --readme --plot             ...and put the results where readers see them

Peers live in an environment of their own in the cache folder, made on the first run. The machine should be idle.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import environment
import inprocess
import serve
import table
from workloads import WORKLOADS

HERE = Path(__file__).parent
#: whose versions a table names
NAMED = ("asyncflask", "werkzeug", "uvicorn", "uvloop", "httptools")
#: processes that wait for a CPU, from which on others disturb the measurement
BUSY = 0.5


def listed(known: Any) -> Any:
    """Return a parser for a list of names out of `known`."""

    def parse(text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return names

    return parse


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=listed(environment.PEERS), default=list(environment.PEERS))
    parser.add_argument("--work", type=listed(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3, help="medians, or the least, of so many")
    parser.add_argument("--seconds", type=int, default=2, help="of each round behind a server")
    parser.add_argument("--only", choices=("servers", "inprocess"), help="measure one kind")
    parser.add_argument("--json", type=Path, default=HERE / "results.json", help="where figures go")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    parser.add_argument("--plot", nargs="?", type=Path, const=HERE / "results.png", help="draw a PNG")
    parser.add_argument("--again", action="store_true", help="measure nothing; table and plot from the JSON")
    return parser.parse_args()


def measure(options: argparse.Namespace, python: Path) -> dict[str, Any]:
    """Return all figures with when, where and with what they were found."""
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"The machine is busy (load {load:.1f}): rates will be low, and ratios uncertain.", file=sys.stderr)
    found = environment.versions(python)
    packages = {"flask": ("flask", "gunicorn"), "raw": ()}
    wanted = [*NAMED, *(package for peer in options.peers for package in packages.get(peer, (peer,)))]
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "commit": environment.own_version(),
        "machine": environment.machine(),
        "load before": round(load, 1),
        "versions": {name: found[name] for name in dict.fromkeys(wanted) if name in found},
    }
    if options.only != "inprocess":
        args = (python, options.peers, options.work, options.rounds, options.seconds)
        result["rates"], result["server costs"] = serve.measure(*args)
    if options.only != "servers":
        result["costs"] = inprocess.measure(python, options.peers, options.work, options.rounds)
    return result


def main() -> None:
    options = arguments()
    python = environment.interpreter()
    if options.again:
        result = json.loads(options.json.read_text(encoding="utf-8"))
    else:
        result = measure(options, python)
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    text = table.markdown(result)
    print(text)
    if options.readme:
        table.put_into(environment.ROOT / "README.md", text)
    if options.plot:
        subprocess.run([python, HERE / "plot.py", options.json, options.plot], env=environment.variables(), check=True)


if __name__ == "__main__":
    main()
