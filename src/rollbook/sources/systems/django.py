"""Reads users of Django from `dumpdata` (JSON, JSONL) of any user model with an email and a password, or from their
table."""

from __future__ import annotations

from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, text, true_ones


def convert(row: Record) -> Fields | None:
    if "model" in row:  # dumpdata: other models may be in the file as well
        content = row.get("fields")
        if not isinstance(content, dict) or "password" not in content or "email" not in content:
            return None
        row = {"id": row.get("pk"), **content}
    password = text(row.get("password"))
    return app_tables.user(
        row,
        "pk groups userpermissions isstaff issuperuser",
        # An unusable password begins with an exclamation mark (django.contrib.auth.hashers).
        password_hash=None if password and password.startswith("!") else password,
        metadata=true_ones(row, "is_staff", "is_superuser"),
    )
