"""Which files are watched, that no change is missed, and how little ``stat`` does about what nobody has loaded."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from queue import SimpleQueue

import pytest

# `tree` takes away the folder that they could be found in later
import watchdog.observers  # noqa: F401
import watchfiles  # noqa: F401

from asyncflask.serving.watchers import StatWatcher, watcher_of
from asyncflask.serving.watching import Watched

LIMIT = 20
KINDS = ["watchfiles", "watchdog"]


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


def test_what_comes_is_found_at_the_next_look(tree):
    extra = os.path.join(sys.path[0], "extra.toml")
    watcher = StatWatcher(Watched([extra]), 1)
    watcher.prepare()
    came = {tree("extra.toml"), tree("new.py")}
    assert set(watcher.step()) == came


# -- no change is missed


class Running:
    """A watcher that runs in a thread."""

    def __init__(self, watcher):
        self.watcher = watcher
        self.caught_up = threading.Semaphore(0)
        self._found = SimpleQueue()
        catch_up = watcher.catch_up
        watcher.catch_up = lambda found: (catch_up(found), self.caught_up.release())
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            self.watcher.run(self._found.put)
        except Exception as error:
            self._found.put(error)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self.watcher.stop()
        self._thread.join()

    def until(self, *paths):
        """Wait until all of these have been found; return whatever was."""
        found = []
        while not {*paths} <= {*found}:
            found.append(self._found.get(timeout=LIMIT))
            assert isinstance(found[-1], str), found
        return found

    def until_it_watches(self):
        """Wait until it has begun to watch, or has taken up new folders."""
        assert self.caught_up.acquire(timeout=LIMIT)


@pytest.fixture(params=KINDS)
def started(request):
    """A function that starts a watcher, and waits until it watches."""
    with contextlib.ExitStack() as stack:

        def start(watched):
            watcher = watcher_of(request.param, watched, 1)
            watcher.prepare()
            running = stack.enter_context(Running(watcher))
            running.until_it_watches()
            return running

        yield start


@pytest.mark.parametrize("kind", [*KINDS, "stat"])
def test_what_changes_before_it_watches_is_found(tree, kind):
    """The application is up, and its user saves a file, while the folders are still being looked for."""
    app = tree("app.py")
    watcher = watcher_of(kind, Watched(loaded=[app]), 0.01)
    watcher.prepare()
    change(app)
    new = tree("package/new.py")
    with Running(watcher) as running:
        running.until(app, new)


def test_what_changes_behind_a_symlink_in_sys_path_is_found(tree, tmp_path, monkeypatch, started):
    tree("real/app.py")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    monkeypatch.setattr(sys, "path", [str(link)])
    running = started(Watched())
    tree("real/app.py", "x = 1")
    running.until(str(link / "app.py"))


@pytest.mark.parametrize("away", [shutil.rmtree, lambda path: os.rename(path, f"{path}-of-old")])
def test_a_folder_that_comes_again_is_watched_again(tree, tmp_path, started, away):
    tree("package/one.py")
    running = started(Watched())
    away(tmp_path / "package")
    for number in range(6):  # the first ones may be found as it takes up the folder
        running.until(tree(f"package/module{number}.py"))


def test_a_folder_that_comes_as_it_begins_to_watch_is_watched(tree, started):
    tree("app.py")
    watched = Watched()
    places = watched.places

    def first():
        watched.places = places
        found = places()
        tree("package/old.py")
        return found

    watched.places = first
    running = started(watched)
    for number in range(6):
        running.until(tree(f"package/module{number}.py"))


def test_a_file_loaded_from_elsewhere_is_found_when_it_changes(tree, tmp_path_factory, started):
    """To have been loaded is no change."""
    far = tmp_path_factory.mktemp("far") / "module.py"
    far.write_text("")
    tree("app.py")
    watched = Watched()
    running = started(watched)
    watched.add_loaded([str(far)])
    running.until_it_watches()
    app = tree("app.py", "x = 1")
    assert set(running.until(app)) == {app}
    far.write_text("x = 1")
    running.until(str(far))


def test_a_file_that_is_touched_is_found(tree, started):
    app = tree("app.py")
    running = started(Watched())
    change(app)
    running.until(app)


def test_a_folder_that_goes_before_it_is_watched_is_no_harm(tree, tmp_path, started):
    app = tree("app.py")
    watched = Watched()
    places = watched.places
    found = iter([{*places(), str(tmp_path / "gone")}])
    watched.places = lambda: next(found, None) or places()
    running = started(watched)
    tree("app.py", "x = 1")
    running.until(app)


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_of_the_system_is_told(tree, tmp_path, kind):
    """Not to watch some of the folders, and say nothing, is the worst."""
    for number in range(10):
        tree(f"package{number}/module.py")
    run = (
        "import sys; from asyncflask.serving.watchers import *; from asyncflask.serving.watching import Watched\n"
        "try: watcher_of(sys.argv[1], Watched([sys.argv[2]]), 1).run(print)\n"
        "except OSError as error: print(why_not(error))"
    )
    limits = 'echo 5 >/proc/sys/user/max_inotify_watches && exec "$@"'
    limited = ["unshare", "-Ur", "sh", "-ec", limits, "sh"]
    if not shutil.which("unshare") or subprocess.run([*limited, "true"], capture_output=True).returncode:
        pytest.skip("no namespace with limits of its own can be made here")
    command = [*limited, sys.executable, "-c", run, kind, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert "limit reached" in done.stdout and "fs.inotify.max_user_watches" in done.stdout, done
