"""``run``: what it hands to the server, what it prints, and applications that fail to load."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

from asyncflask import App, cli, serving
from asyncflask.asgi.mount import is_asgi
from asyncflask.asgi.scope import DEBUGGER
from asyncflask.cli import FlaskGroup, show_server_banner
from asyncflask.cli.broken import BrokenApp

PACKAGE = Path(cli.__file__).parents[1]


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


def test_options_of_our_own_server_are_told_where_they_are_given(run):
    options = run("--threads", "3", "--processes", "2", "--graceful-timeout", "1.5", "--access-log", "json")[1]
    assert options.items() >= {"threads": 3, "processes": 2, "graceful_timeout": 1.5, "access_log": "json"}.items()
    assert (
        run("--access-log", "off", "--reload-type", "stat")[1].items()
        >= {
            "access_log": False,
            "reloader_type": "stat",
        }.items()
    )
    assert run(FLASK_RUN_THREADS="7", ASYNCFLASK_RUN_PROCESSES="2")[1].items() >= {"threads": 7, "processes": 2}.items()


def test_a_number_of_threads_switches_them_on(run, app):
    app.config["THREADED"] = False
    assert run("--threads", "3")[1]["threaded"] is True


def test_a_debugger_that_sees_no_errors_is_told_of(runner, app, served):
    command = FlaskGroup(create_app=lambda: app)
    for args, told in (([], False), (["--debugger"], True), (["--debugger", "--debug"], False)):
        assert ("see no error" in runner.invoke(command, ["run", *args]).stderr) is told
        app.debug = False
    app.config["PROPAGATE_EXCEPTIONS"] = True
    assert "see no error" not in runner.invoke(command, ["run", "--debugger"]).stderr


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


def test_at_the_first_start_it_is_told_in_one_line(runner, broken, served):
    result = runner.invoke(broken, ["run"])
    assert result.exit_code == 1 and not served
    assert "in create_app" in result.stderr and str(PACKAGE) not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert fnmatch(last, "Error: The application could not be loaded: LookupError: oh no (*test_run.py, line *)")


@pytest.mark.parametrize(
    ("text", "code", "last"),
    [
        ("def f(:\n", 1, "Error: The application 'shop' could not be loaded: SyntaxError: invalid syntax (*, line 1)"),
        (
            "1 / 0\n",
            1,
            "Error: The application 'shop' could not be loaded: ZeroDivisionError: division by zero (*, line 1)",
        ),
        (
            "raise ValueError('a\\nb')\n",
            1,
            "Error: The application 'shop' could not be loaded: ValueError: a (*shop.py, line 1)",
        ),
        ("raise ValueError\n", 1, "Error: The application 'shop' could not be loaded: ValueError (*shop.py, line 1)"),
        (
            "import not_there_at_all\n",
            2,
            "*shop.py:1: there is no module 'not_there_at_all'. Correct the name, or install *",
        ),
        ("x = 1\n", 2, "*Failed to find Flask application or factory in module 'shop'.*"),
        (None, 2, "Error: Could not import 'shop'. It is looked for in '*', then in the other places on sys.path."),
    ],
)
def test_the_last_line_says_what_is_wrong_with_it(runner, project, served, text, code, last):
    if text is not None:
        project(shop=text)
    result = runner.invoke(cli.cli, ["--app", "shop", "run"])
    assert result.exit_code == code and not served
    assert fnmatch(result.stderr.strip().splitlines()[-1], last.replace("[", "[[]"))


@pytest.mark.parametrize("text", ["def f(:\n", "1 / 0\n", "import not_there_at_all\n"])
def test_with_the_reloader_the_next_save_tries_again(runner, project, served, monkeypatch, text):
    project(shop=text)
    result = runner.invoke(cli.cli, ["--app", "shop", "run", "--reload"])
    assert result.exit_code == 0 and isinstance(served.pop()[0][2], BrokenApp)
    assert "Error" not in result.stderr  # the process that the reloader starts tells
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    result = runner.invoke(cli.cli, ["--app", "shop", "run", "--reload"])
    assert result.exit_code == 0 and isinstance(served.pop()[0][2], BrokenApp)
    assert result.stderr.count('shop.py", line') == 1 and "/asyncflask/cli/" not in result.stderr


@pytest.mark.parametrize("name", ["nowhere", "shop:nothing"])
def test_with_the_reloader_a_wrong_name_is_an_error_all_the_same(runner, project, served, name):
    project(shop="x = 1\n")
    assert runner.invoke(cli.cli, ["--app", name, "run", "--reload"]).exit_code == 2
    assert not served


async def test_what_is_served_meanwhile(broken):
    try:
        broken.create_app()
    except LookupError as error:
        app = BrokenApp(error)
    answer = await ask(app)
    assert answer[0]["status"] == 500 and b"could not be loaded: LookupError: oh no" in answer[1]["body"]
    assert b"create_app" not in answer[1]["body"]  # nor anything else of the traceback
    depths = []
    for _ in range(2):
        with pytest.raises(LookupError, match="oh no") as caught:
            await ask(app, **{DEBUGGER: lambda *_: None})
        depths.append(len(caught.traceback))
    assert depths[0] == depths[1]
    sent = await ask(app, type="websocket")
    assert sent[0]["type"] == "websocket.close" and sent[0]["code"] == 1011
    sent = await ask(app, "lifespan.startup", "lifespan.shutdown", type="lifespan")
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert is_asgi(app)


async def ask(app, *received, **scope):
    queue, sent = [{"type": kind} for kind in received], []

    async def receive():
        return queue.pop(0)

    async def send(message):
        sent.append(message)

    await app({"type": "http", "method": "GET"} | scope, receive, send)
    return sent


# -- wrong options


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--port", "99999"], "'--port' / '-p': 99999 is not in the range"),
        (["--port", "-1"], "'--port' / '-p': -1 is not in the range"),
        (["--port", "http"], "'--port' / '-p': 'http' is not"),
        (["--processes", "0"], "'--processes': 0 is not in the range"),
        (["--threads", "0"], "'--threads': 0 is not in the range"),
        (["--threads", "many"], "'--threads': 'many' is not"),
        (["--graceful-timeout", "-1"], "'--graceful-timeout': -1.0 is not in the range"),
        (["--reload-type", "x"], "'--reload-type': 'x' is not one of 'auto', 'stat', 'watchdog', 'watchfiles'."),
        (["--access-log", "x"], "'--access-log': 'x' is not one of"),
        (["--cert", "missing.pem"], "'--cert': File 'missing.pem' does not exist."),
        (["--threads", "3", "--without-threads"], "'--threads' says how many"),
        (["--prot", "1"], "No such option"),
    ],
)
def test_a_wrong_option_is_told_in_one_line(runner, app, served, args, says):
    result = runner.invoke(FlaskGroup(create_app=lambda: app), ["run", *args])
    assert result.exit_code == 2 and not served
    assert says in result.stderr.strip().splitlines()[-1]
