"""JSON that gives back what it was given: types that JSON lacks are written as an object with one telling key.

The signed-cookie session is stored this way. A tag for a type of one's own subclasses `JSONTag` and is registered with
a serializer, in front of the others if the type is a special case of theirs::

    class TagOrderedDict(JSONTag):
        __slots__ = ()
        key = " od"

        def check(self, value):
            return isinstance(value, OrderedDict)

        def to_json(self, value):
            return [[name, self.serializer.tag(item)] for name, item in value.items()]

        def to_python(self, value):
            return OrderedDict(value)

    app.session_interface.serializer.register(TagOrderedDict, index=0)

(Flask docs: Tagged JSON.)
"""

from __future__ import annotations

import typing as t
from base64 import b64decode, b64encode
from datetime import datetime
from uuid import UUID

from markupsafe import Markup
from werkzeug.http import http_date, parse_date

from ..plain import is_plain
from . import dumps, loads

AS_IT_IS: frozenset[type] = frozenset() if is_plain() else frozenset({str, int, float, bool, type(None)})
"""The types that none of our own tags is for."""


class JSONTag:
    """How one type is written and read.

    Args:
        serializer: the serializer it belongs to; containers use it to tag what they hold.
    """

    __slots__ = ("serializer",)

    key: str = ""
    """The key of the object written around the value. Empty: the tag only transforms values and is not read back."""

    def __init__(self, serializer: TaggedJSONSerializer) -> None:
        self.serializer: TaggedJSONSerializer = serializer

    def tag(self, value: t.Any) -> dict[str, t.Any]:
        """Return `value` in types that JSON has, within its tag."""
        return {self.key: self.to_json(value)}

    def to_python(self, value: t.Any) -> t.Any:
        """Return what `to_json` was given; the tag is already taken off."""
        raise NotImplementedError

    def to_json(self, value: t.Any) -> t.Any:
        """Return `value` in types that JSON has, without the tag."""
        raise NotImplementedError

    def check(self, value: t.Any) -> bool:
        """Return whether this tag is for `value`."""
        raise NotImplementedError


class _TypeTag(JSONTag):
    # For the instances of one type and of its subclasses.
    __slots__ = ()
    kind: t.ClassVar[type]

    def check(self, value: t.Any) -> bool:
        return isinstance(value, self.kind)


class _TagWithin(_TypeTag):
    # A container that JSON has: it gets no tag of its own, only what it holds may.
    __slots__ = ()

    def tag(self, value: t.Any) -> t.Any:
        return self.to_json(value)


class PassDict(_TagWithin):
    """A dict. Its keys are left alone: JSON has only strings there."""

    __slots__ = ()
    kind = dict

    def to_json(self, value: t.Any) -> t.Any:
        tagged = self.serializer.tag
        return {name: tagged(item) for name, item in value.items()}


class PassList(_TagWithin):
    """A list."""

    __slots__ = ()
    kind = list

    def to_json(self, value: t.Any) -> t.Any:
        return list(map(self.serializer.tag, value))


class TagDict(_TypeTag):
    """A dict whose only key looks like a tag; ``__`` is appended to the key while it is JSON."""

    __slots__ = ()
    key = " di"
    kind = dict

    def check(self, value: t.Any) -> bool:
        return super().check(value) and len(value) == 1 and not self.serializer.tags.keys().isdisjoint(value)

    def to_json(self, value: t.Any) -> t.Any:
        [(name, item)] = value.items()
        return {f"{name}__": self.serializer.tag(item)}

    def to_python(self, value: t.Any) -> t.Any:
        [(name, item)] = value.items()
        return {name[:-2]: item}


class TagTuple(_TypeTag):
    """A tuple, written as a list."""

    __slots__ = ()
    key = " t"
    kind = tuple

    def to_json(self, value: t.Any) -> t.Any:
        return list(map(self.serializer.tag, value))

    def to_python(self, value: t.Any) -> t.Any:
        return tuple(value)


class TagBytes(_TypeTag):
    """Bytes, written in base64."""

    __slots__ = ()
    key = " b"
    kind = bytes

    def to_json(self, value: t.Any) -> t.Any:
        return str(b64encode(value), "ascii")

    def to_python(self, value: t.Any) -> t.Any:
        return b64decode(value)


class TagUUID(_TypeTag):
    """A UUID, written as 32 hexadecimal digits."""

    __slots__ = ()
    key = " u"
    kind = UUID

    def to_json(self, value: t.Any) -> t.Any:
        return value.hex

    def to_python(self, value: t.Any) -> t.Any:
        return UUID(value)


