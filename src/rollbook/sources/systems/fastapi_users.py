"""Reads users of an application with fastapi-users from their table."""

from __future__ import annotations

from rollbook.sources.values import Fields, Record, active_if, fields, flag, full_name, others, text, time, true_ones

_KNOWN = frozenset(
    "id email hashed_password is_active is_verified name full_name first_name last_name username created_at "
    "updated_at last_login is_superuser".split()
)


def convert(row: Record) -> Fields:
    """User of an application with fastapi-users: a row of its table, as JSON, NDJSON or CSV. Columns of its own go into
    the metadata."""
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, "name", "full_name", ("first_name", "last_name"), "username", email=email),
        external_id=text(row.get("id")),
        password_hash=text(row.get("hashed_password")),
        email_verified=flag(row.get("is_verified")),
        status=active_if(row.get("is_active")),
        created_at=time(row.get("created_at")),
        updated_at=time(row.get("updated_at")),
        last_sign_in_at=time(row.get("last_login")),
        metadata=others(row, _KNOWN) | true_ones(row, "is_superuser"),
    )
