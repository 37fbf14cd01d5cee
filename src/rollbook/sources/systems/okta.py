"""Reads users of Okta: from its API (JSON), or from a report (CSV). Okta gives out no password hashes."""

from __future__ import annotations

import re

from rollbook.sources.values import Fields, Record, fields, full_name, others, parted, text, time

_COLUMNS = {
    "oktausername": "login",
    "username": "login",
    "primaryemail": "email",
    "userfullname": "displayname",
    "fullname": "displayname",
    "user": "displayname",
    "userid": "id",
    "oktauserstatus": "status",
    "userstatus": "status",
    "creationdate": "created",
    "activationdate": "created",
}
"""Names in reports, and what the API calls the same: in small letters without spaces, as reports differ in both."""
_STATUSES = {
    **dict.fromkeys(("staged", "provisioned", "pendinguseraction", "pendingactivation"), "invited"),
    **dict.fromkeys(("suspended", "deprovisioned", "deactivated"), "suspended"),
}
"""Of those who aren't active. Okta unlocks accounts that are locked out by itself, or when the password is reset."""
_KNOWN = frozenset("id status login email firstname lastname displayname created lastupdated lastlogin".split())
_READABLE = frozenset(
    "middlename honorificprefix honorificsuffix title nickname profileurl secondemail mobilephone primaryphone "
    "streetaddress city state zipcode countrycode postaladdress preferredlanguage locale timezone usertype "
    "employeenumber costcenter organization division department managerid manager".split()
)
"""Attributes of every profile, which users see in their settings. Others are the organization's own."""
_NO_LETTER = re.compile(r"[^a-z]+")


def convert(row: Record) -> Fields:
    profile = row["profile"] if isinstance(row.get("profile"), dict) else row
    values = {_name(name): value for name, value in {**row, **profile}.items()}
    login = text(values.get("login"))
    email = text(values.get("email")) or (login if login and "@" in login else None)
    more = {name: value for name, value in profile.items() if _name(name) not in _KNOWN}
    readable, private = parted(others(more, frozenset()), lambda name: _letters(name) in _READABLE)
    return fields(
        email=email,
        name=full_name(values, "displayname", ("firstname", "lastname"), "login"),
        external_id=text(values.get("id")),
        status=_STATUSES.get(_letters(text(values.get("status")) or ""), "active"),
        created_at=time(values.get("created")),
        updated_at=time(values.get("lastupdated")),
        last_sign_in_at=time(values.get("lastlogin")),
        private_metadata=private,
        metadata=readable | ({} if login == email else fields(login=login)),
    )


def _name(column: str) -> str:
    letters = _letters(column)
    return _COLUMNS.get(letters, letters)


def _letters(words: str) -> str:
    return _NO_LETTER.sub("", words.lower())
