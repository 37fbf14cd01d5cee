"""The exports of other systems, in the formats as they come: who is read from them, with which fields, and who
isn't."""

from __future__ import annotations

import io
import json
from typing import Any

import msgspec
import pyotp
import pytest

from rollbook.actions.arguments.imports import ImportedUser, ImportOptions
from rollbook.auth.one_time_codes import Totp, read_totp
from rollbook.auth.password_hashes import UnknownHash
from rollbook.auth.passwords import check_hash
from rollbook.clock import parse
from rollbook.records import users
from rollbook.sources.reading import Reading, Refusal

BCRYPT = "$2b$10$U4C0ZY8OG8y41F9LusfKyu3HRMBL0rCZcKBVsXhgr.n8Ou6FPhzO2"


def read(source: str, data: str | bytes) -> list[dict[str, Any] | Refusal]:
    """The fields of each user, or why there is none."""
    found: list[dict[str, Any] | Refusal] = []
    options = msgspec.convert({"source": source}, ImportOptions)
    for record in Reading(io.BytesIO(data.encode() if isinstance(data, str) else data), options, 8):
        if record.user:
            found.append(_given(record.user))
        else:
            assert record.refusal
            found.append(record.refusal)
    return found


def _given(user: ImportedUser) -> dict[str, Any]:
    fields = {name: getattr(user, name) for name in user.__struct_fields__ if getattr(user, name) is not msgspec.UNSET}
    fields["name"] = user.new_name
    if fields.get("password_hash"):
        assert check_hash(fields["password_hash"])
    for name in users.METADATA:
        if name in fields:
            fields[name] = json.loads(fields[name])
    return fields


def test_auth0() -> None:
    exported = {
        "user_id": "auth0|657376510000000000000001",
        "email": "jane@example.com",
        "email_verified": True,
        "name": "jane@example.com",
        "given_name": "Jane",
        "blocked": True,
        "created_at": "2023-10-27T10:00:00.123Z",
        "last_login": "2024-10-27T10:00:00.123Z",
        "user_metadata": {"theme": "dark"},
        "app_metadata": {"plan": "free", "roles": ["admin"]},
        "identities": [{"provider": "auth0"}],
    }
    (jane,) = read("auth0", json.dumps(exported) + "\n")
    assert jane == {
        "email": "jane@example.com",
        "name": "Jane",
        "external_id": "auth0|657376510000000000000001",
        "email_verified": True,
        "status": "suspended",
        "created_at": parse("2023-10-27T10:00:00.123Z"),
        "last_sign_in_at": parse("2024-10-27T10:00:00.123Z"),
        "metadata": {"user_metadata": {"theme": "dark"}},
        "private_metadata": {"app_metadata": {"plan": "free", "roles": ["admin"]}},
    }


def test_auth0_passwords_and_csv_have_the_same_id() -> None:
    hashes = {
        "_id": {"$oid": "657376510000000000000001"},
        "email": "jane@example.com",
        "email_verified": True,
        "tenant": "dev",
        "connection": "Username-Password-Authentication",
        "passwordHash": BCRYPT,
        "_tmp_is_unique": True,
    }
    table = (
        "Id,Given Name,Family Name,Email,Email Verified,Created "
        "At\nauth0|657376510000000000000001,Jane,Doe,jane@example.com,true,2023-10-27T10:00:00.000Z\n"
    )
    (password,), (row,) = read("auth0", json.dumps(hashes)), read("auth0", table)
    assert isinstance(password, dict) and isinstance(row, dict)
    assert (password["external_id"], password["password_hash"], password["name"]) == (
        row["external_id"],
        BCRYPT,
        "jane",
    )
    assert (row["name"], row["email_verified"]) == ("Jane Doe", True)


CONFIG = """hash_config {
  algorithm: SCRYPT,
  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,
  base64_salt_separator: Bw==,
  rounds: 8,
  mem_cost: 14,
}
"""
# The example of github.com/firebase/scrypt: password "user1password".
FIREBASE_HASH = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
FIREBASE_SALT = "42xEC+ixf3L2lw=="


