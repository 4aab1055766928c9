"""The own tests of Flask's extensions, run on Flask and on asyncflask installed as flask, side by side.

    python tests/parity/extensions.py [--transport wsgi] [--write-readme] [NAME ...]

extensions.toml lists them. Each one's tests come from its source distribution or its repository at the released
version, are kept in a cache, and run in an environment of their own with Flask 3.1.3, the extension and this project:
first on Flask, then with ``install_as_flask()`` called in every Python that is started. That takes long, so it is run
by hand. Needs a POSIX system, the package index, and git for the few that have a repository.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import flask_suite
from flask_suite import HERE, PLUGIN, README, Run, alone, between_markers, cache, clean_environ, command, download

TABLE = HERE / "extensions.toml"
#: Puts asyncflask in Flask's place in every Python that finds it.
PLUGIN_BESIDE = HERE / "plugin_beside"

#: What every suite gets, unless its own requirements say otherwise.
REQUIREMENTS = (f"flask=={flask_suite.VERSION}", "pytest>=9.0.2,<10", "pytest-timeout>=2.4.0")
NAME = re.compile(r"[\w.-]+")
ALREADY_IMPORTED = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
SECONDS_FOR_A_TEST = 60
SECONDS_FOR_ALL = 1200

BEGIN = "<!-- tests of extensions: written by tests/parity/extensions.py --write-readme -->"
END = "<!-- end of tests of extensions -->"


@dataclass(frozen=True)
class Extension:
    """One extension and how its tests are run; a table of extensions.toml.

    Args:
        name: on the package index.
        version: released there.
        requires: what its tests need beside it, as requirements.
        repository: of git, where the source distribution has no tests.
        tag: of `version` there.
        tests: what pytest is given, relative to the source's folder.
        options: more for pytest.
        without: tests or files of tests that are left out, and why.
    """

    name: str
    version: str
    requires: Sequence[str] = ()
    repository: str | None = None
    tag: str | None = None
    tests: Sequence[str] = ("tests",)
    options: Sequence[str] = ()
    without: dict[str, str] = field(default_factory=dict)

    @property
    def requirements(self) -> str:
        """What its environment holds beside this project, as a requirements file."""
        named = {NAME.match(line)[0] for line in self.requires}
        common = [line for line in REQUIREMENTS if NAME.match(line)[0] not in named]
        return "\n".join([f"{self.name}=={self.version}", *common, *self.requires]) + "\n"

    def words(self, python: Path, on_us: bool) -> list[str]:
        """Return the command that runs its tests, on asyncflask or on Flask."""
        # The suite's own options measure coverage, mostly; our pytest plugin would be loaded as an installed one.
        words = [str(python), "-P", "-m", "pytest", "-q", "--tb=short", "-o", "addopts=", "-p", "no:asyncflask"]
        words += ["-p", "no:cacheprovider", f"--timeout={SECONDS_FOR_A_TEST}", "--continue-on-collection-errors"]
        # asyncflask, which has a plugin, comes before pytest: many suites make an error of its warning.
        words += ["-p", "ours_alone", "-W", ALREADY_IMPORTED] if on_us else []
        words += [f"--{'deselect' if '::' in name else 'ignore'}={name}" for name in self.without]
        return [*words, *self.options, *self.tests]


def listed() -> dict[str, Extension]:
    """Return all of extensions.toml, by name."""
    found = [Extension(**values) for values in tomllib.loads(TABLE.read_text(encoding="utf-8"))["extension"]]
    return {extension.name: extension for extension in found}


def source(extension: Extension, python: Path) -> Path:
    """Return the folder with the extension's source, brought here the first time, if need be by the pip of `python`.

    Raises SystemExit if it cannot be had.
    """
    folder = cache() / f"{extension.name.lower()}-{extension.version}"
    with alone(folder.name), tempfile.TemporaryDirectory(dir=cache()) as name:
        if folder.exists():
            return folder
        if extension.repository:
            brought = Path(name, "repository")
            words = ("git", "clone", "--quiet", "--depth", 1, "--branch", extension.tag)
            command(*words, extension.repository, brought)
        else:
            download(python, extension.name, extension.version, Path(name))
            brought = Path(name, "unpacked")
            brought.mkdir()
            command("tar", "-xzf", next(Path(name).glob("*.tar.gz")), "-C", brought, "--strip-components", 1)
        brought.rename(folder)
    return folder


def environ_for(python: Path, on_us: bool, transport: str) -> dict[str, str]:
    """Return the variables for a suite: only with `on_us` does asyncflask take Flask's place."""
    folders = [PLUGIN_BESIDE, PLUGIN] if on_us else [PLUGIN]
    return clean_environ(
        PYTHONPATH=os.pathsep.join(map(str, folders)),
        PATH=os.pathsep.join((str(python.parent), os.environ.get("PATH", os.defpath))),
        PYTEST_DISABLE_PLUGIN_AUTOLOAD="",  # what a suite requires may be a plugin
        ASYNCFLASK_TEST_TRANSPORT=transport,
    )


