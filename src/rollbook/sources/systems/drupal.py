"""Reads users of Drupal from the table `users_field_data` (Drupal 8 and later) or `users` (Drupal 7)."""

from __future__ import annotations

from typing import Any

from rollbook.sources.values import Fields, Record, active_if, fields, flag, full_name, others, text, time

_KNOWN = frozenset(
    "uid uuid langcode preferred_langcode preferred_admin_langcode name pass mail timezone status created changed "
    "access login init default_langcode theme signature signature_format picture data language".split()
)


def convert(row: Record) -> Fields | None:
    uid = text(row.get("uid"))
    if uid == "0" or flag(row.get("default_langcode")) is False:  # the anonymous user, and translations
        return None
    email = text(row.get("mail"))
    return fields(
        email=email,
        name=full_name(row, "name"),
        external_id=uid,
        password_hash=text(row.get("pass")),
        status=active_if(row.get("status")),
        created_at=_time(row.get("created")),
        updated_at=_time(row.get("changed")),
        last_sign_in_at=_time(row.get("login")),
        metadata=fields(
            username=text(row.get("name")),
            language=text(row.get("preferred_langcode"), row.get("language")),
            timezone=text(row.get("timezone")),
        ),
        private_metadata=others(row, _KNOWN),
    )


def _time(value: Any) -> str | None:
    """A time from seconds, of which 0 is never."""
    return None if text(value) == "0" else time(value)
