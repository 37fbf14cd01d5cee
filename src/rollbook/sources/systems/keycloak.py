"""Reads users of Keycloak from the export of a realm (JSON), with their password hashes."""

from __future__ import annotations

from typing import Any

from rollbook.sources.values import (
    PLAIN_HASH,
    UNKNOWN_HASH,
    Fields,
    Record,
    active_if,
    fields,
    flag,
    full_name,
    json_object,
    json_objects,
    otpauth_url,
    text,
    time,
)


def convert(row: Record) -> Fields | None:
    if text(row.get("serviceAccountClientId")):  # a client's, not a person's
        return None
    email = text(row.get("email"))
    return fields(
        email=email,
        name=full_name(row, ("firstName", "lastName"), "username"),
        external_id=text(row.get("id")),
        password_hash=_password(row.get("credentials")),
        totp_secret=_totp(row.get("credentials")),
        email_verified=flag(row.get("emailVerified")),
        status=active_if(row.get("enabled")),
        created_at=time(row.get("createdTimestamp")),
        metadata=fields(
            username=text(row.get("username")),
            federated_identities=[
                f"{identity.get('identityProvider')}:{identity.get('userId')}"
                for identity in json_objects("federatedIdentities", row.get("federatedIdentities"))
            ]
            or None,
        ),
        private_metadata=fields(
            attributes=json_object("attributes", row.get("attributes")),
            realm_roles=row.get("realmRoles") or None,
            client_roles=json_object("clientRoles", row.get("clientRoles")),
            groups=row.get("groups") or None,
        ),
    )


def _password(credentials: Any) -> str | None:
    for credential in json_objects("credentials", credentials):
        if credential.get("type") == "password":
            if credential.get("secretData"):
                secret = json_object("credentials", credential["secretData"])
                about = json_object("credentials", credential.get("credentialData"))
                return _hash(about, text(secret.get("salt")) or "", text(secret.get("value")) or "")
            if credential.get("hashedSaltedValue"):
                return _older_hash(credential)
            if credential.get("value"):  # a plain password, which files written by hand have
                return PLAIN_HASH
    return None


def _totp(credentials: Any) -> str | None:
    """The secret of the first authenticator app. Keycloak makes codes of the text itself, unless it says that the text
    is base32 (its OTPCredentialModel). Codes that count (HOTP) are left out."""
    for credential in json_objects("credentials", credentials):
        if credential.get("type") not in ("otp", "totp"):
            continue
        if credential.get("secretData"):
            about = json_object("credentials", credential.get("credentialData"))
            value = text(json_object("credentials", credential["secretData"]).get("value"))
        else:  # the form before Keycloak 8
            about = {**credential, "subType": credential["type"]}
            value = text(credential.get("value"))
        if value is None or about.get("subType") != "totp":
            continue
        is_base32 = (text(about.get("secretEncoding")) or "").upper() == "BASE32"
        secret = value.replace(" ", "").rstrip("=") if is_base32 else value.encode()
        return otpauth_url(secret, about.get("digits"), about.get("period"), about.get("algorithm"))
    return None


def _older_hash(credential: Record) -> str:
    """From the form before Keycloak 8, which later versions still import (their RepresentationToModel,
    convertDeprecatedCredentialsFormat): the same values, beside each other. Where the algorithm is missing or that of
    one-time passwords, it is PBKDF2 with SHA-1."""
    algorithm = text(credential.get("algorithm"))
    about = {
        "algorithm": "pbkdf2" if algorithm in (None, "HmacSHA1") else algorithm,
        "hashIterations": credential.get("hashIterations"),
    }
    return _hash(about, text(credential.get("salt")) or "", text(credential.get("hashedSaltedValue")) or "")


def _hash(about: Record, salt: str, value: str) -> str:
    """From Keycloak's two JSON texts, where algorithm, salt and digest are apart and base64, to the usual one."""
    algorithm, passes = text(about.get("algorithm")) or "", about.get("hashIterations")
    if algorithm == "argon2":
        more = {
            name: values[0]
            for name, values in json_object("credentials", about.get("additionalParameters")).items()
            if values
        }
        version = 16 if more.get("version") == "1.0" else 19
        return (
            f"$argon2{more.get('type', 'id')}$v={version}$m={more.get('memory')}"
            f",t={passes},p={more.get('parallelism', 1)}"
            f"${salt.rstrip('=')}${value.rstrip('=')}"
        )
    if algorithm in ("pbkdf2", "pbkdf2-sha256", "pbkdf2-sha512"):
        return f"$pbkdf2-{algorithm.partition('-')[2] or 'sha1'}$i={passes}${salt}${value}"
    if algorithm == "bcrypt":  # an extension that many realms have: the whole hash is the value
        return value
    return UNKNOWN_HASH
