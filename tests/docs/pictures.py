"""The picture of the README, which `make screenshots` takes, and what stood on the page when it was taken."""

from __future__ import annotations

import re
from html import unescape

from tests.processes import ROOT

README = ROOT / "docs" / "images" / "users.png"
HEADINGS = README.with_suffix(".txt")
_TITLES = re.compile(r"<h1\b.*?</h1>|<th scope=\"col\".*?</th>|<nav class=\"side\".*?</nav>", re.DOTALL)


def headings(html: str) -> str:
    """The entries of a page's sidebar, its heading, and those of its columns, one per line."""
    texts = "\n".join(found[0] for found in _TITLES.finditer(html))
    lines = (" ".join(line.split()) for line in unescape(re.sub(r"<[^>]+>", "\n", texts)).splitlines())
    return "\n".join(line for line in lines if line) + "\n"
