"""The folding of search: which spellings of a name, an email or a term are the same.

Each has the spelling of `rules.fold`, and further ones where they differ from it: without accents, without punctuation,
and with spaces for its hyphens. A user is found where one spelling of the term is part of one of theirs, so that
`muller` finds Müller, `oconnor` finds O'Connor and `O'Connor` finds OConnor; and whoever typed what stands there finds
it in any script. Only marks that are accents are dropped: the vowels of Hindi or Thai, which are marks as well, tell
names apart.

Terms of one and two characters: they find a word that begins with them and, in scripts that write without spaces,
any place.

The ranges are code points, not categories, so that Python and PostgreSQL part words at the same places.
"""

from __future__ import annotations

import re
from functools import partial
from unicodedata import normalize

from rollbook.records import rules

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

# Compiled when they are first needed: `re` walks through all of these ranges.
_is_separator = partial(re.match, f"[{SEPARATORS}]")
_is_unspaced = partial(re.match, f"[{UNSPACED}]")
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
    texts = set(_beginnings(text))
    return texts | {word[0] for word in texts}


def plain_beginnings(text: str) -> str | None:
    """The short terms that find a folded text, with spaces between them, for half the work. None unless the text is
    ASCII, and none of its words has only one letter."""
    if not text.isascii():
        return None
    starts = set()
    for word in text.encode().translate(_SPACED).split():
        if len(word) == 1:  # a term may have the separator behind it, too
            return None
        starts.add(word[:1])
        starts.add(word[:2])
    return b" ".join(starts).decode()


def indexed(term: str) -> list[str]:
    """Entries of the index to ask for, where it has each unspaced character and, of other words, the first and the
    first two letters."""
    first, second = term[0], term[1:]
    if not second or not (_is_unspaced(term) or _is_unspaced(second) or _is_separator(second)):
        return [term]
    return [first] if _is_separator(second) else [first, second]


# Accents of Latin, Greek and Cyrillic, vowel points of Hebrew and Arabic, and variation selectors. Ranges of code
# points, as in `words`, so that all versions of Python agree.
_drop_accents = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]+"
).sub
# Letters that Unicode takes apart no further.
_LETTERS = str.maketrans("øđðħıłŋŧ", "oddhilnt") | str.maketrans({"æ": "ae", "œ": "oe", "þ": "th"})
# Signs that are typed for an apostrophe.
_APOSTROPHES = str.maketrans("`´‘’‛′ʹʻʼʽʾʿˈꞌ＇", "'" * 15)
_OF_ADDRESSES = str.maketrans("", "", "._+")
# But for Korean letters and half-width kana that stand alone: taken apart, they would melt into their neighbors.
_apart = partial(re.compile("[^\u3131-\u318e\uff61-\uffdc]+").sub, lambda text: normalize("NFKD", text[0]))
_SIGN = f"(?! )[{SEPARATORS}\u05be\u05f3\u05f4\u30fb]"
_drop_signs = re.compile(_SIGN).sub
_has_inner_sign = re.compile(f"[^{SEPARATORS}] *{_SIGN}.*[^{SEPARATORS}]").search
_has_other_sign = re.compile(f"(?!'){_SIGN}").search
_part_hyphens = re.compile("[-\u2010-\u2015\u2212]").sub
# The signs of ASCII.
_SIGNS = bytes(code for code in range(128) if _drop_signs("", chr(code)) == "")


def searched_text(name: str, email: str) -> str:
    """Text that is searched: a line for each spelling, first the name and the email as `rules.fold` has them. The line
    breaks, which no term contains, keep a match within one of them. Emails that are made up are not searched."""
    email = "" if email.endswith(rules.MADE_UP) else email
    text = f"{name}\n{email}"
    if text.isascii() and "'" not in email and name.replace(" ", "").isalnum():
        return text.lower()
    bare, bare_email = _bare(name), _bare(email)
    further = (bare, _joined(bare), _joined(_parted(bare)), bare_email, bare_email.replace("'", ""))
    return "\n".join(dict.fromkeys((rules.fold(name), rules.fold(email), *further)))


def spellings(term: str) -> list[str]:
    """The spellings of a term that find whoever a text of `searched_text` is about: without accents; with punctuation
    between letters, as emails have it, and without. All are short (`words.is_short`) if that of `rules.fold` is, or
    none is."""
    plain = rules.fold(term)
    is_address = "@" in plain or plain.translate(_OF_ADDRESSES).isalnum()
    has_inner_sign = not is_address and _has_inner_sign(plain) is not None
    if plain.isascii() and not has_inner_sign and "'" not in plain:
        return [plain]
    bare = _bare(term)
    forms = [bare]
    if is_address:
        forms.append(bare.replace("'", ""))
    elif has_inner_sign:
        forms = [_joined(bare), *([bare] if _has_other_sign(bare) else ())]

    def is_usable(spelling: str) -> bool:
        return spelling != "" and is_short(spelling) == is_short(plain)

    usable = [*filter(is_usable, dict.fromkeys(forms))]
    return usable or [bare if is_usable(bare) else plain]


def _bare(text: str) -> str:
    """Without accents, and with one sign for all apostrophes."""
    if text.isascii():
        return text.replace("`", "'").lower()
    plain = _drop_accents("", _apart(text.translate(_APOSTROPHES)))
    return normalize("NFC", plain.casefold().translate(_LETTERS))


def _parted(text: str) -> str:
    """With spaces for hyphens."""
    return text.replace("-", " ") if text.isascii() else _part_hyphens(" ", text)


def _joined(text: str) -> str:
    """Without punctuation."""
    if text.isascii():  # for half the work
        return b" ".join(text.encode().translate(None, _SIGNS).split()).decode()
    return " ".join(_drop_signs("", text).split())
