"""Reads users of PocketBase from the table or the API of an auth collection."""

from __future__ import annotations

from rollbook.sources.values import Fields, Record, fields, flag, full_name, others, text, time

_KNOWN = frozenset(
    "id email password tokenKey verified name username created updated emailVisibility collectionId "
    "collectionName expand".split()
)


def convert(row: Record) -> Fields:
    """User of PocketBase: a row of an auth collection's table in its `data.db`, or a record of its API, which has no
    password hashes."""
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, "name", "username", email=email),
        external_id=text(row.get("id")),
        password_hash=text(row.get("password")),
        email_verified=flag(row.get("verified")),
        created_at=time(row.get("created")),
        updated_at=time(row.get("updated")),
        metadata=others(row, _KNOWN),
    )
