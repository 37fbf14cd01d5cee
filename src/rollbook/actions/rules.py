"""Actions on rules: what a team automates about users, without code. A rule has the rights of its author, who is the
last to have changed what it does, and ends with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import UNSET

from rollbook import clock
from rollbook.actions import creators, groups, token_requests
from rollbook.actions.arguments.bulk_jobs import GROUP_ACTIONS, BulkFilter
from rollbook.actions.arguments.rules import ListRules, ListRuns, RuleCreate, RuleFields, RuleRun, RuleStep, RuleUpdate
from rollbook.actions.checking import check_version, given, refuse
from rollbook.actions.context import ListPage, Rollbook
from rollbook.actions.permissions import known, may_grant, may_touch_of, require, require_proof
from rollbook.actions.principal import Principal, cli_job, for_job
from rollbook.actions.rule_people import (
    Spec,
    day_of,
    lead,
    next_daily,
    sought,
    spec,
    step_values,
    told,
    when_values,
    who_values,
)
from rollbook.actions.users import check_group
from rollbook.errors import BadRequest, InsufficientScope, NotFound, RuleLimitReached, UserSuspended
from rollbook.records import bulk_jobs, events, lineages, user_list, user_rules, users, webhooks
from rollbook.records.bulk_jobs import BulkJob
from rollbook.records.user_rules import MAX_RULES, UserRule, Waiting
from rollbook.roles import ON_ALL, Scope, is_barred
from rollbook.storage.database import Queries, Tx

MAX_USERS = 50
"""The ceiling of a rule that says none."""
SHARE = 20
"""Of so many users, one is below the ceiling of every rule."""
MAX_NAMED = 100
"""People whom a preview names."""
_SCOPES: dict[str, tuple[Scope, ...]] = {
    "delete": ("users:delete",),
    "setup_link": ("tokens:create",),
    "end_sessions": ("sessions:write",),
    "webhook": ("webhooks:write",),
    **dict.fromkeys(GROUP_ACTIONS, ("groups:write",)),
}
"""Scopes of steps, beside `users:read` and `users:write`."""
_DECIDING = frozenset(("when_json", "who_json", "steps_json", "max_users"))
"""Columns that say what a rule does: whoever sets them is its author."""
_NOT_ENABLED = "The rule is turned off. Enable it first."


class StepPreview(NamedTuple):
    """A step, and the people who wait for it."""

    do: str
    waiting: int
    next_at: int | None


class Preview(NamedTuple):
    """Effect of a rule, before it runs."""

    count: int
    """People with whom it would begin now or, every day, at its next run. Of an event: no one yet."""
    users: list[tuple[str, str, str]]
    """ID, name and email of the first of them."""
    ceiling: int
    next_run_at: int | None
    steps: list[StepPreview]


# ---- reading


async def list_rules(on: Rollbook, by: Principal, query: ListRules) -> ListPage[UserRule]:
    """List rules

    Returns rules, oldest first. All that a rule says can be sent to create it again.
    """
    require(by, "rules:read")
    return await on.read(_list, query.limit, query.offset)


async def _list(queries: Queries, limit: int, offset: int) -> ListPage[UserRule]:
    return ListPage(await user_rules.some(queries, limit, offset), await user_rules.count(queries))


async def get(on: Rollbook, by: Principal, id: str) -> UserRule:
    """Get a rule

    Returns the rule, and how it is doing: when it runs next, and for how many people it waits until someone approves.
    """
    require(by, "rules:read")
    return await user_rules.get(on.db, known("rule", id))


async def list_rule_runs(on: Rollbook, by: Principal, id: str, query: ListRuns) -> list[BulkJob]:
    """List runs of a rule

    Returns the bulk jobs by which the rule did its steps, newest first: the newest 200 of the last 30 days. Each has
    results and can be undone. Also requires the scope `users:write`.
    """
    require(by, "rules:read")
    require(by, "users:write")
    rule = await user_rules.get(on.db, known("rule", id))
    return await on.read(bulk_jobs.of_rule, rule.id, query.before or "job~", query.limit)


async def preview(on: Rollbook, by: Principal, id: str) -> Preview:
    """Preview a rule

    Returns how many people the rule would begin with now or, if it runs every day, at its next run, and the first 100
    of them. A rule that begins with an event is for people from now on: it has none yet. Nothing is changed. Also
    requires the scope `users:read`.
    """
    require(by, "rules:read")
    require(by, "users:read")
    rule = await user_rules.get(on.db, known("rule", id))
    return await on.read_aside(_preview, rule)


async def preview_new_rule(on: Rollbook, by: Principal, new: RuleCreate) -> Preview:
    """Preview a new rule

    Returns what the preview of a rule would, without creating it.
    """
    require(by, "rules:read")
    require(by, "users:read")
    said = _said(new)
    await check_conditions(on, by, said)
    return await on.read_aside(_preview, _new(by, new, said, ""))


async def _preview(queries: Queries, rule: UserRule) -> Preview:
    said, now = spec(rule), clock.now()
    next_run_at, occasion = rule.next_run_at, ""
    if said.when.daily is not UNSET:
        next_run_at = next_run_at or next_daily(said.when, now)
        occasion = day_of(said.when, next_run_at)
    people, is_of_events = sought(rule, said, now, occasion), said.when.event is not UNSET
    if said.moment:
        all_people = people._replace(filters=said.filters)
        moment = await user_rules.next_moment(queries, all_people, now - lead(said))
        next_run_at = None if moment is None else moment + lead(said)
    waiting = {entry.step: entry for entry in await user_rules.waiting(queries, rule.id)}
    return Preview(
        0 if is_of_events else await user_rules.count_sought(queries, people),
        [] if is_of_events else await user_rules.first_sought(queries, people, MAX_NAMED),
        await ceiling(queries, rule),
        next_run_at,
        [_step(step, waiting.get(at)) for at, step in enumerate(said.steps)],
    )


def _step(step: RuleStep, waiting: Waiting | None) -> StepPreview:
    return StepPreview(step.do, 0, None) if waiting is None else StepPreview(step.do, waiting.people, waiting.next_at)


async def ceiling(queries: Queries, rule: UserRule) -> int:
    """People with whom a rule begins in a day at most, unless someone confirms that there are more."""
    return max(rule.max_users, await user_list.read_count(queries, user_list.ANY) // SHARE)


# ---- changing


async def create(on: Rollbook, by: Principal, new: RuleCreate) -> UserRule:
    """Create a rule

    Does `steps` to everyone for whom `when` comes and who matches `who`, once for each occasion: an event, a day, or
    the moment that it goes by. It is off until it is `enabled`; call `POST /v1/rules/preview` first to see whom it
    would be for. It acts with your rights, and with the scopes of your key, as they are then: also requires
    `users:read`, `users:write`, and what its steps need. The server can have 100 rules.
    """
    require(by, "rules:write")
    require_proof(by)
    said = _said(new)
    await check_conditions(on, by, said)
    await check_rights(on, by, said)
    rule = _new(by, new, said, user_rules.new_id())
    if rule.enabled:
        rule = rule._replace(**await _beginning(on, said))
    return await on.write(_create, by, rule)


def _said(new: RuleCreate) -> Spec:
    return told(new.when, given(new.who, BulkFilter()), new.steps)


def _new(by: Principal, new: RuleCreate, said: Spec, id: str) -> UserRule:
    now = clock.now()
    return UserRule(
        id=id,
        name=str(new.name),
        enabled=int(given(new.enabled, False)),
        **_author(by),
        **_texts(said),
        max_users=given(new.max_users, MAX_USERS),
        created_at=now,
        updated_at=now,
    )


def _author(by: Principal) -> dict[str, Any]:
    return {"user_id": by.user_id, "key_id": by.key_id, "lineage": creators.joined(by, by.user_id)}


def _texts(said: Spec) -> dict[str, Any]:
    return {
        "when_json": user_rules.text(when_values(said.when)),
        "who_json": user_rules.text(who_values(said.who)),
        "steps_json": user_rules.text([step_values(step) for step in said.steps]),
    }


async def _beginning(on: Rollbook, said: Spec) -> dict[str, Any]:
    """Columns of a rule that begins to run now."""
    daily = said.when.daily is not UNSET
    return {
        "next_run_at": next_daily(said.when, clock.now()) if daily else None,
        "seen_seq": await events.newest(on.db) if said.when.event is not UNSET else 0,
        "scanned_at": 0,
        "failures": 0,
        "retry_at": 0,
        "stopped_reason": None,
        "waiting_count": None,
        "confirmed": 0,
    }


async def _create(tx: Tx, by: Principal, new: UserRule) -> UserRule:
    await users.lock_owner(tx)  # of two at the same time, the second sees the first
    if await user_rules.count(tx) >= MAX_RULES:
        raise RuleLimitReached()
    await creators.check_key(tx, by)
    await user_rules.add(tx, new)
    await events.record(tx, "rule.created", new.user_id, by.actor, user_rules.public(new))
    return new


async def update(
    on: Rollbook, by: Principal, id: str, changes: RuleUpdate, versions: frozenset[int] | None = None
) -> UserRule:
    """Update a rule

    Fields you don't send are left unchanged. If you change what the rule does, or enable it, you become its author: it
    acts with your rights. People who wait for a step keep waiting, unless `when` has another event, time or moment. To
    turn it off, send `enabled` as false. Those who wait go on when it is enabled again, if they still match.
    """
    require(by, "rules:write")
    rule = await user_rules.get(on.db, known("rule", id))
    check_version(rule.version, versions)
    columns = await _columns(on, by, rule, changes)
    return await on.write(_update, by, rule, columns)


async def _columns(on: Rollbook, by: Principal, rule: UserRule, changes: RuleFields) -> dict[str, Any]:
    """Columns that change."""
    old = spec(rule)
    said = told(given(changes.when, old.when), given(changes.who, old.who), given(changes.steps, old.steps))
    wanted = {
        "name": given(changes.name, rule.name),
        "enabled": int(given(changes.enabled, bool(rule.enabled))),
        "max_users": given(changes.max_users, rule.max_users),
        **_texts(said),
    }
    columns = {name: value for name, value in wanted.items() if getattr(rule, name) != value}
    if _DECIDING & columns.keys() or columns.get("enabled") == 1:
        require_proof(by)
        await check_conditions(on, by, said)
        await check_rights(on, by, said)
        columns |= _author(by)
    if wanted["enabled"] and ("enabled" in columns or "when_json" in columns):
        columns |= await _beginning(on, said)
    elif wanted["enabled"] and "who_json" in columns:
        columns["scanned_at"] = 0
    elif columns.get("enabled") == 0:
        columns |= {"next_run_at": None, "waiting_count": None, "confirmed": 0}
    return columns


async def _update(tx: Tx, by: Principal, read: UserRule, columns: Mapping[str, Any]) -> UserRule:
    await may_touch_of(tx, by, read.user_id)
    rule = await user_rules.get(tx, read.id)
    check_version(rule.version, (read.version,))
    if not columns:
        return rule
    await creators.check_key(tx, by)
    after = await user_rules.change(tx, rule, columns, is_edit=True)
    old, new = spec(rule), spec(after)
    if (old.when.event, old.when.daily is UNSET, old.moment) != (new.when.event, new.when.daily is UNSET, new.moment):
        await user_rules.forget_people(tx, rule.id)
    elif len(new.steps) < len(old.steps):
        await user_rules.shorten(tx, rule.id, len(new.steps))
    was, now = user_rules.public(rule), user_rules.public(after)
    shown = {name.removesuffix("_json") for name in columns}
    before = {name: was[name] for name in was if name in shown}
    await events.record(tx, "rule.updated", after.user_id, by.actor, now, before)
    return after


async def delete(on: Rollbook, by: Principal, id: str, versions: frozenset[int] | None = None) -> None:
    """Delete a rule

    People who wait for a step get no further steps. Its runs stay, and can be undone.
    """
    require(by, "rules:write")
    require_proof(by)
    await on.write(_delete, by, await user_rules.get(on.db, known("rule", id)), versions)


async def _delete(tx: Tx, by: Principal, read: UserRule, versions: frozenset[int] | None) -> None:
    await may_touch_of(tx, by, read.user_id)
    rule = await user_rules.get(tx, read.id)
    check_version(rule.version, versions)
    await user_rules.remove(tx, rule.id)
    await events.record(tx, "rule.deleted", rule.user_id, by.actor, user_rules.public(rule))


async def run(on: Rollbook, by: Principal, id: str, options: RuleRun) -> UserRule:
    """Run a rule

    Makes an enabled rule look for people now. If there are more than it may begin with in a day, it waits: to begin
    with them, send their number as `confirm_count`. Returns the rule; its runs are bulk jobs.
    """
    require(by, "rules:write")
    require_proof(by)
    rule = await user_rules.get(on.db, known("rule", id))
    if not rule.enabled:
        raise BadRequest(_NOT_ENABLED)
    confirmed = 0
    if options.confirm_count is not UNSET:
        confirmed = options.confirm_count
        now = rule.waiting_count
        if now is None:
            now = (await on.read_aside(_preview, rule)).count
        if confirmed != now:
            refuse("confirm_count", f"is {confirmed:,}, but {now:,} people match now. Nothing was changed")
    return await on.write(_run, by, rule, confirmed)


async def _run(tx: Tx, by: Principal, read: UserRule, confirmed: int) -> UserRule:
    await may_touch_of(tx, by, read.user_id)
    rule = await user_rules.get(tx, read.id)
    if not rule.enabled:
        raise BadRequest(_NOT_ENABLED)
    columns: dict[str, Any] = {"scanned_at": 0, "retry_at": 0, "confirmed": max(confirmed, rule.confirmed)}
    if rule.next_run_at is not None and rule.waiting_count is None:
        columns["next_run_at"] = clock.now()
    return await user_rules.change(tx, rule, columns)


# ---- rights


async def check_conditions(on: Rollbook, by: Principal, said: Spec) -> None:
    """Check that members can't decide themselves whether a rule is for them. Raises InvalidParameter, NotFound."""
    for name in ("q", "email"):
        if getattr(said.who, name) is not None:
            refuse(f"who.{name}", "can't decide whom a rule is for, since users can change it themselves")
    opened = on.settings.member_fields.metadata_keys
    for key, _ in said.who.metadata or ():
        if key in opened:
            refuse("who.metadata", f"can't have {key}, which users can change themselves (member_fields)")
    if said.who.status not in (None, said.filters.status):
        refuse("who.status", f"doesn't go with {said.moment}")
    for group in (said.filters.group, given(said.when.group_id)):
        if group is not None:
            await check_group(on, by, group)


