"""Tables of users as frameworks and content systems keep them, exported by the programs that people export with: who
is read from them, with which fields, and that they sign in as before.

What lies in `exports/` was made by the products: WordPress 6.8.12 (with a cost of 4) and Laravel 10.48, both on MariaDB
11.8, by phpMyAdmin 5.2.2 and Laravel's query builder; Rails 7.2 with the columns of Devise's generator and hashes as its
Encryptor makes them, by `sqlite3 -json`; @auth/pg-adapter 1.11.3 on PostgreSQL 15, by the query on its page. The others
are written from the source of the products, which each test names.
"""

from __future__ import annotations

import inspect
import io
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from rollbook.actions.arguments.imports import ImportOptions
from rollbook.actions.import_sources import SYSTEMS
from rollbook.auth.one_time_codes import Totp, read_totp
from rollbook.clock import parse
from rollbook.errors import InvalidParameter
from rollbook.sources import systems
from rollbook.sources.reading import Reading, Refusal
from tests.grids import grid
from tests.harness import Server, running
from tests.rules.test_password_hashes import VECTORS
from tests.sources.test_moving import section
from tests.sources.test_systems import BCRYPT, read

EXPORTS = Path(__file__).with_name("exports")
PASSWORD = "the same as before"
IDENTITY = VECTORS["ASP.NET Identity 3, SHA-512"]
SPRING = VECTORS["Spring Security's {bcrypt}"]
DRUPAL = VECTORS["drupal"]


def users(source: str, data: str | bytes) -> list[dict[str, Any]]:
    """All records, each of which must be a user."""
    found = read(source, data)
    assert all(isinstance(each, dict) for each in found), found
    return found  # type: ignore[return-value]


def exported(name: str) -> bytes:
    return (EXPORTS / name).read_bytes()


def table(*rows: dict[str, str]) -> str:
    names = list(rows[0])
    return "\n".join([",".join(names), *(",".join(row.get(name, "") for name in names) for row in rows), ""])


# dotnet/aspnetcore, src/Identity/Extensions.Stores/src/IdentityUser.cs
IDENTITY_ROW = {
    "Id": "8f1c6a5e-1d0a-4d0e-9a53-8d3f7f3f9b11",
    "UserName": "zoe@aspnet.example",
    "NormalizedUserName": "ZOE@ASPNET.EXAMPLE",
    "Email": "zoe@aspnet.example",
    "NormalizedEmail": "ZOE@ASPNET.EXAMPLE",
    "EmailConfirmed": "1",
    "PasswordHash": IDENTITY[1],
    "SecurityStamp": "VVPCRDAS3MJWQD5CSW2GWPRADBXEZINA",
    "ConcurrencyStamp": "c8554266-b401-4519-9aeb-a9283053fc58",
    "PhoneNumber": "NULL",
    "PhoneNumberConfirmed": "0",
    "TwoFactorEnabled": "0",
    "LockoutEnd": "NULL",
    "LockoutEnabled": "1",
    "AccessFailedCount": "0",
}
# spring-projects/spring-security, core/src/main/resources/…/jdbc/users.ddl
SPRING_ROWS = (
    {"username": "zoe@spring.example", "password": SPRING[1], "enabled": "t"},
    {"username": "bob@spring.example", "password": SPRING[1], "enabled": "f"},
)
# drupal/drupal, core/modules/user/src/Entity/User.php
DRUPAL_ROW = {
    "uid": "2",
    "langcode": "de",
    "preferred_langcode": "de",
    "preferred_admin_langcode": "NULL",
    "name": "zoe",
    "pass": DRUPAL[1],
    "mail": "zoe@drupal.example",
    "timezone": "Europe/Berlin",
    "status": "1",
    "created": "1704067200",
    "changed": "1704153600",
    "access": "1704153600",
    "login": "0",
    "init": "first@drupal.example",
    "default_langcode": "1",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("server") / "data") as server:
        yield server


