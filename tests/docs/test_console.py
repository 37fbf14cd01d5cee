"""What the pages show without running it is at least well-formed: calls of the command, settings, and objects of the
API.

`console` blocks need what no test has, such as a domain, a cluster of containers or another vendor's account. Other
tests run some of them.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import jsonschema_rs
import pytest

from rollbook import config
from rollbook.cli.commands import app
from tests.docs.test_as_printed import PAGES as AS_PRINTED

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted({*DOCS.glob("*.md")} - AS_PRINTED.keys())

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_SEPARATORS = re.compile(r"\s*(?:(?<!EMAIL)\||&&|;|<(?![a-z])|>)\s*")


def calls(page: Path) -> list[str]:
    """The calls of `rollbook` in the `console` blocks of a page."""
    text = page.read_text()
    lines = [
        line.strip()
        for _, kind, block in _BLOCK.findall(text)
        if kind == "console"
        for line in block.replace("\\\n", " ").splitlines()
    ]
    found = [part for line in lines for part in _SEPARATORS.split(line.partition(" # ")[0].removeprefix("$ "))]
    programs = (
        re.search(r"(?:^|(?<!-o)[ /])rollbook ((?:[a-z-]+)( .*)?)$", part) for part in found if "pip" not in part
    )
    return [match[1] for match in programs if match]


@pytest.mark.parametrize("page", [page for page in PAGES if calls(page)], ids=lambda page: page.name)
def test_each_call_that_a_page_shows_can_be_made(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    root = app
    for call in calls(page):
        words = shlex.split(call)
        if page.name == "cli.md" and "[OPTIONS]" in words:  # the form of a call
            continue
        try:
            _parse(root, words)
        except Exception as problem:
            raise AssertionError(f"{page.name}: rollbook {call}: {problem}") from None


def _parse(command: Any, words: list[str]) -> None:
    """Raises what is wrong with the words."""
    context = click.Context(command)
    while hasattr(command, "get_command") and words and not words[0].startswith("-"):
        name, *words = words
        command = command.get_command(context, name)
        assert command is not None, f"no command {name}"
    if words not in (["--help"], ["--version"], ["--install-completion"]):
        command.make_context(command.name, words)


def test_the_settings_file_of_the_docs_can_be_read(tmp_path: Path) -> None:
    for page in PAGES:
        for _, kind, block in _BLOCK.findall(page.read_text()):
            if kind == "toml":
                file = tmp_path / "rollbook.toml"
                file.write_text(block)
                config.load({}, file=file)


# Objects that no example of their page returns: their page, and a field that tells them from others there.
SHOWN = {
    "Session": ("sessions.md", "user_agent"),
    "LoggedRequest": ("requests.md", "method"),
    "UsageReport": ("requests.md", "intervals"),
    "ErrorResponse": ("limits.md", "error"),
}


@pytest.mark.parametrize("schema", SHOWN)
def test_an_object_that_a_page_shows_has_the_fields_of_the_api(schema: str) -> None:
    page, field = SHOWN[schema]
    described = json.loads((ROOT / "openapi.json").read_text())
    bodies = [
        json.loads(block.rpartition("\n\n")[2] if kind == "http" else block)
        for _, kind, block in _BLOCK.findall((DOCS / page).read_text())
        if kind in ("json", "http")
    ]
    bodies = [body for body in bodies if field in body]
    assert bodies
    for body in bodies:
        jsonschema_rs.validate({"$ref": f"#/components/schemas/{schema}", "components": described["components"]}, body)
        if schema != "ErrorResponse":
            assert body.keys() == described["components"]["schemas"][schema]["properties"].keys()
