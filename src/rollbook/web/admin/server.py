"""The server: its checks, processes, limits, and every setting with where it came from."""

from __future__ import annotations

import asyncio
import time
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from rollbook import __version__, clock, roles, units
from rollbook.actions import backups, checks, users
from rollbook.config import Settings, Source, without_secrets
from rollbook.http.request import Response
from rollbook.limits import valkey_address
from rollbook.mailing import MailServer
from rollbook.records.dialect import dialect
from rollbook.records.user_list.query import PERSONS, Filters
from rollbook.web.page_request import PageRequest


class Setting(NamedTuple):
    """A setting in force, as it is shown."""

    name: str
    value: str
    origin: str
    means: str


LIMITS = {
    "scim_limit": "SCIM key of an identity provider",
    "unauthenticated_limit": "IP address without a valid key",
    "attempts_limit": "Wrong passwords for one account from one IP address or browser",
    "account_attempts_limit": "Wrong passwords for one account from everywhere",
    "address_attempts_limit": "Wrong passwords from one IP address",
    "page_limit": "Dashboard pages per person or IP address",
}


async def show(page: PageRequest) -> Response:
    settings, operations = page.on.settings, page.on.operations
    about = await operations.about()
    findings = await checks.readiness(page.on.db, page.on.limiter)
    findings += checks.of_engine(about.database, settings)
    findings += await page.on.read(checks.of_contents, settings)
    findings += await asyncio.to_thread(list, chain(checks.of_machine(settings), checks.of_settings(settings)))
    described = [_setting(source) for source in about.sources]
    return page.render(
        "admin/server.html",
        section="admin/server",
        about=about,
        address=without_secrets("public_url", page.on.url),
        findings=findings,
        database=about.database,
        is_shared=dialect(page.on.db).is_shared,
        people=await users.count_users(page.on, page.by, PERSONS),
        applications=await users.count_users(page.on, page.by, Filters(kind=roles.APPLICATION)),
        version=__version__,
        started=int(about.started * clock.SECOND),
        uptime=units.duration(int(time.time() - about.started)),
        settings=settings,
        chosen=[setting for setting in described if setting.origin != "default"],
        defaults=[setting for setting in described if setting.origin == "default"],
        allowances=_allowances(settings),
        valkey=valkey_address.parse(settings.limits) if settings.limits else None,
        mail_server=MailServer.parse(settings.smtp) if settings.smtp else None,
        **_backups(page, 0),
    )


def _backups(page: PageRequest, polls: int | None) -> dict[str, Any]:
    """Context of the part about backups."""
    settings, now = page.on.settings, clock.now()
    # In this order: one that ends meanwhile is among those that are read last.
    is_requested, written = backups.is_requested(settings), backups.under_way(settings)
    found = backups.found(settings)
    return {
        "backups": [(backup, units.duration((now - backup.created_at) // clock.SECOND)) for backup in found],
        "backups_written": written,
        "backup_is_requested": is_requested,
        "may_back_up": page.by.role == "owner",
        "polls": polls,
        "backup_failure": backups.failure(settings),
        "backup_folder": backups.folder(settings).absolute(),
    }


async def back_up(page: PageRequest) -> Response:
    backups.request(page.on.settings, page.by)
    return page.redirect("/admin/server#backup")


async def show_backups(page: PageRequest) -> Response:
    """The part about backups alone, for a page on which one is being created."""
    if not page.is_htmx:
        return page.redirect("/admin/server#backup")
    return page.render("admin/backups.html", **_backups(page, page.next_poll()))


def _setting(source: Source) -> Setting:
    return Setting(source.name, as_text(source.name, source.value), source.origin, _MEANINGS.get(source.name, ""))


def as_text(name: str, value: Any) -> str:
    """A setting's value, without secrets."""
    if isinstance(value, bool):
        return "on" if value else "off"
    value = without_secrets(name, value.absolute() if isinstance(value, Path) else value)
    return (", ".join(value) if isinstance(value, list) else str(value)) or "empty"


_MEANINGS = {
    name: get_args(hint)[1].description for name, hint in get_type_hints(Settings, include_extras=True).items()
}


def _allowances(settings: Settings) -> list[tuple[str, str, str]]:
    """Limits: whom each applies to, the limit, and the setting it comes from."""
    own = {role: (str(limit), "role_limits") for role, limit in settings.role_limits}
    of_roles = [(f"Each {role}", *own.get(role, (str(settings.rate_limit), "rate_limit"))) for role in roles.ROLES]
    return [*of_roles, *((whom, str(getattr(settings, name)), name) for name, whom in LIMITS.items())]
