"""The group of a whole script: built-in commands, those of plugins, and those of the application it loads."""

from __future__ import annotations

import os
import traceback
import typing as t
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

import click

from ..globals import current_app
from .groups import AppGroup, enter_app_context
from .locate import NoAppException, ScriptInfo
from .options import app_option, debug_option, env_file_option, version_option
from .routes import routes_command
from .run import run_command
from .shell import shell_command

if t.TYPE_CHECKING:
    from ..app import App

_FLASK_PLUGINS = "flask.commands"
_PLUGINS = (_FLASK_PLUGINS, "asyncflask.commands")  # the later ones win


def _complain(message: str) -> None:
    click.secho(f"{message}\n", fg="red", err=True)


class FlaskGroup(AppGroup):
    """An `AppGroup` that also has the commands of its application, and the options to find that.

    Args:
        add_default_commands: add ``run``, ``shell`` and ``routes``.
        create_app: makes the application; otherwise it is looked for.
        add_version_option: add ``--version``.
        load_dotenv: read the nearest ``.env`` and ``.flaskenv``.
        set_debug_flag: let the environment decide on the application's debug mode.
        extra: as for `click.Group`.

    (Flask docs: Command Line Interface, Custom Scripts.)
    """

    def __init__(
        self,
        add_default_commands: bool = True,
        create_app: t.Callable[..., App] | None = None,
        add_version_option: bool = True,
        load_dotenv: bool = True,
        set_debug_flag: bool = True,
        **extra: t.Any,
    ) -> None:
        # As options with callbacks, since the callback of the group is the user's. The files come before the
        # application, which FLASK_APP may name in them.
        own = [env_file_option, app_option, debug_option, *([version_option] if add_version_option else [])]
        extra["params"] = [*(extra.get("params") or ()), *own]
        extra["context_settings"] = {"auto_envvar_prefix": "FLASK"} | (extra.get("context_settings") or {})
        super().__init__(**extra)
        self.set_debug_flag = set_debug_flag
        self.load_dotenv = load_dotenv
        self.create_app = create_app
        self._plugins: dict[str, EntryPoint] | None = None
        if add_default_commands:
            for command in (run_command, shell_command, routes_command):
                self.add_command(command)

    def _plugin_names(self) -> dict[str, EntryPoint]:
        if self._plugins is None:
            self._plugins = {point.name: point for group in _PLUGINS for point in entry_points(group=group)}
        return self._plugins

    def _plugin(self, name: str) -> click.Command | None:
        """Return the command of a plugin; one that fails to load is told of and left out."""
        point = self._plugin_names().get(name)
        if point is None:
            return None
        try:
            if point.group == _FLASK_PLUGINS:
                # Made for Flask, so it imports that, and has to meet our application there. Through the package's
                # front door, since `compat` lies above us.
                import_module("asyncflask").install_as_flask()
            command: click.Command = point.load()
        except Exception as error:
            _complain(f"Error: The plugin command {name!r} ({point.value}) could not be loaded: {error}")
            return None
        self.add_command(command, name)
        return command

    def get_command(  # pyright: ignore[reportIncompatibleMethodOverride]  # named as in Flask
        self, ctx: click.Context, name: str
    ) -> click.Command | None:
        """Return a command: a built-in one, of a plugin, or of the application; None if there is no such command.

        For the application's a context of it is pushed, which parameter callbacks see too. An application that is not
        found is told of.
        """
        known = super().get_command(ctx, name) or self._plugin(name)
        if known is not None:
            return known
        try:
            app = ctx.ensure_object(ScriptInfo).load_app()
        except NoAppException as error:
            _complain(f"Error: {error.format_message()}")
            return None
        if not current_app or current_app._get_current_object() is not app:  # type: ignore[attr-defined]
            enter_app_context(ctx, app)
        return app.cli.get_command(ctx, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted; an application that fails to load is told of and left out."""
        names = {*super().list_commands(ctx), *self._plugin_names()}
        info = ctx.ensure_object(ScriptInfo)
        try:
            names |= set(info.load_app().cli.list_commands(ctx))
        except NoAppException as error:
            _complain(f"Error: {error.format_message()}")
        except Exception:
            _complain(traceback.format_exc())
        return sorted(names)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: t.Any
    ) -> click.Context:
        """Return the click context of a run, with the `ScriptInfo` as its ``obj`` unless there is another."""
        # An unguarded app.run() in a module that is imported for its commands would serve instead.
        os.environ["FLASK_RUN_FROM_CLI"] = "true"
        if "obj" not in {*extra, *self.context_settings}:
            extra["obj"] = ScriptInfo(
                load_dotenv_defaults=self.load_dotenv, set_debug_flag=self.set_debug_flag, create_app=self.create_app
            )
        return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options of the group."""
        asks_for_help = args[0] in self.get_help_option_names(ctx) if len(args) == 1 else False
        if asks_for_help or (self.no_args_is_help and not args):
            # Help is printed before any other option is looked at, and needs the application that variables may name.
            for option in (env_file_option, app_option):
                option.handle_parse_result(ctx, {}, [])
        try:
            return super().parse_args(ctx, args)
        except BaseException:
            ctx.close()  # click does not, and listing the application's commands has pushed its context
            raise
