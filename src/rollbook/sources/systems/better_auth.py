"""Reads users of an application with better-auth as the program on its page of the docs writes them: with the password
of their account, and the decrypted secret of their authenticator app."""

from __future__ import annotations

import re

from rollbook.actions.checking import refuse
from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, flag, is_ahead, is_true, otpauth_url, text, time

_IS_ENCRYPTED = re.compile(r"\$ba\$|[0-9a-f]{80}").match


def convert(row: Record) -> Fields | None:
    secret = text(row.get("twoFactorSecret"))
    if secret is not None and _IS_ENCRYPTED(secret):
        refuse("twoFactorSecret", "is encrypted. Decrypt it when you export: see docs/migrate.md#better-auth")
    expires = time(row.get("banExpires"))
    if expires and not is_ahead(expires):
        row = {**row, "banned": False}
    return app_tables.user(
        row,
        "emailverified banexpires twofactorenabled twofactorsecret",
        # The codes are made of the text itself (@better-auth/utils, otp.mjs).
        totp_secret=otpauth_url(secret.encode()) if secret and is_true(row.get("twoFactorEnabled")) else None,
        email_verified=flag(row.get("emailVerified")),
    )
