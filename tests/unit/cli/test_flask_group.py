"""A script's commands: built in, of plugins, of the application; and what it says when there is none."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint

import click
import pytest

import asyncflask
from asyncflask import App, current_app
from asyncflask.cli import FlaskGroup, NoAppException, ScriptInfo


@pytest.fixture
def app():
    app = App("shop", static_folder=None)

    @app.cli.command()
    @click.argument("value", callback=lambda ctx, param, value: bool(current_app))
    def check(value):
        """Checks."""
        click.echo(f"{current_app.name} {value}")

    return app


@pytest.fixture
def plugins(monkeypatch, project):
    """Let entry points be found: (group, name, module:attribute)."""

    def plugins(*points):
        known = [EntryPoint(name, value, group) for group, name, value in points]
        monkeypatch.setattr(
            "asyncflask.cli.flask_group.entry_points", lambda group: [point for point in known if point.group == group]
        )

    return plugins


PLUGIN = """
import click
said = []
@click.command()
def one(): click.echo("one")
@click.command()
def two(): click.echo("two")
"""


def test_built_in_commands():
    assert {*FlaskGroup().commands} == {"run", "shell", "routes"}
    assert not FlaskGroup(add_default_commands=False).commands


def test_commands_of_the_application_have_its_context_for_parameters_too(runner, app):
    assert runner.invoke(FlaskGroup(create_app=lambda: app), ["check", "x"]).output == "shop True\n"


def test_the_loaded_application_is_the_current_one(runner, app):
    @app.cli.command()
    @click.pass_obj
    def same(info):
        click.echo(info.load_app() is current_app._get_current_object())

    with App("another").app_context():
        assert runner.invoke(FlaskGroup(create_app=lambda: app), ["same"]).output == "True\n"


def test_an_active_context_is_used(runner, app):
    pushed = []
    with asyncflask.appcontext_pushed.connected_to(lambda sender: pushed.append(sender), app), app.app_context():
        runner.invoke(FlaskGroup(create_app=lambda: app), ["check", "x"])
    assert pushed == [app]


def test_inside_another_group(runner, app):
    outer = click.Group("outer")
    outer.add_command(FlaskGroup(name="inner", create_app=lambda: app))
    assert runner.invoke(outer, ["inner", "check", "x"]).output == "shop True\n"


def test_commands_of_the_group_itself(runner, app):
    @click.group(cls=FlaskGroup, create_app=lambda: app)
    @click.option("--word")
    def script(word):
        click.echo(word)

    @script.command()
    async def show():
        click.echo(current_app.name)

    assert runner.invoke(script, ["--word", "w", "show"]).output == "w\nshop\n"


def test_another_object_may_be_given(runner, app):
    info = ScriptInfo(create_app=lambda: app)
    assert runner.invoke(FlaskGroup(), ["check", "x"], obj=info).output == "shop True\n"
    assert runner.invoke(FlaskGroup(context_settings={"obj": info}), ["check", "x"]).output == "shop True\n"


def test_app_run_is_told_that_a_script_runs(runner, app, monkeypatch):
    monkeypatch.setattr("asyncflask.serving.run_simple", lambda *args, **kwargs: pytest.fail("served"))

    def create_app():
        app.run()
        return app

    result = runner.invoke(FlaskGroup(create_app=create_app), ["check", "x"])
    assert result.exit_code == 0 and "Ignoring a call to 'app.run()'" in result.output
    assert os.environ["FLASK_RUN_FROM_CLI"] == "true"


# -- help, and applications that fail


def test_help_lists_all_commands(runner, app):
    output = runner.invoke(FlaskGroup(create_app=lambda: app), ["--help"]).stdout
    assert [line.split()[0] for line in output.partition("Commands:")[2].splitlines() if line] == [
        "check",
        "routes",
        "run",
        "shell",
    ]


@pytest.mark.parametrize("args", [[], ["--help"]])
def test_help_finds_the_application_that_variables_name(runner, project, args):
    project(
        named_by_variable="""
            from asyncflask import App
            app = App(__name__)
            app.cli.command("special")(len)
        """
    )
    result = runner.invoke(FlaskGroup(), args, env={"FLASK_APP": "named_by_variable"})
    assert "special" in result.output and "Error" not in result.output


def test_help_without_an_application(runner, project):
    project()
    result = runner.invoke(FlaskGroup(), ["--help"])
    assert result.exit_code == 0
    assert "FLASK_APP" in result.stderr and "Traceback" not in result.stderr and "Usage:" in result.stdout


def test_help_with_an_application_that_fails(runner):
    def create_app():
        raise LookupError("oh no")

    result = runner.invoke(FlaskGroup(create_app=create_app), ["--help"])
    assert result.exit_code == 0
    assert "LookupError: oh no" in result.stderr and "Traceback" in result.stderr and "Usage:" in result.stdout


def test_an_unknown_command_without_an_application(runner, project):
    project()
    result = runner.invoke(FlaskGroup(), ["missing"])
    assert result.exit_code == 2
    assert "FLASK_APP" in result.stderr and "No such command" in result.stderr


def test_a_wrong_name_is_a_usage_error(runner, project):
    project()
    result = runner.invoke(FlaskGroup(), ["--app", "missing", "routes"])
    assert result.exit_code == 2
    assert "Usage:" in result.stderr and "Could not import 'missing'." in result.stderr


def test_an_error_of_the_application_reaches_the_caller(runner):
    def create_app():
        raise LookupError("oh no")

    result = runner.invoke(FlaskGroup(create_app=create_app), ["unknown"])
    assert isinstance(result.exception, LookupError)


# -- plugins


def test_plugins_of_both_kinds(runner, plugins, project, monkeypatch):
    project(plug=PLUGIN)
    stood_in = []
    monkeypatch.setattr(asyncflask, "install_as_flask", lambda: stood_in.append(1))
    plugins(("flask.commands", "one", "plug:one"), ("asyncflask.commands", "two", "plug:two"))
    group = FlaskGroup(create_app=lambda: pytest.fail("loaded"))
    assert runner.invoke(group, ["two"]).output == "two\n" and not stood_in
    assert runner.invoke(group, ["one"]).output == "one\n" and stood_in


def test_a_plugin_of_ours_wins_over_one_of_flask(runner, plugins, project):
    project(plug=PLUGIN)
    plugins(("flask.commands", "same", "plug:one"), ("asyncflask.commands", "same", "plug:two"))
    assert runner.invoke(FlaskGroup(), ["same"]).output == "two\n"


def test_plugins_are_listed_and_only_the_called_one_is_loaded(runner, plugins, project):
    project(plug=PLUGIN)
    plugins(("asyncflask.commands", "one", "plug:one"), ("asyncflask.commands", "bad", "no_such_module:x"))
    group = FlaskGroup(create_app=lambda: App("x"))
    result = runner.invoke(group, ["one"])
    assert (result.stdout, result.stderr) == ("one\n", "")
    result = runner.invoke(group, ["--help"])
    assert "  one" in result.stdout and "  bad" not in result.stdout
    assert "The plugin command 'bad' (no_such_module:x) could not be loaded" in result.stderr


def test_a_built_in_command_stays(runner, plugins, project, app):
    plugins(("asyncflask.commands", "routes", "no_such_module:x"))
    assert runner.invoke(FlaskGroup(create_app=lambda: app), ["routes"]).output == "No routes were registered.\n"


def test_no_application_is_a_usage_error_of_click():
    assert issubclass(NoAppException, click.UsageError)
