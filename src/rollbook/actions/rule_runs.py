"""Runs of rules, in the background: looks for people for whom a rule begins, and creates a bulk job for those who are
due for a step. Whatever is done twice, such as after a crash, finds done what has been done."""

from __future__ import annotations

import logging
import time
from collections.abc import Coroutine
from functools import partial
from typing import Any

from msgspec import UNSET

from rollbook import clock
from rollbook.actions import bulk_jobs, rule_people, rules
from rollbook.actions.bulk_jobs import JobTargets, Run
from rollbook.actions.checking import given
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.actions.rule_people import JOB_ACTIONS, Spec, day_of, next_daily, options_of, sought, spec, still_sought
from rollbook.errors import ApiError, BadRequest
from rollbook.records import events, user_rules
from rollbook.records.bulk_jobs import BulkJob, JobUser, is_of_rule
from rollbook.records.events import Event, Selection
from rollbook.records.user_rules import Due, UserRule
from rollbook.storage.database import Tx

logger = logging.getLogger("rollbook")

AT_ONCE = 10_000
EVENTS_AT_ONCE = 50
LOOK = clock.MINUTE
"""Time between two looks for people whose moment has come, at authors' rights, and at those that wait for approval."""
SPARED = 50
"""Counting the people of a rule that waits takes one in so many parts of the time, however many they are."""
SCAN = clock.DAY
"""Time between two looks at all users, for those who came to match since their moment."""


