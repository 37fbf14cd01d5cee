"""Reads users of Microsoft Entra ID: from *Download users* (CSV), or from Microsoft Graph (JSON). Neither has password
hashes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rollbook.sources.values import (
    Fields,
    Record,
    active_if,
    fields,
    full_name,
    json_object,
    others,
    parted,
    text,
    time,
)

LISTS = ("value",)

_GUEST = "#EXT#"
_KNOWN = frozenset(
    "id objectId mail userPrincipalName displayName givenName surname accountEnabled createdDateTime signInActivity "
    "invitationState externalUserState alternateEmailAddress otherMails".split()
)
_READABLE = frozenset(
    "userType jobTitle department companyName employeeId officeLocation physicalDeliveryOfficeName streetAddress city "
    "state country postalCode businessPhones telephoneNumber mobilePhone mobile faxNumber preferredLanguage "
    "usageLocation".split()
)
"""Fields that Microsoft shows to users on their account page. Others are the organization's own."""


def convert(row: Record) -> Fields | None:
    if text(row.get("deletedDateTime")):
        return None
    row = {name: value for name, value in row.items() if not name.startswith("@odata")}
    email, login = _email(row), text(row.get("userPrincipalName"))
    signed_in = json_object("signInActivity", row.get("signInActivity"))
    readable, private = parted(others(row, _KNOWN), _READABLE.__contains__)
    return fields(
        email=email,
        name=full_name(row, "displayName", ("givenName", "surname")),
        external_id=text(row.get("id"), row.get("objectId")),
        status=_status(row),
        created_at=_time(row.get("createdDateTime")),
        last_sign_in_at=time(signed_in.get("lastSuccessfulSignInDateTime") or signed_in.get("lastSignInDateTime")),
        private_metadata=private,
        metadata=readable | ({} if login == email else fields(userPrincipalName=login)),
    )


def _email(row: Record) -> str | None:
    """The mailbox; without one, the name to sign in with. That of a guest is made up, and they come with another
    email."""
    login = text(row.get("userPrincipalName"))
    if email := text(row.get("mail")) or (login if login and _GUEST not in login else None):
        return email
    other = row.get("alternateEmailAddress") or row.get("otherMails")
    return text(other[0] if isinstance(other, list) and other else other)


def _status(row: Record) -> str | None:
    status = active_if(row.get("accountEnabled"))
    invited = (row.get("invitationState") or row.get("externalUserState")) == "PendingAcceptance"
    return "invited" if invited and status != "suspended" else status


def _time(value: Any) -> str | None:
    """A time, also as the CSV has it: 8/19/2021 1:25:31 PM, in UTC."""
    try:
        return datetime.strptime(f"{value} +0000", "%m/%d/%Y %I:%M:%S %p %z").isoformat()
    except ValueError:
        return time(value)
