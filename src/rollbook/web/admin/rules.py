"""Rules: the list, one with its preview and runs, what can be done to it, and the gallery of those that are ready."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import msgspec

from rollbook.actions import permissions, rule_words, rules
from rollbook.actions.arguments.rules import ListRules, ListRuns, RuleRun, RuleUpdate
from rollbook.actions.ready_rules import all_ready
from rollbook.actions.rule_words import ids_in, sentence, step_words
from rollbook.actions.rules import Preview
from rollbook.errors import ApiError, NotFound
from rollbook.http.request import Response
from rollbook.records import bulk_jobs, groups, users, webhooks
from rollbook.records.user_rules import MAX_RULES, UserRule
from rollbook.records.webhooks import Webhook
from rollbook.storage.database import Queries
from rollbook.web import forms
from rollbook.web.admin.background_jobs import KINDS, with_names
from rollbook.web.admin.bulk_jobs import BulkJobView
from rollbook.web.page_request import PageRequest, whole_number

SECTION = "admin/rules"
MAX_COUNTED = 10
"""Rules whose people the list counts; of the others, their pages say how many there are."""
LATEST = 10
"""Runs on the page of a rule."""


class RuleView:
    """A rule, with the names of what it names by ID."""

    def __init__(self, rule: UserRule, names: Mapping[str, str] = {}, preview: Preview | None = None) -> None:
        self.found = rule
        self.names = names
        self.preview = preview

    @cached_property
    def fields(self) -> dict[str, Any]:
        return said(self.found)

    @property
    def sentence(self) -> str:
        return sentence(self.fields, self.names)

    @property
    def steps(self) -> list[str]:
        return [step_words(step, self.names) for step in self.fields["steps"]]

    @property
    def begins_with_events(self) -> bool:
        return "event" in self.fields["when"]

    @property
    def state(self) -> tuple[str, str]:
        """Its state, and the color of that."""
        if self.found.stopped_reason:
            return "Stopped", "bad"
        if not self.found.enabled:
            return "Off", ""
        if self.found.waiting_count is not None:
            return "Needs approval", "warn"
        return ("Failing", "warn") if self.found.failures else ("On", "ok")


def said(rule: UserRule) -> dict[str, Any]:
    """Fields of a rule, as the API has them."""
    return {name: msgspec.json.decode(getattr(rule, f"{name}_json")) for name in ("when", "who", "steps")}


async def show_all(page: PageRequest) -> Response:
    """All rules; of the first that are on, how many people they would begin with."""
    listing = await rules.list_rules(page.on, page.by, ListRules(limit=MAX_RULES))
    names = await page.on.read(_names, ids_in([said(rule) for rule in listing.items]))
    previews: dict[str, Preview] = {}
    for rule in [rule for rule in listing.items if rule.next_run_at is not None][:MAX_COUNTED]:
        previews[rule.id] = await rules.preview(page.on, page.by, rule.id)
    return page.render(
        "admin/rules.html",
        section=SECTION,
        rows=[RuleView(rule, names, previews.get(rule.id)) for rule in listing.items],
        may_change=page.may("rules:write"),
        ready=gallery(listing.items),
    )


async def of_added(page: PageRequest, events: str) -> str:
    """A sentence with the rules that begin with people whom an import adds. Empty: none, or they may not read rules."""
    if not page.may("rules:read"):
        return ""
    listing = await rules.list_rules(page.on, page.by, ListRules(limit=MAX_RULES))
    return rule_words.of_added([{**rule._asdict(), **said(rule)} for rule in listing.items], events)


async def show_ready(page: PageRequest) -> Response:
    listing = await rules.list_rules(page.on, page.by, ListRules(limit=MAX_RULES))
    return page.render("admin/ready_rules.html", section=SECTION, ready=gallery(listing.items))


def gallery(existing: Iterable[UserRule]) -> list[dict[str, Any]]:
    """Rules that are ready, each with the one of its name that there is."""
    ids = {rule.name: rule.id for rule in existing}
    return [
        {"key": ready.key, "about": ready.about, "name": ready.fields["name"], "id": ids.get(ready.fields["name"])}
        for ready in all_ready().values()
    ]


async def show_one(page: PageRequest) -> Response:
    return await _one(page)


async def set_status(page: PageRequest) -> Response:
    """Switch a rule on, as it was when its preview was shown, or off."""
    enabled = page.form.get("enabled") == "true"
    version = whole_number(page.form.get("version", ""))
    versions = frozenset({version}) if enabled and version is not None else None
    try:
        await rules.update(page.on, page.by, page.ids[0], RuleUpdate(enabled=enabled), versions)
    except ApiError as error:
        return await _one(page, error)
    return page.redirect(f"/admin/rules/{page.ids[0]}", "rule-on" if enabled else "rule-off")


async def run(page: PageRequest) -> Response:
    """Let a rule look for people at once, and begin with as many as the page said."""
    try:
        options = page.arguments(RuleRun, {"confirm_count": whole_number(page.form.get("count", "")) or 0})
        await rules.run(page.on, page.by, page.ids[0], options)
    except ApiError as error:
        return await _one(page, error)
    return page.redirect(f"/admin/rules/{page.ids[0]}", "rule-runs")


async def delete(page: PageRequest) -> Response:
    await rules.delete(page.on, page.by, page.ids[0])
    return page.redirect("/admin/rules", "rule-deleted")


async def _one(page: PageRequest, error: ApiError | None = None) -> Response:
    rule = await rules.get(page.on, page.by, page.ids[0])
    preview = await rules.preview(page.on, page.by, rule.id)
    names, author, role = await page.on.read(_about, rule)
    runs: list[Any] = []
    if page.may("users:write"):
        jobs = await rules.list_rule_runs(page.on, page.by, rule.id, ListRuns(limit=LATEST))
        runs = await page.on.read(with_names, BulkJobView, jobs)
    return page.render(
        "admin/rule.html",
        section=SECTION,
        shown=RuleView(rule, names, preview),
        author=author,
        may_change=page.may("rules:write") and (rule.user_id == page.me.user.id or page.may_touch(role)),
        runs=runs,
        undone=await page.on.read(bulk_jobs.undone),
        kinds=KINDS,
        problems=forms.problems(page, error, {}),
    )


async def _about(queries: Queries, rule: UserRule) -> tuple[dict[str, str], str | None, str]:
    """Names of what a rule names, and the name and role of its author."""
    return (
        await _names(queries, ids_in([said(rule)])),
        await users.name(queries, rule.user_id) if rule.user_id else None,
        await permissions.role_of(queries, rule.user_id),
    )


async def _names(queries: Queries, ids: Iterable[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for id in ids:
        if id.startswith("user_"):
            names[id] = await users.name(queries, id) or id
        elif id.startswith("webhook_"):
            with suppress(NotFound):
                names[id] = webhook_name(await webhooks.get(queries, id))
        elif (group := await groups.by_id(queries, id)) is not None:
            names[id] = group.name
    return names


def webhook_name(webhook: Webhook) -> str:
    return webhook.description or f"{webhooks.masked_url(webhook.url)} ({webhook.id})"
