"""Searches the docs: sections with any of the words, best first (BM25 over fields: titles weigh more than text, text more than code)."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from markupsafe import Markup, escape

from rollbook.docs_site import guide, passages

MAX_WORDS = 12
MAX_RESULTS = 30
# Characters of text in a result.
EXCERPT = 180

# How much a word counts in each place.
TITLE, HEADING, CHAPTER, TEXT, CODE = 14.0, 9.0, 3.0, 1.0, 0.3
# BM25: how soon more of the same word stops to matter, and how much a long section is held back.
SATURATION, LENGTH = 1.4, 0.5
# A word that was typed in another form, or another word for the same.
BEGINNING, SYNONYM = 0.6, 0.8
# A page that is called so comes before a section of another one that is.
PAGE = 1.3
# Long lists, in which most words occur somewhere, and pages on one product, by the beginnings of their names.
SPECIAL = {"cli": 0.45, "errors": 0.5, "configuration": 0.6, "api": 0.7, "migrate-": 0.6, "sdk-": 0.85}

STOP_WORDS = frozenset(
    "a about after all an and any are as at be been but by can could did do does for from had has have how i if in into is it its "
    "let may me my need of on one or our please should so some than that the their them then there these they this to us use using "
    "want was we were what when where which who why will with would you your".split()
)

# What these docs call things, and what people call them.
SYNONYMS = {
    word: meaning
    for meaning, words in {
        "limit offset cursor list page": "pagination paginate",
        "password link": "reset",
        "reset password link": "forgot forgotten",
        "lose": "lost",
        "api": "endpoint",
        "base": "url",
        "endpoint api": "route",
        "openapi reference api": "swagger",
        "reference api": "openapi",
        "client": "sdk library",
        "typescript javascript": "node nodejs",
        "typescript": "javascript",
        "sign": "login signin",
        "sign session": "logout",
        "create": "signup register add",
        "setup link": "invite invitation",
        "delete": "remove",
        "purge delete": "erase",
        "export purge": "gdpr",
        "restore": "undelete undo",
        "suspend": "ban block",
        "suspend off": "disable",
        "update": "edit modify rename",
        "search list": "find filter",
        "verify": "confirm",
        "key": "token",
        "key password": "credential",
        "authentication key": "bearer",
        "rate limit": "throttle throttling quota",
        "rate_limit_exceeded limit": "429",
        "scope role": "permission access",
        "event log": "audit",
        "event": "changelog",
        "webhook": "callback hook",
        "stream follow": "streaming sse",
        "copy directory follow": "sync",
        "copy directory": "crm",
        "file": "csv",
        "import": "upload",
        "move import": "migration migrate",
        "container": "docker compose",
        "container deployment": "kubernetes",
        "quickstart deployment": "install",
        "configuration": "port setting",
        "configuration setting": "environment env",
        "scaling nodes": "cluster",
        "postgresql": "postgres",
        "valkey": "redis",
        "metrics": "prometheus",
        "metrics health": "monitoring",
        "tls": "https ssl",
        "idempotency retries": "retry",
        "idempotency": "idempotent",
        "factor": "mfa 2fa totp",
        "next.js": "nextjs",
        "metadata": "custom",
        "user": "account",
        "password_min_length common": "policy",
        "maximum limit": "max",
        "ip_allow allowed": "allowlist whitelist",
        "cors_origins": "cors",
        "session": "cookie",
        "hash": "bcrypt argon2",
        "license": "licence",
        "zone utc": "timezone",
        "body": "payload",
        "time": "date",
        "sizing": "requirements",
        "sizing scaling": "performance",
        "attempts wrong": "lockout unlock",
    }.items()
    for word in words.split()
}

# Words that mean something else together.
PHRASES = {
    "email verification": "email_verified",
    "import csv": "import users csv",
    "verify email": "email_verified",
    "confirm email": "email_verified",
    "rest api": "api",
    "lost password": "forgot password",
    "api reference": "reference",
    "access log": "request log",
    "date format": "time zone",
}

_WORD = re.compile(r"\w+(?:[-.']\w+)*")
_NO_PLURAL = ("cors",)
_ENDINGS = (("ifications", "ify"), ("ification", "ify"), ("ies", "y"), ("ied", "y"), ("ions", ""), ("ion", ""), ("ings", ""), ("ing", ""), ("ed", ""), ("s", ""))  # fmt: skip


class Section(NamedTuple):
    """`text` are its paragraphs and rows, `title` the stems of its heading, `factor` is what its rank is multiplied by."""

    chapter: str
    heading: str
    path: str
    text: list[str]
    title: frozenset[str]
    is_page: bool
    factor: float


class Index(NamedTuple):
    """`places`: for each stem, how much it counts in each section, by number. `stems`: for each word, its stem. `lengths` are relative."""

    sections: list[Section]
    places: dict[str, dict[int, float]]
    stems: dict[str, str]
    lengths: list[float]


class Result(NamedTuple):
    chapter: str
    heading: str
    path: str
    excerpt: Markup


def search(query: str, url: str = guide.PAGE_URL) -> list[Result]:
    """The best sections for a query, best first. `url` is the server's own base URL."""
    index = _index()
    wanted = [_meanings(index, word, is_last) for word, is_last in _asked(query)]
    ranks: dict[int, float] = defaultdict(float)
    matched: dict[int, int] = defaultdict(int)
    for meanings in wanted:
        for number, score in _best(index, meanings).items():
            ranks[number] += score
            matched[number] += 1
    stems = {stem for meanings in wanted for stem in meanings}

    def rank(number: int) -> float:
        section = index.sections[number]
        asked = matched[number] / len(wanted)
        in_title = sum(bool(section.title & set(meanings)) for meanings in wanted) / len(wanted)
        fitting = in_title * len(section.title & stems) / max(1, len(section.title))
        return ranks[number] * asked**2 * (1 + fitting) * section.factor * (PAGE if section.is_page and in_title == 1 else 1)

    best = sorted(ranks, key=lambda number: (-rank(number), number))[:MAX_RESULTS]
    sections = [index.sections[number] for number in best]
    return [Result(each.chapter, each.heading, each.path, _excerpt(each.text, stems, url)) for each in sections]


