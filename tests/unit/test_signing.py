"""The cookie serializer writes and reads what itsdangerous' own does."""

from __future__ import annotations

import hashlib
import hmac
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import BadData, BadSignature, HMACAlgorithm, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode

from asyncflask.signing import TINY, CookieSerializer, KeepingAlgorithm, compress, from_url_safe, may_hold, url_safe

HOW = {"digest_method": hashlib.sha1, "key_derivation": "hmac"}
repetitive = st.builds(lambda text, n: text * n, st.text(min_size=1, max_size=12), st.integers(1, 30))
values = st.dictionaries(st.text(max_size=8), st.text(max_size=60) | repetitive | st.integers(), max_size=4)


def both(*keys, salt="salt"):
    return CookieSerializer(list(keys), salt, signer_kwargs=HOW), URLSafeTimedSerializer(
        list(keys), salt, signer_kwargs=HOW
    )


@settings(deadline=None)
@given(values)
def test_the_payload_is_the_same(value):
    ours, theirs = both("key")
    assert ours.dump_payload(value) == theirs.dump_payload(value)


@settings(deadline=None)
@given(
    st.binary(max_size=300)
    | st.builds(lambda text, n: text * n, st.binary(min_size=1, max_size=20), st.integers(1, 300))
)
def test_what_is_compressed_is_what_zlib_compresses(text):
    assert compress(text) == zlib.compress(text)


@pytest.mark.parametrize("window", [512, 1024, 2048, 4096])
@pytest.mark.parametrize("beside", range(-4, 5))
@pytest.mark.parametrize("piece", [b"a", b"ab", bytes(range(256))])
def test_at_the_ends_of_what_a_window_holds(window, beside, piece):
    text = (piece * window)[: window - 262 + beside]
    assert compress(text) == zlib.compress(text)
    repeated = text[:99] + hashlib.sha512(text).digest() * 70  # what is repeated lies as far back as can be
    repeated = repeated[: len(text) - 99] + text[:99]
    assert compress(repeated) == zlib.compress(repeated)


