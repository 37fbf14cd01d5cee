"""Replays: a part of the event log is sent to a webhook again."""

from __future__ import annotations

from msgspec import UNSET

from rollbook.actions.arguments import ListReplays, ReplayCreate
from rollbook.actions.checking import given, refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.events import position_before, position_of
from rollbook.actions.lists import ListPage
from rollbook.actions.permissions import known, require, whom
from rollbook.actions.principal import Principal
from rollbook.actions.webhook_deliveries import start_replay
from rollbook.actions.webhooks import find, patterns
from rollbook.records import event_types, events
from rollbook.records.events import Selection
from rollbook.records.webhooks import INBOX, deliveries, inbox, replays
from rollbook.records.webhooks.deliveries import Undelivered
from rollbook.records.webhooks.replays import Replay
from rollbook.storage.database import Queries

FAILURE = "failure"
"""Instead of an event to begin with: the first one that failed and has not been delivered since."""


async def list_replays(on: Rollbook, by: Principal, id: str, asked: ListReplays) -> ListPage[Replay]:
    """List replays

    Returns the replays of a webhook, newest first, including resent deliveries.
    """
    webhook = await find(on, by, "webhooks:read", id)
    return await on.read(_list, webhook.id, asked.limit, asked.before)


async def _list(queries: Queries, webhook_id: str, limit: int, before: str | None) -> ListPage[Replay]:
    found = await replays.of(queries, webhook_id, limit, before)
    return ListPage(found, await replays.count(queries, webhook_id))


async def create_replay(on: Rollbook, by: Principal, id: str, new: ReplayCreate) -> Replay:
    """Replay events

    Sends part of the event log to the webhook again, with the same `webhook-id`, even if the webhook is paused. New
    events are sent as usual. A replay continues after a restart; get it to see its progress. Events that fail are not
    retried. At most 5 replays of yours run at a time, and 20 of the server: others wait. An inbox is sent the newest
    100 events. Also requires the scope `events:read`.
    """
    webhook = await find(on, by, "webhooks:write", id)
    require(by, "events:read")
    newest = await events.newest(on.db)
    first = await _first(on, webhook.id, str(new.start))
    last = newest if new.to is UNSET else min(newest, await on.read(position_of, "to", str(new.to)))
    if last < first:
        refuse("from", "must not be after to, and there must be an event since then")
    types, user_id = "" if new.types is UNSET else patterns(new.types), whom(by, given(new.user, ""))
    if webhook.url == INBOX:
        selected = event_types.selected((types or webhook.types).split())
        asked = Selection(selected, user_id or None, first - 1, last + 1)
        kept = await on.read_aside(_newest, asked)
        first = max(first, kept)
    replay = replays.new(
        webhook.id,
        "replay",
        first,
        last,
        types=types,
        user_id=user_id,
        selection=given(new.only, "all"),
        by=by.user_id,
    )
    return await on.write(start_replay, replay)


async def _first(on: Rollbook, webhook_id: str, start: str) -> int:
    """The number of the first event to send. Raises InvalidParameter, PositionExpired."""
    if start != FAILURE:
        return await on.read(position_before, start) + 1
    first = (await on.read_aside(deliveries.undelivered, webhook_id)).first
    if first is None:
        refuse("from", f"can't be {FAILURE}: every event that failed has been delivered since")
    return first


async def undelivered(on: Rollbook, by: Principal, id: str) -> Undelivered:
    """Events with which a replay from FAILURE begins."""
    webhook = await find(on, by, "webhooks:read", id)
    require(by, "events:read")
    return await on.read_aside(deliveries.undelivered, webhook.id)


async def _newest(queries: Queries, asked: Selection) -> int:
    """The number of the first of those events that an inbox keeps; 0: all."""
    page = await events.page(queries, asked, inbox.MAX_KEPT, newest_first=True)
    return page.events[-1].seq if page.more and page.events else 0


async def get_replay(on: Rollbook, by: Principal, id: str, replay_id: str) -> Replay:
    """Get a replay

    Returns the replay with its progress.
    """
    webhook = await find(on, by, "webhooks:read", id)
    return await replays.get(on.db, webhook.id, known("replay", replay_id))


async def cancel_replay(on: Rollbook, by: Principal, id: str, replay_id: str) -> None:
    """Cancel a replay

    No more of its events are sent. If it has finished already, nothing happens.
    """
    webhook = await find(on, by, "webhooks:write", id)
    replay = await replays.get(on.db, webhook.id, known("replay", replay_id))
    if replay.finished_at is None:
        await on.write(replays.cancel, webhook.id, replay.id)
