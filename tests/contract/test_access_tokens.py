"""Signed access tokens of applications' sessions: what they say, who can verify them, and the life of their keys."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import jwt
import pytest

from rollbook.actions.app_sessions import ANNOUNCED, LEEWAY, LIFETIME, SIGNS
from tests.engines import once
from tests.harness import Server, new_user, running

SHOP = "https://shop.example.com"
ISSUER = "https://users.example.com"
JWKS = "/.well-known/jwks.json"


@pytest.fixture
def signing(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "data", "--access-tokens", "--public-url", ISSUER, "--rate-limit", "none") as server:
        yield server


def create(http: httpx2.Client, user: dict[str, Any]) -> dict[str, Any]:
    body = {"email": user["email"], "password": user["password"], "audience": SHOP}
    answer = http.post("/v1/sessions", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


def keys_of(server: Server) -> list[dict[str, Any]]:
    with server.http(None) as stranger:
        answer = stranger.get(JWKS)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "public, max-age=300"
    return answer.json()["keys"]


class Token(NamedTuple):
    header: dict[str, Any]
    claims: dict[str, Any]


def decoded(text: str, keys: list[dict[str, Any]]) -> Token:
    """As a service does that has only read the keys. Raises KeyError if none of them is named, and what PyJWT raises."""
    key = jwt.PyJWKSet.from_dict({"keys": keys})[jwt.get_unverified_header(text)["kid"]]
    on_clock_of_server = {"verify_exp": False, "verify_iat": False}
    made = jwt.decode_complete(text, key, ["EdDSA"], on_clock_of_server, audience=SHOP, issuer=ISSUER)
    return Token(made["header"], made["payload"])


def test_without_the_setting_there_are_none(server: Server, http: httpx2.Client, user: dict) -> None:
    made = create(http, user)
    assert "access_token" not in made and "access_expires_at" not in made
    assert keys_of(server) == []


def test_a_session_brings_a_token_that_the_published_keys_verify(signing: Server) -> None:
    with signing.http() as http:
        user = new_user(http)
        made = create(http, user)
        (key,) = keys_of(signing)
        assert set(key) == {"kty", "crv", "alg", "use", "kid", "x"}, "never the private part"
        body = {"refresh_token": made["refresh_token"], "audience": SHOP}
        refreshed = http.post("/v1/sessions/refresh", json=body).json()
        for each in (made, refreshed):
            token = decoded(each["access_token"], [key])
            assert token.header == {"typ": "JWT", "alg": "EdDSA", "kid": key["kid"]}
            claims = token.claims
            assert claims["exp"] - claims["iat"] == 300 and abs(claims["iat"] - time.time()) < 60
            assert claims == {
                "iss": ISSUER,
                "aud": SHOP,
                "sub": user["id"],
                "sid": made["id"],
                "iat": claims["iat"],
                "exp": claims["exp"],
            }
        other = {**key, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
        with pytest.raises(jwt.InvalidSignatureError):
            decoded(made["access_token"], [other])
        text = made["access_token"]
        assert text not in json.dumps(http.get("/v1/events").json()) and text not in signing.log.read_text()
        answer = http.post("/v1/sessions/verify", json={"token": text, "audience": SHOP})
        assert answer.status_code == 400 or answer.json()["code"] == "session_ended", "it is no token of a session"


def test_the_next_key_is_published_before_it_signs_and_the_last_until_its_tokens_have_expired(signing: Server) -> None:
    def pass_to(microseconds: int) -> None:
        signing.pass_time(microseconds / 1_000_000)
        signing.stop()
        signing.start()  # the job looks as soon as this server leads

    def wait_for(count: int) -> list[dict[str, Any]]:
        deadline = time.monotonic() + 60
        while len(keys := keys_of(signing)) != count:
            assert time.monotonic() < deadline, keys
            time.sleep(0.05)
        return keys

    with signing.http() as http:
        user = new_user(http)

        def kid() -> str:
            text = create(http, user)["access_token"]
            token = decoded(text, keys_of(signing))
            return str(token.header["kid"])

        first = kid()
        pass_to(SIGNS - ANNOUNCED + 1)
        published = wait_for(2)
        assert kid() == first, "it signs until the next one is known"
        pass_to(SIGNS + 60_000_000)
        second = kid()
        assert second != first and {second, first} == {key["kid"] for key in published}
        assert len(wait_for(2)) == 2, "tokens that the first has signed are still good"
        pass_to(SIGNS + LIFETIME + LEEWAY + 60_000_000)
        (left,) = wait_for(1)
        assert left["kid"] == second == kid()


@once
def test_keys_go_on_signing_when_the_servers_secret_is_changed(signing: Server) -> None:
    with signing.http() as http:
        user = new_user(http)
        (before,) = [decoded(create(http, user)["access_token"], keys_of(signing)).header["kid"]]
        signing.stop()
        for step in ("rotate", "forget"):
            assert signing.rollbook("secret", step, "--json", "--data", str(signing.data)).returncode == 0
        signing.start()
        token = decoded(create(http, user)["access_token"], keys_of(signing))
        assert token.header["kid"] == before and token.claims["sub"] == user["id"]


def test_renewed_keys_end_what_the_others_have_signed(signing: Server) -> None:
    with signing.http() as http:
        user = new_user(http)
        before = create(http, user)
        (old,) = keys_of(signing)
        done = signing.rollbook("secret", "renew-access-keys", "--json", "--data", str(signing.data))
        (new,) = keys_of(signing)
        assert json.loads(done.stdout) == {"id": new["kid"]} and new["kid"] != old["kid"]
        with pytest.raises(KeyError):
            decoded(before["access_token"], [new])
        assert decoded(create(http, user)["access_token"], [new]).claims["sub"] == user["id"]
        # The session itself goes on: only what was signed is void.
        body = {"token": before["token"], "audience": SHOP}
        assert http.post("/v1/sessions/verify", json=body).status_code == 200
