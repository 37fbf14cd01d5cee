"""Rules in words: each reads as one sentence, of its `when`, `who` and `steps` as the API has them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rollbook.records import event_types

MOMENTS = {
    "last_active_at": "the last activity",
    "created_at": "sign-up",
    "invited_at": "the invitation",
    "suspended_at": "the suspension",
    "ends_at": "the end date",
}
ACTIONS = {
    "mail": "Send them a mail",
    "setup_link": "Send them a link to set a password",
    "suspend": "Suspend them",
    "activate": "Activate them",
    "delete": "Delete them",
    "add_to_group": "Add them to a group",
    "remove_from_group": "Remove them from a group",
    "role": "Change their role",
    "metadata": "Change their metadata",
    "end_sessions": "Sign them out everywhere",
    "require_new_password": "Require a new password",
    "webhook": "Call a webhook",
    "report": "Send a report about them",
}
"""Actions of a step, as the choices of a form."""
_VERBS = {
    "setup_link": "mail a link to set a password",
    "end_sessions": "sign out everywhere",
    "require_new_password": "require a new password",
}
_WITH = {
    ("email_verified", True): "with a confirmed email",
    ("email_verified", False): "with an unconfirmed email",
    ("second_factor", True): "with a second factor",
    ("second_factor", False): "without a second factor",
    ("active_before", "never"): "never active",
    ("active_after", "never"): "active at least once",
}
_TIMES = {
    "created_after": "created after {}",
    "created_before": "created before {}",
    "active_after": "active since {}",
    "active_before": "not active since {}",
    "ends_after": "with an end after {}",
    "ends_before": "with an end before {}",
    "status_since_before": "with the same status since {}",
}


def sentence(rule: Mapping[str, Any], names: Mapping[str, str] = {}) -> str:
    """The sentence of a rule. `names`: of what it names by ID."""
    steps = [step_words(step, names) for step in rule["steps"]]
    for at, (one, two) in enumerate(pairwise(rule["steps"]), 1):
        if two.get("after_days") and _doing(one, names) == _doing(two, names):
            steps[at] = f"and again {_days(two['after_days'])} later"
    return f"{when_words(rule['when'], names)}, for {who_words(rule['who'], names)}: {', '.join(steps)}"


def when_words(when: Mapping[str, Any], names: Mapping[str, str] = {}) -> str:
    if "event" in when:
        says = event_types.TYPES[when["event"]].says.rstrip(".")
        if "group_id" in when:
            says = says.replace("a group", f"the group “{names.get(when['group_id'], when['group_id'])}”")
        return f"When {says[0].lower() if says[1] == ' ' or says[:2] == 'An' else says[0]}{says[1:]}"
    if "daily" in when:
        return f"Every day at {when['daily']} ({when.get('zone', 'UTC')})"
    order = "before" if "before" in when else "after"
    moment = MOMENTS[when[order]]
    return f"{_days(when['days'])} {order} {moment}" if when["days"] else f"At {moment}"


def who_words(who: Mapping[str, Any], names: Mapping[str, str] = {}) -> str:
    """People for whom a rule is: `suspended members in “Sales” with an unconfirmed email`."""
    noun = f"{who['role']}s" if "role" in who else "applications" if who.get("kind") == "application" else "people"
    words = [str(who["status"])] if "status" in who else []
    parts = [f"in “{names.get(who['group'], who['group'])}”"] if "group" in who else []
    for name, value in who.items():
        if name in ("role", "status", "group") or (name, value) in (("kind", "person"), ("kind", "application")):
            continue
        if name == "metadata":
            parts += [f"with {key} = {text}" for key, text in map(metadata_parts, value)]
        elif name == "ids":
            parts.append(f"who were chosen ({len(value):,})")
        elif (name, value) in _WITH:
            parts.append(_WITH[name, value])
        else:
            parts.append(_TIMES.get(name, f"with {name} = {{}}").format(str(value)[:10]))
    return " ".join(["everyone"] if who in ({}, {"kind": "person"}) else [*words, noun, ", ".join(parts)]).strip()


def step_words(step: Mapping[str, Any], names: Mapping[str, str] = {}) -> str:
    days = step.get("after_days", 0)
    return f"{_days(days)} later {_doing(step, names)}" if days else _doing(step, names)


def _doing(step: Mapping[str, Any], names: Mapping[str, str]) -> str:
    do: str = step["do"]
    group = step.get("group_id") or "…"
    if do == "mail":
        return f"mail “{step['subject']}”"
    if do == "add_to_group":
        return f"add to “{names.get(group, group)}”"
    if do == "remove_from_group":
        return f"remove from “{names.get(group, group)}”"
    if do == "role":
        return f"set the role to {step['role']}"
    if do == "metadata":
        return "set " + " and ".join(f"{key} = {value}" for key, value in step["metadata"].items())
    if do == "webhook":
        return f"call the webhook “{names.get(step['webhook_id'], step['webhook_id'] or '…')}”"
    if do == "report":
        to = step.get("to")
        return f"send a report to {names.get(to, to)}" if to else "mail a report to the author"
    return _VERBS.get(do, do)


def of_added(rules: Iterable[Mapping[str, Any]], events: str) -> str:
    """A sentence with the rules that begin with people whom an import adds, with these `events`. Empty: none does."""
    names = [rule["name"] for rule in rules if rule["enabled"] and _begins_with_added(rule["when"], events)]
    if not names:
        return ""
    begin = "A rule begins" if len(names) == 1 else f"{len(names)} rules begin"
    return f"{begin} with the people who are added: {', '.join(names)}."


def _begins_with_added(when: Mapping[str, Any], events: str) -> bool:
    return when.get("after") == "created_at" or (when.get("event") == "user.created" and events == "each")


def people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def metadata_parts(pair: str) -> tuple[str, str]:
    """Key and value of a filter by metadata, in which colons and commas have a backslash before them."""
    key, value = re.split(r"(?<!\\):", pair, maxsplit=1)
    return re.sub(r"\\(.)", r"\1", key), re.sub(r"\\(.)", r"\1", value)


def ids_in(rules: Sequence[Mapping[str, Any]]) -> set[str]:
    """IDs of groups, webhooks and users that rules name."""
    steps = [step for rule in rules for step in rule["steps"]]
    ids = {step.get(name) for step in steps for name in ("group_id", "webhook_id", "to")}
    ids |= {rule["who"].get("group") for rule in rules} | {rule["when"].get("group_id") for rule in rules}
    return {id for id in ids if id}


def _days(count: int) -> str:
    return f"{count:,} day{'' if count == 1 else 's'}"
