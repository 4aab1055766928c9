"""The matcher gives Werkzeug's answer or none at all."""

from __future__ import annotations

import string
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, Map, MapAdapter, RequestRedirect, Rule, Submount, ValidationError
from werkzeug.routing.matcher import StateMachineMatcher

from asyncflask.pipeline.bind import with_slash
from asyncflask.pipeline.match import SLASH, Matcher

ID = "0123456789abcdef0123456789abcdef"
UUID = "01234567-89ab-cdef-0123-456789abcdef"


class Even(BaseConverter):
    regex = r"\d+"

    def to_python(self, value: str) -> int:
        if int(value) % 2:
            raise ValidationError(value)
        return int(value)


class Pair(BaseConverter):
    regex = r"(?P<left>\w)(-)(\w)"


class Several(BaseConverter):
    """Matches slashes, so it takes all that is left of a path."""

    regex = r"\w+(?:/\w+)*"
    weight = 150


def adapter_of(url_map: Map) -> MapAdapter:
    return url_map.bind("example.com", subdomain=url_map.default_subdomain or "", query_args="q=1")


def allowed(matcher: Matcher, path: str) -> list[str] | None:
    """The methods allowed at a path, checked against Werkzeug's, or None."""
    adapter = adapter_of(matcher.url_map)
    adapter.path_info = path
    ours = matcher.allowed(adapter)
    assert ours is None or ours == list(adapter.allowed_methods())
    return ours


def ask(url_map: Map, method: str, path: str) -> Any:
    """Werkzeug's answer as (rule, arguments), or the exception; odd rules raise more than HTTP exceptions."""
    try:
        return adapter_of(url_map).match(path, method, return_rule=True)
    except Exception as error:
        return error


def agree(matcher: Matcher, method: str, path: str) -> bool:
    """Check an answer against Werkzeug's; return whether there was one that is a rule."""
    found = matcher.match(method, path)
    quick = matcher.find(method, path)
    theirs = ask(matcher.url_map, method, path)
    allowed(matcher, path)
    if quick is not None:
        assert isinstance(found, tuple) and quick[0].rule is found[0], f"{method} {path!r}: {quick} is not {found}"
        assert list(quick[1].items()) == list(found[1].items())
        assert quick[0].tame and quick[0].plain
    if not isinstance(found, tuple):
        same_miss(matcher.url_map, path, found, theirs)
        return False
    assert isinstance(theirs, tuple), f"{method} {path!r}: {found} where Werkzeug says {theirs!r}"
    assert found[0] is theirs[0], f"{method} {path!r}: {found} is not {theirs}"
    assert found[1] == theirs[1] and list(found[1]) == list(theirs[1])
    assert [type(value) for value in found[1].values()] == [type(value) for value in theirs[1].values()]
    return True


def same_miss(url_map: Map, path: str, found: Any, theirs: Any) -> None:
    """Check what was found instead of a rule."""
    if found is SLASH:
        adapter = adapter_of(url_map)
        adapter.path_info = path
        assert type(theirs) is RequestRedirect and with_slash(adapter) == theirs.new_url
    elif found is not None:
        assert type(found) is type(theirs) and vars(found) == vars(theirs), f"{path}: {vars(found)} != {vars(theirs)}"


def plain_map(*rules: Rule, **options: Any) -> Map:
    return Map(list(rules), converters={"even": Even, "pair": Pair, "several": Several}, **options)


# --- it answers where an answer is plain

