"""Reads users of Firebase Authentication from `firebase auth:export` (JSON or CSV), after the hash parameters of the
project.

The parameters are the text that the Firebase console shows: `hash_config { algorithm: SCRYPT, ... }`. They come first
in the file itself and not as an argument, because the signer key among them is a secret, and arguments end up in URLs
and logs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from rollbook.auth import password_hashes
from rollbook.errors import InvalidParameter
from rollbook.sources.values import Fields, Record, fields, flag, full_name, json_object, suspended_if, text, time

_PROVIDERS = ("google", "facebook", "twitter", "github")
COLUMNS = (
    "localId",
    "email",
    "emailVerified",
    "passwordHash",
    "salt",
    "displayName",
    "photoUrl",
    *(f"{provider}.{name}" for provider in _PROVIDERS for name in ("rawId", "email", "displayName", "photoUrl")),
    "createdAt",
    "lastSignedInAt",
    "phoneNumber",
    "disabled",
    "customAttributes",
)
"""Columns of a CSV file, which has no header (firebase.google.com/docs/cli/auth, "File format")."""

NO_CONFIG = "$firebase-scrypt$"
"""The beginning of a hash, of which the hash parameters are missing."""

_CONFIG = re.compile(rb"\s*hash_config\s*\{([^{}]*)\}\s*").match
_PARAMETER = re.compile(r"(\w+)\s*:\s*\"?([^\s,\"]+)").findall


class HashConfig(NamedTuple):
    signer_key: str
    salt_separator: str
    rounds: int
    mem_cost: int


def begin(head: bytes) -> tuple[Callable[[Record], Fields], int]:
    """Read the hash parameters, if the file begins with them. Raises InvalidParameter."""
    match = _CONFIG(head)
    config = _read_config(match[1].decode("ascii", "replace")) if match else None
    return lambda row: _convert(row, config), match.end() if match else 0


def _read_config(content: str) -> HashConfig:
    parameters = dict(_PARAMETER(content))
    try:
        if parameters["algorithm"] != "SCRYPT":
            raise ValueError
        return HashConfig(
            parameters["base64_signer_key"],
            parameters.get("base64_salt_separator", ""),
            int(parameters["rounds"]),
            int(parameters["mem_cost"]),
        )
    except (KeyError, ValueError):
        raise InvalidParameter(
            "The hash_config before the export must have algorithm SCRYPT, base64_signer_key, "
            "base64_salt_separator, rounds and mem_cost."
        ) from None


def _convert(row: Record, config: HashConfig | None) -> Fields:
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, "displayName"),
        external_id=text(row.get("localId")),
        password_hash=_hash(text(row.get("passwordHash")), text(row.get("salt")) or "", config),
        email_verified=flag(row.get("emailVerified")),
        status=suspended_if(row.get("disabled")),
        created_at=time(row.get("createdAt")),
        last_sign_in_at=time(row.get("lastSignedInAt")),
        metadata=fields(phone=text(row.get("phoneNumber")), picture=text(row.get("photoUrl"))),
        private_metadata=fields(custom_claims=json_object("customAttributes", row.get("customAttributes"))),
    )


def _hash(hash: str | None, salt: str, config: HashConfig | None) -> str | None:
    if hash is None:
        return None
    if config is None:
        return NO_CONFIG
    try:
        return password_hashes.firebase(hash, salt, *config)
    except ValueError as problem:
        raise InvalidParameter(str(problem), param="password_hash") from None
