"""All jobs on one page: what runs beside the requests, how often, and in which process."""

from __future__ import annotations

from functools import partial

from rollbook.actions import access_tokens, deferred_events, key_expiry
from rollbook.actions.resealing import Resealing
from rollbook.api.call import Services
from rollbook.api.idempotency import renew_claims
from rollbook.gate import Gate
from rollbook.jobs import backups, bulk_jobs, import_starter, retention, token_requests
from rollbook.jobs.backups import Backups
from rollbook.jobs.bulk_jobs import BulkJobs
from rollbook.jobs.import_starter import ImportStarter
from rollbook.jobs.loop import Job, Jobs, Step
from rollbook.jobs.token_requests import TokenRequests
from rollbook.jobs.usage import UsageFlush
from rollbook.records import keys, sessions
from rollbook.records.dialect import dialect
from rollbook.storage.database import Database
from rollbook.web.site import Site


def jobs(on: Services, gate: Gate, site: Site, flush: UsageFlush, gauge: Step, first: bool) -> Jobs:
    """Jobs of a worker. Jobs that concern all workers run in the first one and, of several servers on one database, in
    one of them."""
    store_last_seen = partial(_store_last_seen, on.db, gate, site)
    store_deferred_events = partial(deferred_events.store, on)
    making = TokenRequests(on)
    found = [
        Job("key and session uses", 5.0, store_last_seen),
        Job("usage and request log", UsageFlush.PAUSE, flush.step),
        Job("gauges", 1.0, gauge),
        Job("failed sign-ins and exceeded limits", 1.0, store_deferred_events),
        Job("running requests", 1.0, partial(renew_claims, on)),
        Job("requested tokens", token_requests.PAUSE, making.step, woken=making.woken),
    ]
    last = [store_last_seen, store_deferred_events, flush.flush]
    if first:
        found += [Job(name, pause, partial(step, on.db), leased=True) for name, pause, step, _ in dialect(on.db).upkeep]
        found += [Job(name, pause, partial(step, on), leased=True) for name, pause, step in retention.JOBS]
        found.append(Job("keys that expire", 60.0, partial(key_expiry.give_notice, on), leased=True))
        found.append(Job("signing keys", 60.0, partial(access_tokens.rotate, on), leased=True))
        found.append(Job("secrets sealed again", 60.0, Resealing(on).step, leased=True))
        changing = BulkJobs(on)
        found.append(Job("bulk jobs", bulk_jobs.PAUSE, changing.step, leased=True, woken=changing.woken))
        running = ImportStarter(on)
        found.append(Job("imports", import_starter.PAUSE, running.step))
        last.append(running.stop)
        if not dialect(on.db).is_shared:
            copying = Backups(on.settings)
            found.append(Job("backups", backups.PAUSE, copying.step))
            last.append(copying.stop)
    return Jobs(on.db, found, last=last)


async def _store_last_seen(db: Database, gate: Gate, site: Site) -> bool:
    if uses := gate.take_uses():
        await db.write(keys.used, uses)
    if seen := site.take_seen():
        await db.write(sessions.seen, seen)
    return False
