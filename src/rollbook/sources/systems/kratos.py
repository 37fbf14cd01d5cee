"""Reads users of Ory Kratos: identities of its API (JSON), or of a file to import into Kratos."""

from __future__ import annotations

import re
from typing import Any

from rollbook.auth import password_hashes
from rollbook.sources.values import (
    UNKNOWN_HASH,
    Fields,
    Record,
    fields,
    full_name,
    is_true,
    json_object,
    json_objects,
    others,
    text,
    time,
)

LISTS = ("identities",)

_NAMES = ("name", "full_name", "display_name", ("first", "last"), ("first_name", "last_name"))
_MORE_NAMES = (("firstName", "lastName"), ("given_name", "family_name"), "username")
_KNOWN = frozenset(("email", "name"))
# Forms of Kratos' own (hash/hash_comparator.go). Its scrypt has N where others have the logarithm.
_SCRYPT = re.compile(r"\$scrypt\$ln=([0-9]{1,10}),(r=[0-9]+,p=[0-9]+\$.+)").fullmatch
_FIREBASE = re.compile(r"\$firescrypt\$ln=([0-9]+),r=([0-9]+),p=1\$([^$]*)\$([^$]*)\$([^$]*)\$([^$]*)").fullmatch
_CRYPT = {"$md5-crypt$": "$1$", "$sha256-crypt$": "$5$", "$sha512-crypt$": "$6$"}


def convert(row: Record) -> Fields:
    traits = json_object("traits", row.get("traits"))
    email, verified = _email(row, traits)
    parts = traits.get("name")
    named = {**traits, **(parts if isinstance(parts, dict) else {})}
    hash = text(_config(row, "password").get("hashed_password"))
    return fields(
        email=email,
        name=full_name(named, *_NAMES, *_MORE_NAMES),
        external_id=text(row.get("id"), row.get("external_id")),
        password_hash=None if hash is None else _hash(hash),
        totp_secret=text(_config(row, "totp").get("totp_url")),
        email_verified=verified,
        status="suspended" if row.get("state") == "inactive" else "active",
        created_at=time(row.get("created_at")),
        updated_at=time(row.get("updated_at")),
        metadata=others(traits, _KNOWN)
        | fields(metadata_public=json_object("metadata_public", row.get("metadata_public"))),
        private_metadata=fields(metadata_admin=json_object("metadata_admin", row.get("metadata_admin"))),
    )


def _email(row: Record, traits: Record) -> tuple[str | None, bool]:
    """The email of the traits, else the first address, and whether it is verified."""
    entries = json_objects("verifiable_addresses", row.get("verifiable_addresses"))
    addresses = [address for address in entries if address.get("via") != "sms"]
    email = text(traits.get("email")) or next((text(address.get("value")) for address in addresses), None)
    return email, any(
        is_true(address.get("verified")) and str(address.get("value")).lower() == (email or "").lower()
        for address in addresses
    )


def _config(row: Record, kind: str) -> dict[str, Any]:
    credential = json_object("credentials", row.get("credentials")).get(kind)
    return json_object("credentials", credential.get("config")) if isinstance(credential, dict) else {}


def _hash(text: str) -> str:
    if match := _SCRYPT(text):
        cost = int(match[1])
        return f"$scrypt$ln={cost.bit_length() - 1},{match[2]}" if cost & (cost - 1) == 0 else UNKNOWN_HASH
    if match := _FIREBASE(text):
        memory, rounds, salt, hash, separator, key = match.groups()
        try:
            return password_hashes.firebase(hash, salt, key, separator, int(rounds), int(memory))
        except ValueError:
            return UNKNOWN_HASH
    for start, usual in _CRYPT.items():
        if text.startswith(start):
            return usual + text.removeprefix(start)
    return text
