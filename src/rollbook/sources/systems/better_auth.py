"""Reads users of an application with better-auth, as the program on its page writes them."""

from __future__ import annotations

import re

from rollbook.actions.checking import refuse
from rollbook.sources.values import (
    Fields,
    Record,
    fields,
    flag,
    full_name,
    is_true,
    others,
    otpauth_url,
    suspended_if,
    text,
    time,
)

_KNOWN = frozenset(
    "id email emailVerified name password createdAt updatedAt image role banned banReason banExpires twoFactorEnabled "
    "twoFactorSecret".split()
)
_IS_ENCRYPTED = re.compile(r"\$ba\$|[0-9a-f]{80}").match


def convert(row: Record) -> Fields:
    """User of an application with better-auth, with the password of their account and the secret of their authenticator
    app, which the program on its page decrypts."""
    email, secret = text(row.get("email")), text(row.get("twoFactorSecret"))
    if secret is not None and _IS_ENCRYPTED(secret):
        refuse("twoFactorSecret", "is encrypted. Decrypt it when you export: see docs/migrate-better-auth.md")
    return fields(
        email=email,
        name=full_name(row, "name", email=email),
        external_id=text(row.get("id")),
        password_hash=text(row.get("password")),
        # The codes are made of the text itself (@better-auth/utils, otp.mjs).
        totp_secret=otpauth_url(secret.encode()) if secret and is_true(row.get("twoFactorEnabled")) else None,
        email_verified=flag(row.get("emailVerified")),
        status=suspended_if(row.get("banned")),
        created_at=time(row.get("createdAt")),
        updated_at=time(row.get("updatedAt")),
        metadata=others(row, _KNOWN) | fields(image=text(row.get("image")), role=text(row.get("role"))),
    )
