"""Nothing that a user can meet is undocumented, nothing documented is gone, and no link leads nowhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from rollbook import config, errors, roles
from rollbook.api.routes import ROUTES
from rollbook.cli.commands import app
from rollbook.records import event_types
from rollbook.schemas import paragraphs

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
# The pages on the API, beside the overview of its calls.
GUIDE = (
    "authentication",
    "conventions",
    "limits",
    "errors",
    "users",
    "applications",
    "groups",
    "tokens",
    "second-factor",
    "keys",
    "events",
    "sessions",
    "rules",
    "requests",
    "import",
    "bulk-jobs",
    "exports",
    "webhooks",
    "health",
)

# Not _ROLLBOOK_COMPLETE: the shell's completion script sets it, and nobody else.
_VARIABLE = re.compile(r"(?<!_)ROLLBOOK_[A-Z_]+")


def test_the_generated_parts_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_what_a_reader_meets_stays_small() -> None:
    pages = list(DOCS.glob("*.md"))
    assert len(pages) <= 40
    assert sum(len(page.read_text().split()) for page in pages) <= 70_000
    assert len((ROOT / "README.md").read_text().splitlines()) <= 70


def test_every_setting_is_documented_with_its_flag_and_variable() -> None:
    page = (DOCS / "configuration.md").read_text()
    for setting in config.hints():
        for name in (setting, f"--{setting.replace('_', '-')}", f"ROLLBOOK_{setting.upper()}"):
            assert f"`{name}`" in page


def test_every_variable_that_the_code_reads_is_documented() -> None:
    page = (DOCS / "configuration.md").read_text()
    code = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    for name in set(_VARIABLE.findall(code)):
        assert f"`{name}`" in page, name


def test_every_error_code_is_documented() -> None:
    page = (DOCS / "errors.md").read_text()
    for error in errors.tree():
        assert f"\n## {error.code}\n" in page
        assert paragraphs(error.__doc__) in page


@pytest.mark.parametrize("pages", [GUIDE, ("api",)], ids=["guide", "overview"])
def test_every_route_is_documented(pages: tuple[str, ...]) -> None:
    text = "".join((DOCS / f"{page}.md").read_text() for page in pages)
    for route in ROUTES:
        assert re.search(rf"{route.method} {re.escape(route.path)}(?![/\w{{])", text), f"{route.method} {route.path}"


def test_the_pages_name_no_route_that_does_not_exist() -> None:
    known = {route.path for route in ROUTES}
    for page in PAGES:
        for path in re.findall(r"`(?:GET|POST|PUT|PATCH|DELETE) (/[^`? ]*)", page.read_text()):
            # Below /api/ are those of the reader's own application.
            assert path in known or path.startswith("/api/"), f"{page.name}: {path}"


def test_every_scope_role_and_kind_of_event_is_in_the_guide() -> None:
    text = "".join((DOCS / f"{page}.md").read_text() for page in GUIDE)
    for name in (*roles.SCOPES, *roles.ROLES, *event_types.TYPES):
        assert f"`{name}`" in text


def test_every_command_is_documented() -> None:
    page = (DOCS / "cli.md").read_text()
    for name in _commands(app, "rollbook"):
        assert f"\n## {name}\n" in page


def test_the_pages_name_no_command_that_does_not_exist() -> None:
    known = set(_commands(app, "rollbook"))
    groups = {name.rpartition(" ")[0] for name in known}
    for page in PAGES:
        for words in re.findall(r"(?m:^|[`|(&] ?)rollbook((?: [a-z]+)+)", page.read_text()):
            first = words.split()
            assert any(" ".join(["rollbook", *first[:length]]) in known | groups for length in (1, 2)), (
                f"{page.name}: rollbook{words}"
            )


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
            if target.startswith(("http://", "https://")):
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            assert file.exists(), f"{page.relative_to(ROOT)}: {target}"
            if anchor:
                assert anchor in _anchors(file), f"{page.relative_to(ROOT)}: {target}"


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _commands(command: Any, name: str) -> list[str]:
    if not hasattr(command, "list_commands"):
        return [name]
    context = click.Context(command)
    children = ((child, command.get_command(context, child)) for child in command.list_commands(context))
    return [found for child, part in children for found in _commands(part, f"{name} {child}")]
