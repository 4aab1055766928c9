"""The arguments of `run_simple`: those of Werkzeug's, and what is said of those that cannot be."""

from __future__ import annotations

import asyncio
import inspect
import ssl

import pytest

from asyncflask import App, serving
from asyncflask.serving import BadOption, WrongType, is_running_from_reloader, make_server, run_simple

PEM = "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n"


@pytest.fixture
def app():
    return App("x")


def test_parameters_are_those_of_werkzeug():
    from werkzeug.serving import run_simple as werkzeugs

    ours, theirs = (inspect.signature(f).parameters.values() for f in (run_simple, werkzeugs))
    *ours, more = ours
    assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]
    assert more.kind is more.VAR_KEYWORD


def test_parameters_of_make_server_are_those_of_werkzeug():
    from werkzeug.serving import make_server as werkzeugs

    ours, theirs = (inspect.signature(f).parameters.values() for f in (make_server, werkzeugs))
    *ours, _more = ours
    assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"port": 99999}, "port must be from 0 to 65535, not 99999"),
        ({"port": -1}, "port must be from 0 to 65535, not -1"),
        ({"processes": 0}, "processes must be at least 1, not 0"),
        ({"threads": 0}, "threads must be at least 1, not 0"),
        ({"reloader_type": "x"}, "reloader_type must be one of 'auto', 'stat', 'watchdog', 'watchfiles', not 'x'"),
        ({"reloader_interval": 0}, "reloader_interval must be a positive number of seconds, not 0"),
        ({"graceful_timeout": -1}, "graceful_timeout must be a number of seconds from 0 on, not -1"),
        ({"access_log": "x"}, "access_log must be one of 'werkzeug', 'uvicorn', 'json', a function, or False"),
        ({"ssl_context": ("no.pem", None)}, "There is no certificate file 'no.pem'"),
        ({"ssl_context": (__file__, "no.pem")}, "There is no key file 'no.pem'"),
        ({"ssl_context": (__file__, None)}, "do not hold a certificate with its key"),
        ({"static_files": {"x": "."}}, "URL prefixes that begin with a slash, not 'x'"),
        ({"static_files": {"/x": "nowhere"}}, "there is no file or folder 'nowhere'"),
        ({"static_files": {"/x": ("no_such_package", "x")}}, "there is no package 'no_such_package'"),
        ({"static_files": {"/x": 1}}, "wants a folder, a file or"),
        ({"hostname": "fd://x"}, "wants the number of a file descriptor"),
        ({"hostname": "fd://9999"}, "File descriptor 9999 is no socket"),
        ({"hostname": "unix://" + __file__}, "is there already and no socket"),
        ({"hostname": "no.such.host.invalid"}, "Host 'no.such.host.invalid' is not known"),
        ({"hostname": "a..b"}, "Host 'a..b' is not known"),
        ({"hostname": "192.0.2.1"}, "This machine has no address '192.0.2.1'"),
    ],
)
def test_a_wrong_option_is_one_clear_line(app, options, text, capfd):
    options = {"hostname": "127.0.0.1", "port": 0, "application": app} | options
    with pytest.raises(BadOption) as caught:
        run_simple(**options)
    assert text in str(caught.value) and "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert caught.value.code == str(caught.value)  # what the interpreter prints, with exit code 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"port": "80"}, "port must be an integer, not '80'"),
        ({"processes": "2"}, "processes must be an integer, not '2'"),
        ({"application": None}, "application must be an App, an ASGI application or a WSGI callable"),
        ({"ssl_context": "else"}, "ssl_context must be"),
        ({"ssl_context": ("a", "b", "c")}, "ssl_context must be"),
        ({"ssl_context": (1, 2)}, "ssl_context must be"),
        ({"request_handler": 3}, "request_handler must be a class, not 3"),
        ({"hostname": None}, "hostname must be a string, such as '127.0.0.1', not None"),
        ({"static_files": [("/x", ".")]}, "static_files must be a dict of URL prefixes and what is there"),
        ({"extra_files": "app.yaml"}, "extra_files must be a list of strings, not 'app.yaml'"),
        ({"extra_files": 5}, "extra_files must be a list of strings, not 5"),
        ({"exclude_patterns": [5]}, "exclude_patterns must be a list of strings, not [5]"),
        ({"colour": "red"}, "run_simple has no option 'colour', and uvicorn has none either"),
        ({"workers": 2}, "run_simple does not take 'workers'; say processes."),
    ],
)
def test_a_wrong_type_is_a_type_error(app, options, text):
    with pytest.raises(WrongType, match="run_simple" if "run_simple" in text else "must") as caught:
        run_simple(**({"hostname": "127.0.0.1", "port": 0, "application": app} | options))
    assert text in str(caught.value) and isinstance(caught.value, TypeError)


def test_a_handler_of_werkzeugs_is_told_what_to_pass(app):
    from werkzeug.serving import WSGIRequestHandler

    class Quiet(WSGIRequestHandler):
        pass

    with pytest.raises(WrongType, match=r"Quiet is for Werkzeug's server.*H11Protocol or a subclass.*access_log"):
        run_simple("127.0.0.1", 0, app, request_handler=Quiet)


def test_names_of_werkzeugs_server():
    assert issubclass(serving.WSGIRequestHandler, asyncio.Protocol)  # what `request_handler` takes
    for name in "BaseWSGIServer ThreadedWSGIServer ForkingWSGIServer make_ssl_devcert load_ssl_context".split():
        assert hasattr(serving, name)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = serving.nothing


def test_running_from_the_reloader(monkeypatch):
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    assert not is_running_from_reloader()
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    assert is_running_from_reloader()


def test_uvicorn_is_loaded_by_the_first_server(root_modules):
    assert "uvicorn" not in root_modules("import asyncflask.serving")


@pytest.fixture
def root_modules():
    import subprocess
    import sys

    def loaded(code):
        command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    return loaded


def test_a_missing_library_is_named(app, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(BadOption, match="pip install cryptography"):
        run_simple("127.0.0.1", 0, app, ssl_context="adhoc")


@pytest.mark.parametrize("kind", ["watchfiles", "watchdog"])
def test_a_missing_watcher_is_named(kind, monkeypatch):
    from asyncflask.serving import watchers
    from asyncflask.serving.watching import Watched

    monkeypatch.setattr(watchers, "_is_installed", lambda module: False)
    with pytest.raises(BadOption, match=f"pip install {kind}"):
        watchers.watcher_of(kind, Watched(), 1)
    assert watchers.watcher_of("auto", Watched(), 1).name == "stat"


def test_auto_takes_the_best_watcher_there_is(monkeypatch):
    from asyncflask.serving import watchers
    from asyncflask.serving.watching import Watched

    monkeypatch.setattr(watchers, "_is_installed", lambda module: True)
    assert watchers.watcher_of("auto", Watched(), 1).name == "watchfiles"
    monkeypatch.setattr(watchers, "_is_installed", lambda module: module == "watchdog")
    assert watchers.watcher_of("auto", Watched(), 1).name == "watchdog"


def test_an_ssl_context_is_taken_as_it_is(app):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with make_server("127.0.0.1", 0, app, ssl_context=context) as server:
        assert server.ssl_context is context and server.url.startswith("https://")
