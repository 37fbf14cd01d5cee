"""Device cookies: a browser shows that a user has signed in with it before, so strangers' guesses don't lock that user
out.

After the "device cookies" protocol of OWASP
(https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies). The cookie signs no one in: its
holder has attempts of their own at one account, and needs the password as anyone else. It names no user.
"""

from __future__ import annotations

import secrets

from rollbook import clock
from rollbook.auth.base64url import decoded_or_empty, encoded
from rollbook.auth.server_secret import Secret

VALID = 180 * clock.DAY
"""The time that a browser is known after the last sign-in, in microseconds."""
MAX_LENGTH = 100
"""Characters of a cookie that is looked at."""

_BYTES = 12


def mint(secret: Secret, user_id: str) -> str:
    """A cookie for the browser in which this user has just signed in: the time, a random number and their signature,
    separated by dots."""
    start = f"{clock.now() // clock.SECOND:x}.{secrets.token_urlsafe(_BYTES)}"
    return f"{start}.{encoded(secret.mac('devices', _signed(user_id, start)))}"


def known(secret: Secret, user_id: str, cookie: str) -> str | None:
    """The random number of a cookie that this user's sign-in left in a browser; None if it is another's, invalid or
    older than VALID."""
    start, _, signature = cookie.rpartition(".")
    made, _, device = start.partition(".")
    if (
        len(cookie) > MAX_LENGTH
        or not cookie.isascii()
        or not secret.has_mac("devices", _signed(user_id, start), decoded_or_empty(signature))
    ):
        return None
    return device if clock.now() < int(made, 16) * clock.SECOND + VALID else None


def _signed(user_id: str, start: str) -> bytes:
    return f"{user_id} {start}".encode()