def prepare() -> None:
    """Read all pages, which the first search would otherwise wait for: a tenth of a second."""
    _index()


# ---- the query


def _asked(query: str) -> list[tuple[str, bool]]:
    """The words that count, each with whether it is the last, which may not be complete."""
    folded = " ".join(query.casefold().split())
    for phrase, instead in PHRASES.items():
        folded = folded.replace(phrase, instead)
    words = list(dict.fromkeys(_WORD.findall(folded)))[:MAX_WORDS]
    counting = [word for word in words if word not in STOP_WORDS] or words
    return [(word, word == words[-1]) for word in counting]


def _meanings(index: Index, word: str, is_last: bool) -> dict[str, float]:
    """The stems that stand for a word, each with its share."""
    found = {}
    if is_last and len(word) > 1:
        found = {stem: BEGINNING for each, stem in index.stems.items() if each.startswith(word)}
    for other in SYNONYMS.get(word, SYNONYMS.get(word.removesuffix("s"), "")).split():
        found[_stem(other)] = SYNONYM
    return found | {_stem(word): 1.0}


def _best(index: Index, meanings: dict[str, float]) -> dict[int, float]:
    """The sections with a word in any of its meanings, each with the score of the one that fits best."""
    found: dict[int, float] = {}
    # The beginning of a word is as rare as all words that it may become together.
    begun = {number for stem, share in meanings.items() if share == BEGINNING for number in index.places[stem]}
    for stem, share in meanings.items():
        for number, score in _scores(index, stem, len(begun) if share == BEGINNING else 0):
            found[number] = max(found.get(number, 0), share * score)
    return found


def _scores(index: Index, stem: str, within: int = 0) -> Iterator[tuple[int, float]]:
    """Each section with the stem, and what that is worth: more, the fewer there are. `within`: of how many that is to be one."""
    places = index.places.get(stem, {})
    count = within or len(places)
    rarity = math.log(1 + (len(index.sections) - count + 0.5) / (count + 0.5))
    for number, weight in places.items():
        yield number, rarity * weight * (SATURATION + 1) / (weight + SATURATION * (1 - LENGTH + LENGTH * index.lengths[number]))


