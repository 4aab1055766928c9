"""The interactive shell."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import pytest

from asyncflask import App, current_app
from asyncflask.cli import FlaskGroup
from asyncflask.cli.shell import Shell


@pytest.fixture
def app():
    return App("shop")


@pytest.fixture(autouse=True)
def pythons_own_way_of_showing_values(monkeypatch):
    """Werkzeug's console, once it is loaded, has another one."""
    monkeypatch.setattr(sys, "displayhook", sys.__displayhook__)


@pytest.fixture
def shell(app, runner, monkeypatch):
    """Invoke ``shell``; give banner and names that the prompt was opened with."""
    monkeypatch.setattr(sys, "__interactivehook__", lambda: None, raising=False)

    def shell():
        calls = []

        def interact(self, banner):
            calls.append(SimpleNamespace(banner=banner, names=self.names, app=current_app._get_current_object()))

        monkeypatch.setattr(Shell, "interact", interact)
        result = runner.invoke(FlaskGroup(create_app=lambda: app), ["shell"])
        assert result.exit_code == 0, result.output
        return calls[0]

    return shell


def test_names_and_banner(shell, app):
    app.shell_context_processor(lambda: {"extra": 1})
    opened = shell()
    assert opened.app is app
    assert opened.names["app"] is app and opened.names["extra"] == 1 and "g" in opened.names
    assert f"Python {sys.version}" in opened.banner and "App: shop" in opened.banner
    assert f"Instance: {app.instance_path}" in opened.banner


def test_the_startup_file_of_python_runs_and_the_application_wins(shell, tmp_path, monkeypatch, app):
    startup = tmp_path / "startup.py"
    startup.write_text("mine = 1; app = None")
    monkeypatch.setenv("PYTHONSTARTUP", str(startup))
    names = shell().names
    assert names["mine"] == 1 and names["app"] is app


def test_completion_knows_the_names(shell, monkeypatch):
    order, completers = [], []
    monkeypatch.setattr(sys, "__interactivehook__", lambda: order.append("hook"))
    readline = SimpleNamespace(set_completer=lambda f: (order.append("completer"), completers.append(f)))
    monkeypatch.setitem(sys.modules, "readline", readline)
    names = shell().names
    assert order[-2:] == ["completer", "hook"]
    assert completers[-1].__self__.namespace is names


def test_without_readline_the_hook_still_runs(shell, monkeypatch):
    order = []
    monkeypatch.setattr(sys, "__interactivehook__", lambda: order.append("hook"))
    monkeypatch.setitem(sys.modules, "readline", None)
    shell()
    assert order == ["hook"]


def test_without_a_hook(shell, monkeypatch):
    monkeypatch.delattr(sys, "__interactivehook__")
    assert shell().names


def test_what_is_typed_runs_in_the_context(app, runner, monkeypatch):
    monkeypatch.delattr(sys, "__interactivehook__", raising=False)
    typed = "from asyncflask import current_app; print('name', current_app.name)\n"
    result = runner.invoke(FlaskGroup(create_app=lambda: app), ["shell"], input=typed)
    assert "name shop" in result.output


@pytest.fixture
def typed(app, runner, monkeypatch):
    """Type lines into the shell; give what it printed: the values, and the tracebacks."""
    monkeypatch.delattr(sys, "__interactivehook__", raising=False)

    def typed(*lines):
        result = runner.invoke(
            FlaskGroup(create_app=lambda: app), ["shell"], input="".join(f"{line}\n" for line in lines)
        )
        assert result.exit_code == 0, result.output
        return result.stdout.replace(">>> ", "").replace("... ", ""), result.stderr

    return typed


def test_await_works_at_the_prompt(typed, app):
    async def fetch(number):
        await asyncio.sleep(0)
        return f"<{number} of {current_app.name}>", asyncio.get_running_loop()

    app.shell_context_processor(lambda: {"fetch": fetch})
    shown, _ = typed(
        "(await fetch(1))[0]",
        "value, loop = await fetch(2)",
        "print(value, (await fetch(3))[1] is loop)",
        "for n in range(2):",
        "    print((await fetch(n))[0])",
        "",
        "app.async_to_sync(fetch)(4)[1] is loop",
        "g.kept = (await fetch(5))[0]",
        "g.kept",
    )
    for text in ("'<1 of shop>'", "<2 of shop> True", "<0 of shop>\n<1 of shop>\n", "\nTrue", "'<5 of shop>'"):
        assert text in shown


def test_a_task_goes_on_with_the_next_await(typed):
    shown, _ = typed(
        "import asyncio",
        "async def work(): return 'done'",
        "",
        "async def begin(): return asyncio.create_task(work())",
        "",
        "task = await begin()",
        "await task",
    )
    assert "'done'" in shown


@pytest.mark.parametrize("line", ["await fails()", "sync_fails()"])
def test_an_error_is_shown_from_the_line_on(typed, app, line):
    async def fails():
        raise LookupError("oh no")

    def sync_fails():
        raise LookupError("oh no")

    app.shell_context_processor(lambda: {"fails": fails, "sync_fails": sync_fails})
    shown, errors = typed(line, "print('on')")
    assert 'Traceback (most recent call last):\n  File "<console>", line 1, in <module>' in errors
    assert errors.count("File ") == 2 and "LookupError: oh no" in errors and "on" in shown


def test_an_interrupt_ends_the_line_alone(typed, app):
    async def waits():
        try:
            raise KeyboardInterrupt
        finally:
            app.cleaned = True

    app.shell_context_processor(lambda: {"waits": waits})
    shown, errors = typed("await waits()", "print('on', app.cleaned)")
    assert "KeyboardInterrupt" in errors and "on True" in shown


def test_exit_ends_it(typed):
    assert "on" not in typed("exit()", "print('on')")[0]


def test_a_context_processor_may_be_async(typed, app):
    @app.shell_context_processor
    async def more():
        await asyncio.sleep(0)
        return {"extra": "from afar"}

    assert "from afar" in typed("extra")[0]


def test_the_application_has_started(typed, app):
    events = []

    @app.before_serving
    async def start():
        app.extensions["pool"] = asyncio.get_running_loop()

    @app.after_serving
    async def stop():
        events.append(asyncio.get_running_loop() is app.extensions["pool"])

    shown, _ = typed("import asyncio", "await asyncio.sleep(0, app.extensions['pool'] is asyncio.get_running_loop())")
    assert "True" in shown and events == [True]


def test_one_that_does_not_start_is_told_of(typed, app):
    @app.before_serving
    def start():
        raise OSError("no database")

    shown, errors = typed("app.name")
    assert "'shop'" in shown and "did not start; the shell goes on without (no database)." in errors
