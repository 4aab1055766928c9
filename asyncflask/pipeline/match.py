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

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, MapAdapter

from ..plain import is_plain
from .tree import (
    OTHER,
    AskWerkzeug,
    Cast,
    Edge,
    Methods,
    Node,
    Target,
    Texts,
    WantsSlash,
    calm_paths,
    clean_mark,
    decimal,
    readable_root,
    refuse,
    static_paths,
    whole,
)

if TYPE_CHECKING:
    from werkzeug.routing import Rule

    Answer = tuple[Rule, dict[str, Any]] | HTTPException

OPTIONS = "OPTIONS"
NO_METHOD = "--"
"""What `MapAdapter.allowed_methods` asks for."""

SLASH: Any = object()
"""The answer for a path that a rule wants with a slash at its end: `MapAdapter.match` would raise a RequestRedirect."""


class End:
    """An edge to the end of a path over one segment, for one method: what `Table.heads` holds."""

    __slots__ = ("cast", "digits", "name", "target")

    def __init__(self, target: Target, digits: bool) -> None:
        self.digits: bool = digits  # the segment has to be a decimal number
        self.target: Target = target
        self.name: str = target.casts[0][0]
        self.cast: Cast | None = target.casts[0][1]


NO_ARGUMENTS: dict[str, Any] = {}
"""The view arguments of all requests that have none, not to be changed: whoever shows them shows another dict."""


class Table:
    """What one method finds by one look-up: by the path, or by what stands before its last segment.

    Args:
        index: the rules.
        method: in upper case.
    """

    __slots__ = ("filled", "heads", "method", "static", "walks")

    def __init__(self, index: Index, method: str) -> None:
        self.method: str = method
        #: what `Matcher.find` gives for a path without converters; and where its rule has defaults
        self.static: dict[str, tuple[Target, dict[str, Any]]] = {}
        self.filled: dict[str, tuple[Target, dict[str, Any]]] = {}
        self.heads: dict[str, tuple[dict[str, Node], tuple[End, ...]]] = {}
        #: the first segments of paths for which the tree may know more; None if any path may be one of these
        self.walks: frozenset[str] | None = None
        for path, targets in index.static.items():
            target = first(targets, method)
            if target is not None and target.plain:
                own = self._own(target)
                if own.defaults is None:
                    self.static[path] = own, NO_ARGUMENTS
                else:
                    self.filled[path] = own, own.defaults
        for path, node in index.heads.items():
            ends = ends_of(node, method)
            for end in ends:
                end.target = self._own(end.target)
            if ends:
                self.heads[path] = node.static, ends
        root = index.root
        if method == OPTIONS:  # the tree has the rules for other methods
            self.walks = frozenset()
        elif root is not None and not self._leaves_out(root, ""):
            self.walks = frozenset(part for part, node in root.static.items() if self._needs_walk(node, f"/{part}"))

    def _own(self, target: Target) -> Target:
        return Target(target.rule, target.plain, for_options=True) if self.method == OPTIONS else target

    def _leaves_out(self, node: Node, path: str) -> bool:
        """Whether rules that end at a state, or one segment behind it, are found by a walk only."""
        if any(not target.rule.strict_slashes for target in node.targets):
            return True
        if path in self.heads:
            return any(edge.node.static or edge.node.edges for edge in node.edges)
        return any(leads_to(edge.node, self.method) for edge in node.edges)

    def _needs_walk(self, node: Node, path: str) -> bool:
        if self._leaves_out(node, path):
            return True
        return any(self._needs_walk(after, f"{path}/{part}") for part, after in node.static.items())


class Index:
    """The rules of a map at one moment, ready for look-up. Never changed once made, but for the tables by method."""

    __slots__ = ("calm", "heads", "mark", "methods", "root", "static", "tables")

    def __init__(self, mark: object, root: Node | None) -> None:
        self.mark: object = mark
        self.root: Node | None = root
        self.static: dict[str, tuple[Target, ...]] = {}  # path -> the rules that end there
        self.heads: dict[str, Node] = {}  # path -> where a segment with converters may follow
        self.tables: dict[str, Table] = {}  # made when a method is first asked for
        self.methods: set[str] = set() if root is None else set(methods_of(root))
        #: path -> what is there, where nothing else can be met on the way
        self.calm: dict[str, Node] = {}
        for path, node in static_paths(root, "") if root is not None else ():
            # "//x" is never looked up: the map adapter takes it for "/x" first
            if node.targets and path[:2] != "//":
                self.static[path] = node.targets
            if node.edges and path[:2] not in {"/", "//"} and not any(e.suffixed for e in node.edges):
                self.heads[path] = node
        if root is not None and not root.edges:
            self.calm.update((path, node) for path, node in calm_paths(root, "") if "//" not in path)

    def table_for(self, method: str) -> Table | None:
        """Return what a method finds by one look-up; None for one that no rule names, or not in upper case."""
        table = self.tables.get(method)
        if table is None and method in self.methods:
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
            where the rule is kept, and its view arguments, as `match`; for a path without arguments `NO_ARGUMENTS`.
            None: `match` may know, or only Werkzeug.
        """
        index = self._index
        if index.mark is not self._map._remap:
            index = self._renew()
        table = index.tables.get(method) or index.table_for(method)
        if table is None or self._map.host_matching:  # which may be assigned at any time
            return None
        found = table.static.get(path)
        if found is not None:
            return found
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
        if path in table.filled:
            target, defaults = table.filled[path]
            return target, defaults.copy()
        if table.walks is not None and path[1:].partition("/")[0] not in table.walks:
            return None
        try:
            walked = look(index, path, method, [])
        except AskWerkzeug:
            return None
        return None if walked is None or not walked[0].tame else converted(*walked)

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
            node = index.calm.get(path)
            found = look(index, path, method, missed) if node is None else arrive(node, (), method, missed)
        except AskWerkzeug as why:
            return SLASH if type(why) is WantsSlash and "//" not in path else None
        if found is not None:
            return found
        # Of a path with several slashes in a row Werkzeug looks for another form.
        if "//" in path or index.root is None or OTHER in missed or path[:1] != "/":
            return None
        if not missed:
            return NotFound()
        methods: set[str] = set()
        for these in missed * (2 if self._map.merge_slashes else 1):  # it tries twice, and their order tells
            methods.update(these)
        return MethodNotAllowed(valid_methods=list(methods)) if methods else NotFound()

    def _renew(self) -> Index:
        """Make the index for the rules that the map has now."""
        with self._lock:
            mark = clean_mark(self._map)
            try:
                root = readable_root(self._map)
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
    return take_loosely(node, texts, method, missed) if not part and at + 1 == last else None


def take_loosely(node: Node, texts: Texts, method: str, missed: list[Methods]) -> tuple[Target, Texts] | None:
    """Of the rules that end before a path's last slash, the first that takes the method and does not mind the slash."""
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


def leads_to(node: Node, method: str) -> bool:
    """Whether a rule at or below a state takes the method."""
    if first(node.targets, method) is not None:
        return True
    return any(leads_to(after, method) for after in (*node.static.values(), *(edge.node for edge in node.edges)))


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
