"""Requests per second of each application behind a real server, side by side.

Each server stays up on a port of its own, pinned to one core, with wrk on another; rounds go through the servers in
turn, so that a slow minute of the machine hits all of them alike. Needs two cores and wrk (Debian's package of that
name).
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


def one_workload(
    servers: Mapping[str, Server], work: Workload, rounds: int, seconds: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the median rate of each server for one workload, and the least CPU of a request in microseconds.

    A server that fails is left out and named on stderr. The CPU depends much less on what else the machine does.
    """
    rates: dict[str, list[float]] = {name: [] for name in servers}
    costs: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for name, server in servers.items():
                if name not in rates:
                    continue
                try:
                    if number == 0:
                        server.check(work)
                    before = server.cpu_time()
                    rate = wrk(server, work, seconds, Path(folder))
                    after = server.cpu_time()
                    rates[name].append(rate)
                    if before is not None and after is not None:
                        cost = (after - before) / (rate * seconds) * 1e6
                        costs[name] = min(cost, costs.get(name, cost))
                except (OSError, ValueError, RuntimeError) as error:
                    print(f"{name} failed: {error}", file=sys.stderr)
                    del rates[name]
    return {name: statistics.median(values) for name, values in rates.items()}, costs


def mixed(server: Server, seconds: int, rounds: int) -> dict[str, float]:
    """Return the rate of `hello` alone, and beside clients that keep every worker thread blocked with `sleep`."""
    alone, beside, sleep = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(rounds):
            alone.append(wrk(server, WORKLOADS["hello"], seconds, folder))
            work = WORKLOADS["sleep"]
            args = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{work.connections}", f"-d{seconds + 2}s"]
            load = subprocess.Popen([*args, server.url(work)], stdout=subprocess.PIPE, text=True)
            time.sleep(1)  # until all threads are busy
            beside.append(wrk(server, WORKLOADS["hello"], seconds, folder))
            found = re.search(r"Requests/sec:\s*([\d.]+)", load.communicate()[0])
            sleep.append(float(found[1]) if found else 0.0)
    return {
        "hello alone": statistics.median(alone),
        "hello beside sleep": statistics.median(beside),
        "sleep beside hello": statistics.median(sleep),
    }


Table = dict[str, dict[str, float]]


def measure(python: Path, names: list[str], works: list[str], rounds: int, seconds: int) -> tuple[Table, Table]:
    """Return requests per second, and microseconds of the server's CPU for one, by workload and name."""
    if missing():
        raise RuntimeError(f"install {' and '.join(missing())}: servers cannot be measured without")
    if len(os.sched_getaffinity(0)) < 2:
        raise RuntimeError("servers are measured on two cores, one of them for wrk; this process may use only one")
    table: Table = {}
    spent: Table = {}
    with serving(python, names) as servers:
        for work in works:
            able = {name: server for name, server in servers.items() if can(name, [work])}
            table[work], spent[work] = one_workload(able, WORKLOADS[work], rounds, seconds)
            print(f"{work:8}", "  ".join(f"{name} {rate:,.0f}" for name, rate in table[work].items()), flush=True)
        if "asyncflask" in servers and "sleep" in works:
            table["hello beside sleep"] = mixed(servers["asyncflask"], seconds, rounds)
    return table, spent
