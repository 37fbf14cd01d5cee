"""Reads users of an application with Laravel from its table `users`."""

from __future__ import annotations

from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, text


def convert(row: Record) -> Fields | None:
    return app_tables.user(
        row,
        "emailverifiedat remembertoken twofactorrecoverycodes twofactorconfirmedat",
        email_verified=bool(text(row.get("email_verified_at"))),
    )