@pytest.mark.parametrize(
    ("source", "data", "email", "password"),
    [
        ("wordpress", exported("wordpress.json"), "zoe@wp.example", PASSWORD),
        ("laravel", exported("laravel.csv"), "ann@laravel.example", PASSWORD),
        ("devise", exported("devise.json"), "zoe@devise.example", PASSWORD),
        ("nextauth", exported("nextauth.ndjson"), "ann@nextauth.example", PASSWORD),
        ("aspnet-identity", table(IDENTITY_ROW).encode(), "zoe@aspnet.example", IDENTITY[0].decode()),
        ("spring-security", table(*SPRING_ROWS).encode(), "zoe@spring.example", SPRING[0].decode()),
        ("drupal", table(DRUPAL_ROW).encode(), "zoe@drupal.example", DRUPAL[0].decode()),
    ],
)
def test_people_sign_in_as_before(
    server: Server, http: httpx2.Client, tmp_path: Path, source: str, data: bytes, email: str, password: str
) -> None:
    file = tmp_path / "export"
    file.write_bytes(data)
    server.rollbook("users", "import", str(file), "--from", source, "--data", str(server.data), check=False)
    for given, status in ((password, 200), (password + "x", 401)):
        verified = http.post("/v1/users/verify-password", json={"email": email, "password": given})
        assert verified.status_code == status, verified.text
    for each in http.get("/v1/users", params={"fields": "*"}).json():  # the next system counts from 1, too
        if each.get("external_id"):
            http.delete(f"/v1/users/{each['id']}", params={"purge": "true"})


@pytest.mark.parametrize("name", ["wordpress.csv", "wordpress.json"])
def test_wordpress(name: str) -> None:
    *people, nobody = read("wordpress", exported(name))
    _, zoe, old, spam = people
    assert isinstance(zoe, dict) and isinstance(old, dict) and isinstance(spam, dict)
    assert zoe.pop("password_hash").startswith("$wp$2y$04$") and old["password_hash"].startswith("$P$B")
    assert zoe == {
        "email": "zoe@wp.example",
        "name": "Zoë Ångström",
        "external_id": "2",
        "status": "active",
        "created_at": parse("2023-11-29T03:49:39Z"),
        "metadata": {"username": "zoe", "url": "https://zoe.example"},
    }
    assert (old["name"], spam["status"]) == ("old", "suspended")
    assert isinstance(nobody, Refusal) and nobody.field == "email"


def test_wordpress_by_wp_cli_with_names() -> None:
    """wp-cli/entity-command, src/User_Command.php: the fields that `wp user list` can have."""
    head = "ID,user_login,user_email,display_name,user_registered,roles,user_pass,first_name,last_name\n"
    (ann,) = users("wordpress", f'{head}7,ann,ann@wp.example,annie,"2026-01-02 03:04:05",editor,{BCRYPT},Ann,Lee\n')
    assert (ann["name"], ann["metadata"]) == ("Ann Lee", {"username": "ann"})
    assert ann["private_metadata"] == {"roles": "editor"}


@pytest.mark.parametrize("name", ["laravel.csv", "laravel.json"])
def test_laravel(name: str) -> None:
    """One of the three is softly deleted."""
    zoe, ann = users("laravel", exported(name))
    assert zoe.pop("password_hash").startswith("$2y$04$") and ann["password_hash"].startswith("$argon2id$")
    made = parse("2023-11-29T03:49:57Z")
    assert zoe == {
        "email": "zoe@laravel.example",
        "name": "Zoë Ångström",
        "external_id": "1",
        "email_verified": True,
        "created_at": made,
        "updated_at": made,
        "private_metadata": {"plan": "pro"},
    }
    assert (ann["email_verified"], "metadata" in ann) == (False, False)


def test_devise() -> None:
    """A lock after wrong passwords ends by itself, so bob is not suspended."""
    zoe, bob, eve = users("devise", exported("devise.json"))
    assert zoe.pop("password_hash").startswith("$2a$04$")
    assert zoe == {
        "email": "zoe@devise.example",
        "name": "zoe",
        "external_id": "1",
        "email_verified": True,
        "created_at": parse("2023-11-01T12:00:00Z"),
        "updated_at": parse("2023-11-29T03:49:42.239178Z"),
        "last_sign_in_at": parse("2023-11-01T12:01:00Z"),
        "private_metadata": {"plan": "pro"},
    }
    assert [name in bob for name in ("status", "email_verified")] == [False, False] and "password_hash" not in eve


