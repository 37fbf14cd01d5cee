"""Passkeys (WebAuthn level 3): the options that a browser gets, and the check of what its authenticator signs.

A challenge is a time, a random number and their signature, as in `devices`: nothing is stored before it is used, so
whoever looks at a page with one makes the server write nothing. It is about one thing, such as one user's registration,
and is refused for any other. That it works once is for the caller to hold.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any, NamedTuple

from rollbook import clock
from rollbook.auth.server_secret import Secret
from rollbook.auth.tokens import decoded_or_empty, encoded

VALID = 5 * clock.MINUTE
"""The time in which a challenge can be answered, in microseconds."""
MAX_LENGTH = 6_144
"""Characters of a credential that are looked at: one with a certificate of its maker and an RSA key fits in."""
TRANSPORTS = ("ble", "cable", "hybrid", "internal", "nfc", "smart-card", "usb")
"""Ways to reach an authenticator, which browsers tell at registration and want to be told again."""
ALGORITHMS = (-8, -7, -257)
"""EdDSA, ES256 and RS256 (RFC 9053): the best first, and RSA for Windows Hello."""

_BYTES = 16


class RelyingParty(NamedTuple):
    """This server, as authenticators know it: a passkey works for its host alone."""

    id: str
    origin: str


class Refused(ValueError):
    """The credential is none, is for something else, or was not signed by the passkey that it names."""


class Described(NamedTuple):
    """A passkey in the options of a browser."""

    credential_id: bytes
    transports: tuple[str, ...]


class NewPasskey(NamedTuple):
    """A passkey that a browser has registered, and the challenge with which it was."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    challenge: str
    begun_at: int


class Assertion(NamedTuple):
    """A signature of an authenticator: not verified yet."""

    credential_id: bytes
    challenge: str
    user_handle: bytes | None
    parsed: Any


# ---- challenges


def challenge(secret: Secret, about: str) -> str:
    start = f"{clock.now():x}.{secrets.token_urlsafe(_BYTES)}"
    return f"{start}.{encoded(secret.mac('passkeys', _signed(about, start)))}"


def begun_at(secret: Secret, about: str, text: str) -> int:
    """The time of a challenge about this. Raises Refused if it has expired, or is about something else."""
    start, _, signature = text.rpartition(".")
    if not text.isascii() or not secret.has_mac("passkeys", _signed(about, start), decoded_or_empty(signature)):
        raise Refused("not a challenge about this")
    at = int(start.partition(".")[0], 16)
    if at + VALID <= clock.now():
        raise Refused("the challenge has expired")
    return at


def _signed(about: str, start: str) -> bytes:
    return f"{about} {start}".encode()


# ---- options, as `PublicKeyCredential.toJSON` and its opposite have them (level 3, section 5.1)


def creation_options(
    party: RelyingParty, shown_as: str, user_id: str, email: str, name: str, text: str, known: Iterable[Described]
) -> dict[str, Any]:
    """Options for a new passkey: one that the authenticator finds by itself, and only gives to whom it recognizes."""
    return {
        "rp": {"id": party.id, "name": shown_as},
        "user": {"id": encoded(user_id.encode()), "name": email, "displayName": name},
        "challenge": encoded(text.encode()),
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in ALGORITHMS],
        "timeout": VALID // 1_000,
        "excludeCredentials": _descriptors(known),
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


def request_options(party: RelyingParty, text: str, known: Iterable[Described] = ()) -> dict[str, Any]:
    """Options for the use of one of these passkeys; of none, for whichever the person has."""
    return {
        "rpId": party.id,
        "challenge": encoded(text.encode()),
        "timeout": VALID // 1_000,
        "allowCredentials": _descriptors(known),
        "userVerification": "required",
    }


def _descriptors(known: Iterable[Described]) -> list[dict[str, Any]]:
    return [
        {"type": "public-key", "id": encoded(each.credential_id), "transports": list(each.transports)} for each in known
    ]


# ---- what comes back


def registered(secret: Secret, party: RelyingParty, about: str, credential: str) -> NewPasskey:
    """The passkey of a registration. Raises Refused."""
    # Imported here: a fifth of a second, for those who have a passkey.
    from webauthn import verify_registration_response
    from webauthn.helpers import parse_client_data_json, parse_registration_credential_json
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    if len(credential) > MAX_LENGTH:
        raise Refused("too long")
    try:
        parsed = parse_registration_credential_json(credential)
        client = parse_client_data_json(parsed.response.client_data_json)
        challenge = client.challenge.decode()
        begun = begun_at(secret, about, challenge)
        made = verify_registration_response(
            credential=parsed,
            expected_challenge=client.challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            require_user_verification=True,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(alg) for alg in ALGORITHMS],
        )
    except Refused:
        raise
    except Exception as problem:  # the library parses whatever a stranger sends: each failure is a refusal
        raise Refused(str(problem)) from problem
    _check_frame(client)
    transports = {getattr(each, "value", each) for each in parsed.response.transports or ()}
    return NewPasskey(
        made.credential_id,
        made.credential_public_key,
        made.sign_count,
        tuple(each for each in TRANSPORTS if each in transports),
        challenge,
        begun,
    )


def assertion(credential: str) -> Assertion:
    """Raises Refused."""
    from webauthn.helpers import parse_authentication_credential_json, parse_client_data_json

    if len(credential) > MAX_LENGTH:
        raise Refused("too long")
    try:
        parsed = parse_authentication_credential_json(credential)
        client = parse_client_data_json(parsed.response.client_data_json)
        text = client.challenge.decode()
    except Exception as problem:  # as above
        raise Refused(str(problem)) from problem
    _check_frame(client)
    return Assertion(parsed.raw_id, text, parsed.response.user_handle, parsed)


def verified(party: RelyingParty, given: Assertion, public_key: bytes, sign_count: int) -> int:
    """The new sign counter of a passkey which has signed this. One that does not rise is that of a copy. Raises
    Refused."""
    from webauthn import verify_authentication_response

    try:
        done = verify_authentication_response(
            credential=given.parsed,
            expected_challenge=given.challenge.encode(),
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except Exception as problem:  # as above
        raise Refused(str(problem)) from problem
    return done.new_sign_count


def _check_frame(client: Any) -> None:
    """Our pages are in no one's frame."""
    if client.cross_origin:
        raise Refused("asked for in a frame of another site")
