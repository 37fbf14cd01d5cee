"""Stand-in parameters for accounts that have no hash: a wrong password is computed with those that some account might
have.

A keyed digest of the email chooses one of the sets of parameters in use, each as often as accounts have it. So an
unknown account takes as long as one of the known ones, always the same, and a guess costs one hash.

It changes its set as the known ones do. An account that came with an old hash keeps it until it is renewed to today's
parameters: so the digest gives an email one of the sets as they once were, and today's in its place once as large a
part of that set has been renewed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from rollbook.auth.server_secret import Secret

_DRAWN = 7  # bytes of a digest that are drawn as a number: a float holds all their bits


def choose(secret: Secret, email_key: str, today: int, old: Mapping[str, tuple[int, int]]) -> str | None:
    """One of these old sets of parameters, None for today's. Each has the number of users that have it, and that had it
    at most; `today` is the number of those with today's."""
    renewed = sum(most - users for users, most in old.values())
    kept = (
        min(1.0, today / renewed) if renewed else 1.0
    )  # the others of the renewed ones are gone, and so is their part
    homes: dict[str | None, float] = {
        parameters: users + kept * (most - users) for parameters, (users, most) in old.items()
    }
    homes[None] = today - kept * renewed

    def drawn(text: str) -> float:
        """From 0 (not included) to 1."""
        number = int.from_bytes(secret.mac("stand-ins", f"{email_key} {text}".encode())[:_DRAWN])
        return (number + 1) / (1 << 8 * _DRAWN)

    # A weighted rendezvous: exponential variables with the numbers as their rates. The chance to be the least is the
    # share of the sum, and where one set grows, emails move to that one only.
    home = min(
        (each for each in homes if homes[each] > 0),
        key=lambda each: -math.log(drawn(f"home {each}")) / homes[each],
        default=None,
    )
    return home if home is not None and drawn("renewed") <= old[home][0] / homes[home] else None