def test_devise_with_names_and_invitations() -> None:
    """scambra/devise_invitable: who was invited has `invitation_created_at`, and later `invitation_accepted_at`."""
    row = {"id": 9, "email": "ann@devise.example", "encrypted_password": "", "first_name": "Ann", "last_name": "Lee"}
    row["invitation_created_at"] = "2023-11-01 12:00:00"
    invited, accepted, gone = (
        row,
        row | {"invitation_accepted_at": "2023-11-02 12:00:00"},
        row | {"discarded_at": "x"},
    )
    found = users("devise", json.dumps([invited, accepted, gone]))
    assert [(each["name"], each["status"]) for each in found] == [("Ann Lee", "invited"), ("Ann Lee", "active")]


def test_nextauth() -> None:
    zoe, ann = users("nextauth", exported("nextauth.ndjson"))
    assert zoe == {
        "email": "zoe@nextauth.example",
        "name": "Zoë Ångström",
        "external_id": "1",
        "email_verified": True,
        "metadata": {"image": "https://img.example/zoe.png", "accounts": ["github:583231"]},
    }
    assert (ann["name"], ann["email_verified"], ann["password_hash"][:7]) == ("ann", False, "$2b$04$")
    row = {"id": "cm1", "name": "Ann", "email": "ann@example.com", "emailVerified": None, "hashedPassword": BCRYPT}
    (by_prisma,) = users("nextauth", json.dumps([row | {"createdAt": "2023-11-01T12:00:00.000Z", "role": "ADMIN"}]))
    assert (by_prisma["password_hash"], by_prisma["created_at"]) == (BCRYPT, parse("2023-11-01T12:00:00Z"))
    assert by_prisma["private_metadata"] == {"role": "ADMIN"} and "metadata" not in by_prisma


def test_aspnet_identity() -> None:
    (zoe,) = users("aspnet-identity", table(IDENTITY_ROW))
    assert zoe == {
        "email": "zoe@aspnet.example",
        "name": "zoe",
        "external_id": IDENTITY_ROW["Id"],
        "password_hash": IDENTITY[1],
        "email_verified": True,
        "status": "active",
    }
    own = {"UserName": "ann", "FirstName": "Ann", "LastName": "Lee", "Plan": "pro", "PhoneNumber": "+12125550101"}
    (ann,) = users("aspnet-identity", json.dumps([IDENTITY_ROW | own]))
    assert (ann["name"], ann["metadata"]) == ("Ann Lee", {"username": "ann", "phone": "+12125550101"})
    assert ann["private_metadata"] == {"Plan": "pro"}
    for end, enabled, status in (
        ("9999-12-31 23:59:59.9999999+00:00", "1", "suspended"),
        ("9999-12-31 23:59:59.9999999 +00:00", "1", "suspended"),
        ("9999-12-31T23:59:59.9999999+00:00", "0", "active"),
        ("2020-01-01 00:00:00+00:00", "1", "active"),
    ):
        (each,) = users("aspnet-identity", table(IDENTITY_ROW | {"LockoutEnd": end, "LockoutEnabled": enabled}))
        assert each["status"] == status, end


def test_authenticator_apps_of_aspnet_identity() -> None:
    """src/Identity/Extensions.Core/src/AuthenticatorTokenProvider.cs: base32, SHA-1, 30 seconds, 6 digits."""
    key = {"AuthenticatorKey": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}
    on, off = users("aspnet-identity", table(IDENTITY_ROW | key | {"TwoFactorEnabled": "1"}, IDENTITY_ROW | key))
    assert read_totp(on["totp_secret"]) == Totp(b"12345678901234567890")
    assert "totp_secret" not in off and "metadata" not in on


