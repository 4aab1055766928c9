"""The application's logger, and where its messages go when nothing else was configured."""

from __future__ import annotations

import logging
import sys
import typing as t

from werkzeug.local import LocalProxy

from .globals import _cv_request

if t.TYPE_CHECKING:
    from .sansio.app import App


def _error_stream() -> t.TextIO:
    ctx = _cv_request.get(None)
    if ctx is None:
        return sys.stderr
    stream: t.TextIO = ctx.request.environ["wsgi.errors"]
    return stream


wsgi_errors_stream: t.TextIO = LocalProxy(_error_stream)  # type: ignore[assignment]
"""The stream for messages about errors: ``wsgi.errors`` of the current request, outside of one ``sys.stderr``.

A logging configuration can name it as ``ext://asyncflask.logging.wsgi_errors_stream``. (Flask docs: Logging.)
"""

default_handler: logging.StreamHandler[t.TextIO] = logging.StreamHandler(wsgi_errors_stream)
"""Writes ``[time] LEVEL in module: message`` to `wsgi_errors_stream`; `create_logger` adds it where none is set up."""
default_handler.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)s in %(module)s: %(message)s"))


def has_level_handler(logger: logging.Logger) -> bool:
    """Return whether some handler, of `logger` or of one it propagates to, takes messages of its effective level."""
    wanted = logger.getEffectiveLevel()
    node: logging.Logger | None = logger
    while node is not None:
        for handler in node.handlers:
            if handler.level <= wanted:
                return True
        node = node.parent if node.propagate else None
    return False


def create_logger(app: App) -> logging.Logger:
    """Return the logger named after the application, set up as far as the user has not done it.

    In debug mode its level becomes DEBUG unless it has one. If no handler would take its messages, it gets
    `default_handler`. (Flask docs: Logging.)
    """
    logger = logging.getLogger(app.name)
    if logger.level == logging.NOTSET and app.debug:
        logger.setLevel(logging.DEBUG)
    if not has_level_handler(logger):
        logger.addHandler(default_handler)
    return logger
