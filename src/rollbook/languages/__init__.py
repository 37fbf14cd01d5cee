"""The languages of the pages and mails that customers see: a JSON file for each, with all of its texts; which one a
reader gets, and sentences of errors in it.

A text has a key and, in braces, values: `language("de").t("link_sent", email=…)`. All files have the same keys
and values, in the same order. A text about a number has two forms, `…_one` and `…_other`. The texts `error_…` in
English are the sentences that actions raise, by which those of other languages are found.

German, French, Spanish and Portuguese (of Brazil) are formal: Sie, vous, usted, você. Japanese is polite:
です・ます. In French, no-break spaces (U+00A0, written as an escape) stand before ? and ; and between a number and
its noun.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import msgspec

from rollbook import units
from rollbook.config import LanguageCode

NAMES: dict[LanguageCode, str] = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "pt": "Português",
    "ja": "日本語",
}
"""The name of each language in itself."""
ENGLISH: LanguageCode = "en"

_MAX_RANGES = 32
_WEIGHT = re.compile(r"\s*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE).fullmatch
_RANGE = re.compile(r"\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*").fullmatch
_OPENING = re.compile(r"(?<![^\s(])'")
_VALUE = re.compile(r"\\\{(\w+)\\\}")


class Language(NamedTuple):
    """A language and its texts."""

    code: LanguageCode
    texts: dict[str, str]

    def t(self, key: str, /, **values: object) -> str:
        """The text with these values. Raises KeyError for one that doesn't exist, or lacks a value."""
        return self.texts[key].format(**values) if values else self.texts[key]

    def counted(self, key: str, n: int, **values: object) -> str:
        """The form of a text for this number, which is its value `n`."""
        return self.t(f"{key}_one" if n == 1 else f"{key}_other", n=n, **values)

    def duration(self, seconds: int) -> str:
        """`40 seconds`, `60 minutes`, `24 hours`, `31 days`: rounded up."""
        number, unit = units.rounded(seconds)
        return self.counted(unit, number)

    def said(self, sentence: str) -> str:
        """An English sentence of an action or of a page in this language; one that has no translation as it is.

        The API, the command line and the docs write apostrophes as `'`, pages and mails as `’`; quotation marks of
        the same form are ‘…’ there."""
        shown = _OPENING.sub("‘", sentence).replace("'", "’")
        if self.code == ENGLISH:
            return shown
        plain, patterns = _english()
        if (key := plain.get(shown)) is not None:
            return self.texts[key]
        for pattern, key in patterns:
            if match := pattern.fullmatch(shown):
                return self.t(key, **match.groupdict())
        return sentence

    def says(self, sentence: str) -> bool:
        """Test whether the sentence has a translation."""
        return self.code == ENGLISH or self.said(sentence) != sentence


@cache
def language(code: LanguageCode) -> Language:
    file = Path(__file__).with_name(f"{code}.json")
    return Language(code, msgspec.json.decode(file.read_bytes(), type=dict[str, str]))


def named(text: str) -> LanguageCode | None:
    """The language of a tag (RFC 5646) such as `de` or `de-CH`: of its longest part that is one (RFC 4647 section
    3.4)."""
    primary = text.lower().partition("-")[0]
    return next((code for code in NAMES if code == primary), None)


def chosen(code: str, accept: str, otherwise: LanguageCode) -> LanguageCode:
    """The language of a page: the one that its URL names, or the one that the browser likes best of ours (RFC 9110
    section 12.5.4). `accept` is the Accept-Language header."""
    return named(code) or _preferred(accept[:512], otherwise)


@lru_cache(maxsize=256)
def _preferred(accept: str, otherwise: LanguageCode) -> LanguageCode:
    weights: dict[LanguageCode, float] = {}
    others = 0.0
    for part in accept.lower().split(",")[:_MAX_RANGES]:
        tag, semicolon, parameter = part.partition(";")
        weight = _WEIGHT(parameter) if semicolon else None
        if not _RANGE(tag.strip()) or (semicolon and weight is None):
            continue
        q = float(weight[1]) if weight else 1.0
        if tag.strip() == "*":
            others = q
        elif (code := named(tag.strip())) is not None:
            weights[code] = max(q, weights.get(code, 0.0))
    # Of those that are liked best, the first; the server's own before all that `*` stands for.
    liked = [*weights.items(), *((code, others) for code in (otherwise, *NAMES) if code not in weights)]
    code, weight = max(liked, key=lambda pair: pair[1])
    return code if weight > 0 else otherwise


@cache
def _english() -> tuple[dict[str, str], list[tuple[re.Pattern[str], str]]]:
    """The English texts by which sentences are found: those without values, and patterns for the errors with some."""
    texts = language(ENGLISH).texts
    plain = {text: key for key, text in texts.items()}
    with_values = [(key, re.escape(text)) for key, text in texts.items() if key.startswith("error_") and "{" in text]
    return plain, [(re.compile(_VALUE.sub(r"(?P<\1>.+)", text)), key) for key, text in with_values]
