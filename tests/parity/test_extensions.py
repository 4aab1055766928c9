"""What extensions.py does around the suites of extensions: its list, its command lines, its table. They run by hand."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch):
    """The script, imported as it is when run."""
    monkeypatch.syspath_prepend(str(HERE))
    before = set(sys.modules)
    import extensions

    yield extensions
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == HERE:
            del sys.modules[name]


def outcomes(script, **outcomes):
    return script.Run({f"tests/test_it.py::{name}": outcome for name, outcome in outcomes.items()})


def test_the_list_names_a_release_and_a_reason_for_all_that_is_left_out(script):
    listed = script.listed()
    assert len(listed) >= 25 and "Flask-SQLAlchemy" in listed
    for extension in listed.values():
        assert all(extension.without.values()), extension.name
        assert bool(extension.repository) == bool(extension.tag), extension.name
        assert extension.requirements.startswith(f"{extension.name}=={extension.version}\nflask==3.1.3\n")


def test_a_requirement_of_a_suite_replaces_the_common_one(script):
    extension = script.Extension("Flask-Old", "1", requires=["pytest==7.0.1", "pytest-mock"])
    assert extension.requirements.splitlines() == [
        "Flask-Old==1",
        "flask==3.1.3",
        "pytest-timeout>=2.4.0",
        "pytest==7.0.1",
        "pytest-mock",
    ]


def test_the_command_line_differs_by_what_puts_asyncflask_in_flasks_place(script):
    without = {"tests/test_redis.py": "needs Redis", "tests/test_it.py::test_far": "needs a network"}
    extension = script.Extension("Flask-Some", "1", without=without, options=["-x"], tests=["checks"])
    on_flask, on_us = (extension.words(Path("/env/bin/python"), on_us) for on_us in (False, True))
    assert on_flask[:4] == ["/env/bin/python", "-P", "-m", "pytest"]
    ends = ["--ignore=tests/test_redis.py", "--deselect=tests/test_it.py::test_far", "-x", "checks"]
    assert on_flask[-4:] == on_us[-4:] == ends
    assert "ours_alone" in on_us and "ours_alone" not in on_flask


def test_every_python_of_a_run_on_us_finds_asyncflask_in_flasks_place_and_no_other_does(script, tmp_path):
    found = {}
    for on_us in (False, True):
        environ = script.environ_for(Path(sys.executable), on_us, "wsgi")
        words = [sys.executable, "-c", "import flask; print(flask.__name__, flask.cli.__name__)"]
        done = subprocess.run(words, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        found[on_us] = done.stdout.split()
        assert environ["ASYNCFLASK_TEST_TRANSPORT"] == "wsgi"
        assert environ["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert found == {False: ["flask", "flask.cli"], True: ["asyncflask", "asyncflask.cli"]}


def test_what_became_of_each_test_is_read_from_a_run(script, tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 0\n"
        "def test_left_out(): pytest.skip()\n"
        "@pytest.fixture\n"
        "def leak(): yield; assert 0\n"
        "def test_leaking(leak): pass\n"
        "@pytest.mark.parametrize('text', ['a b'])\n"
        "def test_text(text): pass\n"
    )
    words = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run = script.flask_suite.run_pytest(tmp_path, words, script.clean_environ(), 60)
    assert run.status == 1 and "1 passed" not in run.log
    assert run.outcomes == {
        "test_it.py::test_good": "passed",
        "test_it.py::test_bad": "failed",
        "test_it.py::test_left_out": "skipped",
        "test_it.py::test_leaking": "failed",
        "test_it.py::test_text[a b]": "passed",
    }


def test_tests_that_pass_on_flask_alone_are_named(script):
    flask = outcomes(script, a="passed", b="passed", c="failed", d="passed")
    result = script.Comparison(script.Extension("Flask-Some", "1"), flask, outcomes(script, a="passed", b="failed"))
    assert result.complaints == [
        "Flask-Some: passes on Flask only: tests/test_it.py::b",
        "Flask-Some: passes on Flask only: tests/test_it.py::d",
    ]


def test_a_test_that_fails_on_both_is_no_complaint_but_no_test_at_all_is_one(script):
    extension = script.Extension("Flask-Some", "1")
    fails = outcomes(script, a="passed", b="failed")
    assert script.Comparison(extension, fails, fails).complaints == []
    nothing = script.Comparison(extension, script.Run({}, status=2), script.Run({}, status=2))
    assert nothing.complaints == ["Flask-Some: no test passes on Flask; pytest ended with 2"]


def test_one_that_cannot_be_run_does_not_stop_the_others(script, monkeypatch, capsys):
    def environment(name, requirements):
        if "broken" in name:
            raise SystemExit("pip failed")
        return Path("python")

    monkeypatch.setattr(script.flask_suite, "kept_environment", environment)
    monkeypatch.setattr(script, "run", lambda *args: outcomes(script, a="passed", b="passed"))
    both = {name: script.Extension(name, "1") for name in ("Flask-Broken", "Flask-Some")}
    monkeypatch.setattr(script, "listed", lambda: both)
    monkeypatch.setattr(sys, "argv", ["extensions.py"])
    assert script.main() == 1
    out = capsys.readouterr().out
    assert "Flask-Broken: could not be run: pip failed" in out
    assert re.search(
        r"\n\| Flask-Broken 1 \| not run \| not run \| .*\n\| Flask-Some 1 \| 2 \| 2 \| \d{4}-\d\d-\d\d \|$", out
    )


def test_a_row_counts_what_passes_on_both(script):
    flask, ours = outcomes(script, a="passed", b="passed"), outcomes(script, a="passed", b="failed")
    result = script.Comparison(script.Extension("Flask-Some", "1.2"), flask, ours)
    assert script.row(result, datetime.date(2001, 2, 3)) == "| Flask-Some 1.2 | 2 | 1 | 2001-02-03 |"


def test_a_row_is_written_among_those_that_are_there(script, tmp_path, monkeypatch):
    known = {name: script.Extension(f"Flask-{name}", version) for name, version in [("A", "1"), ("B", "2"), ("C", "3")]}
    known = {extension.name: extension for extension in known.values()}
    monkeypatch.setattr(script, "README", tmp_path / "README.md")
    script.README.write_text(
        f"before\n{script.BEGIN}\n| Flask-C 3 | 4 | 4 | 2001-01-01 |\n| Flask-B 1 | 5 |\n{script.END}\nafter"
    )
    script.write_row(script.Comparison(known["Flask-A"]), "| Flask-A 1 | 2 | 2 | 2001-02-03 |", known, "asgi")
    lines = script.README.read_text().splitlines()
    assert (lines[0], lines[-1]) == ("before", "after")
    # That of another version is gone.
    assert lines[-5:-2] == ["| Flask-A 1 | 2 | 2 | 2001-02-03 |", "| Flask-C 3 | 4 | 4 | 2001-01-01 |", ""]


def test_an_extension_that_is_not_listed_is_refused(script, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["extensions.py", "Flask-Nobody"])
    with pytest.raises(SystemExit) as refused:
        script.main()
    assert refused.value.code == 2


def test_the_readme_has_a_table_in_which_as_many_pass_on_us(script):
    rows = script.kept_rows(script.README.read_text(encoding="utf-8"), script.listed())
    assert len(rows) >= 10
    for line in rows.values():
        on_flask, ours = line.split(" | ")[1:3]
        assert int(on_flask) > 0 and on_flask == ours, line
