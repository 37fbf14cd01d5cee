"""Every figure that README.md and docs/ name as measured comes from a file that a command wrote, with its commit."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tools import docs, figures

sys.path.append(str(figures.BENCHMARKS))

import copies
import growth_page
import report
import rules

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_BY_HAND = re.compile(r"<!-- begin: (\w+) -->\n.*?<!-- end: \1 -->|```.*?```", re.DOTALL)
NUMBER = r"\d[\d,]*(?:\.\d+)?"
MEASURED = re.compile(
    rf"{NUMBER} ?(?:µs|ms|[GMKk]B|bytes)\b|{NUMBER} (?:\w+ )*(?:per|a) second\b|{NUMBER} times (?:the|as)"
    rf"|{NUMBER} m?s of a core|{NUMBER} million"
)
"""How a page would say what was measured: limits of the product are in KiB, MiB and GiB, and deadlines in seconds."""
LIMITS = {
    "authentication.md": {"40 GB": "of a file that others publish", "8 times as": "a limit"},
    "conventions.md": {"4 kB": "a limit"},
    "exports.md": {"500 KB": "a limit of Auth0"},
    "migrate.md": {"2.5 million": "a limit", "256 bytes": "a limit"},
    "operations.md": {"512 bytes": "a limit"},
    "requests.md": {"0.25 ms": "a range that is counted"},
    "scaling.md": dict.fromkeys(("1 million", "10 million", "50 million"), "sizes, held by `claims`"),
    "sdk-typescript.md": {
        "9 kB": "held by tests/clients/test_typescript_sdk.py",
        **dict.fromkeys(("30,000 ms", "3,600,000 ms"), "settings"),
    },
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_was_measured_is_written_by_a_command(page: Path) -> None:
    by_hand = NOT_BY_HAND.sub("", page.read_text())
    found = {match[0] for match in MEASURED.finditer(by_hand)}
    assert found <= LIMITS.get(page.name, {}).keys(), "figures belong in tools/figures.py: CONTRIBUTING.md says how"


def test_each_exception_is_still_there() -> None:
    for name, limits in LIMITS.items():
        text = (ROOT / "docs" / name).read_text()
        assert all(limit in text for limit in limits), name


def test_what_pages_say_without_a_figure_is_what_the_figures_allow() -> None:
    for name, sentence, holds in figures.claims():
        assert sentence in (ROOT / "docs" / name).read_text(), sentence
        assert holds, sentence


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the files with figures, in which they are looked up."""
    for file in BENCHMARKS.glob("*.json"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(figures, "BENCHMARKS", tmp_path)
    return tmp_path


def change(file: Path, *names: str, **fields: Any) -> None:
    kept = json.loads(file.read_text())
    part = kept
    for name in names:
        part = part[name]
    part |= fields
    file.write_text(json.dumps({name: value for name, value in kept.items() if value is not None}))


def test_new_results_change_the_pages(elsewhere: Path) -> None:
    file = elsewhere / "results.json"
    rows = json.loads(file.read_text())["standard"]["rows"]
    for row in rows:
        row["rate"] = 12_345.0
    change(file, "standard", rows=rows, commit="0123abcd")
    assert "does 12,000 lookups and 12,000 durable updates per second" in docs.renewed((ROOT / "README.md").read_text())
    assert "at commit 0123abcd" in docs.renewed((ROOT / "docs" / "scaling.md").read_text())


def test_figures_without_a_commit_are_not_quoted(elsewhere: Path) -> None:
    change(elsewhere / "footprint.json", commit=None)
    with pytest.raises(KeyError, match=r"footprint\.json"):
        figures.PARTS["figures_events"]()


def test_requests_that_failed_are_not_quoted(elsewhere: Path) -> None:
    file = elsewhere / "results.json"
    rows = json.loads(file.read_text())["standard"]["rows"]
    change(file, "standard", rows=[row | {"broken": 1} for row in rows])
    with pytest.raises(ValueError, match="failed"):
        figures.PARTS["figures_rates"]()


def test_the_pages_with_all_figures_are_what_their_files_say() -> None:
    def kept(name: str) -> Any:
        return json.loads((BENCHMARKS / name).read_text())

    assert (BENCHMARKS / "RESULTS.md").read_text() == report.report(kept("results.json"))
    assert (BENCHMARKS / "COPIES.md").read_text() == copies.page(kept("copies.json"))
    assert (BENCHMARKS / "RULES.md").read_text() == rules.page(kept("rules.json"))
    growth = growth_page.in_order(kept("growth.json"))
    assert (BENCHMARKS / "GROWTH.md").read_text() == growth_page.page(growth)
    assert (BENCHMARKS / "growth.svg").read_text() == growth_page.plot(growth)
