"""Flask's API, native to asyncio.

Names that bring Jinja or other big libraries with them load when they are first asked for.
"""

from __future__ import annotations

import sys as _sys
import typing as _t

from . import json as json
from .app import App as App
from .app import Flask as Flask
from .blueprints import Blueprint as Blueprint
from .config import Config as Config
from .ctx import after_this_request as after_this_request
from .ctx import copy_current_request_context as copy_current_request_context
from .ctx import copy_current_websocket_context as copy_current_websocket_context
from .ctx import has_app_context as has_app_context
from .ctx import has_request_context as has_request_context
from .ctx import has_websocket_context as has_websocket_context
from .globals import current_app as current_app
from .globals import g as g
from .globals import request as request
from .globals import session as session
from .globals import websocket as websocket
from .helpers import abort as abort
from .helpers import flash as flash
from .helpers import get_flashed_messages as get_flashed_messages
from .helpers import get_template_attribute as get_template_attribute
from .helpers import make_response as make_response
from .helpers import redirect as redirect
from .helpers import send_file as send_file
from .helpers import send_from_directory as send_from_directory
from .helpers import stream_with_context as stream_with_context
from .helpers import url_for as url_for
from .json import jsonify as jsonify
from .lazy import late_names as _late_names
from .lifetime import start_task as start_task
from .signals import appcontext_popped as appcontext_popped
from .signals import appcontext_pushed as appcontext_pushed
from .signals import appcontext_tearing_down as appcontext_tearing_down
from .signals import before_render_template as before_render_template
from .signals import got_background_exception as got_background_exception
from .signals import got_request_exception as got_request_exception
from .signals import got_serving_exception as got_serving_exception
from .signals import got_websocket_exception as got_websocket_exception
from .signals import message_flashed as message_flashed
from .signals import request_finished as request_finished
from .signals import request_started as request_started
from .signals import request_tearing_down as request_tearing_down
from .signals import template_rendered as template_rendered
from .signals import websocket_finished as websocket_finished
from .signals import websocket_started as websocket_started
from .signals import websocket_tearing_down as websocket_tearing_down
from .wrappers import Request as Request
from .wrappers import Response as Response
from .wrappers import Websocket as Websocket
from .wrappers.websocket import WebsocketDisconnected as WebsocketDisconnected
from .wrappers.websocket import WebsocketMessageError as WebsocketMessageError

if _t.TYPE_CHECKING:
    from . import cli as cli
    from . import compat as compat
    from . import sse as sse
    from . import templating as templating
    from .compat import install_as_flask as install_as_flask
    from .streaming import json_lines as json_lines
    from .templating import render_template as render_template
    from .templating import render_template_string as render_template_string
    from .templating import stream_template as stream_template
    from .templating import stream_template_string as stream_template_string
    from .wsgi import WSGIAdapter as WSGIAdapter

__all__ = [
    "App",
    "Blueprint",
    "Config",
    "Flask",
    "Request",
    "Response",
    "WSGIAdapter",
    "Websocket",
    "WebsocketDisconnected",
    "WebsocketMessageError",
    "abort",
    "after_this_request",
    "appcontext_popped",
    "appcontext_pushed",
    "appcontext_tearing_down",
    "before_render_template",
    "copy_current_request_context",
    "copy_current_websocket_context",
    "current_app",
    "flash",
    "g",
    "get_flashed_messages",
    "get_template_attribute",
    "got_background_exception",
    "got_request_exception",
    "got_serving_exception",
    "got_websocket_exception",
    "has_app_context",
    "has_request_context",
    "has_websocket_context",
    "install_as_flask",
    "json",
    "json_lines",
    "jsonify",
    "make_response",
    "message_flashed",
    "redirect",
    "render_template",
    "render_template_string",
    "request",
    "request_finished",
    "request_started",
    "request_tearing_down",
    "send_file",
    "send_from_directory",
    "session",
    "start_task",
    "stream_template",
    "stream_template_string",
    "stream_with_context",
    "template_rendered",
    "url_for",
    "websocket",
    "websocket_finished",
    "websocket_started",
    "websocket_tearing_down",
]

_LATE = {
    "WSGIAdapter": "wsgi",
    "cli": "cli",
    "compat": "compat",
    "install_as_flask": "compat",
    "json_lines": "streaming",
    "render_template": "templating",
    "render_template_string": "templating",
    "sse": "sse",
    "stream_template": "templating",
    "stream_template_string": "templating",
    "templating": "templating",
}

_late_name = _late_names(__name__, {name: f"{__name__}.{place}" for name, place in _LATE.items()})

if not _t.TYPE_CHECKING:  # checkers would take any name for one of ours

    def __getattr__(name: str) -> _t.Any:
        if name == "__version__":
            from .compat import deprecated_version

            return deprecated_version()
        return _late_name(name)


def __dir__() -> list[str]:
    return sorted({*vars(_sys.modules[__name__]), *_LATE})
