"""Identities for Ory Kratos, with the traits of its quickstart: `email`, and `name` with `first` and `last`."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from rollbook.destinations import Hash

START, END = b"[\n", b"\n]\n"


def convert(user: dict[str, Any], password: str | None) -> dict[str, Any]:
    first, _, last = user["name"].rpartition(" ")
    names = ("external_id", "role", "groups", "created_at", "metadata", "private_metadata")
    verified = {"value": user["email"], "verified": True, "via": "email", "status": "completed"}
    return {
        "schema_id": "default",
        "external_id": user["id"],
        "state": "inactive" if user["status"] == "suspended" else "active",
        "traits": {"email": user["email"], "name": {"first": first, "last": last} if first else {"first": last}},
        "verifiable_addresses": [verified] if user["email_verified"] else [],
        "metadata_admin": {name: user[name] for name in names if user.get(name)},
        **({"credentials": {"password": {"config": {"hashed_password": password}}}} if password else {}),
    }


def password(hash: Hash) -> str | None:
    """The forms and limits of Kratos' hash/hash_comparator.go and hash_limits.go."""
    numbers = hash.numbers
    if hash.name in ("argon2id", "argon2i"):
        return hash.text if numbers.get("v") == 19 and numbers["t"] <= 10 and numbers["p"] <= 16 else None
    if hash.name == "2b":
        return hash.text if int(hash.text[4:6]) <= 15 else None
    if hash.name.startswith("pbkdf2-"):
        return hash.text
    if hash.name in ("5", "6"):
        return f"$sha{256 if hash.name == '5' else 512}-crypt{hash.text[2:]}"
    if hash.name in ("scrypt", "firebase-scrypt") and numbers["ln"] <= 17 and numbers["r"] <= 8 and numbers["p"] <= 10:
        if hash.name == "scrypt":
            return f"$scrypt$ln={1 << numbers['ln']},r={numbers['r']},p={numbers['p']}${hash.salt}${hash.digest}"
        # The key stream is the hash that a signer key of zeros has.
        key = b64encode(bytes(hash.size)).decode()
        return f"$firescrypt$ln={numbers['ln']},r={numbers['r']},p=1${hash.salt}${hash.digest}$${key}"
    return None
