"""Cost of a wrong password to the server, by the hashes that are stored."""

from __future__ import annotations

from typing import NamedTuple

from rollbook.config import Settings
from rollbook.records import password_parameters
from rollbook.records.password_parameters import Price
from rollbook.storage.database import Queries

MAX_SETS = 1_000
"""Sets of parameters that are looked at, the most frequent ones."""


class InUse(NamedTuple):
    """A set of parameters that some users' hashes have."""

    parameters: str
    users: int
    """0: not counted yet."""
    price: Price

    @property
    def whose(self) -> str:
        return {0: "Some users have", 1: "One user has"}.get(self.users, f"{self.users:,} users have")


class Costs(NamedTuple):
    """`dearest` is the most expensive set that is computed for a wrong password."""

    dearest: InUse
    slow: list[InUse]
    """More expensive than imported hashes may be, so that the time tells who has one."""
    shut: list[InUse]
    """Hashes that need more memory than imported hashes may: no password matches them."""
    weak: list[InUse]
    """Easy to guess at for whoever steals the database."""


async def costs(queries: Queries, settings: Settings) -> Costs:
    memory, passes, lanes = settings.password_memory, settings.password_time_cost, settings.password_parallelism
    today = f"$argon2id$v=19$m={memory},t={passes},p={lanes}$"
    found = {
        parameters: InUse(parameters, each.users, password_parameters.price(parameters))
        for parameters, each in (await password_parameters.in_use(queries, MAX_SETS)).items()
        if each.users or not each.counted_at
    }
    found.setdefault(today, InUse(today, 0, password_parameters.price(today)))
    most = max(settings.imported_hash_memory, found[today].price.mebibytes)
    shut = [each for each in found.values() if each.price.mebibytes > most]
    computed = [each for each in found.values() if each.price.mebibytes <= most]
    slow = [
        each for each in computed if each.price.seconds > settings.imported_hash_seconds and each.parameters != today
    ]
    weak = [each for each in computed if each.price.is_low and each.parameters != today]
    return Costs(max(computed, key=lambda each: each.price), slow, shut, weak)
