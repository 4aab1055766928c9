"""A JSON provider on orjson, which gives what the default provider gives: where orjson would not, that one is asked.

orjson writes numbers, NaN, subclasses and text outside of ASCII in a way of its own. Each of these either fails in it,
because it is told to pass them on, or leaves a mark in what it wrote; a false alarm costs time, never a byte.
"""

from __future__ import annotations

import typing as t

from .provider import OURS, DefaultJSONProvider, _default

if t.TYPE_CHECKING:
    from werkzeug.sansio.response import Response

    from ..sansio.app import App

_COMPACT = (",", ":")

# Characters from which on reading by orjson is quicker, what has to be looked at before included.
_WORTH_IT = 200

# NaN and infinities become null; 1e-07 and 0.00001 have another form.
_SUSPECT = (b"null", b"e-", b"0.0000")

# More digits than fit into 64 bits become a float, and so does -0. Looking for bytes is quicker than any pattern.
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * 19

_BASIC = (str, int, float, list, tuple, dict)


def _pass_on(o: t.Any) -> t.Any:
    if isinstance(o, _BASIC):  # a subclass: the standard library decides what becomes of it
        raise TypeError
    return _default(o)


class FastJSONProvider(DefaultJSONProvider):
    """The default provider's JSON, made by orjson where that gives the same.

    Quick are compact answers, as `response` gives them unless in debug mode, and reading. Everything else is left to
    the default provider: other options, a `default` of one's own, ``null``, and text that is not ASCII, unless
    `ensure_ascii` is off. One thing differs: a member of a plain ``Enum`` is written as its value, not refused.

    Used where it is asked for: as ``json_provider_class`` of a subclass of the app, or by
    ``app.json = FastJSONProvider(app)``.

    Args:
        app: the application.

    Raises:
        RuntimeError: orjson is not installed.
    """

    def __init__(self, app: App) -> None:
        super().__init__(app)
        try:
            import orjson
        except ImportError as error:
            raise RuntimeError(
                "FastJSONProvider needs the package orjson, which is not installed: pip install 'asyncflask[fast]'"
            ) from error
        self._write, self._read = orjson.dumps, orjson.loads
        self._plainly = orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
        self._plainly |= orjson.OPT_PASSTHROUGH_DATETIME
        self._sorted = self._plainly | orjson.OPT_SORT_KEYS

    def dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Return `obj` as JSON text, as the default provider does; quick if told ``separators=(",", ":")`` only."""
        if len(kwargs) == 1 and kwargs.get("separators") == _COMPACT:
            data = self._compact(obj)
            if data is not None:
                return data.decode()
        return super().dumps(obj, **kwargs)

    def loads(self, s: str | bytes, **kwargs: t.Any) -> t.Any:
        """Return what JSON text, or bytes in UTF-8, say; `kwargs` are options of ``json.loads``, which is then used."""
        if not kwargs and _is_for_orjson(s):
            try:
                return self._read(s)
            except ValueError:  # what json takes and orjson does not; or an error, which json is to word
                pass
        return super().loads(s, **kwargs)

    def response(self, *args: t.Any, **kwargs: t.Any) -> Response:
        """Return a response of type `mimetype`, as the default provider does."""
        if self.compact is True or (self.compact is None and not self._app.debug):
            content = self._prepare_response_obj(args, kwargs)
            data = self._compact(content)
            if data is None:
                data = super().dumps(content, separators=_COMPACT).encode()
            make: t.Callable[..., Response] = self._app.response_class
            return make(data + b"\n", mimetype=self.mimetype)  # pyright: ignore[reportArgumentType]
        return super().response(*args, **kwargs)

    def _body_writer(self) -> t.Callable[[t.Any], bytes]:
        write, compact = super()._body_writer(), self._compact

        def write_quickly(value: t.Any) -> bytes:
            data = compact(value)
            return write(value) if data is None else data + b"\n"

        return write_quickly

    def _compact(self, obj: t.Any) -> bytes | None:
        """Write without spaces; None: only the default provider can."""
        if self.default is not _default:
            return None
        try:
            data = self._write(obj, _pass_on, self._sorted if self.sort_keys else self._plainly)
        except TypeError:  # orjson's own errors too
            return None
        # DEL is ASCII, but escaped all the same
        if self.ensure_ascii and (not data.isascii() or b"\x7f" in data):
            return None
        for mark in _SUSPECT:
            if mark in data:
                return None
        return data


OURS.add(FastJSONProvider)


def _is_for_orjson(s: t.Any) -> bool:
    """Say whether `s` is long enough, and has no number in it that orjson might read otherwise than `json`."""
    kind = type(s)
    if (kind is not bytes and kind is not str) or len(s) < _WORTH_IT:
        return False
    # Replacing what is not ASCII makes no number where there was none.
    data: bytes = s if kind is bytes else s.encode("ascii", "replace")
    return b"-0" not in data and _LONG_NUMBER not in data.translate(_DIGITS)
