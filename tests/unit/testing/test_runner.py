"""The runner of commands."""

from __future__ import annotations

import click
import pytest

from asyncflask import current_app
from asyncflask.cli import ScriptInfo
from asyncflask.testing import FlaskCliRunner


@pytest.fixture
def command(app):
    @app.cli.command("name")
    def name():
        click.echo(current_app.name)

    return name


def test_a_command_by_name_and_by_itself(app, command):
    runner = app.test_cli_runner()
    assert isinstance(runner, FlaskCliRunner)
    assert runner.invoke(args=["name"]).output == f"{app.name}\n"
    assert runner.invoke(command).output == f"{app.name}\n"


def test_the_application_may_come_from_elsewhere(app, command):
    made = []

    def create_app():
        made.append(app)
        return app

    app.test_cli_runner().invoke(command, obj=ScriptInfo(create_app=create_app))
    assert made == [app]


def test_options_are_those_of_click(app, command):
    assert app.test_cli_runner(env={"X": "1"}).env == {"X": "1"}


def test_the_class_can_be_replaced(app):
    class Own(FlaskCliRunner):
        pass

    app.test_cli_runner_class = Own
    assert isinstance(app.test_cli_runner(), Own)
