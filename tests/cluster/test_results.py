"""The table of `make cluster ARGS="chaos --record"` adds up all runs, each once, and hides no problem."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.cluster.__main__ import faults_of, kinds, with_upgrades
from tests.cluster.faults import UPGRADE
from tests.cluster.results import Round, Run


def done(fault: str, without_writes: float, *problems: str, admitted: int = 30, away: bool = False) -> Round:
    return Round(fault, "db1", 100, without_writes, 1, 1, 1, 1, 1, admitted, away, 1, list(problems))


def test_rounds_of_two_runs_are_added_up(tmp_path: Path) -> None:
    target = tmp_path / "cluster.json"
    first, second = Run(target, 1, None, "Sentinel"), Run(target, 2, None, "Sentinel")
    first.add(done("kill primary", 8.4))
    second.add(
        done("kill primary", 9.6, "lost: user a", "doubled: user b", "3 s without reads", admitted=61, away=True)
    )
    first.add(done("kill node", 2))
    assert [(run["seed"], len(run["rounds"])) for run in json.loads(target.read_text())] == [(2, 1), (1, 2)]
    table = (tmp_path / "CLUSTER.md").read_text()
    assert "| kill primary | 2 | 200 | 1 | 1 | 1 | 10 s | 1 s | 1 s | 1 s | 1 s | 1 s | 30 | 61 |" in table
    assert "| kill node | 1 | 100 | 0 | 0 | 0 | 2 s | 1 s | 1 s | 1 s | 1 s | 1 s | 30 |  |" in table
    assert "| all | 3 | 300 | 1 | 1 | 1 |" in table
    assert "- kill primary: lost: user a\n" in table


def test_a_seed_names_the_faults_and_their_order() -> None:
    def played(seed: int) -> list[str]:
        return list(faults_of(random.Random(seed), kinds(), 2))

    assert played(1) == played(1) != played(2)
    assert sorted(played(1)) == sorted(kinds() * 2)
    assert UPGRADE not in kinds()


def test_three_faults_while_versions_are_side_by_side() -> None:
    assert list(with_upgrades(iter("abcd"))) == [UPGRADE, "a", "b", UPGRADE, "c", UPGRADE]
