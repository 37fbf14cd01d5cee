"""Signatures of Standard Webhooks."""

from __future__ import annotations

import base64

import pytest

from rollbook.delivery import signing


def test_a_signature_is_the_one_of_the_specification() -> None:
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signing.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [key]) == [
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]


def test_secrets_are_new_and_read_back() -> None:
    secrets = {signing.new_secret() for _ in range(100)}
    assert len(secrets) == 100
    assert {len(signing.key(secret)) for secret in secrets} == {signing.SIZE}
    for text in ("", "whsec_", "whsec_AAAA", "AAAA", "whsec_" + "!" * 44, next(iter(secrets))[6:]):
        with pytest.raises(ValueError, match="not a webhook secret"):
            signing.key(text)
