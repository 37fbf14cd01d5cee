"""Reads users of Appwrite: from the list of its API with an API key (JSON), which has the password hashes."""

from __future__ import annotations

from rollbook.auth import password_hashes
from rollbook.sources.values import (
    UNKNOWN_HASH,
    Fields,
    Record,
    active_if,
    fields,
    flag,
    full_name,
    json_object,
    text,
    time,
)


def convert(row: Record) -> Fields:
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, "name"),
        external_id=text(row.get("$id")),
        password_hash=_hash(row),
        email_verified=flag(row.get("emailVerification")),
        status=active_if(row.get("status")),
        created_at=time(row.get("registration") or row.get("$createdAt")),
        updated_at=time(row.get("$updatedAt")),
        metadata=fields(phone=text(row.get("phone")), prefs=json_object("prefs", row.get("prefs"))),
        private_metadata=fields(labels=row.get("labels") or None),
    )


def _hash(row: Record) -> str | None:
    """Appwrite names the algorithms as utopia-php/auth does (src/Auth/Hashes)."""
    password, kind = text(row.get("password")), row.get("hash")
    about = json_object("hashOptions", row.get("hashOptions"))
    if password is None or kind in ("argon2", "bcrypt", "phpass"):
        return password
    if kind == "scryptMod":  # Firebase's
        salt, separator, key = (text(about.get(name)) or "" for name in ("salt", "saltSeparator", "signerKey"))
        try:
            return password_hashes.firebase(password, salt, key, separator, 8, 14)
        except ValueError:
            return UNKNOWN_HASH
    if kind == "scrypt" and text(about.get("salt")):  # which the API leaves out
        numbers = ":".join(str(about.get(name)) for name in ("costCpu", "costMemory", "costParallel"))
        return f"scrypt:{numbers}${about['salt']}${password}"
    return UNKNOWN_HASH
