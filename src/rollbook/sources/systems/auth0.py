"""Reads users of Auth0 from the export of its dashboard or its API (NDJSON, CSV), or from the file of password hashes
that its support provides."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from rollbook.sources.values import (
    UNKNOWN_HASH,
    Fields,
    Record,
    fields,
    flag,
    full_name,
    json_object,
    suspended_if,
    text,
    time,
)


def convert(row: Record) -> Fields:
    # The columns of a CSV export have names such as `Email Verified`.
    row = {
        name.lower().replace(" ", "_") if " " in name or name.istitle() else name: value for name, value in row.items()
    }
    email = text(row.get("email"))
    return fields(
        email=email,
        # Auth0 gives those who have no name their email as one.
        name=full_name(
            row, *(("name",) if row.get("name") != email else ()), ("given_name", "family_name"), "nickname", "username"
        ),
        external_id=text(row.get("user_id")) or _id(row),
        # `passwordHash` is bcrypt; other hashes, which were imported into Auth0, are under `custom_password_hash`.
        password_hash=text(row.get("passwordHash")) or _custom(row),
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
        ),
        private_metadata=fields(app_metadata=json_object("app_metadata", row.get("app_metadata"))),
    )


def _id(row: Record) -> str | None:
    """The user ID of someone in the file of password hashes, or in the dashboard's CSV."""
    if user_id := text(row.get("id")):
        return user_id
    own = text(_within(row, "_id", "$oid"), row.get("_id"))
    return f"auth0|{own}" if own else None


def _custom(row: Record) -> str | None:
    """The hash in the form of Auth0's bulk import, where the parts of scrypt's are apart."""
    about = json_object("custom_password_hash", row.get("custom_password_hash"))
    if about.get("algorithm") != "scrypt":
        return text(_within(about, "hash", "value"))
    try:
        salt, digest = (_as_base64(json_object(part, about.get(part))) for part in ("salt", "hash"))
        cost, r, p = (int(about.get(name, 0)) for name in ("cost", "blockSize", "parallelization"))
        return f"$scrypt$ln={cost.bit_length() - 1},r={r},p={p}${salt}${digest}"
    except (ValueError, TypeError):
        return UNKNOWN_HASH


def _as_base64(part: Record) -> str:
    value, encoding = text(part.get("value")) or "", part.get("encoding", "utf8")
    data = value.encode() if encoding == "utf8" else bytes.fromhex(value) if encoding == "hex" else b64decode(value)
    return b64encode(data).decode()


def _within(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
