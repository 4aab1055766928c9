"""The rules of a map as a tree: a copy of the state machine that Werkzeug searches, with its patterns compiled.

The state machine is private to Werkzeug: where a release has changed it, there is no tree.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from werkzeug.routing import IntegerConverter, Map, converters
from werkzeug.routing.converters import BaseConverter, NumberConverter
from werkzeug.routing.matcher import StateMachineMatcher

if TYPE_CHECKING:
    from werkzeug.routing import Rule

    from .hooks import Plan

Texts = tuple[str, ...]
Methods = Collection[str]
Capture = Callable[[str], "Texts | None"]
Cast = Callable[[str], Any]


OTHER: Methods = frozenset({"\0"})
"""Stands for the methods of a rule of websockets: Werkzeug has to say what that one means."""


class AskWerkzeug(Exception):
    """The search met something that is not ours to answer: a redirect, an alias, a pattern that does not compile."""


class WantsSlash(AskWerkzeug):
    """The rule wants the path with a slash at its end, and the client redirected there."""


class Unchanged:
    """What `Map._remap` holds while no rule was added since an index was made.

    `Map.add` puts True there and `Map.update` puts False, so "the mark is still there" is a sure sign that nothing
    changed. It is false, as Werkzeug expects of a map whose rules are sorted.
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


class Target:
    """A rule at the end of a path, with how to convert what its path captured."""

    __slots__ = ("casts", "defaults", "for_options", "methods", "plain", "plan", "rule", "takes", "tame")

    def __init__(self, rule: Rule, plain: bool, for_options: bool = False) -> None:
        self.rule: Rule = rule
        #: that it takes, None for all; none for a rule of websockets
        self.methods: Methods | None = () if rule.websocket else rule.methods
        #: what it says to a request with another method
        self.takes: Methods = OTHER if rule.websocket else rule.methods or ()
        self.plain: bool = plain and not rule.websocket  # False: it does not just match, or may not
        self.defaults: dict[str, Any] | None = dict(rule.defaults) if rule.defaults else None
        self.casts: tuple[tuple[str, Cast | None], ...] = tuple(
            (name, cast_of(converter)) for name, converter in rule._converters.items()
        )
        #: Whether converting runs no code but Werkzeug's.
        self.tame: bool = all(map(is_tame, rule._converters.values()))
        #: whether it is what OPTIONS finds, which has a plan of its own
        self.for_options: bool = for_options
        #: Room for what the caller has worked out for the rule.
        self.plan: Plan | None = None


class Node:
    """One state of the tree: a copy of Werkzeug's `State`, with its patterns compiled."""

    __slots__ = ("edges", "static", "targets")

    def __init__(self) -> None:
        self.static: dict[str, Node] = {}
        self.edges: tuple[Edge, ...] = ()
        self.targets: tuple[Target, ...] = ()


class Edge:
    """A step over a segment with converters, or over all that is left of the path (`final`)."""

    __slots__ = ("capture", "final", "node", "suffixed")

    def __init__(self, capture: Capture, final: bool, suffixed: bool, node: Node) -> None:
        self.capture: Capture = capture
        self.final: bool = final
        self.suffixed: bool = suffixed
        self.node: Node = node


WHOLE_SEGMENT = {rf"(?P<__werkzeug_0>{regex})\Z" for regex in ("[^/]{1,}", "[^/]+")}
DECIMAL_SEGMENT = r"(?P<__werkzeug_0>\d+)\Z"


def clean_mark(url_map: Any) -> object:
    """Have the map sort its rules, and leave a mark that goes away with the next rule added.

    A mark left by another matcher of the same map is as good as a new one.
    """
    while not isinstance(url_map._remap, Unchanged):
        before = count_rules(url_map)
        url_map._remap = True
        url_map.update()
        mark = url_map._remap = Unchanged()
        if count_rules(url_map) == before:
            return mark
        url_map._remap = True  # a rule came in between: its own sign was overwritten
    mark_there: object = url_map._remap
    return mark_there


def count_rules(url_map: Any) -> int:
    return sum(map(len, url_map._rules_by_endpoint.values()))


