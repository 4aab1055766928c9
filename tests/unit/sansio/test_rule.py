"""Rules compile what builds URLs when it is first needed, and are otherwise those of Werkzeug."""

from __future__ import annotations

import pytest
from werkzeug.routing import BuildError, Map, RequestRedirect
from werkzeug.routing import Rule as WerkzeugRule

from asyncflask import App
from asyncflask.sansio.rule import Rule

RULES = [
    ("/", {}),
    ("/a b/\u00e9", {}),
    ("/<name>", {}),
    ("/<rule>/<values>", {}),
    ("/<class>/<self>", {}),
    ("/<int(fixed_digits=3):id>/<path:rest>", {}),
    ("/page/<int:id>", {"defaults": {"id": 1}}),
    ("/<any(a, b):kind>|<name>/", {}),
]
VALUES = {
    "name": "n/\u00e9",
    "rule": "r",
    "values": "v",
    "class": "c",
    "self": "s",
    "id": 7,
    "rest": "x/y",
    "kind": "b",
}


def outcome(rule_class, text, options, values, **how):
    adapter = Map([rule_class(text, endpoint="e", **options)]).bind("host")
    try:
        return adapter.build("e", values, **how)
    except BuildError as error:
        return str(error)


@pytest.mark.parametrize(("text", "options"), RULES)
@pytest.mark.parametrize("append_unknown", [True, False])
@pytest.mark.parametrize("values", [VALUES, {}, {"id": 1}], ids=["all", "none", "one"])
def test_urls_are_those_of_werkzeug(text, options, append_unknown, values):
    how = {"append_unknown": append_unknown, "force_external": True}
    expected = outcome(WerkzeugRule, text, options, values, **how)
    assert outcome(Rule, text, options, values, **how) == expected


@pytest.mark.parametrize("text", ["/<a>/<a>", "/<None>", "/<int:True>", "/<__debug__>", "/<1>", "/<nothing:a>", "no"])
def test_a_wrong_rule_fails_where_it_is_added(text):
    with pytest.raises(Exception) as expected:
        Map([WerkzeugRule(text, endpoint="e")])
    with pytest.raises(expected.type) as caught:
        Map([Rule(text, endpoint="e")])
    assert str(caught.value) == str(expected.value)


def test_a_wrong_default_fails_where_it_is_added():
    with pytest.raises(ValueError):
        Map([Rule("/<int:id>", endpoint="e", defaults={"id": "x"})])


def test_a_builder_is_compiled_once_and_not_before(monkeypatch):
    compiled = []

    def counted(self, append_unknown=True):
        compiled.append((self.rule, append_unknown))
        return original(self, append_unknown)

    original = WerkzeugRule._compile_builder
    monkeypatch.setattr(WerkzeugRule, "_compile_builder", counted)
    app = App("x", static_folder=None)
    for number in range(3):
        app.add_url_rule(f"/{number}/<name>", f"e{number}", lambda name: name)
    adapter = app.url_map.bind("host")
    assert adapter.match("/1/n") == ("e1", {"name": "n"})
    assert compiled == []
    assert [adapter.build("e1", {"name": str(number)}) for number in range(3)] == ["/1/0", "/1/1", "/1/2"]
    assert compiled == [("/1/<name>", True)]


def test_redirects_and_representation_are_the_same():
    ours, theirs = (Map([kind("/all/", endpoint="all")]) for kind in (Rule, WerkzeugRule))
    with pytest.raises(RequestRedirect) as caught:
        ours.bind("host").match("/all")
    assert caught.value.new_url == "http://host/all/"
    assert repr(ours) == repr(theirs)


def test_copies_are_of_the_same_kind():
    assert type(Rule("/x", endpoint="e").empty()) is Rule
