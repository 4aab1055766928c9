"""The interactive shell."""

from __future__ import annotations

import code
import sys
from types import SimpleNamespace

import pytest

from asyncflask import App, current_app
from asyncflask.cli import FlaskGroup


@pytest.fixture
def app():
    return App("shop")


@pytest.fixture
def shell(app, runner, monkeypatch):
    """Invoke ``shell``; give banner and names that the prompt was opened with."""
    monkeypatch.setattr(sys, "__interactivehook__", lambda: None, raising=False)

    def shell():
        calls = []

        def interact(banner, local):
            calls.append(SimpleNamespace(banner=banner, names=local, app=current_app._get_current_object()))

        monkeypatch.setattr(code, "interact", interact)
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
