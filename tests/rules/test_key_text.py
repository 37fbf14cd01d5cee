"""API keys as text: their form, their checksum, and the header that carries them."""

from __future__ import annotations

import hashlib
import string
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollbook.auth import key_format
from rollbook.errors import MalformedKey, MissingKey, Unauthorized
from tests.grids import grid

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


@pytest.mark.parametrize(("kind", "prefix"), [("api", "rbk_"), ("scim", "rbk_"), ("client", "rbo_")])
def test_a_key_has_the_published_form(kind: str, prefix: str) -> None:
    key = key_format.mint(kind)
    assert len(key) == 42
    assert key.startswith(prefix)
    assert set(key[4:]) <= set(BASE62)
    assert key_format.is_whole(key)


def test_the_checksum_is_the_crc32_of_all_before_it_in_base62() -> None:
    for key in [key_format.mint() for _ in range(1000)]:
        number = 0
        for digit in key[-6:]:
            number = number * 62 + BASE62.index(digit)
        assert number == zlib.crc32(key[:-6].encode())


def test_a_known_key() -> None:
    assert key_format.is_whole("rbk_000000000000000000000000000000002Intvb")


def test_no_two_keys_are_alike_and_every_character_comes_up() -> None:
    minted = [key_format.mint() for _ in range(2000)]
    assert len(set(minted)) == 2000
    assert all({key[place] for key in minted} == set(BASE62) for place in range(4, 36))


@given(st.integers(4, 41), st.sampled_from(BASE62))
def test_any_one_mistyped_character_is_seen(place: int, character: str) -> None:
    key = key_format.mint()
    typo = key[:place] + character + key[place + 1 :]
    assert key_format.is_whole(typo) == (typo == key)


@given(st.integers(4, 40))
def test_two_swapped_characters_are_seen(place: int) -> None:
    key = key_format.mint()
    swapped = key[:place] + key[place + 1] + key[place] + key[place + 2 :]
    assert key_format.is_whole(swapped) == (swapped == key)


@given(st.text() | st.text().map("rbk_{}".format))
def test_other_texts_are_no_keys(text: str) -> None:
    assert not key_format.is_whole(text)


@pytest.mark.parametrize("spoil", ["{}0", "0{}", " {}", "{} ", "{}\n", "RBK_{0[4]}", "é{}", "\ud800{}"])
def test_a_key_with_something_around_it_is_not_whole(spoil: str) -> None:
    assert not key_format.is_whole(spoil.format(key_format.mint()))


def test_what_is_kept_of_a_key() -> None:
    key = key_format.mint()
    assert key_format.digest(key) == hashlib.sha256(key.encode()).digest()
    assert key_format.start(key) == key[:8]
    assert key_format.last_four(key) == key[38:]


@pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER ", b"bEaReR ", b"Bearer   "])
def test_the_scheme_may_be_in_any_case_and_be_followed_by_blanks(scheme: bytes) -> None:
    key = key_format.mint()
    assert key_format.from_header(scheme + key.encode()) == key


@pytest.mark.parametrize("header", [None, b"", b"Bearer", b"bearer"])
def test_no_credentials_are_a_missing_key(header: bytes | None) -> None:
    with pytest.raises(MissingKey):
        key_format.from_header(header)


@grid(
    "header",
    [
        b"{key}",
        b"Basic {key}",
        b"Basic dTpw",
        b"Token {key}",
        b"Bearer{key}",
        b"Bearer\t{key}",
        b"Bearer: {key}",
        b'Bearer "{key}"',
        b"Bearer token={key}",
        b"Bearer {key} ",
        b" Bearer {key}",
        b"Bearer {key}\n",
        b"Bearer {key}x",
        b"Bearer {key}, Bearer {key}",
        b"Bearer {key},Bearer {key}",
        b"Bearer {key} {key}",
        b"Bearer YOUR_API_KEY",
        b"Bearer rbk_",
        b"Bearer Bearer {key}",
        b"Bearer \xff\xfe",
        b"Bearer \xd9\xa1",
        b"Bearer " + b"a" * 30_000,
        b"\x00",
    ],
)
def test_what_is_not_one_whole_key_is_malformed(header: bytes) -> None:
    with pytest.raises(MalformedKey) as refusal:
        key_format.from_header(header.replace(b"{key}", key_format.mint().encode()))
    assert "rbk_" not in str(refusal.value)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda key: key[:13], "An API key has 42 characters, but 13 were sent."),
        (lambda key: key.removeprefix("rbk_"), "An API key begins with rbk_."),
        (lambda key: key[:-1] + "!", "After rbk_, an API key has only letters and digits."),
        (lambda key: key[:-1] + ("x" if key[-1] != "x" else "y"), "its checksum doesn't match"),
    ],
)
def test_a_malformed_key_says_what_is_wrong_with_it(spoil: Callable[[str], str], problem: str) -> None:
    with pytest.raises(MalformedKey) as refusal:
        key_format.from_header(b"Bearer " + spoil(key_format.mint()).encode())
    faults = refusal.value.faults
    assert str(refusal.value) == "Invalid API key provided." and faults and problem in faults[0].message


@given(st.none() | st.binary())
def test_any_other_header_is_refused_as_unauthorized(header: bytes | None) -> None:
    with pytest.raises(Unauthorized):
        key_format.from_header(header)
