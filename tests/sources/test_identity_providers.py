"""Exports of identity providers: who is read from them, with which fields, and that they sign in as before.

Shapes and hashes come from the products where they can be had, and from their source code: Kratos' hashes from
`hash/hasher_test.go` and its identities from `spec/api.json` (ory/kratos b86338d); Logto's row from `tables/users.sql` of
the npm package @logto/schemas 1.43, its hash from hash-wasm with the parameters of `tasks/argon2i.ts`; Appwrite's user from
the npm package node-appwrite 27.1, its hash from the class Argon2 of utopia-php/auth; ZITADEL's from the npm package
@zitadel/proto 1.3 and `internal/api/grpc/admin/export.go`, its hash from zitadel/passwap's `testvalues`; FusionAuth's from
the npm package @fusionauth/typescript-client 1.69, its hashes from the JDK as its PasswordEncryptor calls it; Entra's CSV
from a real download (with other people); Okta's from the schema of its API and the pages on its reports.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import pbkdf2_hmac
from pathlib import Path
from typing import Any

import pytest

from rollbook.auth.one_time_codes import Totp, read_totp
from rollbook.auth.password_hashes import UnknownHash
from rollbook.clock import parse
from tests.cli.command import good
from tests.harness import Server, running
from tests.sources.test_systems import BCRYPT, read

SAME = "the same as before"
SECRET, TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", Totp(b"Hello!\xde\xad\xbe\xef" * 2)


def one(source: str, data: Any) -> dict[str, Any]:
    (found,) = read(source, data if isinstance(data, str) else json.dumps(data))
    assert isinstance(found, dict), found
    return found


# ---- without password hashes

OKTA = {
    "id": "00ub0oNGTSWTBKOLGLNR",
    "status": "SUSPENDED",
    "created": "2013-06-24T16:39:18.000Z",
    "activated": "2013-06-24T16:39:19.000Z",
    "statusChanged": "2013-06-24T16:39:19.000Z",
    "lastLogin": "2013-06-24T17:39:19.000Z",
    "lastUpdated": "2013-07-02T21:36:25.344Z",
    "passwordChanged": "2013-07-02T21:36:25.344Z",
    "type": {"id": "otyfnjfba4ye7pgjB0g4"},
    "profile": {
        "firstName": "Isaac",
        "lastName": "Brock",
        "email": "isaac@example.com",
        "login": "isaac.brock@corp.example",
        "mobilePhone": "555-415-1337",
        "secondEmail": None,
        "department": "Music",
        "shopRole": "admin",
        "apiToken": "never imported",
    },
    "credentials": {"password": {}, "provider": {"type": "OKTA", "name": "OKTA"}},
    "_links": {"self": {"href": "https://example.okta.com/api/v1/users/00ub0oNGTSWTBKOLGLNR"}},
}


def test_okta() -> None:
    assert one("okta", [OKTA]) == {
        "email": "isaac@example.com",
        "name": "Isaac Brock",
        "external_id": "00ub0oNGTSWTBKOLGLNR",
        "status": "suspended",
        "created_at": parse("2013-06-24T16:39:18Z"),
        "updated_at": parse("2013-07-02T21:36:25.344Z"),
        "last_sign_in_at": parse("2013-06-24T17:39:19Z"),
        "metadata": {"mobilePhone": "555-415-1337", "department": "Music", "login": "isaac.brock@corp.example"},
        "private_metadata": {"shopRole": "admin"},
    }


@pytest.mark.parametrize(
    ("okta", "status"),
    [
        *(("ACTIVE", "active"), ("LOCKED_OUT", "active"), ("PASSWORD_EXPIRED", "active"), ("STAGED", "invited")),
        *(("PROVISIONED", "invited"), ("DEPROVISIONED", "suspended"), ("Pending user action", "invited")),
    ],
)
def test_who_can_sign_in_at_okta_is_active(okta: str, status: str) -> None:
    assert one("okta", [{**OKTA, "status": okta}])["status"] == status


def test_reports_of_okta() -> None:
    health = "User,Login,Status,Activation date,Authentication Source,Last Login,Last Password Change\n"
    person = "Isaac Brock,isaac@example.com,Deactivated,2013-06-24 16:39:18,OKTA,2014-06-24T17:39:19Z,\n"
    assert one("okta", health + person) == {
        "email": "isaac@example.com",
        "name": "Isaac Brock",
        "status": "suspended",
        "created_at": parse("2013-06-24T16:39:18Z"),
        "last_sign_in_at": parse("2014-06-24T17:39:19Z"),
        "private_metadata": {"Authentication Source": "OKTA"},
    }
    accounts = (
        "User ID,User fullname,Okta username,Primary Email,Okta user status\n00u1,Isaac Brock,ib,i@b.example,Active"
    )
    found = one("okta", accounts)
    assert (found["external_id"], found["email"], found["status"]) == ("00u1", "i@b.example", "active")
    assert (found["name"], found["metadata"]) == ("Isaac Brock", {"login": "ib"})


ENTRA = """userPrincipalName,displayName,surname,mail,givenName,id,userType,jobTitle,department,accountEnabled,usageLocation,\
streetAddress,state,country,officeLocation,city,postalCode,telephoneNumber,mobilePhone,alternateEmailAddress,ageGroup,\
consentProvidedForMinor,legalAgeGroupClassification,companyName,creationType,directorySynced,invitationState,\
identityIssuer,createdDateTime
ada@corp.onmicrosoft.com,Ada Lovelace,Lovelace,ada@corp.example,Ada,7cc0c81b-f2a2-489a-8243-eda96da4214d,Member,Countess,\
Engines,True,DE,,,,,,,,,,,,,,,,,corp.onmicrosoft.com,8/19/2021 1:25:31 PM
bob_guest.example#EXT#@corp.onmicrosoft.com,Bob Guest,,,,05f9eb61-470e-426c-b631-6db6bf429063,Guest,,,True,,,,,,,,,,\
bob@guest.example,,,,,Invitation,,PendingAcceptance,corp.onmicrosoft.com,8/19/2021 3:02:10 PM
eve@corp.onmicrosoft.com,Eve,,,,0b0b0b0b-470e-426c-b631-6db6bf429063,Member,,,False,,,,,,,,,,,,,,,,,,,12/31/2020 12:00:00 AM
"""


def test_entra() -> None:
    ada, bob, eve = read("entra", ENTRA)
    assert ada == {
        "email": "ada@corp.example",
        "name": "Ada Lovelace",
        "external_id": "7cc0c81b-f2a2-489a-8243-eda96da4214d",
        "status": "active",
        "created_at": parse("2021-08-19T13:25:31Z"),
        "metadata": {
            "userPrincipalName": "ada@corp.onmicrosoft.com",
            "userType": "Member",
            "jobTitle": "Countess",
            "department": "Engines",
            "usageLocation": "DE",
        },
        "private_metadata": {"identityIssuer": "corp.onmicrosoft.com"},
    }
    assert isinstance(bob, dict) and isinstance(eve, dict)
    assert (bob["email"], bob["status"]) == ("bob@guest.example", "invited")
    assert (eve["email"], eve["status"]) == ("eve@corp.onmicrosoft.com", "suspended")
    assert eve["created_at"] == parse("2020-12-31T00:00:00Z")


def test_users_of_microsoft_graph() -> None:
    person = {
        "@odata.id": "https://graph.microsoft.com/v2/…",
        "id": "87d349ed-44d7-43e1-9a83-5f2406dee5bd",
        "displayName": "Adele Vance",
        "mail": None,
        "userPrincipalName": "AdeleV@contoso.example",
        "accountEnabled": True,
        "createdDateTime": "2020-01-02T03:04:05Z",
        "businessPhones": [],
        "passwordPolicies": "None",
        "signInActivity": {"lastSignInDateTime": "2024-01-02T03:04:05Z"},
    }
    page = {"@odata.context": "…", "value": [person, {**person, "deletedDateTime": "2024-01-02T03:04:05Z"}]}
    assert one("entra", page) == {
        "email": "AdeleV@contoso.example",
        "name": "Adele Vance",
        "external_id": "87d349ed-44d7-43e1-9a83-5f2406dee5bd",
        "status": "active",
        "created_at": parse("2020-01-02T03:04:05Z"),
        "last_sign_in_at": parse("2024-01-02T03:04:05Z"),
    }


# ---- with password hashes


def kratos(hash: str | None, **fields: Any) -> dict[str, Any]:
    """An identity as `GET /admin/identities?include_credential=password` has it."""
    config = {} if hash is None else {"hashed_password": hash}
    password = {"type": "password", "identifiers": ["kim@kratos.example"], "config": config, "version": 0}
    return {
        "id": "7d5cd4b0-4a3f-4b0d-9b6f-2f3a4c8f8f0e",
        "credentials": {"password": password},
        "schema_id": "default",
        "schema_url": "http://127.0.0.1:4433/schemas/ZGVmYXVsdA",
        "state": "active",
        "traits": {"email": "Kim@kratos.example", "name": {"first": "Kim", "last": "Doe"}, "plan": "pro"},
        "verifiable_addresses": [
            {"value": "kim@kratos.example", "verified": True, "via": "email", "status": "completed"}
        ],
        "metadata_public": {"seats": 5},
        "metadata_admin": {"crm": 7},
        "created_at": "2023-10-27T10:00:00.123456Z",
        "updated_at": "2024-10-27T10:00:00.123456Z",
        **fields,
    }


KRATOS = {
    "argon2id": ("test", "$argon2id$v=19$m=32,t=2,p=4$cm94YnRVOW5jZzFzcVE4bQ$MNzk5BtR2vUhrp6qQEjRNw"),
    "bcrypt": ("test", "$2a$12$o6hx.Wog/wvFSkT/Bp/6DOxCtLRTDj7lm9on9suF/WaCGNVHbkfL6"),
    "pbkdf2": (
        "test",
        "$pbkdf2-sha256$i=100000,l=32$1jP+5Zxpxgtee/iPxGgOz0RfE9/KJuDElP1ley4VxXc"
        "$QJxzfvdbHYBpydCbHoFg3GJEqMFULwskiuqiJctoYpI",
    ),
    "scrypt": (
        "test",
        "$scrypt$ln=16384,r=8,p=1$2npRo7P03Mt8keSoMbyD/tKFWyUzjiQf2svUaNDSrhA="
        "$MiCzNcIplSMqSBrm4HckjYqYhaVPPjTARTzwB1cVNYE=",
    ),
    "firescrypt": (
        "8x4WjoDbSxJZdR",
        "$firescrypt$ln=14,r=8,p=1$sPtDhWcd1MfdAw==$xbSou7FOl6mChCyzpCPIQ7tku7nsQMTFtyOZSXXd7tjBa4NtimOx7v42Gv2SfzPQu1oxM2/"
        "k4SsbOu73wlKe1A==$Bw==$YE0dO4bwD4JnJafh6lZZfkp1MtKzuKAXQcDCJNJNyeCHairWHKENOkbh3dzwaCdizzOspwr/FITUVlnOAwPKyw==",
    ),
    "ssha": (
        "test123",
        "{SSHA512}xPUl/px+1cG55rUH4rzcwxdOIPSB2TingLpiJJumN2xyDWN4Ix1WQG3ihnvHaWUE8MYNkvMi5rf0C9NYixHsE6Yh59M=",
    ),
    "md5crypt": ("test", "$md5-crypt$TVEiiKNb$SN6/pUaRQS/E8Jh46As2C/"),
    "sha256crypt": ("test", "$sha256-crypt$rounds=535000$05R.9KB6UC2kLI3w$Q/zslzx./JjkAVPTwp6th7nW5l7JU91Gte/UmIh.U78"),
}


def test_kratos() -> None:
    url = f"otpauth://totp/Example:kim@kratos.example?algorithm=SHA1&digits=6&issuer=Example&period=30&secret={SECRET}"
    identity = kratos(KRATOS["bcrypt"][1])
    identity["credentials"]["totp"] = {"type": "totp", "identifiers": ["7d5cd4b0"], "config": {"totp_url": url}}
    found = one("kratos", {"identities": [identity], "next_page_token": ""})
    assert read_totp(found.pop("totp_secret")) == TOTP
    assert found == {
        "email": "Kim@kratos.example",
        "name": "Kim Doe",
        "external_id": "7d5cd4b0-4a3f-4b0d-9b6f-2f3a4c8f8f0e",
        "password_hash": KRATOS["bcrypt"][1],
        "email_verified": True,
        "status": "active",
        "created_at": parse("2023-10-27T10:00:00.123456Z"),
        "updated_at": parse("2024-10-27T10:00:00.123456Z"),
        "metadata": {"plan": "pro", "metadata_public": {"seats": 5}},
        "private_metadata": {"metadata_admin": {"crm": 7}},
    }
    without = one("kratos", [kratos(None, state="inactive", traits={"username": "kim"})])
    assert "password_hash" not in without
    assert (without["email"], without["name"], without["status"]) == ("kim@kratos.example", "kim", "suspended")
    for address in (("other@kratos.example", True), ("kim@kratos.example", False)):
        addresses = [dict(zip(("value", "verified"), address, strict=True))]
        assert one("kratos", [kratos(None, verifiable_addresses=addresses)])["email_verified"] is False, address


FUSIONAUTH = {
    "id": "3c219e58-ed0e-4b18-ad48-f4f92793ae32",
    "active": True,
    "email": "fay@fusionauth.example",
    "firstName": "Fay",
    "lastName": "Doe",
    "verified": True,
    "data": {"plan": "pro"},
    "insertInstant": 1698400800000,
    "lastLoginInstant": 1730023200000,
    "encryptionScheme": "salted-pbkdf2-hmac-sha256",
    "factor": 24000,
    "salt": "MyxynF3ZgF2YfC4VjCDw7qi9l4TRTXmvHtH6NoYw9SA=",
    "password": "RJLz2sx5oEjlHp5VFRhxsrwqgNmNhdcQj3JCdWPkKpk=",
    "twoFactor": {
        "methods": [
            {"method": "sms", "mobilePhone": "555-555-5555"},
            {
                "authenticator": {"algorithm": "HmacSHA1", "codeLength": 6, "timeStep": 30},
                "method": "authenticator",
                "secret": "SGVsbG8h3q2+70hlbGxvId6tvu8=",
            },
        ]
    },
}
FUSIONAUTH_SHA512 = "n89emJ6N9cVftFEb2lH45lUKPLREU10qVHUzXDsZ+DUyP9i9HD+MmCioxrVDKBtn3x4iP0a9ukDfwQPg/FEQ2A=="


def test_fusionauth() -> None:
    found = one("fusionauth", {"users": [FUSIONAUTH], "total": 1})
    assert read_totp(found.pop("totp_secret")) == TOTP
    assert found.pop("password_hash").startswith("$pbkdf2-sha256$i=24000$")
    assert found == {
        "email": "fay@fusionauth.example",
        "name": "Fay Doe",
        "external_id": "3c219e58-ed0e-4b18-ad48-f4f92793ae32",
        "email_verified": True,
        "status": "active",
        "created_at": parse("2023-10-27T10:00:00Z"),
        "last_sign_in_at": parse("2024-10-27T10:00:00Z"),
        "private_metadata": {"data": {"plan": "pro"}},
    }
    row = {"email": "f@fusionauth.example", "full_name": "F", "expiry": 1700000000000, "data": '{"plan": "pro"}'}
    assert one(
        "fusionauth",
        [row | {"encryption_scheme": "bcrypt", "factor": 8, "salt": BCRYPT[7:29], "password": BCRYPT[29:]}],
    ) == {
        "email": "f@fusionauth.example",
        "name": "F",
        "password_hash": BCRYPT.replace("$2b$10", "$2a$08"),
        "status": "suspended",
        "private_metadata": {"data": {"plan": "pro"}},
    }
    plain = {name: value for name, value in FUSIONAUTH.items() if name != "encryptionScheme"}
    for row in (plain, {**FUSIONAUTH, "encryptionScheme": "salted-md5"}):
        with pytest.raises(UnknownHash):
            one("fusionauth", [row])


APPWRITE = {
    "$id": "5e5ea5c16897e",
    "$createdAt": "2023-10-27T10:00:00.000+00:00",
    "$updatedAt": "2024-10-27T10:00:00.000+00:00",
    "name": "App Write",
    "password": "$argon2id$v=19$m=65536,t=4,p=3$SWVxYnhJWmVMTHBTNXdmYg$I0SGl8dgCY9ywjEiSIkfJVvfM9sOsDHASS4ubF7rwB4",
    "hash": "argon2",
    "hashOptions": {"type": "argon2", "memoryCost": 65536, "timeCost": 4, "threads": 3},
    "registration": "2023-10-27T10:00:00.000+00:00",
    "status": True,
    "labels": ["vip"],
    "passwordUpdate": "2023-10-27T10:00:00.000+00:00",
    "email": "app@appwrite.example",
    "phone": "",
    "emailVerification": True,
    "phoneVerification": False,
    "mfa": False,
    "prefs": {"theme": "dark"},
    "targets": [],
    "accessedAt": "2024-10-27T10:00:00.000+00:00",
}
SCRYPT_MOD = {
    "hash": "scryptMod",
    "password": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
    "hashOptions": {
        "type": "scryptMod",
        "salt": "42xEC+ixf3L2lw==",
        "saltSeparator": "Bw==",
        "signerKey": "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
    },
}
"""The example of github.com/firebase/scrypt, whose form this is: password "user1password"."""


def test_appwrite() -> None:
    assert one("appwrite", {"total": 1, "users": [APPWRITE]}) == {
        "email": "app@appwrite.example",
        "name": "App Write",
        "external_id": "5e5ea5c16897e",
        "password_hash": APPWRITE["password"],
        "email_verified": True,
        "status": "active",
        "created_at": parse("2023-10-27T10:00:00Z"),
        "updated_at": parse("2024-10-27T10:00:00Z"),
        "metadata": {"prefs": {"theme": "dark"}},
        "private_metadata": {"labels": ["vip"]},
    }
    blocked = one("appwrite", [{**APPWRITE, "status": False, "password": "", "hash": "argon2"}])
    assert (blocked["status"], "password_hash" in blocked) == ("suspended", False)
    with pytest.raises(UnknownHash):
        one("appwrite", [{**APPWRITE, "hash": "md5", "password": "5f4dcc3b5aa765d61d8327deb882cf99"}])


ARGON2 = "$argon2i$v=19$m=8192,t=8,p=1$EwZ6U7lv83m5K4Wdu5K4vQ$ajTuoSDXqwy4B4OxXsG2I1FXK1XYejQyDM2kTwFJIv8"
LOGTO = f"""tenant_id,id,username,primary_email,primary_phone,password_encrypted,password_encryption_method,name,avatar,\
profile,application_id,identities,custom_data,logto_config,mfa_verifications,is_suspended,last_sign_in_at,created_at,updated_at
default,12characters,lo,lo@logto.example,,"{ARGON2}",Argon2i,,,"{{""givenName"": ""Lo"", ""familyName"": ""Gto""}}",,{{}},\
"{{""plan"": ""pro""}}",{{}},"[{{""id"": ""a"", ""key"": ""JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"", ""type"": ""Totp"", \
""createdAt"": ""2024-01-01T00:00:00.000Z""}}]",f,2024-10-27 10:00:00+00,2023-10-27 10:00:00.123+00,2024-10-27 10:00:00+00
"""


def test_logto() -> None:
    found = one("logto", LOGTO)
    assert read_totp(found.pop("totp_secret")) == TOTP
    assert found.pop("password_hash").startswith("$argon2i$v=19$m=8192,t=8,p=1$")
    assert found == {
        "email": "lo@logto.example",
        "name": "Lo Gto",
        "external_id": "12characters",
        "email_verified": True,
        "status": "active",
        "created_at": parse("2023-10-27T10:00:00.123Z"),
        "updated_at": parse("2024-10-27T10:00:00Z"),
        "last_sign_in_at": parse("2024-10-27T10:00:00Z"),
        "metadata": {
            "username": "lo",
            "profile": {"givenName": "Lo", "familyName": "Gto"},
        },
        "private_metadata": {"custom_data": {"plan": "pro"}},
    }
    of_api = {"id": "a", "primaryEmail": "a@logto.example", "isSuspended": True, "createdAt": 1698400800000}
    assert one("logto", [of_api])["status"] == "suspended"


def legacy(algorithm: str, *arguments: str, key: str) -> dict[str, Any]:
    """Row of a password that was imported into Logto, as `packages/core/src/utils/password.test.ts` has them."""
    return {
        "id": "old",
        "primary_email": "old@logto.example",
        "password_encrypted": json.dumps([algorithm, arguments, key]),
        "password_encryption_method": "Legacy",
    }


def test_passwords_that_were_imported_into_logto_and_that_nobody_knows() -> None:
    for row in (legacy("md5", "@", key="5f4d"), legacy("sha256", "s", "@", key="ab"), legacy("pbkdf2", "s", key="zz")):
        with pytest.raises(UnknownHash):
            one("logto", [row])


ZITADEL = {
    "userId": "104020824655659009",
    "user": {
        "userName": "zoe",
        "profile": {"firstName": "Zoe", "lastName": "Doe", "displayName": "Zoe Doe", "preferredLanguage": "en"},
        "email": {"email": "zoe@zitadel.example", "isEmailVerified": True},
        "hashedPassword": {"value": "$2a$12$aLYFkieuqJyeynvptPTxpehSViui5WeAPuR2Xw1wui9CPHEaacmFq"},
        "otpCode": SECRET,
    },
}


def test_zitadel() -> None:
    found = one("zitadel", [ZITADEL])
    assert read_totp(found.pop("totp_secret")) == TOTP
    assert found == {
        "email": "zoe@zitadel.example",
        "name": "Zoe Doe",
        "external_id": "104020824655659009",
        "password_hash": "$2a$12$aLYFkieuqJyeynvptPTxpehSViui5WeAPuR2Xw1wui9CPHEaacmFq",
        "email_verified": True,
        "status": "active",
        "metadata": {"username": "zoe", "language": "en"},
    }
    human = {
        "profile": {"givenName": "Zoe", "familyName": "Doe"},
        "email": {"email": "zoe@zitadel.example", "isVerified": True},
    }
    listed = {"userId": "1", "state": "USER_STATE_LOCKED", "username": "zoe", "human": human}
    page = {"details": {"totalResult": "3"}, "result": [listed, {"userId": "2", "machine": {"name": "bot"}}]}
    person = one("zitadel", page)
    assert (person["status"], person["email_verified"], person["name"]) == ("suspended", True, "Zoe Doe")
    assert one("zitadel", [{**listed, "state": "USER_STATE_INITIAL"}])["status"] == "invited"
    assert one("zitadel", [{**ZITADEL, "state": "USER_STATE_INITIAL"}])["status"] == "active", "they have a password"


# ---- signing in

FILES: dict[str, list[dict[str, Any]]] = {
    "kratos": [kratos(hash, id=name, traits={"email": f"{name}@kratos.example"}) for name, (_, hash) in KRATOS.items()],
    "fusionauth": [
        {**FUSIONAUTH, "twoFactor": {}},
        {
            **FUSIONAUTH,
            "id": "b",
            "twoFactor": {},
            "email": "sha512@fusionauth.example",
            "encryptionScheme": "salted-pbkdf2-hmac-sha512-512",
            "factor": 21000,
            "password": FUSIONAUTH_SHA512,
        },
        {
            **FUSIONAUTH,
            "id": "c",
            "twoFactor": {},
            "email": "bcrypt@fusionauth.example",
            "encryptionScheme": "bcrypt",
            "factor": 8,
            "salt": "0TW2DN082ugNFIpeHwAtHO",
            "password": "E9ei7.mmd2tXdNd2ao/SVzw.0epe7vm",
        },
    ],
    "appwrite": [APPWRITE, {**APPWRITE, **SCRYPT_MOD, "$id": "firebase", "email": "firebase@appwrite.example"}],
    "zitadel": [{**ZITADEL, "user": {**ZITADEL["user"], "otpCode": ""}}],
}
PASSWORDS = {
    **{f"{name}@kratos.example": password for name, (password, _) in KRATOS.items()},
    **dict.fromkeys((f"{name}@fusionauth.example" for name in ("fay", "sha512", "bcrypt")), SAME),
    "app@appwrite.example": SAME,
    "firebase@appwrite.example": "user1password",
    "lo@logto.example": SAME,
    "old@logto.example": SAME,
    "zoe@zitadel.example": "password",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("providers") / "data"
    for system, people in FILES.items():
        load(data, system, json.dumps(people))
    load(data, "logto", LOGTO.replace('"Totp', '"No'))
    key = pbkdf2_hmac("sha256", SAME.encode(), bytes.fromhex("80ff00414243"), 1000, 32).hex()
    load(data, "logto", json.dumps([legacy("pbkdf2", "hex:80ff00414243", "1000", "32", "sha256", "@", key=key)]))
    with running(data) as server:
        yield server


def load(data: Path, system: str, text: str) -> None:
    good("users", "import", "-", "--from", system, "--data", str(data), input=text)


def test_people_sign_in_with_the_password_that_they_had_there(server: Server) -> None:
    with server.http() as http:
        for email, password in PASSWORDS.items():
            answer = http.post("/v1/users/verify-password", json={"email": email, "password": password})
            assert answer.status_code == 200, (email, answer.text)
