"""Flask's own tests pass on asyncflask; and their runner says so only if they did."""

from __future__ import annotations

import datetime
import importlib.util
import os
import re
import subprocess
import sys

import pytest

from . import flask_suite
from .flask_suite import (
    BEGIN,
    END,
    PLUGIN,
    PROJECT,
    README,
    TESTS,
    TRANSPORTS,
    Run,
    between_markers,
    clean_environ,
    environment,
    run,
    table,
)

ALL = {f"tests/{file}::test_{number}": "passed" for file, count in TESTS.items() for number in range(count)}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_test_of_flask_passes(transport):
    result = run(transport, environment())
    assert not result.complaints, "\n".join([*result.complaints, result.log])
    assert result.passed() == 490


def test_a_run_in_which_all_passed_has_no_complaints():
    result = Run(ALL)
    assert result.complaints == []
    assert (result.passed(), result.passed("test_async.py")) == (490, 8)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"tests/test_cli.py::test_3": "failed"}, "failed: tests/test_cli.py::test_3"),
        ({"tests/test_cli.py::test_3": "skipped"}, "skipped: tests/test_cli.py::test_3"),
        ({"tests/test_cli.py::test_more": "passed"}, "test_cli.py: 59 tests, not 58"),
        ({"tests/test_new.py::test_more": "passed"}, "test_new.py: not a file of Flask's"),
    ],
)
def test_what_did_not_pass_is_a_complaint(change, complaint):
    assert Run(ALL | change).complaints == [complaint]


def test_a_file_that_cannot_be_collected_is_a_complaint_and_lowers_the_count():
    result = Run({name: outcome for name, outcome in ALL.items() if "test_json.py" not in name}, status=1)
    assert result.complaints == ["test_json.py: 0 tests, not 31", "pytest ended with 1"]
    assert result.passed() == 490 - 31


def test_a_run_that_was_stopped_is_a_complaint():
    assert Run(ALL, status=None).complaints == ["pytest ended with None"]


def test_the_table_counts_by_file_and_transport():
    failed = Run(ALL | {"tests/test_cli.py::test_3": "failed"})
    lines = table({"asgi": Run(ALL), "wsgi": failed}, datetime.date(2001, 2, 3), "Python 9.9").splitlines()
    assert "2001-02-03, Python 9.9" in lines[0]
    assert "| `test_cli.py` | 58 of 58 | 57 of 58 |" in lines
    assert lines[-1] == "| all | **490 of 490** | **489 of 490** |"


def test_the_table_replaces_the_one_before():
    once = between_markers(f"a\n{BEGIN}\nold\n{END}\nb\n", "new")
    assert "old" not in once
    assert between_markers(once, "new") == once
    with pytest.raises(ValueError, match="must stand there once each"):
        between_markers("a", "new")


def test_the_readme_has_the_table_of_a_run_in_which_all_passed():
    text = README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert re.findall(r"\*\*(\d+) of (\d+)\*\*", text) == [("490", "490")] * len(TRANSPORTS)


def test_another_file_than_flasks_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (flask_suite.cache() / f"flask-{flask_suite.VERSION}.tar.gz").write_bytes(b"something else")
    with pytest.raises(SystemExit, match=f"and not {flask_suite.SHA256}; delete it"):
        flask_suite.source_distribution()


@pytest.mark.skipif(importlib.util.find_spec("flask") is None, reason="Flask is not installed")
def test_the_plugin_refuses_to_run_beside_flask(tmp_path):
    environ = clean_environ(PYTHONPATH=os.pathsep.join((str(PLUGIN), str(PROJECT))))
    options = {"cwd": tmp_path, "env": environ, "capture_output": True, "text": True, "timeout": 60}
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "as_flask"], **options)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "Flask itself is installed here" in done.stderr


def test_nothing_of_the_caller_decides_what_is_tested(monkeypatch):
    for name in ("FLASK_APP", "ASYNCFLASK_DEBUG", "PYTEST_ADDOPTS", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "of the caller")
    environ = clean_environ(ASYNCFLASK_TEST_TRANSPORT="wsgi")
    assert "of the caller" not in environ.values()
    assert environ["PYTHONPATH"] == str(PLUGIN) and environ["ASYNCFLASK_TEST_TRANSPORT"] == "wsgi"
