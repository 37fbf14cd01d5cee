"""Settings that owners change in the dashboard: those of mail and of the brand.

They are stored in the database, and every process of every server reads them within a second. What a flag, a variable
or the file sets wins.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from rollbook import logos
from rollbook.actions.checking import refuse
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require_proof
from rollbook.actions.principal import Principal
from rollbook.auth.server_secret import Purpose
from rollbook.config import ConfigurationError, Settings, without_secrets
from rollbook.delivery import smtp
from rollbook.errors import InsufficientScope, InvalidParameter
from rollbook.mailing import MailServer
from rollbook.records import events, settings
from rollbook.records.events import Actor
from rollbook.records.settings import StoredSetting
from rollbook.records.webhooks import MAIL_ID, cursors
from rollbook.storage.database import Tx

logger = logging.getLogger("rollbook")

MAIL = ("smtp", "mail_from", "mail_reply_to")
BRAND = ("brand_name", "brand_logo", "brand_color", "brand_support")
NAMES = (*MAIL, *BRAND)
SEALED: Purpose = "settings"
Shown = dict[str, Any]
SECRETS = ("smtp",)
"""Settings that hold a password."""


# ---- what is in force


async def refresh(on: Rollbook) -> bool:
    """Read what was changed since the last time, also by other processes and servers. There is never more to do."""
    version = await settings.version(on.db)
    if version != on.settings_version:
        rows = await on.read(settings.stored)
        on.settings, on.stored = _over(on.configured, _values(on, rows))
        on.settings_version = version  # what was changed in between is read once more
    return False


def _values(on: Rollbook, rows: list[StoredSetting]) -> dict[str, str]:
    values = {}
    for row in rows:
        if row.name in NAMES and row.name not in on.configured.stated:
            try:
                value = row.value
                if row.sealed is not None:
                    value = on.secret.unseal(SEALED, row.sealed, row.name.encode()).decode()
            except ValueError:
                logger.error("the setting %s can't be read: was the server's secret another one?", row.name)
                continue
            if value:
                values[row.name] = value
    return values


def _over(configured: Settings, values: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """The settings with those of the database, and which of these are in force. A server on which they can't be, such
    as mail without `public_url`, does without them."""
    effective, stored = configured, dict[str, str]()
    for names in (BRAND, MAIL):
        part = {name: values[name] for name in names if name in values}
        try:
            effective = msgspec.structs.replace(effective, **part)
            stored |= part
        except ConfigurationError as problem:
            # No warning: commands on a folder, which may not know all that a server was started with, would repeat it.
            logger.info("settings of the dashboard are not in force: %s", problem)
    return effective, stored


def differing(one: Settings, other: Settings) -> list[str]:
    return [name for name in NAMES if getattr(one, name) != getattr(other, name)]


def public(effective: Settings) -> Shown:
    """All of them, as events show them."""
    shown = {name: without_secrets(name, getattr(effective, name)) for name in NAMES}
    return {**shown, "brand_logo": logos.named(effective.brand_logo)}


# ---- changing them


async def tried(on: Rollbook, by: Principal, changes: Mapping[str, str]) -> Settings:
    """The settings as they would be with these; an empty one has its default. Raises InsufficientScope,
    InvalidParameter."""
    if by.role != "owner":
        raise InsufficientScope("Only owners can change the server's settings.")
    await refresh(on)
    for name in changes:
        if name not in NAMES or name in on.configured.stated:
            refuse(name, "is set where the server is started, and can only be changed there")
    if (changes.get("brand_logo") or "data:").partition(":")[0] != "data":
        refuse("brand_logo", "must be an image that is uploaded: no file of the server is read")
    values = {name: value for name, value in {**on.stored, **changes}.items() if value}
    if values.get("smtp") and not (values.get("mail_from") or on.configured.mail_from):
        refuse("mail_from", "is required")
    try:
        wanted = msgspec.structs.replace(on.configured, **values)
        logos.read(wanted.brand_logo)
        smtp.check_settings(wanted)
    except (ConfigurationError, ValueError) as problem:
        raise _invalid(str(problem)) from None
    return wanted


def _invalid(problem: str) -> InvalidParameter:
    """The problem of a setting, which begins with its name."""
    name = re.split(r"[: ]", problem, maxsplit=1)[0]
    return InvalidParameter(problem.removeprefix(f"{name}: "), param=name if name in NAMES else None)


def smtp_of(on: Rollbook, wanted: MailServer) -> str:
    """The setting `smtp` for a mail server as a form names it. The password may be left out where everything else is as
    it was: to another server, or without TLS, it isn't sent. Raises InvalidParameter."""
    wanted = wanted._replace(host=wanted.host.lower())
    if not wanted.host:
        return ""
    if not 0 < wanted.port < 65_536:
        refuse("port", "must be from 1 to 65535")
    if wanted.user and not wanted.password:
        current = MailServer.parse(on.settings.smtp) if on.settings.smtp else wanted
        if not current.password or current._replace(password="") != wanted:
            refuse("password", "is required: the stored one is only for the same server, encryption and user")
        wanted = current
    if wanted.password and not wanted.user:
        refuse("user", "is required with a password")
    try:
        if MailServer.parse(wanted.url) == wanted:
            return wanted.url
    except ValueError:
        pass
    refuse("host", "must be the name or IP address of a mail server")


async def save(on: Rollbook, by: Principal, changes: Mapping[str, str]) -> None:
    """Store these; an empty one has its default again. Mail that waits is tried again at once. Raises
    InsufficientScope, InvalidParameter, ProofRequired."""
    wanted = await tried(on, by, changes)
    require_proof(by)
    before = on.settings
    changed = differing(before, wanted)
    if not changed:
        return
    rows = [_row(on, name, changes[name]) for name in changed]
    was = public(before)
    event = public(wanted), {name: was[name] for name in changed}
    await events.settle(on.db)  # mail begins with what happens from now on
    await on.write(_save, by.actor, rows, event, None if set(MAIL).isdisjoint(changed) else wanted.sends_mail)


def _row(on: Rollbook, name: str, value: str) -> StoredSetting:
    if not value or name not in SECRETS:
        return StoredSetting(name, value or None, None)
    return StoredSetting(name, None, on.secret.seal(SEALED, value.encode(), name.encode()))


async def _save(
    tx: Tx, by: Actor, rows: list[StoredSetting], event: tuple[Shown, Shown], sends_mail: bool | None
) -> None:
    """`event` is what they are now, and what the changed ones were; `sends_mail` is None where mail stays as it is."""
    await settings.put(tx, rows)
    if sends_mail:
        await cursors.start_once(tx, MAIL_ID)
        await cursors.resume(tx, MAIL_ID)
    elif sends_mail is not None:
        await cursors.stop(tx, MAIL_ID)
    await events.record(tx, "settings.updated", "", by, *event)
