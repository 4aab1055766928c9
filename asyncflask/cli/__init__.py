"""The command line: ``asyncflask run``, ``shell``, ``routes``, and the commands of applications and plugins.

Every application has a command group, so this package is loaded with the first one; what only a command line needs is
loaded when it is asked for.
"""

from __future__ import annotations

from .groups import AppGroup, pass_script_info, with_appcontext
from .locate import (
    NoAppException,
    ScriptInfo,
    find_app_by_string,
    find_best_app,
    locate_app,
    prepare_import,
)

__all__ = [
    "AppGroup",
    "NoAppException",
    "ScriptInfo",
    "find_app_by_string",
    "find_best_app",
    "locate_app",
    "pass_script_info",
    "prepare_import",
    "with_appcontext",
]