def test_spring_security() -> None:
    zoe, bob = users("spring-security", table(*SPRING_ROWS))
    assert zoe == {
        "email": "zoe@spring.example",
        "name": "zoe",
        "external_id": "zoe@spring.example",
        "password_hash": SPRING[1],
        "status": "active",
    }
    assert bob["status"] == "suspended"
    own = {"id": 7, "username": "ann", "email": "ann@spring.example", "password": BCRYPT, "firstName": "Ann"}
    own |= {"lastName": "Lee", "accountNonLocked": False, "authorities": ["ROLE_USER"]}
    (ann,) = users("spring-security", json.dumps([own]))
    assert (ann["name"], ann["external_id"], ann["status"]) == ("Ann Lee", "7", "suspended")
    assert (ann["metadata"], ann["private_metadata"]) == ({"username": "ann"}, {"authorities": ["ROLE_USER"]})
    (refused,) = read("spring-security", table({"username": "ann", "password": BCRYPT, "enabled": "t"}))
    assert isinstance(refused, Refusal) and refused.field == "email"


def test_drupal() -> None:
    """The anonymous user and translations of a user are no users."""
    row = DRUPAL_ROW | {"roles": "administrator"}
    anonymous, translation = row | {"uid": "0", "mail": ""}, row | {"default_langcode": "0"}
    (zoe,) = users("drupal", table(anonymous, row, translation))
    assert zoe == {
        "email": "zoe@drupal.example",
        "name": "zoe",
        "external_id": "2",
        "password_hash": DRUPAL[1],
        "status": "active",
        "created_at": parse("2024-01-01T00:00:00Z"),
        "updated_at": parse("2024-01-02T00:00:00Z"),
        "metadata": {"username": "zoe", "language": "de", "timezone": "Europe/Berlin"},
        "private_metadata": {"roles": "administrator"},
    }


def test_drupal_7() -> None:
    """modules/user/user.install of Drupal 7: the schema of `users`."""
    row = {
        "uid": 3,
        "name": "ann",
        "pass": DRUPAL[1],
        "mail": "ann@drupal.example",
        "theme": "",
        "signature": "",
        "signature_format": "filtered_html",
        "created": 1704067200,
        "access": 0,
        "login": 1704153600,
        "status": 0,
        "timezone": None,
        "language": "",
        "picture": 0,
        "init": "ann@drupal.example",
        "data": "b:0;",
    }
    (ann,) = users("drupal", json.dumps([row]))
    assert (ann["status"], ann["last_sign_in_at"]) == ("suspended", parse("2024-01-02T00:00:00Z"))
    assert ann["metadata"] == {"username": "ann"}


def test_cognito() -> None:
    """The form of ListUsers, as botocore 1.44 has it in cognito-idp/2016-04-18/service-2.json."""
    attributes = {"sub": "aaaa-1", "email": "zoe@example.com", "email_verified": "true", "given_name": "Zoë"}
    attributes |= {"family_name": "Ångström", "custom:plan": "pro", "phone_number": "+12125550101"}
    zoe = {
        "Username": "zoe",
        "Attributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
        "UserCreateDate": "2023-11-01T12:00:00.123000+00:00",
        "UserLastModifiedDate": 1698840060.5,
        "Enabled": True,
        "UserStatus": "CONFIRMED",
    }
    invited, blocked = zoe | {"UserStatus": "FORCE_CHANGE_PASSWORD"}, zoe | {"Enabled": False}
    one, two, three = users("cognito", json.dumps({"Users": [zoe, invited, blocked]}, indent=4))
    assert one == {
        "email": "zoe@example.com",
        "name": "Zoë Ångström",
        "external_id": "aaaa-1",
        "email_verified": True,
        "status": "active",
        "created_at": parse("2023-11-01T12:00:00.123Z"),
        "updated_at": parse("2023-11-01T12:01:00.5Z"),
        "metadata": {"phone_number": "+12125550101", "username": "zoe"},
        "private_metadata": {"plan": "pro"},
    }
    assert (two["status"], three["status"]) == ("invited", "suspended")
    row = {"cognito:username": "ann", "name": "Ann Lee", "email": "ann@example.com", "email_verified": "TRUE"}
    (ann,) = users("cognito", table(row | {"cognito:mfa_enabled": "FALSE", "phone_number_verified": ""}))
    assert (ann["external_id"], ann["name"], ann["email_verified"]) == ("ann", "Ann Lee", True)