class RuleRuns:
    """The state that a process has in memory may be lost."""

    def __init__(self, on: Rollbook) -> None:
        self._on = on
        self._scans: dict[str, int] = {}
        """By rule, the number of the user up to whom all were looked at."""
        self._looked: dict[str, int] = {}
        """By rule, when people were looked for last."""
        self._checked: dict[str, int] = {}
        """By rule, when its author was looked at last."""
        self._counted: dict[str, tuple[int, int]] = {}
        """By rule that waits, when its people were counted last, and for how long they aren't counted again."""
        self._read_to: dict[str, int] = {}
        """By rule, up to which event there is none of its type."""

    async def step(self) -> bool:
        """Returns whether there is more."""
        enabled = await self._on.read(user_rules.enabled)
        newest = 0
        if any(spec(rule).when.event is not UNSET for rule in enabled):
            newest = await events.newest(self._on.db)
        taking_in: set[str] = set()
        for rule in enabled:
            if rule.retry_at <= clock.now() and await self._attempt(rule, self._take_in(rule, newest)):
                taking_in.add(rule.id)
        by_id = {rule.id: rule for rule in await self._on.read(user_rules.enabled)}
        for id, step in await self._on.read(user_rules.busy):
            if id in by_id and (step or id not in taking_in):
                await self._attempt(by_id[id], self._begin(by_id[id], step))
        return bool(taking_in)

    async def _attempt(self, rule: UserRule, doing: Coroutine[Any, Any, bool]) -> bool:
        """Do something for a rule. What fails is noted on it, and the others go on."""
        try:
            return await doing
        except ApiError as problem:
            if problem.status >= 500:
                raise
            await self._on.db.write(_note, rule.id, problem)
        except Exception as problem:
            logger.exception("rule %s: %s", rule.id, problem)
            await self._on.db.write(_note, rule.id, ApiError("An unexpected error occurred. See the server's log."))
        return False

    # ---- taking people in

    async def _take_in(self, rule: UserRule, newest: int) -> bool:
        """Look for people for whom a rule begins. Returns whether there may be more."""
        now, said = clock.now(), spec(rule)
        if not 0 <= now - self._checked.get(rule.id, 0) < LOOK:
            self._checked[rule.id] = now
            await rules.author(self._on, rule)
        if said.when.event is not UNSET:
            return newest > max(rule.seen_seq, self._read_to.get(rule.id, 0)) and await self._of_events(rule, said)
        # A time after now is of a clock that has jumped back since: whoever is found again is taken in once.
        if said.moment and rule.id not in self._scans and 0 <= now - rule.scanned_at + LOOK < SCAN + LOOK:
            return await self._of_moment(rule, said, now)
        if not said.moment and (rule.next_run_at is None or rule.next_run_at > now):
            return False
        return await self._scan(rule, said, now)

    async def _of_events(self, rule: UserRule, said: Spec) -> bool:
        """People about whom there are new events. Events that rules led to lead to no others."""
        type = str(said.when.event)
        start = max(rule.seen_seq, self._read_to.get(rule.id, 0))
        page = await self._on.read(events.page, Selection(frozenset((type,)), after=start), EVENTS_AT_ONCE)
        if not page.events:
            self._read_to[rule.id] = max(start, page.position)
            return False
        group = given(said.when.group_id)
        events_of_others = [event for event in page.events if event.user_id and not await self._is_of_rule(event)]
        own = [event for event in events_of_others if group is None or f'"{group}"' in event.object]
        ids = tuple({event.user_id for event in own} & set(said.who.ids or [event.user_id for event in own]))
        people: list[Due] = []
        if ids:
            whom = sought(rule, said, clock.now())
            whom = whom._replace(filters=whom.filters._replace(ids=ids))
            matching = {person.user_id for person in await self._on.read_aside(user_rules.matching, whom)}
            people = [Due(event.user_id, event.id) for event in own if event.user_id in matching]
        await self._on.db.write(_take_in, rule.id, people, {"seen_seq": page.events[-1].seq})
        return page.more

    async def _is_of_rule(self, event: Event) -> bool:
        id = event.actor.request_id or ""
        return event.is_erased or (id.startswith("job_") and await self._on.read(is_of_rule, id))

    async def _of_moment(self, rule: UserRule, said: Spec, now: int) -> bool:
        """People whose moment has come since the last look."""
        looked = self._looked.get(rule.id, 0)
        since = max(looked if looked <= now else 0, rule.scanned_at) - LOOK
        if now - since < 2 * LOOK:
            return False
        whom = sought(rule, said, now, since=since)
        people = await self._on.read_aside(user_rules.seek_few, whom, AT_ONCE)
        if people:
            await self._on.db.write(_take_in, rule.id, people, {})
        if len(people) == AT_ONCE:
            return True
        self._looked[rule.id] = now
        return False

    async def _scan(self, rule: UserRule, said: Spec, now: int) -> bool:
        """People for whom a rule begins, of the next of all users."""
        occasion = "" if rule.next_run_at is None else day_of(said.when, rule.next_run_at)
        after = self._scans.get(rule.id, 0)
        people, last = await self._on.read_aside(user_rules.seek, sought(rule, said, now, occasion), after)
        columns: dict[str, Any] = {}
        if last is None and said.moment:
            columns = {"scanned_at": now}
        elif last is None:
            columns = {"next_run_at": next_daily(said.when, now)}
        if people or columns:
            await self._on.db.write(_take_in, rule.id, people, columns)
        self._looked[rule.id] = now
        if last is None:
            self._scans.pop(rule.id, None)
            return False
        self._scans[rule.id] = last
        return True

    # ---- beginning a step

    async def _begin(self, rule: UserRule, step: int) -> bool:
        """Create the job of a step for those who are due, unless there are too many to begin with."""
        now, said = clock.now(), spec(rule)
        counted, pause = self._counted.get(rule.id, (0, 0))
        if rule.waiting_count is not None and not rule.confirmed and 0 <= now - counted < pause:
            return False
        by = await rules.author(self._on, rule)
        due = await self._on.read_aside(user_rules.count_due, rule.id, step, now)
        if due > bulk_jobs.MAX_USERS:
            raise BadRequest(f"More than {bulk_jobs.MAX_USERS:,} people wait for a step.")
        count = due if step else await self._may_begin_with(rule, said, due, now)
        if count is None:
            return False
        options = {**options_of(said, said.steps[step]), "filter": bulk_jobs.told(said.filters)}
        do = said.steps[step].do
        started = partial(_started, rule_id=rule.id, count=None if step else count, now=now)
        run = Run(rule.id, step, started)
        await bulk_jobs.add_run(
            self._on, by, JOB_ACTIONS.get(do, do), options, partial(self._choose, rule.id, step, now, due), run
        )
        return True

    async def _may_begin_with(self, rule: UserRule, said: Spec, due: int, now: int) -> int | None:
        """People with whom a rule may begin. None: they are too many, and it waits until someone approves. Who is due
        and doesn't match any more, such as a deleted user, counts only while there is no need to count each."""
        taken = rule.taken if rule.taken_on == now // clock.DAY else 0
        most = max(0, rule.confirmed, await self._on.read_aside(rules.ceiling, rule) - taken)
        if due <= most:
            return due
        began = time.monotonic()
        count = await self._on.read_aside(user_rules.count_due_matching, still_sought(rule, said, now), now)
        if count <= most:
            return count
        spent = round((time.monotonic() - began) * clock.SECOND)
        self._counted[rule.id] = now, max(LOOK, SPARED * spent)
        if (rule.waiting_count, rule.confirmed) != (count, 0):
            await self._on.db.write(_wait, rule.id, count)
        return None

    async def _choose(self, id: str, step: int, by: int, count: int, targets: JobTargets) -> None:
        """Choose those who are due. Who is for two occasions is in another job for the second."""
        if count <= AT_ONCE:
            return _add(targets, await self._on.read_aside(user_rules.few_due, id, step, by, AT_ONCE))
        after = ""
        while people := await self._on.read_aside(user_rules.due, id, step, by, after, AT_ONCE):
            _add(targets, people)
            after = people[-1].user_id