def test_firebase() -> None:
    account = {
        "localId": "abc1",
        "email": "a@example.com",
        "emailVerified": True,
        "passwordHash": FIREBASE_HASH,
        "salt": FIREBASE_SALT,
        "displayName": "Ann, Lee",
        "lastSignedInAt": "1704153600000",
        "createdAt": "1704067200000",
        "disabled": True,
        "customAttributes": '{"plan":"pro"}',
        "providerUserInfo": [],
    }
    phone = {"localId": "abc2", "phoneNumber": "+12125550101", "createdAt": "1704326400000", "providerUserInfo": []}
    exported = '{"users": [\n' + ",\n".join(json.dumps(each, indent=2) for each in (account, phone)) + "]}\n"
    row = (
        f'abc1,a@example.com,true,{FIREBASE_HASH},{FIREBASE_SALT},"Ann, '
        f'Lee"{"," * 18}1704067200000,1704153600000,,true,"{{""plan"":""pro""}}",\n'
    )
    ann, other = read("firebase", CONFIG + exported)
    assert ann == {
        "email": "a@example.com",
        "name": "Ann, Lee",
        "external_id": "abc1",
        "password_hash": check_hash(ann["password_hash"] if isinstance(ann, dict) else ""),
        "email_verified": True,
        "status": "suspended",
        "created_at": parse("2024-01-01T00:00:00Z"),
        "last_sign_in_at": parse("2024-01-02T00:00:00Z"),
        "private_metadata": {"custom_claims": {"plan": "pro"}},
    }
    assert "jxspr8" not in ann["password_hash"]  # type: ignore[operator]  # the signer key is the project's
    assert isinstance(other, Refusal) and other.field == "email"
    assert read("firebase", CONFIG + row) == [ann]
    with pytest.raises(UnknownHash, match="hash_config, which must come before the export") as refusal:
        read("firebase", row)
    assert FIREBASE_HASH not in str(refusal.value)


def test_supabase() -> None:
    head = "id,email,encrypted_password,email_confirmed_at,created_at,last_sign_in_at,banned_until,deleted_at,phone,raw_user_meta_data,raw_app_meta_data\n"
    table = head + (
        f"7f1,a@example.com,{BCRYPT},2024-01-15 10:30:00.123456+00,2024-01-15 "
        f'10:30:00+00,,infinity,,15550100,"{{""full_name"": ""Ann Lee""}}","{{""role"": ""admin""}}"\n'
        "7f2,b@example.com,,,2024-01-15 10:31:00+00,,2020-01-01 00:00:00+00,,,{},\n"
        "7f3,c@example.com,,,2024-01-15 10:31:00+00,,,2024-01-16 10:31:00+00,,{},\n"
    )
    ann, bob = read("supabase", table)
    assert ann == {
        "email": "a@example.com",
        "name": "Ann Lee",
        "external_id": "7f1",
        "password_hash": BCRYPT,
        "email_verified": True,
        "status": "suspended",
        "created_at": parse("2024-01-15T10:30:00Z"),
        "metadata": {"phone": "15550100", "user_metadata": {"full_name": "Ann Lee"}},
        "private_metadata": {"app_metadata": {"role": "admin"}},
    }
    assert isinstance(bob, dict) and (bob["status"], bob["email_verified"], bob["name"]) == ("active", False, "b")
    came = ("encrypted_password", BCRYPT), ("email_confirmed_at", "2024-01-15 10:30:00+00")
    asked = {"id": "7f4", "email": "d@example.com", "invited_at": "2024-01-15 10:30:00+00", "encrypted_password": ""}
    for more, status in (((), "invited"), *((((pair,)), "active") for pair in came)):
        (each,) = read("supabase", json.dumps([asked | dict(more)]))
        assert isinstance(each, dict) and each["status"] == status
    row = {"id": "7f1", "email": "a@example.com", "encrypted_password": BCRYPT, "raw_user_meta_data": {"name": "Ann"}}
    (again,) = read("supabase", json.dumps([row]))
    assert isinstance(again, dict) and again["name"] == "Ann"


def keycloak(*others: dict[str, Any], **credentials: Any) -> str:
    person = {
        "id": "k1",
        "createdTimestamp": 1704067200000,
        "username": "ann",
        "enabled": True,
        "emailVerified": False,
        "firstName": "Ann",
        "lastName": "Lee",
        "email": "a@example.com",
        "attributes": {"locale": ["de"]},
        "credentials": [{"type": "otp", "secretData": "{}"}, *others, {"type": "password", **credentials}]
        if credentials or others
        else [],
        "realmRoles": ["default-roles-demo"],
        "groups": ["/staff"],
        "federatedIdentities": [{"identityProvider": "google", "userId": "7", "userName": "ann"}],
    }
    client = {"id": "k2", "username": "service-account-x", "serviceAccountClientId": "x", "enabled": True}
    realm = {
        "realm": "demo",
        "roles": {"realm": [{"name": "r"}]},
        "users": [person, client],
        "clients": [{"users": []}],
    }
    return json.dumps(realm, indent=2)


