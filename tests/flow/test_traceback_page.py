"""Werkzeug's debugger in front of the app, as WSGI middleware that ASGI honours: the page, and a frame's locals."""

from __future__ import annotations

import re

import pytest
from werkzeug.debug import DebuggedApplication

TRACE = "TypeError: the view has failed"


@pytest.fixture
def debugged(app):
    app.debug = True  # so that errors leave the app
    app.wsgi_app = DebuggedApplication(app.wsgi_app, evalex=True, pin_security=False)

    @app.get("/sync")
    def fails():
        treasure = "found in the sync view"
        assert treasure
        raise TypeError("the view has failed")  # the line to be shown

    @app.get("/async")
    async def fails_too():
        treasure = "found in the async view"
        assert treasure
        raise TypeError("the view has failed")  # the line to be shown

    return app


@pytest.mark.parametrize("path", ["/sync", "/async"])
@pytest.mark.parametrize("transport", ["asgi", "wsgi"])
def test_an_error_is_shown_with_its_source_and_its_locals(debugged, path, transport):
    client = debugged.test_client(transport=transport)
    answer = client.get(path)
    assert answer.status_code == 500
    assert answer.mimetype == "text/html"
    assert TRACE in answer.text
    assert "the line to be shown" in answer.text
    frame = re.findall(r'<div class="frame" id="frame-(\d+)">', answer.text)[-1]
    secret = re.search(r'SECRET = "([^"]+)"', answer.text)[1]
    query = {"__debugger__": "yes", "cmd": "treasure", "frm": frame, "s": secret}
    console = client.get("/", query_string=query)
    assert f"found in the {path[1:]} view" in console.text
