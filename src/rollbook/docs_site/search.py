"""Searches the docs with SQLite's FTS5: sections with any of the words, best first. Titles weigh more than text, text
more than code. A word that no page has is taken for the one that it is a typing error away from.

The text of a page in sections, for the search. Read line by line: the parser of Markdown takes many times as
long.
"""

from __future__ import annotations

import re
import sqlite3
import threading
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup, escape

from rollbook.docs_site import guide
from rollbook.docs_site.guide import BEGIN, END, slug

_HEADING = re.compile(r"(#+) +(.*)")
_ITEM = re.compile(r" *(?:[-*]|\d+\.) +")
_HEAD_END = re.compile(r"\|[ |:-]*")  # the line under the head of a table
_CELL_END = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\[((?:`[^`]*`|[^]`])*)\]\([^)]*\)")
_SIGNS = re.compile(r"\*+|\\(?=[^\w\s])")


class Heading(NamedTuple):
    level: int
    text: str
    anchor: str


class Passages(NamedTuple):
    """A section as plain text: paragraphs and rows of tables, and beside them its code and the tables of calls and
    objects."""

    heading: Heading
    text: list[str]
    code: list[str]


class Anchors:
    """Gives each heading of a page an anchor of its own, as GitHub does."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def of(self, heading: str) -> str:
        anchor = slug(heading)
        self._seen[anchor] = times = self._seen.get(anchor, 0) + 1
        return anchor if times == 1 else f"{anchor}-{times - 1}"


def read(text: str) -> list[Passages]:
    """The sections of a page of `guide.searchable`. Of Markdown, it knows what the pages use."""
    passages: list[Passages] = []
    anchors = Anchors()
    is_list = False  # within a table of calls or objects
    paragraph: list[str] = []

    def end() -> None:
        if paragraph:
            (passages[-1].code if is_list else passages[-1].text).append(_plain(" ".join(paragraph)))
            paragraph.clear()

    lines = iter(text.splitlines())
    for line in lines:
        stripped = line.strip()
        if stripped.startswith("```"):
            end()
            passages[-1].code.append("\n".join(_until_fence(lines)))
        elif heading := _HEADING.fullmatch(line):
            end()
            title = _plain(heading[2])
            passages.append(Passages(Heading(len(heading[1]), title, anchors.of(title)), [], []))
        elif stripped.startswith("|"):
            cells = [_plain(cell) for cell in _CELL_END.split(stripped)[1:-1] if cell.strip()]
            if cells and not _HEAD_END.fullmatch(stripped):
                row = f"{cells[0]}: {' · '.join(cells[1:])}" if len(cells) > 1 else cells[0]
                (passages[-1].code if is_list else passages[-1].text).append(row if row[-1] in ".?!" else f"{row}.")
        elif stripped in ("", BEGIN, END):
            end()
            is_list = stripped == BEGIN if stripped else is_list
        else:
            if item := _ITEM.match(line):
                end()
            paragraph.append(line[item.end() :] if item else stripped)
    end()
    return passages


def _until_fence(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.strip() == "```":
            return
        yield line


def _plain(text: str) -> str:
    """Words without the signs around them; what is code stays as it is."""
    parts = _CODE.split(_LINK.sub(r"\1", text.replace(r"\|", "|")))
    parts[::2] = [_SIGNS.sub("", part) for part in parts[::2]]
    return " ".join("".join(parts).replace("<br>", " · ").split())


MAX_WORDS = 12
EXCERPT = 28
"""Words of text in a result."""

# How much a word counts in each column.
WEIGHTS = "14.0, 9.0, 3.0, 1.0, 0.3"
# What a section gets for having a word: FTS5 gives nothing for one that most sections have.
HAS = 0.8
# A word that was typed in another form, or another word for the same.
BEGINNING, SYNONYM = 0.5, 0.8
# FTS5 holds long sections back more than is right here, where the longest are those of the calls.
LENGTH = 0.1
# A page that is called so comes before a section of another one that is.
PAGE = 1.5
# Long lists, in which most words occur somewhere, and pages on one product, by the beginnings of their names.
SPECIAL = {"cli": 0.45, "errors": 0.5, "configuration": 0.6, "api": 0.5, "migrate": 0.8, "sdk-": 0.85}

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
SHORTEST = 4
"""Letters of a word that may have a typing error."""

_WORD = re.compile(r"\w+(?:[-.']\w+)*")
# What FTS5 puts around the words it found: characters of private use, which no page has.
_MARK = re.compile("[\ue000\ue001]")
_WORD_FOUND = re.compile("[\\w\ue000\ue001]+(?:[-.'][\\w\ue000\ue001]+)*")

SCHEMA = """
CREATE VIRTUAL TABLE sections USING fts5(title, heading, chapter, text, code, tokenize = 'porter unicode61',
  prefix = '2 3');
