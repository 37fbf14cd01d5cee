"""Deletes what is past its retention, and folds what is old: at each step up to BATCH rows."""

from __future__ import annotations

import logging
from collections import Counter

from rollbook import clock
from rollbook.actions import bulk_jobs, groups, imports, passwords
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.actions.users import expire
from rollbook.records import (
    clients,
    events,
    idempotency_keys,
    keys,
    one_time_tokens,
    password_parameters,
    second_factors,
    sessions,
    usage,
    users,
)
from rollbook.records.webhooks import deliveries, health, replays
from rollbook.storage.database import Tx

logger = logging.getLogger("rollbook")

BATCH = 256
MORE = 1_000
"""Small rows that are removed at once."""
READ = 5_000
"""Users whose hash one read looks at."""
BUFFERED = 60
"""Seconds after which no worker still buffers data of an erased user."""


async def erase_deleted(on: Rollbook) -> bool:
    """Erase deleted users whose restore period has ended."""
    before = clock.now() - on.settings.deleted_retention * clock.DAY
    ids = await users.expired(on.db, before, BATCH)
    for id in ids:
        await expire(on, SYSTEM, id, before)
    return len(ids) == BATCH


async def expire_events(on: Rollbook) -> bool:
    """Delete events past their retention, and tell of those that some webhook has not been sent yet."""
    if not on.settings.event_retention:
        return False
    before = clock.now() - on.settings.event_retention * clock.DAY
    if await events.is_older(on.db, before) and await on.db.write(_expire_events, before) == BATCH:
        return True
    if await health.has_unreported(on.db):
        await on.db.write(health.report_missed, SYSTEM.actor)
    return False


async def _expire_events(tx: Tx, before: int) -> int:
    await health.count_missed(tx, await events.last_to_expire(tx, before, BATCH))
    return await events.expire(tx, before, BATCH)


async def expire_replies(on: Rollbook) -> bool:
    """Delete stored responses of idempotent requests after 24 hours."""
    if not await idempotency_keys.is_expired(on.db):
        return False
    return await on.db.write(idempotency_keys.expire, BATCH) == BATCH


async def expire_sessions(on: Rollbook) -> bool:
    """Delete expired sessions, codes, one-time tokens and challenges, and second factors that no one has activated."""
    if await second_factors.has_expired_challenges(on.db):
        await on.db.write(second_factors.expire_challenges)
    if await clients.has_expired_codes(on.db):
        await on.db.write(clients.expire_codes)
    if unconfirmed := await second_factors.old(on.db, BATCH):
        await on.db.write(second_factors.forget, unconfirmed)
    more = await one_time_tokens.is_expired(on.db) and await on.db.write(one_time_tokens.expire, BATCH) == BATCH
    ended = await sessions.old(on.db, on.session_lifetime, BATCH)
    if ended:
        await on.db.write(sessions.forget, ended)
    return more or len(ended) >= BATCH


async def expire_keys(on: Rollbook) -> bool:
    """Delete revoked API keys past their retention."""
    revoked = await keys.old(on.db, clock.now() - on.settings.revoked_key_retention * clock.DAY, BATCH)
    if revoked:
        await on.db.write(keys.forget, revoked)
    return len(revoked) == BATCH


async def expire_usage(on: Rollbook) -> bool:
    before = clock.now() - on.settings.usage_retention * clock.DAY
    if not await usage.is_older(on.db, before):
        return False
    return await on.db.write(usage.expire, before, BATCH) == BATCH


async def fold_usage(on: Rollbook) -> bool:
    """Fold hours of usage into days."""
    now, more = clock.now(), False
    for table in usage.TABLES:
        if await usage.next_hour(on.db, table, now) is not None:
            more |= await on.db.write(usage.fold, table, now, MORE)
    return more


