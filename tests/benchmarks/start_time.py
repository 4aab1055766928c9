"""How long it takes to import asyncflask and to make an app of 200 routes, beside Flask.

    python tests/benchmarks/start_time.py [ROUNDS]

Each figure but the last is a whole run of a fresh interpreter, in turns for both; "cpu" is the least processor time of
a run, which a busy machine changes less (0 where the system does not tell). Both start from bytecode, in a folder
of this run: a source tree that nobody has compiled would be measured against an installed package otherwise.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).parents[2]
SUBJECTS = ("flask", "asyncflask")
ROUTES = """
def make(name):
    app = Flask(name)
    for number in range(200):
        app.add_url_rule(f"/items/{number}/<int:id>", f"view{number}", view)
    return app

def view(id):
    return ""
"""
# What is put off until it is used must still be loaded by who uses it: the third shows the sum.
SCENARIOS = {
    "import": "import SUBJECT",
    "import, 200 routes": "from SUBJECT import Flask" + ROUTES + "make('made')",
    "import, commands, a session and a template": """
from SUBJECT import Flask, render_template_string, session
app = Flask("made")
app.secret_key = "x"
app.cli.command("work")(lambda: None)
with app.test_request_context("/"):
    session["a"] = 1
    assert render_template_string("{{ session.a }}") == "1"
""",
}
IN_PROCESS = (
    """
import gc
from statistics import median
from time import perf_counter
from SUBJECT import Flask
"""
    + ROUTES
    + """
times = []
for number in range(12):
    gc.collect()
    start = perf_counter()
    make(f"app{number}")
    times.append(perf_counter() - start)
print(min(times[2:]), median(times[2:]))
"""
)


def python(code: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def timed(code: str, environment: dict[str, str]) -> tuple[float, float]:
    """Run `code`; return seconds by the clock and of processor time."""
    before, start = os.times(), perf_counter()
    python(code, environment)
    took, after = perf_counter() - start, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return took, used


def show(name: str, kind: str, figures: dict[str, float]) -> None:
    flasks, ours = SUBJECTS
    if figures[flasks]:
        ratio = figures[ours] / figures[flasks]
        print(f"{name:44} {kind:8} {figures[flasks] * 1000:8.1f} {figures[ours] * 1000:10.1f} {ratio:6.2f}")


def measure(rounds: int, environment: dict[str, str]) -> None:
    print(f"{'milliseconds':53} {'flask':>8} {'asyncflask':>10} {'ratio':>6}")
    for name, code in SCENARIOS.items():
        codes = {subject: code.replace("SUBJECT", subject) for subject in SUBJECTS}
        for subject in SUBJECTS * 2:  # compiles, and fills the disk's cache
            python(codes[subject], environment)
        times: dict[str, list[tuple[float, float]]] = {subject: [] for subject in SUBJECTS}
        for _ in range(rounds):
            for subject in SUBJECTS:
                times[subject].append(timed(codes[subject], environment))
        show(name, "minimum", {s: min(took for took, _ in t) for s, t in times.items()})
        show(name, "median", {s: median(took for took, _ in t) for s, t in times.items()})
        show(name, "cpu", {s: min(used for _, used in t) for s, t in times.items()})
    least, middle = {}, {}
    for subject in SUBJECTS:
        printed = python(IN_PROCESS.replace("SUBJECT", subject), environment)
        least[subject], middle[subject] = map(float, printed.split())
    for kind, figures in (("minimum", least), ("median", middle)):
        show("200 routes, in a program that runs already", kind, figures)


def main(rounds: int = 15) -> None:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("flask", "werkzeug", "jinja2", "click")]
    print(
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}, {', '.join(versions)};"
    )
    print(f"asyncflask from {os.path.basename(ROOT)}; {rounds} rounds, load {os.getloadavg()[0]:.1f}")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as folder:
        measure(rounds, environment | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": folder})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
