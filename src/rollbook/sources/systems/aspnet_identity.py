"""Reads users of an application with ASP.NET Core Identity from its table `AspNetUsers`."""

from __future__ import annotations

from rollbook import clock
from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, fields, flag, is_true, text, time

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
        user["status"] = "suspended" if _is_locked_out(found) else "active"
    return user


def _is_locked_out(found: Record) -> bool:
    """As UserManager.IsLockedOutAsync has it. Whom somebody has locked out for good, the end is far away."""
    end = time(found.get("lockoutend"))
    try:
        return end is not None and flag(found.get("lockoutenabled")) is not False and clock.parse(end) > clock.now()
    except ValueError:
        return True
