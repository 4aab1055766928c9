"""``shell``: an interactive Python in an application context."""

from __future__ import annotations

import os
import sys
import typing as t

import click

from ..globals import current_app
from .groups import with_appcontext


def _run_startup_file(names: dict[str, t.Any]) -> None:
    # Python itself does so for its own prompt only.
    path = os.environ.get("PYTHONSTARTUP", "")
    if os.path.isfile(path):
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec"), names)


def _prepare_prompt(names: dict[str, t.Any]) -> None:
    """Call the hook that makes line editing and history, with completion of `names` rather than of ``__main__``."""
    hook: t.Callable[[], object] | None = getattr(sys, "__interactivehook__", None)
    if hook is None:
        return
    try:
        from readline import set_completer
        from rlcompleter import Completer
    except ImportError:  # no such library on this system
        pass
    else:
        set_completer(Completer(names).complete)
    hook()


@click.command("shell", short_help="Run a shell in the app context.")
@with_appcontext
def shell_command() -> None:
    """Run an interactive Python shell with the application's context and names.

    The names are 'app', 'g', and what the application's shell context processors add.
    """
    from code import interact

    app = current_app
    names: dict[str, t.Any] = {}
    _run_startup_file(names)
    names |= app.make_shell_context()
    _prepare_prompt(names)
    system = f"Python {sys.version} on {sys.platform}"
    interact(banner=f"{system}\nApp: {app.import_name}\nInstance: {app.instance_path}", local=names)
