"""The virtual environment that benchmarks run in: our dependencies and the peers, kept in the user's cache folder.

Its name is made of what goes into it, so that a change of the list or of the interpreter makes another one.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tomllib
import venv
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: name of a peer in tables -> what pip installs for it
PEERS = {
    "raw": (),
    "asyncflask": (),
    "asyncflask_hooks": (),
    "asyncflask_fast": ("orjson",),
    "starlette": ("starlette", "python-multipart", "itsdangerous", "jinja2"),
    "falcon": ("falcon",),
    "blacksheep": ("blacksheep",),
    "litestar": ("litestar",),
    "fastapi": ("fastapi", "python-multipart"),
    "quart": ("quart",),
    "flask": ("flask==3.1.3", "gunicorn"),
}
TOOLS = ("uvicorn[standard]", "matplotlib")


def requirements() -> list[str]:
    """Return what the environment holds: our run-time dependencies, all peers, the server and what plots."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {*project["dependencies"], *project["optional-dependencies"]["standard"], *TOOLS}
    for packages in PEERS.values():
        wanted.update(packages)
    return sorted(wanted)


def interpreter() -> Path:
    """Return the environment's Python; the first call for a list of requirements makes the environment."""
    wanted = requirements()
    key = hashlib.sha256("\n".join([sys.version, sys.prefix, *wanted]).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "asyncflask-benchmarks" / key
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
        subprocess.run(pip, check=True, stdin=subprocess.DEVNULL)
        (folder / "complete").touch()
    return python


def variables(**more: str) -> dict[str, str]:
    """Return the environment variables for a child: our package and this folder importable, nothing of the caller's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FLASK_", "ASYNCFLASK_"))}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(__file__).parent)])} | more


_VERSIONS = (
    "import importlib.metadata as m, json; print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
)


def versions(python: Path) -> dict[str, str]:
    """Return the version of every package of the environment."""
    done = subprocess.run([python, "-c", _VERSIONS], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def machine() -> str:
    """Describe this machine in a few words."""
    model = platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} CPUs, {platform.system()}, Python {platform.python_version()}"


def own_version() -> str:
    """Return the commit that is measured, marked if the tree differs from it."""
    try:
        args = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
        return subprocess.run(args, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return metadata.version("asyncflask")