def test_a_secret_that_the_export_has_decrypted_becomes_the_second_factor() -> None:
    row = {"id": 1, "name": "Ann", "email": "ann@example.com", "password": BCRYPT, "two_factor_secret": "eyJpdiI6"}
    ann, bob = users("laravel", json.dumps([row | {"totp_secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}, row]))
    assert read_totp(ann["totp_secret"]) == Totp(b"12345678901234567890")
    assert "totp_secret" not in bob and "metadata" not in ann | bob


def test_who_may_not_sign_in_is_suspended_by_the_usual_columns_of_applications() -> None:
    """Where none of them says anything, an import that updates users leaves their status alone."""
    row = {"id": 1, "name": "Ann", "email": "ann@example.com", "password": BCRYPT}
    for own, status in (
        ({"is_active": 0}, "suspended"),
        ({"active": True, "banned": "f", "blocked_at": None}, "active"),
        ({"isBanned": True, "enabled": 1}, "suspended"),
        ({"suspended_at": "2026-01-01 00:00:00"}, "suspended"),
        ({"banned_until": "2026-01-01"}, None),
    ):
        (ann,) = users("laravel", json.dumps([row | own]))
        assert ann.get("status") == status, own


@pytest.mark.parametrize(
    "start",
    [
        "-- MySQL dump 10.13  Distrib 8.0.40\n",
        "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump",
        "--\n-- PostgreSQL database dump\n--\n",
        "INSERT INTO `wp_users` (`ID`, `user_login`) VALUES (1, 'a');",
        'SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";\n',
    ],
)
def test_an_sql_dump_is_refused_whole(start: str) -> None:
    with pytest.raises(InvalidParameter, match="is an SQL dump"):
        read("wordpress", start)


def test_a_table_whose_first_column_is_named_like_a_statement_is_none() -> None:
    (ann,) = users("wordpress", f"Start date;user_email;user_pass\n2026-01-01;ann@example.com;{BCRYPT}\n")
    assert ann["private_metadata"] == {"Start date": "2026-01-01"}


def test_lists_of_tables_within_lists_of_tables_are_refused_and_not_followed() -> None:
    """The form of phpMyAdmin's export, in itself."""
    inner = '{"type":"table","name":"a","data":['
    found = read("wordpress", f"[{inner * 3}{']}' * 3}]")
    assert len(found) == 1 and isinstance(found[0], Refusal)


@grid("source", SYSTEMS)
def test_no_record_of_a_system_whatever_it_holds_ends_the_import(source: str) -> None:
    """Records with any value under the names that the reader of the system knows: each is a user, none, or refused."""
    name = source.replace("-", "_")
    framework = getattr(systems.frameworks, name, None)
    text = inspect.getsource(framework) if framework else Path(systems.__path__[0], f"{name}.py").read_text()
    names = re.findall(r"[\" ](\w[\w:]{1,30})(?=[\" ])", text)
    values = ["", 5, -1.5, 1e308, True, "x", "{}", "[1]", '{"a":', "2024-01-01 00:00:00", [], [None, 1], {"a": [1]}]
    any_of = random.Random(source)

    def value(depth: int) -> Any:
        if depth < 3 and any_of.random() < 0.3:
            inner = {any_of.choice(names): value(depth + 1) for _ in range(3)}
            return any_of.choice([inner, [inner], [inner, 1]])
        return any_of.choice(values)

    rows = [{name: value(0) for name in any_of.sample(names, min(len(names), 12))} for _ in range(150)]
    file = io.BytesIO("\n".join(json.dumps({"email": "a@example.com"} | row) for row in rows).encode())
    options = msgspec.convert({"source": source, "format": "ndjson"}, ImportOptions)
    assert all(record.user or record.refusal for record in Reading(file, options, 8))


def test_every_system_has_a_file_and_a_section_of_the_docs() -> None:
    for source in SYSTEMS:
        systems.find(source)
        assert f"--from {source}\n" in section(source), source
