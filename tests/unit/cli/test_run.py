"""``run``: what it hands to the server, what it prints, and applications that fail to load."""

from __future__ import annotations

import asyncio

import pytest

from asyncflask import App, cli, serving
from asyncflask.asgi.mount import is_asgi
from asyncflask.cli import FlaskGroup, show_server_banner


@pytest.fixture
def app():
    return App("shop")


@pytest.fixture
def served(monkeypatch):
    """What `run_simple` was called with."""
    calls = []
    monkeypatch.setattr(serving, "run_simple", lambda *args, **kwargs: calls.append((args, kwargs)))
    return calls


@pytest.fixture
def run(runner, app, served):
    def run(*args, **env):
        result = runner.invoke(FlaskGroup(create_app=lambda: app), ["run", *args], env=env)
        assert result.exit_code == 0, result.output
        return served.pop()

    return run


def test_defaults(run, app):
    args, options = run()
    assert args == ("127.0.0.1", 5000, app)
    assert options == {
        "use_reloader": False,
        "use_debugger": False,
        "threaded": True,
        "ssl_context": None,
        "extra_files": None,
        "exclude_patterns": None,
    }


def test_options_are_handed_over(run, app):
    args, options = run(
        *(
            "--host",
            "h",
            "-p",
            "1",
            "--reload",
            "--debugger",
            "--without-threads",
            "--cert",
            __file__,
            "--key",
            __file__,
        ),
        *("--extra-files", "a", "--exclude-patterns", "b"),
    )
    assert args == ("h", 1, app)
    assert options == {
        "use_reloader": True,
        "use_debugger": True,
        "threaded": False,
        "ssl_context": (__file__, __file__),
        "extra_files": ["a"],
        "exclude_patterns": ["b"],
    }


@pytest.mark.parametrize(("args", "env"), [(["--debug"], {}), ([], {"FLASK_DEBUG": "1"})])
def test_reloader_and_debugger_follow_debug_mode(run, app, args, env):
    _, options = run(*args, **env)
    assert app.debug and options["use_reloader"] and options["use_debugger"]
    _, options = run(*args, "--no-reload", "--no-debugger", **env)
    assert not options["use_reloader"] and not options["use_debugger"]


def test_threads_are_as_configured_unless_said(run, app):
    app.config["THREADED"] = False
    assert run()[1]["threaded"] is False
    assert run("--with-threads")[1]["threaded"] is True
    assert run(FLASK_RUN_WITH_THREADS="1")[1]["threaded"] is True


def test_what_replaces_the_server_in_the_package_is_called(runner, app, served, monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "run_simple", lambda *args, **kwargs: seen.append(args), raising=False)
    runner.invoke(FlaskGroup(create_app=lambda: app), ["run"])
    assert len(seen) == 1 and not served


def test_the_server_of_the_package_is_the_one_of_serving(served):
    assert cli.run_simple is serving.run_simple


# -- banner


@pytest.mark.parametrize(
    ("debug", "path", "text"),
    [
        (True, "shop:app", " * Serving Flask app 'shop:app'\n * Debug mode: on\n"),
        (False, None, " * Debug mode: off\n"),
        (None, "x", " * Serving Flask app 'x'\n"),
        (None, None, ""),
    ],
)
def test_banner(capsys, debug, path, text):
    show_server_banner(debug, path)
    assert capsys.readouterr().out == text


def test_no_banner_after_a_reload(capsys, monkeypatch):
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    show_server_banner(True, "x")
    assert not capsys.readouterr().out


# -- an application that fails to load


@pytest.fixture
def broken():
    def create_app():
        raise LookupError("oh no")

    return FlaskGroup(create_app=create_app)


def test_at_the_first_start_it_is_an_error(runner, broken, served):
    result = runner.invoke(broken, ["run"])
    assert isinstance(result.exception, LookupError) and not served


def test_after_a_reload_it_is_printed_and_raised_by_each_request(runner, broken, served, monkeypatch):
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    result = runner.invoke(broken, ["run"])
    assert result.exit_code == 0 and "LookupError: oh no" in result.stderr
    app = served[0][0][2]
    depths = []
    for _ in range(2):
        with pytest.raises(LookupError, match="oh no") as caught:
            asyncio.run(app({"type": "http"}, None, None))
        depths.append(len(caught.traceback))
    assert depths[0] == depths[1]
    assert is_asgi(app)
