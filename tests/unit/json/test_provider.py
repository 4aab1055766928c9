"""The default provider writes what the standard library writes, and keeps its encoders ready."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import gc
import io
import json
import threading
import uuid
import weakref
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from asyncflask.json.provider import DefaultJSONProvider, JSONProvider, _default


class FakeApp:
    def __init__(self, debug=False):
        self.debug = debug

    def response_class(self, body, mimetype):
        return body, mimetype


APP = FakeApp()

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "separators": st.sampled_from([(",", ":"), [",", ":"], None]),
        "indent": st.sampled_from([None, 0, 2, "\t"]),
        "ensure_ascii": st.booleans(),
        "sort_keys": st.booleans(),
        "skipkeys": st.booleans(),
        "check_circular": st.booleans(),
        "default": st.none(),
    },
)


@given(PLAIN, OPTIONS)
def test_writes_what_json_dumps_writes(obj, options):
    provider = DefaultJSONProvider(APP)
    expected = json.dumps(obj, **{"default": _default, "ensure_ascii": True, "sort_keys": True, **options})
    assert provider.dumps(obj, **options) == expected
    assert provider.dumps(obj, **options) == expected


@pytest.fixture
def provider():
    return DefaultJSONProvider(APP)


@dataclasses.dataclass
class Point:
    x: int
    y: object


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (dt.datetime(1973, 3, 11, 6, 30, 45), '"Sun, 11 Mar 1973 06:30:45 GMT"'),
        (dt.datetime(2000, 1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), '"Fri, 31 Dec 1999 23:00:00 GMT"'),
        (dt.date(1975, 1, 5), '"Sun, 05 Jan 1975 00:00:00 GMT"'),
        (decimal.Decimal("0.30"), '"0.30"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Point(1, Point(2, None)), '{"x": 1, "y": {"x": 2, "y": null}}'),
        (SimpleNamespace(__html__=lambda: Markup("<p>")), '"<p>"'),
    ],
)
def test_types_that_json_lacks(provider, value, text):
    assert provider.dumps(value) == text


@pytest.mark.parametrize(
    ("value", "message"),
    [(object(), "Object of type object is not JSON serializable"), (Point, "should be called on dataclass instances")],
)
def test_what_cannot_be_written(provider, value, message):
    with pytest.raises(TypeError, match=message):
        provider.dumps([value])


def test_attributes_may_change_at_any_time(provider):
    data = {"b": "é", "a": 1}
    assert provider.dumps(data) == '{"a": 1, "b": "\\u00e9"}'
    provider.sort_keys = False
    assert provider.dumps(data) == '{"b": "\\u00e9", "a": 1}'
    provider.ensure_ascii = False
    assert provider.dumps(data) == '{"b": "é", "a": 1}'
    provider.default = lambda o: "other"
    assert provider.dumps(object()) == '"other"'
    assert provider.dumps(object(), default=lambda o: "given") == '"given"'


def test_default_may_be_a_method():
    class Own(DefaultJSONProvider):
        def default(self, o):
            return super().default(o) if isinstance(o, uuid.UUID) else type(self).__name__

    provider = Own(APP)
    assert provider.dumps([object(), uuid.UUID(int=0)]) == provider.dumps(["Own", str(uuid.UUID(int=0))])
    assert len(provider._ready) == 1


def test_an_encoder_is_made_once_for_a_set_of_options(provider, monkeypatch):
    provider.dumps(1, separators=(",", ":"))
    monkeypatch.setattr(json, "JSONEncoder", None)
    assert provider.dumps([2], separators=(",", ":")) == "[2]"


def test_encoders_of_passing_options_are_not_kept_for_ever(provider):
    for _ in range(100):
        provider.dumps(1, default=lambda o: o)
    assert len(provider._ready) <= 32


def test_an_encoder_class_is_made_for_each_document(provider):
    made = []

    class Counting(json.JSONEncoder):
        def __init__(self, **kwargs):
            made.append(kwargs["sort_keys"])
            super().__init__(**kwargs)

    assert [provider.dumps(1, cls=Counting), provider.dumps(2, cls=Counting)] == ["1", "2"]
    assert made == [True, True]


def test_an_unknown_option_is_refused(provider):
    for _ in range(2):
        with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
            provider.dumps(1, nonsense=1)


def test_a_circle_is_told_from_depth(provider):
    circle = []
    circle.append({"a": circle})
    with pytest.raises(ValueError, match="Circular reference detected"):
        provider.dumps(circle)
    with pytest.raises(ValueError, match="Circular reference detected"):
        provider.dumps(object(), default=lambda o: o)

    deep = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        provider.dumps(deep)
    while deep:  # one by one: freeing it at once would nest as deeply
        deep = deep.pop()


def test_after_an_error_the_same_object_can_be_written(provider):
    data = {"a": [object()]}
    with pytest.raises(TypeError):
        provider.dumps(data)
    data["a"] = [1]
    assert provider.dumps(data) == '{"a": [1]}'


def test_one_object_may_be_written_by_several_threads_at_once(provider):
    inside, leave = threading.Event(), threading.Event()
    shared = [object()]

    def default(o):
        if threading.current_thread() is slow:
            inside.set()
            leave.wait(30)
        return "x"

    provider.default = default
    texts = []
    slow = threading.Thread(target=lambda: texts.append(provider.dumps(shared)))
    slow.start()
    assert inside.wait(30)
    texts.append(provider.dumps(shared))
    leave.set()
    slow.join()
    assert texts == ['["x"]', '["x"]']


def test_a_not_a_number_is_refused_where_asked(provider):
    assert provider.dumps(float("nan")) == "NaN"
    with pytest.raises(ValueError, match="not JSON compliant"):
        provider.dumps([float("nan")], allow_nan=False)


def test_loads(provider):
    assert provider.loads('{"a": 1}') == provider.loads(b'{"a": 1}') == {"a": 1}
    assert provider.loads("1", parse_int=str) == "1"
    with pytest.raises(ValueError):
        provider.loads("{")
    with pytest.raises(UnicodeDecodeError):
        provider.loads(b'"\xff"')


def test_files(provider):
    out = io.StringIO()
    provider.dump({"b": 1, "a": 2}, out, indent=0)
    assert out.getvalue() == '{\n"a": 2,\n"b": 1\n}'
    assert provider.load(io.BytesIO(b"[1]")) == [1]


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [((), {}, "null"), ((1,), {}, "1"), ((1, 2), {}, "[1,2]"), (([],), {}, "[]"), ((), {"a": None}, '{"a":null}')],
)
def test_response_takes_args_or_kwargs(provider, args, kwargs, text):
    assert provider.response(*args, **kwargs) == (text + "\n", "application/json")


def test_response_refuses_both(provider):
    with pytest.raises(TypeError, match=r"app\.json\.response\(\) takes either args or kwargs, not both"):
        provider.response(1, a=2)


@pytest.mark.parametrize(
    ("debug", "compact", "text"),
    [
        (False, None, "[1]"),
        (True, None, "[\n  1\n]"),
        (True, True, "[1]"),
        (False, False, "[\n  1\n]"),
    ],
)
def test_response_is_indented_in_debug_mode(debug, compact, text):
    app = FakeApp(debug)
    provider = DefaultJSONProvider(app)
    provider.compact = compact
    assert provider.response([1])[0] == text + "\n"


def test_response_has_the_mimetype_of_the_provider(provider):
    provider.mimetype = "application/vnd.x+json"
    assert provider.response(1)[1] == "application/vnd.x+json"


def test_the_base_class_builds_on_dumps_and_loads():
    class Own(JSONProvider):
        def dumps(self, obj, **kwargs):
            return repr(obj)

        def loads(self, s, **kwargs):
            return s * 2

    provider = Own(APP)
    out = io.StringIO()
    provider.dump(1, out)
    assert (out.getvalue(), provider.load(io.StringIO("a"))) == ("1", "aa")
    assert provider.response(a=1) == ("{'a': 1}", "application/json")


def test_the_base_class_has_no_format():
    provider = JSONProvider(APP)
    with pytest.raises(NotImplementedError):
        provider.dumps(1)
    with pytest.raises(NotImplementedError):
        provider.loads("1")


def test_a_provider_does_not_keep_its_application_alive():
    app = FakeApp()
    gone = weakref.ref(app)
    provider = DefaultJSONProvider(app)
    provider.response(1)
    del app
    gc.collect()
    assert gone() is None
