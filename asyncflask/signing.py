"""itsdangerous' serializer for cookies, which keeps what is the same for each cookie: signers and their derived keys.

What it writes is, byte for byte, what ``URLSafeTimedSerializer`` writes.
"""

from __future__ import annotations

import hmac
import typing as t
import zlib
from binascii import a2b_base64, b2a_base64
from functools import cache, lru_cache

from itsdangerous import HMACAlgorithm, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode, int_to_bytes, want_bytes
from itsdangerous.url_safe import URLSafeSerializerMixin

TINY = 11
"""Up to so many bytes no text can be compressed: one letter and a repetition of it take 10."""

KEPT = 1024
"""Of cookies of up to so many characters it is kept for some time what they may hold."""

PEEK = 16 * 1024
"""The most bytes that a cookie nobody has checked is decompressed to."""


def may_hold(cookie: str, word: str) -> bool:
    """Return whether a word may stand in what a cookie holds, by a look that checks no signature; False is certain."""
    is_compressed = cookie[:1] == "."
    if cookie.count(".") != 2 + is_compressed:  # the payload, when it was signed, the signature
        return True
    if not is_compressed:
        payload = cookie.partition(".")[0]
        first, second, third = spellings(word)
        return first in payload or second in payload or third in payload
    return (_may_hold_compressed if len(cookie) <= KEPT else _may_hold_compressed.__wrapped__)(cookie, word)


@lru_cache(1024)
def _may_hold_compressed(cookie: str, word: str) -> bool:
    try:
        inflating = zlib.decompressobj()
        payload = inflating.decompress(from_url_safe(cookie[1:].partition(".")[0].encode()), PEEK)
    except (ValueError, zlib.error):
        return True
    return not inflating.eof or word.encode() in payload


