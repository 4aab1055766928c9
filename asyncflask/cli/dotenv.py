"""Environment variables from ``.flaskenv``, ``.env`` and files that the user names."""

from __future__ import annotations

import os

import click

_DEFAULTS = (".flaskenv", ".env")


def _path_is_ancestor(path: str, other: str) -> bool:
    """Return whether `other` lies below the folder `path`, by their names alone."""
    rest = other[len(path) :].lstrip(os.sep)
    return other == os.path.join(path, rest)


def load_dotenv(path: str | os.PathLike[str] | None = None, load_defaults: bool = True) -> bool:
    """Set environment variables from files; those that are set already stay as they are.

    Args:
        path: a file, which wins over the default ones. It is no error if there is no such file.
        load_defaults: also read the nearest ``.env`` and ``.flaskenv``, here or in a folder above; the former wins.

    Returns:
        whether any file had a variable; False without python-dotenv, after a hint if there is a file for it.

    Source: Flask docs, "Command Line Interface", Environment Variables From dotenv.
    """
    try:
        from dotenv import dotenv_values, find_dotenv
    except ImportError:
        if path or any(map(os.path.isfile, _DEFAULTS)):
            click.secho(
                " * Tip: There are .env files here, which are read once python-dotenv is installed.",
                err=True,
                fg="yellow",
            )
        return False

    files: list[str | os.PathLike[str]] = []
    if load_defaults:
        files += filter(None, [find_dotenv(name, usecwd=True) for name in _DEFAULTS])
    if path is not None and os.path.isfile(path):
        files.append(path)
    found: dict[str, str | None] = {}
    for file in files:
        found.update(dotenv_values(file, encoding="utf-8"))
    for name, value in found.items():
        if value is not None:
            os.environ.setdefault(name, value)
    return bool(found)
