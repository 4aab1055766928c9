"""Requests per second of each application behind a real server, side by side.

Each server has a port of its own and is pinned to one core, with wrk on another; rounds go through the servers in turn,
so that a slow minute of the machine hits all of them alike, and each round starts them anew. Needs two cores and wrk
(Debian's package of that name).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from environment import variables
from workloads import WORKLOADS, Workload, can

Table = dict[str, dict[str, float]]

HERE = Path(__file__).parent
SERVER_CORE, CLIENT_CORE = "0", "1"
START_LIMIT = 30.0
THREADS = 40
NEEDED = ("wrk", "taskset")


def missing() -> list[str]:
    """Return which of the programs that are needed are not installed."""
    return [program for program in NEEDED if shutil.which(program) is None]


def command(python: Path, name: str, port: int) -> list[str]:
    """Return the command that serves the application of that name."""
    if name == "flask":
        args = ["gunicorn", "-w", "1", "-k", "gthread", "--threads", str(THREADS), "--log-level", "error"]
        args += ["-b", f"127.0.0.1:{port}"]
    else:
        args = ["uvicorn", "--no-access-log", "--log-level", "warning", "--port", str(port)]
    return [str(python.with_name(args[0])), *args[1:], f"apps:app_{name}"]


class Server:
    """The server process of one application, ready to answer.

    Raises RuntimeError, with what it printed, if it does not start.
    """

    def __init__(self, python: Path, name: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  closed by `stop`
        args = ["taskset", "-c", SERVER_CORE, *command(python, name, self.port)]
        self.process = subprocess.Popen(args, cwd=HERE, env=variables(), stdout=self.log, stderr=self.log)
        end = time.monotonic() + START_LIMIT
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.log.seek(0)
                text = self.log.read().decode(errors="replace")
                self.stop()
                raise RuntimeError(f"{name} did not start:\n{text}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url(WORKLOADS["hello"]), timeout=2).close()
        except OSError:
            return False
        return True

    def url(self, work: Workload) -> str:
        return f"http://127.0.0.1:{self.port}{work.target}"

    def check(self, work: Workload) -> None:
        """Raise OSError or ValueError unless `work` is answered as it should be."""
        headers = {"Content-Type": work.content_type} if work.body else {}
        request = urllib.request.Request(self.url(work), data=work.body.encode() or None, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            work.check(answer.read())

    def cpu_time(self) -> float | None:
        """Return the seconds of CPU that the server's processes have had, kernel included; None where nobody says."""
        try:
            return sum(map(_cpu_time, _family(self.process.pid)))
        except (OSError, ValueError):
            return None

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def _family(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            found += _family(int(child))
    return found


def _cpu_time(pid: int) -> float:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def script(work: Workload) -> str:
    """Return the Lua script by which wrk sends a body."""
    long = json.dumps(work.body)  # the escapes of JSON that occur here are Lua's too
    lines = ['wrk.method = "POST"', f"wrk.body = {long}", f'wrk.headers["Content-Type"] = "{work.content_type}"']
    return "\n".join(lines)


def wrk(server: Server, work: Workload, seconds: int, folder: Path) -> float:
    """Return requests per second. Raises RuntimeError if an answer was not 2xx, or a connection failed."""
    args = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{work.connections}", f"-d{seconds}s"]
    if work.body:
        lua = folder / f"{work.path.strip('/')}.lua"
        lua.write_text(script(work), encoding="utf-8")
        args += ["-s", str(lua)]
    text = subprocess.run([*args, server.url(work)], capture_output=True, text=True).stdout
    found = re.search(r"Requests/sec:\s*([\d.]+)", text)
    if found is None or "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"wrk {server.url(work)}: {text}")
    return float(found[1])


@contextlib.contextmanager
def serving(python: Path, names: list[str]) -> Iterator[dict[str, Server]]:
    """Run a server for each name; those that do not start are left out and named on stderr."""
    servers: dict[str, Server] = {}
    try:
        for name in names:
            try:
                servers[name] = Server(python, name)
            except RuntimeError as error:
                print(error, file=sys.stderr)
        yield servers
    finally:
        for server in servers.values():
            server.stop()


class Found:
    """What rounds have found: for each workload and name, rates and microseconds of CPU, one of each round."""

    def __init__(self) -> None:
        self.rates: dict[str, dict[str, list[float]]] = {}
        self.costs: dict[str, dict[str, list[float]]] = {}
        self.beside: list[dict[str, float]] = []
        self.failed: set[tuple[str, str]] = set()

    def one_round(self, servers: Mapping[str, Server], works: list[str], seconds: int) -> None:
        """Ask each server for each workload it knows. One that fails at that is named on stderr, and asked no more."""
        with tempfile.TemporaryDirectory() as folder:
            for work, name in [(work, name) for work in works for name in servers if can(name, [work])]:
                if (work, name) in self.failed:
                    continue
                try:
                    self._ask(servers[name], work, name, seconds, Path(folder))
                except (OSError, ValueError, RuntimeError) as error:
                    print(f"{name} failed at {work}: {error}", file=sys.stderr)
                    self.failed.add((work, name))
            if "asyncflask" in servers and "sleep" in works:
                self.beside.append(mixed(servers["asyncflask"], seconds, Path(folder)))

    def _ask(self, server: Server, work: str, name: str, seconds: int, folder: Path) -> None:
        server.check(WORKLOADS[work])
        before = server.cpu_time()
        rate = wrk(server, WORKLOADS[work], seconds, folder)
        after = server.cpu_time()
        self.rates.setdefault(work, {}).setdefault(name, []).append(rate)
        if before is not None and after is not None:
            cost = (after - before) / (rate * seconds) * 1e6
            self.costs.setdefault(work, {}).setdefault(name, []).append(cost)

    def medians(self) -> tuple[Table, Table]:
        """Return the medians of rates and of CPU, without whatever failed."""
        both = [
            {
                work: {name: statistics.median(v) for name, v in row.items() if (work, name) not in self.failed}
                for work, row in table.items()
            }
            for table in (self.rates, self.costs)
        ]
        if self.beside:
            rows = {key: statistics.median(one[key] for one in self.beside) for key in self.beside[0]}
            both[0]["hello beside sleep"] = rows
        return both[0], both[1]


def mixed(server: Server, seconds: int, folder: Path) -> dict[str, float]:
    """Return the rate of `hello` alone, and beside clients that keep every worker thread blocked with `sleep`."""
    alone = wrk(server, WORKLOADS["hello"], seconds, folder)
    work = WORKLOADS["sleep"]
    args = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{work.connections}", f"-d{seconds + 2}s"]
    load = subprocess.Popen([*args, server.url(work)], stdout=subprocess.PIPE, text=True)
    time.sleep(1)  # until all threads are busy
    beside = wrk(server, WORKLOADS["hello"], seconds, folder)
    found = re.search(r"Requests/sec:\s*([\d.]+)", load.communicate()[0])
    sleep = float(found[1]) if found else 0.0
    return {"hello alone": alone, "hello beside sleep": beside, "sleep beside hello": sleep}


def measure(python: Path, names: list[str], works: list[str], rounds: int, seconds: int) -> tuple[Table, Table]:
    """Return requests per second, and microseconds of the server's CPU for one, by workload and name.

    Each round has servers of its own: of two processes with the same code one may be a tenth faster than the other, as
    long as they live.
    """
    if missing():
        raise RuntimeError(f"install {' and '.join(missing())}: servers cannot be measured without")
    if len(os.sched_getaffinity(0)) < 2:
        raise RuntimeError("servers are measured on two cores, one of them for wrk; this process may use only one")
    found = Found()
    for number in range(rounds):
        with serving(python, names) as servers:
            found.one_round(servers, works, seconds)
        print(f"round {number + 1} of {rounds}", flush=True)
        for work, row in found.rates.items():
            print(f"  {work:8}", "  ".join(f"{name} {values[-1]:,.0f}" for name, values in row.items()), flush=True)
    return found.medians()