def run(extension: Extension, python: Path, on_us: bool, transport: str) -> Run:
    """Run the extension's tests in a fresh copy of its source."""
    with tempfile.TemporaryDirectory(prefix="extension-") as name:
        work = Path(name, "source")
        command("cp", "-R", source(extension, python), work)
        words = extension.words(python, on_us)
        return flask_suite.run_pytest(work, words, environ_for(python, on_us, transport), SECONDS_FOR_ALL)


@dataclass
class Comparison:
    """What became of an extension's tests on both; or why they could not be run.

    Args:
        extension: whose tests they are.
        flask: on Flask.
        ours: on asyncflask.
        error: empty if both have run.
    """

    extension: Extension
    flask: Run = field(default_factory=lambda: Run({}))
    ours: Run = field(default_factory=lambda: Run({}))
    error: str = ""

    @property
    def broken(self) -> list[str]:
        """The tests that pass on Flask, and on asyncflask do not or were not reached."""
        passed = (name for name, outcome in self.flask.outcomes.items() if outcome == "passed")
        return [name for name in passed if self.ours.outcomes.get(name) != "passed"]

    @property
    def complaints(self) -> list[str]:
        """What is wrong, a line each, the extension's name first."""
        lines = [self.error] if self.error else []
        if not self.error and not self.flask.passed():
            lines.append(f"no test passes on Flask; pytest ended with {self.flask.status}")
        lines += [f"passes on Flask only: {name}" for name in self.broken]
        return [f"{self.extension.name}: {line}" for line in lines]


def compare(extension: Extension, transport: str) -> Comparison:
    """Run the extension's tests on both. What goes wrong on the way is told in the result, and not raised."""
    try:
        python = flask_suite.kept_environment(f"extension-{extension.name.lower()}", extension.requirements)
        flask = run(extension, python, False, transport)
        return Comparison(extension, flask, run(extension, python, True, transport))
    except (OSError, SystemExit) as error:
        return Comparison(extension, error=f"could not be run: {error}")


def row(result: Comparison, when: datetime.date) -> str:
    """Return a line of the table."""
    counts = "not run | not run" if result.error else f"{result.flask.passed()} | {result.ours.passed()}"
    return f"| {result.extension.name} {result.extension.version} | {counts} | {when.isoformat()} |"


def table(rows: Mapping[str, str], transport: str) -> str:
    """Return the table, for people and for the README.

    Args:
        rows: by the extension's name.
        transport: that of asyncflask's test client.
    """
    return "\n".join(
        [
            f"The own tests of Flask's extensions that pass, on Flask {flask_suite.VERSION} and on asyncflask in its"
            f" place (through {transport.upper()}); Python {sys.version.partition(' ')[0]}.",
            "",
            "| extension | on Flask | on asyncflask | run on |",
            "|---|---|---|---|",
            *rows.values(),
        ]
    )


def kept_rows(readme: str, known: Mapping[str, Extension]) -> dict[str, str]:
    """Return the rows of the README's table for the versions that are listed, by name, in the order of the list."""
    lines = readme.partition(BEGIN)[2].partition(END)[0].splitlines()
    starts = {name: f"| {name} {extension.version} |" for name, extension in known.items()}
    return {name: line for name, start in starts.items() for line in lines if line.startswith(start)}


def write_row(result: Comparison, line: str, known: Mapping[str, Extension], transport: str) -> None:
    """Put one row into the README; the others stay."""
    readme = README.read_text(encoding="utf-8")
    rows = kept_rows(readme, known) | {result.extension.name: line}
    rows = {name: rows[name] for name in known if name in rows}
    README.write_text(between_markers(readme, table(rows, transport), BEGIN, END), encoding="utf-8")


def keep_logs(result: Comparison, folder: Path) -> None:
    """Write what pytest wrote, in two files."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, done in (("flask", result.flask), ("asyncflask", result.ours)):
        (folder / f"{result.extension.name}-{kind}.log").write_text(done.log, encoding="utf-8")


def main() -> int:
    """Run what is asked for, print the table; return 0 if nothing that passes on Flask fails on asyncflask."""
    known = listed()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"run only these: {', '.join(known)}")
    parser.add_argument("--transport", choices=flask_suite.TRANSPORTS, default="asgi", help="of our test client")
    parser.add_argument(
        "--write-readme", action="store_true", help="write the rows into README.md, each when it is there"
    )
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep there what pytest wrote")
    asked = parser.parse_args()
    if strangers := set(asked.names) - known.keys():
        parser.error(f"not in {TABLE.name}: {', '.join(sorted(strangers))}")
    rows, complaints = {}, []
    for name in asked.names or known:
        result = compare(known[name], asked.transport)
        rows[name] = row(result, datetime.datetime.now(datetime.UTC).date())
        complaints += result.complaints
        print("\n".join([rows[name], *result.complaints]), flush=True)
        if asked.logs:
            keep_logs(result, asked.logs)
        if asked.write_readme and not result.error:
            write_row(result, rows[name], known, asked.transport)
    print(f"\n{table(rows, asked.transport)}")
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
