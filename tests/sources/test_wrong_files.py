"""Files in other encodings are read; those that hold no users, or those of another system, are named as what they
are."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from typing import Any

import msgspec
import pytest

from rollbook.actions.arguments.imports import FileRecord, ImportOptions
from rollbook.actions.import_sources import SYSTEMS
from rollbook.errors import InvalidParameter
from rollbook.sources import recognizing
from rollbook.sources.reading import Reading, preview
from tests.grids import grid
from tests.sources import test_frameworks as frameworks
from tests.sources import test_identity_providers as providers
from tests.sources.test_systems import BCRYPT, CONFIG

NAMES = ["Zoë Müller", "Siobhán €", "Łukasz Žižek"]
TABLE = "name,email\r\n" + "".join(f"{name},p{at}@example.com\r\n" for at, name in enumerate(NAMES))


def opened(data: bytes, source: str = "rollbook", **options: Any) -> Reading:
    return Reading(io.BytesIO(data), msgspec.convert({"source": source, **options}, ImportOptions), 8)


def names(records: list[FileRecord]) -> list[str]:
    return [str(record.user.name) if record.user else str(record.refusal) for record in records]


@grid("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@grid("packed", [False, True])
def test_every_encoding_of_unicode_is_read(codec: str, packed: bool) -> None:
    lines = "".join(json.dumps({"name": name, "email": "a@example.com"}, ensure_ascii=False) + "\n" for name in NAMES)
    for text in (TABLE, lines, f"[{lines.strip().replace(chr(10), ',')}]"):
        data = text.encode(codec)
        reading = opened(gzip.compress(data) if packed else data)
        assert names(list(reading)) == NAMES
        assert reading.encoding == codec[:6].rstrip("-")


@pytest.mark.parametrize("first", [0, 300_000])
def test_windows_1252_is_read_wherever_its_first_umlaut_is(first: int) -> None:
    """Beyond the part of the file that is looked at before it is read, too."""
    row = "Ann Example,ann@example.com\n"
    data = ("name,email\n" + row * (first // len(row)) + "Zoë – €,zoe@example.com\n").encode("cp1252")
    reading = opened(data)
    assert names(list(reading))[-1] == "Zoë – €" and reading.encoding == "windows-1252"


def test_damaged_rows_of_utf_8_are_refused_alone_and_make_no_other_encoding_of_it() -> None:
    rows = ["Zoë,a@example.com".encode(), b"Zo\xeb,b@example.com", "Žižek,c@example.com".encode()]
    reading = opened(b"name,email\n" + b"\n".join(rows))
    found = names(list(reading))
    assert (found[0], found[2], reading.encoding) == ("Zoë", "Žižek", "utf-8") and "not valid UTF-8" in found[1]
    # A half of a character in UTF-16, and a byte that Windows-1252 has no character for.
    for data in (
        TABLE.encode("utf-16-le").replace("ë".encode("utf-16-le"), b"\x00\xd8"),
        b"name,email\nZ\x81,a@b.example",
    ):
        assert "not valid UTF-8" in names(list(opened(data)))[0]


def test_damaged_utf_32_is_refused_in_words() -> None:
    data = TABLE.encode("utf-32")
    with pytest.raises(InvalidParameter, match="not all of it is UTF-32"):
        list(opened(data[:-8] + b"\xff" * 4 + data[-4:]))


@pytest.mark.parametrize("begin", ["# " * 200, "<!---->" * 200], ids=["comments", "comments of HTML"])
def test_what_a_file_is_shows_however_often_it_could_go_on(begin: str) -> None:
    """Ways to part them double with each."""
    recognizing.refuse_text(f"{begin}x\n".encode(), is_whole=True)


def zipped(*members: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for member in members:
            archive.writestr(member, "x" * 100)
    return file.getvalue()


KINDS = {
    "an Excel workbook (.xlsx)": zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    "an Excel workbook (.xls)": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "a ZIP archive": zipped("users.csv"),
    "a PDF": b"%PDF-1.7\n",
    "an SQLite database": b"SQLite format 3\0" + bytes(80),
    "an SQL dump": b"-- MySQL dump 10.13\n",
    "a dump of PostgreSQL": b"PGDMP\x01\x0e\x00",
    "a web page (HTML)": b"\xef\xbb\xbf \n<!DOCTYPE html>\n<html><title>Session expired</title>",
    "an XML document": b'<?xml version="1.0"?><rss/>',
    "LDIF": b"version: 1\n\ndn: uid=ann,dc=example\n",
    "empty": b"",
    "empty.": b"\xef\xbb\xbf \r\n",
}


@grid("name", KINDS)
def test_a_file_that_holds_no_users_is_named(name: str) -> None:
    for data in (KINDS[name], gzip.compress(KINDS[name])):
        for source in ("rollbook", "keycloak", "firebase"):
            with pytest.raises(InvalidParameter, match=re.escape(name)):
                opened(data, source)
        with pytest.raises(InvalidParameter, match=re.escape(name)):
            preview(io.BytesIO(data), ImportOptions(), 8)


def records(*rows: dict[str, Any]) -> bytes:
    return json.dumps(rows, default=str).encode()


EXPORTS: dict[str, list[bytes]] = {
    "cognito": [
        records({"Username": "a", "Attributes": [{"Name": "email", "Value": "a@b.example"}], "UserStatus": "OK"})
    ],
    "appwrite": [records(providers.APPWRITE)],
    "aspnet-identity": [frameworks.table(frameworks.IDENTITY_ROW).encode()],
    "nextauth": [frameworks.exported("nextauth.ndjson")],
    "auth0": [records({"user_id": "auth0|1", "email": "a@b.example", "identities": []})],
    "better-auth": [records({"id": "1", "email": "a@b.example", "emailVerified": True, "twoFactorEnabled": False})],
    "clerk": [b"id,primary_email_address,password_digest\nu1,a@b.example,x\n"],
    "devise": [frameworks.exported("devise.json")],
    "django": [records({"model": "auth.user", "pk": 1, "fields": {"email": "a@b.example", "password": "x"}})],
    "drupal": [frameworks.table(frameworks.DRUPAL_ROW).encode()],
    "fastapi-users": [b"id,email,hashed_password,is_superuser\n1,a@b.example,x,f\n"],
    "firebase": [
        f'{{"users":[{json.dumps({"localId": "1", "email": "a@b.example", "providerUserInfo": []})}]}}'.encode(),
        f"{CONFIG}{{}}".encode(),
        b"abc1,a@b.example,true,hash,salt,Ann" + b"," * 22 + b"\n",
    ],
    "fusionauth": [records(providers.FUSIONAUTH)],
    "keycloak": [
        records({"id": "1", "username": "a", "email": "a@b.example", "createdTimestamp": 1, "emailVerified": True}),
        b'{"id": "shop", "realm": "shop", "accessTokenLifespan": 300, "roles": {}, "users": []}',
    ],
    "laravel": [frameworks.exported("laravel.csv"), frameworks.exported("laravel.json")],
    "logto": [providers.LOGTO.encode()],
    "entra": [providers.ENTRA.encode(), b'{"value": [{"userPrincipalName": "a@b.example"}]}'],
    "okta": [records(providers.OKTA), b"User,Login,Status,Activation date\nA,a@b.example,Active,\n"],
    "kratos": [b'{"identities": [{"id": "1", "schema_id": "default", "traits": {"email": "a@b.example"}}]}'],
    "pocketbase": [b"id,email,password,tokenKey,emailVisibility,verified\n1,a@b.example,x,y,true,true\n"],
    "spring-security": [frameworks.table(*frameworks.SPRING_ROWS).encode()],
    "supabase": [records({"id": "1", "email": "a@b.example", "raw_user_meta_data": {}, "encrypted_password": BCRYPT})],
    "supertokens": [records({"id": "1", "loginMethods": [{"recipeId": "emailpassword", "email": "a@b.example"}]})],
    "wordpress": [frameworks.exported("wordpress.csv"), frameworks.exported("wordpress.json")],
    "zitadel": [json.dumps({"result": [providers.ZITADEL]}).encode()],
}


@grid("source", SYSTEMS)
def test_the_export_of_another_system_is_named(source: str) -> None:
    """Whoever chose no system, or one as which less of it would be read, is told; who chose rightly is not stopped."""
    for data in EXPORTS[source]:
        with pytest.raises(InvalidParameter, match=re.escape(f"an export of {SYSTEMS[source]}:")) as told:
            opened(data)
        assert told.value.param == "source" and f"--from {source})" in str(told.value.full_message)
        assert opened(data, source)
    with pytest.raises(InvalidParameter, match="an export of "):
        opened(EXPORTS[source][0], "appwrite" if source != "appwrite" else "kratos")
    own = records({"email": "a@b.example", "name": "A", "role": "member", "external_id": "1", "rate_limit": None})
    assert opened(own)
    if source not in ("nextauth", "better-auth", "spring-security"):  # whose tables may be the same
        with pytest.raises(InvalidParameter, match=r"an export of Rollbook: .* --from rollbook"):
            opened(own, source)


def test_a_table_whose_columns_are_all_known_is_nobodys_export() -> None:
    assert opened(b"email,first_name,last_name,created_at\n") and opened(b'{"email":"a","name":"A"}\n')
    seen = preview(io.BytesIO(EXPORTS["wordpress"][0]), ImportOptions(), 8)
    assert seen.looks_like == "wordpress" and seen.mapping, "columns can still be mapped"
