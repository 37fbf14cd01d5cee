"""Which parameters a wrong password is computed with where there is no hash: those that some account might have.

A keyed digest of the email chooses one of the sets of parameters in use, each as often as accounts have it. So an unknown account takes as long as
one of the known ones, always the same, and a guess costs one hash. The choice is a weighted rendezvous: where frequencies change, only about
as many emails change theirs as is needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from rollbook.auth.server_secret import Secret


def choose(secret: Secret, email_key: str, sets: Mapping[str, int]) -> str:
    """One of these sets of parameters, of which each has the number of accounts that have it, at least one."""

    def score(parameters: str) -> float:
        # An exponential variable with the number as its rate: the chance to be the least of all is its share of the sum.
        drawn = int.from_bytes(secret.mac("stand-ins", f"{email_key} {parameters}".encode())[:7])
        return -math.log((drawn + 1) / (1 << 56)) / sets[parameters]

    return min(sets, key=score)
