"""What the pages show is what happens: their commands run, in order, against a new server for each page.

Pages that show each call in several languages run in `test_languages.py`, curl among them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import test_languages
from tests.docs.examples import Runner, examples
from tests.harness import OWNER_EMAIL, running

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")] if examples(path.read_text()))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem not in test_languages.PAGES], ids=lambda page: page.name
)
def test_the_examples_of_a_page_do_what_it_says(page: Path, tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        runner = Runner(server, page)
        for example in examples(page.read_text()):
            runner.run(example)


def test_the_pages_that_teach_have_examples() -> None:
    assert {
        "index.md",
        "users.md",
        "keys.md",
        "events.md",
        "follow.md",
        "webhooks.md",
        "cli.md",
    } <= {page.name for page in PAGES}
    # The pages speak of this owner.
    assert OWNER_EMAIL == "owner@example.com"