PLAIN = [
    ("GET", "/", "index", {}),
    ("HEAD", "/", "index", {}),
    ("GET", "/about", "about", {}),
    ("POST", "/about", "about-post", {}),
    ("GET", "/deep/er/still", "deep", {}),
    ("GET", "/branch/", "branch", {}),
    ("GET", "/u/me", "me", {}),
    ("GET", "/u/you", "user", {"name": "you"}),
    ("DELETE", "/u/me", "user", {"name": "me"}),
    ("GET", "/u/me/posts", "posts", {"name": "me"}),
    ("GET", "/n/42", "number", {"id": 42}),
    ("GET", "/n/4.5", "float", {"id": 4.5}),
    ("GET", "/n/x", "text", {"id": "x"}),
    ("GET", "/n/\u0664\u0662", "number", {"id": 42}),
    ("GET", "/bounded/15", "bounded", {"n": 15}),
    ("GET", "/f/a/b//c.txt", "file", {"path": "a/b//c.txt"}),
    ("GET", "/f/a/b/edit", "edit", {"path": "a/b"}),
    ("GET", "/loose", "loose", {}),
    ("GET", "/loose/", "loose", {}),
    ("GET", "/leaf/", "leaf", {}),
    ("GET", "/two/a-b/7", "two", {"p": "a-b", "n": 7}),
    ("GET", "/even/8", "even", {"n": 8}),
    ("GET", "/v1.2", "version", {"major": 1, "minor": 2}),
    ("GET", "/with/9", "defaults", {"n": 9, "extra": True}),
    ("BREW", "/any", "any-method", {}),
    ("GET", "/caf\xe9 \u2603", "unicode", {}),
]


def plain_rules() -> Iterator[Rule]:
    yield Rule("/", endpoint="index", methods=["GET"])
    yield Rule("/about", endpoint="about", methods=["GET"])
    yield Rule("/about", endpoint="about-post", methods=["POST"])
    yield Rule("/deep/er/still", endpoint="deep")
    yield Rule("/branch/", endpoint="branch")
    yield Rule("/u/<name>", endpoint="user")
    yield Rule("/u/me", endpoint="me", methods=["GET"])
    yield Rule("/u/<name>/posts", endpoint="posts")
    yield Rule("/n/<id>", endpoint="text")
    yield Rule("/n/<float:id>", endpoint="float")
    yield Rule("/n/<int:id>", endpoint="number")
    yield Rule("/bounded/<int(min=10, max=20):n>", endpoint="bounded")
    yield Rule("/f/<path:path>", endpoint="file")
    yield Rule("/f/<path:path>/edit", endpoint="edit")
    yield Rule("/loose/", endpoint="loose", strict_slashes=False)
    yield Rule("/leaf", endpoint="leaf", strict_slashes=False)
    yield Rule("/two/<pair:p>/<int:n>", endpoint="two")
    yield Rule("/even/<even:n>", endpoint="even")
    yield Rule("/v<int:major>.<int:minor>", endpoint="version")
    yield Rule("/with/<int:n>", endpoint="defaults", defaults={"extra": True})
    yield Rule("/any", endpoint="any-method")
    yield Rule("/caf\xe9 \u2603", endpoint="unicode")


@pytest.mark.parametrize(("method", "path", "endpoint", "arguments"), PLAIN)
def test_plain_requests_are_answered(method: str, path: str, endpoint: str, arguments: dict[str, Any]) -> None:
    matcher = Matcher(plain_map(*plain_rules()))
    assert agree(matcher, method, path)
    found = matcher.match(method, path)
    assert isinstance(found, tuple) and found[0].endpoint == endpoint
    assert found[1] == arguments


def test_what_is_not_ours_to_answer() -> None:
    matcher = Matcher(plain_map(*plain_rules()))
    for method, path in [
        ("GET", "//about"),
        ("GET", "/deep//er/still"),  # 308
        ("GET", "/even/7"),  # the converter refuses
        ("GET", "/bounded/9"),
        ("GET", "/n/" + "9" * 5000),  # more digits than int() takes
        ("get", "/about"),
        ("", "/about"),
        ("GET", ""),
        ("GET", "/nothing//here"),
    ]:
        assert matcher.match(method, path) is None, path


def test_that_no_rule_is_at_a_path_is_known() -> None:
    matcher = Matcher(plain_map(*plain_rules(), Rule("/ws", endpoint="ws", websocket=True)))
    for path in ("/f", "/nothing/here", "/nothing/", "/about/"):
        for method in ("GET", "BREW"):
            assert type(matcher.match(method, path)) is NotFound, path
            assert allowed(matcher, path) == []
            assert not agree(matcher, method, path)
    for path in ("/ws", "/f//"):
        assert matcher.match("GET", path) is None and allowed(matcher, path) is None, path


