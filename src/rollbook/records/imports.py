"""Many users at once: what `users.add` writes for each, at a tenth of the cost, in the order of a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from rollbook import clock, ids
from rollbook.errors import EmailTaken, ExternalIdTaken
from rollbook.records import events, rules, users
from rollbook.records.dialect import dialect
from rollbook.records.events import Actor
from rollbook.records.unique_keys.postgres import RESERVE_EMAIL, RESERVE_EXTERNAL_ID
from rollbook.records.user_counts.postgres import fold
from rollbook.records.user_search import searched_text
from rollbook.records.user_search.sqlite import FOLDED, FORGET, INDEX, OLDEST
from rollbook.records.users import NewUser
from rollbook.storage.database import Row, Tx

BATCH = 20_000
"""Users of one transaction. It holds the writer lock for about half a second: no write of a running server waits longer."""

# An import writes all over the indexes of emails and names: pages that don't fit into the cache are read and logged again and again.
CACHE = "PRAGMA cache_size = -262144"  # KiB
_COLUMNS = ("seq", "id", "email_key", *NewUser._fields, "status", "version", "created_at", "updated_at")
_INSERT = "INSERT INTO users ({}) VALUES ({}){}"
ADD = _INSERT.format(", ".join(_COLUMNS), ", ".join("?" * len(_COLUMNS)), " ON CONFLICT DO NOTHING")
ADDED = "SELECT seq FROM users WHERE seq >= ?"
GIVEN = "UPDATE sqlite_sequence SET seq = ? WHERE name = 'users'"
HAS_EMAIL = "SELECT 1 FROM users WHERE email_key = ?"
# On PostgreSQL the numbers are given beforehand, and what others have is looked up for all at once.
ADD_NUMBERED = _INSERT.format(", ".join((*_COLUMNS, "search_text")), ", ".join("?" * (len(_COLUMNS) + 1)), "")
EMAILS_TAKEN = "SELECT email_key FROM email_claims WHERE email_key = ANY(CAST(? AS text[]))"
EXTERNAL_IDS_TAKEN = "SELECT external_id FROM external_id_claims WHERE external_id = ANY(CAST(? AS text[]))"
TO_INDEX = """
    SELECT seq, name, email FROM users
    WHERE seq BETWEEN ? AND ? AND seq IN (SELECT seq FROM user_search_pending WHERE number <= ?) ORDER BY seq"""

_encode = msgspec.json.Encoder().encode
# How every event's object ends: its times, which are known only in the transaction.
_TIMES = '"created_at":"{0}","updated_at":"{0}","last_sign_in_at":null}}'
_NO_TIMES = _TIMES.format(clock.format_time(0))


class Prepared(NamedTuple):
    """A user ready to be written; what could be done without the database has been done, in whichever process."""

    id: str
    email_key: str
    new: NewUser
    event_id: str
    object: str
    """The event's object up to its times."""

    def row(self, seq: int, at: int) -> tuple[Any, ...]:
        """Values of _COLUMNS."""
        return (seq, self.id, self.email_key, *self.new, "active", 1, at, at)


def prepare(new: NewUser) -> Prepared:
    id = ids.new("user")
    object = _encode(users.public(users.fresh(new, id, 0, 0))).decode().removesuffix(_NO_TIMES)
    return Prepared(id, rules.email_key(new.email), new, ids.new("evt"), object)


async def add_many(tx: Tx, new: Sequence[Prepared], by: Actor) -> list[tuple[int, EmailTaken | ExternalIdTaken]]:
    """Add these in their order. Those whose address or identifier another user has are left out and returned: which of `new`, and why.

    Raises Duplicate on PostgreSQL when somebody took one at the same moment: then nothing was added, and it may be done again.
    """
    if tx.engine == "postgresql":
        return await _add_numbered(tx, new, by)
    await tx.run(CACHE)
    first, start = await dialect(tx).user_counts.assign(tx, clock.now())
    await tx.many(ADD, [user.row(first + at, start + at) for at, user in enumerate(new)])
    added = [row[0] for row in await tx.all(ADDED, first)]
    refused: list[tuple[int, EmailTaken | ExternalIdTaken]] = []
    if len(added) < len(new):
        refused = await _refused(tx, new, first, set(added))
        # A refused row's place was counted as given all the same: a file that is loaded twice would leave a gap of its length.
        await tx.run(GIVEN, added[-1] if added else first - 1)
    if not added:
        return refused
    await dialect(tx).user_counts.adjust(tx, added, +1)
    await dialect(tx).user_search.changed(tx, added)
    await events.record_many(tx, _created([(new[seq - first], start + seq - first) for seq in added], by))
    return refused