CREATE VIRTUAL TABLE words USING fts5(text, content = '', detail = none, tokenize = 'unicode61');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(words, row);
"""
ADD = "INSERT INTO sections (rowid, title, heading, chapter, text, code) VALUES (?, ?, ?, ?, ?, ?)"
SCORES = f"SELECT rowid, -bm25(sections, {WEIGHTS}) FROM sections WHERE sections MATCH ?"
FOUND = "SELECT rowid FROM sections WHERE sections MATCH ?"
KNOWN = "SELECT term, doc FROM vocabulary"
BEGUN = "SELECT term FROM vocabulary WHERE term >= ? AND term < ? LIMIT 50"
EXCERPTS = f"""
    SELECT rowid, snippet(sections, 3, '\ue000', '\ue001', ' … ', {EXCERPT}) FROM sections
    WHERE sections MATCH ? AND rowid IN (SELECT value FROM json_each(?))"""


_lock = threading.Lock()
"""Lock of the one connection: pages are searched in threads."""


class Section(NamedTuple):
    """`title_words` are those of the heading that count, `factor` is what its rank is multiplied by."""

    chapter: str
    heading: str
    path: str
    title_words: int
    is_page: bool
    factor: float


class Index(NamedTuple):
    """`sections` are the rows of the table, from 1 on, `known` the words of all of them and how many have each."""

    db: sqlite3.Connection
    sections: dict[int, Section]
    known: dict[str, int]


class Words(NamedTuple):
    """Words of queries: those that don't count, and what the docs call the others."""

    stop_words: frozenset[str]
    synonyms: dict[str, str]
    phrases: dict[str, str]


class Result(NamedTuple):
    chapter: str
    heading: str
    path: str
    excerpt: Markup


def search(query: str, url: str = guide.PAGE_URL, limit: int = 30) -> list[Result]:
    """The best sections for a query, best first. `url` is the server's own base URL."""
    with _lock:
        return _search(_index(), query, url, limit)


def prepare() -> None:
    """Read all pages, which the first search would otherwise wait for: a tenth of a second."""
    with _lock:
        _index()


def _search(index: Index, query: str, url: str, limit: int) -> list[Result]:
    terms = [_meanings(index, word, is_last) for word, is_last in _asked(index, query)]
    scores: dict[int, float] = defaultdict(float)
    matched: dict[int, int] = defaultdict(int)
    titled: dict[int, int] = defaultdict(int)
    for meanings in terms:
        for number, score in _best(index, meanings).items():
            scores[number] += score
            matched[number] += 1
        for (number,) in index.db.execute(FOUND, (f"heading : ({' OR '.join(meanings)})",)):
            titled[number] += 1

    def rank(number: int) -> float:
        section = index.sections[number]
        share, in_title = matched[number] / len(terms), titled[number] / len(terms)
        fitting = in_title * min(1, titled[number] / max(1, section.title_words))
        return (
            scores[number]
            * share**2
            * (1 + fitting)
            * section.factor
            * (PAGE if section.is_page and in_title == 1 else 1)
        )

    best = sorted(scores, key=lambda number: (-rank(number), number))[:limit]
    excerpts = _excerpts(index, terms, best, url)
    hits = [(index.sections[number], excerpts[number]) for number in best]
    return [Result(section.chapter, section.heading, section.path, excerpt) for section, excerpt in hits]


# ---- the query


def _asked(index: Index, query: str) -> list[tuple[str, bool]]:
    """The words that count, each with whether it is the last, which may not be complete."""
    typed = " ".join(query.casefold().split())
    folded = _WORD.sub(lambda word: _corrected(index, word[0], word.end() == len(typed)), typed)
    for phrase, instead in _words().phrases.items():
        folded = folded.replace(phrase, instead)
    words = list(dict.fromkeys(_WORD.findall(folded)))[:MAX_WORDS]
    counting = [word for word in words if word not in _words().stop_words] or words
    return [(word, word == words[-1]) for word in counting]


def _corrected(index: Index, word: str, is_last: bool) -> str:
    """The word; or if no page has it, the most frequent one that has a letter more, or two in the other order, or else
    a letter less, or another."""
    if len(word) < SHORTEST or not word.isalnum() or word in index.known or word.removesuffix("s") in index.known:
        return word
    if is_last and any(word_known.startswith(word) for word_known in index.known):
        return word
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    likely = [start + letter + end for start, end in cuts for letter in LETTERS]
    likely += [start + end[1::-1] + end[2:] for start, end in cuts]
    unlikely = [start + letter + end[1:] for start, end in cuts for letter in ("", *LETTERS)]
    candidates = index.known.keys() & likely or index.known.keys() & unlikely
    return max(candidates, key=lambda word_known: (index.known[word_known], word_known), default=word)


