"""Statements in PostgreSQL's form."""

from __future__ import annotations

from rollbook.storage.postgres_text import batched, numbered


def test_parameters_are_numbered_and_what_stands_in_quotes_stays() -> None:
    assert numbered("SELECT '?', 'it''s ?' WHERE a = ? AND b = ?") == "SELECT '?', 'it''s ?' WHERE a = $1 AND b = $2"


def test_a_look_up_of_many_callers_takes_an_array_for_each_parameter() -> None:
    text = batched("SELECT '?' WHERE a = ? AND b = ?", ["text", "bigint"])
    assert "unnest($1::text[], $2::bigint[])" in text
    assert "SELECT '?' WHERE a = callers.a1 AND b = callers.a2" in text
