"""Passwords that everybody guesses: the common ones, words with a year, digits or signs around them, and what is known
of the user and the server.

Texts are compared as `rules.comparable` makes them: in NFKC and lower case.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from unicodedata import combining, normalize

COMMON = "The password is too common and would be easy to guess."
WITH_SIGNS = "The password is a common word with digits or signs, and would be easy to guess."
ABOUT_USER = (
    "The password is made of the name or email of the user, or of the name of this server, and would be easy to guess."
)
REPEATED = "The password repeats a few characters, and would be easy to guess."

LEAST_LETTERS = 3
"""Letters of a word that counts as one."""
LONGEST_WORD = 40
LONGEST_UNIT = 4
"""Characters that a password is not to repeat from end to end."""

# What people put before or after a word: up to three signs, digits, up to three signs.
_AROUND = re.compile(r"[\W_]{0,3}(\d*)[\W_]{0,3}").fullmatch
_LONGEST_AROUND = 16
_FEW_DIGITS = 4
"""A year, a day, the last digits of something; more only in a row or repeated."""
_UNIT = re.compile(r"(.+?)\1+", re.DOTALL).fullmatch
_NO_WORD = re.compile(r"[\W_]+")
_LETTERS = re.compile(r"[^\W\d_]+")

_LEET = [str.maketrans("0134578@$!|+", f"o{one}eastbas{sign}lt") for one, sign in (("i", "i"), ("l", "i"))]
_KEYS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm", "0123456789" * 26)
_ROWS = [row[::way] for row in _KEYS for way in (1, -1)]


def reason(text: str, words: Collection[str]) -> str | None:
    """The reason for which this is easy to guess, in a sentence that does not repeat it; None if it isn't. `words` are
    those of `words_of`."""
    if _is_common(text.strip()) or any(text in row for row in _ROWS):
        return COMMON
    unit = _UNIT(text[: 4 * LONGEST_WORD])
    if unit is not None and len(text) <= 4 * LONGEST_WORD:
        if len(unit[1]) <= LONGEST_UNIT:
            return REPEATED
        text = unit[1]
    candidates = set(_within(text))
    if any(_is_about(word, words) for word in candidates):
        return ABOUT_USER
    return WITH_SIGNS if any(word.isalpha() and _is_common(word) for word in candidates) else None


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """The words of names, emails and hosts, alone and together, as far as they are long enough to count."""
    words: set[str] = set()
    for text in texts:
        local, at, domain = text.partition("@")
        for whole in (text, local, domain.rpartition(".")[0] or domain) if at else (text,):
            parts = _LETTERS.findall(_bare(whole)) if whole != text or not at else []
            words |= {*parts, "".join(parts), "".join(reversed(parts)), _joined(whole)}
    return frozenset(word for word in words if len(word) >= LEAST_LETTERS)


def prepare() -> None:
    """Load the list of common passwords."""
    _list()


# ---- what is left of a password without what people put around a word


def _within(text: str) -> Iterator[str]:
    """The words that a password may be made of: without digits and signs around them, and with the letters that digits
    and signs stand for."""
    starts = [at for at in range(min(len(text), _LONGEST_AROUND) + 1) if _is_around(text[:at])]
    ends = [at for at in range(max(0, len(text) - _LONGEST_AROUND), len(text) + 1) if _is_around(text[at:])]
    for start in starts:
        for end in ends:
            if max(LEAST_LETTERS, len(text) // 3) <= end - start <= LONGEST_WORD:
                core = text[start:end]
                for spelled in (core, *(core.translate(table) for table in _LEET)):
                    if len(word := _joined(spelled)) >= LEAST_LETTERS:
                        yield word


def _is_around(text: str) -> bool:
    match = _AROUND(text)
    if match is None:
        return False
    digits = match[1]
    return len(digits) <= _FEW_DIGITS or any(digits in row for row in _ROWS) or _UNIT(digits) is not None


def _is_about(word: str, words: Collection[str]) -> bool:
    """Test whether it is one of these words, or a longer one of them and another that is known."""
    return word in words or any(
        (word.startswith(other) and _is_known(word[len(other) :], words))
        or (word.endswith(other) and _is_known(word[: -len(other)], words))
        for other in words
        if len(other) > LEAST_LETTERS
    )


def _is_known(word: str, words: Collection[str]) -> bool:
    return word in words or (word.isalpha() and _is_common(word))


def _joined(text: str) -> str:
    """Letters and digits only, without accents."""
    return _NO_WORD.sub("", _bare(text))


def _bare(text: str) -> str:
    """Without accents."""
    if text.isascii():
        return text
    return "".join(char for char in normalize("NFKD", text) if not combining(char))


# ---- the list


def _is_common(text: str) -> bool:
    """Test whether the list holds this line, by binary search."""
    lines = _list()
    target = text.encode("utf-8", "surrogatepass")
    low, high = 0, len(lines)  # where lines begin
    while low < high:
        start = lines.rfind(b"\n", low, (low + high) // 2) + 1 or low
        end = lines.index(b"\n", start)
        if (line := lines[start:end]) == target:
            return True
        if line < target:
            low = end + 1
        else:
            high = start
    return False


@cache
def _list() -> bytes:
    """Sorted lines: common passwords of 8 and more characters, and common words of 3 to 7 letters (see NOTICE). Kept as
    they are, in one megabyte: as a set of strings they would take ten."""
    return gzip.decompress(Path(__file__).with_name("common_passwords.txt.gz").read_bytes())
