"""The project's own files, as the architecture tests look at them."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "asyncflask"


class Source(NamedTuple):
    """A module of the package: its dotted name, its path below the project, its text and syntax tree."""

    name: str
    path: str
    text: str
    tree: ast.Module
    is_package: bool


def read(path: Path) -> Source:
    parts = path.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    name = ".".join(parts[:-1] if is_package else parts)
    text = path.read_text(encoding="utf-8")
    return Source(name, str(path.relative_to(ROOT)), text, ast.parse(text), is_package)


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """Every module of the package."""
    return [read(path) for path in sorted(PACKAGE.rglob("*.py"))]


@pytest.fixture(scope="session")
def project_files() -> list[Path]:
    """Every text file that belongs to the project: what git knows or would take, else what lies in its folders."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        folders = [ROOT / name for name in ("asyncflask", "tests", "examples", ".ci")]
        inside = [path for folder in folders for path in folder.rglob("*") if "__pycache__" not in path.parts]
        files = [*inside, *ROOT.glob("*.*")]
    else:
        files = [ROOT / name for name in done.stdout.split("\0") if name]
    return [path for path in files if path.is_file() and b"\0" not in path.read_bytes()[:8192]]