class TagDateTime(_TypeTag):
    """A datetime, to the second; it comes back with a time zone, UTC."""

    __slots__ = ()
    key = " d"
    kind = datetime

    def to_json(self, value: t.Any) -> t.Any:
        return http_date(value)

    def to_python(self, value: t.Any) -> t.Any:
        return parse_date(value)


class TagMarkup(JSONTag):
    """Anything with ``__html__``; it comes back as ``Markup``."""

    __slots__ = ()
    key = " m"

    def to_json(self, value: t.Any) -> t.Any:
        return str(value.__html__())

    def to_python(self, value: t.Any) -> t.Any:
        return Markup(value)

    def check(self, value: t.Any) -> bool:
        return callable(getattr(value, "__html__", None))


class TaggedJSONSerializer:
    """Writes and reads JSON with tags, as compact as can be; fits ``itsdangerous.Serializer``.

    Besides what JSON has: ``tuple``, ``bytes``, ``Markup``, ``UUID``, ``datetime``, and dicts that look like a tag.
    """

    __slots__ = ("_own", "order", "tags")

    default_tags: t.ClassVar[list[type[JSONTag]]] = [
        TagDict, PassDict, TagTuple, PassList, TagBytes, TagMarkup, TagUUID, TagDateTime
    ]  # fmt: skip
    """The classes of tags every new serializer has, in the order they are tried."""

    def __init__(self) -> None:
        self.order: list[JSONTag] = []
        self.tags: dict[str, JSONTag] = {}
        for tag_class in self.default_tags:
            self.register(tag_class)
        self._own: list[JSONTag] = [tag for tag in self.order if type(tag) in _OWN_TAGS]

    def register(self, tag_class: type[JSONTag], force: bool = False, index: int | None = None) -> None:
        """Add a tag.

        Args:
            tag_class: its class; this serializer makes the object.
            force: replace a tag that has the same key.
            index: its place among those that are tried; None: the last.

        Raises:
            KeyError: the key is taken and `force` is not set.
        """
        made = tag_class(self)
        if made.key:
            if made.key in self.tags and not force:
                raise KeyError(f"Tag '{made.key}' is already registered.")
            self.tags[made.key] = made
        self.order.insert(len(self.order) if index is None else index, made)

    @property
    def has_own_tags_only(self) -> bool:
        """Whether it writes as this class does, with the tags that it has by default."""
        return type(self) is TaggedJSONSerializer and self.order == self._own

    def tag(self, value: t.Any) -> t.Any:
        """Return `value` in types that JSON has, tagged where it needs to be."""
        if type(value) in AS_IT_IS and self.order == self._own:
            return value
        for candidate in self.order:
            if candidate.check(value):
                return candidate.tag(value)
        return value

    def untag(self, value: dict[str, t.Any]) -> t.Any:
        """Return what a tagged dict stands for, or the dict itself if it is not tagged."""
        if len(value) == 1:
            [(key, content)] = value.items()
            if key in self.tags:
                return self.tags[key].to_python(content)
        return value

    def _untag_scan(self, value: t.Any) -> t.Any:
        # From the inside out: a tag's content is complete before the tag is read.
        if isinstance(value, list):
            return [self._untag_scan(item) for item in value]
        if isinstance(value, dict):
            return self.untag({name: self._untag_scan(item) for name, item in value.items()})
        return value

    def dumps(self, value: t.Any) -> str:
        """Return `value` as compact JSON text with tags."""
        return dumps(value if self._is_json(value) else self.tag(value), separators=(",", ":"))

    def _is_json(self, value: t.Any) -> bool:
        # Whether it is a dict like those of most sessions, in which no tag would change anything.
        if type(value) is not dict or not AS_IT_IS.issuperset(map(type, value.values())) or self.order != self._own:
            return False
        return len(value) != 1 or self.tags.keys().isdisjoint(value)

    def loads(self, value: str) -> t.Any:
        """Return what `dumps` was given.

        Raises:
            ValueError: it is not JSON.
        """
        found = loads(value)
        # The keys of our own tags begin with a space.
        if AS_IT_IS and '" ' not in value and "\\u0020" not in value and self.order == self._own:
            return found
        return self._untag_scan(found)


_OWN_TAGS = frozenset(TaggedJSONSerializer.default_tags)
