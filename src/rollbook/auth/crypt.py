"""The hashes of crypt(3) and phpass that no library of ours computes: MD5-crypt, SHA-crypt, phpass and bcrypt's
revision 2x.

Their loops are Python, which only one thread runs at a time, so they let the event loop in between.
"""

from __future__ import annotations

import hashlib
import time

ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

MAX_SECRET = 256
"""Maximum bytes of a password, as in musl's SHA-crypt: each round hashes all of it."""
_TURN = 1024
"""Rounds, less than a millisecond, after which other threads get the interpreter."""
_PAUSE = 0.00005
"""Seconds. With 0 this thread would have the interpreter back before another one woke up."""


def sha_crypt(digest: str, secret: bytes, salt: bytes, rounds: int) -> str:
    """The digest of `$5$` (sha256) and `$6$` (sha512): Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", steps 1
    to 22."""
    new = getattr(hashlib, digest)
    b = new(secret + salt + secret).digest()
    a = new(secret + salt + _repeated(b, len(secret)))
    length = len(secret)
    while length:
        a.update(b if length & 1 else secret)
        length >>= 1
    c = a.digest()
    p = _repeated(new(secret * len(secret)).digest(), len(secret))
    s = _repeated(new(salt * (16 + c[0])).digest(), len(salt))
    # What one round of 42 adds in front of and behind the running digest repeats: it depends on the round modulo 2, 3
    # and 7.
    around = []
    for round in range(42):
        middle = (s if round % 3 else b"") + (p if round % 7 else b"")
        around.append((p + middle, b"") if round & 1 else (b"", middle + p))
    for round in range(rounds):
        before, behind = around[round % 42]
        c = new(before + c + behind).digest()
        if round % _TURN == _TURN - 1:
            time.sleep(_PAUSE)
    return _radix64(_shuffled(c))


def md5_crypt(secret: bytes, salt: bytes) -> str:
    """The digest of `$1$`: Poul-Henning Kamp, FreeBSD's lib/libcrypt/crypt-md5.c."""
    new = hashlib.md5
    b = new(secret + salt + secret).digest()
    a = new(secret + b"$1$" + salt + _repeated(b, len(secret)))
    length = len(secret)
    while length:
        a.update(b"\0" if length & 1 else secret[:1])
        length >>= 1
    c = a.digest()
    for round in range(1000):
        middle = (salt if round % 3 else b"") + (secret if round % 7 else b"")
        c = new(secret + middle + c if round & 1 else c + middle + secret).digest()
    order = (12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11)
    return _radix64(bytes(c[at] for at in order))


def phpass(secret: bytes, salt: bytes, log_rounds: int, digest: str = "md5") -> str:
    """The digest of `$P$`, in which WordPress and phpBB kept passwords: Openwall's phpass, `crypt_private`."""
    new = getattr(hashlib, digest)
    c = new(salt + secret).digest()
    for round in range(1 << log_rounds):
        c = new(c + secret).digest()
        if round % _TURN == _TURN - 1:
            time.sleep(_PAUSE)
    return _radix64(c)


def sign_extended(secret: bytes) -> bytes:
    """The 72 bytes of key that bcrypt's 2x made of a password: a byte above 127 sets all bits of those before it in its
    group of four (CVE-2011-2483). Given to a correct bcrypt, they have the same hash."""
    key = bytearray(((secret + b"\0") * 72)[:72])
    for group in range(0, 72, 4):
        signed = [at for at in range(group, group + 4) if key[at] > 127]
        if signed:
            key[group : signed[-1]] = b"\xff" * (signed[-1] - group)
    return bytes(key)


def _repeated(data: bytes, length: int) -> bytes:
    return (data * (length // len(data) + 1))[:length]


def _radix64(data: bytes) -> str:
    """Little-endian groups of three bytes, lowest six bits first."""
    text = ""
    for at in range(0, len(data), 3):
        group = data[at : at + 3]
        value = int.from_bytes(group, "little")
        for _ in range(len(group) + 1):
            text += ALPHABET[value & 63]
            value >>= 6
    return text


def _shuffled(c: bytes) -> bytes:
    """The bytes in the order in which SHA-crypt writes a digest: three columns, which change places from one group to
    the next."""
    third = len(c) // 3
    columns, order = [0, third, 2 * third], []
    for _ in range(third):
        order += reversed(columns)
        columns = [at + 1 for at in (columns[2:] + columns[:2] if len(c) == 32 else columns[1:] + columns[:1])]
    return bytes(c[at] for at in (*order, *range(3 * third, len(c))))