def readable_root(url_map: Any) -> Node | None:
    """Copy the state machine of a map.

    Returns:
        the state behind the default subdomain and the first slash; None if the map is not one we can answer for.
    """
    as_werkzeug = type(url_map._matcher) is StateMachineMatcher and all(
        getattr(getattr(url_map, name), "__func__", None) is vars(Map)[name]
        for name in ("bind", "bind_to_environ", "update")
    )
    top = url_map._matcher._root
    domain = url_map.default_subdomain or ""
    if not as_werkzeug or url_map.host_matching or top.dynamic or set(top.static) != {domain}:
        return None
    first = top.static[domain].static.get("")
    if first is None or top.static[domain].dynamic:
        return None
    return copy_state(first, redirecting(url_map))


def redirecting(url_map: Any) -> set[int]:
    """The ids of the rules whose match may end in a redirect."""
    found: set[int] = set()
    for rules in url_map._rules_by_endpoint.values():
        givers: list[Rule] = []
        for rule in rules:
            if rule.alias or rule.redirect_to is not None or any(g.provides_defaults_for(rule) for g in givers):
                found.add(id(rule))
            if rule.defaults:
                givers.append(rule)
    return found


def copy_state(state: Any, redirects: set[int]) -> Node:
    """Copy one of Werkzeug's states and all that follow it."""
    node = Node()
    node.targets = tuple(Target(rule, id(rule) not in redirects) for rule in state.rules)
    node.static = {part: copy_state(after, redirects) for part, after in state.static.items()}
    node.edges = tuple(
        Edge(capture_of(part), part.final, part.suffixed, copy_state(after, redirects)) for part, after in state.dynamic
    )
    return node


def static_paths(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """Every state that is reached without converters, by its path."""
    yield path, node
    for part, after in node.static.items():
        yield from static_paths(after, f"{path}/{part}")


def calm_paths(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """Every state below one by its path, where that leads past no converters, and past no rules that do not mind it."""
    for part, after in node.static.items():
        if part or all(target.rule.strict_slashes for target in node.targets):
            yield f"{path}/{part}", after
        if not after.edges:
            yield from calm_paths(after, f"{path}/{part}")


def capture_of(part: Any) -> Capture:
    """What the pattern of a rule's part takes out of a text, without `re` where the pattern is a common one.

    A final pattern sees slashes too: there `[^/]+` is not "anything".
    """
    if not part.final and part.content in WHOLE_SEGMENT:
        return whole
    if not part.final and part.content == DECIMAL_SEGMENT:
        return decimal
    try:
        pattern = re.compile(part.content)
        ours = sorted((int(name[11:]), at) for name, at in pattern.groupindex.items() if name[:11] == "__werkzeug_")
    except (re.error, ValueError):
        return refuse
    numbers = [number for _, number in ours]
    if part.suffixed:
        numbers.append(pattern.groups)
    return by_pattern(pattern, numbers)


def by_pattern(pattern: re.Pattern[str], numbers: list[int]) -> Capture:
    """A capture by the groups of a pattern that have these numbers."""
    match = pattern.match
    if numbers == list(range(1, pattern.groups + 1)):

        def capture(text: str) -> Texts | None:
            found = match(text)
            return None if found is None else found.groups()

    else:

        def capture(text: str) -> Texts | None:
            found = match(text)
            return None if found is None else tuple(found[number] for number in numbers)

    return capture


def whole(text: str) -> Texts | None:
    """`[^/]+` on a segment."""
    return (text,) if text else None


def decimal(text: str) -> Texts | None:
    r"""`\d+` on a segment: digits of any script, as `re` has it."""
    return (text,) if text.isdecimal() else None


def refuse(text: str) -> Texts | None:
    """For a pattern that does not compile: Werkzeug raises when it gets there."""
    raise AskWerkzeug


def is_tame(converter: BaseConverter) -> bool:
    """Whether a converter is one of Werkzeug's own, so that nobody else's code runs in it."""
    return type(converter).__module__ == converters.__name__


def cast_of(converter: BaseConverter) -> Cast | None:
    """How a converter makes a value of a text; None if it leaves the text as it is."""
    to_python = getattr(converter.to_python, "__func__", None)
    if to_python is BaseConverter.to_python:
        return None
    if to_python is NumberConverter.to_python and type(converter) is IntegerConverter:
        bounds = (converter.fixed_digits, converter.min, converter.max)
        if bounds == (0, None, None) and converter.num_convert is int:
            return int
    return converter.to_python
