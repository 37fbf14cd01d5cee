"""Reads users of Django from `dumpdata` (JSON, JSONL) of any user model with an email and a password, or from their
table."""

from __future__ import annotations

from typing import Any

from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, fields, text, true_ones


def record(row: dict[str, Any]) -> dict[str, Any] | None:
    """The user that a row is. `dumpdata` has the fields apart, and other models may be in its file as well."""
    if "model" not in row:
        return row
    content = row.get("fields")
    if not isinstance(content, dict) or "password" not in content or "email" not in content:
        return None
    return {"id": row.get("pk"), **content}


def convert(row: Record) -> Fields | None:
    password = text(row.get("password"))
    return app_tables.user(
        row,
        "pk groups userpermissions isstaff issuperuser",
        # An unusable password begins with an exclamation mark (django.contrib.auth.hashers).
        password_hash=None if password and password.startswith("!") else password,
        private_metadata=true_ones(row, "is_staff", "is_superuser") | fields(groups=_groups(row.get("groups"))),
    )


def _groups(found: Any) -> list[str] | None:
    """Names of groups, which `dumpdata --natural-foreign` has instead of keys."""
    keys = found if isinstance(found, list) else ()
    return [key[0] for key in keys if isinstance(key, list) and len(key) == 1 and isinstance(key[0], str)] or None
