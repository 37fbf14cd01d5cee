"""The queries and commands on the pages about applications that keep their users in PostgreSQL, as they stand there: what
they export is imported, and people sign in as before."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import postgres
from tests.harness import CHEAP, running
from tests.sources.test_frameworks import IDENTITY, SPRING
from tests.sources.test_identity_providers import ARGON2, FUSIONAUTH, SAME
from tests.sources.test_moving import commands, section
from tests.sources.test_systems import BCRYPT

TABLES = {
    # Entity Framework's migration of IdentityDbContext
    "aspnet-identity": """
        CREATE TABLE "AspNetUsers" (
          "Id" text PRIMARY KEY, "UserName" varchar(256), "NormalizedUserName" varchar(256), "Email" varchar(256),
          "NormalizedEmail" varchar(256), "EmailConfirmed" boolean NOT NULL, "PasswordHash" text, "SecurityStamp" text,
          "ConcurrencyStamp" text, "PhoneNumber" text, "PhoneNumberConfirmed" boolean NOT NULL,
          "TwoFactorEnabled" boolean NOT NULL, "LockoutEnd" timestamptz, "LockoutEnabled" boolean NOT NULL,
          "AccessFailedCount" integer NOT NULL);
        CREATE TABLE "AspNetUserTokens" ("UserId" text, "LoginProvider" text, "Name" text, "Value" text);
        INSERT INTO "AspNetUsers" VALUES
          ('a', 'zoe@aspnet.example', 'X', 'zoe@aspnet.example', 'X', true, %(identity)s, 's', 's', NULL, false, true,
           NULL, true, 0),
          ('b', 'bob', 'BOB', 'bob@aspnet.example', 'X', false, %(identity)s, 's', 's', NULL, false, false,
           '9999-12-31 23:59:59+00', true, 0);
        INSERT INTO "AspNetUserTokens" VALUES
          ('a', '[AspNetUserStore]', 'AuthenticatorKey', 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'),
          ('a', '[AspNetUserStore]', 'RecoveryCodes', 'a;b')""",
    # authjs.dev/getting-started/adapters/pg, and a column of the application
    "nextauth": """
        CREATE TABLE users (
          id serial PRIMARY KEY, name varchar(255), email varchar(255), "emailVerified" timestamptz, image text,
          password text);
        CREATE TABLE accounts (id serial PRIMARY KEY, "userId" integer, provider text, "providerAccountId" text,
          access_token text);
        INSERT INTO users (email, "emailVerified", password) VALUES
          ('zoe@nextauth.example', '2026-01-01', %(bcrypt)s), ('bob@nextauth.example', NULL, NULL);
        INSERT INTO accounts ("userId", provider, "providerAccountId", access_token) VALUES
          (2, 'github', '583231', 'gho_x'), (2, 'google', '1', 'x')""",
    # The columns in tables/users.sql of the npm package @logto/schemas
    "logto": """
        CREATE TABLE users (
          tenant_id varchar(21) NOT NULL, id varchar(12) PRIMARY KEY, username varchar(128), primary_email varchar(128),
          primary_phone varchar(128), password_encrypted varchar(256), password_encryption_method text, name varchar(128),
          avatar varchar(2048), profile jsonb NOT NULL DEFAULT '{}', application_id varchar(21),
          identities jsonb NOT NULL DEFAULT '{}', custom_data jsonb NOT NULL DEFAULT '{}',
          logto_config jsonb NOT NULL DEFAULT '{}', mfa_verifications jsonb NOT NULL DEFAULT '[]',
          is_suspended boolean NOT NULL DEFAULT false, last_sign_in_at timestamptz,
          created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
        INSERT INTO users (tenant_id, id, primary_email, password_encrypted, password_encryption_method, mfa_verifications)
          VALUES ('default', 'a', 'zoe@logto.example', %(argon2)s, 'Argon2i',
                  '[{"type": "Totp", "key": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}]');
        INSERT INTO users (tenant_id, id, primary_email, is_suspended, custom_data)
          VALUES ('default', 'b', 'bob@logto.example', true, '{"plan": "pro"}')""",
    # The tables as far as FusionAuth's own queries name them (FusionAuth/fusionauth-issues #250 and #480)
    "fusionauth": """
        CREATE TABLE users (
          id uuid PRIMARY KEY, active boolean, birth_date text, data text, expiry bigint, first_name text, full_name text,
          insert_instant bigint);
        CREATE TABLE identities (
          id bigserial PRIMARY KEY, email text, encryption_scheme text, factor integer, password text, salt text,
          users_id uuid, verified boolean);
        INSERT INTO users VALUES
          ('3c219e58-ed0e-4b18-ad48-f4f92793ae32', true, NULL, '{}', NULL, 'Zoe', NULL, 1698400800000),
          ('3c219e58-ed0e-4b18-ad48-f4f92793ae33', false, NULL, '{"plan": "pro"}', NULL, NULL, 'Bob', 1698400800000);
        INSERT INTO identities (email, encryption_scheme, factor, password, salt, users_id, verified) VALUES
          ('zoe@fusionauth.example', 'salted-pbkdf2-hmac-sha256', 24000, %(pbkdf2)s, %(salt)s,
           '3c219e58-ed0e-4b18-ad48-f4f92793ae32', true),
          ('bob@fusionauth.example', 'bcrypt', 10, NULL, NULL, '3c219e58-ed0e-4b18-ad48-f4f92793ae33', false)""",
    # spring-projects/spring-security, users.ddl
    "spring-security": """
        CREATE TABLE users (username text PRIMARY KEY, password text NOT NULL, enabled boolean NOT NULL);
        CREATE TABLE authorities (username text NOT NULL, authority text NOT NULL);
        INSERT INTO users VALUES
          ('zoe@spring.example', %(spring)s, true), ('bob@spring.example', %(spring)s, false);
        INSERT INTO authorities VALUES ('bob@spring.example', 'ROLE_ADMIN'), ('bob@spring.example', 'ROLE_USER')""",
}
HASHES = {
    "identity": IDENTITY[1],
    "bcrypt": BCRYPT,
    "spring": SPRING[1],
    "argon2": ARGON2,
    "pbkdf2": FUSIONAUTH["password"],
    "salt": FUSIONAUTH["salt"],
}


@pytest.mark.parametrize(
    ("source", "zoe", "password", "answer", "bob"),
    [
        ("aspnet-identity", "zoe@aspnet.example", IDENTITY[0], "second_factor_required", {"status": "suspended"}),
        (
            "nextauth",
            "zoe@nextauth.example",
            b"x",
            "wrong_password",
            {"metadata": {"accounts": ["github:583231", "google:1"]}},
        ),
        ("logto", "zoe@logto.example", SAME.encode(), "second_factor_required", {"status": "suspended"}),
        ("fusionauth", "zoe@fusionauth.example", SAME.encode(), None, {"status": "suspended", "name": "Bob"}),
        (
            "spring-security",
            "zoe@spring.example",
            SPRING[0],
            None,
            {"private_metadata": {"authorities": "ROLE_ADMIN ROLE_USER"}},
        ),
    ],
)
def test_the_query_on_the_page(
    tmp_path: Path, source: str, zoe: str, password: bytes, answer: str | None, bob: dict[str, Any]
) -> None:
    url = postgres.new_database("exported")
    tables = TABLES[source] % {name: f"'{hash}'" for name, hash in HASHES.items()}
    postgres.shared().ask(tables, url.rpartition("/")[2])
    for query in re.findall(r"^```sql\n(.*?)^```$", section(source), re.DOTALL | re.MULTILINE):
        (tmp_path / "users.sql").write_text(query)
    path = f"{postgres.programs()}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {name: value for name, value in os.environ.items() if not name.startswith("ROLLBOOK_")}
    environment = {**own, **CHEAP, "PATH": path, "DATABASE_URL": url, "ROLLBOOK_DATA": str(tmp_path / "data")}
    for command in commands(source):
        done = subprocess.run(command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    with running(tmp_path / "data") as server, server.http() as http:
        found = {each["email"]: each for each in http.get("/v1/users", params={"fields": "*"}).json()}
        assert bob.items() <= found[zoe.replace("zoe", "bob")].items()
        asked = {"email": zoe, "password": password.decode()}
        assert http.post("/v1/users/verify-password", json=asked).json().get("code") == answer