def test_keycloak() -> None:
    assert read("keycloak", keycloak()) == [
        {
            "email": "a@example.com",
            "name": "Ann Lee",
            "external_id": "k1",
            "email_verified": False,
            "status": "active",
            "created_at": parse("2024-01-01T00:00:00Z"),
            "metadata": {
                "username": "ann",
                "federated_identities": ["google:7"],
            },
            "private_metadata": {
                "attributes": {"locale": ["de"]},
                "realm_roles": ["default-roles-demo"],
                "groups": ["/staff"],
            },
        }
    ]


def test_keycloak_passwords() -> None:
    secret = {"secretData": '{"value":"' + "A" * 43 + '=","salt":"c29tZXNhbHRzb21lc2FsdA==","additionalParameters":{}}'}
    argon2 = '{"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}'
    for about, expected in (
        (argon2, "$argon2id$v=19$m=7168,t=5,p=1$c29tZXNhbHRzb21lc2FsdA$" + "A" * 43),
        (
            '{"hashIterations":27500,"algorithm":"pbkdf2-sha256"}',
            "$pbkdf2-sha256$i=27500$c29tZXNhbHRzb21lc2FsdA==$" + "A" * 43 + "=",
        ),
        (
            '{"hashIterations":20000,"algorithm":"pbkdf2"}',
            "$pbkdf2-sha1$i=20000$c29tZXNhbHRzb21lc2FsdA==$" + "A" * 43 + "=",
        ),
    ):
        (ann,) = read("keycloak", keycloak(**secret, credentialData=about))
        assert isinstance(ann, dict) and ann["password_hash"] == expected


def test_keycloak_s_older_credentials_are_converted() -> None:
    """The form before Keycloak 8, with what its RepresentationToModel takes where the algorithm is missing."""
    older = {
        "hashedSaltedValue": "A" * 43 + "=",
        "salt": "c29tZXNhbHRzb21lc2FsdA==",
        "hashIterations": 27500,
        "counter": 0,
    }
    for algorithm, digest in (
        ({"algorithm": "pbkdf2-sha256"}, "sha256"),
        ({"algorithm": "pbkdf2"}, "sha1"),
        ({"algorithm": "HmacSHA1"}, "sha1"),
        ({}, "sha1"),
    ):
        (ann,) = read("keycloak", keycloak(**older, **algorithm))
        expected = f"$pbkdf2-{digest}$i=27500$c29tZXNhbHRzb21lc2FsdA==$" + "A" * 43 + "="
        assert isinstance(ann, dict) and ann["password_hash"] == expected


def test_authenticator_apps_of_keycloak() -> None:
    """Keycloak makes codes of the text itself, unless it says that it is base32 (its OTPCredentialModel)."""
    text = "j5KQmYT2hiGCkDMtDJoE"
    about = {"subType": "totp", "digits": 8, "counter": 0, "period": 60, "algorithm": "HmacSHA256"}
    count = {"type": "otp", "secretData": '{"value":"x"}', "credentialData": json.dumps(about | {"subType": "hotp"})}
    app = {"type": "otp", "secretData": json.dumps({"value": text}), "credentialData": json.dumps(about)}
    encoded = {
        "type": "otp",
        "secretData": '{"value":"GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"}',
        "credentialData": json.dumps(about | {"secretEncoding": "BASE32"}),
    }
    older = {"type": "totp", "value": text, "digits": 6, "period": 30, "algorithm": "HmacSHA1"}
    for credentials, expected in (
        ((count, app), Totp(text.encode(), 8, 60, "sha256")),
        ((encoded,), Totp(b"12345678901234567890", 8, 60, "sha256")),
        ((older,), Totp(text.encode())),
    ):
        (ann,) = read("keycloak", keycloak(*credentials))
        assert isinstance(ann, dict) and read_totp(ann["totp_secret"]) == expected
    (ann,) = read("keycloak", keycloak(count))
    assert isinstance(ann, dict) and "totp_secret" not in ann
    broken = {**encoded, "secretData": json.dumps({"value": r"GEZD\1GNBV"})}
    (ann,) = read("keycloak", keycloak(broken))
    assert not isinstance(ann, dict) and ann[1] == "totp_secret"


