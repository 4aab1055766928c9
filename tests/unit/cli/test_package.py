"""The package's door: which names it has, when they load, and the ways to start the script."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import asyncflask
from asyncflask import cli, serving


def python(*args, **kwargs):
    environment = os.environ | {"PYTHONPATH": os.path.dirname(asyncflask.__path__[0])}
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, env=environment, **kwargs)


def test_every_public_name_is_there():
    assert {name for name in cli.__all__ if not hasattr(cli, name)} == set()
    assert set(cli.__all__) <= set(dir(cli))


@pytest.mark.parametrize("name", ["_called_with_wrong_args", "_path_is_ancestor", "_validate_key"])
def test_names_that_flask_has_too(name):
    assert callable(getattr(cli, name)) and name in dir(cli)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match=r"module 'asyncflask\.cli' has no attribute 'nothing'"):
        cli.nothing  # noqa: B018


def test_the_server_is_looked_up_when_asked_for(monkeypatch):
    monkeypatch.setattr(serving, "run_simple", "replaced")
    assert cli.run_simple == "replaced"


def test_an_application_loads_no_more_than_the_group_it_is_asked_for():
    done = python(
        "-W",
        "error",
        "-c",
        "import asyncflask, sys; app = asyncflask.App('x'); app.register_blueprint(asyncflask.Blueprint('b', 'x'))\n"
        "late = ('asyncflask.cli', 'asyncflask.serving', 'uvicorn', 'click')\n"
        "print(*sorted(name for name in sys.modules if name.startswith(late)))\n"
        "app.cli\n"
        "print(*sorted(name for name in sys.modules if name.startswith(late[:-1])))",
    )
    assert done.stdout.splitlines()[:1] == [""], done.stderr
    assert done.stdout.split() == ["asyncflask.cli", "asyncflask.cli.groups", "asyncflask.cli.locate"], done.stderr


def test_python_m(tmp_path):
    (tmp_path / "app.py").write_text("import asyncflask\napp = asyncflask.App('x', static_folder=None)\n")
    done = python("-W", "error", "-m", "asyncflask", "routes", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "No routes were registered.\n", "")


def test_main_is_the_script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["asyncflask", "--help"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0
    assert cli.cli.name == "asyncflask"
