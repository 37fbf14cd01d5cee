"""Which parameters the stored password hashes have, of argon2 and of other systems, so that every failed sign-in can take as long as any other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from rollbook.storage.database import Queries, Tx

NOTE = "INSERT INTO password_parameters (cost, parameters, in_doubt) VALUES (?, ?, 0) ON CONFLICT DO NOTHING"
NOTE_AGAIN = """
    INSERT INTO password_parameters (cost, parameters, in_doubt) VALUES (?, ?, 0)
    ON CONFLICT (cost, parameters) DO UPDATE SET in_doubt = 0"""
MOST_EXPENSIVE = "SELECT parameters FROM password_parameters ORDER BY cost DESC, parameters DESC LIMIT ?"
DOUBT = "UPDATE password_parameters SET in_doubt = 1 WHERE parameters != ? RETURNING parameters"
FORGET = "DELETE FROM password_parameters WHERE parameters = ? AND in_doubt = 1"
# The parameters take up at most 40 characters of a hash: see `auth/password_hashes.canonical`.
OF_USERS = "SELECT seq, substr(password_hash, 1, 60) FROM users WHERE seq > ? ORDER BY seq LIMIT ?"
OF_DELETED = """
    SELECT deleted_at, seq, substr(password_hash, 1, 60) FROM deleted_users WHERE (deleted_at, seq) > (?, ?)
    ORDER BY deleted_at, seq LIMIT ?"""

# What a hash costs, in units of about 0.5 µs of a core: KiB times passes for argon2, and for others what was measured beside it
# (docs/decisions/0038-password-hashes.md). Exact figures differ by machine; what counts is which hashes are the expensive ones.
_FAMILIES: tuple[tuple[Callable[[str], re.Match[str] | None], Callable[..., int]], ...] = tuple(
    (re.compile(form).match, cost)
    for form, cost in (
        (r"\$argon2[id]+(?:\$v=[0-9]+)?\$m=([0-9]+),t=([0-9]+),p=[0-9]+\$", lambda memory, passes: int(memory) * int(passes)),
        (r"\$(?:2[bx]|django-bcrypt-sha256)\$([0-9]{2})\$", lambda log_rounds: 130 << int(log_rounds)),
        (r"\$(?:firebase-)?scrypt\$ln=([0-9]+),r=([0-9]+),p=([0-9]+)\$", lambda log_n, r, p: (int(r) * int(p)) << int(log_n)),
        (r"\$pbkdf2-sha1\$i=([0-9]+),l=([0-9]+)\$", lambda rounds, length: int(rounds) * -(-int(length) // 20)),
        (r"\$pbkdf2-sha256\$i=([0-9]+),l=([0-9]+)\$", lambda rounds, length: int(rounds) * -(-int(length) // 32)),
        (r"\$pbkdf2-sha512\$i=([0-9]+),l=([0-9]+)\$", lambda rounds, length: int(rounds) * 3 * -(-int(length) // 64) // 2),
        (r"\$[56]\$rounds=([0-9]+)\$", lambda rounds: int(rounds) * 4),
        (r"\$P\$([./0-9A-Za-z])", lambda letter: 2 << _PHPASS.index(letter)),
        (r"\$1\$", lambda: 1000),
        (r"\{SSHA[0-9]*\}", lambda: 4),
    )
)
_PHPASS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Parameters(NamedTuple):
    """The part of a stored hash in front of its salt, and what computing one like it costs."""

    text: str
    cost: int


def read(hash: str) -> Parameters | None:
    """The parameters of a hash in its stored form; None if it is not one."""
    for form, cost in _FAMILIES:
        found = form(hash)
        if found is not None:
            return Parameters(found[0], cost(*found.groups()))
    return None


def of(hash: str) -> str:
    """The part of a hash in front of its salt."""
    found = read(hash)
    return found.text if found is not None else ""


async def note(tx: Tx, hash: str) -> None:
    """A hash is stored that was computed here."""
    for row in _rows([hash]):
        await tx.run(NOTE, *row)


async def note_imported(tx: Tx, hashes: Iterable[str | None]) -> None:
    """These hashes are stored. Not forgotten again by a search that has passed their users already."""
    rows = _rows(hashes)
    if rows:
        await tx.many(NOTE_AGAIN, rows)


async def most_expensive(queries: Queries, limit: int) -> Sequence[str]:
    """The parameters in use whose hashes take longest, at most `limit` of them."""
    return [row[0] for row in await queries.all(MOST_EXPENSIVE, limit)]


async def doubt(tx: Tx, current: str) -> set[str]:
    """All parameters but the current ones, each to be forgotten unless a user is found who has it."""
    return {row[0] for row in await tx.all(DOUBT, current)}


async def forget(tx: Tx, unused: Iterable[str]) -> None:
    """Those that no user has, unless they were imported meanwhile."""
    await tx.many(FORGET, [(parameters,) for parameters in sorted(unused)])


async def of_users(queries: Queries, after: int, limit: int) -> tuple[set[str], int | None]:
    """The parameters of some users in the order of `seq`, and the `seq` of the last one; None at the end."""
    rows = await queries.all(OF_USERS, after, limit)
    return {of(row[1]) for row in rows if row[1]}, rows[-1][0] if rows else None


async def of_deleted(queries: Queries, after: tuple[int, int], limit: int) -> tuple[set[str], tuple[int, int] | None]:
    """The same of deleted users, who can be restored."""
    rows = await queries.all(OF_DELETED, *after, limit)
    return {of(row[2]) for row in rows if row[2]}, (rows[-1][0], rows[-1][1]) if rows else None


def _rows(hashes: Iterable[str | None]) -> list[tuple[int, str]]:
    """Cost and parameters of each, once and in order: two that note the same wait for each other instead of deadlocking."""
    found: dict[str, int] = {}
    last = "none"
    for hash in hashes:
        if hash and not hash.startswith(last) and (each := read(hash)) is not None:  # most are like the one before
            last = each.text
            found[each.text] = each.cost
    return sorted((cost, text) for text, cost in found.items())
