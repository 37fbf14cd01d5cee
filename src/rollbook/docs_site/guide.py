"""The table of contents of `docs/` and the text of each page. The same files are read on GitHub and served under
/docs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from secrets import token_urlsafe
from typing import NamedTuple

from rollbook.actions.import_sources import SYSTEMS

# The base URL in the files. The server replaces it with its own.
PAGE_URL = "http://127.0.0.1:8000"
LANDING = "index"

BEGIN, END = "\ue000", "\ue001"

_CALL_PART = re.compile(r"<!-- (begin|end): (?:(?:call|object)_\w+|user_fields) -->\n")
_PART = re.compile(r"<!-- (?:begin|end): \w+ -->\n")


def slug(heading: str) -> str:
    """The anchor of a heading, as on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


class Chapter(NamedTuple):
    """A file of `docs/`. `columns`: examples stand next to the text instead of below it."""

    name: str
    columns: bool = False

    @property
    def path(self) -> str:
        return "/docs" if self.name == LANDING else f"/docs/{self.name}"


_GROUPS = {
    "Start": "quickstart integrations glossary",
    "Users and groups": "users* groups* applications* bulk-jobs* import migrate exports",
    "Keys and limits": "authentication* keys* limits*",
    "Sign-in": "connect sign-in tokens* sessions* second-factor* mail brand-and-languages",
    "Events and automation": "rules* events* webhooks* follow scim mcp",
    "Run it": "deployment scaling operations backups health* requests*",
    "Reference": "api conventions* errors* configuration cli sdk-python sdk-typescript",
}
"""The doors and their chapters, those with `columns` with an asterisk."""
GROUPS = {
    door: tuple(Chapter(name.rstrip("*"), "*" in name) for name in names.split()) for door, names in _GROUPS.items()
}
CHAPTERS = {chapter.name: chapter for chapter in (Chapter(LANDING), *chain(*GROUPS.values()))}


@cache
def moved() -> dict[str, str]:
    """Where the text of pages is that had another name. Each system to move from had a page."""
    systems = {f"migrate-{system}": f"migrate#{slug(name)}" for system, name in SYSTEMS.items()}
    return systems | tomllib.loads(Path(__file__).with_name("moved.toml").read_text(encoding="utf-8"))


def url(target: str) -> str:
    """The URL of a Markdown link: /docs/users#list-users for `users.md#list-users`; errors have their own pages."""
    file, sharp, anchor = target.removeprefix("../").partition("#")
    if file in ("", "errors.md") and anchor in codes():
        return f"/docs/errors/{anchor}"
    name, dot, ending = file.partition(".")
    if dot and ending == "md" and name in CHAPTERS:
        return CHAPTERS[name].path + sharp + anchor
    return target


def neighbors(name: str) -> tuple[Chapter | None, Chapter | None]:
    """The chapters before and after one, in the order of the table of contents."""
    order, at = list(CHAPTERS.values()), list(CHAPTERS).index(name)
    return order[at - 1] if at else None, order[at + 1] if at + 1 < len(order) else None


def folder() -> Path:
    """Folder of the files: inside the installed package, or next to it in a checkout."""
    return next(docs for parent in (1, 3) if (docs := Path(__file__).parents[parent] / "docs").is_dir())


def program(name: str) -> str:
    """A program of the page "Sign in without a redirect", without the name of its file."""
    return re.findall(f"program_{name} -->\n```\\w+\n.+\n((?:.*\n)*?)```", (folder() / "sign-in.md").read_text())[0]


EXAMPLES = {"issuer": PAGE_URL, "client_id": "YOUR_CLIENT_ID", "client_secret": "YOUR_CLIENT_SECRET"}
"""Values in the blocks of programs, where an application has its own."""
RANDOM = "A_LONG_RANDOM_TEXT"


class Connection(NamedTuple):
    """A program that people sign in to: its name as it is written, where its answers lead in an example, the path of
    that, and the block of its configuration."""

    name: str
    redirect_url: str
    path: str
    block: str

    def filled(self, values: Mapping[str, str]) -> str:
        """The block with the values of an application, and with its redirect URL, or what stands before the path."""
        url, base = values["redirect_url"], self.redirect_url.removesuffix(self.path)
        table = {self.redirect_url: url, base: url.removesuffix(self.path), RANDOM: token_urlsafe(24)}
        table |= {example: values[name] for name, example in EXAMPLES.items()}
        return re.sub("|".join(map(re.escape, table)), lambda example: table[example[0]], self.block)


