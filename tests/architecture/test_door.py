"""The public door: `asyncflask` offers these names and no others, and all of them are Flask's but a few."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import asyncflask

FLASKS = set(
    """
    Blueprint Config Flask Request Response abort after_this_request appcontext_popped appcontext_pushed
    appcontext_tearing_down before_render_template copy_current_request_context current_app flash g get_flashed_messages
    get_template_attribute got_request_exception has_app_context has_request_context jsonify make_response
    message_flashed redirect render_template render_template_string request request_finished request_started
    request_tearing_down send_file send_from_directory session stream_template stream_template_string
    stream_with_context template_rendered url_for
    """.split()
)
OURS = set("App WSGIAdapter WebsocketDisconnected WebsocketMessageError install_as_flask json_lines start_task".split())
QUARTS = set(
    """
    Websocket copy_current_websocket_context got_background_exception got_serving_exception got_websocket_exception
    has_websocket_context websocket websocket_finished websocket_started websocket_tearing_down
    """.split()
)

# Flask's own list is read in another process: no test of ours runs with Flask loaded by accident.
LIST_FLASK = """
import flask, types
print(*[n for n in dir(flask) if n[0] != "_" and not isinstance(vars(flask)[n], types.ModuleType)])
"""


def public_names(module):
    is_module = {name: isinstance(getattr(module, name), ModuleType) for name in dir(module)}
    return {name for name, module in is_module.items() if not name.startswith("_") and not module} - {"annotations"}


def test_the_door_offers_these_names():
    assert public_names(asyncflask) == FLASKS | QUARTS | OURS


def test_a_star_import_gives_them_all_and_json():
    assert set(asyncflask.__all__) == FLASKS | QUARTS | OURS | {"json"}


def test_the_door_has_every_name_of_flask():
    done = subprocess.run([sys.executable, "-c", LIST_FLASK], capture_output=True, text=True, check=True)
    names = set(done.stdout.split())
    assert "render_template" in names
    assert {name for name in names if not hasattr(asyncflask, name)} == set()


def test_flask_is_the_app():
    assert asyncflask.Flask is asyncflask.App
