"""The provider on orjson gives what the default provider gives, by itself or by asking that."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import json
import sys
import uuid
from collections import OrderedDict, namedtuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

import asyncflask
from asyncflask.json import fast
from asyncflask.json.fast import FastJSONProvider
from asyncflask.json.provider import DefaultJSONProvider
from asyncflask.plain import is_plain


class FakeApp:
    debug = False

    def response_class(self, body, mimetype):
        return body if isinstance(body, bytes) else body.encode(), mimetype


class Number(int):
    pass


class Text(str):
    __slots__ = ()


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: object
    y: object


@dataclasses.dataclass
class Table(dict):
    x: int


APP = FakeApp()
Pair = namedtuple("Pair", "a b")
AWARE = st.datetimes(timezones=st.just(dt.UTC), min_value=dt.datetime(1, 1, 3), max_value=dt.datetime(9999, 12, 29))

KEYS = st.text(max_size=5)
ODD_KEYS = st.text(max_size=3) | st.integers() | st.floats() | st.booleans() | st.none()
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text()
    | st.characters(categories=["Cs"])
    | st.sampled_from([Level.LOW, Number(7), Text("x"), Markup("<b>"), Table(1), "null", "e-", "\x7f", "\u2028"])
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.dates()
    | AWARE
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(KEYS, inner)
        | st.dictionaries(ODD_KEYS, inner)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
        | st.builds(Point, inner, inner)
        | st.dictionaries(KEYS, inner).map(OrderedDict)
        | st.just({1, 2})
    ),
    max_leaves=20,
)


def outcome(function, *args):
    """What a call gives, or the kind and text of its error; NaN equals itself here."""
    try:
        return repr(function(*args))
    except (TypeError, ValueError) as error:
        return type(error), str(error)


@given(DOCUMENTS, st.booleans(), st.booleans())
@example([1e-05, 1e-07, 1.5e-10, 0.00001234, 1e16, 1e22, 123456789012345680.0, 5e-324, -0.0], True, True)
@example({"b": 1, "a": {"\uffff": 1, "\U00010000": 2}}, False, True)
def test_writes_what_the_default_provider_writes(obj, ensure_ascii, sort_keys):
    ours, plain = FastJSONProvider(APP), DefaultJSONProvider(APP)
    for provider in (ours, plain):
        provider.ensure_ascii, provider.sort_keys = ensure_ascii, sort_keys
    assert outcome(ours.response, obj) == outcome(plain.response, obj)
    assert outcome(ours.dumps, obj) == outcome(plain.dumps, obj)
    compact = {"separators": (",", ":")}
    assert outcome(lambda: ours.dumps(obj, **compact)) == outcome(lambda: plain.dumps(obj, **compact))
    if not is_plain():
        (write, mimetype), (written, _) = ours.body_writer(), plain.body_writer()
        assert (outcome(write, obj), mimetype) == (outcome(written, obj), "application/json")


@given(st.floats())
def test_floats(number):
    assert FastJSONProvider(APP).response(number) == DefaultJSONProvider(APP).response(number)


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
PIECES = NUMBERS | st.text(max_size=6) | st.sampled_from([*'[]{},:" \n\\', "NaN", "Infinity", "null", "\\ud800"])
TEXTS = st.lists(PIECES).map("".join) | NUMBERS.map(lambda number: f"[{number}]") | DOCUMENTS.map(repr)
TEXTS |= st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
).flatmap(lambda obj: st.sampled_from([json.dumps(obj), json.dumps(obj, ensure_ascii=False)]))


@given(TEXTS)
@example("18446744073709551616")
@example("-9223372036854775809")
@example("[-0, -0.0, 1e400, -1e400, 1E5]")
@example('{"a": 1, "a": 2}')
@example("[" * 1100 + "]" * 1100)
@example("\ufeff1")
@example("1\u0661")
def test_reads_what_the_default_provider_reads(text):
    ours, plain = FastJSONProvider(APP), DefaultJSONProvider(APP)
    text += " " * 200  # as long as orjson is asked for
    assert outcome(ours.loads, text) == outcome(plain.loads, text)
    data = text.encode("utf-8", "surrogatepass")
    assert outcome(ours.loads, data) == outcome(plain.loads, data)


@pytest.mark.parametrize("data", [b"\xff", '"x"'.encode("utf-16"), bytearray(b"[1]"), None, 1])
def test_reads_what_is_no_utf8(data):
    if isinstance(data, bytes):
        data += data * 200
    ours, plain = FastJSONProvider(APP), DefaultJSONProvider(APP)
    assert outcome(ours.loads, data) == outcome(plain.loads, data)
    assert ours.loads("1", parse_int=str) == "1"


@pytest.fixture
def only_orjson(monkeypatch):
    """The default provider and the standard library fail."""

    def fail(*args, **kwargs):
        raise AssertionError("the slow way was taken")

    monkeypatch.setattr(DefaultJSONProvider, "dumps", fail)
    monkeypatch.setattr(DefaultJSONProvider, "loads", fail)


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        ({"id": 42, "a": [1.5, True]}, b'{"a":[1.5,true],"id":42}\n'),
        ([dt.date(1975, 1, 5), decimal.Decimal("0.30")], b'["Sun, 05 Jan 1975 00:00:00 GMT","0.30"]\n'),
        (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"\n'),
        (Point(1, [Point(2, "")]), b'{"x":1,"y":[{"x":2,"y":""}]}\n'),
    ],
)
def test_ordinary_documents_are_written_by_orjson(only_orjson, obj, text):
    assert FastJSONProvider(APP).response(obj) == (text, "application/json")
    if not is_plain():
        assert FastJSONProvider(APP).body_writer()[0](obj) == text


def test_a_subclass_with_its_own_ways_is_asked_for_each_response():
    class Own(FastJSONProvider):
        def response(self, *args, **kwargs):
            return super().response({"own": args})

    assert Own(APP).body_writer() is None


def test_ordinary_documents_are_read_by_orjson(only_orjson):
    provider = FastJSONProvider(APP)
    text = f'{{"text": "{"é" * 200}", "number": -12.5}}'
    assert provider.loads(text) == provider.loads(text.encode()) == {"text": "é" * 200, "number": -12.5}


def test_attributes_may_change_at_any_time():
    provider = FastJSONProvider(APP)
    data = {"b": "é", "a": uuid.UUID(int=0)}
    provider.default = lambda o: "other"
    assert provider.response(data)[0] == b'{"a":"other","b":"\\u00e9"}\n'
    provider.sort_keys, provider.ensure_ascii = False, False
    assert provider.response(data)[0] == '{"b":"é","a":"other"}\n'.encode()
    provider.mimetype = "application/vnd.x+json"
    assert provider.response(1) == (b"1\n", "application/vnd.x+json")
    provider.compact = False
    assert provider.response([1])[0] == b"[\n  1\n]\n"


def test_debug_mode_is_indented(monkeypatch):
    monkeypatch.setattr(APP, "debug", True, raising=False)
    assert FastJSONProvider(APP).response([1])[0] == b"[\n  1\n]\n"


def test_a_circle_and_depth_have_the_errors_of_the_default_provider():
    circle = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular reference detected"):
        FastJSONProvider(APP).response(circle)
    deep = []
    for _ in range(300):
        deep = [deep]
    assert FastJSONProvider(APP).response(deep) == DefaultJSONProvider(APP).response(deep)


def test_an_enum_is_written_as_its_value():
    plain = enum.Enum("plain", {"A": 5})
    assert FastJSONProvider(APP).response([plain.A])[0] == b"[5]\n"


def test_without_orjson_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "orjson", None)
    with pytest.raises(RuntimeError, match=r"pip install 'asyncflask\[fast\]'"):
        FastJSONProvider(APP)


def test_it_is_used_where_it_is_asked_for(monkeypatch, app):
    assert type(app.json) is DefaultJSONProvider

    class FastApp(asyncflask.App):
        json_provider_class = FastJSONProvider

    app = FastApp("fast_app")
    asked = []
    monkeypatch.setattr(FastJSONProvider, "_compact", lambda self, obj: asked.append(obj))

    @app.post("/")
    async def echo():
        return asyncflask.request.get_json()

    answer = app.test_client().post("/", json={"a": "x" * fast._WORTH_IT})
    assert answer.get_json() == asked[0]
