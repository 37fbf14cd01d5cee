"""`rollbook users export --as`: what other systems get, what our own import makes of it again, and what is said of the
rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rollbook.auth.passwords import check_hash
from rollbook.clock import parse
from rollbook.destinations import SYSTEMS, ExportWriter
from tests.cli.command import good, refused, rollbook
from tests.sources.test_systems import FIREBASE_HASH, FIREBASE_SALT, read

SALT, KEY = "QJcZbkZEBqeWFzxsLTR5vg", "pu/E94rnIDHfRRjrAfm+biAZi7T8uJPcvCwoSTCvX8U"
BCRYPT = "$2b$10$U4C0ZY8OG8y41F9LusfKyu3HRMBL0rCZcKBVsXhgr.n8Ou6FPhzO2"
FIREBASE = f"$firebase-scrypt$ln=14,r=8,p=1${FIREBASE_SALT}${FIREBASE_HASH}"
HASHES = {
    "argon2id": f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${KEY}",
    "argon2i": f"$argon2i$v=19$m=4096,t=3,p=1${SALT}${KEY}",
    "argon2-1.0": f"$argon2i$v=16$m=4096,t=3,p=1${SALT}${KEY}",
    "argon2d": f"$argon2d$v=19$m=4096,t=3,p=1${SALT}${KEY}",
    "bcrypt": BCRYPT,
    "pbkdf2-sha1": f"$pbkdf2-sha1$i=20000,l=32${SALT}${KEY}",
    "pbkdf2-sha256": f"$pbkdf2-sha256$i=600000,l=32${SALT}${KEY}",
    "pbkdf2-sha512": f"$pbkdf2-sha512$i=210000,l=32${SALT}${KEY}",
    "scrypt": f"$scrypt$ln=14,r=8,p=1${SALT}${KEY}",
    "better-auth": f"$scrypt$ln=14,r=16,p=1${SALT}${KEY}",
    "firebase": check_hash(FIREBASE),
    "sha256crypt": "$5$rounds=5000$saltstring$" + "5" * 43,
    "wordpress": "$wordpress-bcrypt$10" + BCRYPT[6:],
    "phpass": f"$wrapped-p$c=13,m=19456,t=2,p=1$c2FsdHNhbHQ${SALT}${KEY}",
}
CARRIED = {
    "keycloak": "argon2id argon2i argon2-1.0 argon2d pbkdf2-sha1 pbkdf2-sha256 pbkdf2-sha512",
    "auth0": "argon2id argon2i argon2-1.0 argon2d bcrypt pbkdf2-sha1 pbkdf2-sha256 pbkdf2-sha512 scrypt better-auth",
    "kratos": "argon2id argon2i bcrypt pbkdf2-sha1 pbkdf2-sha256 pbkdf2-sha512 scrypt firebase sha256crypt",
}


def user(handle: str, **fields: Any) -> dict[str, Any]:
    """A user as `GET /v1/exports` has them."""
    return {
        "id": f"user_{handle}",
        "name": "Charlie von Chaplin",
        "email": f"{handle}@example.com",
        "email_verified": True,
        "role": "member",
        "status": "active",
        "external_id": None,
        "rate_limit": None,
        "metadata": {},
        "private_metadata": {},
        "created_at": "2023-10-27T10:00:00.123000Z",
        "updated_at": "2024-10-27T10:00:00Z",
        "last_sign_in_at": None,
        **fields,
    }


def written(system: str, *users: dict[str, Any]) -> tuple[ExportWriter, str]:
    """What is written of an export that arrives in uneven pieces."""
    export = b"".join(json.dumps(each).encode() + b"\n" for each in users)
    writer = ExportWriter(system)
    cut = len(export) // 3
    return writer, b"".join(writer.parts([export[:cut], export[cut : cut + 5], export[cut + 5 :]])).decode()


@pytest.mark.parametrize("system", SYSTEMS)
def test_our_own_import_reads_the_same_users_and_hashes(system: str) -> None:
    given = {name: user(name, password_hash=hash) for name, hash in HASHES.items()}
    _, text = written(system, *given.values())
    found = read(system, text)
    carried = {}
    for name, each in zip(given, found, strict=True):
        assert isinstance(each, dict), each
        assert (each["email"], each["name"], each["email_verified"], each["status"]) == (
            *(f"{name}@example.com", "Charlie von Chaplin", True, "active"),
        )
        if "password_hash" in each:
            carried[name] = check_hash(each["password_hash"])
    assert carried == {name: HASHES[name] for name in CARRIED[system].split()}


@pytest.mark.parametrize("system", SYSTEMS)
def test_fields_are_where_the_system_has_them(system: str) -> None:
    cher = user("cher", name="Cher", status="suspended", email_verified=False, external_id="crm-1", role="admin")
    cher["groups"] = "Design;Support:lead"
    cher["metadata"] = {"plan": "pro", "email": "other@example.com", "address": {"city": "Zürich"}, "seats": 5}
    cher["private_metadata"] = {"score": 12}
    (found,) = read(system, written(system, cher)[1])
    assert isinstance(found, dict)
    assert (found["name"], found["status"], found["email_verified"]) == ("Cher", "suspended", False)
    assert found["email"] == "cher@example.com", "never what the metadata says"
    private = found["private_metadata"]
    if system == "keycloak":
        assert (found["external_id"], found["created_at"]) == ("user_cher", parse("2023-10-27T10:00:00.123Z"))
        assert private["attributes"] == {
            "plan": ["pro"],
            "metadata.email": ["other@example.com"],
            "address": ['{"city":"Zürich"}'],
            "seats": ["5"],
            "external_id": ["crm-1"],
            "role": ["admin"],
            "groups": ["Design;Support:lead"],
            "private_metadata": ['{"score":12}'],
        }
    elif system == "auth0":
        assert (found["external_id"], "metadata" in found) == ("user_cher", False)
        assert private["app_metadata"] == {
            "score": 12,
            **cher["metadata"],
            "role": "admin",
            "external_id": "crm-1",
            "groups": "Design;Support:lead",
            "signed_up_at": "2023-10-27T10:00:00.123000Z",
        }
    else:
        assert found["external_id"] == "user_cher"
        assert private["metadata_admin"]["metadata"] == cher["metadata"]
        assert private["metadata_admin"]["private_metadata"] == {"score": 12}
        assert private["metadata_admin"]["external_id"] == "crm-1"
        assert private["metadata_admin"]["groups"] == "Design;Support:lead"


def test_what_cannot_come_along_is_counted_and_named() -> None:
    people = [
        user("a", password_hash=BCRYPT),
        user("b", password_hash=BCRYPT),
        user("c", password_hash=HASHES["phpass"]),
    ]
    writer, text = written("keycloak", *people, user("d"), user("e", password_hash=HASHES["argon2id"]))
    assert len(json.loads(text)["users"]) == writer.users == 5
    passwords, without, rest = writer.left_out(with_hashes=True)
    assert passwords == "Passwords that Keycloak can't check: 3 ($2b$ 2, $wrapped-p$ 1)."
    assert without == "Users who have no password: 1."
    assert "second factors" in rest
    assert "--with-hashes is missing: 1" in writer.left_out(with_hashes=False)[1]
    assert json.loads(written("kratos")[1]) == [], "a directory without users"


def test_the_command(tmp_path: Path) -> None:
    data, file = str(tmp_path / "data"), tmp_path / "realm.csv"
    text = json.dumps({"name": "Ada Lovelace", "email": "ada@example.com", "password_hash": HASHES["pbkdf2-sha256"]})
    good("users", "import", "-", "--data", data, input=text)
    done = rollbook("users", "export", str(file), "--as", "keycloak", "--with-hashes", "--data", data)
    assert done.returncode == 0
    (found,) = read("keycloak", file.read_text())
    assert isinstance(found, dict)
    assert check_hash(found["password_hash"]) == HASHES["pbkdf2-sha256"]
    first, last = done.stderr.splitlines()
    assert first.startswith("1 user exported.") and last.startswith("Not in the file: ")
    plain = good("users", "export", "--as", "kratos", "--data", data)
    assert HASHES["pbkdf2-sha256"] not in plain and json.loads(plain)[0]["traits"]["email"] == "ada@example.com"
    assert "leave out --format" in refused(
        "users", "export", "--as", "auth0", "--format", "csv", "--data", data, code=2
    )
