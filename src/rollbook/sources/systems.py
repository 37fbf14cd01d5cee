"""The systems whose exports are read as they come: for each, a function from one of its records to the fields of a
user. Exports that are more than a list of records have files of their own."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BufferedReader
from typing import Any, NamedTuple
from urllib.parse import urlencode

from rollbook import clock
from rollbook.actions.checking import refuse
from rollbook.sources import firebase, keycloak
from rollbook.sources.values import (
    Fields,
    Record,
    active_if,
    fields,
    flag,
    full_name,
    is_true,
    json_object,
    others,
    otpauth_url,
    suspended_if,
    text,
    time,
    true_ones,
)

Convert = Callable[[dict[str, Any]], Fields | None]
"""None for what is no user. Raises InvalidParameter for one that can't be imported."""


def auth0(row: Record) -> Fields:
    """User of Auth0: from the export of its dashboard or its API (NDJSON, CSV), or the file of password hashes that its
    support provides."""
    # The columns of a CSV export have names such as `Email Verified`.
    row = {
        name.lower().replace(" ", "_") if " " in name or name.istitle() else name: value for name, value in row.items()
    }
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, "name", ("given_name", "family_name"), "nickname", "username", email=email),
        external_id=text(row.get("user_id")) or _auth0_id(row),
        # `passwordHash` is bcrypt; other hashes, which were imported into Auth0, are under `custom_password_hash`.
        password_hash=text(row.get("passwordHash")) or text(_within(row, "custom_password_hash", "hash", "value")),
        email_verified=flag(row.get("email_verified", row.get("emailVerified"))),
        status=suspended_if(row.get("blocked")),
        created_at=time(row.get("created_at")),
        updated_at=time(row.get("updated_at")),
        last_sign_in_at=time(row.get("last_login")),
        metadata=fields(
            username=text(row.get("username")),
            phone=text(row.get("phone_number")),
            picture=text(row.get("picture")),
            user_metadata=json_object("user_metadata", row.get("user_metadata")),
            app_metadata=json_object("app_metadata", row.get("app_metadata")),
        ),
    )


def _auth0_id(row: Record) -> str | None:
    """The user ID of someone in the file of password hashes, or in the dashboard's CSV."""
    if found := text(row.get("id")):
        return found
    own = text(_within(row, "_id", "$oid")) or text(row.get("_id"))
    return f"auth0|{own}" if own else None


