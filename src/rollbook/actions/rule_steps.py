"""Steps that only rules have, in the transaction of a part of their job: they tell someone about a person, by an event
that mail or a webhook sends, or require a new password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollbook.actions.arguments.rules import RuleStep
from rollbook.actions.bulk import Plan
from rollbook.actions.checking import given
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import may_touch
from rollbook.actions.principal import SYSTEM, Principal
from rollbook.actions.rule_people import spec
from rollbook.errors import Forbidden
from rollbook.records import events, user_rules, users
from rollbook.records.bulk_jobs import BulkJob, JobPart
from rollbook.records.user_rules import UserRule
from rollbook.records.users import User
from rollbook.storage.database import Tx


async def planned(on: Rollbook, by: Principal, job: BulkJob, part: JobPart) -> list[Plan]:
    """The change of each person of a part. Raises NotFound, Forbidden."""
    rule = await on.read(user_rules.get, job.rule_id or "")
    step = _step(rule, job)
    if step is None:
        raise Forbidden("The steps of the rule were changed.")
    return [Plan(_do, (by, rule, step, target.user_id)) for target in part.targets]


def _step(rule: UserRule, job: BulkJob) -> RuleStep | None:
    """The step of a job. None: the rule has another one now."""
    return next(
        (step for at, step in enumerate(spec(rule).steps) if (at, step.do) == (job.rule_step, job.action)), None
    )


async def _do(tx: Tx, by: Principal, rule: UserRule, step: RuleStep, user_id: str) -> bool:
    """Returns whether anything was done. Raises NotFound, InsufficientScope."""
    user = await users.get(tx, user_id)
    may_touch(by, user.id, user.role)
    if step.do == "require_new_password":
        return await users.require_new_password(tx, user.id)
    if step.do != "report":  # which is sent at the end
        await _record(tx, by, rule, step, user)
    return True


async def _record(tx: Tx, by: Principal, rule: UserRule, step: RuleStep, user: User) -> None:
    about: Mapping[str, Any] = {"subject": step.subject, "text": step.text}
    if step.do == "webhook":
        about = {"webhook_id": step.webhook_id, "user": users.complete(user)}
    type = "rule.called" if step.do == "webhook" else "rule.mailed"
    await events.record(tx, type, user.id, by.actor, {"id": rule.id, "name": rule.name, **about})


async def run_ended(tx: Tx, job: BulkJob) -> None:
    """Report whom a run was for."""
    if job.action != "report" or job.status != "finished" or not job.changed:
        return
    rule = await user_rules.find(tx, job.rule_id or "")
    if rule is None or (step := _step(rule, job)) is None:
        return
    to = given(step.to, rule.user_id)
    webhook_id = to if to.startswith("webhook_") else None
    about = {"id": rule.id, "name": rule.name, "job_id": job.id, "people": job.changed, "webhook_id": webhook_id}
    await events.record(tx, "rule.reported", rule.user_id if webhook_id else to, SYSTEM.actor, about)
