"""What type checkers say of code that uses the package: they accept `accepted/` and refuse `refused/`.

In `refused/` a line that ends with the comment "error" must be reported, by each of the checkers, and no other line.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(600)

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MARK = re.compile(r"#\s*error\b")

#: Line numbers by file name.
Lines = dict[str, set[int]]


def python(*arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter, where it finds the package that is tested."""
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=500)


@pytest.fixture(scope="session")
def mypy():
    """Returns what mypy reports of a folder: line numbers by file, and the report for who reads a failure."""
    cache = ROOT / ".mypy_cache"  # what "mypy" has found out of the package and its libraries need not be found again

    def check(folder: str) -> tuple[Lines, str]:
        options = ["--strict", "--config-file=", f"--cache-dir={cache}", "--no-pretty", "--hide-error-context"]
        done = python("-m", "mypy", *options, HERE / folder, MYPYPATH=str(ROOT))
        assert done.returncode in (0, 1), done.stdout + done.stderr
        found = re.findall(r"^(.+?):(\d+): error: ", done.stdout, re.MULTILINE)
        return by_file((path, int(line)) for path, line in found), done.stdout

    return check


@pytest.fixture(scope="session")
def pyright_starts():
    if python("-m", "pyright", "--version").returncode != 0:
        pytest.skip("pyright does not start: it needs node, which is neither installed nor to be downloaded here")


@pytest.fixture(scope="session")
def pyright_errors(pyright_starts):
    """What one run of pyright says of the package and both folders; it brings its own node unless one is installed."""
    folders = [ROOT / "asyncflask", HERE / "accepted", HERE / "refused"]
    done = python("-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *folders)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == sum(len(list(folder.rglob("*.py"))) for folder in folders), done.stdout
    return [entry for entry in report["generalDiagnostics"] if entry["severity"] == "error"]


@pytest.fixture(scope="session")
def pyright(pyright_errors):
    """As `mypy`, of pyright."""

    def check(folder: str) -> tuple[Lines, str]:
        errors = [entry for entry in pyright_errors if Path(entry["file"]).parent == HERE / folder]
        return by_file((entry["file"], entry["range"]["start"]["line"] + 1) for entry in errors), json.dumps(errors)

    return check


def by_file(places) -> Lines:
    lines: Lines = {}
    for path, line in places:
        lines.setdefault(Path(path).name, set()).add(line)
    return lines


def marked(folder: str) -> Lines:
    return by_file(
        (path, number)
        for path in (HERE / folder).glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MARK.search(line)
    )


CHECKERS = ["mypy", pytest.param("pyright", marks=pytest.mark.slow)]


@pytest.mark.parametrize("checker", CHECKERS)
def test_what_is_valid_is_accepted(checker, request):
    reported, report = request.getfixturevalue(checker)("accepted")
    assert reported == {}, report


@pytest.mark.parametrize("checker", CHECKERS)
def test_what_is_wrong_is_refused(checker, request):
    reported, report = request.getfixturevalue(checker)("refused")
    assert reported == marked("refused"), report


@pytest.mark.parametrize("folder", ["accepted", "refused"])
def test_there_is_something_to_check(folder):
    assert len(list((HERE / folder).glob("*.py"))) >= 4
    assert bool(marked(folder)) == (folder == "refused")


@pytest.mark.slow
def test_pyright_finds_nothing_in_the_package(pyright_errors):
    assert not [entry for entry in pyright_errors if HERE not in Path(entry["file"]).parents]


@pytest.mark.slow
@pytest.mark.usefixtures("pyright_starts")
def test_nearly_all_public_names_have_a_known_type():
    options = ["--ignoreexternal", "--outputjson", "--pythonpath", sys.executable]
    # it looks for libraries in the environment of the "python" that comes first, whatever it is told
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = python("-m", "pyright", "--verifytypes", "asyncflask", *options, PYTHONPATH=str(ROOT), PATH=places)
    completeness = json.loads(done.stdout)["typeCompleteness"]
    assert completeness["exportedSymbolCounts"]["withKnownType"] > 1000
    assert completeness["completenessScore"] >= 0.97, completeness["exportedSymbolCounts"]