# ---- the index


@cache
def _index() -> Index:
    """All sections of all chapters, in order."""
    sections: list[Section] = []
    places: dict[str, dict[int, float]] = defaultdict(dict)
    stems: dict[str, str] = {}
    sizes: list[int] = []
    for section, fields in _sections():
        weights: dict[str, float] = defaultdict(float)
        for text, weight in fields:
            for word in _words(text):
                stem = stems[word] = _stem(word)
                weights[stem] += weight
        for stem, weight in weights.items():
            places[stem][len(sections)] = weight
        sections.append(section)
        sizes.append(sum(map(len, section.text)) + 500)
    usual = sum(sizes) / len(sizes)
    return Index(sections, dict(places), stems, [size / usual for size in sizes])


def _sections() -> Iterator[tuple[Section, list[tuple[str, float]]]]:
    """Each section with its texts, and how much a word in them counts."""
    for name, chapter in guide.CHAPTERS.items():
        for heading, text, code in passages.read(guide.searchable(name)):
            if name == guide.LANDING and heading.anchor != "license":
                continue  # the table of contents, and what the quickstart says too
            is_error = name == "errors" and heading.anchor in guide.codes()
            path = f"/docs/errors/{heading.anchor}" if is_error else chapter.path
            if not is_error and heading.level > 1:
                path += f"#{heading.anchor}"
            title = frozenset(_stem(word) for word in _words(heading.text) if word not in STOP_WORDS)
            factor = next((share for start, share in SPECIAL.items() if name.startswith(start) and heading.level > 1), 1.0)
            section = Section(guide.title(name), heading.text, path, text, title, heading.level == 1, factor)
            # What the table of contents says about a page is about its beginning.
            about = [(guide.about(name), TEXT)] if heading.level == 1 else []
            status = text[0].partition(" ")[0] if is_error else ""
            yield (
                section,
                [
                    (f"{heading.text} {status}", TITLE if heading.level == 1 else HEADING),
                    (section.chapter, CHAPTER),
                    (" ".join(text), TEXT),
                    (" ".join(code), CODE),
                    *about,
                ],
            )


def _words(text: str) -> Iterable[str]:
    """Words, and the parts of those that are put together: `email_taken`, `email`, `taken`."""
    for word in _WORD.findall(text.casefold()):
        yield word
        if not word.isalnum():
            yield from filter(None, re.split(r"[-._']", word))


@cache
def _stem(word: str) -> str:
    """A word without its ending: `delete`, `deleted` and `deleting` are one."""
    for ending, instead in () if word in _NO_PLURAL else _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) + len(instead) > 2:
            word = word.removesuffix(ending) + instead
            break
    if len(word) > 3 and word[-1] == "e":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] else word


# ---- the results


def _excerpt(text: list[str], stems: set[str], url: str) -> Markup:
    """The first passage with most of the words, which are marked."""
    if not text:
        return Markup()
    passage = max(text, key=lambda each: len(stems & {_stem(word) for word in _words(each)}))
    passage = passage.replace(guide.PAGE_URL, url)
    found = [match.span() for match in _WORD.finditer(passage) if stems & {_stem(word) for word in _words(match[0])}]
    start = max(0, found[0][0] - EXCERPT // 3) if found else 0
    if len(passage) <= EXCERPT:
        start = 0
    if start:
        start = passage.find(" ", start) + 1
    end = len(passage) if len(passage) <= start + EXCERPT else (passage.rfind(" ", start, start + EXCERPT) + 1 or start + EXCERPT)
    parts = [Markup("… ") if start else Markup()]
    at = start
    for first, last in found:
        if start <= first and last <= end:
            parts += [escape(passage[at:first]), Markup("<mark>{}</mark>").format(passage[first:last])]
            at = last
    return Markup().join([*parts, escape(passage[at:end].rstrip())]) + (Markup(" …") if end < len(passage) else Markup())
