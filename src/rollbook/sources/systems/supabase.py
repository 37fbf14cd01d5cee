"""Reads users of Supabase from the table `auth.users` (CSV, JSON), or from its admin API, which has no password
hashes."""

from __future__ import annotations

from rollbook.sources.values import Fields, Record, fields, full_name, is_ahead, json_object, text, time


def convert(row: Record) -> Fields | None:
    if text(row.get("deleted_at")):
        return None
    email = text(row.get("email"))
    own = json_object("raw_user_meta_data", row.get("raw_user_meta_data", row.get("user_metadata")))
    app = json_object("raw_app_meta_data", row.get("raw_app_meta_data", row.get("app_metadata")))
    return fields(
        email=email,
        name=full_name(own, "full_name", "name", "display_name", ("first_name", "last_name"), "user_name"),
        external_id=text(row.get("id")),
        password_hash=text(row.get("encrypted_password")),
        email_verified=bool(text(row.get("email_confirmed_at"))),
        status=_status(row),
        created_at=time(row.get("created_at")),
        updated_at=time(row.get("updated_at")),
        last_sign_in_at=time(row.get("last_sign_in_at")),
        metadata=fields(phone=text(row.get("phone")), user_metadata=own),
        private_metadata=fields(app_metadata=app),
    )


def _status(row: Record) -> str:
    if is_ahead(time(row.get("banned_until"))):
        return "suspended"
    has_come = any(text(row.get(name)) for name in ("encrypted_password", "email_confirmed_at", "last_sign_in_at"))
    return "invited" if text(row.get("invited_at")) and not has_come else "active"
