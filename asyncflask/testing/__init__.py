"""What tests of an application need: clients that need no server, and a runner for its commands.

The async client brings httpx, and loads when it is asked for. (Flask docs: Testing Flask Applications.)
"""

from __future__ import annotations

import typing as _t

from ..lazy import late_names as _late_names
from .builder import EnvironBuilder
from .client import FlaskClient, werkzeug_version
from .lifespan import LifespanError, TestApp
from .runner import FlaskCliRunner

if _t.TYPE_CHECKING:
    from .async_client import AsyncFlaskClient
    from .websocket import WebsocketDisconnectError, WebsocketResponseError

_get_werkzeug_version = werkzeug_version  # by its name in Flask

__all__ = [
    "AsyncFlaskClient",
    "EnvironBuilder",
    "FlaskCliRunner",
    "FlaskClient",
    "LifespanError",
    "TestApp",
    "WebsocketDisconnectError",
    "WebsocketResponseError",
]

if not _t.TYPE_CHECKING:
    __getattr__ = _late_names(
        __name__,
        {
            "AsyncFlaskClient": f"{__name__}.async_client",
            "WebsocketDisconnectError": f"{__name__}.websocket",
            "WebsocketResponseError": f"{__name__}.websocket",
        },
    )
