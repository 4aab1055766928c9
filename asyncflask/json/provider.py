"""Who turns objects into JSON and back for an application: the interface, and the default on the standard library."""

from __future__ import annotations

import dataclasses
import decimal
import json
import typing as t
import uuid
import weakref
from datetime import date
from functools import cached_property

from werkzeug.http import http_date

from ..plain import is_plain
from ..versions import Version

if t.TYPE_CHECKING:
    from werkzeug.sansio.response import Response

    from ..sansio.app import App

# Encoders one provider keeps ready. Few sets of options are ever used, unless each call brings a new `default=lambda`.
_READY_LIMIT = 32

_PLAIN = is_plain()

_WHITESPACE = " \t\n\r"


class JSONProvider:
    """The JSON operations of an application.

    A provider for another library subclasses this and implements `dumps` and `loads`; everything else builds on them.
    Set ``app.json_provider_class`` or ``app.json`` to use it. (Flask docs: JSON Support.)

    Args:
        app: the application; kept as a weak proxy in ``_app``.
    """

    def __init__(self, app: App) -> None:
        self._app: App = weakref.proxy(app)

    def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Return `obj` as JSON text; `kwargs` are the library's own options."""
        raise NotImplementedError

    def loads(self, s: str | bytes, **kwargs: t.Any) -> t.Any:
        """Return what JSON text, or bytes in UTF-8, say; `kwargs` are the library's own options."""
        raise NotImplementedError

    def dump(self, obj: t.Any, fp: t.IO[str], **kwargs: t.Any) -> None:
        """Write `obj` as JSON to the text file `fp`."""
        fp.write(self.dumps(obj, **kwargs))

    def load(self, fp: t.IO[t.AnyStr], **kwargs: t.Any) -> t.Any:
        """Return what the JSON file `fp`, of text or of bytes in UTF-8, says."""
        return self.loads(fp.read(), **kwargs)

    def response(self, *args: t.Any, **kwargs: t.Any) -> Response:
        """Return a response of type ``application/json``.

        Args:
            args: one value is sent as it is, several as a list, none as ``null``.
            kwargs: sent as an object.

        Raises:
            TypeError: both kinds were given.
        """
        body = self.dumps(self._prepare_response_obj(args, kwargs))
        return self._app.response_class(body, mimetype="application/json")

    def body_writer(self) -> tuple[t.Callable[[t.Any], bytes], str] | None:
        """Return what makes the body that `response` gives to one value, and its content type.

        Both hold until an attribute of the provider, or the debug mode, is changed. None: only `response` can make it.
        """
        return None

    def _prepare_response_obj(self, args: tuple[t.Any, ...], kwargs: dict[str, t.Any]) -> t.Any:
        if kwargs:
            if args:
                raise TypeError("app.json.response() takes either args or kwargs, not both")
            return kwargs
        if len(args) > 1:
            return args
        return args[0] if args else None


def _default(o: t.Any) -> t.Any:
    match o:
        case date():
            return http_date(o)
        case uuid.UUID() | decimal.Decimal():
            return str(o)
    if dataclasses.is_dataclass(o):
        return dataclasses.asdict(o)  # type: ignore[arg-type]
    try:
        to_html = o.__html__
    except AttributeError:
        raise TypeError(f"Object of type {type(o).__name__} is not JSON serializable") from None
    return str(to_html())


