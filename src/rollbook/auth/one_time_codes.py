"""Codes of authenticator apps (TOTP, RFC 6238), and recovery codes for those who have lost theirs."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import b32decode, b32encode
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import parse_qs, urlsplit

from rollbook import clock

if TYPE_CHECKING:
    from pyotp import TOTP

Algorithm = Literal["sha1", "sha256", "sha512"]

WINDOW = 1
"""Steps before and after the current one whose codes are accepted: clocks differ, and typing takes a while."""
NEW_BYTES = 20
"""Bytes of a new secret, as RFC 4226 section 4 recommends."""
MIN_BYTES, MAX_BYTES = 10, 128
"""Bytes of a secret that another system has made: apps have long taken 80 bits."""
RECOVERY_CODES = 10

# Crockford's base32: no letter looks like a digit. 24 of them are 120 bits, so that a fast digest is enough.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_GROUPS, _GROUP = 6, 4
_IS_RECOVERY_CODE = re.compile(rf"[{_ALPHABET}]{{{_GROUPS * _GROUP}}}").fullmatch
_BETWEEN = " -\t"
"""Characters that people write between groups."""
_READ_AS = str.maketrans("ilo", "110", _BETWEEN)
_WITHOUT_GROUPS = str.maketrans("", "", _BETWEEN)
_DIGITS = re.compile(r"[0-9]{6,8}").fullmatch


class Totp(NamedTuple):
    """The secret of an authenticator app, and how it makes codes from it."""

    secret: bytes
    digits: int = 6
    period: int = 30
    """Seconds in which there is another code."""
    algorithm: Algorithm = "sha1"

    def __repr__(self) -> str:
        return "<Totp>"

    @property
    def text(self) -> str:
        """The secret as people type it into an app: base32 without padding."""
        return b32encode(self.secret).decode().rstrip("=")

    def packed(self) -> bytes:
        """The form that is sealed."""
        return f"{self.algorithm}:{self.digits}:{self.period}:{self.text}".encode()

    def url(self, account: str, issuer: str) -> str:
        """The content of the QR code (Key Uri Format)."""
        return self._otp(account, issuer.replace(":", " ")).provisioning_uri()

    def step(self, code: str, after: int | None) -> int | None:
        """The step that this code is of, if it is one around now and later than `after`: a code works once. Compares
        with all of them, in constant time."""
        now, otp, hit = clock.now() // clock.SECOND // self.period, self._otp(), None
        for step in range(max(0, now - WINDOW), now + WINDOW + 1):
            is_it = hmac.compare_digest(otp.generate_otp(step).encode(), code.encode("utf-8", "surrogatepass"))
            if is_it and (after is None or step > after):
                hit = step
        return hit

    def _otp(self, account: str | None = None, issuer: str | None = None) -> TOTP:
        from pyotp import TOTP

        class Otp(TOTP):
            min_secret_length_bits = 8 * MIN_BYTES

        return Otp(
            self.text,
            digits=self.digits,
            digest=getattr(hashlib, self.algorithm),
            name=account,
            issuer=issuer,
            interval=self.period,
        )


def new_totp() -> Totp:
    return Totp(secrets.token_bytes(NEW_BYTES))


def unpacked(text: bytes) -> Totp:
    """The opposite of `packed`."""
    algorithm, digits, period, secret = text.decode().split(":")
    return Totp(_decoded(secret), int(digits), int(period), algorithm)  # type: ignore[arg-type]


def read_totp(text: str) -> Totp:
    """A secret that another system has made: base32, or an `otpauth://totp/` URL. Raises ValueError, whose message
    never repeats it."""
    if not text.lower().startswith("otpauth:"):
        return checked(Totp(_decoded(text)))
    try:
        parts = urlsplit(text)
        fields = {name: values[-1] for name, values in parse_qs(parts.query, max_num_fields=16).items()}
        digits, period = int(fields.get("digits", "6")), int(fields.get("period", "30"))
    except ValueError:
        raise ValueError("must be a secret in base32, or an otpauth://totp/ URL") from None
    if parts.netloc.lower() != "totp":
        raise ValueError("must be an otpauth://totp/ URL: codes that count (HOTP) are not supported")
    return checked(
        Totp(_decoded(fields.get("secret", "")), digits, period, algorithm_named(fields.get("algorithm", "sha1")))
    )


def algorithm_named(text: str) -> Algorithm:
    """Raises ValueError."""
    name = text.lower().replace("-", "").removeprefix("hmac")
    if name not in ("sha1", "sha256", "sha512"):
        raise ValueError("must have the algorithm SHA1, SHA256 or SHA512")
    return name  # type: ignore[return-value]


def checked(totp: Totp) -> Totp:
    """Raises ValueError."""
    if not MIN_BYTES <= len(totp.secret) <= MAX_BYTES:
        raise ValueError(f"must have {MIN_BYTES} to {MAX_BYTES} bytes")
    if totp.digits not in (6, 7, 8) or not 10 <= totp.period <= 120:
        raise ValueError("must have 6 to 8 digits and a period of 10 to 120 seconds")
    return totp


def _decoded(text: str) -> bytes:
    text = text.translate(_WITHOUT_GROUPS).upper().rstrip("=")
    try:
        return b32decode(text + "=" * (-len(text) % 8))
    except ValueError:
        raise ValueError("must be a secret in base32, or an otpauth://totp/ URL") from None


def mint_recovery_codes() -> tuple[str, ...]:
    """New recovery codes, such as `k3x9-7dqm-2vtw-8hjn-5r4c-p6ya`."""
    return tuple(
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
        for _ in range(RECOVERY_CODES)
    )


def recovery_digest(user_id: str, code: str) -> bytes | None:
    """Digest of a recovery code, however it is typed; None if it can't be one."""
    read = code.lower().translate(_READ_AS)
    return sha256(f"{user_id} {read}".encode()).digest() if _IS_RECOVERY_CODE(read) else None


def as_digits(code: str) -> str | None:
    """The digits of a code, which apps show in groups; None if it can't be one of an app."""
    read = code.translate(_WITHOUT_GROUPS)
    return read if _DIGITS(read) else None