def _meanings(index: Index, word: str, is_last: bool) -> dict[str, float]:
    """Expressions of FTS5 that stand for a word, each with its share."""
    weights = {_phrases([word]): 1.0}
    synonyms = _words().synonyms
    for other in synonyms.get(word, synonyms.get(word.removesuffix("s"), "")).split():
        weights.setdefault(_phrases([other]), SYNONYM)
    if (
        is_last
        and len(word) > 1
        and (begun := [term for (term,) in index.db.execute(BEGUN, (word, word + "\U0010ffff"))])
    ):
        # The beginning of a word is as rare as all words that it may become together.
        weights.setdefault(_phrases(begun), BEGINNING)
    return weights


@cache
def _words() -> Words:
    words = tomllib.loads(Path(__file__).with_name("words.toml").read_text())
    synonyms = {word: meaning for meaning, others in words["synonyms"].items() for word in others.split()}
    return Words(frozenset(words["stop_words"].split()), synonyms, words["phrases"])


def _phrases(words: Iterable[str]) -> str:
    return " OR ".join([f'"{word}"' for word in words])


def _best(index: Index, meanings: dict[str, float]) -> dict[int, float]:
    """The sections with a word in any of its meanings, each with the score of the one that fits best."""
    scores: dict[int, float] = {}
    for expression, share in meanings.items():
        for number, score in index.db.execute(SCORES, (expression,)):
            scores[number] = max(scores.get(number, 0), share * (HAS + score))
    return scores


# ---- the index


@cache
def _index() -> Index:
    """All sections of all chapters, in order."""
    db = sqlite3.connect(":memory:", check_same_thread=False)
    db.executescript(SCHEMA)
    sections_found = list(_sections())
    sizes = [sum(map(len, columns)) for _, columns in sections_found]
    usual = sum(sizes) / len(sizes)
    sections: dict[int, Section] = {}
    for number, ((section, columns), size) in enumerate(zip(sections_found, sizes, strict=True), 1):
        sections[number] = section._replace(factor=section.factor * (size / usual + 0.3) ** LENGTH)
        db.execute(ADD, (number, *columns))
        db.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (number, " ".join(columns)))
    words = dict.fromkeys([*_words().synonyms, *" ".join(_words().phrases).split()], 1)
    return Index(db, sections, words | dict(db.execute(KNOWN).fetchall()))


def _sections() -> Iterator[tuple[Section, tuple[str, str, str, str, str]]]:
    """Each section with its columns."""
    for name, chapter in guide.CHAPTERS.items():
        for heading, text, code in read(guide.searchable(name)):
            if name == guide.LANDING and heading.anchor != "license":
                continue  # the table of contents, and what the quickstart says too
            is_error, is_page = name == "errors" and heading.anchor in guide.codes(), heading.level == 1
            path = f"/docs/errors/{heading.anchor}" if is_error else chapter.path
            if not is_error and not is_page:
                path += f"#{heading.anchor}"
            words = sum(word not in _words().stop_words for word in _WORD.findall(heading.text.casefold()))
            factor = next((share for start, share in SPECIAL.items() if name.startswith(start) and not is_page), 1.0)
            section = Section(guide.title(name), heading.text, path, words, is_page, factor)
            # What the table of contents says about a page is about its beginning. The status of an error is a name of
            # it.
            texts = [*text, guide.about(name)] if is_page else text
            called = f"{heading.text} {text[0].partition(' ')[0]}" if is_error else heading.text
            yield section, (heading.text if is_page else "", called, section.chapter, "\n".join(texts), "\n".join(code))


# ---- the results


def _excerpts(index: Index, terms: list[dict[str, float]], numbers: list[int], url: str) -> dict[int, Markup]:
    """The part of each section's text with most of the words, which are marked."""
    if not numbers:
        return {}
    expression = " OR ".join([expression for meanings in terms for expression in meanings])
    return {number: _marked(text, url) for number, text in index.db.execute(EXCERPTS, (expression, str(numbers)))}


def _marked(text: str, url: str) -> Markup:
    """Each word with a mark is marked as a whole: `password_changed`, of which FTS5 has found one half."""
    plain = str(escape(" ".join(text.split()).replace(guide.PAGE_URL, url)))
    return Markup(_WORD_FOUND.sub(_mark, plain))


def _mark(word: re.Match[str]) -> str:
    text = _MARK.sub("", word[0])
    return text if text == word[0] else f"<mark>{text}</mark>"
