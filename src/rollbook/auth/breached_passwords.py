"""Passwords that were in a breach, looked up in a file of their SHA-1 hashes as Pwned Passwords provides it: a line
`HASH:COUNT` each, sorted by hash. It has tens of gigabytes: a look-up reads it in 25 places."""

from __future__ import annotations

import os
import re
from hashlib import sha1
from unicodedata import normalize

_LINE = re.compile(rb"[0-9A-F]{40}(?::\d+)?\r?", re.IGNORECASE).fullmatch
_DIGITS = 40
_LONGEST_LINE = 128
_BLOCK = 4096
"""Bytes that are read as they are, once the search has come down to them."""
_SAMPLES = 1000


class NoHashes(ValueError):
    """Not a sorted file of hashes. The message says where, and doesn't quote it."""


def holds(path: str, password: str) -> bool:
    """Test whether the file has the hash of this password, as sent or in NFKC. Raises OSError, NoHashes."""
    file = os.open(path, os.O_RDONLY)
    try:
        return any(_has(file, each) for each in {password, normalize("NFKC", password)})
    finally:
        os.close(file)


def check(path: str) -> int:
    """About how many hashes the file has. It is read in a thousand places. Raises OSError, NoHashes."""
    file = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(file).st_size
        known = os.pread(file, _LONGEST_LINE, 0).partition(b"\n")[0]
        if not _LINE(known):
            raise NoHashes("line 1 is no SHA-1 hash, such as 00000…:17")
        last = known[:_DIGITS].upper()
        for at in range(size // _SAMPLES, size - _LONGEST_LINE, max(_LONGEST_LINE, size // _SAMPLES)):
            start, digest = _line_after(file, at)
            if digest <= last:
                raise NoHashes(f"it isn't sorted by hash before byte {start:,}")
            last = digest
        return round(size / (len(known) + 1))
    finally:
        os.close(file)


def _has(file: int, password: str) -> bool:
    wanted = sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    low, high = 0, os.fstat(file).st_size  # where lines begin
    while high - low > _BLOCK:
        start, digest = _line_after(file, (low + high) // 2)
        if digest <= wanted:
            low = start
        else:
            high = start
    block = b"\n" + os.pread(file, high - low + _LONGEST_LINE, low).upper()
    return b"\n" + wanted in block


def _line_after(file: int, at: int) -> tuple[int, bytes]:
    """Return where the next line begins, and its hash."""
    text = os.pread(file, 2 * _LONGEST_LINE, at)
    start = text.find(b"\n") + 1
    line = text[start:].partition(b"\n")[0]
    if not start or not _LINE(line):
        raise NoHashes(f"there is no SHA-1 hash after byte {at:,}")
    return at + start, line[:_DIGITS].upper()
