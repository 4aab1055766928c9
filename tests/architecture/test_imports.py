"""Each module imports alone, and none of them brings Flask or Quart in."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Runs in one fresh interpreter. Third-party modules are imported once, and for "first" the package, which Python
# imports before any module of it; each module is then tried in a fork. With "alone" the package's __init__ is replaced
# by a bare one, so that it cannot have imported in a lucky order what the module forgot.
TRY_EACH = """
import importlib, os, sys, types, traceback
how, folder, *names = sys.argv[1:]
import anyio, asyncio, blinker, click, concurrent.futures, email.message, itsdangerous, jinja2, markupsafe, ssl
import uvicorn, werkzeug, werkzeug.debug, werkzeug.routing, werkzeug.test, werkzeug.wrappers
if how == "first":
    import asyncflask
failed = []
for name in names:
    child = os.fork()
    if child == 0:
        try:
            if how == "alone" and name != "asyncflask":
                bare = sys.modules["asyncflask"] = types.ModuleType("asyncflask")
                bare.__path__ = [folder]
            importlib.import_module(name)
            peers = {module.partition(".")[0] for module in sys.modules} & {"flask", "quart"}
            assert not peers, f"{name} imports {peers}"
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
sys.exit(f"cannot be imported: {failed}" if failed else 0)
"""


pytestmark = pytest.mark.timeout(600)


def try_each(how, root, names):
    command = [sys.executable, "-W", "error", "-c", TRY_EACH, how, str(root / "asyncflask"), *names]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def importable(sources):
    return [source.name for source in sources if not source.name.endswith("__main__")]


@pytest.mark.slow
def test_each_module_is_the_first_one_imported(root, sources):
    try_each("first", root, importable(sources))


@pytest.mark.slow
def test_each_module_imports_alone(root, sources):
    try_each("alone", root, importable(sources))
