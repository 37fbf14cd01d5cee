"""Terms of one and two characters: they find a word that begins with them and, in scripts that write without spaces,
any place.

The ranges are code points, not categories, so that Python and PostgreSQL part words at the same places.
"""

from __future__ import annotations

import re

from rollbook.errors import Unavailable

LONGEST = 2
"""Characters of a term that is looked for at the beginning of words. A longer one is looked for anywhere."""

# What parts words: punctuation and spaces of ASCII, Latin-1, Unicode's general block, and their full-width forms.
SEPARATORS = (
    r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b4\u00b6-\u00b9\u00bb-\u00bf\u00d7\u00f7"
    r"\u2000-\u206f\u3000-\u3004\u3008-\u3020\u3030\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
# Each of these begins a word: Thai, Lao, Tibetan, Burmese, Hangul, Khmer, symbols and emoji, Chinese, Japanese, Yi.
UNSPACED = (
    r"\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2190-\u2bff\u2e80-\u2fff\u3005-\u3007\u3021-\u302f"
    r"\u3031-\ua4cf\uac00-\ud7ff"
    r"\uf900-\ufaff\uff66-\uffdf\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
LETTERS = f"[^{SEPARATORS}{UNSPACED}]"

_is_separator = re.compile(f"[{SEPARATORS}]").match
_is_unspaced = re.compile(f"[{UNSPACED}]").match
# One or two characters at each place where a word begins.
_beginnings = re.compile(f"(?=(..?))(?:[{UNSPACED}]|{LETTERS}+)", re.DOTALL).findall
_SPACED = bytes(code if chr(code).isalnum() else 32 for code in range(256))


def is_short(term: str) -> bool:
    """Test whether a folded term is looked for at the beginning of words."""
    return len(term) <= LONGEST


def begins_none(term: str) -> bool:
    """Test whether no word can begin with a short term, because it begins with punctuation or a space."""
    return _is_separator(term) is not None


def pattern(term: str) -> str:
    """A regular expression of Python and of PostgreSQL that finds a short term where it counts in a folded text."""
    spelled = "".join([f"\\U{ord(character):08x}" for character in term])
    return spelled if _is_unspaced(term) else f"(?<!{LETTERS}){spelled}"


def beginnings(text: str) -> set[str]:
    """The short terms that find a folded text."""
    found = set(_beginnings(text))
    return found | {each[0] for each in found}


def plain_beginnings(text: str) -> str | None:
    """The same with spaces between them, for half the work. None unless the text is ASCII, and none of its words has
    only one letter."""
    if not text.isascii():
        return None
    found = set()
    for word in text.encode().translate(_SPACED).split():
        if len(word) == 1:  # a term may have the separator behind it, too
            return None
        found.add(word[:1])
        found.add(word[:2])
    return b" ".join(found).decode()


def indexed(term: str) -> list[str]:
    """Entries of the index to ask for, where it has each unspaced character and, of other words, the first and the
    first two letters."""
    first, second = term[0], term[1:]
    if not second or not (_is_unspaced(term) or _is_unspaced(second) or _is_separator(second)):
        return [term]
    return [first] if _is_separator(second) else [first, second]


def not_ready() -> Unavailable:
    """The error while the index is built after an upgrade."""
    return Unavailable(
        "The index for search terms of one and two characters is being built. Search for three characters, or "
        "try again later.",
        retry_after=60,
    )
