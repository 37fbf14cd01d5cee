"""People at a rule: whom it is for at a moment, and what becomes of each in the transaction of a step. They are taken
in once for each occasion, and looked at again before each step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET

from rollbook import clock
from rollbook.actions import bulk
from rollbook.actions.arguments.bulk_jobs import BulkFilter
from rollbook.actions.arguments.rules import RuleCreate, RuleStep, RuleWhen
from rollbook.actions.arguments.users import TIMES
from rollbook.actions.checking import check, given, metadata_pair, time_text
from rollbook.actions.principal import SYSTEM
from rollbook.actions.users import filters_of
from rollbook.errors import ApiError, Forbidden, LeftAlone, Unauthorized
from rollbook.records import events, user_rules
from rollbook.records.bulk_jobs import BulkJob, JobPart, Outcome, RefusedChange
from rollbook.records.user_list.query import Filters
from rollbook.records.user_rules import DONE, Due, Sought, UserRule
from rollbook.roles import PERSON
from rollbook.storage.database import Tx

MAX_FAILURES = 3
"""Runs that may fail in a row."""
RETRY = clock.MINUTE
CANCELED = "A run was canceled."
STATUSES = {"invited_at": "invited", "suspended_at": "suspended"}
"""Status of those who have such a moment."""


class Spec(NamedTuple):
    """A rule as it says what to do."""

    when: RuleWhen
    who: BulkFilter
    steps: tuple[RuleStep, ...]
    filters: Filters

    @property
    def moment(self) -> str:
        """The moment that it goes by; empty: an event, or a time of day."""
        return given(self.when.before) or given(self.when.after) or ""


def spec(rule: UserRule) -> Spec:
    return _spec(rule.when_json, rule.who_json, rule.steps_json)


@lru_cache(maxsize=256)
def _spec(when: str, who: str, steps: str) -> Spec:
    texts = {"when": when, "who": who, "steps": steps}
    said = check(RuleCreate, {"name": "-", **{name: user_rules.decoded(text) for name, text in texts.items()}}, 1)
    return told(said.when, given(said.who, BulkFilter()), said.steps)


def told(when: RuleWhen, who: BulkFilter, steps: tuple[RuleStep, ...]) -> Spec:
    filters, status = chosen(who), STATUSES.get(given(when.after) or "")
    return Spec(when, who, steps, filters if status is None else filters._replace(status=status))


def chosen(who: BulkFilter) -> Filters:
    """Filters of those whom a bulk job or rule changes: without a kind, people, so that no application stops by
    accident."""
    filters = filters_of(who)
    return filters if filters.kind is not None else filters._replace(kind=PERSON)


def when_values(when: RuleWhen) -> dict[str, Any]:
    """The fields that are set, as they were sent."""
    return {name: given(value) for name in when.__struct_fields__ if (value := getattr(when, name)) is not UNSET}


def who_values(who: BulkFilter) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in who.__struct_fields__:
        value = getattr(who, name)
        if value is None:
            continue
        if name in TIMES:
            value = time_text(value)
        elif name == "metadata":
            value = [metadata_pair(*pair) for pair in value]
        values[name] = list(value) if isinstance(value, tuple) else given(value)
    return values


def step_values(step: RuleStep) -> dict[str, Any]:
    values = {name: given(value) for name in step.__struct_fields__ if (value := getattr(step, name)) is not UNSET}
    if step.metadata is not UNSET:
        values["metadata"] = msgspec.Raw(step.metadata.encode())
    return {name: value for name, value in values.items() if (name, value) != ("after_days", 0)}


# ---- times


def next_daily(when: RuleWhen, after: int) -> int:
    """The next time, in microseconds, that a rule of every day runs."""
    zone = _zone(when)
    day = datetime.fromtimestamp(after / clock.SECOND, zone).date()
    while (at := _moment(day, given(when.daily), zone)) is None or at <= after:
        day += timedelta(1)
    return at


def day_of(when: RuleWhen, at: int) -> str:
    """The date of a run: the occasion of those who are taken in then."""
    return datetime.fromtimestamp(at / clock.SECOND, _zone(when)).date().isoformat()


def _zone(when: RuleWhen) -> tzinfo:
    return UTC if when.zone is UNSET else ZoneInfo(when.zone)


def _moment(day: date, text: str, zone: tzinfo) -> int | None:
    """A time of day: the first of two, or else the next that there is. None: the zone has left the day out."""
    local = datetime.combine(day, time(int(text[:2]), int(text[3:])))
    while local.date() == day:
        at = int(local.replace(tzinfo=zone).timestamp())
        if datetime.fromtimestamp(at, zone).replace(tzinfo=None) == local:
            return at * clock.SECOND
        local += timedelta(minutes=1)
    return None


# ---- whom a rule is for


def sought(rule: UserRule, said: Spec, now: int, occasion: str = "", since: int | None = None) -> Sought:
    """People for whom a rule begins now. `since`: only those whose moment has come after that time."""
    filters = said.filters
    if said.moment:
        filters = _come(said, filters, now, since)
        if said.when.before is not UNSET:  # who has come to it without the rule is told nothing of it
            filters = filters._replace(ends_after=max(now, filters.ends_after or 0))
    return _sought(rule, said, filters, occasion)


def still_sought(rule: UserRule, said: Spec, now: int) -> Sought:
    """People whom a rule is for, of those for whom it begins or began."""
    return _sought(rule, said, _come(said, said.filters, now) if said.moment else said.filters, "")


def _sought(rule: UserRule, said: Spec, filters: Filters, occasion: str) -> Sought:
    names = said.who.ids or ()
    spares_owners = said.filters.role != "owner" and not names
    but = "" if rule.user_id in names else rule.user_id
    return Sought(rule.id, filters, said.moment, occasion, spares_owners, but)


def _come(said: Spec, filters: Filters, now: int, since: int | None = None) -> Filters:
    """These filters, for those whose moment has come; `since`, after that time."""
    start, end = max(0, (since or 0) - lead(said)), now - lead(said)
    if said.moment == "last_active_at":
        return filters._replace(idle=(start, end))
    if said.moment in STATUSES:  # few have the status
        return filters._replace(status_since_before=min(end, filters.status_since_before or end))
    after, before = _RANGES[said.moment]
    bounds: dict[str, Any] = {before: min(end, getattr(filters, before) or end)}
    if start and said.when.after is not UNSET:
        bounds[after] = max(start, getattr(filters, after) or 0)
    return filters._replace(**bounds)


_RANGES = {"ends_at": ("ends_after", "ends_before"), "created_at": ("created_after", "created_before")}


def lead(said: Spec) -> int:
    """The time from the moment to the day of the rule, in microseconds."""
    return given(said.when.days, 0) * clock.DAY * (1 if said.when.before is UNSET else -1)


# ---- steps, in the transaction of a part of a job


async def leave_alone(
    tx: Tx, job: BulkJob, part: JobPart, plans: Sequence[bulk.Plan | ApiError]
) -> list[bulk.Plan | ApiError]:
    """The plans for those who are still at this step and match, and for the others that they are left alone. Raises
    Forbidden if the rule doesn't run any more."""
    rule = await user_rules.find(tx, job.rule_id or "")
    if rule is None or not rule.enabled:
        raise Forbidden("The rule was turned off or deleted.")
    said, step, people = spec(rule), job.rule_step or 0, _people(part)
    at_step = await user_rules.at_step(tx, rule.id, step, [person.user_id for person in people])
    ids = {person.user_id for person in people} & set(said.who.ids or [person.user_id for person in people])
    whom = still_sought(rule, said, clock.now())
    filters = whom.filters._replace(ids=tuple(sorted(ids)) or ("-",))
    matching = await user_rules.matching(tx, whom._replace(filters=filters))
    fit = matching if said.moment else {person for person in people if Due(person.user_id, "") in matching}
    return [
        plan if person in at_step and person in fit else LeftAlone() for person, plan in zip(people, plans, strict=True)
    ]