def test_the_methods_at_a_path_are_known() -> None:
    matcher = Matcher(plain_map(*plain_rules()))
    found = matcher.match("PUT", "/about")
    assert isinstance(found, MethodNotAllowed) and set(found.valid_methods or ()) == {"GET", "HEAD", "POST"}
    assert allowed(matcher, "/about") == found.valid_methods
    for path in ("/about", "/u/me", "/", "/any", "/u/you", "/branch", "/leaf/"):
        agree(matcher, "PUT", path)
    assert allowed(matcher, "/any") == []  # as Werkzeug says of a rule that takes any
    assert allowed(matcher, "/n/42") is None  # whose converter may still refuse


def test_that_a_slash_is_missing_is_known() -> None:
    matcher = Matcher(plain_map(*plain_rules(), Rule("/a/<b>/", endpoint="b", methods=["POST"])))
    for method, path in (("GET", "/branch"), ("POST", "/a/\xe9?"), ("POST", "/a/me")):
        assert matcher.match(method, path) is SLASH
        agree(matcher, method, path)
    assert type(matcher.match("PUT", "/a/me")) is NotFound
    assert matcher.find("GET", "/branch") is None


def test_a_path_without_a_slash_is_left_to_werkzeug() -> None:
    matcher = Matcher(Map([Rule("/<a>", endpoint="a"), Rule("/b", endpoint="b")]))
    for path in ("a", "b", ""):
        assert not agree(matcher, "GET", path)


def test_slashes_at_the_front_count_once() -> None:
    url_map = plain_map(
        Rule("/<x>", endpoint="one", methods=["PUT"]),
        Rule("//<x>", endpoint="two", merge_slashes=False),
        Rule("//word", endpoint="three", merge_slashes=False),
    )
    matcher = Matcher(url_map)
    for path in ("//1", "//word", "///1"):
        assert matcher.match("GET", path) is None
        assert not isinstance(ask(url_map, "GET", path), tuple)
    assert agree(matcher, "PUT", "/1")


def test_redirecting_rules_are_left_to_werkzeug() -> None:
    url_map = plain_map(
        Rule("/new/<int:n>", endpoint="item"),
        Rule("/old/<int:n>", endpoint="item", alias=True),
        Rule("/gone", endpoint="gone", redirect_to="new/1"),
        Rule("/pages/", endpoint="pages", defaults={"n": 1}),
        Rule("/pages/<int:n>", endpoint="pages"),
        Rule("/only-built", endpoint="built", build_only=True),
        Rule("/socket", endpoint="socket", websocket=True),
        Rule("/both", endpoint="socket", websocket=True),
        Rule("/both", endpoint="http"),
    )
    matcher = Matcher(url_map)
    for path in ["/old/1", "/gone", "/pages/1", "/pages/2", "/socket"]:
        assert matcher.match("GET", path) is None, path
        agree(matcher, "PUT", path)
    assert type(matcher.match("GET", "/only-built")) is NotFound
    assert matcher.match("GET", "/pages/") == (ask(url_map, "GET", "/pages/")[0], {"n": 1})
    assert agree(matcher, "GET", "/new/1")
    assert agree(matcher, "GET", "/both")


def test_a_rule_that_cannot_compile_is_left_to_werkzeug() -> None:
    class Broken(BaseConverter):
        regex = "("

    url_map = Map([Rule("/ok", endpoint="ok"), Rule("/b/<broken:x>", endpoint="b")], converters={"broken": Broken})
    matcher = Matcher(url_map)
    assert matcher.match("GET", "/b/x") is None
    assert agree(matcher, "GET", "/ok")


def test_a_rule_that_cannot_compile_stands_in_the_way_of_those_behind_it() -> None:
    twice = Rule("/<pair:a>-<pair:b>/more", endpoint="twice", methods=["GET"])  # a group of one name two times
    matcher = Matcher(plain_map(twice, Rule("/<a>", endpoint="one", methods=["GET"])))
    assert matcher.find("GET", "/a") is None
    assert not agree(matcher, "GET", "/a")


def test_arguments_are_made_for_each_call() -> None:
    defaults = {"a": 1}
    matcher = Matcher(plain_map(Rule("/s", endpoint="s", defaults=defaults), Rule("/d/<x>", endpoint="d")))
    for path in ("/s", "/d/1"):
        first, second = matcher.match("GET", path), matcher.match("GET", path)
        assert isinstance(first, tuple) and isinstance(second, tuple)
        first[1]["changed"] = True
        assert "changed" not in second[1]
    assert defaults == {"a": 1}