def test_supertokens() -> None:
    person = {
        "id": "st1",
        "externalUserId": "u1",
        "userMetadata": {"first_name": "Ann", "last_name": "Lee", "plan": "pro"},
        "userRoles": [{"role": "admin", "tenantIds": ["public"]}],
        "totpDevices": [
            {"secretKey": "JBSWY3DPEHPK3PXP", "period": 30, "skew": 1, "verified": False},
            {"secretKey": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "period": 60, "skew": 1, "deviceName": "Phone"},
        ],
        "loginMethods": [
            {"recipeId": "thirdparty", "email": "old@example.com", "isVerified": True},
            {
                "recipeId": "emailpassword",
                "email": "a@example.com",
                "passwordHash": BCRYPT,
                "hashingAlgorithm": "bcrypt",
                "isPrimary": True,
                "isVerified": True,
                "timeJoinedInMSSinceEpoch": 1704067200000,
            },
        ],
    }
    (ann,) = read("supertokens", json.dumps({"users": [person]}))
    assert isinstance(ann, dict)
    assert read_totp(ann.pop("totp_secret")) == Totp(b"12345678901234567890", 6, 60)
    assert ann == {
        "email": "a@example.com",
        "name": "Ann Lee",
        "external_id": "u1",
        "password_hash": BCRYPT,
        "email_verified": True,
        "created_at": parse("2024-01-01T00:00:00Z"),
        "private_metadata": {"user_metadata": person["userMetadata"], "roles": ["admin"]},
    }


def test_better_auth() -> None:
    """Rows that better-auth 1.7 has written, and the code that it made of the secret."""
    row = {
        "name": "Ann Lee",
        "email": "ann@example.com",
        "emailVerified": False,
        "createdAt": "2026-11-29T01:01:56.788Z",
        "updatedAt": "2026-11-29T01:01:56.788Z",
        "twoFactorEnabled": True,
        "id": "AwNMHOpPaLl1wuJS7NgtlHV2NKBrkZNn",
        "password": "8aec15b8553ae7cdc7811eab7cc4329c:4a849a1637fafdc0819e4da1041ea93bb4b64c71d8ee73d204f09bc70d59bf0a"
        "0f23f4fab0badacd4a7ba6dfc6ade8e2ea46289bf9ac8a04812123967ebc1a60",
        "twoFactorSecret": "pOk2MnyjDSBo-jNsapmRbZ__5gKNJSz4",
    }
    (ann,) = read("better-auth", json.dumps(row) + "\n")
    assert isinstance(ann, dict)
    assert pyotp.TOTP(read_totp(ann["totp_secret"]).text).at(1_700_000_000) == "430990"
    assert (ann["name"], ann["external_id"], ann["email_verified"]) == ("Ann Lee", row["id"], False)
    (off,) = read("better-auth", json.dumps(row | {"twoFactorEnabled": False}) + "\n")
    assert isinstance(off, dict) and "totp_secret" not in off
    for until, status in (
        (None, "suspended"),
        ("2020-01-01T00:00:00.000Z", "active"),
        ("2126-01-01T00:00:00.000Z", "suspended"),
    ):
        (banned,) = read(
            "better-auth",
            json.dumps(row | {"banned": 1, "banReason": "spam", "role": "admin", "banExpires": until}) + "\n",
        )
        assert isinstance(banned, dict) and (banned["status"], "metadata" in banned) == (status, False)
        assert banned["private_metadata"] == {"banReason": "spam", "role": "admin"}
    encrypted = "39093ace871330d40302dedcf85e7b8d377a9ae6d83d0de6682d642c1d0a30b0ceb87f1789ead31e25085e519187264f"
    (refused,) = read("better-auth", json.dumps(row | {"twoFactorSecret": encrypted}) + "\n")
    assert isinstance(refused, Refusal) and "encrypted" in refused.reason and encrypted[:8] not in refused.reason


def test_a_password_of_keycloak_that_cannot_be_used_is_never_dropped_without_a_word() -> None:
    secret = {"secretData": '{"value":"' + "A" * 43 + '=","salt":"c29tZXNhbHRzb21lc2FsdA=="}'}
    for credentials, reason in (
        ({**secret, "credentialData": '{"hashIterations":1,"algorithm":"own"}'}, "not in a format that Rollbook knows"),
        ({"hashedSaltedValue": "A" * 44, "algorithm": "own"}, "not in a format that Rollbook knows"),
        ({"value": "a plain password", "temporary": False}, "This is a plain password, not a hash"),
    ):
        with pytest.raises(UnknownHash, match=reason) as refusal:
            read("keycloak", keycloak(**credentials))
        assert "c29tZX" not in str(refusal.value) and "a plain" not in str(refusal.value)[10:]


