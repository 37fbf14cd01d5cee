"""Needs of the server on the overview: each a sentence, with the page on which to act."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from rollbook import clock
from rollbook.actions import backups, imports, keys
from rollbook.actions.arguments.imports import ListImports
from rollbook.actions.rule_words import people
from rollbook.records import bulk_jobs, user_rules
from rollbook.records.webhooks import health
from rollbook.web.page_request import PageRequest

SOON = 7 * clock.DAY
"""Window in microseconds: keys that expire within it from now, and rows refused within it until now, are told."""


class Attention(NamedTuple):
    text: str
    path: str


async def needs_of(page: PageRequest) -> list[Attention]:
    """Needs that the reader may look at."""
    needs = list[Attention]()
    for rule in await page.on.read(user_rules.enabled) if page.may("rules:read") else ():
        if rule.waiting_count is not None:
            text = f"The rule “{rule.name}” needs approval: {people(rule.waiting_count)}"
            needs.append(Attention(text, f"/admin/rules/{rule.id}"))
    if page.may("webhooks:read") and (failing := await page.on.read(health.count_failing)):
        needs.append(Attention(f"{_count(failing, 'webhook')} failing or disabled", "/admin/webhooks"))
    if page.may("keys:read"):
        if expiring := await keys.count_expiring(page.on, page.by, SOON):
            needs.append(Attention(f"{_count(expiring, 'API key')} about to expire", "/admin/keys?expires=7"))
    if page.may("users:write"):
        undone = await page.on.read(bulk_jobs.undone)
        for job in await imports.list_imports(page.on, page.by, ListImports()):
            is_news = job.refused and job.created_at > clock.now() - SOON and job.id not in undone
            if is_news and not imports.options_of(job).dry_run:
                text = f"{_count(job.refused, 'record')} refused by an import"
                needs.append(Attention(text, f"/admin/imports/{job.id}"))
    if page.may("metrics:read"):
        needs += await asyncio.to_thread(_of_server, page)
    return needs


def _of_server(page: PageRequest) -> list[Attention]:
    settings, needs = page.on.settings, list[Attention]()
    if not settings.database and (backups.failure(settings) or not backups.found(settings)):
        text = "The last backup failed" if backups.failure(settings) else "There is no backup"
        needs.append(Attention(text, "/admin/server#backup"))
    if not settings.sends_mail:
        needs.append(Attention("Mail is not set up: people get their links from you", "/admin/server/mail"))
    return needs


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
