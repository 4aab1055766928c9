"""The command line: ``asyncflask run``, ``shell``, ``routes``, and the commands of applications and plugins.

Every application has a command group, so this package is loaded with the first one; what only a command line needs is
loaded when it is asked for.
"""

from __future__ import annotations

import typing as t
from importlib import import_module

from .groups import AppGroup, pass_script_info, with_appcontext
from .locate import NoAppException, ScriptInfo, find_app_by_string, find_best_app, locate_app, prepare_import

if t.TYPE_CHECKING:
    from ..serving import run_simple
    from .dotenv import load_dotenv
    from .entry import cli, main
    from .flask_group import FlaskGroup
    from .options import CertParamType, SeparatedPathType, get_version, version_option
    from .routes import routes_command
    from .run import run_command, show_server_banner
    from .shell import shell_command

__all__ = [
    "AppGroup",
    "CertParamType",
    "FlaskGroup",
    "NoAppException",
    "ScriptInfo",
    "SeparatedPathType",
    "cli",
    "find_app_by_string",
    "find_best_app",
    "get_version",
    "load_dotenv",
    "locate_app",
    "main",
    "pass_script_info",
    "prepare_import",
    "routes_command",
    "run_command",
    "run_simple",
    "shell_command",
    "show_server_banner",
    "version_option",
    "with_appcontext",
]

# Name -> the module that has it.
_LATER = {
    "CertParamType": "options",
    "FlaskGroup": "flask_group",
    "SeparatedPathType": "options",
    "_called_with_wrong_args": "locate",
    "_path_is_ancestor": "dotenv",
    "_validate_key": "options",
    "cli": "entry",
    "get_version": "options",
    "load_dotenv": "dotenv",
    "main": "entry",
    "routes_command": "routes",
    "run_command": "run",
    "shell_command": "shell",
    "show_server_banner": "run",
    "version_option": "options",
}


def __getattr__(name: str) -> t.Any:
    if name == "run_simple":  # not kept: whoever replaces it in `serving` is to be found there
        from .. import serving

        return serving.run_simple
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, "run_simple"})
