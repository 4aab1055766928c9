"""Which files are watched, and how little the ``stat`` watcher does about those that nobody has loaded."""

from __future__ import annotations

import os
import sys

import pytest

from asyncflask.serving.watchers import StatWatcher
from asyncflask.serving.watching import Watched


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A function that writes a file in a folder which is all of `sys.path`."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    def write(name, text=""):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def change(path):
    now = os.stat(path).st_mtime_ns
    os.utime(path, ns=(now, now + 1_000_000))


def test_code_is_watched_and_nothing_else(tree):
    code = {tree("app.py"), tree("package/module.py"), tree("package/templates/deeper/module.py")}
    for name in (".venv/x.py", "env/x.py", "node_modules/a/x.py", ".git/x.py", "package/__pycache__/x.py", "data.txt"):
        tree(name)
    tree("env/pyvenv.cfg")
    tree("data/far/below/x.py")  # neither "far" nor its parent has code
    assert set(Watched().cold()) == code


def test_a_project_in_its_own_environment_is_watched(tree):
    tree("pyvenv.cfg")
    app = tree("app.py")
    tree("lib/python3/site-packages/x.py")
    assert Watched().cold() == [app]


def test_extra_files_and_folders(tree, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "x.py").write_text("")
    (elsewhere / "x.yaml").write_text("")
    watched = Watched([str(elsewhere), str(elsewhere / "x.yaml"), "missing.toml"], ["*/skipped*"])
    assert watched.counts(str(elsewhere / "x.yaml")) and watched.counts(str(elsewhere / "x.py"))
    assert watched.counts(os.path.abspath("missing.toml"))  # it may come
    assert not watched.counts(tree("skipped.py")) and watched.counts(tree("kept.py"))
    assert str(elsewhere) in watched.places()


def test_what_was_loaded_counts_unless_it_is_installed(tree, tmp_path_factory):
    far = tmp_path_factory.mktemp("far") / "module.py"
    watched = Watched(loaded=[str(far), os.__file__, pytest.__file__])
    assert watched.loaded == {str(far)} and watched.counts(str(far))


def test_a_loaded_file_is_looked_at_every_time(tree):
    app = tree("app.py")
    watcher = StatWatcher(Watched(loaded=[app]), 1)
    watcher.prepare()
    assert watcher.step() == []
    change(app)
    assert watcher.step() == [app]
    assert watcher.step() == []
    os.unlink(app)
    assert watcher.step() == []  # an editor replaces it
    tree("app.py", "new")
    assert watcher.step() == [app]


def test_others_are_looked_at_in_turn_and_all_when_nothing_runs(tree):
    others = [tree(f"module{number}.py") for number in range(100)]
    watcher = StatWatcher(Watched(), 1)
    watcher.prepare()
    watcher._per_second = 1.0  # a very slow disk: the least there is, of 20 files, is looked at
    for path in others:
        change(path)
    found = watcher.step()
    assert len(found) == 20
    watcher.urgent.set()
    assert {*found, *watcher.step()} == set(others)
    new = tree("new.py")
    assert watcher.step() == [new]