def _people(part: JobPart) -> list[Due]:
    return [Due(target.user_id, target.role) for target in part.targets]


async def advance(tx: Tx, job: BulkJob, part: JobPart, outcomes: Sequence[Outcome]) -> None:
    """Move the people of a part to their next step. Who was refused or left alone gets no further one."""
    rule = await user_rules.get(tx, job.rule_id or "")
    said, now_at = spec(rule), job.rule_step or 0
    step = now_at + 1
    people = _people(part)
    going_on = [
        person
        for person, outcome in zip(people, outcomes, strict=True)
        if step < len(said.steps) and not isinstance(outcome, RefusedChange)
    ]
    if going_on:
        due_at = clock.now() + said.steps[step].after_days * clock.DAY
        await user_rules.move(tx, rule.id, going_on, now_at, step, due_at)
    over = sorted(set(people) - set(going_on))
    if said.moment:  # the moment stays
        await user_rules.move(tx, rule.id, over, now_at, DONE, 0)
    else:
        await user_rules.leave(tx, rule.id, over, now_at)


async def run_ended(tx: Tx, job: BulkJob) -> None:
    """Note on the rule how a run of it has ended. One that was canceled stops it, and so do three failures in a row."""
    rule = await user_rules.find(tx, job.rule_id or "")
    if rule is None or not rule.enabled:
        return
    if job.status == "finished":
        if rule.failures:
            await user_rules.change(tx, rule, {"failures": 0})
    elif job.status == "canceled":
        await stop(tx, rule, CANCELED)
    else:
        await failed(tx, rule, job.error or "")


async def failed(tx: Tx, rule: UserRule, reason: str) -> None:
    """Note a failure."""
    failures = rule.failures + 1
    rule = await user_rules.change(tx, rule, {"failures": failures, "retry_at": clock.now() + failures * RETRY})
    if failures >= MAX_FAILURES:
        await stop(tx, rule, reason)


async def stop(tx: Tx, rule: UserRule, reason: str) -> None:
    after = await user_rules.change(
        tx, rule, {"enabled": 0, "stopped_reason": reason, "next_run_at": None, "waiting_count": None}, is_edit=True
    )
    await events.record(tx, "rule.stopped", rule.user_id, SYSTEM.actor, user_rules.public(after), {"enabled": True})


def ends_right(problem: ApiError) -> bool:
    """Test whether a rule's author has lost the right to it for good; a suspension ends."""
    return isinstance(problem, (Unauthorized, Forbidden)) and problem.code not in ("user_suspended", "key_suspended")


def options_of(said: Spec, step: RuleStep) -> Mapping[str, Any]:
    """Options of the job of a step."""
    return {
        "role": given(step.role),
        "metadata": None if step.metadata is UNSET else msgspec.Raw(step.metadata.encode()),
        "ends_at": None,
        "send": step.do == "setup_link",
        "redirect_url": None,
        "group_id": given(step.group_id),
    }


JOB_ACTIONS = {"setup_link": "setup_links"}
"""Actions of bulk jobs that have another name than the step."""