# --- converters of the user's


def test_converters_are_called_as_werkzeug_calls_them() -> None:
    calls: list[str] = []

    class Recording(BaseConverter):
        def to_python(self, value: str) -> str:
            calls.append(value)
            return value[::-1]

    matcher = Matcher(Map([Rule("/r/<rec:a>/<rec:b>", endpoint="r")], converters={"rec": Recording}))
    found = matcher.match("GET", "/r/ab/cd")
    assert isinstance(found, tuple) and found[1] == {"a": "ba", "b": "dc"}
    assert calls == ["ab", "cd"]


def test_an_error_in_a_converter_is_left_for_werkzeug_to_meet() -> None:
    class Failing(BaseConverter):
        def to_python(self, value: str) -> str:
            raise LookupError(value)

    matcher = Matcher(Map([Rule("/<bad:x>", endpoint="x")], converters={"bad": Failing}))
    assert matcher.match("GET", "/a") is None


def test_a_subclass_of_int_keeps_its_own_conversion() -> None:
    from werkzeug.routing import IntegerConverter

    class Offset(IntegerConverter):
        num_convert = staticmethod(lambda text: int(text) + 1000)

    matcher = Matcher(Map([Rule("/<off:x>", endpoint="x")], converters={"off": Offset}))
    assert agree(matcher, "GET", "/5")
    found = matcher.match("GET", "/5")
    assert isinstance(found, tuple) and found[1] == {"x": 1005}


# --- the map changes


def test_rules_added_later_are_seen() -> None:
    url_map = plain_map(Rule("/x/<name>", endpoint="any"))
    matcher = Matcher(url_map)
    assert type(matcher.match("GET", "/late")) is NotFound
    assert agree(matcher, "GET", "/x/1")
    url_map.add(Rule("/late", endpoint="late"))
    assert agree(matcher, "GET", "/late")
    url_map.add(Rule("/x/<int:id>", endpoint="int"))
    url_map.update()  # as `url_for` or a match by Werkzeug does
    found = matcher.match("GET", "/x/1")
    assert isinstance(found, tuple) and found[0].endpoint == "int"
    url_map.add(Submount("/sub", [Rule("/a", endpoint="a")]))
    list(url_map.iter_rules())
    assert agree(matcher, "GET", "/sub/a")


def test_converters_added_later_are_used() -> None:
    url_map = Map([Rule("/x", endpoint="x")])
    matcher = Matcher(url_map)
    assert agree(matcher, "GET", "/x")
    url_map.converters["even"] = Even
    url_map.add(Rule("/e/<even:n>", endpoint="even"))
    found = matcher.match("GET", "/e/4")
    assert isinstance(found, tuple) and found[1] == {"n": 4}


def test_settings_changed_later_are_followed() -> None:
    url_map = plain_map(Rule("/s/", endpoint="s"), Rule("/p/<path:p>", endpoint="p"))
    matcher = Matcher(url_map)
    assert matcher.match("GET", "/s") is SLASH
    url_map.strict_slashes = False
    url_map.add(Rule("/t/", endpoint="t"))
    assert agree(matcher, "GET", "/t")
    assert matcher.match("GET", "/s") is SLASH
    for merge in (False, True):
        url_map.merge_slashes = merge
        agree(matcher, "GET", "/p//a")
        assert agree(matcher, "GET", "/p/a//b")
    url_map.redirect_defaults = False
    url_map.sort_parameters = True
    assert agree(matcher, "GET", "/s/")
    url_map.host_matching = True
    assert matcher.match("GET", "/s/") is None


def test_methods_and_defaults_may_be_changed_in_place_before_the_first_request() -> None:
    rule = Rule("/x", endpoint="x", methods=["GET"], defaults={"a": 1})
    matcher = Matcher(plain_map(rule))
    assert rule.methods is not None
    rule.methods.add("POST")
    rule.methods.discard("GET")
    rule.defaults = {"b": 2}
    assert agree(matcher, "POST", "/x")
    assert type(matcher.match("GET", "/x")) is MethodNotAllowed and matcher.find("GET", "/x") is None


