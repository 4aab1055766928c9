"""Attributes that are worked out when first read: the way to pay only for what is touched."""

from __future__ import annotations

import typing as t

T = t.TypeVar("T")


class unless_set(t.Generic[T]):
    """A method read as an attribute, on every read, until the instance has an attribute of that name.

    Being no data descriptor, it costs nothing once the instance has the value: Python finds that first.
    """

    def __init__(self, make: t.Callable[[t.Any], T]) -> None:
        self.make = make
        self.name = make.__name__
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
        value = instance.__dict__[self.name] = self.make(instance)
        return value
