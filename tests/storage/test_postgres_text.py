"""Statements that many callers wait for at the same moment go to PostgreSQL as one."""

from __future__ import annotations

import pytest

from rollbook.records import claims, events, imports, places
from rollbook.storage.postgres_text import gathered, numbered

WRITTEN_TOGETHER = {
    "claims": claims.TAKE_EMAIL,
    "events": events.APPEND,
    "events in their place": events.RECORD_NUMBERED,
    "users": imports.ADD_NUMBERED,
    "places": places.APPEND,
}


@pytest.mark.parametrize("sql", WRITTEN_TOGETHER.values(), ids=WRITTEN_TOGETHER)
def test_an_insert_has_a_form_for_many_however_its_lines_are_broken(sql: str) -> None:
    text = numbered(sql)
    form = gathered(text, ["text"] * text.count("$"))
    assert form is not None
    assert " FROM unnest(" in form.text
    assert "VALUES" not in form.text