async def expire_request_log(on: Rollbook) -> bool:
    """Delete the request log past its retention, all of it if the log is turned off; and the oldest lines of one that
    is too large."""
    before = clock.now() - on.settings.request_retention * clock.DAY
    if await usage.log_size(on.db, before) > on.settings.request_log_size << 20:
        before = clock.now()
    elif not await usage.is_log_older(on.db, before):
        return False
    return await on.db.write(usage.expire_log, before, BATCH) == BATCH


async def expire_deliveries(on: Rollbook) -> bool:
    """Delete deliveries past their retention, those beyond the newest of each webhook, and all of webhooks that are
    gone; and old replays."""
    before = clock.now() - on.settings.webhook_retention * clock.DAY
    if ids := await replays.expired(on.db, before, BATCH):
        await on.db.write(replays.remove, ids)
    more = False
    for old in await on.read_aside(deliveries.expiring, before):
        more |= await on.db.write(_expire_deliveries, old, before) == MORE
    return more


async def _expire_deliveries(tx: Tx, of: deliveries.Expiring, before: int) -> int:
    await health.expire_hours(tx, of.webhook_id, before // clock.HOUR)
    return await deliveries.expire(tx, of, MORE)


async def erase_usage(on: Rollbook) -> bool:
    """Erase remaining usage and deliveries of erased users, including what was stored after they were erased."""
    user_id = await usage.erased_before(on.db, clock.now() - BUFFERED * clock.SECOND)
    if user_id is None:
        return False
    await on.db.write(_forget_erased, user_id)
    return True


async def _forget_erased(tx: Tx, user_id: str) -> None:
    await deliveries.forget_messages(tx, user_id)
    if not await deliveries.forget(tx, user_id, BATCH):
        await usage.forget_erased(tx, user_id, BATCH)


async def count_password_parameters(on: Rollbook) -> bool:
    """Count how many users have each set of parameters, and forget what no user's hash has anymore: hashes are renewed
    when their users sign in."""
    current = on.passwords.current
    if set(await password_parameters.in_use(on.db, 2)) <= {current}:
        return False
    await on.db.write(password_parameters.doubt, current)
    users: Counter[str] = Counter()
    others: set[str] = {current}
    seq: int | None = 0
    while seq is not None:
        counts, seq = await on.read_aside(password_parameters.of_users, seq, READ)
        users += counts
    position: tuple[int, int] | None = (0, 0)
    while position is not None:
        counts, position = await on.read_aside(password_parameters.of_deleted, position, READ)
        others |= counts.keys()
    await on.db.write(password_parameters.settle, dict.fromkeys(others, 0) | users, clock.now())
    for use in (await on.read(passwords.costs, on.settings)).shut:
        logger.warning(
            "%s password hashes of %s MiB (%s), which no password matches: send links to set new ones",
            use.whose,
            use.price.mebibytes,
            use.parameters,
        )
    return False


async def count_new_password_parameters(on: Rollbook) -> bool:
    """Count password parameters soon after an import brought some that were never counted."""
    in_use = await password_parameters.in_use(on.db, MORE)
    return await count_password_parameters(on) if any(not use.counted_at for use in in_use.values()) else False


JOBS = (
    ("erase deleted users", 60.0, erase_deleted),
    ("expire events", 60.0, expire_events),
    ("expire replies", 60.0, expire_replies),
    ("expire sessions", 60.0, expire_sessions),
    ("expire keys", 60.0, expire_keys),
    ("expire usage", 60.0, expire_usage),
    ("fold usage", 60.0, fold_usage),
    ("expire request log", 60.0, expire_request_log),
    ("expire deliveries", 5.0, expire_deliveries),
    ("expire bulk jobs", 60.0, bulk_jobs.expire),
    ("expire imports", 5.0, imports.expire),
    ("forget members of deleted groups", 5.0, groups.forget_members),
    ("erase usage", 30.0, erase_usage),
    ("count password parameters", 3600.0, count_password_parameters),
    ("count new password parameters", 60.0, count_new_password_parameters),
)
"""Name, seconds between two steps, step."""
