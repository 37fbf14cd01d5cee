"""The text of a page in sections, for the search. Read line by line: the parser of Markdown takes many times as
long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from rollbook.docs_site.guide import BEGIN, END

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


def slug(heading: str) -> str:
    """The anchor of a heading, as on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def read(text: str) -> list[Passages]:
    """The sections of a page of `guide.searchable`. Of Markdown, it knows what the pages use."""
    found: list[Passages] = []
    anchors = Anchors()
    is_list = False  # within a table of calls or objects
    paragraph: list[str] = []

    def end() -> None:
        if paragraph:
            (found[-1].code if is_list else found[-1].text).append(_plain(" ".join(paragraph)))
            paragraph.clear()

    lines = iter(text.splitlines())
    for line in lines:
        kept = line.strip()
        if kept.startswith("```"):
            end()
            found[-1].code.append("\n".join(_until_fence(lines)))
        elif heading := _HEADING.fullmatch(line):
            end()
            title = _plain(heading[2])
            found.append(Passages(Heading(len(heading[1]), title, anchors.of(title)), [], []))
        elif kept.startswith("|"):
            cells = [_plain(cell) for cell in _CELL_END.split(kept)[1:-1] if cell.strip()]
            if cells and not _HEAD_END.fullmatch(kept):
                row = f"{cells[0]}: {' · '.join(cells[1:])}" if len(cells) > 1 else cells[0]
                (found[-1].code if is_list else found[-1].text).append(row)
        elif kept in ("", BEGIN, END):
            end()
            is_list = kept == BEGIN if kept else is_list
        else:
            if item := _ITEM.match(line):
                end()
            paragraph.append(line[item.end() :] if item else kept)
    end()
    return found


def _until_fence(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.strip() == "```":
            return
        yield line


def _plain(text: str) -> str:
    """Words without the signs around them; what is code stays as it is."""
    parts = _CODE.split(_LINK.sub(r"\1", text.replace(r"\|", "|")))
    parts[::2] = [_SIGNS.sub("", part) for part in parts[::2]]
    return " ".join("".join(parts).replace("<br>", " ").split())
