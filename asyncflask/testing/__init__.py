"""What tests of an application need: clients that need no server, and a runner for its commands.

(Flask docs: Testing Flask Applications.)
"""

from __future__ import annotations

from .builder import EnvironBuilder
from .client import FlaskClient, werkzeug_version
from .runner import FlaskCliRunner

_get_werkzeug_version = werkzeug_version  # by its name in Flask

__all__ = ["EnvironBuilder", "FlaskCliRunner", "FlaskClient"]
