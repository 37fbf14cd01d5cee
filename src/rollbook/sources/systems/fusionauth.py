"""Reads users of FusionAuth: rows of its tables, users in the form of its Import API, or users of its API, which has
no password hashes (JSON)."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from rollbook import clock
from rollbook.sources import app_tables
from rollbook.sources.values import (
    PLAIN_HASH,
    UNKNOWN_HASH,
    Fields,
    Record,
    active_if,
    fields,
    flag,
    full_name,
    json_object,
    json_objects,
    otpauth_url,
    text,
    time,
)

_PBKDF2 = {
    "salted-pbkdf2-hmac-sha256": "sha256",
    "salted-pbkdf2-hmac-sha256-512": "sha256",
    "salted-pbkdf2-hmac-sha512-512": "sha512",
}


def convert(row: Record) -> Fields:
    row = app_tables.columns(row)
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, "fullname", ("firstname", "lastname"), "username"),
        external_id=text(row.get("id")),
        password_hash=_hash(row),
        totp_secret=_totp(json_object("twoFactor", row.get("twofactor")).get("methods")),
        email_verified=flag(row.get("verified")),
        status="suspended" if _is_over(row.get("expiry")) else active_if(row.get("active")),
        created_at=time(row.get("insertinstant")),
        updated_at=time(row.get("lastupdateinstant")),
        last_sign_in_at=time(row.get("lastlogininstant")),
        metadata=fields(
            username=text(row.get("username")),
            phone=text(row.get("mobilephone"), row.get("phonenumber")),
            picture=text(row.get("imageurl")),
        ),
        private_metadata=fields(
            data=json_object("data", row.get("data")),
            registrations=row.get("registrations") or None,
        ),
    )


def _hash(row: Record) -> str | None:
    """A password's parts are in fields of their own (fusionauth.io/docs/reference/password-hashes)."""
    password, salt, factor = (text(row.get(name)) for name in ("password", "salt", "factor"))
    scheme = text(row.get("encryptionscheme"))
    if password is None:
        return None
    if scheme is None:
        return PLAIN_HASH
    if scheme in _PBKDF2:
        return f"$pbkdf2-{_PBKDF2[scheme]}$i={factor}${salt}${password}"
    return f"$2a${(factor or '').zfill(2)}${salt}{password}" if scheme == "bcrypt" else UNKNOWN_HASH


def _totp(methods: Any) -> str | None:
    """The first authenticator app, whose secret is base64."""
    for method in json_objects("twoFactor", methods):
        if method.get("method") == "authenticator" and (secret := text(method.get("secret"))):
            about = json_object("twoFactor", method.get("authenticator"))
            try:
                key = b64decode(secret, validate=True)
            except ValueError:
                return secret  # for whoever checks it to refuse
            return otpauth_url(key, about.get("codeLength"), about.get("timeStep"), about.get("algorithm"))
    return None


def _is_over(expiry: Any) -> bool:
    """Milliseconds since 1970."""
    return isinstance(expiry, int) and expiry < clock.now() // 1000
