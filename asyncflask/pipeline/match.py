"""Which rule answers a method and a path: Werkzeug's own answer, found faster where that is certain.

The index is a copy of the state machine that `werkzeug.routing.Map` builds, so its order (static before converters,
converters by weight) is Werkzeug's. Whatever needs more than a method and a path is answered `None`, which means "ask
Werkzeug". A wrong `None` costs time; a wrong answer is a bug.

Four shapes of request, cheapest first: a path without converters is one look-up in a dict; one that ends in its only
converter, of a common kind, is one look-up of what stands before; other paths walk the tree one segment at a time; the
rest is `None`. The state machine is private to Werkzeug: if a release changes it, the matcher notices that the
attributes it needs are gone and answers `None` from then on.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, cast

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import IntegerConverter, Map, MapAdapter, converters
from werkzeug.routing.converters import BaseConverter, NumberConverter
from werkzeug.routing.matcher import StateMachineMatcher

from ..plain import is_plain

if TYPE_CHECKING:
    from werkzeug.routing import Rule

    from .hooks import Plan

    Answer = tuple[Rule, dict[str, Any]] | HTTPException

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


NO_METHOD = "--"
"""What `MapAdapter.allowed_methods` asks for."""

SLASH: Any = object()
"""The answer for a path that a rule wants with a slash at its end: `MapAdapter.match` would raise a RequestRedirect."""


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

    __slots__ = ("casts", "defaults", "methods", "plain", "plan", "rule", "takes", "tame")

    def __init__(self, rule: Rule, plain: bool) -> None:
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


class End:
    """An edge to the end of a path over one segment, for one method: what `Table.heads` holds."""

    __slots__ = ("cast", "digits", "name", "target")

    def __init__(self, target: Target, digits: bool) -> None:
        self.digits: bool = digits  # the segment has to be a decimal number
        self.target: Target = target
        self.name: str = target.casts[0][0]
        self.cast: Cast | None = target.casts[0][1]


class Table:
    """What one method finds by one look-up: by the path, or by what stands before its last segment.

    Args:
        index: the rules.
        method: in upper case.
    """

    __slots__ = ("heads", "static", "walks")

    def __init__(self, index: Index, method: str) -> None:
        self.static: dict[str, Target] = {}
        self.heads: dict[str, tuple[dict[str, Node], tuple[End, ...]]] = {}
        #: the first segments of paths for which the tree may know more; None if any path may be one of these
        self.walks: frozenset[str] | None = None
        for path, targets in index.static.items():
            target = first(targets, method)
            if target is not None and target.plain:
                self.static[path] = target
        for path, node in index.heads.items():
            ends = ends_of(node, method)
            if ends:
                self.heads[path] = node.static, ends
        root = index.root
        if root is not None and not self._leaves_out(root, ""):
            self.walks = frozenset(part for part, node in root.static.items() if self._needs_walk(node, f"/{part}"))

    def _leaves_out(self, node: Node, path: str) -> bool:
        """Whether rules that end at a state, or one segment behind it, are found by a walk only."""
        if any(not target.rule.strict_slashes for target in node.targets):
            return True
        known = path in self.heads and not any(edge.node.static or edge.node.edges for edge in node.edges)
        return bool(node.edges) and not known

    def _needs_walk(self, node: Node, path: str) -> bool:
        if self._leaves_out(node, path):
            return True
        return any(self._needs_walk(after, f"{path}/{part}") for part, after in node.static.items())


class Index:
    """The rules of a map at one moment, ready for look-up. Never changed once made, but for the tables by method."""

    __slots__ = ("heads", "mark", "methods", "root", "static", "tables")

    def __init__(self, mark: object, root: Node | None) -> None:
        self.mark: object = mark
        self.root: Node | None = root
        self.static: dict[str, tuple[Target, ...]] = {}  # path -> the rules that end there
        self.heads: dict[str, Node] = {}  # path -> where a segment with converters may follow
        self.tables: dict[str, Table] = {}  # made when a method is first asked for
        self.methods: set[str] = set() if root is None else set(methods_of(root))
        for path, node in static_paths(root, "") if root is not None else ():
            # "//x" is never looked up: the map adapter takes it for "/x" first
            if node.targets and path[:2] != "//":
                self.static[path] = node.targets
            if node.edges and path[:2] not in {"/", "//"} and not any(e.suffixed for e in node.edges):
                self.heads[path] = node

    def table_for(self, method: str) -> Table | None:
        """Return what a method finds by one look-up; None for one that no rule names, or not in upper case."""
        table = self.tables.get(method)
        if table is None and method in self.methods and method != "OPTIONS":
            table = self.tables[method] = Table(self, method)
        return table


class Matcher:
    """Match requests against a map of rules.

    Answers are for plain HTTP requests (no websocket handshake) in the map's default subdomain. A caller that matches
    subdomains asks only for requests in the default one. With host matching, or with rules in other subdomains, every
    answer is None.

    Args:
        url_map: the map to read. Rules may be added to it at any time.

    With the switch of `asyncflask.plain`, read here, every answer is None.
    """

    def __init__(self, url_map: Map) -> None:
        self.url_map = url_map
        self._map: Any = url_map  # for what is private there
        self._lock = threading.Lock()
        self._index = Index(object(), None)
        known = all(hasattr(url_map, name) for name in ("_remap", "_matcher", "_rules_by_endpoint"))
        self._off = not known or is_plain()
        if self._off:
            self.find = refuse_to_find  # type: ignore[method-assign]

    def find(self, method: str, path: str) -> tuple[Target, dict[str, Any]] | None:
        """Find the rule for a request, without running code that is not ours or Werkzeug's.

        Args:
            method: the HTTP method; one that is not in upper case is left to Werkzeug.
            path: the decoded path below the script root, with its leading slash.

        Returns:
            where the rule is kept, and its view arguments, as `match`; None: `match` may know, or only Werkzeug.
        """
        index = self._index
        if index.mark is not self._map._remap:
            index = self._renew()
        table = index.tables.get(method) or index.table_for(method)
        if table is None:
            return None
        target = table.static.get(path)
        if target is not None:
            return target, {} if target.defaults is None else target.defaults.copy()
        head, slash, tail = path.rpartition("/")
        known = table.heads.get(head)
        if known is not None and slash and tail and tail not in known[0]:
            # Werkzeug goes down static segments first, so what is found behind them is what it finds.
            for end in known[1]:
                if not end.digits or tail.isdecimal():
                    try:
                        value = tail if end.cast is None else end.cast(tail)
                    except Exception:  # Werkzeug will meet it again, where its caller expects it
                        return None
                    target = end.target
                    return target, {end.name: value} if target.defaults is None else {end.name: value} | target.defaults
        if table.walks is not None and path[1:].partition("/")[0] not in table.walks:
            return None
        try:
            found = look(index, path, method, [])
        except AskWerkzeug:
            return None
        return None if found is None or not found[0].tame else converted(*found)

    def match(self, method: str, path: str) -> Answer | None:
        """Find the rule for a request, with converters of any kind.

        Args:
            method, path: as for `find`.

        Returns:
            the rule and its view arguments, in a dict made for this call; exactly what
            `MapAdapter.match(path, method, return_rule=True)` returns. Or the error that it would raise, NotFound or
            MethodNotAllowed; `SLASH`: it would redirect. None: only Werkzeug can say.
        """
        if not method.isupper():
            return None
        found = self._look(method, path)
        if not isinstance(found, tuple):
            return found
        made = converted(*found)
        return None if made is None else (made[0].rule, made[1])

    def allowed(self, adapter: MapAdapter) -> list[str] | None:
        """Return `MapAdapter.allowed_methods` of an adapter; None: only that can say."""
        is_usual = type(adapter) is MapAdapter and adapter.map is self.url_map and not adapter.websocket
        if not is_usual or adapter.subdomain != (adapter.map.default_subdomain or ""):
            return None
        found = self._look(NO_METHOD, adapter.path_info)
        if type(found) is tuple and found[0].casts:
            return None  # a converter may refuse what it is given
        if type(found) is MethodNotAllowed:
            return cast("list[str]", found.valid_methods)
        return None if found is None else []

    def _look(self, method: str, path: str) -> tuple[Target, Texts] | HTTPException | None:
        """Walk the tree; where no rule is found, return the error, `SLASH`, or None for what only Werkzeug can say."""
        index = self._index
        if self._off or self._map.host_matching:
            return None
        if index.mark is not self._map._remap:
            index = self._renew()
        missed: list[Methods] = []
        try:
            found = look(index, path, method, missed)
        except AskWerkzeug as why:
            return SLASH if type(why) is WantsSlash and "//" not in path else None
        if found is not None:
            return found
        # Of a path with several slashes in a row Werkzeug looks for another form.
        if "//" in path or index.root is None or OTHER in missed or path[:1] != "/":
            return None
        methods: set[str] = set()
        for these in missed * (2 if self._map.merge_slashes else 1):  # it tries twice, and their order tells
            methods.update(these)
        return MethodNotAllowed(valid_methods=list(methods)) if methods else NotFound()

    def _renew(self) -> Index:
        """Make the index for the rules that the map has now."""
        with self._lock:
            mark = clean_mark(self._map)
            try:
                root = None if self._map.host_matching else readable_root(self._map)
            except AttributeError:  # another Werkzeug than the one this was written for
                root = None
            self._index = Index(mark, root)
            return self._index


def refuse_to_find(method: str, path: str) -> None:
    """What `Matcher.find` is where the short ways are switched off."""


# --- walking the tree


def look(index: Index, path: str, method: str, missed: list[Methods]) -> tuple[Target, Texts] | None:
    """Find the rule for a path, and the texts that its converters capture; None: there is none, or Werkzeug knows.

    Args:
        missed: comes to hold the methods of the rules that do not take this one, as Werkzeug collects them.

    Raises:
        AskWerkzeug: there is more to it.
    """
    if index.root is None or path[:1] != "/" or path[:2] == "//":
        return None
    return search(index.root, path.split("/"), 1, (), method, missed)


def search(
    node: Node, parts: list[str], at: int, texts: Texts, method: str, missed: list[Methods]
) -> tuple[Target, Texts] | None:
    """Follow a path from its segment number `at`, in Werkzeug's order.

    Returns:
        the first rule that takes the method, with the texts captured on the way there; None if this state has none.

    Raises:
        AskWerkzeug: Werkzeug would stop here with a redirect.
    """
    last = len(parts)
    while at < last and not node.edges and (at + 1 < last or parts[at]):
        step = node.static.get(parts[at])
        if step is None:
            return None
        node = step
        at += 1
    if at == last:
        return arrive(node, texts, method, missed)
    part = parts[at]
    if part in node.static:
        found = search(node.static[part], parts, at + 1, texts, method, missed)
        if found is not None:
            return found
    for edge in node.edges:
        found = cross(edge, parts, at, texts, method, missed)
        if found is not None:
            return found
    if not part and at + 1 == last:
        for target in node.targets:
            if target.rule.strict_slashes:
                continue
            if takes(target, method):
                return target, texts
            missed.append(target.takes)
    return None


def cross(
    edge: Edge, parts: list[str], at: int, texts: Texts, method: str, missed: list[Methods]
) -> tuple[Target, Texts] | None:
    """Follow one edge, and what comes after it."""
    if not edge.final:
        captured = edge.capture(parts[at])
        return None if captured is None else search(edge.node, parts, at + 1, texts + captured, method, missed)
    captured = edge.capture("/".join(parts[at:]))
    if captured is None:
        return None
    rest: list[str] = []
    if edge.suffixed:
        *captured_list, slash = captured
        captured = tuple(captured_list)
        rest = [""] if slash == "/" else []
    return search(edge.node, rest, 0, texts + captured, method, missed)


def arrive(node: Node, texts: Texts, method: str, missed: list[Methods]) -> tuple[Target, Texts] | None:
    """The rule at the end of a path: one that ends here, or one that wants a slash more."""
    for target in node.targets:
        methods = target.methods
        if methods is None or method in methods:
            if target.plain:
                return target, texts
            raise AskWerkzeug
        missed.append(target.takes)
    slashed = node.static.get("")
    for target in slashed.targets if slashed is not None else ():
        if takes(target, method):
            if target.rule.strict_slashes:
                raise WantsSlash
            return target, texts
    return None


def first(targets: tuple[Target, ...], method: str) -> Target | None:
    """The first of the rules that end at one place which answers the method."""
    return next((one for one in targets if one.methods is None or method in one.methods), None)


def ends_of(node: Node, method: str) -> tuple[End, ...]:
    """The edges that end a path, in Werkzeug's order; none where one of them takes more than a look."""
    ends = []
    for edge in node.edges:
        target = first(edge.node.targets, method)
        if target is None and "" not in edge.node.static and edge.capture is not refuse:
            continue  # it leads nowhere
        easy = not edge.final and edge.capture in (whole, decimal)
        if target is None or not easy or not target.plain or not target.tame or len(target.casts) != 1:
            return ()
        ends.append(End(target, edge.capture is decimal))
    return tuple(ends)


def methods_of(node: Node) -> Iterator[str]:
    """The methods that the rules below a state name."""
    for target in node.targets:
        yield from target.methods or ()
    for after in (*node.static.values(), *(edge.node for edge in node.edges)):
        yield from methods_of(after)


def takes(target: Target, method: str) -> bool:
    """Whether the rule answers the method.

    Raises:
        AskWerkzeug: it does, by a redirect.
    """
    methods = target.methods
    if methods is not None and method not in methods:
        return False
    if not target.plain:
        raise AskWerkzeug
    return True


def converted(target: Target, texts: Texts) -> tuple[Target, dict[str, Any]] | None:
    """The rule with view arguments from captured texts; None if a converter refuses one."""
    values: dict[str, Any] = {}
    try:
        for text, (name, cast) in zip(texts, target.casts):  # noqa: B905  a name used twice has one converter
            values[name] = text if cast is None else cast(text)
    except Exception:  # Werkzeug will meet it again, where its caller expects it
        return None
    if target.defaults:
        values.update(target.defaults)
    return target, values


# --- making the tree

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
