"""Reads users of Django from `dumpdata`, or from their table."""

from __future__ import annotations

from rollbook.sources.values import Fields, Record, active_if, fields, full_name, others, text, time, true_ones

_KNOWN = frozenset(
    "id pk password email first_name last_name name full_name is_active last_login date_joined groups "
    "user_permissions is_staff is_superuser".split()
)


def convert(row: Record) -> Fields | None:
    """User of Django: from `dumpdata` (JSON, JSONL) of any user model with an email and a password, or a row of its
    table."""
    if "model" in row:  # dumpdata: other models may be in the file as well
        content = row.get("fields")
        if not isinstance(content, dict) or "password" not in content or "email" not in content:
            return None
        row = {"id": row.get("pk"), **content}
    email, password = text(row.get("email")), text(row.get("password"))
    return fields(
        email=email,
        name=full_name(row, "name", "full_name", ("first_name", "last_name"), "username", email=email),
        external_id=text(row.get("id")),
        # An unusable password begins with an exclamation mark (django.contrib.auth.hashers).
        password_hash=None if password and password.startswith("!") else password,
        status=active_if(row.get("is_active")),
        created_at=time(row.get("date_joined")),
        last_sign_in_at=time(row.get("last_login")),
        metadata=others(row, _KNOWN) | true_ones(row, "is_staff", "is_superuser"),
    )