def _add(targets: JobTargets, people: list[Due]) -> None:
    occasions = {person.user_id: person.occasion for person in reversed(people)}
    targets.add([JobUser(*person) for person in sorted(occasions.items())])


async def _take_in(tx: Tx, id: str, people: list[Due], columns: dict[str, Any]) -> None:
    """Nothing happens if the rule was turned off meanwhile."""
    rule = await user_rules.find(tx, id)
    if rule is not None and rule.enabled:
        await user_rules.take_in(tx, id, people, clock.now() + spec(rule).steps[0].after_days * clock.DAY)
        if columns:
            await user_rules.change(tx, rule, columns)


async def _started(tx: Tx, job: BulkJob, rule_id: str, count: int | None, now: int) -> None:
    """`count`: with how many people the rule begins; None: it goes on with them."""
    rule = await user_rules.get(tx, rule_id)
    columns: dict[str, Any] = {"last_run_at": now}
    if count is not None:
        today = now // clock.DAY
        taken = rule.taken if rule.taken_on == today else 0
        columns |= {"taken": taken + count, "taken_on": today, "waiting_count": None, "confirmed": 0}
    await user_rules.change(tx, rule, columns)


async def _wait(tx: Tx, id: str, count: int) -> None:
    rule = await user_rules.find(tx, id)
    if rule is None or not rule.enabled:
        return
    confirmed = rule.confirmed if rule.confirmed >= count else 0  # fewer were approved
    after = await user_rules.change(tx, rule, {"waiting_count": count, "confirmed": confirmed})
    if rule.waiting_count is None:
        await events.record(tx, "rule.waiting", rule.user_id, SYSTEM.actor, user_rules.public(after))


async def _note(tx: Tx, id: str, problem: ApiError) -> None:
    """Note what has failed. A rule whose author has lost the right to it ends; one whose author is suspended pauses."""
    rule = await user_rules.find(tx, id)
    if rule is None or not rule.enabled:
        return
    if rule_people.ends_right(problem):
        await rule_people.stop(tx, rule, f"Its author has lost the right to it: {problem.full_message}")
    elif problem.code in ("user_suspended", "key_suspended"):
        await user_rules.change(tx, rule, {"retry_at": clock.now() + LOOK})
    else:
        await rule_people.failed(tx, rule, problem.full_message)
