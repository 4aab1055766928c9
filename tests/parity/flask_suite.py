"""Flask's own tests, run against asyncflask in Flask's place, through both transports.

    python tests/parity/flask_suite.py [--write-readme]

Flask's source distribution comes from the package index by pip, is kept in a cache and checked by its hash; nothing of
it is kept in this project. Its tests run in an environment that holds this project and no Flask. Needs a POSIX system.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
PLUGIN = HERE / "plugin"
README = PROJECT / "README.md"

VERSION = "3.1.3"
SHA256 = "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb"
TRANSPORTS = ("asgi", "wsgi")

#: What Flask's tests import beside Flask, at the versions of its uv.lock; Flask's dependencies are ours, and come with
#: us. pytest-timeout is our addition.
REQUIREMENTS = """\
asgiref==3.11.0
greenlet==3.3.1
pytest==9.0.2
pytest-timeout==2.4.0
python-dotenv==1.2.1
"""

#: How many tests each file has with Flask itself: one that cannot be collected is a test that did not pass.
TESTS = {
    "test_appctx.py": 14,
    "test_async.py": 8,
    "test_basic.py": 130,
    "test_blueprints.py": 60,
    "test_cli.py": 58,
    "test_config.py": 19,
    "test_converters.py": 2,
    "test_helpers.py": 35,
    "test_instance_config.py": 7,
    "test_json.py": 31,
    "test_json_tag.py": 14,
    "test_logging.py": 6,
    "test_regression.py": 1,
    "test_reqctx.py": 14,
    "test_request.py": 3,
    "test_session_interface.py": 1,
    "test_signals.py": 7,
    "test_subclassing.py": 1,
    "test_templating.py": 32,
    "test_testing.py": 25,
    "test_user_error_handler.py": 9,
    "test_views.py": 13,
}
SECONDS_FOR_A_TEST = 20
SECONDS_FOR_ALL = 600

#: The generated part of the README lies between these two lines.
BEGIN = "<!-- Flask's tests: written by tests/parity/flask_suite.py --write-readme -->"
END = "<!-- end of Flask's tests -->"


def cache() -> Path:
    """Return the folder for what is downloaded and installed; it may be deleted at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "asyncflask-parity"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Let one process at a time change what lies in the cache under `name`."""
    with open(cache() / f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def command(*args: object, **options: object) -> str:
    """Run a command to its end and return what it wrote.

    Raises SystemExit with all of its output if it fails.
    """
    words = [str(arg) for arg in args]
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed with {done.returncode}:\n{done.stdout}")
    return done.stdout


def download(python: Path, name: str, version: str, folder: Path) -> None:
    """Put the source distribution of a package into `folder`, by the pip of `python`.

    Raises SystemExit if it cannot be had.
    """
    what = ("--no-deps", "--no-binary", name, f"{name}=={version}")
    command(python, "-I", "-m", "pip", "download", "--quiet", "--dest", folder, *what)


def source_distribution() -> Path:
    """Return Flask's source distribution, downloaded the first time.

    Raises SystemExit if it cannot be had, or is not the file it should be.
    """
    path = cache() / f"flask-{VERSION}.tar.gz"
    with alone("download"):
        if not path.exists():
            download(environment(), "flask", VERSION, path.parent)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{path} has the SHA-256 {found} and not {SHA256}; delete it to have it downloaded again")
    return path


def unpack(folder: str, target: Path) -> None:
    """Write what lies in `folder` of the source distribution into `target`; Flask's code stays out of reach."""
    prefix = f"flask-{VERSION}/{folder}/"
    with tarfile.open(source_distribution()) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member) if member.name.startswith(prefix) else None
            if content is not None:  # a file
                path = target / member.name.removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())


def kept_environment(name: str, requirements: str) -> Path:
    """Return the interpreter of an environment that is made once, with this project as it is now.

    Args:
        name: what its folder in the cache is called, beside a key of all that it was made of.
        requirements: in the form of a requirements file.
    """
    key = hashlib.sha256("\n".join((sys.version, sys.executable, str(PROJECT), requirements)).encode()).hexdigest()[:12]
    folder = cache() / f"{name}-{key}"
    python = folder / "bin" / "python"
    with alone(folder.name):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            command(sys.executable, "-I", "-m", "venv", folder)
            wanted = folder / "requirements.txt"
            wanted.write_text(requirements)
            # -I: what lies on PYTHONPATH would count as installed.
            command(python, "-I", "-m", "pip", "install", "--quiet", "--requirement", wanted)
            (folder / "complete").touch()
        command(python, "-I", "-m", "pip", "install", "--quiet", PROJECT)
    return python


@functools.cache
def environment() -> Path:
    """Return the interpreter of an environment with this project, as it is now, and without Flask."""
    return kept_environment("environment", REQUIREMENTS)


