"""The checks of `make cluster` find each kind of broken promise in notes that hold one, and nothing in good ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cluster.checks import Books, longest_gap, most_admitted
from tests.cluster.history import Operation
from tests.cluster.load import HOOKS, Notes, Reply


class Told(Books):
    """Books of a cluster that has these events and users."""

    def __init__(self, notes: Notes, log: list[dict[str, Any]], users: list[dict[str, Any]]) -> None:
        super().__init__(notes, "")
        self._events = log
        self._listed = users

    def _get(self, path: str) -> Reply:
        body = self._listed if path.endswith("offset=0") else []
        if path.startswith("/v1/events"):
            body = self._events[len(self.log) :]
        return Reply(200, body, {}, 0, 0)


def event(number: int, type: str, user: str, name: str) -> dict[str, Any]:
    return {
        "id": f"evt_{number}",
        "type": type,
        "actor": {"request_id": f"req_{number}"},
        "object": {"id": user, "name": name, "email": f"{user}@example.com"},
        "before": {"name": "before"} if type == "user.updated" else None,
    }


def good() -> tuple[Notes, list[dict[str, Any]], list[dict[str, Any]]]:
    notes = Notes(registers={"a": [Operation("write", "value 1", 0, 1), Operation("read", "value 1", 2, 3)]})
    notes.created = {"a@example.com": "a"}
    notes.tried = {"a@example.com"}
    notes.requests = {"req_1": "POST /v1/users a@example.com", "req_2": "value 1"}
    log = [event(1, "user.created", "a", "first"), event(2, "user.updated", "a", "value 1")]
    notes.hooks = [list(log) for _ in range(HOOKS)]
    return notes, log, [{"id": "a", "email": "a@example.com"}]


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda notes, log, users: log.pop(), "lost: value 1"),
        (lambda notes, log, users: log.append(event(3, "user.updated", "a", "value 1")), "doubled: user.updated"),
        (lambda notes, log, users: log.append(event(3, "user.created", "a", "first")), "doubled: user.created"),
        (lambda notes, log, users: users.clear(), "lost: user a@example.com"),
        (lambda notes, log, users: users.append({"id": "b", "email": "A@example.com"}), "doubled: user a@example.com"),
        (lambda notes, log, users: notes.registers["a"].append(Operation("read", "first", 4, 5)), "not linearizable"),
        (lambda notes, log, users: notes.hooks[1].pop(), "webhook 1 did not get 1 events"),
        (lambda notes, log, users: notes.hooks[0].reverse(), "webhook 0 got evt_1 of a after a later one"),
        (lambda notes, log, users: notes.violations.append("a token worked twice"), "worked twice"),
    ],
)
def test_each_broken_promise_is_found(spoil: Callable[..., None], word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.cluster.checks.DRAIN", 0)
    assert Told(*good()).check() == []
    notes, log, users = good()
    spoil(notes, log, users)
    books = Told(notes, log, users)
    assert word in " ".join(books.check())
    assert books.check() == [], "told twice"


def test_gaps_and_windows() -> None:
    assert longest_gap([1, 2, 6, 7], 0, 8) == 4
    assert longest_gap([], 0, 8) == 8
    replies = [Reply(200, None, {"ratelimit-reset": str(60 - second)}, second, second) for second in range(31)]
    assert most_admitted(replies, 0, 60) == 31
    assert most_admitted(replies[:20], 0, 60) == 20
