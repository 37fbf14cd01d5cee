"""The form of a rule: when, for whom, and what is done, in up to five steps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from rollbook.actions import groups as group_actions
from rollbook.actions import mails, rules
from rollbook.actions.arguments.groups import ListGroups
from rollbook.actions.arguments.rules import (
    EVENTS,
    FIELDS_OF_STEPS,
    MAX_STEPS,
    OF_MEMBERS,
    OPTIONAL_OF_STEPS,
    RuleAction,
    RuleCreate,
    RuleUpdate,
)
from rollbook.actions.checking import metadata_pair
from rollbook.actions.ready_rules import all_ready
from rollbook.actions.rule_words import ACTIONS, MOMENTS, metadata_parts
from rollbook.actions.rules import MAX_USERS
from rollbook.errors import ApiError, NotFound
from rollbook.http.request import Response
from rollbook.records import event_types, groups, webhooks
from rollbook.records.user_rules import UserRule
from rollbook.roles import ROLES
from rollbook.web import forms
from rollbook.web.admin.groups import find_group, offered
from rollbook.web.admin.rules import SECTION, said, webhook_name
from rollbook.web.admin.settings import shown_mail
from rollbook.web.page_request import PageRequest, whole_number

WHEN = (
    *((f"after:{name}", f"days after {words}") for name, words in MOMENTS.items()),
    ("before:ends_at", f"days before {MOMENTS['ends_at']}"),
    ("daily", "every day at a time"),
    ("event", "when an event happens"),
)
MAX_OFFERED = 200
"""Webhooks that a step can choose from."""
YES_OR_NO = (("", "Any"), ("true", "Yes"), ("false", "No"))
_STATUSES = (("", "Any"), ("active", "Active"), ("invited", "Invited"), ("suspended", "Suspended"))
_CHOICES = ("role", "status", "email_verified", "second_factor")
"""Filters that the form has a choice of."""
_IDS = {"group_id": "group"}
"""Fields of a step that people fill in by name."""
_STEP = {"do": "action", "after_days": "days later", "group_id": "group", "webhook_id": "webhook", "to": "report to"}
_STEP |= {"role": "new role", "subject": "subject", "text": "text", "metadata": "metadata to set"}
"""Fields of a step with their names in sentences, in the order of the form."""
_BLANK_STEP = dict.fromkeys(_STEP, "")
BLANK: dict[str, Any] = {
    "name": "",
    "days": "90",
    "when": WHEN[0][0],
    "daily": "06:00",
    "zone": "UTC",
    "event": EVENTS[0],
    "of_group": "",
    **dict.fromkeys(("role", "status", "group", "email_verified", "second_factor"), ""),
    "max_users": str(MAX_USERS),
    **dict.fromkeys(("metadata", "more", "version"), ""),
    "steps": [_BLANK_STEP] * MAX_STEPS,
}
_LABELS = {
    "name": "The name",
    "when.days": "The number of days",
    "when.daily": "The time",
    "when.zone": "The time zone",
    "when.event": "The event",
    "when.group_id": "The group",
    "who.group": "The group",
    "who.metadata": "The metadata",
    "max_users": "The number of people",
    **{f"steps[{at}].{name}": f"Step {at + 1}: {words}" for at in range(MAX_STEPS) for name, words in _STEP.items()},
}
_ORDER = ["", *BLANK, *(f"step{at}_{_IDS.get(name, name)}" for at in range(MAX_STEPS) for name in _STEP)]
"""Fields in the order of the form."""


async def show_new(page: PageRequest) -> Response:
    """The query can name a rule that is ready."""
    ready = all_ready().get(page.query.get("ready", ""))
    zoned = {**BLANK, "zone": page.zone.name}
    return await _form(page, None, zoned if ready is None else {**zoned, **await _values(page, ready.fields)})


async def create(page: PageRequest) -> Response:
    """Leads to the page with the preview. The rule is off."""
    values = _given(page)
    try:
        rule = await rules.create(page.on, page.by, page.arguments(RuleCreate, await _wanted(page, values)))
    except ApiError as error:
        return await _form(page, None, values, error)
    return page.redirect(f"/admin/rules/{rule.id}", "rule-created")


async def show_edit(page: PageRequest) -> Response:
    rule = await rules.get(page.on, page.by, page.ids[0])
    about = {"name": rule.name, "max_users": str(rule.max_users), "version": str(rule.version)}
    return await _form(page, rule, {**BLANK, **await _values(page, said(rule)), **about})


async def save(page: PageRequest) -> Response:
    rule = await rules.get(page.on, page.by, page.ids[0])
    values = _given(page)
    versions = None if (version := whole_number(values["version"])) is None else frozenset({version})
    try:
        changes = page.arguments(RuleUpdate, await _wanted(page, values))
        await rules.update(page.on, page.by, rule.id, changes, versions)
    except ApiError as error:
        return await _form(page, rule, values, error)
    return page.redirect(f"/admin/rules/{rule.id}", "rule-saved")


async def preview_mail(page: PageRequest) -> Response:
    """The mail of a step, as it is filled in."""
    texts = {name: page.form.get(f"step{page.form.get('step')}_{name}", "") for name in ("subject", "text")}
    return shown_mail(await mails.preview_of_rule(page.on, page.by, texts))


async def _form(
    page: PageRequest, rule: UserRule | None, values: Mapping[str, Any], error: ApiError | None = None
) -> Response:
    if isinstance(error, NotFound):
        raise error
    texts = [(_field(name), text) for name, text in forms.problems(page, error, _LABELS).items()]
    texts.sort(key=lambda item: _ORDER.index(item[0]) if item[0] in _ORDER else len(_ORDER))
    problems = {field: text.replace(", not a string", "") for field, text in texts}  # all that a form has is text
    return page.render(
        "admin/rule_form.html",
        section=SECTION,
        rule=rule,
        given=values,
        problems=problems,
        whens=WHEN,
        events=[(type, f"{type}: {event_types.TYPES[type].says}") for type in EVENTS],
        roles=[("", "Everyone but owners"), *((role, f"{role.capitalize()}s") for role in ROLES)],
        new_roles=page.roles_to_give(),
        statuses=_STATUSES,
        yes_or_no=YES_OR_NO,
        actions=[(do, words) for do, words in ACTIONS.items() if do in get_args(RuleAction)],
        groups=await offered(page),
        webhooks=[
            (webhook.id, webhook_name(webhook)) for webhook in await page.on.read(webhooks.some, None, MAX_OFFERED)
        ],
    )


def _field(param: str) -> str:
    """The field of the form that a parameter of the API is: `step0_role` of `steps[0].role`."""
    if step := re.fullmatch(r"steps(?:\[(\d)\])?(?:\.(\w+).*)?", param):
        name = step[2] or "do"
        return f"step{step[1] or 0}_{_IDS.get(name, name)}"
    name = "of_group" if param == "when.group_id" else param.rpartition(".")[2]
    return name if name in BLANK or not name else "more" if param.startswith("who") else "when"


# ---- from a rule to the form


async def _values(page: PageRequest, fields: Mapping[str, Any]) -> dict[str, Any]:
    who = dict(fields["who"])
    metadata = [" = ".join(metadata_parts(pair)) for pair in who.pop("metadata", ())]
    group = await _group_name(page, who.pop("group", ""))
    choices = {name: str(who.pop(name, "")).replace("True", "true").replace("False", "false") for name in _CHOICES}
    steps = [await _step_values(page, step) for step in fields["steps"]]
    return {
        **({"name": fields["name"]} if "name" in fields else {}),
        **_when_values(fields["when"]),
        "of_group": await _group_name(page, fields["when"].get("group_id", "")),
        **choices,
        "group": group,
        "metadata": "\n".join(metadata),
        "more": msgspec.json.encode(who).decode() if who else "",
        "steps": [*steps, *[_BLANK_STEP] * (MAX_STEPS - len(steps))],
    }


def _when_values(when: Mapping[str, Any]) -> dict[str, str]:
    if "event" in when:
        return {"when": "event", "event": when["event"]}
    if "daily" in when:
        return {"when": "daily", "daily": when["daily"], **({"zone": when["zone"]} if "zone" in when else {})}
    order = "before" if "before" in when else "after"
    return {"when": f"{order}:{when[order]}", "days": str(when["days"])}


async def _step_values(page: PageRequest, step: Mapping[str, Any]) -> dict[str, str]:
    values = {name: step.get(name, "") for name in _BLANK_STEP}
    for name, value in values.items():
        if name == "group_id":
            values[name] = await _group_name(page, value)
        elif isinstance(value, dict):
            values[name] = msgspec.json.format(msgspec.json.encode(value)).decode()
    return {name: str(value) for name, value in values.items()}


async def _group_name(page: PageRequest, id: str) -> str:
    """The name of a group; its ID if others may have the same."""
    group = await page.on.read(groups.by_id, id) if id else None
    if group is None:
        return id
    namesakes = await group_actions.list_groups(page.on, page.by, ListGroups(name=group.name, limit=2))
    return group.name if len(namesakes.groups) == 1 else id


# ---- from the form to a rule


def _given(page: PageRequest) -> dict[str, Any]:
    form = page.form
    values = {name: form.get(name, "").strip() for name in BLANK if name != "steps"}
    steps = [
        {name: form.get(f"step{at}_{_IDS.get(name, name)}", "").strip() for name in _BLANK_STEP}
        for at in range(MAX_STEPS)
    ]
    return {**values, "steps": steps}


async def _wanted(page: PageRequest, values: Mapping[str, Any]) -> dict[str, Any]:
    """The form as arguments. Raises InvalidParameter, InvalidJson."""
    steps = [await _wanted_step(page, at, step) for at, step in enumerate(values["steps"]) if step["do"]]
    return {
        "name": values["name"],
        "when": await _wanted_when(page, values),
        "who": await _wanted_who(page, values),
        "steps": steps,
        "max_users": _number(values["max_users"]),
    }


async def _wanted_when(page: PageRequest, values: Mapping[str, Any]) -> dict[str, Any]:
    order, _, moment = values["when"].partition(":")
    if order == "daily":
        return {"daily": values["daily"], "zone": values["zone"] or "UTC"}
    if order != "event":
        return {order: moment, "days": _number(values["days"])}
    of_group = values["event"].startswith(OF_MEMBERS) and values["of_group"]
    group = {"group_id": (await find_group(page, of_group, "when.group_id")).id} if of_group else {}
    return {"event": values["event"], **group}


async def _wanted_who(page: PageRequest, values: Mapping[str, Any]) -> dict[str, Any]:
    who: dict[str, Any] = forms.read_metadata(values["more"], "more")
    who |= {name: {"true": True, "false": False}.get(values[name], values[name]) for name in _CHOICES if values[name]}
    if values["group"]:
        who["group"] = (await find_group(page, values["group"])).id
    lines = [line.partition("=") for line in values["metadata"].splitlines() if line.strip()]
    if lines:
        who["metadata"] = [metadata_pair(key.strip(), value.strip()) for key, _, value in lines]
    return who


async def _wanted_step(page: PageRequest, at: int, values: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a step that its action has."""
    do = values["do"]
    step: dict[str, Any] = {"do": do}
    for name in ("after_days", *FIELDS_OF_STEPS.get(do, ()), *OPTIONAL_OF_STEPS.get(do, ())):
        if values[name]:
            step[name] = _number(values[name]) if name == "after_days" else values[name]
    if "group_id" in step:
        step["group_id"] = (await find_group(page, step["group_id"], f"steps[{at}].group_id")).id
    if "metadata" in step:
        step["metadata"] = forms.read_metadata(step["metadata"], f"steps[{at}].metadata")
    return step


def _number(text: str) -> Any:
    """The number that a field has; other text as it is, for the API to say what is wrong with it."""
    number = whole_number(text)
    return text if number is None else number
