"""Parameters that the stored password hashes have, of argon2 and of other systems, so that every failed sign-in can
take as long as any other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from rollbook.storage.database import Queries, Tx

NOTE = "INSERT INTO password_parameters (cost, parameters, in_doubt) VALUES (?, ?, 0) ON CONFLICT DO NOTHING"
NOTE_AGAIN = """
    INSERT INTO password_parameters (cost, parameters, in_doubt, users, most) VALUES (?, ?, 0, ?, ?)
    ON CONFLICT (cost, parameters) DO UPDATE SET in_doubt = 0,
        users = password_parameters.users + excluded.users, most = password_parameters.most + excluded.most"""
# Another version may have stored another cost with the same parameters.
IN_USE = """
    SELECT parameters, max(users), max(most), min(counted_at) FROM password_parameters
    GROUP BY parameters ORDER BY max(users) DESC, parameters LIMIT ?"""
DOUBT = "UPDATE password_parameters SET in_doubt = 1 WHERE parameters != ?"
COUNTED = """
    INSERT INTO password_parameters (cost, parameters, in_doubt, users, most, counted_at) VALUES (?, ?, 0, ?, ?, ?)
    ON CONFLICT (cost, parameters) DO UPDATE SET in_doubt = 0, users = excluded.users, counted_at = excluded.counted_at,
        most = CASE WHEN password_parameters.most < excluded.most THEN excluded.most
            ELSE password_parameters.most END"""
OTHER_COST = "DELETE FROM password_parameters WHERE parameters = ? AND cost != ?"
FORGET = "DELETE FROM password_parameters WHERE in_doubt = 1"
# The parameters take up at most 40 characters of a hash: see `auth/password_hashes.canonical`.
OF_USERS = "SELECT seq, substr(password_hash, 1, 60) FROM users WHERE seq > ? ORDER BY seq LIMIT ?"
OF_DELETED = """
    SELECT deleted_at, seq, substr(password_hash, 1, 60) FROM deleted_users WHERE (deleted_at, seq) > (?, ?)
    ORDER BY deleted_at, seq LIMIT ?"""

_PHPASS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Price(NamedTuple):
    """Cost of computing one hash: about so many seconds of a core, whatever the password, and memory."""

    seconds: float
    mebibytes: int

    @property
    def is_low(self) -> bool:
        """Test whether guessing at a stolen hash is cheaper than it should be: less than bcrypt of cost 10, or than
        half of what OWASP asks for where it takes memory."""
        return self.seconds < (0.02 if self.mebibytes >= 7 else 0.035)

    def __str__(self) -> str:
        return f"{self.seconds:.2g} s of a core and {self.mebibytes:,} MiB"


class Frequency(NamedTuple):
    """Number of users who have a set of parameters."""

    users: int
    most: int
    """At most, at any time."""
    counted_at: int
    """The time when they were counted last; 0: never."""


def _argon2(memory: str, passes: str) -> tuple[float, int]:
    return 0.7 * int(memory) * int(passes), int(memory) << 10


def _wrapped(log_rounds: str | None, memory: str, passes: str) -> tuple[float, int]:
    microseconds, size = _argon2(memory, passes)
    return microseconds + (0.8 * (1 << int(log_rounds)) if log_rounds else 1200), size


def _bcrypt(log_rounds: str) -> tuple[float, int]:
    return 60 * (1 << int(log_rounds)), 4096


def _scrypt(log_n: str, r: str, p: str) -> tuple[float, int]:
    n = 1 << int(log_n)
    return 0.27 * int(r) * int(p) * n, 128 * int(r) * (n + int(p))  # RFC 7914 section 2


def _pbkdf2(digest: str, rounds: str, length: str) -> tuple[float, int]:
    size, cost = {"1": (20, 0.25), "256": (32, 0.4), "512": (64, 0.4)}[digest]
    return cost * int(rounds) * -(-int(length) // size), 0


# A row for each family of stored forms (`auth/password_hashes`): the parameters in front of the salt, and what a hash
# with them costs, in microseconds of a core and bytes. Measured with the longest passwords
# (docs/decisions/0038-password-hashes.md); SHA-1 and SHA-256 as on a machine without instructions for them.
_FAMILIES: tuple[tuple[Callable[[str], re.Match[str] | None], Callable[..., tuple[float, int]]], ...] = tuple(
    (re.compile(form).match, price)
    for form, price in (
        (r"\$argon2[id]+(?:\$v=[0-9]+)?\$m=([0-9]+),t=([0-9]+),p=[0-9]+\$", _argon2),
        (r"\$(?:2[bx]|django-bcrypt-sha256|wordpress-bcrypt)\$([0-9]{2})\$", _bcrypt),
        (r"\$(?:firebase-)?scrypt\$ln=([0-9]+),r=([0-9]+),p=([0-9]+)\$", _scrypt),
        (r"\$pbkdf2-sha(1|256|512)\$i=([0-9]+),l=([0-9]+)\$", _pbkdf2),
        (r"\$[56]\$rounds=([0-9]+)\$", lambda rounds: (1.2 * int(rounds), 0)),
        (r"\$P\$([./0-9A-Za-z])", lambda letter: (0.8 * (1 << _PHPASS.index(letter)), 0)),
        (r"\$S\$([./0-9A-Za-z])", lambda letter: (1 << _PHPASS.index(letter), 0)),
        (r"\$1\$", lambda: (1200, 0)),
        (r"\{SSHA[0-9]*\}", lambda: (2, 0)),
        (r"\$wrapped-[a-z0-9]+\$(?:c=([0-9]+),)?m=([0-9]+),t=([0-9]+),p=[0-9]+\$", _wrapped),
    )
)


def of(hash: str) -> str:
    """The part of a hash in front of its salt; nothing if it is not one in its stored form."""
    for form, _ in _FAMILIES:
        match = form(hash)
        if match is not None:
            return match[0]
    return ""


@lru_cache(maxsize=1024)
def price(parameters: str) -> Price:
    """Price of a hash whose stored form begins like this. ValueError if none does."""
    for form, of_family in _FAMILIES:
        match = form(parameters)
        if match is not None:
            microseconds, size = of_family(*match.groups())
            return Price(microseconds / 1_000_000, max(1, size >> 20))
    raise ValueError("These are no parameters of a password hash.")


async def note(tx: Tx, hash: str) -> None:
    """A hash is stored that was computed here."""
    for cost, text, _ in _rows([hash]):
        await tx.run(NOTE, cost, text)


async def note_imported(tx: Tx, hashes: Iterable[str | None]) -> None:
    """These hashes are stored. Not forgotten again by a search that has passed their users already."""
    rows = _rows(hashes)
    if rows:
        await tx.many(NOTE_AGAIN, [(*row, row[-1]) for row in rows])


async def in_use(queries: Queries, limit: int) -> dict[str, Frequency]:
    """The parameters that stored hashes have, the most frequent first, at most `limit` of them."""
    return {row[0]: Frequency(*row[1:]) for row in await queries.all(IN_USE, limit)}


async def doubt(tx: Tx, current: str) -> None:
    """All parameters but the current ones are forgotten unless a user is found who has them."""
    await tx.run(DOUBT, current)


async def settle(tx: Tx, counts: Mapping[str, int], now: int) -> None:
    """Store how many users have these parameters. Forget the others, unless they were imported meanwhile."""
    rows = _with_cost(counts)
    await tx.many(COUNTED, [(cost, text, users, users, now) for cost, text, users in rows])
    await tx.many(OTHER_COST, [(text, cost) for cost, text, _ in rows])
    await tx.run(FORGET)


async def of_users(queries: Queries, after: int, limit: int) -> tuple[Counter[str], int | None]:
    """The parameters of some users in the order of `seq`, and the `seq` of the last one; None at the end."""
    rows = await queries.all(OF_USERS, after, limit)
    return _counted(row[1] for row in rows), rows[-1][0] if rows else None


async def of_deleted(
    queries: Queries, after: tuple[int, int], limit: int
) -> tuple[Counter[str], tuple[int, int] | None]:
    """The parameters of some deleted users, who can be restored, and the position of the last one; None at the end."""
    rows = await queries.all(OF_DELETED, *after, limit)
    return _counted(row[2] for row in rows), (rows[-1][0], rows[-1][1]) if rows else None


def _rows(hashes: Iterable[str | None]) -> list[tuple[int, str, int]]:
    """Cost, parameters and number of each, in order: two that note the same wait for each other instead of
    deadlocking."""
    return _with_cost(_counted(hashes))


def _with_cost(counted: Mapping[str, int]) -> list[tuple[int, str, int]]:
    """The table has a cost in units of 0.5 µs."""
    return sorted((round(price(text).seconds * 2_000_000), text, users) for text, users in counted.items())


def _counted(hashes: Iterable[str | None]) -> Counter[str]:
    """Count the users who have each set of parameters."""
    counts: Counter[str] = Counter()
    last = "none"
    for hash in hashes:
        if not hash:
            continue
        if not hash.startswith(last):  # most are like the one before
            last = of(hash) or "none"
        if last != "none":
            counts[last] += 1
    return counts
