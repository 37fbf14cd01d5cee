"""Rules over the API."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from msgspec import Struct

from rollbook import clock, errors
from rollbook.actions import rules
from rollbook.actions.arguments.rules import (
    MAX_STEPS,
    ListRules,
    ListRuns,
    RuleAction,
    RuleCreate,
    RuleRun,
    RuleUpdate,
)
from rollbook.actions.rules import MAX_NAMED, Preview
from rollbook.api import files, show, take
from rollbook.api.bulk_jobs import BulkJob, show_bulk_job_list
from rollbook.api.call import Call
from rollbook.api.route import CHECKS, Route, delete, get, patch, post
from rollbook.http.request import Response
from rollbook.records import bulk_jobs as bulk_job_records
from rollbook.records import examples, user_list, user_rules, users
from rollbook.records.examples import ALICE_ID, CHARLIE_ID
from rollbook.records.user_list.query import Filters, Query
from rollbook.records.user_rules import UserRule
from rollbook.schemas import array, identifier, moment, number, open_enum, says
from rollbook.storage.database import Queries


class Rule(Struct, frozen=True, kw_only=True):
    """A rule: when it begins for someone, for whom, and what is done. `when`, `who` and `steps` are as they were
    sent."""

    id: Annotated[str, identifier("ID of the rule.", examples.RULE_ID)]
    name: Annotated[str, says("What the rule does, for people.", examples=["Suspend who is inactive"])]
    enabled: Annotated[bool, says("Whether it runs.")]
    user_id: (
        Annotated[
            str,
            identifier(
                "ID of its author, whose rights it has and with which it ends. Null: the command line.", ALICE_ID
            ),
        ]
        | None
    )
    key_id: Annotated[str, identifier("ID of the API key whose scopes it has. Null: none.", examples.KEY_ID)] | None
    when: Annotated[dict[str, Any], says("When it begins for someone, as in `RuleWhen`.")]
    who: Annotated[dict[str, Any], says("For whom: filters of users, as in `BulkFilter`.")]
    steps: Annotated[
        tuple[Annotated[dict[str, Any], says("A step, as in `RuleStep`.")], ...],
        array("What is done, step by step.", MAX_STEPS),
    ]
    max_users: Annotated[int, number("People with whom it begins in a day at most, or 5 % of all users, if more.")]
    waiting_count: (
        Annotated[
            int,
            number("People for whom it waits until someone confirms that there are so many. Null: it doesn't wait."),
        ]
        | None
    )
    failures: Annotated[int, number("Runs that failed in a row. It stops after three.")]
    stopped_reason: (
        Annotated[str, says("Why it has stopped, for people. Null: it runs, or someone has turned it off.")] | None
    )
    next_run_at: Annotated[str, moment("For `daily`: when it runs next. Null: at any time, or it is off.")] | None
    last_run_at: Annotated[str, moment("When its last run began. Null: it had none.")] | None
    created_at: Annotated[str, moment("When it was created.")]
    updated_at: Annotated[str, moment("When it was last changed.")]


class RulePerson(Struct, frozen=True):
    """Someone with whom a rule would begin."""

    id: Annotated[str, identifier("ID of the user.", CHARLIE_ID)]
    name: Annotated[str, says("The user's name.", examples=["Charles Chaplin"])]
    email: Annotated[str, says("The user's email.", format="email", examples=["charlie.c@example.com"])]


class RuleStepPreview(Struct, frozen=True):
    """A step of a rule, and the people who wait for it."""

    do: Annotated[str, open_enum(get_args(RuleAction), "What is done.")]
    waiting: Annotated[int, number("People who wait for it.")]
    next_at: Annotated[str, moment("When the first of them is due. Null: there is no one.")] | None


class RulePreview(Struct, frozen=True):
    """Effect of a rule, before it runs."""

    count: Annotated[
        int,
        number(
            "People with whom it would begin now or, for `daily`, at its next run. With an `event`: 0, since it is for "
            "people from now on."
        ),
    ]
    users: Annotated[tuple[RulePerson, ...], array("The first of them.", MAX_NAMED)]
    ceiling: Annotated[int, number("People with whom it begins in a day at most, unless someone confirms more.")]
    next_run_at: Annotated[str, moment("When it would begin with someone next. Null: unknown.")] | None
    steps: Annotated[tuple[RuleStepPreview, ...], array("Its steps.", MAX_STEPS)]


def show_rule(call: Call, rule: UserRule) -> Response:
    return show.answer(200, user_rules.public(rule), show.etag(rule.version))


def show_rule_created(call: Call, rule: UserRule) -> Response:
    return show.created(call, f"/v1/rules/{rule.id}", show_rule(call, rule))


show_rule_list = show.page(user_rules.public)


def show_preview(call: Call, preview: Preview) -> Response:
    steps = tuple([RuleStepPreview(step.do, step.waiting, _time(step.next_at)) for step in preview.steps])
    users = tuple([RulePerson(*person) for person in preview.users])
    return show.answer(200, RulePreview(preview.count, users, preview.ceiling, _time(preview.next_run_at), steps))


REPORTED = ("id", "name", "email", "role", "status", "created_at", "last_active_at", "ends_at")
"""Columns of a report."""
MAX_REPORTED = 10_000
_reported = users.public_part(frozenset(REPORTED))


async def report(queries: Queries, job_id: str) -> bytes:
    """The people of a report, as they are now, as CSV: the first of them, if there are very many."""
    parts = await bulk_job_records.done_parts(queries, job_id, "", MAX_REPORTED // bulk_job_records.PART, "changed")
    rows: list[Any] = []
    for part in parts:
        ids = [
            target.user_id for target, outcome in zip(part.targets, part.outcomes or (), strict=True) if outcome is True
        ]
        page = await user_list.read(queries, Query(Filters(ids=tuple(ids)), limit=len(ids)))
        rows += [_reported(users.User._make(row)) for row in page.rows]
    return files.write_rows([REPORTED, *[[row[name] for name in REPORTED] for row in rows]])


def _time(at: int | None) -> str | None:
    return None if at is None else clock.format_time(at)


ROWS: dict[str, list[Route]] = {
    "/v1/rules": [
        get(rules.list_rules, "rules:read", ListRules, list[Rule], show_rule_list),
        post(rules.create, "rules:write", RuleCreate, Rule, show_rule_created).but(
            success=201, errors=(errors.RuleLimitReached, errors.NotFound)
        ),
    ],
    "/v1/rules/preview": [
        post(rules.preview_new_rule, "rules:read", RuleCreate, RulePreview, show_preview).but(
            errors=(errors.NotFound,), special=CHECKS
        ),
    ],
    "/v1/rules/{ruleId}": [
        get(rules.get, "rules:read", None, Rule, show_rule),
        patch(rules.update, "rules:write", RuleUpdate, Rule, show_rule).but(
            errors=(errors.PreconditionFailed,), takes=take.changes
        ),
        delete(rules.delete, "rules:write").but(errors=(errors.PreconditionFailed,), takes=take.versions),
    ],
    "/v1/rules/{ruleId}/preview": [
        post(rules.preview, "rules:read", None, RulePreview, show_preview).but(special=CHECKS),
    ],
    "/v1/rules/{ruleId}/run": [
        post(rules.run, "rules:write", RuleRun, Rule, show_rule),
    ],
    "/v1/rules/{ruleId}/runs": [
        get(rules.list_rule_runs, "rules:read", ListRuns, list[BulkJob], show_bulk_job_list),
    ],
}
