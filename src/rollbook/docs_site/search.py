"""Searches the guide: sections that contain all the words, best matches first."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from markupsafe import Markup, escape

from rollbook.docs_site import guide, markdown

MAX_WORDS = 8
MAX_RESULTS = 30
# Characters of text shown around the first match.
AROUND = 90


class Section(NamedTuple):
    chapter: str
    heading: str
    path: str
    text: str
    folded: str


class Result(NamedTuple):
    chapter: str
    heading: str
    path: str
    excerpt: Markup


def search(query: str) -> list[Result]:
    words = query.casefold().split()[:MAX_WORDS]
    if not words:
        return []
    found = [(_rank(section, words), number, section) for number, section in enumerate(_sections())]
    best = sorted((each for each in found if each[0] > 0), key=lambda each: (-each[0], each[1]))[:MAX_RESULTS]
    return [Result(each.chapter, each.heading, each.path, _excerpt(each, words)) for _, _, each in best]


@cache
def _sections() -> list[Section]:
    """All sections of all chapters, in order. Takes tens of milliseconds, once per process."""
    found = []
    for name, chapter in guide.CHAPTERS.items():
        if name == guide.LANDING:
            continue
        for heading, text in markdown.plain(guide.source(name, guide.PAGE_URL)):
            is_error = name == "errors" and heading.anchor in guide.codes()
            path = f"/docs/errors/{heading.anchor}" if is_error else chapter.path
            if not is_error and heading.level > 1:
                path += f"#{heading.anchor}"
            found.append(Section(guide.title(name), heading.text, path, text, f"{heading.text} {text}".casefold()))
    return found


def _rank(section: Section, words: list[str]) -> int:
    """0 if a word is missing. A word in the heading counts as much as many in the text."""
    heading = section.heading.casefold()
    rank = 0
    for word in words:
        times = section.folded.count(word)
        if not times:
            return 0
        rank += min(times, 5) + (20 if word in heading else 0) + (40 if word == heading else 0)
    return rank


def _excerpt(section: Section, words: list[str]) -> Markup:
    """The text around the first word, with all words marked."""
    text = section.text
    folded = text.casefold()
    # Folding may lengthen a text (ß); then positions in it are not those in the text.
    if len(folded) != len(text):
        folded = text.lower() if len(text.lower()) == len(text) else text
    first = min((at for at in map(folded.find, words) if at >= 0), default=0)
    start = max(0, first - AROUND // 3)
    if start:
        start = text.find(" ", start) + 1
    end = min(len(text), start + 2 * AROUND)
    any_word = re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)))
    parts = [Markup("… ") if start else Markup()]
    at = start
    for found in any_word.finditer(folded, start, end):
        parts += [escape(text[at : found.start()]), Markup("<mark>{}</mark>").format(text[found.start() : found.end()])]
        at = found.end()
    return Markup().join([*parts, escape(text[at:end])]) + (Markup(" …") if end < len(text) else Markup())