def test_code_of_others_is_not_run_while_finding() -> None:
    matcher = Matcher(
        plain_map(Rule("/a/<even:x>", endpoint="a", methods=["GET"]), Rule("/b/<int:x>/<uuid:y>", endpoint="b"))
    )
    assert matcher.find("GET", "/a/2") is None
    assert matcher.match("GET", "/a/2") is not None
    assert matcher.find("GET", f"/b/2/{uuid.UUID(int=1)}") is not None


def test_two_matchers_share_a_map() -> None:
    url_map = plain_map(Rule("/x", endpoint="x"))
    one, two = Matcher(url_map), Matcher(url_map)
    for matcher in (one, two, one, two):
        assert agree(matcher, "GET", "/x")
    assert one._index.mark is two._index.mark
    url_map.add(Rule("/y", endpoint="y"))
    for matcher in (one, two):
        assert agree(matcher, "GET", "/y")


def test_the_index_is_made_once_for_one_set_of_rules() -> None:
    matcher = Matcher(plain_map(*plain_rules()))
    matcher.match("GET", "/about")
    index = matcher._index
    for method, path, *_ in PLAIN:
        agree(matcher, method, path)
    assert matcher._index is index


# --- maps it keeps out of


def test_hosts_and_subdomains_are_left_to_werkzeug() -> None:
    hosts = Map([Rule("/x", endpoint="x", host="example.com")], host_matching=True)
    assert Matcher(hosts).match("GET", "/x") is None
    for subdomain in ("api", "<user>"):
        mixed = Map([Rule("/x", endpoint="x"), Rule("/y", endpoint="y", subdomain=subdomain)])
        assert Matcher(mixed).match("GET", "/x") is None
        assert Matcher(mixed).match("GET", "/y") is None
    default = Map([Rule("/x/<y>", endpoint="x")], default_subdomain="www")
    assert agree(Matcher(default), "GET", "/x/1")


def test_maps_that_answer_in_their_own_way_are_left_alone() -> None:
    class OwnAdapter(Map):
        def bind(self, *args: Any, **kwargs: Any) -> MapAdapter:
            return super().bind(*args, **kwargs)

    class OwnMachine(StateMachineMatcher):
        pass

    assert Matcher(OwnAdapter([Rule("/x", endpoint="x")])).match("GET", "/x") is None
    url_map = Map([Rule("/x", endpoint="x")])
    url_map._matcher.__class__ = OwnMachine
    assert Matcher(url_map).match("GET", "/x") is None


def test_another_werkzeug_than_the_known_is_no_error() -> None:
    class Foreign:
        host_matching = False

    assert Matcher(Foreign()).match("GET", "/x") is None  # type: ignore[arg-type]
    url_map = Map([Rule("/x", endpoint="x")])
    del url_map._matcher._root
    url_map.update = lambda: None  # type: ignore[method-assign]
    assert Matcher(url_map).match("GET", "/x") is None


def test_plain_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    url_map = plain_map(*plain_rules())
    monkeypatch.setenv("ASYNCFLASK_PLAIN", "1")
    plain = Matcher(url_map)
    monkeypatch.setenv("ASYNCFLASK_PLAIN", "0")
    assert agree(Matcher(url_map), "GET", "/about")
    assert plain.match("GET", "/about") is None
    assert plain.match("GET", "/n/42") is None


def test_empty_map() -> None:
    assert Matcher(Map()).match("GET", "/") is None


# --- any map, any request

