"""Full-text search in the docs: sections that contain all words, best match first."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from markupsafe import Markup, escape

from rollbook.web import guide, markdown

MOST_WORDS = 8
MOST_RESULTS = 30
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
    words = query.casefold().split()[:MOST_WORDS]
    if not words:
        return []
    found = [(_rank(section, words), number, section) for number, section in enumerate(_sections())]
    best = sorted((each for each in found if each[0] > 0), key=lambda each: (-each[0], each[1]))[:MOST_RESULTS]
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
    folded = section.text.casefold()
    # Case folding can lengthen text (ß); then its positions don't match.
    if len(folded) != len(section.text):
        folded = section.text.lower() if len(section.text.lower()) == len(section.text) else section.text
    places = [place for place in (folded.find(word) for word in words) if place >= 0]
    start = max(0, min(places, default=0) - AROUND // 3)
    if start:
        start = section.text.find(" ", start) + 1
    end = min(len(folded), start + 2 * AROUND)
    marked = [False] * (end - start)
    for word in words:
        place = folded.find(word, start)
        while 0 <= place < end:
            for at in range(place, min(place + len(word), end)):
                marked[at - start] = True
            place = folded.find(word, place + 1)
    parts = [Markup("… ") if start else Markup()]
    at = start
    while at < end:
        upto = at
        while upto < end and marked[upto - start] == marked[at - start]:
            upto += 1
        text = escape(section.text[at:upto])
        parts.append(Markup("<mark>{}</mark>").format(text) if marked[at - start] else text)
        at = upto
    return Markup().join(parts) + (Markup(" …") if end < len(folded) else Markup())
