"""Options: certificates and keys, lists of paths, versions, and variables of the environment."""

from __future__ import annotations

import os
import ssl
import sys
import types

import click
import pytest

import asyncflask
from asyncflask import App
from asyncflask.cli import FlaskGroup, get_version, run_command


def params(*args):
    return run_command.make_context("run", list(args)).params


def refused(*args):
    with pytest.raises(click.BadParameter) as caught:
        params(*args)
    return caught.value.format_message()


# -- certificate and key


def test_certificate_and_key_in_any_order():
    assert params("--cert", __file__, "--key", __file__)["cert"] == (__file__, __file__)
    assert params("--key", __file__, "--cert", __file__)["cert"] == (__file__, __file__)


def test_one_needs_the_other():
    assert "--key" in refused("--cert", __file__) and "Required" in refused("--cert", __file__)
    assert "'--cert' must be given" in refused("--key", __file__)


def test_a_certificate_made_on_the_spot(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert "cryptography" in refused("--cert", "adhoc")
    monkeypatch.setitem(sys.modules, "cryptography", types.ModuleType("cryptography"))
    assert params("--cert", "AdHoc")["cert"] == "adhoc"
    assert "'--key' is not used" in refused("--cert", "adhoc", "--key", __file__)


def test_a_context_by_its_import_name(monkeypatch):
    module = types.ModuleType("Certs")
    module.made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    module.other = 3
    monkeypatch.setitem(sys.modules, "Certs", module)
    assert params("--cert", "Certs:made")["cert"] is module.made
    assert "SSLContext" in refused("--cert", "Certs:made", "--key", __file__)
    for wrong in ("Certs:other", "Certs:missing", "no_such_module", "/no/such/file"):
        assert "does not exist" in refused("--cert", wrong)


def test_without_ssl(monkeypatch):
    monkeypatch.setitem(sys.modules, "ssl", None)
    assert "SSL support" in refused("--cert", __file__)
    assert "'--cert' must be given" in refused("--key", __file__)


# -- lists of paths


@pytest.mark.parametrize(
    ("option", "name"), [("--extra-files", "extra_files"), ("--exclude-patterns", "exclude_patterns")]
)
def test_paths_in_one_value(option, name):
    assert params(option, os.pathsep.join(["a b", "*/c.py"]))[name] == ["a b", "*/c.py"]
    assert params()[name] is None


# -- variables


@pytest.fixture
def show(runner):
    """Invoke `run` with its server replaced by one that prints port and threads."""

    def show(monkeypatch, **variables):
        monkeypatch.setattr(
            asyncflask.cli,
            "run_simple",
            lambda host, port, app, **rest: click.echo(f"got {host}:{port}"),
            raising=False,
        )
        group = FlaskGroup(create_app=lambda: App("x"))
        return runner.invoke(group, ["run"], env=variables).output.splitlines()[-1]

    return show


def test_variables_set_options_and_ours_win(show, monkeypatch):
    assert show(monkeypatch) == "got 127.0.0.1:5000"
    assert show(monkeypatch, FLASK_RUN_PORT="1", ASYNCFLASK_RUN_HOST="h") == "got h:1"
    assert show(monkeypatch, FLASK_RUN_PORT="1", ASYNCFLASK_RUN_PORT="2") == "got 127.0.0.1:2"
    assert show(monkeypatch, FLASK_RUN_PORT="1", ASYNCFLASK_RUN_PORT="") == "got 127.0.0.1:1"


def test_a_script_with_a_prefix_of_its_own(runner, project):
    project(first="from asyncflask import App\napp = App('first', static_folder=None)")
    group = FlaskGroup(context_settings={"auto_envvar_prefix": "SHOP"})
    result = runner.invoke(group, ["routes"], env={"SHOP_APP": "first", "ASYNCSHOP_APP": "no", "FLASK_APP": "no"})
    assert result.output == "No routes were registered.\n"


def test_the_application_by_variable_and_by_option(runner, project):
    for name in ("first", "second", "third"):
        project(
            **{name: f"from asyncflask import App\napp = App('{name}', static_folder=None)\napp.get('/{name}')(len)"}
        )
    group = FlaskGroup()
    env = {"FLASK_APP": "first"}
    assert "/first" in runner.invoke(group, ["routes"], env=env).output
    env["ASYNCFLASK_APP"] = "second"
    assert "/second" in runner.invoke(group, ["routes"], env=env).output
    assert "/third" in runner.invoke(group, ["--app", "third", "routes"], env=env).output


@pytest.mark.parametrize(
    ("args", "variables", "debug"),
    [
        ([], {}, False),
        ([], {"FLASK_DEBUG": "1"}, True),
        ([], {"FLASK_DEBUG": "1", "ASYNCFLASK_DEBUG": "0"}, False),
        (["--debug"], {}, True),
        (["--debug"], {"ASYNCFLASK_DEBUG": "0"}, True),
        (["--no-debug"], {"FLASK_DEBUG": "1"}, False),
        (["--no-debug"], {"ASYNCFLASK_DEBUG": "1"}, False),
    ],
)
def test_debug_mode_is_known_to_a_factory(runner, args, variables, debug):
    seen = []

    def create_app():
        seen.append(asyncflask.helpers.get_debug_flag())
        return App("x")

    group = FlaskGroup(create_app=create_app)
    group.command("show")(lambda: seen.append(asyncflask.current_app.debug))
    assert runner.invoke(group, [*args, "show"], env=variables).exit_code == 0
    assert seen == [debug, debug]


# -- version


def test_versions(runner):
    result = runner.invoke(FlaskGroup(), ["--version"])
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines] == ["Python", "asyncflask", "Werkzeug", "uvicorn"]
    assert result.exit_code == 0


def test_versions_name_flask_where_we_stand_in_for_it(runner, monkeypatch):
    monkeypatch.setitem(sys.modules, "flask", asyncflask)
    monkeypatch.setattr("asyncflask.cli.options.importlib.metadata.version", lambda name: f"1.{len(name)}")
    result = runner.invoke(FlaskGroup(), ["--version"])
    assert result.output.splitlines()[1:] == ["Flask 1.5", "asyncflask 1.10", "Werkzeug 1.8", "uvicorn 1.7"]


def test_no_version_unless_asked():
    assert get_version(types.SimpleNamespace(resilient_parsing=False), None, False) is None
    assert get_version(types.SimpleNamespace(resilient_parsing=True), None, True) is None


def test_no_version_option(runner):
    assert runner.invoke(FlaskGroup(add_version_option=False), ["--version"]).exit_code == 2
