"""Reads users of an Amazon Cognito user pool: from `aws cognito-idp list-users`, or from CSV with the columns of its
import."""

from __future__ import annotations

from rollbook.sources.values import Fields, Record, fields, flag, full_name, json_objects, others, parted, text, time

LISTS = ("Users",)

_KNOWN = frozenset(
    "sub identities email email_verified name given_name family_name preferred_username updated_at Username "
    "cognito:username cognito:mfa_enabled cognito:user_status Attributes MFAOptions Enabled UserStatus UserCreateDate "
    "UserLastModifiedDate".split()
)


def convert(row: Record) -> Fields:
    """Cognito gives out no passwords. `UserStatus` and `Enabled` are in the JSON only."""
    attributes = json_objects("Attributes", row.get("Attributes"))
    row = {**row, **{str(attribute.get("Name")): attribute.get("Value") for attribute in attributes}}
    email = text(row.get("email"))
    username = text(row.get("Username"), row.get("cognito:username"))
    # The pool's own attributes are such as `custom:plan` and `dev:custom:plan`.
    readable, custom = parted(others(row, _KNOWN), lambda name: ":" not in name)
    names = ("name", ("given_name", "family_name"), "preferred_username")
    return fields(
        email=email,
        name=full_name(row, *names),
        external_id=text(row.get("sub")) or username,
        email_verified=flag(row.get("email_verified")),
        status=_status(text(row.get("UserStatus")), row.get("Enabled")),
        created_at=time(row.get("UserCreateDate")),
        updated_at=time(row.get("UserLastModifiedDate")),
        metadata=readable | fields(username=username if username not in (email, text(row.get("sub"))) else None),
        private_metadata={name.rpartition(":")[2]: value for name, value in custom.items()},
    )


def _status(status: str | None, enabled: object) -> str:
    if flag(enabled) is False or status in ("ARCHIVED", "COMPROMISED"):
        return "suspended"
    return "invited" if status == "FORCE_CHANGE_PASSWORD" else "active"
