"""The format of API keys: generating them, and reading them from a request.

`rbk_`, or `rbo_` for the client secret of an application, 32 random base62 characters (190 bits), and a base62 CRC32 of
everything before it in 6 characters: GitHub's token format. Secret scanners recognize it, and a mistyped key is
rejected without asking the database.
"""

from __future__ import annotations

import re
import secrets
from hashlib import sha256
from zlib import crc32

from rollbook.errors import MalformedKey, MissingKey

PREFIX = "rbk_"
CLIENT_PREFIX = "rbo_"
LENGTH = 42
NO_SCHEME = "The header must be `Authorization: Bearer YOUR_API_KEY`: the word Bearer is missing."

_ALPHABET = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET = re.compile(r"rb[ko]_[0-9A-Za-z]{5,}")
_FORM = re.compile(rb"rb[ko]_[0-9A-Za-z]{38}").fullmatch
# RFC 9110 section 11.4: credentials = auth-scheme 1*SP token68; the scheme ignores case (section 11.1). The number of
# spaces is limited: the gate caches callers by the whole header, and one key could fill the cache with headers of every
# length.
_HEADER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] {1,8}([^ ].*)", re.DOTALL).fullmatch


def mint(kind: str = "api") -> str:
    """A new key of a kind, from the system's random source."""
    number, digits = secrets.randbelow(62**32), []
    for _ in range(32):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    body = (CLIENT_PREFIX if kind == "client" else PREFIX).encode() + bytes(digits)
    return (body + _checksum(body)).decode()


def from_header(authorization: bytes | None) -> str:
    """The key in an `Authorization` header. Raises MissingKey, or MalformedKey for another scheme, several credentials
    or an incomplete key.

    Repeated headers arrive joined by ", " and are malformed: a proxy might have checked the other one.
    """
    if not authorization or authorization.lower() == b"bearer":
        raise MissingKey()
    match = _HEADER(authorization)
    if match is None:
        raise MalformedKey(NO_SCHEME if authorization.startswith(PREFIX.encode()) else None)
    if problem := _problem(key := match[1]):
        raise MalformedKey(reason=problem)
    return key.decode()


def _problem(key: bytes) -> str:
    """Problem with the format of a key, without anything of it; empty if there is none."""
    if not key.startswith((PREFIX.encode(), CLIENT_PREFIX.encode())):
        return f"An API key begins with {PREFIX}."
    if len(key) != LENGTH:
        return f"An API key has {LENGTH} characters, but {len(key):,} were sent."
    if _FORM(key) is None:
        return f"After {PREFIX}, an API key has only letters and digits."
    return "" if _checksum(key[:-6]) == key[-6:] else "A character of the API key is wrong: its checksum doesn't match."


def is_whole(text: str) -> bool:
    """Test whether the text has the format of a key and a correct checksum. The key need not exist."""
    return text.isascii() and not _problem(text.encode())


def digest(key: str) -> bytes:
    """Digest that is stored instead of the key, 32 bytes. A fast hash is enough for 190 random bits."""
    return sha256(key.encode()).digest()


def start(key: str) -> str:
    """The first 8 characters, for lists. Together with `last_four`, which belong to the checksum, over 140 bits stay
    unknown."""
    return key[:8]


def last_four(key: str) -> str:
    """The last 4 characters, so that people can tell their keys apart."""
    return key[-4:]


def masked(key: str) -> str:
    """How people tell keys apart."""
    return f"{start(key)}…{last_four(key)}"


def without_secrets(text: str) -> str:
    """The text with each key in it as lists show it, and each part of a key up to where it becomes secret."""
    return _SECRET.sub(lambda match: (masked if is_whole(match[0]) else start)(match[0]), text)


def _checksum(body: bytes) -> bytes:
    """CRC32 as six base62 digits, most significant first, padded with zeros. Unrolled, because every request needs
    it."""
    number = crc32(body)
    return bytes(
        (
            _ALPHABET[number // 916_132_832],
            _ALPHABET[number // 14_776_336 % 62],
            _ALPHABET[number // 238_328 % 62],
            _ALPHABET[number // 3_844 % 62],
            _ALPHABET[number // 62 % 62],
            _ALPHABET[number % 62],
        )
    )
