"""`App.run`: what it hands to `run_simple`, and what it leaves behind."""

from __future__ import annotations

import pytest

from asyncflask import App, serving


@pytest.fixture
def app():
    return App("shop")


@pytest.fixture
def served(monkeypatch):
    """What `run_simple` was called with."""
    calls = []
    monkeypatch.setattr(serving, "run_simple", lambda *args, **options: calls.append((args, options)))
    return calls


@pytest.mark.parametrize(
    ("server_name", "given", "address"),
    [
        (None, {}, ("127.0.0.1", 5000)),
        ("shop.test:8080", {}, ("shop.test", 8080)),
        ("shop.test", {}, ("shop.test", 5000)),
        ("shop.test:8080", {"host": "0.0.0.0"}, ("0.0.0.0", 8080)),
        ("shop.test:8080", {"port": 80}, ("shop.test", 80)),
        ("shop.test:8080", {"port": 0}, ("shop.test", 0)),
        (None, {"host": "::1", "port": 1}, ("::1", 1)),
        (None, {"port": "80"}, ("127.0.0.1", 80)),
        ("shop.test:x", {}, ("shop.test", "x")),  # run_simple says what is wrong with it
    ],
)
def test_host_and_port(app, served, server_name, given, address):
    app.config["SERVER_NAME"] = server_name
    app.run(**given)
    assert served[0][0] == (*address, app)


@pytest.mark.parametrize("debug", [True, False])
def test_debug_sets_reloader_and_debugger(app, served, debug, capsys):
    app.run(debug=debug)
    assert app.debug is debug
    assert served[0][1] == {"use_reloader": debug, "use_debugger": debug, "threaded": True}
    assert f"Debug mode: {'on' if debug else 'off'}" in capsys.readouterr().out


def test_options_are_handed_over_and_win(app, served):
    app.run(debug=True, use_reloader=False, threaded=False, processes=2, graceful_timeout=1)
    options = {"use_reloader": False, "use_debugger": True, "threaded": False, "processes": 2, "graceful_timeout": 1}
    assert served[0][1] == options


def test_set_up_is_open_again_when_the_server_has_ended(app, monkeypatch):
    def serve(*args, **options):
        app.test_client().get("/")
        with pytest.raises(AssertionError, match="add_url_rule"):
            app.add_url_rule("/late", view_func=str)
        raise KeyboardInterrupt

    monkeypatch.setattr(serving, "run_simple", serve)
    with pytest.raises(KeyboardInterrupt):
        app.run()
    app.add_url_rule("/next", view_func=str)


def test_a_wrong_option_ends_with_one_line(app):
    with pytest.raises(SystemExit) as caught:
        app.run(port=99999)
    assert caught.value.code == "port must be from 0 to 65535, not 99999 (0 takes a free one)."


async def test_a_thread_with_a_loop_is_told_how_to_serve_there(app):
    with pytest.raises(RuntimeError, match=r"one runs in this thread already.*await uvicorn\.Server"):
        app.run(port=0)
