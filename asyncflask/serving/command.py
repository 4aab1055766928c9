"""The command that this program was started by, to start it again."""

from __future__ import annotations

import sys


def again() -> list[str]:
    """Return the interpreter and the arguments that it had (`sys.orig_argv`), ``python -m`` and ``-c`` included."""
    return [sys.executable, *sys.orig_argv[1:]]
