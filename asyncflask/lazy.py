"""Attributes and modules that are worked out when first read: the way to pay only for what is touched."""

from __future__ import annotations

import sys
import typing as t
from functools import cached_property
from importlib import import_module

T = t.TypeVar("T")

_set = object.__setattr__


class unless_set(t.Generic[T]):
    """A method read as an attribute, on every read, until the instance has an attribute of that name.

    Being no data descriptor, it costs nothing once the instance has the value: Python finds that first.
    """

    def __init__(self, make: t.Callable[[t.Any], T]) -> None:
        self.make = make
        self.name: str = make.__name__
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @t.overload
    def __get__(self, instance: None, owner: type) -> t.Self: ...
    @t.overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> t.Self | T:
        return self if instance is None else self.make(instance)

    if t.TYPE_CHECKING:

        def __set__(self, instance: object, value: T) -> None: ...


class lazy(unless_set[T]):
    """As `unless_set`, and the first read keeps its value on the instance."""

    @t.overload
    def __get__(self, instance: None, owner: type) -> t.Self: ...
    @t.overload
    def __get__(self, instance: object, owner: type | None = None) -> T: ...
    def __get__(self, instance: object | None, owner: type | None = None) -> t.Self | T:
        if instance is None:
            return self
        value = self.make(instance)
        # As storing in `__dict__` does, but without making that dict, after which Python finds attributes less quickly.
        _set(instance, self.name, value)
        return value


class _Late:
    """What `late` returns; no data descriptor, so that plain assignment on an instance or a subclass wins."""

    def __init__(self, load: t.Callable[[], t.Any]) -> None:
        self.load = load

    def __get__(self, instance: object | None, owner: type) -> t.Any:
        return self.value

    @cached_property
    def value(self) -> t.Any:
        return self.load()


def late(load: t.Callable[[], T]) -> T:
    """Return a class attribute whose value is loaded when the class or an instance is first asked for it.

    Args:
        load: called without arguments; may run twice if two threads ask at once.

    Returns:
        the attribute, typed as the value it stands for.
    """
    return t.cast(T, _Late(load))


def late_names(owner: str, places: t.Mapping[str, str]) -> t.Callable[[str], t.Any]:
    """Return a module's ``__getattr__``: names of others that it offers and that are imported when asked for.

    Args:
        owner: the module's ``__name__``; what was imported is kept there.
        places: name -> absolute name of the module that has it; the module itself if it ends with ``.name``.

    Raises AttributeError, when called, for a name that is not in `places`.
    """

    def get(name: str) -> t.Any:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {owner!r} has no attribute {name!r}")
        module = import_module(place)
        value = module if place.endswith(f".{name}") else getattr(module, name)
        setattr(sys.modules[owner], name, value)
        return value

    return get


class _LateModule:
    """What `late_module` returns; an attribute that was read once is its own, so that later reads cost nothing."""

    def __init__(self, name: str) -> None:
        self._late_name = name

    def __getattr__(self, name: str) -> t.Any:
        if name.startswith("__"):  # asked of any object, by inspection
            raise AttributeError(name)
        value = getattr(import_module(self._late_name), name)
        setattr(self, name, value)
        return value


def late_module(name: str) -> t.Any:
    """Return what stands for the module `name` and imports it when an attribute of it is first read.

    For functions that run long after the import. Type checkers are told of the module under ``TYPE_CHECKING``.
    """
    return _LateModule(name)
