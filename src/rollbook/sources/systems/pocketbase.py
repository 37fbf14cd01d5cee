"""Reads users of PocketBase from the table of an auth collection, or from its API, which has no password hashes."""

from __future__ import annotations

from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, flag


def convert(row: Record) -> Fields | None:
    useless = "tokenkey verified username emailvisibility collectionid collectionname expand"
    return app_tables.user(row, useless, email_verified=flag(row.get("verified")))
