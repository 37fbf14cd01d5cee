"""Reads users of an application with ASP.NET Core Identity from its table `AspNetUsers`."""

from __future__ import annotations

from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, fields, flag, is_ahead, is_true, text, time

_USELESS = (
    "username normalizedusername normalizedemail emailconfirmed passwordhash securitystamp concurrencystamp "
    "phonenumber phonenumberconfirmed twofactorenabled authenticatorkey lockoutend lockoutenabled accessfailedcount "
    "discriminator"
)


def convert(row: Record) -> Fields | None:
    """Identity has no column for the name and none for dates; those that the application has are known by their usual
    names."""
    found = app_tables.columns(row)
    username, email = app_tables.username_and_email(found)
    user = app_tables.user(
        row,
        _USELESS,
        email=email,
        password_hash=text(found.get("passwordhash")),
        # The key of the authenticator app is in `AspNetUserTokens`, in the row if the query asks for it.
        totp_secret=text(found.get("authenticatorkey")) if is_true(found.get("twofactorenabled")) else None,
        email_verified=flag(found.get("emailconfirmed")),
        metadata=fields(username=username, phone=text(found.get("phonenumber"))),
    )
    if user and user.get("status") != "suspended":
        # As UserManager.IsLockedOutAsync has it. Of those who are locked out for good, the end is far away.
        is_locked_out = flag(found.get("lockoutenabled")) is not False and is_ahead(time(found.get("lockoutend")))
        user["status"] = "suspended" if is_locked_out else "active"
    return user
