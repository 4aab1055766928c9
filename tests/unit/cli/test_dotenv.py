"""Variables from files: which file wins, and what happens without python-dotenv."""

from __future__ import annotations

import os
import sys

import pytest

from asyncflask import cli
from asyncflask.cli import FlaskGroup, load_dotenv


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f".{name}").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_the_environment_wins_then_the_given_file_then_env_then_flaskenv(files, monkeypatch):
    monkeypatch.setenv("T_SET", "environment")
    folder = files(
        flaskenv="T_SET=1\nT_ALL=flaskenv\nT_TWO=flaskenv\nT_ONE=flaskenv",
        env="T_SET=2\nT_ALL=env\nT_TWO=env\nT_WORD=火腿",
        given="T_SET=3\nT_ALL=given",
    )
    assert load_dotenv(folder / ".given")
    values = {name: os.environ[name] for name in ("T_SET", "T_ALL", "T_TWO", "T_ONE", "T_WORD")}
    assert values == {"T_SET": "environment", "T_ALL": "given", "T_TWO": "env", "T_ONE": "flaskenv", "T_WORD": "火腿"}


def test_only_the_given_file(files):
    folder = files(env="T_A=1", given="T_B=1")
    assert load_dotenv(folder / ".given", load_defaults=False)
    assert "T_B" in os.environ and "T_A" not in os.environ


def test_files_of_folders_above_are_found_and_the_folder_stays(files, monkeypatch):
    folder = files(env="T_A=1")
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    assert load_dotenv()
    assert os.environ["T_A"] == "1" and os.getcwd() == str(folder / "below")


def test_nothing_to_load(files):
    files(env="# nothing")
    assert load_dotenv() is False
    assert load_dotenv("missing", load_defaults=False) is False


def test_a_name_without_value_is_not_set(files):
    files(env="T_A")
    load_dotenv()
    assert "T_A" not in os.environ


def test_without_the_library_there_is_a_hint_if_there_is_a_file(files, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "dotenv", None)
    files()
    assert load_dotenv() is False
    assert not capsys.readouterr().err
    files(flaskenv="T_A=1")
    assert load_dotenv() is False
    assert "python-dotenv" in capsys.readouterr().err
    assert "T_A" not in os.environ


def test_the_option(files, runner):
    folder = files(env="T_A=default", given="T_A=given")
    runner.invoke(FlaskGroup(load_dotenv=False), ["-e", str(folder / ".given"), "routes"])
    assert os.environ["T_A"] == "given"


def test_scripts_load_the_default_files_unless_told_not_to(files, runner, monkeypatch):
    files(env="T_A=1")
    runner.invoke(FlaskGroup(load_dotenv=False), ["routes"])
    assert "T_A" not in os.environ
    monkeypatch.setenv("FLASK_SKIP_DOTENV", "1")
    runner.invoke(FlaskGroup(), ["routes"])
    assert "T_A" not in os.environ
    monkeypatch.setenv("ASYNCFLASK_SKIP_DOTENV", "0")
    runner.invoke(FlaskGroup(), ["routes"])
    assert os.environ["T_A"] == "1"


def test_the_option_without_the_library(files, runner, monkeypatch):
    folder = files(given="T_A=1")
    monkeypatch.setitem(sys.modules, "dotenv", None)
    result = runner.invoke(FlaskGroup(), ["-e", str(folder / ".given"), "routes"])
    assert result.exit_code == 2 and "python-dotenv must be installed" in result.output


def test_a_file_may_name_the_application(files, runner):
    folder = files(flaskenv="FLASK_APP=named_by_file")
    (folder / "named_by_file.py").write_text("from asyncflask import App\napp = App('x', static_folder=None)\n")
    assert runner.invoke(FlaskGroup(), ["routes"]).output == "No routes were registered.\n"


def test_what_replaces_it_in_the_package_is_called(files, runner, monkeypatch):
    files()
    seen = []
    monkeypatch.setattr(cli, "load_dotenv", lambda path, load_defaults: seen.append((path, load_defaults)))
    runner.invoke(FlaskGroup(), ["routes"])
    assert seen == [(None, True)]


def test_folders_above():
    above = cli._path_is_ancestor
    assert above(os.path.join("a", "b"), os.path.join("a", "b", "c"))
    assert not above(os.path.join("a", "b"), os.path.join("x", "y", "c"))
