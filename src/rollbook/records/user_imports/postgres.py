"""Many users at once on PostgreSQL: what others have is looked up for all of them, then the rest is numbered and
inserted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rollbook import clock
from rollbook.errors import EmailTaken, ExternalIdTaken, IdTaken
from rollbook.records import event_log, events, password_parameters, user_dates
from rollbook.records.events import Actor
from rollbook.records.unique_keys import EMAIL_CLAIM, EXTERNAL_ID_CLAIM
from rollbook.records.user_counts import postgres as user_counts
from rollbook.records.user_imports import (
    Existing,
    Match,
    PreparedUser,
    RefusedUser,
    Taken,
    created,
    dates,
    values,
    with_own_event,
)
from rollbook.records.user_search import postgres as user_search
from rollbook.records.user_search.folding import searched_text
from rollbook.records.users import COLUMNS, KEPT, User
from rollbook.storage.database import Database, Row, Statement, Tx

ALL_COLUMNS = (*KEPT, *user_search.COLUMNS)
EMAILS_TAKEN = "SELECT email_key FROM email_claims WHERE email_key = ANY(CAST(? AS text[]))"
EXTERNAL_IDS_TAKEN = "SELECT external_id FROM external_id_claims WHERE external_id = ANY(CAST(? AS text[]))"
IDS_TAKEN = """
    SELECT id FROM unnest(CAST(? AS text[])) AS asked(id)
    WHERE EXISTS (SELECT 1 FROM users WHERE users.id = asked.id)
      OR EXISTS (SELECT 1 FROM deleted_users WHERE deleted_users.id = asked.id)
      OR EXISTS (SELECT 1 FROM purged_users WHERE purged_users.id = asked.id)"""
# In the order of `seq`: two imports at the same time wait for each other instead of deadlocking.
EXISTING = {
    "email": Statement(
        f"SELECT email_key, password_hash IS NOT NULL, {COLUMNS} FROM users WHERE email_key = ANY(CAST(? AS "
        "text[])) ORDER BY seq",
        locks=True,
    ),
    "external_id": Statement(
        f"SELECT external_id, password_hash IS NOT NULL, {COLUMNS} FROM users WHERE external_id = ANY(CAST(? AS "
        "text[])) ORDER BY seq",
        locks=True,
    ),
}


async def existing(tx: Tx, match: Match, keys: Sequence[str]) -> dict[str, Existing]:
    return {row[0]: Existing(User._make(row[2:]), row[1]) for row in await tx.all(EXISTING[match], list(keys))}


async def add(tx: Tx, new: Sequence[PreparedUser], by: Actor, match: Match, all_events: bool) -> list[RefusedUser]:
    refused, free = await _taken(tx, new, match)
    if not free:
        return refused
    # In the order of the index: two imports at the same time wait for each other instead of deadlocking.
    await tx.insert("email_claims", EMAIL_CLAIM, sorted((user.email_key, user.new.id) for user in free))
    external_ids = sorted((user.new.external_id, user.new.id) for user in free if user.new.external_id is not None)
    await tx.insert("external_id_claims", EXTERNAL_ID_CLAIM, external_ids)
    # Who is created next gets a later date than all of them, also if the clock is set back.
    latest = max([user.created_at for user in free if user.created_at is not None], default=0)
    first, start = await user_counts.assign(tx, max(clock.now(), latest), len(free))
    at = dates(free, start)
    added: list[tuple[PreparedUser, User]] = []

    def rows() -> Iterator[Row]:
        """Made as they are sent: PostgreSQL has the first ones while the last ones are made."""
        for number, prepared in enumerate(free):
            user = prepared.at(first + number, at[number])
            added.append((prepared, user))
            yield (*values(user, prepared), searched_text(user.name, user.email))

    await tx.insert("users", ALL_COLUMNS, rows())
    await user_counts.adjust(tx, range(first, first + len(free)), +1)
    await password_parameters.note_imported(tx, [user.password_hash for user in free])
    if not all_events:
        await event_log.note_added(tx, first, first + len(free) - 1, clock.now())
    if recorded := with_own_event(added, all_events):
        await events.record_many(tx, created(recorded, by))
    await user_dates.note(tx, user_dates.mixed_by(at, start - 1))
    return refused


async def tidy(db: Database) -> None: ...


async def index(tx: Tx) -> int:
    """The search index follows by itself; the counts are folded, so that no list has to add them up."""
    await user_counts.fold(tx)
    return 0


async def _taken(tx: Tx, new: Sequence[PreparedUser], match: Match) -> tuple[list[RefusedUser], list[PreparedUser]]:
    """Users who can't be added, and those who can."""
    emails = await _in_use(tx, EMAILS_TAKEN, (user.email_key for user in new))
    external_ids = await _in_use(tx, EXTERNAL_IDS_TAKEN, (user.new.external_id for user in new))
    own = [user.new.id for user in new if user.has_own_id]
    ids = {row[0] for row in await tx.all(IDS_TAKEN, own)} if own else set()
    refused: list[RefusedUser] = []
    free: list[PreparedUser] = []
    for at, user in enumerate(new):
        reasons: list[type[Taken]] = []
        if user.email_key in emails:
            reasons.append(EmailTaken)
        if user.new.external_id in external_ids:
            reasons.insert(0 if match == "external_id" else 1, ExternalIdTaken)
        if user.new.id in ids:
            reasons.append(IdTaken)
        if reasons:
            refused.append((at, reasons[0]()))
            continue
        free.append(user)
        emails.add(user.email_key)
        if user.has_own_id:
            ids.add(user.new.id)
        if user.new.external_id is not None:
            external_ids.add(user.new.external_id)
    return refused, free


async def _in_use(tx: Tx, sql: str, keys: Iterable[str | None]) -> set[str]:
    texts = [key for key in keys if key is not None]
    return {row[0] for row in await tx.all(sql, texts)} if texts else set()