def clean_environ(**more: object) -> dict[str, str]:
    """Return variables for a process that runs another project's tests on asyncflask: nothing of ours decides them."""
    ours = ("FLASK_", "ASYNCFLASK_", "PYTEST_", "PYTHON", "WERKZEUG_", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    fixed = {"PYTHONPATH": PLUGIN, "PYTHONDONTWRITEBYTECODE": 1, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": 1}
    return kept | {name: str(value) for name, value in (fixed | more).items()}


@dataclass
class Run:
    """What became of the tests of a suite: Flask's through one transport, or an extension's.

    Args:
        outcomes: by the id of the test.
        log: what pytest wrote.
        status: what pytest returned; None if it did not end in time.
    """

    outcomes: Mapping[str, str]
    log: str = ""
    status: int | None = 0

    def passed(self, file: str | None = None) -> int:
        """Count what passed, in one file or in all."""
        counts = Counter(name.partition("::")[0] for name, outcome in self.outcomes.items() if outcome == "passed")
        return counts[f"tests/{file}"] if file else counts.total()

    @property
    def complaints(self) -> list[str]:
        """What is wrong, a line each: a test, a file with more or fewer tests than with Flask, how pytest ended."""
        ran = Counter(name.partition("::")[0].removeprefix("tests/") for name in self.outcomes)
        return [
            *(f"{outcome}: {name}" for name, outcome in self.outcomes.items() if outcome != "passed"),
            *(f"{file}: {ran[file]} tests, not {count}" for file, count in TESTS.items() if ran[file] != count),
            *(f"{file}: not a file of Flask's" for file in sorted(ran.keys() - TESTS.keys())),
            *([] if self.status == 0 else [f"pytest ended with {self.status}"]),
        ]


def run_pytest(work: Path, words: Sequence[object], environ: Mapping[str, str], seconds: float) -> Run:
    """Run pytest in `work`, at most `seconds`, and return what became of its tests.

    Args:
        work: a folder that is thrown away.
        words: the command, without the plugin that writes the outcomes.
        environ: all variables.
    """
    outcomes, log, status = work / "outcomes.txt", work / "outcomes.log", None
    outcomes.touch()
    command_line = [*map(str, words), "-p", "note_outcomes", f"--outcomes={outcomes}"]
    options = {"cwd": work, "env": environ, "stdin": subprocess.DEVNULL, "timeout": seconds}
    with log.open("w") as file, contextlib.suppress(subprocess.TimeoutExpired):
        status = subprocess.run(command_line, stdout=file, stderr=subprocess.STDOUT, **options).returncode
    pairs = (line.split("\t", 1) for line in outcomes.read_text(encoding="utf-8").splitlines())
    return Run({name: outcome for outcome, name in pairs}, log.read_text(encoding="utf-8", errors="replace"), status)


def run(transport: str, python: Path) -> Run:
    """Run all of Flask's tests through `transport`, "asgi" or "wsgi", with the interpreter of `environment`."""
    with tempfile.TemporaryDirectory(prefix="flask-suite-") as name:
        work = Path(name)
        unpack("tests", work / "tests")
        # Flask's settings for its tests.
        (work / "pytest.ini").write_text("[pytest]\ntestpaths = tests\nfilterwarnings = error\n")
        pytest = [python, "-P", "-m", "pytest", "-q", "--tb=short", "-p", "as_flask", "-p", "ours_alone"]
        pytest += ["-p", "pytest_timeout", "-p", "no:cacheprovider", f"--timeout={SECONDS_FOR_A_TEST}"]
        pytest += ["--continue-on-collection-errors"]
        return run_pytest(work, pytest, clean_environ(ASYNCFLASK_TEST_TRANSPORT=transport), SECONDS_FOR_ALL)


def versions(python: Path) -> str:
    """Return what the tests ran with, in words."""
    code = (
        "import platform, importlib.metadata as m; print('Python', platform.python_version(), end='');"
        "[print(',', name, m.version(name.lower()), end='') for name in ('asyncflask', 'Werkzeug', 'pytest')]"
    )
    return command(python, "-c", code).strip()


def table(runs: Mapping[str, Run], when: datetime.date, what: str) -> str:
    """Return the table of the README.

    Args:
        runs: by transport.
        when: the day of the runs.
        what: the versions they were made with.
    """
    total = sum(TESTS.values())
    names = list(runs)
    lines = [
        f"Flask {VERSION}'s own tests, with `flask` being asyncflask; {when.isoformat()}, {what}.",
        "",
        "| tests of Flask | " + " | ".join(f"through {name.upper()}" for name in names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for file, count in TESTS.items():
        lines.append(f"| `{file}` | " + " | ".join(f"{runs[name].passed(file)} of {count}" for name in names) + " |")
    lines.append("| all | " + " | ".join(f"**{runs[name].passed()} of {total}**" for name in names) + " |")
    return "\n".join(lines)


def between_markers(text: str, part: str, begin: str = BEGIN, end: str = END) -> str:
    """Return `text` with `part` between the markers.

    Raises ValueError if the markers are not there, once each.
    """
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"no place for the table: {begin!r} and {end!r} must stand there once each")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n\n{part}\n\n{end}{rest.partition(end)[2]}"


def main() -> int:
    """Run the tests, print the table; return 0 if all have passed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write-readme", action="store_true", help="write the table into README.md")
    asked = parser.parse_args()
    python = environment()
    runs = {transport: run(transport, python) for transport in TRANSPORTS}
    text = table(runs, datetime.datetime.now(datetime.UTC).date(), versions(python))
    print(text)
    for transport, result in runs.items():
        for line in result.complaints:
            print(f"{transport}: {line}")
        if result.complaints:
            print(result.log[-20_000:])
    if asked.write_readme:
        README.write_text(between_markers(README.read_text(encoding="utf-8"), text), encoding="utf-8")
    return int(any(result.complaints for result in runs.values()))


if __name__ == "__main__":
    sys.exit(main())
