"""The leak detectors of tests/conftest.py find what they are for."""

from __future__ import annotations

import os

import pytest

SETTINGS = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
addopts = -p no:cacheprovider
"""


@pytest.fixture
def outcome(pytester, root, monkeypatch):
    """Run a test file under our conftest; give how many passed and failed, and what was printed."""
    monkeypatch.setenv("PYTHONPATH", str(root))
    pytester.makeconftest((root / "tests" / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini(SETTINGS)

    def run(text):
        pytester.makepyfile(text)
        result = pytester.runpytest_subprocess()  # in this process our own detectors would find the leak as well
        counts = result.parseoutcomes()
        return counts.get("passed", 0), counts.get("failed", 0) + counts.get("errors", 0), result.stdout.str()

    return run


def test_clean_tests_pass(outcome):
    passed, bad, _ = outcome("""
        import asyncio

        def test_contexts(app):
            with app.app_context(), app.test_request_context("/"):
                pass

        async def test_tasks():
            await asyncio.create_task(asyncio.sleep(0))
    """)
    assert (passed, bad) == (2, 0)


def test_a_context_left_bound_is_found_and_does_not_reach_the_next_test(outcome):
    passed, bad, text = outcome("""
        from asyncflask import has_app_context

        def test_leaks(app):
            app.app_context().push()

        def test_next():
            assert not has_app_context()
    """)
    assert (passed, bad) == (2, 1)
    assert "left <AppContext" in text


def test_a_context_left_in_another_contextvars_context_is_found(outcome):
    _, bad, text = outcome("""
        import contextvars

        def test_leaks(app):
            app.kept = app.app_context()
            contextvars.copy_context().run(app.kept.push)
            globals()["kept"] = app
    """)
    assert bad == 1
    assert "never popped" in text


def test_a_task_left_running_is_found(outcome):
    _, bad, text = outcome("""
        import asyncio

        async def test_leaks():
            globals()["kept"] = asyncio.create_task(asyncio.Event().wait())
    """)
    assert bad == 1
    assert "tasks that the test left running" in text


def test_a_thread_left_running_is_found(outcome):
    _, bad, text = outcome("""
        import threading

        stop = threading.Event()

        def test_leaks(monkeypatch):
            monkeypatch.setattr(threading.Thread, "join", lambda self, timeout=None: None)  # no need to wait for it
            threading.Thread(target=stop.wait, name="asyncflask-leak", daemon=True).start()

        def test_next():
            stop.set()
    """)
    assert bad == 1
    assert "asyncflask-leak" in text


def test_variables_of_the_machine_are_hidden(outcome, monkeypatch):
    monkeypatch.setitem(os.environ, "FLASK_DEBUG", "1")
    monkeypatch.setitem(os.environ, "ASYNCFLASK_THREADS", "1")
    passed, _, _ = outcome("""
        import os

        def test_clean():
            assert not [name for name in os.environ if name.startswith(("FLASK_", "ASYNCFLASK_"))]
    """)
    assert passed == 1
