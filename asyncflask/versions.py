"""A number that tells whether anything changed, and a dict that changes it.

What is worked out ahead of requests is kept with the number it was worked out at, or with the epoch, which says by
itself when it is over. One look then tells whether that still holds.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping
from functools import wraps
from itertools import count
from threading import RLock
from weakref import WeakSet

K = t.TypeVar("K")
V = t.TypeVar("V")
C = t.TypeVar("C", bound=type)


class Epoch:
    """A time without a change; a change makes it `over`, for good."""

    __slots__ = ("over",)

    def __init__(self) -> None:
        self.over: bool = False


class Version:
    """A number, and an epoch, that is another one after every change of the tables that share it.

    Numbers come from a counter and never return, also when two threads change tables at once.
    """

    __slots__ = ("__weakref__", "_changing", "_followers", "_numbers", "epoch", "number")

    def __init__(self) -> None:
        self._changing = RLock()  # a finalizer that runs here may change something, too
        self.epoch: Epoch = Epoch()
        self._numbers = count(1)
        self._followers: WeakSet[Version] | None = None
        self.number: int = 0

    def bump(self) -> None:
        """Take the next number and begin the next epoch; whoever follows does too."""
        self.number = next(self._numbers)
        following = Epoch()
        with self._changing:  # else of two changes at once one could replace an epoch without ending it
            before, self.epoch = self.epoch, following
            before.over = True
        for follower in list(self._followers or ()):
            follower.bump()

    def follow(self, other: Version) -> None:
        """Be bumped with another version from now on."""
        if other._followers is None:
            other._followers = WeakSet()
        other._followers.add(self)

    def __deepcopy__(self, memo: t.Any) -> Version:
        return Version()

    def __reduce__(self) -> t.Any:
        return Version, ()

    def __repr__(self) -> str:
        return f"<Version {self.number}>"


def announcing(*names: str) -> Callable[[C], C]:
    """Make the inherited methods of these names bump `self.version` when they end, by an error too.

    An `extend` whose iterable breaks off has changed the list nevertheless.
    """

    def announce(method: Callable[..., t.Any]) -> Callable[..., t.Any]:
        @wraps(method)
        def changed(self: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
            try:
                return method(self, *args, **kwargs)
            finally:
                self.version.bump()

        return changed

    def decorate(cls: C) -> C:
        for name in names:
            setattr(cls, name, announce(getattr(cls, name)))
        return cls

    return decorate


@announcing("__setitem__", "__delitem__", "pop", "popitem", "clear", "update", "setdefault", "__ior__")
class WatchedDict(dict[K, V]):
    """A dict that bumps a version at every change: endpoint -> view function.

    Args:
        version: bumped at every change.
        items: what it starts with.
    """

    __slots__ = ("version",)

    version: Version

    def __new__(cls, *args: t.Any, **kwargs: t.Any) -> t.Self:
        made = super().__new__(cls)
        made.version = Version()  # also where unpickling fills it without calling `__init__`
        return made

    def __init__(self, version: Version | None = None, items: Mapping[K, V] | None = None) -> None:
        super().__init__(items or {})
        if version is not None:
            self.version = version
