"""The runner for an application's commands."""

from __future__ import annotations

import typing as t

from click.testing import CliRunner, Result

if t.TYPE_CHECKING:
    from ..app import App


class FlaskCliRunner(CliRunner):
    """Calls commands of one application in isolation; ``app.test_cli_runner()`` makes it.

    Args:
        app: the application.
        kwargs: as for click's runner.

    (Flask docs: Testing, Running Commands with the CLI Runner.)
    """

    def __init__(self, app: App, **kwargs: t.Any) -> None:
        super().__init__(**kwargs)
        self.app = app

    def invoke(  # type: ignore[override]
        self, cli: t.Any = None, args: t.Any = None, **kwargs: t.Any
    ) -> Result:
        """Call a command.

        Args:
            cli: the command; by default the application's whole group.
            args: the command line, as a string or a list of strings.
            kwargs: as for click's runner. ``obj`` is a ``ScriptInfo`` that gives this application, unless it is passed.

        Returns:
            click's result: output, exit code, exception.
        """
        if "obj" not in kwargs:
            from ..cli import ScriptInfo  # the commands load when one is called

            kwargs["obj"] = ScriptInfo(create_app=lambda *_: self.app)
        return super().invoke(self.app.cli if cli is None else cli, args, **kwargs)
