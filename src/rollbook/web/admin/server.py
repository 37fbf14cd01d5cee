"""Pages on the installation: the server with its checks, processes, limits and settings; and identity providers, with a
SCIM key for each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, get_args

import msgspec

from rollbook import __version__, clock, logos, roles, units
from rollbook.actions import backups, checks, keys, usage, users
from rollbook.actions.arguments.keys import KeyCreate
from rollbook.actions.arguments.usage import ListRequests
from rollbook.actions.stored_settings import BRAND, MAIL
from rollbook.config import FIRST, Settings, Source, hints, without_secrets
from rollbook.errors import ApiError
from rollbook.http.request import Response
from rollbook.limits import valkey_address
from rollbook.mailing import MailServer
from rollbook.records.dialect import dialect
from rollbook.records.keys import Key
from rollbook.records.request_log import Logged
from rollbook.records.user_list.query import PERSONS, Filters
from rollbook.records.users import User
from rollbook.web import forms
from rollbook.web.admin import settings as stored
from rollbook.web.keys import pages
from rollbook.web.keys.pages import Holder, mine, theirs
from rollbook.web.page_request import PageRequest


class Setting(NamedTuple):
    """A setting in force, as it is shown."""

    name: str
    value: str
    origin: str
    means: str
    line: str = ""
    """The line of `rollbook.toml` that sets it."""
    page: str = ""
    """The page with its form, if there is one."""


FORMS = {"/admin/server/mail": MAIL, "/admin/server/brand": BRAND}
LIMITS = {
    "scim_limit": "SCIM key of an identity provider",
    "unauthenticated_limit": "IP address without a valid key",
    "attempts_limit": "Wrong passwords for one account from one IP address or browser",
    "address_attempts_limit": "Wrong passwords from one IP address",
    "page_limit": "Dashboard pages per person or IP address",
}


async def show(page: PageRequest) -> Response:
    described = {source.name: _setting(source) for source in await stored.sources(page)}
    settings, operations = page.on.settings, page.on.operations
    about = await operations.about()
    findings = await checks.readiness(page.on.db, page.on.limiter)
    findings += checks.of_engine(about.database, settings)
    findings += await page.on.read(checks.of_contents, settings)
    findings += await asyncio.to_thread(list, chain(checks.of_machine(settings), checks.of_settings(settings)))
    others = [setting for setting in described.values() if setting.name not in FIRST]
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
        first=[described[name] for name in FIRST if name in described],
        others=sorted(others, key=lambda setting: setting.origin == "default"),
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
    files = backups.found(settings)
    return {
        "backups": [(backup, units.duration((now - backup.created_at) // clock.SECOND)) for backup in files],
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
    name, value = source.name, as_text(source.name, source.value)
    form = next((page for page, names in FORMS.items() if name in names), "")
    return Setting(name, value, stored.where(source), _MEANINGS.get(name, ""), line_of(source), form)


def line_of(source: Source) -> str:
    """The line that sets one of the first settings as it is, or an example where it is the default or has a secret."""
    name, value = source.name, source.value
    if name not in FIRST:
        return ""
    plain = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    is_own = (
        bool(value) and source.origin not in ("default", stored.DASHBOARD) and without_secrets(name, value) == plain
    )
    return f"{name} = {msgspec.json.encode(plain if is_own else FIRST[name]).decode()}"


def as_text(name: str, value: Any) -> str:
    """A setting's value, without secrets."""
    if isinstance(value, bool):
        return "on" if value else "off"
    value = logos.named(value) if name == "brand_logo" else value
    value = without_secrets(name, value.absolute() if isinstance(value, Path) else value)
    return (", ".join(value) if isinstance(value, list) else str(value)) or "empty"


_MEANINGS = {name: get_args(hint)[1].description for name, hint in hints().items()}


def _allowances(settings: Settings) -> list[tuple[str, str, str]]:
    """Limits: whom each applies to, the limit, and the setting it comes from."""
    own = {role: (str(limit), "role_limits") for role, limit in settings.role_limits}
    of_roles = [(f"Each {role}", *own.get(role, (str(settings.rate_limit), "rate_limit"))) for role in roles.ROLES]
    return [*of_roles, *((whom, str(getattr(settings, name)), name) for name, whom in LIMITS.items())]


SCIM_ERRORS, SCIM_KEYS = 5, 5
"""Refused calls that the page of identity providers shows, and keys whose calls it looks at."""


async def create_scim_key(page: PageRequest) -> Response:
    """Leads to the page that shows the key, with the steps on the side of the provider."""
    form = page.form
    provider = form.get("provider") if form.get("provider") in pages.PROVIDERS else "other"
    values = {"provider": provider, "expires": form.get("expires", ""), "grant": "grant" in form}
    fields = {
        "name": pages.PROVIDERS[provider],
        "kind": "scim",
        "scopes": sorted(roles.SCIM_GRANTABLE) if values["grant"] else None,
        "expires_at": forms.expiry(values["expires"]),
        "revealable": False,
    }
    try:
        issued = await keys.create(page.on, page.by, page.arguments(KeyCreate, fields))
    except ApiError as error:
        return await show_scim(page, values, forms.problems(page, error))
    return pages.redirect_to_secret(page, mine(page), issued, query=f"?provider={provider}")


async def show_scim(
    page: PageRequest, values: Mapping[str, Any] | None = None, problems: Mapping[str, str] = {}
) -> Response:
    def holder(user: User) -> Holder:
        return mine(page) if user.id == page.by.user_id else theirs(user)

    found = [(scim_key.key, holder(scim_key.user)) for scim_key in await keys.list_scim(page.on, page.by)]
    return page.render(
        "admin/scim.html",
        section="admin/scim",
        given=values or {"provider": page.query.get("provider", ""), "expires": "365", "grant": False},
        problems=problems,
        expiries=forms.EXPIRIES,
        found=found,
        errors=await _scim_errors(page, found),
        state=pages.state,
        limit=str(page.on.settings.scim_limit),
    )


async def _scim_errors(page: PageRequest, found: Sequence[tuple[Key, Holder]]) -> list[tuple[Logged, Holder]]:
    """The newest calls of providers that were refused, with the holders of their keys."""
    refused: list[tuple[Logged, Holder]] = []
    used = [pair for pair in found if pair[0].last_used_at] if page.may(usage.SCOPE) else []
    for key, holder in used[:SCIM_KEYS]:
        query = ListRequests(user=holder.user.id, key=key.id, status="4xx", limit=SCIM_ERRORS)
        refused += [(line, holder) for line in (await usage.list_requests(page.on, page.by, query)).requests]
    return sorted(refused, key=lambda pair: -pair[0].at)[:SCIM_ERRORS]
