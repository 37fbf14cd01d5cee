"""Reads users of an application with fastapi-users from their table."""

from __future__ import annotations

from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, flag, text, true_ones


def convert(row: Record) -> Fields | None:
    return app_tables.user(
        row,
        "hashedpassword isverified issuperuser username",
        password_hash=text(row.get("hashed_password")),
        email_verified=flag(row.get("is_verified")),
        private_metadata=true_ones(row, "is_superuser"),
    )
