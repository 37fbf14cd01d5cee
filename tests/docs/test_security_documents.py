"""The documents for auditors: what they name exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASVS = "docs/decisions/0059-asvs.md"
_NAMED = re.compile(
    r"`((?:src|tests|docs|deploy|tools|requirements)/[^`\s:]*|[\w.-]+\.(?:md|json|toml|txt))(?:::(\w+))?`"
)
_ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| [^|]+ \| ([12]) \| (met|partly|not met|does not apply) \| ([^|]*) \|$", re.M)


def test_what_the_documents_name_exists() -> None:
    for document in (ASVS, "THREATS.md"):
        named = _NAMED.findall((ROOT / document).read_text())
        assert len(named) > 20, document
        for path, name in named:
            assert (ROOT / path).exists(), f"{document}: {path}"
            if name:
                assert re.search(rf"^ *(async )?(def|class) {name}\b", (ROOT / path).read_text(), re.M), (path, name)


def test_every_requirement_has_a_state_and_what_it_rests_on() -> None:
    text = (ROOT / ASVS).read_text()
    rows = _ROW.findall(text)
    assert len(rows) == len({number for number, *_ in rows}) == 253
    assert Counter(level for _, level, *_ in rows) == {"1": 70, "2": 183}
    for number, _, state, evidence in rows:
        assert evidence.strip(), number
        assert state != "met" or _NAMED.search(evidence), number
    told = {
        state: int(count)
        for state, count in re.findall(r"^\| (met|partly|not met|does not apply) \| (\d+) \|$", text, re.M)
    }
    assert told == Counter(state for _, _, state, _ in rows)
