"""Many users at once on PostgreSQL: what others have is looked up for all of them, then the rest is numbered and inserted."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook import clock
from rollbook.errors import EmailTaken, ExternalIdTaken
from rollbook.records import events, password_parameters
from rollbook.records.events import Actor
from rollbook.records.unique_keys.postgres import RESERVE_EMAIL, RESERVE_EXTERNAL_ID
from rollbook.records.user_counts import postgres as user_counts
from rollbook.records.user_imports import Prepared, Refused, created, insert
from rollbook.records.user_search import searched_text
from rollbook.records.users import KEPT
from rollbook.storage.database import Tx

ADD = insert((*KEPT, "search_text"))
EMAILS_TAKEN = "SELECT email_key FROM email_claims WHERE email_key = ANY(CAST(? AS text[]))"
EXTERNAL_IDS_TAKEN = "SELECT external_id FROM external_id_claims WHERE external_id = ANY(CAST(? AS text[]))"


async def add(tx: Tx, new: Sequence[Prepared], by: Actor) -> list[Refused]:
    emails = {row[0] for row in await tx.all(EMAILS_TAKEN, [user.email_key for user in new])}
    wanted = [user.new.external_id for user in new if user.new.external_id is not None]
    external_ids = {row[0] for row in await tx.all(EXTERNAL_IDS_TAKEN, wanted)} if wanted else set()
    refused: list[Refused] = []
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
    # In the order of the index: two imports at the same time wait for each other instead of deadlocking.
    await tx.many(RESERVE_EMAIL, sorted((user.email_key, user.new.id) for user in added))
    reserved = sorted((user.new.external_id, user.new.id) for user in added if user.new.external_id is not None)
    await tx.many(RESERVE_EXTERNAL_ID, reserved)
    first, start = await user_counts.assign(tx, clock.now(), len(added))
    rows = [(*user.row(first + at, start + at), searched_text(user.new.name, user.new.email)) for at, user in enumerate(added)]
    await tx.many(ADD, rows)
    await user_counts.adjust(tx, range(first, first + len(added)), +1)
    await password_parameters.note_imported(tx, [user.password_hash for user in added])
    await events.record_many(tx, created([(user, start + at) for at, user in enumerate(added)], by))
    return refused


async def index(tx: Tx) -> int:
    """The search index follows by itself; the counts are folded, so that no list has to add them up."""
    await user_counts.fold(tx)
    return 0