def _within(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


_CLERK_SEPARATORS = re.compile(r"[|,;\s\[\]\"]+")


def clerk(row: Record) -> Fields:
    """User of Clerk: from the CSV export of its dashboard, which has password digests, or its API (JSON), which has
    none."""
    email, verified = _clerk_email(row)
    return fields(
        email=email,
        name=full_name(row, ("first_name", "last_name"), "username", email=email),
        external_id=text(row.get("id")),
        password_hash=text(row.get("password_digest")),
        totp_secret=text(row.get("totp_secret")),
        email_verified=verified,
        status=suspended_if(row.get("banned")),
        created_at=time(row.get("created_at")),
        updated_at=time(row.get("updated_at")),
        last_sign_in_at=time(row.get("last_sign_in_at")),
        metadata=fields(
            external_id=text(row.get("external_id")),
            username=text(row.get("username")),
            phone=text(row.get("primary_phone_number")),
            **{
                name: json_object(name, row.get(name))
                for name in ("public_metadata", "private_metadata", "unsafe_metadata")
            },
        ),
    )


def _clerk_email(row: Record) -> tuple[str | None, bool | None]:
    """The primary email, and whether it is verified; None where the export doesn't say."""
    primary = text(row.get("primary_email_address"))
    verified = row.get("verified_email_addresses")
    if isinstance(verified, str):
        return primary, primary is not None and primary.strip().lower() in _clerk_addresses(verified)
    found: list[Any] = [each for each in row.get("email_addresses") or [] if isinstance(each, dict)]
    for each in found:
        if each.get("id") == row.get("primary_email_address_id") or each.get("email_address") == primary:
            verification = each.get("verification")
            return text(each.get("email_address")), isinstance(verification, dict) and verification.get(
                "status"
            ) == "verified"
    return primary, None


def _clerk_addresses(cell: str) -> set[str]:
    """The emails in a cell of the CSV: separated by `|`, or a JSON array. Each is compared whole: who can register
    joann@example.com has not shown that ann@example.com is theirs."""
    return set(_CLERK_SEPARATORS.split(cell.lower()))


_DJANGO_KNOWN = frozenset(
    "id pk password email first_name last_name name full_name is_active last_login date_joined groups "
    "user_permissions is_staff is_superuser".split()
)


def django(row: Record) -> Fields | None:
    """User of Django: from `dumpdata` (JSON, JSONL) of any user model with an email and a password, or a row of its
    table."""
    if "model" in row:  # dumpdata: other models may be in the file as well
        content = row.get("fields")
        if not isinstance(content, dict) or "password" not in content or "email" not in content:
            return None
        row = {"id": row.get("pk"), **content}
    email, password = text(row.get("email")), text(row.get("password"))
    return fields(
        email=email,
        name=full_name(row, "name", "full_name", ("first_name", "last_name"), "username", email=email),
        external_id=text(row.get("id")),
        # An unusable password begins with an exclamation mark (django.contrib.auth.hashers).
        password_hash=None if password and password.startswith("!") else password,
        status=active_if(row.get("is_active")),
        created_at=time(row.get("date_joined")),
        last_sign_in_at=time(row.get("last_login")),
        metadata=others(row, _DJANGO_KNOWN) | true_ones(row, "is_staff", "is_superuser"),
    )


_FASTAPI_USERS_KNOWN = frozenset(
    "id email hashed_password is_active is_verified name full_name first_name last_name username created_at "
    "updated_at last_login is_superuser".split()
)


def fastapi_users(row: Record) -> Fields:
    """User of an application with fastapi-users: a row of its table, as JSON, NDJSON or CSV. Columns of its own go into
    the metadata."""
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, "name", "full_name", ("first_name", "last_name"), "username", email=email),
        external_id=text(row.get("id")),
        password_hash=text(row.get("hashed_password")),
        email_verified=flag(row.get("is_verified")),
        status=active_if(row.get("is_active")),
        created_at=time(row.get("created_at")),
        updated_at=time(row.get("updated_at")),
        last_sign_in_at=time(row.get("last_login")),
        metadata=others(row, _FASTAPI_USERS_KNOWN) | true_ones(row, "is_superuser"),
    )


_POCKETBASE_KNOWN = frozenset(
    "id email password tokenKey verified name username created updated emailVisibility collectionId "
    "collectionName expand".split()
)


def pocketbase(row: Record) -> Fields:
    """User of PocketBase: a row of an auth collection's table in its `data.db`, or a record of its API, which has no
    password hashes."""
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, "name", "username", email=email),
        external_id=text(row.get("id")),
        password_hash=text(row.get("password")),
        email_verified=flag(row.get("verified")),
        created_at=time(row.get("created")),
        updated_at=time(row.get("updated")),
        metadata=others(row, _POCKETBASE_KNOWN),
    )


def supabase(row: Record) -> Fields | None:
    """User of Supabase: a row of its table `auth.users`, as CSV or JSON, or a user of its admin API, which has no
    password hashes."""
    if text(row.get("deleted_at")):
        return None
    email = text(row.get("email"))
    own = json_object("raw_user_meta_data", row.get("raw_user_meta_data", row.get("user_metadata")))
    app = json_object("raw_app_meta_data", row.get("raw_app_meta_data", row.get("app_metadata")))
    return fields(
        email=email,
        name=full_name(own, "full_name", "name", "display_name", ("first_name", "last_name"), "user_name", email=email),
        external_id=text(row.get("id")),
        password_hash=text(row.get("encrypted_password")),
        email_verified=bool(text(row.get("email_confirmed_at"))),
        status=_supabase_status(row),
        created_at=time(row.get("created_at")),
        updated_at=time(row.get("updated_at")),
        last_sign_in_at=time(row.get("last_sign_in_at")),
        metadata=fields(phone=text(row.get("phone")), user_metadata=own, app_metadata=app),
    )


