"""Authenticator apps of people in tests: what is on their phones."""

from __future__ import annotations

import time
from typing import Any

import httpx2
from pyotp import TOTP

PERIOD = 30


class App:
    """An authenticator app with the secret of one account."""

    def __init__(self, secret: str, factor_id: str = "", recovery_codes: tuple[str, ...] = ()) -> None:
        self.secret = secret
        self.factor_id = factor_id
        self.recovery_codes = recovery_codes
        self._otp = TOTP(secret)
        self._last = 0
        self.ahead = 0.0
        """Seconds by which the server's clock was moved on."""

    def at(self, steps: int = 0) -> str:
        """The code of this step from now."""
        return self._otp.generate_otp(int(time.time() + self.ahead) // PERIOD + steps)

    def code(self) -> str:
        """A code that has not been used yet: the current one or, right after it, that of the next step, which is
        accepted too. There is no third one before the time has come: a test that needs more moves the clock."""
        self._last = max(self._last + 1, int(time.time() + self.ahead) // PERIOD)
        return self._otp.generate_otp(self._last)

    def wrong(self) -> str:
        """A code of none of the steps around now."""
        right = {self.at(step) for step in range(-3, 4)}
        return next(f"{number:06}" for number in range(10) if f"{number:06}" not in right)


def enrolled(http: httpx2.Client, user_id: str, ahead: float = 0, **fields: Any) -> App:
    """The app of a user, activated with the current code. `http` may change others. `ahead`: seconds by which the
    server's clock was moved on."""
    made = http.post(f"/v1/users/{user_id}/second-factors", json={"kind": "totp", **fields})
    assert made.status_code == 201, made.text
    factor = made.json()
    app = App(factor["secret"], factor["id"])
    app.ahead = ahead
    active = http.post(f"/v1/users/{user_id}/second-factors/{factor['id']}/activate", json={"code": app.code()})
    assert active.status_code == 200, active.text
    app.recovery_codes = tuple(active.json().get("recovery_codes", ()))
    return app
