"""A FLASK_APP that names no application: the usage error of Flask's command line, from ours."""

from __future__ import annotations

import sys

import pytest
from click.testing import CliRunner

import asyncflask.cli

flask_cli = pytest.importorskip("flask.cli", reason="Flask is not installed, with which the answers are compared")

#: What FLASK_APP is, and the error; where it ends with "..." Flask's text and ours part from there.
CASES = {
    "missing": "Could not import 'missing'....",
    "missing.py": "Could not import 'missing'....",
    "none_inside": "Failed to find Flask application or factory in module 'none_inside'. ...",
    "none_inside:app": "Failed to find attribute 'app' in 'none_inside'.",
    "none_inside:number": "A valid Flask application was not obtained from 'none_inside:number'...",
    "none_inside:f(": "Failed to parse 'f(' as an attribute name or function call.",
    "fails_to_import": "While importing 'fails_to_import', an ImportError was raised:...",
    "": "Could not locate a Flask application...",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with modules that hold no application."""
    (tmp_path / "none_inside.py").write_text("number = 1\n")
    (tmp_path / "fails_to_import.py").write_text("import not_there_at_all\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("none_inside", "fails_to_import"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("app", CASES)
def test_a_wrong_flask_app_is_a_usage_error(folder, app):
    said = CASES[app]
    results = [
        CliRunner().invoke(cli, ["routes"], env={"FLASK_APP": app}, prog_name="flask")
        for cli in (flask_cli.cli, asyncflask.cli.cli)
    ]
    for result in results:
        assert result.exit_code == 2 and result.stdout == ""
        usage, hint, error = (text.strip() for text in result.stderr.split("\n", 2))
        assert usage == "Usage: flask routes [OPTIONS]" and hint == "Try 'flask routes --help' for help."
        if said.endswith("..."):
            assert error.startswith("Error: " + said.removesuffix("..."))
        else:
            assert error == "Error: " + said
    theirs, ours = (result.stderr for result in results)
    assert (theirs == ours) is not said.endswith("...")


def test_no_application_says_where_it_was_looked_for(folder):
    error = CliRunner().invoke(asyncflask.cli.cli, ["routes"]).stderr
    assert all(text in error for text in ("'wsgi.py'", "'app.py'", str(folder), "'--app'", "'FLASK_APP'"))