async def check_rights(on: Rollbook, by: Principal, said: Spec) -> None:
    """Check that an author may do all that a rule does. Raises InsufficientScope, InvalidParameter, NotFound."""
    for scope in ("rules:write", "users:read", "users:write"):
        require(by, scope)
    for at, step in enumerate(said.steps):
        for scope in _SCOPES.get(step.do, ()):
            require(by, scope)
        if step.role is not UNSET:
            may_grant(by, step.role)
        if step.group_id is not UNSET:
            await groups.check_may_change(on, by, step.group_id)
        await _check_receiver(on, by, at, step)


async def _check_receiver(on: Rollbook, by: Principal, at: int, step: RuleStep) -> None:
    """Check that what a step sends can be sent, and by this author. Raises InsufficientScope, InvalidParameter."""
    name, id = ("to", given(step.to, by.user_id)) if step.do == "report" else ("webhook_id", given(step.webhook_id, ""))
    if step.do == "webhook" or id.startswith("webhook_"):
        require(by, "webhooks:write")
        try:
            return await may_touch_of(on.db, by, await webhooks.owner_of(on.db, id))
        except NotFound:
            refuse(f"steps[{at}].{name}", "must be the ID of a webhook that exists")
    if step.do == "report":
        user = await users.by_id(on.db, id)
        if user is None or "users:read" not in ON_ALL[user.role]:
            refuse(f"steps[{at}].to", "must be the ID of a user who can read all users, or of a webhook")
    if step.do in ("setup_link", "mail", "report") and not on.settings.sends_mail:
        refuse(f"steps[{at}].do", "needs a mail server: set smtp")
    if step.do == "require_new_password" and await token_requests.find_deliverer(on.db, on.settings, "member") is None:
        refuse(f"steps[{at}].do", "needs a mail server, or a webhook that mails links: set smtp")


async def author(on: Rollbook, rule: UserRule) -> Principal:
    """The author of a rule, with what they can do by now. Raises Unauthorized, Forbidden, NotFound,
    InvalidParameter."""
    by = cli_job(rule.id)
    if rule.user_id:
        by = await on.read(for_job, rule.user_id, rule.key_id, None, None, rule.id)
        await on.read(_check_lineage, rule)
    said = spec(rule)
    await check_conditions(on, by, said)
    await check_rights(on, by, said)
    return by


async def _check_lineage(queries: Queries, rule: UserRule) -> None:
    """Check the users whom the session of a rule's author went back to."""
    for user_id in sorted(lineages.users(rule.lineage)):
        user = await users.by_id(queries, user_id)
        if user is None or "rules:write" not in ON_ALL[user.role]:
            raise InsufficientScope("A user whom this rule goes back to can't have rules any more.")
        if is_barred(user.status):
            raise UserSuspended()