class DefaultJSONProvider(JSONProvider):
    """JSON by the standard library, which in addition writes

    - dates and datetimes as HTTP dates (RFC 9110),
    - UUIDs and decimals as strings,
    - dataclasses as objects,
    - anything with ``__html__``, such as ``Markup``, as the text that gives.

    The attributes may be changed at any time, on a subclass or on ``app.json``.
    """

    mimetype = "application/json"
    """The content type of `response`."""

    compact: bool | None = None
    """Whether `response` leaves out spaces and newlines; None: yes, but not in debug mode."""

    sort_keys = True
    """Write objects sorted by key; keys of different types then fail, as they cannot be compared."""

    ensure_ascii = True
    """Write only ASCII, everything else as escapes."""

    default: t.Callable[[t.Any], t.Any] = staticmethod(_default)
    """Called with what `json` cannot write; returns something it can, or raises TypeError."""

    def __setattr__(self, name: str, value: t.Any) -> None:
        super().__setattr__(name, value)
        self.version.bump()

    @cached_property
    def version(self) -> Version:
        """Bumped when an attribute is changed."""
        return Version()

    @cached_property
    def _ready(self) -> dict[tuple[t.Any, ...], t.Callable[[t.Any], str]]:
        return {}

    def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Return `obj` as JSON text.

        Args:
            obj: what to write.
            kwargs: options of ``json.dumps``; those not given come from the attributes of this provider.
        """
        # Making an encoder costs more than writing a small document; one is kept for each set of options.
        key = (self.default, self.ensure_ascii, self.sort_keys, *kwargs.items())
        try:
            write = self._ready.get(key)
        except TypeError:  # an option that cannot be hashed
            return json.dumps(obj, **self._options(kwargs))
        if write is None:
            options = self._options(kwargs)
            if "cls" in options:  # the user's own class may keep state, so it is made anew each time
                return json.dumps(obj, **options)
            write = _make_writer(options)
            if len(self._ready) >= _READY_LIMIT:
                self._ready.clear()
            self._ready[key] = write
        return write(obj)

    def body_writer(self) -> tuple[t.Callable[[t.Any], bytes], str] | None:
        """Return what `response` does for one value; nothing in debug mode, or where a subclass has its own way."""
        known = next(kind for kind in type(self).__mro__ if kind in OURS)
        ours = vars(self).keys().isdisjoint(_WAYS)
        ours &= all(getattr(type(self), name) is getattr(known, name) for name in _WAYS)
        compact = not self._app.debug if self.compact is None else self.compact
        return (self._body_writer(), self.mimetype) if ours and compact and not _PLAIN else None

    def _body_writer(self) -> t.Callable[[t.Any], bytes]:
        write = _make_writer(self._options({"separators": (",", ":")}))
        return lambda value: (write(value) + "\n").encode()

    def _options(self, given: dict[str, t.Any]) -> dict[str, t.Any]:
        own = {"default": self.default, "ensure_ascii": self.ensure_ascii, "sort_keys": self.sort_keys}
        return own | given

    def loads(self, s: str | bytes, **kwargs: t.Any) -> t.Any:
        """Return what JSON text, or bytes in UTF-8, say; `kwargs` are options of ``json.loads``."""
        return json.loads(s, **kwargs) if kwargs or _PLAIN else _read(s)

    def response(self, *args: t.Any, **kwargs: t.Any) -> Response:
        """Return a response of type `mimetype`, compact or indented as `compact` says.

        Args:
            args: one value is sent as it is, several as a list, none as ``null``.
            kwargs: sent as an object.

        Raises:
            TypeError: both kinds were given.
        """
        content = args[0] if len(args) == 1 and not kwargs else self._prepare_response_obj(args, kwargs)
        compact = not self._app.debug if self.compact is None else self.compact
        text = self.dumps(content, separators=(",", ":")) if compact else self.dumps(content, indent=2)
        return self._app.response_class(text + "\n", mimetype=self.mimetype)


#: a subclass that has its own of these is asked for each response
_WAYS = ("response", "dumps", "_options", "_body_writer")
#: whose ways are known here
OURS: set[type] = {DefaultJSONProvider}

_scan: t.Callable[[str, int], tuple[t.Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def _read(text: str | bytes) -> t.Any:
    # What json.loads(text) does once it has looked at encodings, options and white space. A document that begins with
    # its value and is in UTF-8, as most are, needs none of that; of any other, json.loads says what it is or lacks.
    if isinstance(text, (str, bytes)):
        try:
            document = text if isinstance(text, str) else text.decode()
            value, end = _scan(document, 0)
            if end == len(document) or not document[end:].strip(_WHITESPACE):
                return value
        except (ValueError, StopIteration):
            pass
    return json.loads(text)


def _make_writer(options: dict[str, t.Any]) -> t.Callable[[t.Any], str]:
    # What json.dumps(obj, **options) does each time from the start, with everything made beforehand.
    if _PLAIN:
        return lambda obj: json.dumps(obj, **options)
    encoder = json.JSONEncoder(**options)
    make_pieces = getattr(json.encoder, "c_make_encoder", None)
    if make_pieces is None or encoder.indent is not None:
        return encoder.encode
    escape = json.encoder.encode_basestring_ascii if encoder.ensure_ascii else json.encoder.encode_basestring
    pieces = make_pieces(
        None, encoder.default, escape, None, encoder.key_separator, encoder.item_separator, encoder.sort_keys,
        encoder.skipkeys, encoder.allow_nan,
    )  # fmt: skip

    def write(obj: t.Any) -> str:
        try:
            return "".join(pieces(obj, 0))
        except RecursionError:
            pass
        return encoder.encode(obj)  # looks for circles, which have an error of their own; this fails in any case

    return write
