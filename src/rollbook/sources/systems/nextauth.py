"""Reads users of an application with Auth.js (NextAuth) from its tables of users and accounts."""

from __future__ import annotations

from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, fields, json_objects, text


def convert(row: Record) -> Fields | None:
    """Auth.js keeps no passwords: where an application does, the column is mostly called one of these."""
    found = app_tables.columns(row)
    accounts = json_objects("accounts", row.get("accounts"))
    return app_tables.user(
        row,
        "emailverified image passwordhash hashedpassword accounts sessions",
        password_hash=text(*map(found.get, ("password", "passwordhash", "hashedpassword"))),
        email_verified=bool(text(found.get("emailverified"))),
        metadata=fields(
            image=text(row.get("image")),
            accounts=[f"{each.get('provider')}:{each.get('providerAccountId')}" for each in accounts] or None,
        ),
    )
