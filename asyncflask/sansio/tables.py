"""Lists and dicts of hooks that say when they were changed, so that what was worked out from them can be kept.

Rules of this file:
- Every change gives the owner's `Version` a number it never had before. It happens after the change, so whoever sees
  the new number sees the new content too.
- Reading never changes the number, not even where it creates an empty list for a scope that was asked for.
- A plain list or dict that is stored is copied into one of ours. Go on with the stored one: changes of the original
  are not seen.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from ..versions import Version, WatchedDict, announcing

T = t.TypeVar("T")
K = t.TypeVar("K")


@announcing(
    *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"),
    *("__setitem__", "__delitem__", "__iadd__", "__imul__"),
)
class HookList(list[T]):
    """A list of callables in the order they run.

    Args:
        version: bumped at every change; a list of its own gets its own.
        hooks: what it starts with.
    """

    __slots__ = ("version",)
    __hash__ = None

    def __init__(self, version: Version | None = None, hooks: Iterable[T] = ()) -> None:
        super().__init__(hooks)
        self.version: Version = Version() if version is None else version


@announcing("__delitem__", "pop", "popitem", "clear")
class HookTable(defaultdict[K, list[T]]):
    """Scope -> list of callables. The scope is a blueprint's name, or None for the whole application.

    Every value is a `HookList` of the same version; a missing scope is created when it is read, as in a `defaultdict`.

    Args:
        version: bumped at every change of the table or of one of its lists.
        hooks: what it starts with; lists of other owners are copied.
    """

    def __init__(self, version: Version | None = None, hooks: Mapping[K, Iterable[T]] | None = None) -> None:
        super().__init__(list)
        self.version: Version = Version() if version is None else version
        for scope, listed in (hooks or {}).items():
            dict.__setitem__(self, scope, self._ours(listed))

    def _ours(self, hooks: Iterable[T]) -> HookList[T]:
        if isinstance(hooks, HookList) and hooks.version is self.version:
            return hooks
        return HookList(self.version, hooks)

    def __missing__(self, scope: K) -> list[T]:
        # dict.setdefault, so that two threads that ask at once get the same list
        return dict.setdefault(self, scope, HookList(self.version))

    def __setitem__(self, scope: K, hooks: Iterable[T]) -> None:
        dict.__setitem__(self, scope, self._ours(hooks))
        self.version.bump()

    def setdefault(self, scope: K, default: Iterable[T] | None = None) -> list[T]:
        """Return the scope's list, after storing `default` (or an empty list) when there was none."""
        if scope in self:
            return self[scope]
        stored = dict.setdefault(self, scope, self._ours(() if default is None else default))
        self.version.bump()
        return stored

    def update(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Store every scope of a mapping or of pairs; the lists are converted."""
        given: t.Any = dict(*args, **kwargs)
        for scope, hooks in given.items():
            self[scope] = hooks

    def __ior__(self, other: t.Any) -> t.Self:  # type: ignore[override]
        self.update(other)
        return self

    def copy(self) -> defaultdict[K, list[T]]:  # type: ignore[override]
        """Return a plain `defaultdict` with copies of the lists: changing it changes no hook."""
        return defaultdict(list, {scope: list(hooks) for scope, hooks in self.items()})

    __copy__ = copy  # type: ignore[assignment]

    def __or__(self, other: t.Any) -> t.Any:
        return self.copy() | other

    def __ror__(self, other: t.Any) -> t.Any:
        return other | self.copy()


#: The attributes of an application or blueprint that are such tables, and what each is made of when it is assigned.
TABLE_ATTRIBUTES: Mapping[str, Callable[[Version, t.Any], t.Any]] = {
    "view_functions": WatchedDict,
    "before_request_funcs": HookTable,
    "after_request_funcs": HookTable,
    "teardown_request_funcs": HookTable,
    "middleware_funcs": HookTable,
    "before_websocket_funcs": HookTable,
    "after_websocket_funcs": HookTable,
    "teardown_websocket_funcs": HookTable,
    "url_value_preprocessors": HookTable,
    "url_default_functions": HookTable,
    "template_context_processors": HookTable,
    "teardown_appcontext_funcs": HookList,
}
