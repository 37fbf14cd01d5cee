"""Takes a picture of every page, in both themes and three widths, on a server with people in it: `make screenshots`.

They go to screenshots/, with index.html to look at all of them. Words in ARGS choose pages: ARGS="admin keys" takes
those with such a word in their name. The picture of the README goes to docs/images/.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from playwright.sync_api import Page  # noqa: E402

from rollbook.cli.output import bar  # noqa: E402
from tests.browser import chromium  # noqa: E402
from tests.browser.population import HOURS, Place, places, populate  # noqa: E402
from tests.docs import pictures  # noqa: E402
from tests.harness import OWNER_EMAIL, OWNER_PASSWORD, Server  # noqa: E402

FOLDER = ROOT / "screenshots"
WIDTHS = (390, 820, 1440)
HEIGHT = 900
IN_README = "/admin/users", "light", 1440
# The owner's keys run into their windows now and then; the pages themselves do not.
FLAGS = ("--rate-limit", "100/minute,5000/hour", "--unauthenticated-limit", "none")
ENVIRONMENT = {
    "ROLLBOOK_ATTEMPTS_LIMIT": "none",
    "ROLLBOOK_ADDRESS_ATTEMPTS_LIMIT": "none",
    "ROLLBOOK_PAGE_LIMIT": "none",
    "ROLLBOOK_SELF_DELETION": "true",
}


def main(words: list[str]) -> int:
    """The exit code: 1 when a page was not there, or something went wrong in it."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "data", *FLAGS, environment=ENVIRONMENT)
        try:
            with bar("Seven days pass", HOURS) as (_, show):
                population = populate(server, progress=lambda hour: show(HOURS - hour + 1, ""))
            wanted = [place for place in places(population) if not words or any(word in place.name for word in words)]
            faults, taken = [], 0
            with (
                bar("Pictures", len(wanted) * len(WIDTHS) * len(chromium.THEMES)) as (_, show),
                chromium.browser() as browser,
            ):
                for theme, width in product(chromium.THEMES, WIDTHS):
                    shown: dict[str, Any] = {"color_scheme": theme, "viewport": {"width": width, "height": HEIGHT}}
                    if width == WIDTHS[0]:
                        shown |= {"is_mobile": True, "has_touch": True}
                    watch = chromium.Watch(server.url)
                    for signed_in in (False, True):
                        context = browser.new_context(
                            base_url=server.url, locale="en-GB", timezone_id="UTC", reduced_motion="reduce", **shown
                        )
                        context.set_default_timeout(chromium.PATIENCE)
                        watch.over(context)
                        page = context.new_page()
                        if signed_in:
                            chromium.sign_in(page, OWNER_EMAIL, OWNER_PASSWORD)
                        for place in wanted:
                            if (place.who != "anyone") == signed_in:
                                show(taken, place.name)
                                faults += _take(page, place, FOLDER / _file(place, theme, width))
                                if (place.path, theme, width) == IN_README:
                                    _take_for_readme(page)
                                taken += 1
                        context.close()
                    faults += watch.seen().splitlines()
        finally:
            server.stop()
    (FOLDER / "index.html").write_text(_sheet(wanted))
    click.echo(f"{len(list(FOLDER.glob('*.png')))} pictures: {(FOLDER / 'index.html').relative_to(ROOT)}", err=True)
    for fault in faults:
        click.secho(fault, fg="red", err=True)
    return 1 if faults else 0


def _take(page: Page, place: Place, file: Path) -> list[str]:
    """One picture. What is wrong with the page."""
    answer = page.goto(place.path)
    # The usual hiding of the caret puts a style into the page, which the policy refuses.
    page.screenshot(path=file, full_page=True, caret="initial")
    return [] if answer and answer.ok else [f"{place.path}: {answer and answer.status}"]


def _take_for_readme(page: Page) -> None:
    """The window of a reader, with the oldest users, whose names are those of people."""
    page.goto(f"{IN_README[0]}?sort=created_at")
    page.screenshot(path=pictures.README, caret="initial")
    pictures.HEADINGS.write_text(pictures.headings(page.content()))


def _file(place: Place, theme: str, width: int) -> str:
    return f"{place.name}-{theme}-{width}.png"


def _sheet(wanted: list[Place]) -> str:
    """All pictures on one page."""
    rows = []
    for place in wanted:
        pictures = "".join(
            f'<a href="{_file(place, theme, width)}"><img loading=lazy src="{_file(place, theme, width)}" '
            f'alt="{theme}, {width} px" width={width // 4}></a>'
            for theme in chromium.THEMES
            for width in WIDTHS
        )
        rows.append(f"<h2>{escape(place.path)}</h2><div>{pictures}</div>")
    style = (
        "body{font:14px "
        "system-ui;margin:2rem;background:#888}div{display:flex;gap:1rem;align-items:start;flex-wrap:wrap}"
    )
    return (
        "<!doctype html><meta charset=utf-8><title>Screenshots of "
        f"Rollbook</title><style>{style}</style>{''.join(rows)}\n"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
