"""Users for Auth0's bulk import (auth0.com/docs, "User Data JSON Schema for Bulk User Imports")."""

from __future__ import annotations

from typing import Any

from rollbook.destinations import Hash

START, END = b"[\n", b"\n]\n"


def convert(user: dict[str, Any], password: dict[str, Any] | None) -> dict[str, Any]:
    app_metadata = {name: user.get(name) for name in ("role", "external_id", "groups")}
    return {
        "user_id": user["id"],
        "email": user["email"],
        "email_verified": user["email_verified"],
        "name": user["name"],
        "blocked": user["status"] == "suspended",
        # Not `user_metadata`, which users of Auth0 can write.
        "app_metadata": {**user["private_metadata"], **user["metadata"]}
        | {name: value for name, value in app_metadata.items() if value is not None}
        | {"signed_up_at": user["created_at"]},
        **({"custom_password_hash": password} if password else {}),
    }


def password(hash: Hash) -> dict[str, Any] | None:
    for start, algorithm in (("argon2", "argon2"), ("pbkdf2-", "pbkdf2"), ("2b", "bcrypt")):
        if hash.name.startswith(start):
            return {"algorithm": algorithm, "hash": {"value": hash.text, "encoding": "utf8"}}
    if hash.name != "scrypt":
        return None
    return {
        "algorithm": "scrypt",
        "hash": {"value": hash.digest, "encoding": "base64"},
        "salt": {"value": hash.salt, "encoding": "base64"},
        "keylen": hash.size,
        "cost": 1 << hash.numbers["ln"],
        "blockSize": hash.numbers["r"],
        "parallelization": hash.numbers["p"],
    }