def test_clerk() -> None:
    head = "id,first_name,last_name,username,primary_email_address,primary_phone_number,verified_email_addresses,unverified_email_addresses,verified_phone_numbers,unverified_phone_numbers,totp_secret,password_digest,password_hasher\n"
    (jane,) = read(
        "clerk", head + f"user_1,Jane,Doe,,jane@example.com,,jane@example.com,,,,JBSWY3DPEHPK3PXP,{BCRYPT},bcrypt\n"
    )
    assert jane == {
        "email": "jane@example.com",
        "name": "Jane Doe",
        "external_id": "user_1",
        "totp_secret": "JBSWY3DPEHPK3PXP",
        "password_hash": BCRYPT,
        "email_verified": True,
    }
    for cell, verified in (
        ("jane@example.com", True),
        ("other@example.com|JANE@example.com", True),
        ('"[""jane@example.com"",""other@example.com""]"', True),
        ('"other@example.com, jane@example.com"', True),
        ("mary-jane@example.com|jane@example.com.evil.example", False),
        ("", None),
    ):
        (jane,) = read("clerk", head + f"user_1,Jane,Doe,,jane@example.com,,{cell},jane@example.com,,,,,\n")
        assert isinstance(jane, dict) and jane.get("email_verified") is verified, cell
    user = {
        "id": "user_1",
        "external_id": "own-1",
        "first_name": "Jane",
        "last_name": None,
        "primary_email_address_id": "idn_2",
        "email_addresses": [
            {"id": "idn_1", "email_address": "old@example.com", "verification": {"status": "verified"}},
            {"id": "idn_2", "email_address": "jane@example.com", "verification": {"status": "unverified"}},
        ],
        "public_metadata": {"plan": "pro"},
        "private_metadata": {"fraud_score": 87},
        "unsafe_metadata": {"theme": "dark"},
        "banned": True,
        "created_at": 1704067200000,
        "last_sign_in_at": None,
    }
    assert read("clerk", json.dumps([user])) == [
        {
            "email": "jane@example.com",
            "name": "Jane",
            "external_id": "user_1",
            "email_verified": False,
            "status": "suspended",
            "created_at": parse("2024-01-01T00:00:00Z"),
            "metadata": {
                "external_id": "own-1",
                "public_metadata": {"plan": "pro"},
                "unsafe_metadata": {"theme": "dark"},
            },
            "private_metadata": {"fraud_score": 87},
        }
    ]


def test_what_other_columns_hold_goes_where_users_do_not_see_it_but_no_secret() -> None:
    row = {
        "id": 7,
        "email": "a@example.com",
        "hashed_password": BCRYPT,
        "is_active": "f",
        "is_superuser": True,
        "plan": "pro",
        "phone": "+12125550101",
        "otp_secret": "JBSWY3DP",
        "api_token": "x",
        "nickname": "",
    }
    (ann,) = read("fastapi-users", json.dumps(row))
    assert ann == {
        "email": "a@example.com",
        "name": "a",
        "external_id": "7",
        "password_hash": BCRYPT,
        "status": "suspended",
        "metadata": {"phone": "+12125550101"},
        "private_metadata": {"is_superuser": True, "plan": "pro"},
    }


def test_a_dump_of_django_may_hold_other_models_and_people_without_a_usable_password() -> None:
    dump = [
        {"model": "auth.permission", "pk": 1, "fields": {"name": "Can add"}},
        {
            "model": "people.person",
            "pk": "0b9",
            "fields": {"email": "a@example.com", "password": "!x", "full_name": "Ann Lee", "is_active": True}
            | {"username": "ann", "is_staff": False, "is_superuser": True, "groups": [["staff"], 7]},
        },
    ]
    for data in (json.dumps(dump, indent=2), "\n".join(map(json.dumps, dump))):
        assert read("django", data) == [
            {
                "email": "a@example.com",
                "name": "Ann Lee",
                "external_id": "0b9",
                "status": "active",
                "metadata": {"username": "ann"},
                "private_metadata": {"is_superuser": True, "groups": ["staff"]},
            }
        ]


def test_two_equal_names_in_a_record_of_another_system_are_refused() -> None:
    record = '{"user_id":"auth0|1","email":"a@example.com","name":"A","app_metadata":{"role":1%s}}'
    for data in (record % "", record % ',"roles":1', f"[{record % ''}]"):
        assert isinstance(read("auth0", data)[0], dict), data
    for twice in (',"role":2', ',"role" :2', ',"r\\u006fle":2'):
        for data in (record % twice, f"[{record % twice}]"):
            (refusal,) = read("auth0", data)
            assert isinstance(refusal, Refusal)
            assert "more than once" in refusal.reason
