"""Which signals there are."""

from __future__ import annotations

import blinker
import pytest

from asyncflask import signals

NAMES = [
    "appcontext_popped",
    "appcontext_pushed",
    "appcontext_tearing_down",
    "before_render_template",
    "got_background_exception",
    "got_request_exception",
    "got_serving_exception",
    "got_websocket_exception",
    "message_flashed",
    "request_finished",
    "request_started",
    "request_tearing_down",
    "template_rendered",
    "websocket_finished",
    "websocket_started",
    "websocket_tearing_down",
]


def test_these_are_all():
    assert sorted(name for name, value in vars(signals).items() if isinstance(value, blinker.Signal)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_signal_is_named_after_its_variable_and_is_ours_alone(name):
    signal = getattr(signals, name)
    assert signal.name == name.replace("_", "-")
    assert blinker.signal(signal.name) is not signal


def test_namespace_makes_signals_for_extensions():
    assert signals.Namespace().signal("own").name == "own"
