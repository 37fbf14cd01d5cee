"""Reads users of Logto: rows of its table `users` (CSV, JSON), or users of its API, which has no password hashes."""

from __future__ import annotations

from base64 import b64encode

import msgspec

from rollbook.auth import password_hashes
from rollbook.sources import app_tables
from rollbook.sources.values import UNKNOWN_HASH, Fields, Record, fields, full_name, json_object, json_objects, text

_KNOWN = (
    "tenantid primaryemail primaryphone passwordencrypted passwordencryptionmethod profile customdata mfaverifications "
    "identities ssoidentities logtoconfig applicationid cimdclientid haspassword ispasswordexpired passwordupdatedat"
)
_LEGACY = msgspec.json.Decoder(tuple[str, list[str], str]).decode


def convert(row: Record) -> Fields | None:
    values = app_tables.columns(row)
    email, profile = text(values.get("primaryemail")), json_object("profile", values.get("profile"))
    factors = json_objects("mfa_verifications", values.get("mfaverifications"))
    return app_tables.user(
        row,
        _KNOWN,
        email=email,
        name=full_name({**profile, **values}, "name", ("givenName", "familyName"), "username"),
        password_hash=_hash(text(values.get("passwordencrypted")), text(values.get("passwordencryptionmethod"))),
        totp_secret=next((text(factor.get("key")) for factor in factors if factor.get("type") == "Totp"), None),
        # What Logto itself tells applications (packages/core/src/oidc/scope.ts).
        email_verified=email is not None,
        metadata=fields(
            phone=text(values.get("primaryphone")),
            profile=profile,
        ),
        private_metadata=fields(custom_data=json_object("customData", values.get("customdata"))),
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