async def _add_numbered(tx: Tx, new: Sequence[Prepared], by: Actor) -> list[tuple[int, EmailTaken | ExternalIdTaken]]:
    emails = {row[0] for row in await tx.all(EMAILS_TAKEN, [user.email_key for user in new])}
    wanted = [user.new.external_id for user in new if user.new.external_id is not None]
    external_ids = {row[0] for row in await tx.all(EXTERNAL_IDS_TAKEN, wanted)} if wanted else set()
    refused: list[tuple[int, EmailTaken | ExternalIdTaken]] = []
    added: list[Prepared] = []
    for at, user in enumerate(new):
        if user.email_key in emails:
            refused.append((at, EmailTaken()))
        elif user.new.external_id in external_ids:
            refused.append((at, ExternalIdTaken()))
        else:
            added.append(user)
            emails.add(user.email_key)
            if user.new.external_id is not None:
                external_ids.add(user.new.external_id)
    if not added:
        return refused
    # In the order of the index: two imports at once wait for each other, where they would be in each other's way for good.
    await tx.many(RESERVE_EMAIL, sorted((user.email_key, user.id) for user in added))
    claimed = sorted((user.new.external_id, user.id) for user in added if user.new.external_id is not None)
    await tx.many(RESERVE_EXTERNAL_ID, claimed)
    first, start = await dialect(tx).user_counts.assign(tx, clock.now(), len(added))
    rows = [(*user.row(first + at, start + at), searched_text(user.new.name, user.new.email)) for at, user in enumerate(added)]
    await tx.many(ADD_NUMBERED, rows)
    await dialect(tx).user_counts.adjust(tx, range(first, first + len(added)), +1)
    await events.record_many(tx, _created([(user, start + at) for at, user in enumerate(added)], by))
    return refused


def _created(added: Iterable[tuple[Prepared, int]], by: Actor) -> list[Row]:
    """An event for each of these users and their times."""
    rows: list[Row] = []
    second, times = -1, ""
    for user, at in added:
        if at // clock.SECOND != second:
            second, times = at // clock.SECOND, _TIMES.format(clock.format_time(at))
        rows.append((user.event_id, "user.created", user.id, at, *by, user.object + times, None))
    return rows


async def _refused(
    tx: Tx, new: Sequence[Prepared], first: int, added: set[int]
) -> list[tuple[int, EmailTaken | ExternalIdTaken]]:
    refused: list[tuple[int, EmailTaken | ExternalIdTaken]] = []
    for at, user in enumerate(new):
        if first + at not in added:
            email_taken = await tx.one(HAS_EMAIL, user.email_key) is not None
            refused.append((at, EmailTaken() if email_taken else ExternalIdTaken()))
    return refused


async def index(tx: Tx) -> int:
    """Bring noted users into the search index, as `user_search.sqlite.fold` does, many at once. Returns how many notes it were: BATCH or fewer.

    PostgreSQL's index follows by itself; there the counts of places are folded, so that no list has to add them up.
    """
    if tx.engine == "postgresql":
        await fold(tx)
        return 0
    await tx.run(CACHE)
    notes = await tx.all(OLDEST, BATCH)
    if not notes:
        return 0
    seqs = sorted({seq for _, seq in notes})
    await tx.many(FORGET, [(seq,) for seq in seqs])
    found = await tx.all(TO_INDEX, seqs[0], seqs[-1], notes[-1][0])
    await tx.many(INDEX, [(seq, searched_text(name, email)) for seq, name, email in found])
    await tx.run(FOLDED, notes[-1][0])
    return len(notes)
