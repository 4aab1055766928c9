"""What tagged JSON gives back, and how a tag of one's own fits in."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import OrderedDict
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from asyncflask.json.tag import JSONTag, TagDateTime, TagDict, TaggedJSONSerializer

# Years of two digits are read as those of our time.
SECONDS = st.datetimes(dt.datetime(1000, 1, 1), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
KEYS = st.text() | st.sampled_from([" t", " di", " b", " t__", " di__", " u", " d", " m"])
TAGGED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.uuids() | SECONDS | st.text().map(Markup),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.lists(inner).map(tuple),
    max_leaves=15,
)


@pytest.fixture
def serializer():
    return TaggedJSONSerializer()


@given(TAGGED)
def test_gives_back_what_it_was_given(value):
    serializer = TaggedJSONSerializer()
    loaded = serializer.loads(serializer.dumps(value))
    assert loaded == value and type(loaded) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ((1, (2,)), '{" t":[1,{" t":[2]}]}'),
        ([b"\xff"], '[{" b":"/w=="}]'),
        (Markup("<p>"), '{" m":"<p>"}'),
        (SimpleNamespace(__html__=lambda: "<b>"), '{" m":"<b>"}'),
        (uuid.UUID(int=1), '{" u":"00000000000000000000000000000001"}'),
        (dt.datetime(2000, 1, 2), '{" d":"Sun, 02 Jan 2000 00:00:00 GMT"}'),
        ({" t": 1}, '{" di":{" t__":1}}'),
        ({" t": 1, "x": (2,)}, '{" t":1,"x":{" t":[2]}}'),
        ({"x": [1]}, '{"x":[1]}'),
    ],
)
def test_the_text_is_what_flask_writes(serializer, value, text):
    assert serializer.dumps(value) == text


def test_unknown_single_keys_are_left_alone(serializer):
    assert serializer.loads('{" zz":1}') == {" zz": 1}
    assert serializer.loads('{" t":[],"a":1}') == {" t": [], "a": 1}


def test_a_key_is_registered_once(serializer):
    class Own(JSONTag):
        key = " d"

    with pytest.raises(KeyError, match="Tag ' d' is already registered"):
        serializer.register(Own)
    assert isinstance(serializer.tags[" d"], TagDateTime)
    serializer.register(Own, force=True, index=0)
    assert serializer.tags[" d"] is serializer.order[0]
    assert type(serializer.order[0]) is Own


def test_the_index_is_that_of_a_list(serializer):
    class First(JSONTag):
        key = " 1"

    class Second(JSONTag):
        key = " 2"

    serializer.register(First, index=-1)
    serializer.register(Second)
    assert type(serializer.order[-3]) is First and type(serializer.order[-1]) is Second


def test_a_tag_of_ones_own_goes_first(serializer):
    class TagOrderedDict(JSONTag):
        __slots__ = ()
        key = " od"

        def check(self, value):
            return isinstance(value, OrderedDict)

        def to_json(self, value):
            return [[name, self.serializer.tag(item)] for name, item in value.items()]

        def to_python(self, value):
            return OrderedDict(value)

    serializer.register(TagOrderedDict, index=0)
    value = OrderedDict(b=(1,), a=2)
    loaded = serializer.loads(serializer.dumps(value))
    assert type(loaded) is OrderedDict and list(loaded.items()) == [("b", (1,)), ("a", 2)]


class TagNumber(JSONTag):
    """For a type that JSON has, and that no other tag is asked about."""

    key = " n"

    def check(self, value):
        return type(value) is int

    def to_json(self, value):
        return str(value)

    def to_python(self, value):
        return int(value)


@pytest.mark.parametrize("directly", [False, True])
@pytest.mark.parametrize("index", [0, 8])
def test_a_tag_for_a_plain_type_is_tried(serializer, index, directly):
    assert serializer.dumps({"a": 1, "b": 2}) == '{"a":1,"b":2}'
    if directly:
        made = TagNumber(serializer)
        serializer.order.insert(index, made)
        serializer.tags[" n"] = made
    else:
        serializer.register(TagNumber, index=index)
    text = serializer.dumps({"a": 1, "b": [2, True]})
    assert text == '{"a":{" n":"1"},"b":[{" n":"2"},true]}'
    assert serializer.loads(text) == {"a": 1, "b": [2, True]}


def test_a_subclass_with_other_tags_tries_them():
    class Own(TaggedJSONSerializer):
        default_tags: ClassVar[list[type[JSONTag]]] = [*TaggedJSONSerializer.default_tags, TagNumber]

    assert Own().dumps([1, "a", None]) == '[{" n":"1"},"a",null]'


def test_a_serializer_has_tags_of_its_own(serializer):
    class Own(JSONTag):
        key = " own"

    serializer.register(Own)
    assert " own" not in TaggedJSONSerializer().tags
    assert type(TaggedJSONSerializer().order[0]) is TagDict


def test_the_base_tag_leaves_everything_to_do():
    tag = JSONTag(None)
    for method in (tag.check, tag.to_json, tag.to_python, tag.tag):
        with pytest.raises(NotImplementedError):
            method(1)
