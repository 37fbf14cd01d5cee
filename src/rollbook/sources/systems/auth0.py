"""Reads users of Auth0 from the exports of its dashboard, its API and its support."""

from __future__ import annotations

from typing import Any

from rollbook.sources.values import Fields, Record, fields, flag, full_name, json_object, suspended_if, text, time


def convert(row: Record) -> Fields:
    """User of Auth0: from the export of its dashboard or its API (NDJSON, CSV), or the file of password hashes that its
    support provides."""
    # The columns of a CSV export have names such as `Email Verified`.
    row = {
        name.lower().replace(" ", "_") if " " in name or name.istitle() else name: value for name, value in row.items()
    }
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, "name", ("given_name", "family_name"), "nickname", "username", email=email),
        external_id=text(row.get("user_id")) or _id(row),
        # `passwordHash` is bcrypt; other hashes, which were imported into Auth0, are under `custom_password_hash`.
        password_hash=text(row.get("passwordHash")) or text(_within(row, "custom_password_hash", "hash", "value")),
        email_verified=flag(row.get("email_verified", row.get("emailVerified"))),
        status=suspended_if(row.get("blocked")),
        created_at=time(row.get("created_at")),
        updated_at=time(row.get("updated_at")),
        last_sign_in_at=time(row.get("last_login")),
        metadata=fields(
            username=text(row.get("username")),
            phone=text(row.get("phone_number")),
            picture=text(row.get("picture")),
            user_metadata=json_object("user_metadata", row.get("user_metadata")),
            app_metadata=json_object("app_metadata", row.get("app_metadata")),
        ),
    )


def _id(row: Record) -> str | None:
    """The user ID of someone in the file of password hashes, or in the dashboard's CSV."""
    if found := text(row.get("id")):
        return found
    own = text(_within(row, "_id", "$oid")) or text(row.get("_id"))
    return f"auth0|{own}" if own else None


def _within(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
