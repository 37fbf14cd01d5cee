"""Passkeys: what an authenticator has signed is accepted for what it was asked for, and for nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cbor2
import pytest

from rollbook import clock
from rollbook.auth import passkeys
from rollbook.auth.passkeys import NewPasskey, Refused, RelyingParty
from rollbook.auth.server_secret import Secret
from rollbook.auth.tokens import encoded
from tests.authenticator import BACKED_UP, PRESENT, VERIFIED, Authenticator, decoded

SECRET = Secret(b"s" * 32)
PARTY = RelyingParty("id.example.com", "https://id.example.com")
ABOUT = "register ses_1"


def creation(about: str = ABOUT) -> dict[str, Any]:
    text = passkeys.challenge(SECRET, about)
    return passkeys.creation_options(PARTY, "Example", "user_1", "ann@example.com", "Ann", text, [])


def request(about: str = "sign in") -> dict[str, Any]:
    return passkeys.request_options(PARTY, passkeys.challenge(SECRET, about))


def registered(device: Authenticator, origin: str = PARTY.origin, **wrong: Any) -> NewPasskey:
    return passkeys.registered(SECRET, PARTY, ABOUT, device.create(creation(), origin, **wrong))


def verified(credential: str, made: NewPasskey, count: int, about: str = "sign in") -> int:
    given = passkeys.assertion(credential)
    passkeys.begun_at(SECRET, about, given.challenge)
    assert given.credential_id == made.credential_id
    return passkeys.verified(PARTY, given, made.public_key, count)


def test_a_passkey_signs_what_it_is_asked_to() -> None:
    device = Authenticator()
    made = registered(device)
    assert (made.credential_id, made.transports) == (device.id, ("usb",))
    count = made.sign_count
    for _ in range(3):
        given = passkeys.assertion(device.get(request(), PARTY.origin))
        assert given.user_handle == b"user_1"
        before, count = count, passkeys.verified(PARTY, given, made.public_key, count)
        assert count > before
    synced = Authenticator(count=None)
    made = registered(synced)
    assert [verified(synced.get(request(), PARTY.origin), made, 0) for _ in range(2)] == [0, 0]


@pytest.mark.parametrize("algorithm", passkeys.ALGORITHMS)
def test_a_passkey_of_each_algorithm_that_is_asked_for_signs_and_is_stored_as_cose(algorithm: int) -> None:
    device = Authenticator(algorithm=algorithm)
    made = registered(device)
    assert made.public_key == cbor2.dumps(device.public, canonical=True), "so that any library reads it"
    assert verified(device.get(request(), PARTY.origin), made, 0) == 1


def test_a_passkey_of_another_algorithm_or_without_an_id_is_refused() -> None:
    nameless = Authenticator()
    nameless.id = b""
    for device in (Authenticator(named=-35), nameless):
        with pytest.raises(Refused, match="without an ID, or of an algorithm"):
            registered(device)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://id.example.com.evil.test"},
        {"origin": "http://id.example.com"},
        {"type": "webauthn.create"},
        {"type": "payment.get"},
        {"crossOrigin": True},
        {"flags": PRESENT},
        {"flags": VERIFIED},
        {"flags": PRESENT | VERIFIED | BACKED_UP},
        {"challenge": "bm90IG91cnM"},
    ],
)
def test_what_is_signed_otherwise_is_refused(wrong: dict[str, Any]) -> None:
    device = Authenticator()
    made = registered(device)
    origin = wrong.pop("origin", PARTY.origin)
    with pytest.raises(Refused):
        verified(device.get(request(), origin, **wrong), made, 0)
    assert verified(device.get(request(), PARTY.origin), made, 0) == 2
    if wrong.get("type") != "webauthn.create":
        with pytest.raises(Refused):
            registered(Authenticator(), origin, **wrong)


def test_a_passkey_of_another_host_or_key_is_refused() -> None:
    device, other = Authenticator(), Authenticator()
    made = registered(device)
    elsewhere = request() | {"rpId": "example.com"}
    with pytest.raises(Refused):
        verified(device.get(elsewhere, PARTY.origin), made, 0)
    other.id = device.id
    with pytest.raises(Refused):
        verified(other.get(request(), PARTY.origin), made, 0)


def test_a_copy_whose_counter_does_not_rise_is_refused() -> None:
    device = Authenticator()
    made = registered(device)
    clone = device.copy()
    count = verified(device.get(request(), PARTY.origin), made, made.sign_count)
    with pytest.raises(Refused, match="sign count"):
        verified(clone.get(request(), PARTY.origin), made, count)


def test_a_challenge_is_about_one_thing_and_valid_for_five_minutes() -> None:
    text = passkeys.challenge(SECRET, "sign in")
    assert passkeys.begun_at(SECRET, "sign in", text) <= clock.now()
    other = text[:-2] + ("AA" if text[-2] != "A" else "BA")
    for about, given in (("prove ses_1", text), ("sign in", other), ("sign in", ""), ("sign in", "ä..")):
        with pytest.raises(Refused):
            passkeys.begun_at(SECRET, about, given)
    with pytest.raises(Refused):
        passkeys.begun_at(Secret(b"t" * 32), "sign in", text)
    start = f"{clock.now() - passkeys.VALID:x}.r"
    old = f"{start}.{encoded(SECRET.mac('passkeys', f'sign in {start}'.encode()))}"
    with pytest.raises(Refused, match="expired"):
        passkeys.begun_at(SECRET, "sign in", old)


def test_whatever_bytes_are_sent_they_are_refused() -> None:
    rng = random.Random(7)
    device = Authenticator()
    made = registered(device)
    good = [device.create(creation(), PARTY.origin), device.get(request(), PARTY.origin)]
    sent = ["", "{}", "[]", "null", "[" * 5_000, "x" * 7_000, '{"id": 1}', *map(broken(rng), good * 150)]
    for text in sent:
        with suppress(Refused):  # what a registration says of the authenticator is signed by nobody
            passkeys.registered(SECRET, PARTY, ABOUT, text)
        try:
            verified(text, made, 0)
        except Refused:
            continue
        assert signed(text) == signed(good[1]), "the last letter of base64 has bits that say nothing"


def broken(rng: random.Random) -> Callable[[str], str]:
    """Changes one letter of what is signed, or of the signature."""

    def change(text: str) -> str:
        answer = json.loads(text)
        part = answer["response"]
        name = rng.choice([each for each in part if each not in ("transports", "userHandle")])
        at = rng.randrange(len(part[name]))
        part[name] = part[name][:at] + rng.choice(["", "A", "_", "é", "AAAA"]) + part[name][at + 1 :]
        return json.dumps(answer)

    return change


def signed(text: str) -> list[bytes]:
    part = json.loads(text)["response"]
    return [decoded(part[each]) for each in sorted(part) if each not in ("transports", "userHandle")]
