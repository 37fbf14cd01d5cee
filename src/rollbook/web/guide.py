"""The guide: which pages of `docs/` there are, in which order, and their text. The same files are read on GitHub and shown under /docs."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

# Where the pages' own server listens; the reader's server puts its own address there.
PAGE_URL = "http://127.0.0.1:8000"
LANDING = "index"

_PART = re.compile(r"<!-- (?:begin|end): \w+ -->\n")


class Chapter(NamedTuple):
    """A file of `docs/`. `columns`: examples stand beside the text, not between."""

    name: str
    columns: bool = False

    @property
    def path(self) -> str:
        return "/docs" if self.name == LANDING else f"/docs/{self.name}"


GROUPS: dict[str, tuple[Chapter, ...]] = {
    "Start": (
        Chapter("quickstart"),
        Chapter("authentication", columns=True),
        Chapter("conventions", columns=True),
        Chapter("limits", columns=True),
        Chapter("errors", columns=True),
    ),
    "Calls": (
        Chapter("users", columns=True),
        Chapter("keys", columns=True),
        Chapter("events", columns=True),
        Chapter("health", columns=True),
        Chapter("reference"),
    ),
    "Running it": (
        Chapter("configuration"),
        Chapter("cli"),
        Chapter("deployment"),
        Chapter("scaling"),
        Chapter("operations"),
    ),
}
CHAPTERS: dict[str, Chapter] = {
    chapter.name: chapter for chapter in (Chapter(LANDING), *(each for group in GROUPS.values() for each in group))
}


def folder() -> Path:
    """Where the files are: in the package as it is installed, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "docs"
    return installed if installed.is_dir() else package.parents[1] / "docs"


@cache
def source(name: str, url: str) -> str:
    """The Markdown of a chapter, with `url` for the address of the server, and without the marks of the parts that are generated.
    Raises KeyError."""
    text = (folder() / f"{CHAPTERS[name].name}.md").read_text(encoding="utf-8")
    return _PART.sub("", text).replace(PAGE_URL, url)


@cache
def title(name: str) -> str:
    return source(name, PAGE_URL).partition("\n")[0].removeprefix("# ")


@cache
def about(name: str) -> str:
    """A chapter in a few words: what the landing page says of it."""
    found = re.search(rf"^\| \[[^\]]*\]\({name}\.md\) \| (.*) \|$", source(LANDING, PAGE_URL), re.MULTILINE)
    return found[1] if found else ""


# ---- errors: a page for each code, all in one file


@cache
def codes() -> dict[str, str]:
    """Every error code with its usual sentence."""
    rows = re.findall(r"^\| \[`(\w+)`\]\(#\w+\) \| \d+ \| (.*) \|$", source("errors", PAGE_URL), re.MULTILINE)
    return dict(rows)


def errors_overview(url: str) -> str:
    """The page on errors without the sections about each code."""
    text = source("errors", url)
    return text[: text.index(f"\n## {next(iter(codes()))}\n")].rstrip() + "\n"


def error_source(code: str, url: str) -> str:
    """The page of one code. Raises KeyError."""
    if code not in codes():
        raise KeyError(code)
    text = source("errors", url)
    start = text.index(f"\n## {code}\n") + 1
    end = text.find("\n## ", start)
    page = text[start : end if end > 0 else len(text)].rstrip()
    # One folder further down than the file it stands in.
    page = re.sub(r"\]\((\w+\.md)", r"](../\1", page)
    return f"{page[1:]}\n\n[All errors](../errors.md)\n"


def llms(url: str) -> str:
    """The map for language models (llmstxt.org): what this is, and where its pages are as Markdown."""
    landing = source(LANDING, url)
    summary = " ".join(landing.split("\n\n")[1].split())
    lines = [f"# {title(LANDING)}", "", f"> {summary}", ""]
    lines += [
        "Every page is Markdown under its address and `.md`, and for callers that do not ask for `text/html`. All calls, parameters and schemas "
        f"are in the OpenAPI 3.1 description: {url}/openapi.json.",
    ]
    for group, chapters in GROUPS.items():
        lines += ["", f"## {group}", ""]
        lines += [f"- [{title(each.name)}]({url}{each.path}.md): {about(each.name)}" for each in chapters]
    lines += ["", "## Optional", ""]
    lines += [f"- [{code}]({url}/docs/errors/{code}.md): {sentence}" for code, sentence in codes().items()]
    return "\n".join(lines) + "\n"
