"""What every test gets: a clean environment, and a failure if it leaves a context, a worker thread or a task behind."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import threading
import time
import weakref

import pytest

from asyncflask import App
from asyncflask.ctx import AppContext
from asyncflask.globals import _cv_app

#: Say which transport the test client uses, and whether short ways are off; a whole run may be made with either.
KEPT = {"ASYNCFLASK_TEST_TRANSPORT", "ASYNCFLASK_PLAIN"}
#: The process-wide loop that WSGI servers share, and its workers, stay until the process ends.
LASTING = "asyncflask-loop"


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    """The modules and thousands of tests that are there by now are no garbage: `gc.collect()` need not look at them."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish():
    gc.unfreeze()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    """No FLASK_* or ASYNCFLASK_* variable of the machine decides a test."""
    for name in os.environ:
        if name.startswith(("FLASK_", "ASYNCFLASK_")) and name not in KEPT:
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_context_left(monkeypatch):
    """Every context that was pushed or bound is popped, and none is current after the test."""
    seen: weakref.WeakSet[AppContext] = weakref.WeakSet()

    def noted(name):
        original = getattr(AppContext, name)

        def enter(self, *args, **kwargs):
            seen.add(self)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(AppContext, name, enter)

    noted("push")
    noted("bind")
    yield
    current = _cv_app.get(None)
    while (ctx := _cv_app.get(None)) is not None:  # the next test starts clean in any case
        ctx.pop(None)
    assert current is None, f"the test left {current!r} bound"
    left = [ctx for ctx in seen if ctx.pushes]
    assert not left, f"contexts that were pushed and never popped: {left!r}"


def our_threads() -> set[threading.Thread]:
    ours = {thread for thread in threading.enumerate() if thread.name.startswith("asyncflask")}
    return {thread for thread in ours if not thread.name.startswith(LASTING)}


@pytest.fixture(autouse=True)
def no_thread_left():
    """Worker threads end with their pool: it was closed, or nothing holds it any more."""
    before = our_threads()
    yield
    if our_threads() <= before:
        return
    gc.collect()
    left = our_threads() - before
    until = time.monotonic() + 10
    for thread in left:
        thread.join(max(0, until - time.monotonic()))
    names = sorted(thread.name for thread in left if thread.is_alive())
    assert not names, f"worker threads that the test left running: {names}; close the app's pool (app.threads.close())"


@pytest.fixture
async def tasks_at_the_end():
    before = asyncio.all_tasks()
    yield
    for _ in range(20):  # tasks that are done but for their last step
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, f"tasks that the test left running: {left!r}"


@pytest.fixture(autouse=True)
def no_task_left(request):
    """An `async def` test ends with no task of its own running."""
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("tasks_at_the_end")


@pytest.fixture
def app():
    """An application whose worker threads end with the test."""
    app = App("asyncflask_test", root_path=os.path.dirname(__file__))
    app.config.update(TESTING=True, SECRET_KEY="test key")
    yield app
    assert app.threads.close(timeout=30), "a worker thread did not end"


@pytest.fixture
def client(app):
    """The sync test client of `app`: requests run in the test's own thread."""
    return app.test_client()
