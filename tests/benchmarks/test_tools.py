"""What the benchmark scripts do with figures: comparing with a baseline, and the table of the README."""

from __future__ import annotations

import asyncio
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """A function that imports a script of this folder as it imports its neighbours when run."""
    monkeypatch.syspath_prepend(str(HERE))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == HERE:
            del sys.modules[name]


@pytest.fixture
def instructions(script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The script, with figures of its own and no valgrind."""
    module = script("instructions")
    monkeypatch.setattr(module, "BASELINE", tmp_path / "baseline.json")
    monkeypatch.setattr(module.shutil, "which", lambda program: program)
    monkeypatch.setattr(module, "environment_key", lambda: {"python": "this"})
    monkeypatch.setattr(sys, "argv", ["instructions.py"])
    return module


def run(instructions: ModuleType, monkeypatch: pytest.MonkeyPatch, counts: dict[str, int], *args: str) -> int:
    monkeypatch.setattr(instructions, "count", lambda: counts)
    monkeypatch.setattr(sys, "argv", ["instructions.py", *args])
    return instructions.main()


def test_only_what_is_slower_than_its_own_baseline_fails(instructions, monkeypatch, capsys):
    assert run(instructions, monkeypatch, {"hello": 1000}) == 0
    assert "No baseline" in capsys.readouterr().out
    assert run(instructions, monkeypatch, {"hello": 1000, "users": 2000}, "--write") == 0
    for count, status in ((1050, 0), (1051, 1), (500, 0)):
        assert run(instructions, monkeypatch, {"hello": count, "users": 2000, "new": 7}) == status
    text = capsys.readouterr().out
    assert "Slower by more than 5%: hello." in text
    assert "renew the baseline" in text
    monkeypatch.setattr(instructions, "environment_key", lambda: {"python": "another"})
    assert run(instructions, monkeypatch, {"hello": 9000}) == 0


def test_baselines_of_other_environments_stay(instructions, monkeypatch):
    for name, count in (("this", 1), ("another", 2), ("this", 3)):
        monkeypatch.setattr(instructions, "environment_key", lambda name=name: {"python": name})
        run(instructions, monkeypatch, {"hello": count}, "--write")
    kept = {entry["key"]["python"]: entry["counts"]["hello"] for entry in instructions.known()}
    assert kept == {"this": 3, "another": 2}


def test_without_valgrind_nothing_fails(instructions, monkeypatch, capsys):
    monkeypatch.setattr(instructions.shutil, "which", lambda program: None)
    assert instructions.main() == 0
    assert "valgrind is not installed" in capsys.readouterr().out


def test_parts_are_read_in_their_order(instructions, tmp_path):
    for number in (2, 10, 1):
        (tmp_path / f"counts.{number}").write_text(f"version: 1\nsummary: {number}00\nfn=x\n", encoding="utf-8")
    assert instructions.parts(tmp_path) == [100, 200, 1000]


def test_the_committed_baseline_knows_every_workload(script):
    module = script("instructions")
    for entry in module.known():
        assert len(entry["counts"]) == len(module.PLAN) and entry["key"]["python"]


RESULT = {
    "date": "2024-02-29",
    "commit": "abc",
    "machine": "a machine",
    "load before": 0.1,
    "versions": {"werkzeug": "3"},
    "rates": {"hello": {"raw": 10_000, "asyncflask": 8_500}, "sync": {"asyncflask": 5_000}},
    "costs": {"hello": {"raw": 1.25, "asyncflask": 4}},
}


def test_the_table_has_ratios_where_bare_asgi_was_measured(script):
    text = script("table").markdown(RESULT)
    assert "| hello | 10,000 (1.00) | 8,500 (0.85) |" in text
    assert "| sync |  | 5,000 |" in text
    assert "| hello | 1.2 | 4.0 |" in text
    assert "load" not in text
    assert "load 3" in script("table").markdown(RESULT | {"load before": 3})
    assert "the kernel's part" not in text
    assert "| hello | 25.5 |" in script("table").markdown(RESULT | {"server costs": {"hello": {"raw": 25.5}}})


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not say how long a task ran")
def test_the_cpu_of_a_server_is_that_of_all_its_processes(script):
    serve = script("serve")
    spin = "t = time.process_time() + 0.05\nwhile time.process_time() < t: pass\n"
    program = f"import os, subprocess, sys, time\n{spin}"
    child = program + "print(flush=True); sys.stdin.read()"
    parent = program + f"subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        server = serve.Server.__new__(serve.Server)
        server.process = process
        assert server.cpu_time() >= 0.1
        process.stdin.close()
    assert server.cpu_time() is None


def test_the_table_is_put_between_its_markers(script, tmp_path):
    table, readme = script("table"), tmp_path / "README.md"
    readme.write_text("# Title\n", encoding="utf-8")
    table.put_into(readme, "first\n")
    text = readme.read_text(encoding="utf-8") + "after\n"
    readme.write_text(text, encoding="utf-8")
    table.put_into(readme, "second\n")
    assert readme.read_text(encoding="utf-8") == text.replace("first", "second")
    readme.write_text(table.START, encoding="utf-8")
    with pytest.raises(ValueError, match="not '<!-- end of benchmarks -->'"):
        table.put_into(readme, "third\n")


def test_every_peer_has_an_application(script):
    environment, apps, peers = (script(name) for name in ("environment", "apps", "peers"))
    assert all(name in apps.OURS or callable(getattr(peers, name)) for name in environment.PEERS)
    assert json.dumps(environment.requirements())


def test_costs_by_the_number_of_routes(script):
    routes = script("routes")
    costs = asyncio.run(routes.measure((2, 3), rounds=1, times=2))
    assert {name: list(row) for name, row in costs.items()} == {name: [2, 3] for name in routes.PATHS}
    assert "(1.000)" in routes.table(costs)
