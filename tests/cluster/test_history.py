"""The checker of histories says what trying every order says, and finds the faults that it is for."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence

import pytest

from tests.cluster.history import Operation, Outcome, problems


def linearizable(history: Sequence[Operation]) -> bool:
    """By trying every order."""
    certain = [each for each in history if each.outcome == "done"]
    unsure = [each for each in history if each.kind == "write" and each.outcome == "unknown"]
    return any(
        _fits(order)
        for size in range(len(unsure) + 1)
        for some in itertools.combinations(unsure, size)
        for order in itertools.permutations([*certain, *some])
    )


def _fits(order: Sequence[Operation]) -> bool:
    value, latest_start = "first", -math.inf
    for operation in order:
        end = math.inf if operation.outcome == "unknown" else operation.end
        latest_start = max(latest_start, operation.start)
        if end < latest_start:
            return False
        if operation.kind == "write":
            value = operation.value
        elif operation.value != value:
            return False
    return True


def _random_history(seed: int) -> list[Operation]:
    chance = random.Random(seed)
    moments = [float(moment) for moment in chance.sample(range(40), 12)]
    values = ["first", "a", "b", "c"]
    history = []
    for value in values[1:]:
        start, end = sorted((moments.pop(), moments.pop()))
        outcome: Outcome = chance.choice(("done", "done", "done", "unknown", "refused"))
        history.append(Operation("write", value, start, end, outcome))
    for _ in range(3):
        start, end = sorted((moments.pop(), moments.pop()))
        history.append(Operation("read", chance.choice(values), start, end))
    return history


def test_the_checker_agrees_with_trying_every_order() -> None:
    verdicts = [not problems(_random_history(seed), "first") for seed in range(300)]
    assert verdicts == [linearizable(_random_history(seed)) for seed in range(300)]
    assert 50 < sum(verdicts) < 250, "the histories tell nothing"


@pytest.mark.parametrize(
    ("history", "word"),
    [
        ([Operation("write", "a", 0, 1), Operation("read", "first", 2, 3)], "first was there before and after"),
        ([Operation("write", "a", 0, 1, "refused"), Operation("read", "a", 2, 3)], "refused"),
        ([Operation("read", "a", 2, 3)], "no one has written it"),
        ([Operation("read", "a", 0, 1), Operation("write", "a", 2, 3)], "before its write began"),
        (
            [Operation("write", "a", 0, 9, "unknown"), Operation("read", "a", 1, 2), Operation("read", "first", 3, 4)],
            "first was there before and after",
        ),
    ],
)
def test_lost_and_stale_values_are_found(history: list[Operation], word: str) -> None:
    assert word in " ".join(problems(history, "first"))


def test_a_write_without_an_answer_may_come_late_or_never() -> None:
    late = [
        Operation("write", "a", 0, 1, "unknown"),
        Operation("write", "b", 2, 3),
        Operation("read", "b", 4, 5),
        Operation("read", "a", 6, 7),
    ]
    assert problems(late, "first") == []
    assert problems(late[:-1], "first") == []
