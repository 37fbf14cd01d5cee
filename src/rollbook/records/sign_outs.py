"""Sessions that have ended, of which their application is still to hear. A trigger notes them, whatever ends them."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rollbook import clock
from rollbook.storage.database import Queries, Tx


class SignOut(NamedTuple):
    """A session that has ended."""

    session_id: str
    user_id: str
    client_id: str
    attempts: int
    due_at: int


class Listener(NamedTuple):
    """An application that is to hear of such sessions, and where."""

    client_id: str
    url: str


COLUMNS = ", ".join(SignOut._fields)
# One search for each application with such a URL, however many sessions have ended. Deleted ones hear nothing.
LISTENERS = """
    SELECT c.user_id, c.backchannel_logout_url FROM clients c JOIN users u ON u.id = c.user_id
    WHERE c.backchannel_logout_url IS NOT NULL
      AND EXISTS (SELECT 1 FROM sign_outs s WHERE s.client_id = c.user_id AND s.due_at <= ?)"""
DUE = f"SELECT {COLUMNS} FROM sign_outs WHERE client_id = ? AND due_at <= ? ORDER BY due_at LIMIT ?"
_ONE, _ALL = "session_id = ?", "client_id = ? AND due_at <= ?"
_POSTPONE = "UPDATE sign_outs SET attempts = attempts + 1, due_at = ? WHERE "
POSTPONE, POSTPONE_ALL = _POSTPONE + _ONE, _POSTPONE + _ALL
FORGET, FORGET_ALL = f"DELETE FROM sign_outs WHERE {_ONE}", f"DELETE FROM sign_outs WHERE {_ALL} AND attempts >= ?"
ERASE = "DELETE FROM sign_outs WHERE client_id = ?"


async def listeners(queries: Queries) -> list[Listener]:
    """Applications that are to hear of a session now."""
    return [Listener._make(row) for row in await queries.all(LISTENERS, clock.now())]


async def due(queries: Queries, client_id: str, limit: int) -> list[SignOut]:
    """Sessions of which an application is to hear now, first those that have waited longest."""
    return [SignOut._make(row) for row in await queries.all(DUE, client_id, clock.now(), limit)]


async def forget(tx: Tx, session_ids: Collection[str]) -> None:
    await tx.many(FORGET, [(id,) for id in sorted(session_ids)])


async def postpone(tx: Tx, ended: SignOut, at: int, is_for_all: bool) -> None:
    """Tell the application later of this session, or of all that are due."""
    if is_for_all:
        await tx.run(POSTPONE_ALL, at, ended.client_id, clock.now())
    else:
        await tx.run(POSTPONE, at, ended.session_id)


async def give_up(tx: Tx, ended: SignOut, is_for_all: bool) -> None:
    """Tell the application nothing any more of this session, or of all that were tried as often."""
    if is_for_all:
        await tx.run(FORGET_ALL, ended.client_id, clock.now(), ended.attempts)
    else:
        await tx.run(FORGET, ended.session_id)


async def erase(tx: Tx, client_id: str) -> None:
    """The application wants to hear of no session any more."""
    await tx.run(ERASE, client_id)
