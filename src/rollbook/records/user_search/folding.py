"""The folding of search: which spellings of a name, an email or a term are the same.

Each has the spelling of `rules.fold`, and further ones where they differ from it: without accents, without punctuation,
and with spaces for its hyphens. A user is found where one spelling of the term is part of one of theirs, so that
`muller` finds Müller, `oconnor` finds O'Connor and `O'Connor` finds OConnor; and whoever typed what stands there finds
it in any script. Only marks that are accents are dropped: the vowels of Hindi or Thai, which are marks as well, tell
names apart.
"""

from __future__ import annotations

import re
from functools import partial
from unicodedata import normalize

from rollbook.records import rules
from rollbook.records.user_search import words

# Accents of Latin, Greek and Cyrillic, vowel points of Hebrew and Arabic, and variation selectors. Ranges of code
# points, as in `words`, so that all versions of Python agree.
_drop_accents = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f]+"
).sub
# Letters that Unicode takes apart no further.
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ŋ": "n", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th"}
)
# Signs that are typed for an apostrophe.
_APOSTROPHES = str.maketrans("`´‘’‛′ʹʻʼʽʾʿˈꞌ＇", "'" * 15)
_OF_ADDRESSES = str.maketrans("", "", "._+")
# But for Korean letters and half-width kana that stand alone: taken apart, they would melt into their neighbors.
_apart = partial(re.compile("[^\u3131-\u318e\uff61-\uffdc]+").sub, lambda text: normalize("NFKD", text[0]))
_SIGN = f"(?! )[{words.SEPARATORS}\u05be\u05f3\u05f4\u30fb]"
_drop_signs = re.compile(_SIGN).sub
_has_inner_sign = re.compile(f"[^{words.SEPARATORS}] *{_SIGN}.*[^{words.SEPARATORS}]").search
_has_other_sign = re.compile(f"(?!'){_SIGN}").search
_part_hyphens = re.compile("[-\u2010-\u2015\u2212]").sub
# The signs of ASCII.
_SIGNS = bytes(code for code in range(128) if _drop_signs("", chr(code)) == "")


def searched_text(name: str, email: str) -> str:
    """Text that is searched: a line for each spelling, first the name and the email as all versions have them. The line
    breaks, which no term contains, keep a match within one of them."""
    text = f"{name}\n{email}"
    if text.isascii() and "'" not in email and name.replace(" ", "").isalnum():
        return text.lower()
    bare, bare_email = _bare(name), _bare(email)
    further = (bare, _joined(bare), _joined(_parted(bare)), bare_email, bare_email.replace("'", ""))
    return "\n".join(dict.fromkeys((rules.fold(name), rules.fold(email), *further)))


def has_further(text: str) -> bool:
    """Test whether this is a text of `searched_text` that versions without other spellings would not have made."""
    return text.count("\n") > 1


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
    found = [bare]
    if is_address:
        found.append(bare.replace("'", ""))
    elif has_inner_sign:
        found = [_joined(bare), *([bare] if _has_other_sign(bare) else ())]

    def is_usable(spelling: str) -> bool:
        return spelling != "" and words.is_short(spelling) == words.is_short(plain)

    usable = [*filter(is_usable, dict.fromkeys(found))]
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
