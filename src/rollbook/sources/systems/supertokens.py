"""Reads users of SuperTokens in the form of its bulk import, which a query of its tables can have, too."""

from __future__ import annotations

from typing import Any

from rollbook.sources.values import (
    Fields,
    Record,
    fields,
    flag,
    full_name,
    is_true,
    json_object,
    json_objects,
    otpauth_url,
    text,
    time,
)


def convert(row: Record) -> Fields:
    methods = json_objects("loginMethods", row.get("loginMethods"))
    by_password = [method for method in methods if text(method.get("passwordHash"))]
    main = next((method for method in methods if is_true(method.get("isPrimary"))), (by_password or methods or [{}])[0])
    user_metadata = json_object("userMetadata", row.get("userMetadata"))
    email = text(main.get("email"))
    return fields(
        email=email,
        name=full_name(user_metadata, "name", "full_name", ("first_name", "last_name")),
        external_id=text(row.get("externalUserId"), row.get("id")),
        password_hash=text((by_password or [{}])[0].get("passwordHash")),
        totp_secret=_totp(row.get("totpDevices")),
        email_verified=flag(main.get("isVerified")),
        created_at=time(main.get("timeJoinedInMSSinceEpoch")),
        private_metadata=fields(user_metadata=user_metadata, roles=_roles(row.get("userRoles"))),
    )


def _roles(roles: Any) -> list[Any] | None:
    if not isinstance(roles, list):
        return None
    return [text(role.get("role")) if isinstance(role, dict) else role for role in roles]


def _totp(devices: Any) -> str | None:
    """The first device that was verified: in the form of the bulk import, all are."""
    for device in json_objects("totpDevices", devices):
        if (secret := text(device.get("secretKey"))) and flag(device.get("verified")) is not False:
            return otpauth_url(secret, period=device.get("period"))
    return None
