"""What an import leaves for later: libraries that only some applications need, or only once they serve."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = set(
    """
    anyio asyncio click concurrent.futures cryptography dotenv httpx httptools importlib.metadata itsdangerous jinja2
    multiprocessing pytest sqlite3 tomllib uvicorn uvloop watchfiles websockets werkzeug.debug wsgiref
    """.split()
)
#: These of ours bring those with them, or are no part of most applications.
LATE = "cli compat debughelpers http_client json.tag serving templating testing views wsgi.adapter".split()
OURS = {f"asyncflask.{name}" for name in LATE}


def loaded_by(root, code):
    """The modules that a fresh interpreter has loaded after `code`."""
    command = [sys.executable, "-W", "error", "-c", f"{code}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split())


@pytest.fixture
def bare(root):
    """What any program has, such as what .pth files of the environment load."""
    return loaded_by(root, "")


MADE = """
from asyncflask import App, Blueprint, request
app = App("made")
app.add_url_rule("/", view_func=lambda: "", endpoint="index")
app.register_blueprint(Blueprint("b", "made"))
"""


@pytest.mark.parametrize("code", ["import asyncflask", MADE], ids=["import", "an app"])
def test_heavy_modules_load_later(root, bare, code):
    loaded = loaded_by(root, code) - bare
    assert "asyncflask.app" in loaded
    assert loaded & (HEAVY | OURS) == set()


@pytest.mark.parametrize(
    ("code", "module"),
    [
        ("from asyncflask import render_template", "jinja2"),
        ("import asyncflask; asyncflask.templating.Environment", "jinja2"),
        ("import asyncflask; asyncflask.App.jinja_environment", "jinja2"),
        ("import asyncflask; asyncflask.App('x').cli", "click"),
        ("import asyncflask; asyncflask.cli.AppGroup", "click"),
        ("from asyncflask.sessions import session_json_serializer", "asyncflask.json.tag"),
        ("from asyncflask import install_as_flask", "asyncflask.compat"),
        ("from asyncflask import *; stream_template, WSGIAdapter", "asyncflask.wsgi.adapter"),
    ],
)
def test_they_load_when_asked_for(root, code, module):
    assert module in loaded_by(root, code)