WORDS = ["a", "b", "me", "42", "4.5", "x-y", "", ".", "..", "%2F", "\xe9", "\u0663", UUID, ID, "-7", "a b", "7", "a\nb"]
VARIABLES = [
    "<{}>",
    "<int:{}>",
    "<int(min=5):{}>",
    "<int(max=50, fixed_digits=2):{}>",
    "<int(signed=True):{}>",
    "<float:{}>",
    "<float(max=5.0, signed=True):{}>",
    "<string(length=2):{}>",
    "<string(minlength=2, maxlength=3):{}>",
    "<path:{}>",
    "<uuid:{}>",
    "<any(a, me, '42'):{}>",
    "<even:{}>",
    "<pair:{}>",
    "<several:{}>",
]
METHODS = ["GET", "POST", "HEAD", "OPTIONS", "PUT"]


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """A rule's string: one to four segments of words, variables and mixtures of both."""
    names = iter(string.ascii_lowercase)
    variable = st.sampled_from(VARIABLES)
    word = st.sampled_from([text for text in WORDS if "\n" not in text])
    segments = []
    for kind in draw(st.lists(st.sampled_from("wwwvvvmd"), min_size=1, max_size=4)):
        if kind == "w":
            segments.append(draw(word))
        elif kind == "v":
            segments.append(draw(variable).format(next(names)))
        elif kind == "m":
            segments.append(draw(st.sampled_from(["v", "a", "-"])) + draw(variable).format(next(names)))
        else:
            segments.append(draw(variable).format(next(names)) + "-" + draw(variable).format(next(names)))
    return "/" + "/".join(segments) + draw(st.sampled_from(["", "", "/"]))


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    odd = draw(st.sampled_from([""] * 12 + ["alias", "redirect_to", "build_only", "websocket"]))
    extra: dict[str, Any] = {}
    if odd:
        extra[odd] = "a" if odd == "redirect_to" else True
    if odd != "websocket":
        extra["methods"] = draw(st.none() | st.lists(st.sampled_from(METHODS), min_size=1, max_size=2))
    return Rule(
        draw(patterns()),
        endpoint=draw(st.sampled_from(["e", "f", "g", "h"])),
        defaults=draw(st.sampled_from([None, None, None, {"a": 42}, {"z": 1}])),
        strict_slashes=draw(st.sampled_from([None, None, True, False])),
        merge_slashes=draw(st.sampled_from([None, None, True, False])),
        **extra,
    )


def add_if_possible(url_map: Map, rule: Rule) -> None:
    """Add a rule, unless a default of it cannot be put into its own URL."""
    with suppress(ValueError):
        url_map.add(rule)


def map_of(found: list[Rule], **options: Any) -> Map:
    url_map = plain_map(**options)
    for rule in found:
        add_if_possible(url_map, rule)
    return url_map


maps = st.builds(
    map_of,
    st.lists(rules(), min_size=1, max_size=8),
    strict_slashes=st.booleans(),
    merge_slashes=st.booleans(),
    redirect_defaults=st.booleans(),
)
paths = st.lists(st.sampled_from(WORDS), max_size=4).map(lambda words: "/" + "/".join(words)) | st.sampled_from(
    ["", "/", "//", "///", "a", "a/b"]
)


@given(maps, st.lists(st.tuples(st.sampled_from([*METHODS, "get", "BREW"]), paths), min_size=1, max_size=12), rules())
@settings(max_examples=150, deadline=None)
def test_an_answer_is_werkzeugs(url_map: Map, requests: list[tuple[str, str]], late: Rule) -> None:
    matcher = Matcher(url_map)
    answers = sum(agree(matcher, method, path) for method, path in requests)
    add_if_possible(url_map, late)
    answers += sum(agree(matcher, method, path) for method, path in requests)
    event("answered" if answers else "not answered")


@given(maps, st.data())
@settings(max_examples=150, deadline=None)
def test_an_answer_is_werkzeugs_near_the_rules(url_map: Map, data: st.DataObject) -> None:
    """Paths made from the rules themselves, so that most of them match something."""
    matcher = Matcher(url_map)
    fill = {
        "int": ["42", "7", "-7"],
        "float": ["4.5", "-4.5"],
        "path": ["a/b", "a//b", "a/"],
        "uuid": [UUID],
        "any": ["a", "me"],
        "pair": ["x-y"],
        "even": ["8", "7"],
        "several": ["a/b", "a"],
    }
    for _ in range(4):
        pattern = data.draw(st.sampled_from([rule.rule for rule in url_map.iter_rules()] or ["/"]))
        made = ""
        for piece in pattern.replace(">", "<").split("<"):
            kind = piece.partition(":")[0].partition("(")[0]
            is_variable = ":" in piece or (len(piece) == 1 and f"<{piece}>" in pattern)
            made += data.draw(st.sampled_from(fill.get(kind, ["me", "ab", "42"]))) if is_variable else piece
        ending = data.draw(st.sampled_from(["", "", "", "/"]))
        event("answered" if agree(matcher, data.draw(st.sampled_from(METHODS)), made + ending) else "not answered")
