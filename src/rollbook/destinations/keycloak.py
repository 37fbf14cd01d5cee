"""A realm for Keycloak, with users and their credentials."""

from __future__ import annotations

from typing import Any

import msgspec

from rollbook import clock
from rollbook.destinations import Hash

START, END = b'{"realm":"rollbook","enabled":true,"users":[\n', b"\n]}\n"

_OWN = frozenset(
    ("id", "username", "email", "firstName", "lastName", "emailVerified", "enabled", "external_id", "role")
)
"""Names that attributes don't get from the metadata: some of them would set a field."""


def convert(user: dict[str, Any], password: dict[str, Any] | None) -> dict[str, Any]:
    first, _, last = user["name"].rpartition(" ")
    more = {name: user.get(name) for name in ("external_id", "role", "groups")}
    more["private_metadata"] = user["private_metadata"] or None
    metadata = {f"metadata.{key}" if key in _OWN else key: value for key, value in user["metadata"].items()}
    return {
        "id": user["id"],
        "username": user["email"],
        "email": user["email"],
        "emailVerified": user["email_verified"],
        "enabled": user["status"] != "suspended",
        "firstName": first or last,
        **({"lastName": last} if first else {}),
        "createdTimestamp": clock.parse(user["created_at"]) // 1000,
        "attributes": {key: [_text(value)] for key, value in {**metadata, **more}.items() if value is not None},
        "credentials": [password] if password else [],
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def password(hash: Hash) -> dict[str, Any] | None:
    """Keycloak's PasswordCredentialModel: two JSON texts."""
    numbers, more = hash.numbers, {}
    if hash.name.startswith("argon2"):
        algorithm, passes = "argon2", numbers["t"]
        more = {
            "type": [hash.name.removeprefix("argon2")],
            "version": ["1.3" if numbers.get("v") == 19 else "1.0"],
            "memory": [str(numbers["m"])],
            "parallelism": [str(numbers["p"])],
            "hashLength": [str(hash.size)],
        }
    elif hash.name.startswith("pbkdf2-"):
        algorithm, passes = hash.name.removesuffix("-sha1"), numbers["i"]
    else:
        return None
    return {
        "type": "password",
        "secretData": _text({"value": hash.digest, "salt": hash.salt, "additionalParameters": {}}),
        "credentialData": _text({"hashIterations": passes, "algorithm": algorithm, "additionalParameters": more}),
    }
