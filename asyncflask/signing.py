"""itsdangerous' serializer for cookies, which keeps what is the same for each cookie: signers and their derived keys.

What it writes is, byte for byte, what ``URLSafeTimedSerializer`` writes.
"""

from __future__ import annotations

import hmac
import typing as t
import zlib
from binascii import b2a_base64

from itsdangerous import BadData, HMACAlgorithm, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_decode, base64_encode, bytes_to_int, int_to_bytes, want_bytes
from itsdangerous.url_safe import URLSafeSerializerMixin

SHORT = 100
"""Up to so many bytes it costs much less to find out that a text cannot be compressed than to compress it."""


TINY = 11
"""Up to so many bytes no text can be compressed: one letter and a repetition of it take 10."""

PEEK = 16 * 1024
"""The most bytes that a cookie nobody has checked is decompressed to."""


def may_hold(cookie: str, word: bytes) -> bool:
    """Return whether a word may stand in what a cookie holds, by a look that checks no signature; False is certain."""
    is_compressed = cookie[:1] == "."
    if cookie.count(".") != 2 + is_compressed:  # the payload, when it was signed, the signature
        return True
    try:
        payload = base64_decode(cookie[is_compressed:].partition(".")[0])
        if is_compressed:
            inflating = zlib.decompressobj()
            payload = inflating.decompress(payload, PEEK)
            if not inflating.eof:
                return True
    except (BadData, zlib.error):
        return True
    return word in payload


class KeepingAlgorithm(HMACAlgorithm):
    """HMAC that begins once with each key, and goes on from there."""

    def __init__(self, digest_method: t.Any) -> None:
        super().__init__(digest_method)
        self.begun: dict[bytes, hmac.HMAC] = {}

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        """Return the signature of a value, in bytes."""
        begun = self.begun.get(key)
        if begun is None:
            begun = self.begun[key] = hmac.new(key, digestmod=self.digest_method)
        mac = begun.copy()
        mac.update(value)
        return mac.digest()


class KeepingSigner(TimestampSigner):
    """A signer that derives each key once."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        if type(self.algorithm) is HMACAlgorithm:
            self.algorithm = KeepingAlgorithm(self.digest_method)
        self._moment: tuple[int, bytes] = 0, b""

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        """Return the key that a secret key gives with this signer's salt."""
        kept: dict[bytes, bytes] = self.__dict__.setdefault("_derived", {})
        secret = bytes(self.secret_keys[-1] if secret_key is None else want_bytes(secret_key))
        if secret not in kept:
            kept[secret] = super().derive_key(secret)
        return kept[secret]

    def get_signature(self, value: str | bytes) -> bytes:
        """Return the signature of a value, as URL-safe text in bytes."""
        return url_safe(self.algorithm.get_signature(self.derive_key(), want_bytes(value)))

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
            age = self.get_timestamp() - bytes_to_int(base64_decode(moment))
        except BadData:
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

    def dump_payload(self, obj: t.Any) -> bytes:
        """Return the value as URL-safe text in bytes, compressed where that is shorter."""
        text = super(URLSafeSerializerMixin, self).dump_payload(obj)  # that one would compress it in any case
        if len(text) <= SHORT and (len(text) <= TINY or not shrinks(text)):
            return url_safe(text)
        compressed = zlib.compress(text)
        return url_safe(text) if len(compressed) >= len(text) - 1 else b"." + url_safe(compressed)


def url_safe(data: bytes) -> bytes:
    """Return bytes in the base64 of itsdangerous: for URLs, without padding."""
    return b2a_base64(data, newline=False).translate(_FOR_URLS).rstrip(b"=")


_FOR_URLS = bytes.maketrans(b"+/", b"-_")


def shrinks(text: bytes) -> bool:
    """Return whether ``zlib.compress`` makes a short text shorter by more than the mark that it is compressed."""
    trial = zlib.compressobj(-1, zlib.DEFLATED, 9, 1)  # a window and a hash table that are just large enough
    return len(trial.compress(text)) + len(trial.flush()) < len(text) - 1
