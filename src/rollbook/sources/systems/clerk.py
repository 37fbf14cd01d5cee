"""Reads users of Clerk from the CSV export of its dashboard, which has password digests, or from its API (JSON), which
has none."""

from __future__ import annotations

import re

from rollbook.sources.values import (
    Fields,
    Record,
    fields,
    full_name,
    json_object,
    json_objects,
    suspended_if,
    text,
    time,
)

_SEPARATORS = re.compile(r"[|,;\s\[\]\"]+")


def convert(row: Record) -> Fields:
    email, verified = _email(row)
    return fields(
        email=email,
        name=full_name(row, ("first_name", "last_name"), "username"),
        external_id=text(row.get("id")),
        password_hash=text(row.get("password_digest")),
        totp_secret=text(row.get("totp_secret")),
        email_verified=verified,
        status=suspended_if(row.get("banned")),
        created_at=time(row.get("created_at")),
        updated_at=time(row.get("updated_at")),
        last_sign_in_at=time(row.get("last_sign_in_at")),
        metadata=fields(
            external_id=text(row.get("external_id")),
            username=text(row.get("username")),
            phone=text(row.get("primary_phone_number")),
            **{name: json_object(name, row.get(name)) for name in ("public_metadata", "unsafe_metadata")},
        ),
        private_metadata=json_object("private_metadata", row.get("private_metadata")),
    )


def _email(row: Record) -> tuple[str | None, bool | None]:
    """The primary email, and whether it is verified; None where the export doesn't say."""
    primary = text(row.get("primary_email_address"))
    verified = row.get("verified_email_addresses")
    if isinstance(verified, str):
        return primary, primary is not None and primary.strip().lower() in _addresses(verified)
    for address in json_objects("email_addresses", row.get("email_addresses")):
        if address.get("id") == row.get("primary_email_address_id") or address.get("email_address") == primary:
            verification = address.get("verification")
            return text(address.get("email_address")), isinstance(verification, dict) and verification.get(
                "status"
            ) == "verified"
    return primary, None


def _addresses(cell: str) -> set[str]:
    """The emails in a cell of the CSV: separated by `|`, or a JSON array. Each is compared whole: who can register
    joann@example.com has not shown that ann@example.com is theirs."""
    return set(_SEPARATORS.split(cell.lower()))
