"""Arguments about rules: when, for whom, and what is done."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, UnsetType

from rollbook.actions.arguments import Body, Limit, MetadataPatch, Offset, Query, label
from rollbook.actions.arguments.bulk_jobs import BulkFilter, GroupOfAction
from rollbook.records import event_types, examples
from rollbook.roles import Role
from rollbook.schemas import says

CLOCK_TIME = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
MAX_STEPS = 5
MAX_DAYS = 3_650
RuleMoment = Literal["ends_at", "created_at", "last_active_at", "invited_at", "suspended_at"]
RuleAction = Literal[
    "suspend",
    "activate",
    "delete",
    "add_to_group",
    "remove_from_group",
    "role",
    "metadata",
    "setup_link",
    "end_sessions",
    "require_new_password",
    "mail",
    "webhook",
    "report",
]
OF_NO_PERSON = ("webhook", "rule", "group", "users", "bulk_job", "import", "settings", "server", "application")
"""Kinds of events that are about no user, or no person."""
OF_MEMBERS = "group.member_"
GONE = ("user.deleted", "user.purged")
EVENTS = tuple(
    type
    for type in event_types.TYPES
    if type not in GONE and (event_types.kind(type) not in OF_NO_PERSON or type.startswith(OF_MEMBERS))
)
"""Types of events that a rule can begin with."""
DAYS_OF_MOMENTS = ("before", "after")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}").fullmatch
ONLY_RULES = ("mail", "webhook", "report", "require_new_password")
"""Actions that bulk jobs have only as runs of rules."""
FIELDS_OF_STEPS: dict[str, tuple[str, ...]] = {
    "add_to_group": ("group_id",),
    "remove_from_group": ("group_id",),
    "role": ("role",),
    "metadata": ("metadata",),
    "mail": ("subject", "text"),
    "webhook": ("webhook_id",),
}
"""Fields that a step needs beside `do`."""
OPTIONAL_OF_STEPS: dict[str, tuple[str, ...]] = {"report": ("to",)}
PLACEHOLDERS = ("user.name", "user.email", "user.ends_at", "brand", "link")
"""Placeholders of mails, beside `user.metadata.KEY`."""
_PLACEHOLDER = re.compile(r"(?:" + "|".join(map(re.escape, PLACEHOLDERS)) + r"|user\.metadata\.[\w-]{1,64})").fullmatch
FILLED = re.compile(r"\{\{(.*?)\}\}")
"""A placeholder in a text: `{{ user.name }}`."""
Days = Annotated[int, Meta(ge=0, le=MAX_DAYS)]
_RECEIVER = "For `report`: ID of a webhook, or of a user who can read all users, for a mail. Default: the author."
_DAILY = (
    "A time of day, for all who match then. If clocks skip it, the rule runs right after the gap; if they repeat it, "
    "the first time."
)
_MAX_USERS = (
    "People with whom it begins in a day at most, or 5 % of all users, if that is more. If there are more people, it "
    "waits until someone confirms their number. Default: 50."
)
_CONFIRM = (
    "How many people it begins with: its `waiting_count`, if it waits, or the count of its preview. If the number has "
    "changed, nothing happens. Without it, a rule that waits keeps waiting."
)
_AFTER = says("The moment that it begins after. Users who were never active: `created_at` for `last_active_at`.")


def _text(description: str, example: str, most: int = 40) -> Meta:
    return Meta(max_length=most, description=description, examples=[example])


class RuleWhen(Body):
    """When a rule begins for someone: with an `event` about them, every day at a time (`daily`), or so many days
    `before` or `after` a moment. One of the four."""

    event: Annotated[str, _text("An event type about a user.", "user.created", 64)] | UnsetType = UNSET
    group_id: (
        Annotated[
            str, _text("For `group.member_added` and `group.member_removed`: only of this group.", examples.GROUP_ID)
        ]
        | UnsetType
    ) = UNSET
    daily: Annotated[str, Meta(pattern=CLOCK_TIME, description=_DAILY, examples=["06:00"])] | UnsetType = UNSET
    zone: (
        Annotated[str, _text("For `daily`: a time zone of the IANA database. Default: UTC.", "Europe/Berlin", 64)]
        | UnsetType
    ) = UNSET
    before: Annotated[Literal["ends_at"], says("The moment that it begins before.")] | UnsetType = UNSET
    after: Annotated[RuleMoment, _AFTER] | UnsetType = UNSET
    days: Annotated[Days, says("For `before` and `after`: how many days.", examples=[90])] | UnsetType = UNSET


class RuleStep(Body):
    """A step: what is done to each person. Rollbook checks before each step whether they still match. If not, they get
    no further steps."""

    do: Annotated[
        RuleAction,
        says(
            "`role` sets the `role`, `metadata` merges the `metadata`, `setup_link` mails a link with which they set "
            "their password, `end_sessions` signs them out everywhere. After `require_new_password`, they can't sign "
            "in with their password until they set another one. `mail` sends them `subject` and `text`, `webhook` "
            "sends the event `rule.called` for each of them, and `report` one list of all."
        ),
    ]
    after_days: Annotated[Days, says("Days to wait after the step before.", examples=[14])] = 0
    group_id: GroupOfAction | UnsetType = UNSET
    role: Annotated[Role, says("For `role`: the new role.")] | UnsetType = UNSET
    metadata: Annotated[MetadataPatch, says("For `metadata`: keys to set; null removes a key.")] | UnsetType = UNSET
    subject: Annotated[str, label("For `mail`: the subject.", "Still there, {{ user.name }}?", 200)] | UnsetType = UNSET
    text: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=4_000,
                description="For `mail`: the text, with the placeholders `{{ user.name }}`, `{{ user.email }}`, "
                "`{{ user.ends_at }}`, `{{ user.metadata.KEY }}`, `{{ brand }}` and, for the page on which they sign "
                "in, `{{ link }}`.",
                examples=["Please sign in within 14 days: {{ link }}"],
            ),
        ]
        | UnsetType
    ) = UNSET
    webhook_id: Annotated[str, _text("For `webhook`: ID of the webhook.", examples.WEBHOOK["id"])] | UnsetType = UNSET
    to: Annotated[str, _text(_RECEIVER, examples.ALICE_ID)] | UnsetType = UNSET


RuleName = Annotated[str, label("What the rule does, for people.", "Suspend who is inactive")]
RuleSteps = Annotated[tuple[RuleStep, ...], Meta(min_length=1, max_length=MAX_STEPS, description="What is done.")]


class RuleFields(Body, kw_only=True):
    """The fields of a rule that callers set, at creation or later."""

    name: RuleName | UnsetType = UNSET
    enabled: Annotated[bool, says("Whether it runs. Default: false.")] | UnsetType = UNSET
    when: RuleWhen | UnsetType = UNSET
    who: (
        Annotated[
            BulkFilter,
            says(
                "For whom: filters of `GET /v1/users`. Without `kind`, only people. Owners and the author are skipped "
                "unless `role` or `ids` names them. Filters by what users can change themselves are refused."
            ),
        ]
        | UnsetType
    ) = UNSET
    steps: RuleSteps | UnsetType = UNSET
    max_users: Annotated[int, Meta(ge=1, le=5_000_000, description=_MAX_USERS, examples=[50])] | UnsetType = UNSET

    @staticmethod
    def at_odds(fields: Mapping[str, Any]) -> Mapping[str, str]:
        """Sentences about fields that are right by themselves, but not together."""
        when, steps = fields.get("when"), fields.get("steps")
        faults = _faults_of_when(when) if isinstance(when, dict) else {}
        for at, step in enumerate(steps if isinstance(steps, list) else ()):
            if isinstance(step, dict) and step.get("do") in get_args(RuleAction):
                faults |= _faults_of_step(f"steps[{at}]", step)
        return faults


def _faults_of_when(when: Mapping[str, Any]) -> dict[str, str]:
    chosen = [name for name in ("event", "daily", "before", "after") if name in when]
    if len(chosen) != 1:
        return {"when": "when must have one of event, daily, before and after."}
    [name] = chosen
    if (name in DAYS_OF_MOMENTS) != ("days" in when):
        return {
            "when.days": f"when.days {'is required' if name in DAYS_OF_MOMENTS else 'is only for before or after'}."
        }
    if "zone" in when and name != "daily":
        return {"when.zone": "when.zone is only for daily."}
    if name == "event" and when[name] not in EVENTS:
        return {"when.event": "when.event must be the type of an event about a user, such as user.created."}
    if "group_id" in when and not str(when.get("event")).startswith(OF_MEMBERS):
        return {"when.group_id": f"when.group_id is only for {OF_MEMBERS}added and {OF_MEMBERS}removed."}
    zone = when.get("zone", "UTC")
    if isinstance(zone, str) and not is_zone(zone):
        return {"when.zone": "when.zone must be a time zone such as Europe/Berlin."}
    return {}


def is_zone(name: str) -> bool:
    try:
        return _ZONE(name) is not None and ZoneInfo(name) is not None
    except (KeyError, OSError, ValueError):
        return False


def _faults_of_step(path: str, step: Mapping[str, Any]) -> dict[str, str]:
    do: str = step["do"]
    needed = FIELDS_OF_STEPS.get(do, ())
    faults = {f"{path}.{name}": f"{path}.{name} is required." for name in needed if step.get(name) is None}
    allowed = ("do", "after_days", *needed, *OPTIONAL_OF_STEPS.get(do, ()))
    for name in ("subject", "text"):
        for inner in FILLED.findall(str(step.get(name, ""))):
            if not _PLACEHOLDER(inner.strip()):
                faults[f"{path}.{name}"] = f"{path}.{name} has a placeholder that doesn't exist."
    return faults | {
        f"{path}.{name}": f"{path}.{name} is not for {do}."
        for name in RuleStep.__struct_fields__
        if name in step and name not in allowed
    }


class RuleCreate(RuleFields, kw_only=True):
    """A rule to create."""

    name: RuleName  # type: ignore[bad-override-mutable-attribute]  # frozen
    when: RuleWhen  # type: ignore[bad-override-mutable-attribute]  # frozen
    steps: RuleSteps  # type: ignore[bad-override-mutable-attribute]  # frozen


class RuleUpdate(RuleFields, kw_only=True):
    """The fields of a rule to change. Missing fields are left unchanged."""


class RuleRun(Body):
    """Options of a run."""

    confirm_count: Annotated[int, Meta(ge=0, le=1 << 53, description=_CONFIRM, examples=[1204])] | UnsetType = UNSET


class ListRules(Query):
    limit: Limit = 50
    offset: Offset = 0


class ListRuns(Query):
    before: Annotated[str, _text("Only runs older than the one with this ID.", examples.JOB_ID)] | None = None
    limit: Limit = 50
