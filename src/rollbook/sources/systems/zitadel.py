"""Reads users of ZITADEL: people of an export of an instance (JSON), or users of its API, which has no password
hashes."""

from __future__ import annotations

from rollbook.sources.values import Fields, Record, fields, flag, full_name, json_object, text, time

LISTS = ("result",)

_STATUSES = {"INACTIVE": "suspended", "LOCKED": "suspended", "SUSPEND": "suspended", "INITIAL": "invited"}


def convert(row: Record) -> Fields | None:
    person = row.get("user", row.get("human"))
    state = (text(row.get("state")) or "").removeprefix("USER_STATE_")
    if not isinstance(person, dict) or state == "DELETED":  # a machine, or someone who is gone
        return None
    address, profile = json_object("email", person.get("email")), json_object("profile", person.get("profile"))
    details, phone = json_object("details", row.get("details")), json_object("phone", person.get("phone"))
    email, hash = text(address.get("email")), text(json_object("hash", person.get("hashedPassword")).get("value"))
    status = _STATUSES.get(state, "active")
    return fields(
        email=email,
        name=full_name(profile, "displayName", ("firstName", "lastName"), ("givenName", "familyName")),
        external_id=text(row.get("userId"), row.get("id")),
        password_hash=hash,
        totp_secret=text(person.get("otpCode")),
        email_verified=flag(address.get("isEmailVerified", address.get("isVerified", False))),
        status="active" if hash and status == "invited" else status,
        created_at=time(details.get("creationDate")),
        updated_at=time(details.get("changeDate")),
        metadata=fields(
            username=text(person.get("userName"), row.get("userName"), row.get("username")),
            phone=text(phone.get("phone")),
            language=text(profile.get("preferredLanguage")),
        ),
    )
