"""Reads users of Logto: rows of its table `users` (CSV, JSON), or users of its API, which has no password hashes."""

from __future__ import annotations

from base64 import b64encode

import msgspec

from rollbook.auth import password_hashes
from rollbook.sources.values import (
    UNKNOWN_HASH,
    Fields,
    Record,
    fields,
    full_name,
    in_camel_case,
    json_object,
    json_objects,
    suspended_if,
    text,
    time,
)

_LEGACY = msgspec.json.Decoder(tuple[str, list[str], str]).decode


def convert(row: Record) -> Fields:
    row = in_camel_case(row)
    email = text(row.get("primaryEmail"))
    profile = json_object("profile", row.get("profile"))
    factors = json_objects("mfa_verifications", row.get("mfaVerifications"))
    return fields(
        email=email,
        name=full_name({**profile, **row}, "name", ("givenName", "familyName"), "username", email=email),
        external_id=text(row.get("id")),
        password_hash=_hash(text(row.get("passwordEncrypted")), text(row.get("passwordEncryptionMethod"))),
        totp_secret=next((text(each.get("key")) for each in factors if each.get("type") == "Totp"), None),
        # What Logto itself tells applications (packages/core/src/oidc/scope.ts).
        email_verified=email is not None,
        status=suspended_if(row.get("isSuspended")),
        created_at=time(row.get("createdAt")),
        updated_at=time(row.get("updatedAt")),
        last_sign_in_at=time(row.get("lastSignInAt")),
        metadata=fields(
            username=text(row.get("username")),
            phone=text(row.get("primaryPhone")),
            picture=text(row.get("avatar")),
            profile=profile,
            custom_data=json_object("customData", row.get("customData")),
        ),
    )


def _hash(hash: str | None, method: str | None) -> str | None:
    if hash is None or (method or "").startswith(("Argon2", "Bcrypt")):
        return hash
    try:
        if method in ("SHA1", "SHA256"):  # of the password alone, hexadecimal
            return f"{{SHA{method[3:].removeprefix('1')}}}{b64encode(bytes.fromhex(hash)).decode()}"
        if method == "Legacy":  # as packages/core/src/utils/password.ts reads it
            algorithm, (salt, *numbers), key = _LEGACY(hash)
            if algorithm in ("pbkdf2", "pbkdf2Sync"):
                salted = bytes.fromhex(salt[4:]) if salt.startswith("hex:") else salt.encode()
                return password_hashes.pbkdf2(numbers[2], int(numbers[0]), salted, bytes.fromhex(key))
    except (ValueError, IndexError, msgspec.DecodeError):
        pass
    return UNKNOWN_HASH
