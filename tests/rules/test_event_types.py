"""Patterns select types of events, and each type of the catalogue has an example in the form of the API."""

from __future__ import annotations

import pytest

from rollbook.api import openapi_tables
from rollbook.records import event_types, events
from rollbook.records.event_types import TYPES
from tests.grids import grid


def test_patterns_select_a_type_a_group_or_all_and_nothing_else() -> None:
    assert event_types.selected(["user.created"]) == {"user.created"}
    assert event_types.selected(["key.*", "user.created"]) == {
        "user.created",
        *(name for name in TYPES if name.startswith("key.")),
    }
    assert event_types.selected(["*", "user.created"]) is None
    assert event_types.matches(["user.*"], "user.of_a_later_version") and event_types.matches(["*"], "any.thing")
    assert not event_types.matches(["user.*", "key.created"], "key.revoked") and not event_types.matches(
        ["user.*"], "users.created"
    )
    assert not event_types.matches([], "user.created")


@pytest.mark.parametrize(
    "pattern", ["user", "user.", ".*", "*.*", "user.*.*", "User.created", "people.*", "", "password.*"]
)
def test_what_is_not_a_pattern(pattern: str) -> None:
    assert not event_types.is_pattern(pattern)


def test_every_pattern_is_one() -> None:
    assert all(event_types.is_pattern(pattern) for pattern in event_types.patterns())
    assert set(TYPES) < set(event_types.patterns())


@grid("type", TYPES)
def test_the_example_of_a_type_is_an_event_of_it(type: str) -> None:
    event = events.example(type, "evt_x", 0)
    shown = openapi_tables.event_example(type)
    assert shown["type"] == event.type == type
    assert shown["object"] == TYPES[type].object and shown["before"] == TYPES[type].before
    assert (shown["user_id"] is None) == (
        event_types.kind(type) in ("server", "settings", "users", "group") and ".member_" not in type
    )
