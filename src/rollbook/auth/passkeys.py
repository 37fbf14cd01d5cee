"""Passkeys (WebAuthn level 3): the options that a browser gets, and the check of what its authenticator signs.

A challenge is a time, a random number and their signature, as in `devices`: nothing is stored before it is used, so
whoever looks at a page with one makes the server write nothing. It is about one thing, such as one user's registration,
and is refused for any other. That it works once is for the caller to hold.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from rollbook import clock
from rollbook.auth.server_secret import Secret
from rollbook.auth.tokens import decoded_or_empty, encoded

if TYPE_CHECKING:
    from fido2.server import Fido2Server
    from fido2.webauthn import AuthenticationResponse, AuthenticatorData, CollectedClientData

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


class Descriptor(NamedTuple):
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
    parsed: AuthenticationResponse


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
    party: RelyingParty, shown_as: str, user_id: str, email: str, name: str, text: str, passkeys: Iterable[Descriptor]
) -> dict[str, Any]:
    """Options for a new passkey: one that the authenticator finds by itself, and only gives to whom it recognizes."""
    return {
        "rp": {"id": party.id, "name": shown_as},
        "user": {"id": encoded(user_id.encode()), "name": email, "displayName": name},
        "challenge": encoded(text.encode()),
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in ALGORITHMS],
        "timeout": VALID // 1_000,
        "excludeCredentials": _descriptors(passkeys),
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


def request_options(party: RelyingParty, text: str, passkeys: Iterable[Descriptor] = ()) -> dict[str, Any]:
    """Options for the use of one of these passkeys; of none, for whichever the person has."""
    return {
        "rpId": party.id,
        "challenge": encoded(text.encode()),
        "timeout": VALID // 1_000,
        "allowCredentials": _descriptors(passkeys),
        "userVerification": "required",
    }


def _descriptors(passkeys: Iterable[Descriptor]) -> list[dict[str, Any]]:
    return [
        {"type": "public-key", "id": encoded(passkey.credential_id), "transports": list(passkey.transports)}
        for passkey in passkeys
    ]


# ---- what comes back


def registered(secret: Secret, party: RelyingParty, about: str, credential: str) -> NewPasskey:
    """The passkey of a registration. Raises Refused."""
    # Imported here: a tenth of a second, for those who have a passkey.
    from fido2 import cbor
    from fido2.webauthn import RegistrationResponse

    with _refusing(credential):
        answer = json.loads(credential)
        parsed = RegistrationResponse.from_dict(answer)
        client = parsed.response.client_data
        challenge = client.challenge.decode()
        begun = begun_at(secret, about, challenge)
        data = _server(party).register_complete(_asked_for(challenge), parsed)
        _check(client, data)
        created = data.credential_data
        if created is None or not created.credential_id or created.public_key[3] not in ALGORITHMS:
            raise Refused("a credential without an ID, or of an algorithm that was not asked for")
        transports = answer["response"].get("transports") or ()
        return NewPasskey(
            created.credential_id,
            cbor.encode(created.public_key),
            data.counter,
            tuple(transport for transport in TRANSPORTS if transport in transports),
            challenge,
            begun,
        )


def assertion(credential: str) -> Assertion:
    """Raises Refused."""
    from fido2.webauthn import AuthenticationResponse

    with _refusing(credential):
        parsed = AuthenticationResponse.from_dict(json.loads(credential))
        response = parsed.response
        _check(response.client_data, response.authenticator_data)
        return Assertion(parsed.raw_id, response.client_data.challenge.decode(), response.user_handle, parsed)


def verified(party: RelyingParty, answer: Assertion, public_key: bytes, sign_count: int) -> int:
    """The new sign counter of a passkey which has signed this. One that does not rise is that of a copy. Raises
    Refused."""
    from fido2.webauthn import AttestedCredentialData

    with _refusing():
        id = answer.credential_id
        credential = AttestedCredentialData(bytes(16) + len(id).to_bytes(2, "big") + id + public_key)
        _server(party).authenticate_complete(_asked_for(answer.challenge), [credential], answer.parsed)
        count = answer.parsed.response.authenticator_data.counter
        if count <= sign_count and (count or sign_count):
            raise Refused(f"a sign count of {count} after one of {sign_count}")
        return count


@contextmanager
def _refusing(credential: str = "") -> Iterator[None]:
    """The library parses whatever a stranger sends: each failure is a refusal."""
    if len(credential) > MAX_LENGTH:
        raise Refused("too long")
    try:
        yield
    except Refused:
        raise
    except Exception as problem:
        raise Refused(str(problem)) from problem


def _server(party: RelyingParty) -> Fido2Server:
    from fido2.server import Fido2Server
    from fido2.webauthn import PublicKeyCredentialRpEntity

    # Our origin alone: the library would accept those of all hosts below ours.
    return Fido2Server(PublicKeyCredentialRpEntity(name="", id=party.id), verify_origin=party.origin.__eq__)


def _asked_for(challenge: str) -> dict[str, str]:
    """The options that were sent, as the library remembers them."""
    return {"challenge": encoded(challenge.encode()), "user_verification": "required"}


def _check(client: CollectedClientData, data: AuthenticatorData) -> None:
    """Our pages are in no one's frame, and only what can be backed up is (level 3, section 7.1): the library checks
    neither."""
    if client.cross_origin:
        raise Refused("asked for in a frame of another site")
    if data.is_backed_up() and not data.is_backup_eligible():
        raise Refused("backed up, though it can't be")