def test_what_is_tiny_never_shrinks():
    for size in range(TINY + 1):
        for text in (b"0" * size, bytes(size), b'"' + b"a" * (size - 2) + b'"', b"ab" * (size // 2)):
            assert len(zlib.compress(text)) >= len(text) - 1
    ours, theirs = both("key")
    for value in ("a" * 9, "a" * 10, {"a": 1}, "", 1):
        assert ours.dump_payload(value) == theirs.dump_payload(value)


@given(st.binary(max_size=40))
def test_base64_is_that_of_itsdangerous(data):
    assert url_safe(data) == base64_encode(data)


@given(st.binary(max_size=40))
def test_base64_is_read_as_it_is_written(data):
    assert from_url_safe(url_safe(data)) == data


@pytest.mark.parametrize("method", [hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.blake2b])
@given(key=st.binary(max_size=200), value=st.binary(max_size=200))
def test_the_signature_is_an_hmac(method, key, value):
    algorithm = KeepingAlgorithm(method)
    expected = hmac.digest(key, value, method)
    assert algorithm.get_signature(key, value) == algorithm.get_signature(key, value) == expected


def test_a_digest_method_that_says_no_block_size_is_left_to_hmac():
    class Digest:
        name, digest_size = "own", 20

        def __init__(self, data=b""):
            self._hash = hashlib.sha1(data)
            self.update, self.digest, self.hexdigest = self._hash.update, self._hash.digest, self._hash.hexdigest

        def copy(self):
            copied = Digest()
            copied._hash = self._hash.copy()
            copied.update, copied.digest = copied._hash.update, copied._hash.digest
            return copied

    how = {"digest_method": Digest, "key_derivation": "concat"}
    ours, theirs = (kind(["key"], "salt", signer_kwargs=how) for kind in (CookieSerializer, URLSafeTimedSerializer))
    with pytest.warns(RuntimeWarning, match="block_size"):
        assert theirs.loads(ours.dumps([1])) == [1]


@settings(deadline=None)
@given(st.text(max_size=5), st.text(max_size=5), st.booleans(), st.booleans())
def test_a_word_is_seen_in_a_cookie_wherever_it_stands(before, behind, there, long):
    ours, _ = both("key")
    word = "_permanent" if there else "_permament"
    cookie = ours.dumps({before + word + behind: "a" * 400 * long})
    assert cookie.startswith(".") or not long
    assert may_hold(cookie, "_permanent") is there
    assert may_hold(cookie, "_permanent") is there, "as it is kept"


@pytest.mark.parametrize("cookie", ["", "a", "a.b", "a.b.c.d", ".a.b.c", ".!.b.c", "." + "A" * 2000 + ".b.c", ".é.b.c"])
def test_a_cookie_that_nobody_can_read_may_hold_anything(cookie):
    assert may_hold(cookie, "_permanent")


@given(st.binary(max_size=40) | st.text(max_size=40), st.lists(st.integers(1, 3_000_000_000), max_size=4))
def test_a_signature_is_itsdangerous_own_at_any_time(value, moments):
    ours, theirs = (serializer.make_signer() for serializer in both("old", "new"))
    for moment in (*moments, 1_700_000_000, 1_700_000_000):
        for signer in (ours, theirs):
            signer.get_timestamp = lambda moment=moment: moment
        assert ours.sign(value) == theirs.sign(value)
        assert ours.get_signature(value) == theirs.get_signature(value)
        assert theirs.unsign(ours.sign(value)) == ours.unsign(theirs.sign(value))


def outcome(load, *args, **kwargs):
    try:
        return load(*args, **kwargs)
    except BadData as error:
        return type(error), str(error), getattr(error, "payload", None), getattr(error, "date_signed", None)


@settings(deadline=None)
@given(
    values,
    st.sampled_from([0, 5, 59, 60, 61, 10_000_000_000]),
    st.sampled_from([None, 0, 60, 10**12]),
    st.integers(0, 80),
    st.sampled_from(["", ".", "A", "=", "é"]),
    st.sampled_from(["new", "old", "other"]),
)
def test_what_is_read_is_what_itsdangerous_reads(value, age, max_age, at, junk, key):
    text = both(key)[1].dumps(value)
    now = TimestampSigner("").get_timestamp() + age
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TimestampSigner, "get_timestamp", lambda self: now)
        ours, theirs = both("old", "new")
        for sent in (text, text[:at] + junk + text[at:], text[:at] + junk + text[at + 1 :], text[:-1] + "B"):
            for how in ({}, {"return_timestamp": True}, {"salt": b"other"}):
                expected = outcome(theirs.loads, sent, max_age=max_age, **how)
                assert outcome(ours.loads, sent, max_age=max_age, **how) == expected


def test_reading_takes_the_short_way(monkeypatch):
    ours, _ = both("old", "new")
    text = ours.dumps({"a": 1})
    monkeypatch.setattr(TimestampSigner, "unsign", None)
    assert ours.loads(text, max_age=60) == {"a": 1}


def test_another_algorithm_stays():
    class Other(HMACAlgorithm):
        pass

    algorithm = Other(hashlib.sha256)
    how = {"algorithm": algorithm, "key_derivation": "none"}
    ours, theirs = (kind(["key"], "salt", signer_kwargs=how) for kind in (CookieSerializer, URLSafeTimedSerializer))
    assert ours.make_signer().algorithm is algorithm
    assert theirs.loads(ours.dumps([1])) == [1]


def test_either_reads_what_the_other_wrote(monkeypatch):
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: 1_700_000_000)
    ours, theirs = both("old", "new")
    assert ours.dumps({"a": 1}) == theirs.dumps({"a": 1})
    assert ours.loads(theirs.dumps([1, 2])) == theirs.loads(ours.dumps([1, 2])) == [1, 2]


def test_keys_are_rotated():
    (old, _), (rotated, _), (new, _) = both("old"), both("old", "new"), both("new")
    assert rotated.loads(old.dumps(1)) == 1
    assert new.loads(rotated.dumps(1)) == 1, "the last key signs"
    with pytest.raises(BadSignature):
        new.loads(old.dumps(1))


def test_salts_and_keys_are_kept_apart():
    ours, _ = both("key")
    other, _ = both("key", salt="other")
    with pytest.raises(BadSignature):
        ours.loads(other.dumps(1))
    with pytest.raises(BadSignature):
        ours.loads(ours.dumps(1, salt="other"))
    assert ours.loads(ours.dumps(1, salt="other"), salt="other") == 1


def test_signers_and_derived_keys_are_made_once():
    ours, _ = both("key")
    signer = ours.make_signer(ours.salt)
    assert ours.make_signer(ours.salt) is signer
    assert signer.derive_key() is signer.derive_key("key")
