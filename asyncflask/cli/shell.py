"""``shell``: an interactive Python in an application context, where ``await`` needs no function around it."""

from __future__ import annotations

import os
import sys
import typing as t
from code import InteractiveConsole
from codeop import CommandCompiler
from types import CodeType

import click

from ..globals import current_app
from ..serving import typed
from .groups import begin_serving, with_appcontext


class Shell(InteractiveConsole):
    """Python's prompt with top-level ``await``, which runs the loop of this command until it is done.

    Between two lines the loop stands still: a task that was started goes on with the next ``await``.

    Args:
        names: what the code sees, and changes.
    """

    def __init__(self, names: dict[str, t.Any]) -> None:
        super().__init__(names)
        self.compile: CommandCompiler = typed.compiler()
        self.names = names

    def runcode(self, code: CodeType) -> None:
        """Run what was typed, and show its error. Raises SystemExit."""
        try:
            typed.run(code, self.names)
        except SystemExit:
            raise
        except KeyboardInterrupt:
            self.write("\nKeyboardInterrupt\n")
        except BaseException as error:
            # `showtraceback` leaves out one frame, and there are two before the code.
            error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
            self.showtraceback()


def _run_startup_file(names: dict[str, t.Any]) -> None:
    # Python itself does so for its own prompt only.
    path = os.environ.get("PYTHONSTARTUP", "")
    if os.path.isfile(path):
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec"), names)


def _prepare_prompt(names: dict[str, t.Any]) -> None:
    """Call the hook that makes line editing and history, with completion of `names` rather than of ``__main__``."""
    try:
        import readline
        from rlcompleter import Completer
    except ImportError:  # no such library on this system
        pass
    else:
        readline.set_completer(Completer(names).complete)
    hook: t.Callable[[], object] | None = getattr(sys, "__interactivehook__", None)
    if hook is not None:
        hook()


@click.command("shell", short_help="Run a shell in the app context.")
@with_appcontext
def shell_command() -> None:
    """Run an interactive Python shell with the application's context and names.

    The names are 'app', 'g', and what the application's shell context processors add. 'await' works at the prompt.
    """
    try:
        begin_serving(click.get_current_context())
    except Exception as error:
        click.secho(f"The application did not start; the shell goes on without ({error}).", fg="red", err=True)
    app = current_app
    names: dict[str, t.Any] = {}
    _run_startup_file(names)
    names |= app.make_shell_context()
    _prepare_prompt(names)
    system = f"Python {sys.version} on {sys.platform}"
    Shell(names).interact(banner=f"{system}\nApp: {app.import_name}\nInstance: {app.instance_path}")