def _supabase_status(row: Record) -> str:
    if _supabase_is_banned(time(row.get("banned_until"))):
        return "suspended"
    has_come = any(text(row.get(name)) for name in ("encrypted_password", "email_confirmed_at", "last_sign_in_at"))
    return "invited" if text(row.get("invited_at")) and not has_come else "active"


def _supabase_is_banned(until: str | None) -> bool:
    try:
        return until is not None and clock.parse(until) > clock.now()
    except ValueError:
        return True  # such as `infinity`


def supertokens(row: Record) -> Fields:
    """User of SuperTokens: in the form of its bulk import, which a query of its tables can have, too."""
    methods = [each for each in row.get("loginMethods") or [] if isinstance(each, dict)]
    by_password = [each for each in methods if text(each.get("passwordHash"))]
    main = next((each for each in methods if is_true(each.get("isPrimary"))), (by_password or methods or [{}])[0])
    known = json_object("userMetadata", row.get("userMetadata"))
    email = text(main.get("email"))
    return fields(
        email=email,
        name=full_name(known, "name", "full_name", ("first_name", "last_name"), email=email),
        external_id=text(row.get("externalUserId")) or text(row.get("id")),
        password_hash=text((by_password or [{}])[0].get("passwordHash")),
        totp_secret=_supertokens_totp(row.get("totpDevices")),
        email_verified=flag(main.get("isVerified")),
        created_at=time(main.get("timeJoinedInMSSinceEpoch")),
        metadata=fields(
            user_metadata=known,
            roles=[text(each.get("role")) if isinstance(each, dict) else each for each in row.get("userRoles") or []],
        ),
    )


def _supertokens_totp(devices: Any) -> str | None:
    """The first device that was verified: in the form of the bulk import, all are."""
    for each in devices if isinstance(devices, list) else ():
        if (
            isinstance(each, dict)
            and (secret := text(each.get("secretKey")))
            and flag(each.get("verified")) is not False
        ):
            period = text(each.get("period"))
            return secret if period is None else f"otpauth://totp/?{urlencode({'secret': secret, 'period': period})}"
    return None


_BETTER_AUTH_KNOWN = frozenset(
    "id email emailVerified name password createdAt updatedAt image role banned banReason banExpires twoFactorEnabled "
    "twoFactorSecret".split()
)
_IS_ENCRYPTED = re.compile(r"\$ba\$|[0-9a-f]{80}").match


def better_auth(row: Record) -> Fields:
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
        metadata=others(row, _BETTER_AUTH_KNOWN) | fields(image=text(row.get("image")), role=text(row.get("role"))),
    )


class System(NamedTuple):
    begin: Callable[[BufferedReader], tuple[Convert, BufferedReader]]
    """Reads what comes before the export itself."""
    columns: tuple[str, ...] = ()
    """Of CSV files that have no header."""


def _plain(convert: Convert) -> System:
    return System(lambda source: (convert, source))


SYSTEMS: dict[str, System] = {
    "auth0": _plain(auth0),
    "firebase": System(firebase.begin, firebase.COLUMNS),
    "supabase": _plain(supabase),
    "keycloak": _plain(keycloak.convert),
    "clerk": _plain(clerk),
    "django": _plain(django),
    "fastapi-users": _plain(fastapi_users),
    "pocketbase": _plain(pocketbase),
    "supertokens": _plain(supertokens),
    "better-auth": _plain(better_auth),
}
