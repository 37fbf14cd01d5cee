"""Reads users of an application with Devise (Rails) from its table `users`."""

from __future__ import annotations

from rollbook.sources import app_tables
from rollbook.sources.values import Fields, Record, text

_USELESS = (
    "encryptedpassword resetpasswordsentat remembercreatedat signincount currentsigninip lastsigninip confirmedat "
    "confirmationsentat unconfirmedemail failedattempts lockedat invitationcreatedat invitationsentat "
    "invitationacceptedat invitationlimit invitedbyid invitedbytype invitationscount consumedtimestep"
)


def convert(row: Record) -> Fields | None:
    """`confirmed_at` is there with the module Confirmable, and `invitation_…` with the gem devise_invitable. The lock
    of Lockable, `locked_at`, is one against guessing, and ends by itself."""
    fields = app_tables.user(
        row,
        _USELESS,
        password_hash=text(row.get("encrypted_password")),
        email_verified=True if text(row.get("confirmed_at")) else None,
    )
    if fields and text(row.get("invitation_created_at")) and fields.get("status") != "suspended":
        fields["status"] = "active" if text(row.get("invitation_accepted_at")) else "invited"
    return fields
