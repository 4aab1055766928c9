"""Options of a route: taken, refused, named."""

from __future__ import annotations

import pytest
from werkzeug.routing import Rule

from asyncflask.sansio.options import check_route_options, check_rule_options, take_route_options


def test_ours_are_taken_out_and_the_others_left():
    ours = {"threaded": False, "stream_body": True, "on_disconnect": "cancel", "timeout": 1.5, "middleware": [print]}
    options = {**ours, "strict_slashes": False}
    assert take_route_options("/x", options) == ours
    assert options == {"strict_slashes": False}


def test_defaults():
    defaults = {"threaded": None, "stream_body": False, "on_disconnect": "finish", "timeout": None, "middleware": ()}
    assert take_route_options("/x", {}) == defaults


@pytest.mark.parametrize("option", [{"threaded": None}, {"threaded": True}, {"on_disconnect": "finish"}])
def test_all_allowed_values(option):
    check_route_options("/x", option)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("threaded", 1, TypeError),
        ("threaded", "yes", TypeError),
        ("stream_body", None, TypeError),
        ("stream_body", 0, TypeError),
        ("on_disconnect", "stop", ValueError),
        ("on_disconnect", True, TypeError),
        ("on_disconnect", [], TypeError),
    ],
)
def test_a_wrong_value_is_named_with_its_rule_and_what_is_allowed(name, value, error):
    with pytest.raises(error) as caught:
        take_route_options("/files/<path:p>", {name: value})
    message = str(caught.value)
    assert f"'{name}'" in message and "'/files/<path:p>'" in message and repr(value) in message
    assert ("'finish', 'cancel'" if name == "on_disconnect" else "True, False") in message


def test_an_unknown_option_is_named_with_the_known_ones():
    with pytest.raises(TypeError, match=r"Unknown option 'method' of the rule '/x'\. Known options: .*") as caught:
        check_rule_options("/x", ["methods", "method"], Rule)
    for known in ("methods", "defaults", "websocket", "threaded", "stream_body", "provide_automatic_options"):
        assert f" {known}" in str(caught.value)


def test_a_rule_class_says_itself_what_it_takes():
    class Named(Rule):
        def __init__(self, string, *, label, methods=None):
            super().__init__(string, methods=methods)

    class Any(Rule):
        def __init__(self, string, **options):
            super().__init__(string)

    check_rule_options("/x", ["label"], Named)
    check_rule_options("/x", ["whatever"], Any)
    with pytest.raises(TypeError, match="'defaults'"):
        check_rule_options("/x", ["defaults"], Named)