def connections() -> dict[str, Connection]:
    """The programs of the page on single sign-on, by the name that the command line has for them."""
    sections = (folder() / "connect.md").read_text().split("\n## ")
    parts = re.compile(r"([\w -]+)\n(?s:.*)Redirect URL: `(https://[^/]+(/.+))`\n\n```\w+\n((?:.*\n)*?)```")
    found = [match for section in sections if (match := parts.match(section))]
    return {match[1].lower().replace(" ", "-"): Connection(*match.groups()) for match in found}


COMMANDS = "cli"
NOT_FOUND = (
    "Command not found? After `make serve`, it is `.venv/bin/rollbook`: "
    f"[put it on your PATH]({COMMANDS}.md#install-the-command)."
)
_COMMAND = re.compile(r"^```(?:sh|console)\n(?:(?!```).*\n)*?(?:\$ )?rollbook .*\n(?:(?!```).*\n)*```\n", re.MULTILINE)


@cache
def source(name: str, url: str) -> str:
    """The Markdown of a chapter, with `url` as the base URL and without the markers of generated parts. Raises
    KeyError."""
    text = (folder() / f"{CHAPTERS[name].name}.md").read_text(encoding="utf-8")
    return _with_path(name, _PART.sub("", text).replace(PAGE_URL, url))


def _with_path(name: str, text: str) -> str:
    """The Markdown with a word on where the command is, below the first place that has one to type."""
    first = None if name in (COMMANDS, "quickstart") else _COMMAND.search(text)
    return text if first is None else f"{text[: first.end()]}\n{NOT_FOUND}\n{text[first.end() :]}"


def searchable(name: str) -> str:
    """The Markdown of a page, with its tables of calls and objects between lines of their own: BEGIN and END."""
    text = (folder() / f"{name}.md").read_text(encoding="utf-8")
    return _PART.sub("", _CALL_PART.sub(lambda marker: f"\n{BEGIN if marker[1] == 'begin' else END}\n\n", text))


@cache
def title(name: str) -> str:
    return source(name, PAGE_URL).partition("\n")[0].removeprefix("# ")


@cache
def about(name: str) -> str:
    """The description of a chapter, as the landing page gives it."""
    row = re.search(rf"^- \[[^\]]*\]\({name}\.md\): (.*)$", source(LANDING, PAGE_URL), re.MULTILINE)
    return row[1] if row else ""


# ---- errors: one file, a page for each code


@cache
def codes() -> dict[str, str]:
    """Every error code with its default message."""
    return {code: sentence for code, _, sentence in _errors()}


def _errors() -> list[tuple[str, str, str]]:
    """Code, status and default message of every error."""
    return re.findall(r"^## (\w+)\n\n\*\*(\d+)\*\* · (.*)$", source("errors", PAGE_URL), re.MULTILINE)


def errors_overview(url: str) -> str:
    """The errors page without the sections for each code."""
    text = source("errors", url)
    rows = [f"| [`{code}`](#{code}) | {status} | {sentence} |\n" for code, status, sentence in _errors()]
    start = text[: text.index(f"\n## {next(iter(codes()))}\n")].rstrip()
    return f"{start}\n\n| code | status | |\n| --- | --- | --- |\n{''.join(rows)}"


def error_source(code: str, url: str) -> str:
    """The page for one code. Raises KeyError."""
    if code not in codes():
        raise KeyError(code)
    text = source("errors", url)
    start = text.index(f"\n## {code}\n") + 1
    end = text.find("\n## ", start)
    page = text[start : end if end > 0 else len(text)].rstrip()
    # The page is one folder deeper than the file.
    page = re.sub(r"\]\(([\w-]+\.md)", r"](../\1", page)
    return f"{page[1:]}\n\n[All errors](../errors.md)\n"


def llms(url: str) -> str:
    """The site map for language models (llmstxt.org): a summary, and links to every page as Markdown."""
    landing = source(LANDING, url)
    summary = " ".join(landing.split("\n\n")[1].split())
    lines = [f"# {title(LANDING)}", "", f"> {summary}", ""]
    lines += [
        "Add `.md` to the URL of any page to get it as Markdown. Clients that don't accept `text/html` always "
        "get Markdown. "
        f"The OpenAPI 3.1 description lists every endpoint, parameter and schema: {url}/openapi.json.",
    ]
    for group, chapters in GROUPS.items():
        lines += ["", f"## {group}", ""]
        lines += [f"- [{title(chapter.name)}]({url}{chapter.path}.md): {about(chapter.name)}" for chapter in chapters]
    lines += ["", "## Optional", ""]
    lines += [f"- [{code}]({url}/docs/errors/{code}.md): {sentence}" for code, sentence in codes().items()]
    return "\n".join(lines) + "\n"
