"""Statements that many callers wait for at the same moment go to PostgreSQL as one."""

from __future__ import annotations

import pytest

from rollbook.records import imports
from rollbook.records.event_log import postgres as event_log
from rollbook.records.unique_keys import postgres as unique_keys
from rollbook.records.user_counts import postgres as user_counts
from rollbook.storage.postgres_text import gathered, numbered

WRITTEN_TOGETHER = {
    "claims": unique_keys.RESERVE_EMAIL,
    "events": event_log.APPEND,
    "events in their place": event_log.APPEND_NUMBERED,
    "users": imports.ADD_NUMBERED,
    "places": user_counts.APPEND,
}


@pytest.mark.parametrize("sql", WRITTEN_TOGETHER.values(), ids=WRITTEN_TOGETHER)
def test_an_insert_has_a_form_for_many_however_its_lines_are_broken(sql: str) -> None:
    text = numbered(sql)
    form = gathered(text, ["text"] * text.count("$"))
    assert form is not None
    assert " FROM unnest(" in form.text
    assert "VALUES" not in form.text
