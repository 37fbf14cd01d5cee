"""Which argon2 parameters the stored password hashes have, so that every failed sign-in can take as long as any other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rollbook.storage.database import Queries, Tx

NOTE = "INSERT INTO password_parameters (cost, parameters, in_doubt) VALUES (?, ?, 0) ON CONFLICT DO NOTHING"
NOTE_AGAIN = """
    INSERT INTO password_parameters (cost, parameters, in_doubt) VALUES (?, ?, 0)
    ON CONFLICT (cost, parameters) DO UPDATE SET in_doubt = 0"""
MOST_EXPENSIVE = "SELECT parameters FROM password_parameters ORDER BY cost DESC, parameters DESC LIMIT ?"
DOUBT = "UPDATE password_parameters SET in_doubt = 1 WHERE parameters != ? RETURNING parameters"
FORGET = "DELETE FROM password_parameters WHERE parameters = ? AND in_doubt = 1"
# The parameters take up at most 36 characters of a hash: see `auth/passwords.check_hash`.
OF_USERS = "SELECT seq, substr(password_hash, 1, 60) FROM users WHERE seq > ? ORDER BY seq LIMIT ?"
OF_DELETED = """
    SELECT deleted_at, seq, substr(password_hash, 1, 60) FROM deleted_users WHERE (deleted_at, seq) > (?, ?)
    ORDER BY deleted_at, seq LIMIT ?"""

_PARAMETERS = re.compile(r"\$[a-z0-9]+(?:\$v=[0-9]+)?\$m=([0-9]+),t=([0-9]+),p=[0-9]+\$").match


def of(hash: str) -> str:
    """The part of a hash in front of its salt."""
    found = _PARAMETERS(hash)
    return found[0] if found else ""


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
    """Cost (KiB times passes) and parameters of each, once and in order: two that note the same wait for each other instead of deadlocking."""
    found = {match[0]: int(match[1]) * int(match[2]) for hash in hashes if hash and (match := _PARAMETERS(hash))}
    return sorted((cost, parameters) for parameters, cost in found.items())