@cache
def spellings(word: str) -> tuple[str, str, str]:
    """Return what must stand in URL-safe base64 of a text with a word in it: one of three, by where the word begins."""
    found = []
    for before in range(3):
        text = b"\0" * before + word.encode()
        # Of a character, all six bits have to be the word's own.
        first, last = -(-before * 8 // 6), len(text) * 8 // 6
        found.append(url_safe(text + b"\0\0")[first:last].decode())
    return found[0], found[1], found[2]


class KeepingAlgorithm(HMACAlgorithm):
    """HMAC that begins once with each key, and goes on from there. (RFC 2104.)"""

    def __init__(self, digest_method: t.Any) -> None:
        super().__init__(digest_method)
        self.begun: dict[bytes, tuple[t.Any, t.Any]] = {}

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """Return the signature of a value, in bytes."""
        begun = self.begun.get(key)
        if begun is None:
            begun = self.begun[key] = self._begin(key)
        inner, outer = begun[0].copy(), begun[1].copy()
        inner.update(value)
        outer.update(inner.digest())
        return t.cast(bytes, outer.digest())

    def _begin(self, key: bytes) -> tuple[t.Any, t.Any]:
        size: int = self.digest_method().block_size
        block = (key if len(key) <= size else self.digest_method(key).digest()).ljust(size, b"\0")
        return self.digest_method(block.translate(_INNER)), self.digest_method(block.translate(_OUTER))


_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class KeepingSigner(TimestampSigner):
    """A signer that derives each key once."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        if type(self.algorithm) is HMACAlgorithm and hasattr(self.digest_method(), "block_size"):
            self.algorithm = KeepingAlgorithm(self.digest_method)
        self._moment: tuple[int, bytes] = 0, b""
        self._key: bytes | None = None

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """Return the key that a secret key gives with this signer's salt."""
        kept: dict[bytes, bytes] = self.__dict__.setdefault("_derived", {})
        secret = bytes(self.secret_keys[-1] if secret_key is None else want_bytes(secret_key))
        if secret not in kept:
            kept[secret] = super().derive_key(secret)
        return kept[secret]

    def get_signature(self, value: str | bytes) -> bytes:
        """Return the signature of a value, as URL-safe text in bytes."""
        key = self._key
        if key is None:
            key = self._key = self.derive_key()
        return url_safe(self.algorithm.get_signature(key, want_bytes(value)))

    def sign(self, value: str | bytes) -> bytes:
        """Return a value with the time, which is written once a second, and the signature of both behind it."""
        moment, written = self._moment
        now = self.get_timestamp()
        if now != moment:
            written = self.sep + base64_encode(int_to_bytes(now))
            self._moment = now, written
        signed = want_bytes(value) + written
        return signed + self.sep + self.get_signature(signed)

    def checked(self, signed: bytes, max_age: int) -> bytes | None:
        """Return the value if it was signed with the present key, in the last `max_age` seconds; None: look closer."""
        stamped, _, signature = signed.rpartition(self.sep)
        value, _, moment = stamped.rpartition(self.sep)
        if not value or not hmac.compare_digest(self.get_signature(stamped), signature):
            return None
        try:
            age = self.get_timestamp() - int.from_bytes(from_url_safe(moment), "big")
        except ValueError:
            return None
        return value if 0 <= age <= max_age else None


class CookieSerializer(URLSafeTimedSerializer):
    """``URLSafeTimedSerializer``, quicker; its keys and its way of signing are not to be changed once it is made."""

    default_signer: type[TimestampSigner] = KeepingSigner

    def make_signer(self, salt: str | bytes | None = None) -> TimestampSigner:
        """Return the signer for a salt, by default the serializer's own; made on the first call."""
        kept: dict[t.Any, TimestampSigner] = self.__dict__.setdefault("_signers", {})
        if salt not in kept:
            kept[salt] = t.cast(TimestampSigner, super().make_signer(salt))
        return kept[salt]

    def loads(  # type: ignore[override]  # as in TimedSerializer
        self,
        s: str | bytes,
        max_age: int | None = None,
        return_timestamp: bool = False,
        salt: str | bytes | None = None,
    ) -> t.Any:
        """Return what a text holds whose signature is right and not older than `max_age` seconds.

        Raises:
            BadData: it isn't, or is unreadable. (itsdangerous docs: TimedSerializer.)
        """
        signer = self.make_signer(salt)
        if isinstance(signer, KeepingSigner) and max_age is not None and not return_timestamp:
            payload = signer.checked(want_bytes(s), max_age)
            if payload is not None:
                return self.load_payload(payload)
        return super().loads(s, max_age, return_timestamp, salt)

    def load_payload(self, payload: bytes, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Return what a text holds, whose signature was right. Raises BadPayload. (itsdangerous docs: Serializer.)"""
        is_compressed = payload[:1] == b"."
        if self.is_text_serializer and not args and not kwargs:
            try:
                text = from_url_safe(payload[is_compressed:])
                return self.serializer.loads((zlib.decompress(text) if is_compressed else text).decode())
            except Exception:
                pass  # is met again, and told of, by itsdangerous
        return super().load_payload(payload, *args, **kwargs)

    def dump_payload(self, obj: t.Any) -> bytes:
        """Return the value as URL-safe text in bytes, compressed where that is shorter."""
        text = super(URLSafeSerializerMixin, self).dump_payload(obj)  # that one takes longer to compress it
        if len(text) <= TINY or len(compressed := compress(text)) >= len(text) - 1:
            return url_safe(text)
        return b"." + url_safe(compressed)


def url_safe(data: bytes) -> bytes:
    """Return bytes in the base64 of itsdangerous: for URLs, without padding."""
    return b2a_base64(data, newline=False).translate(_FOR_URLS).rstrip(b"=")


def from_url_safe(text: bytes) -> bytes:
    """Return what `url_safe` was given. Raises ValueError."""
    return a2b_base64(text.translate(_FROM_URLS) + b"=" * (-len(text) % 4))


_FOR_URLS, _FROM_URLS = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


def compress(text: bytes) -> bytes:
    """Return what ``zlib.compress`` does, in a tenth of its time if the text is short."""
    for most, bits in _WINDOWS:
        if len(text) <= most:
            deflating = zlib.compressobj(-1, zlib.DEFLATED, -bits, 6)
            deflated = deflating.compress(text) + deflating.flush()
            return _ZLIB + deflated + zlib.adler32(text).to_bytes(4, "big")
    return zlib.compress(text)


_ZLIB = b"\x78\x9c"  # the usual header, which allows for the largest window (RFC 1950)
# Up to which length a window of so many bits holds all that can be referred to, and need not be cleared beyond. In a
# window deflate needs room for the longest match and some (262 bytes) before it.
_WINDOWS = tuple(((1 << bits) - 262, bits) for bits in (9, 10, 11, 12))
