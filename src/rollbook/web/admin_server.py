"""The server page: version, database, processes, rate limits, and every setting with its source."""

from __future__ import annotations

import platform
import re
import shlex
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

from rollbook import __version__, clock, roles
from rollbook.config import CREDENTIALS, Settings, Source
from rollbook.http.response import Response
from rollbook.records import events, opening
from rollbook.web.visit import Visit

MASKED = "set (hidden)"
"""Shown instead of a value that may be or contain a secret."""

# Settings with such names are hidden, even if the value is only the path of a file.
_SECRET = re.compile(r"(^|_)(key|keys|secret|secrets|password|passwords|token|tokens|credentials|dsn)($|_)").search


class Setting(NamedTuple):
    """A setting, prepared for display."""

    name: str
    value: str
    origin: str
    means: str


class Allowance(NamedTuple):
    """A rate limit and whom it applies to."""

    whom: str
    limit: str
    setting: str


async def show(visit: Visit) -> Response:
    """The page."""
    services = visit.services
    settings = services.settings
    about = await services.operations.about()
    _, checks = await services.operations.checks()
    await events.settle(visit.db)
    latest = await events.latest(visit.db, 1)
    total = (await visit.api("GET", "/v1/users/count")).content["count"]
    described = [_setting(source) for source in about.sources]
    free = shutil.disk_usage(settings.data).free if opening.is_sqlite(settings) else 0
    return visit.render(
        "admin/server.html",
        section="admin/server",
        about=about,
        address=shown("public_url", services.url),
        checks=checks,
        database=about.database,
        path=shlex.quote(about.database.get("path", "")),
        size=size,
        free=free,
        total=total,
        version=__version__,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        sqlite=sqlite3.sqlite_version,
        system=f"{platform.system()} {platform.release()}, {platform.machine()}",
        started=int(about.started * clock.SECOND),
        uptime=spoken(time.time() - about.started),
        last_change=latest[0].created_at if latest else None,
        settings=settings,
        chosen=[setting for setting in described if setting.origin != "default"],
        defaults=[setting for setting in described if setting.origin == "default"],
        allowances=_allowances(settings),
    )


def _setting(source: Source) -> Setting:
    return Setting(source.name, shown(source.name, source.value), source.origin, _MEANINGS.get(source.name, ""))


def shown(name: str, value: Any) -> str:
    """A value as text, without secrets."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        text = ", ".join(map(str, value))
    elif isinstance(value, Path):
        text = str(value.absolute())
    else:
        text = str(value)
    if not text:
        return "empty"
    if isinstance(value, (str, tuple, Path)) and _SECRET(name):
        return MASKED
    return CREDENTIALS.sub("…", text)


_MEANINGS = {name: get_args(hint)[1].description for name, hint in get_type_hints(Settings, include_extras=True).items()}


def _allowances(settings: Settings) -> list[Allowance]:
    own = dict(settings.role_limits)
    of_roles = [
        Allowance(
            f"Each {role}",
            str(own.get(role, settings.rate_limit)),
            "role_limits" if role in own else "rate_limit",
        )
        for role in roles.ROLES
    ]
    return [
        *of_roles,
        *(
            Allowance(whom, str(getattr(settings, name)), name)
            for whom, name in (
                ("IP address without a valid key", "unauthenticated_limit"),
                ("Wrong passwords for one account", "attempts_limit"),
                ("Wrong passwords from one IP address on the sign-in page", "address_attempts_limit"),
                ("Dashboard pages per person or IP address", "page_limit"),
            )
        ),
    ]


def size(amount: int) -> str:
    """`1.5 GiB`."""
    for unit, least in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if amount >= least:
            return f"{amount / least:.1f} {unit}"
    return f"{amount} bytes"


def spoken(seconds: float) -> str:
    """`3 days, 4 hours`, `5 hours`, `6 minutes`: days with hours, otherwise the largest unit."""
    left = int(seconds)
    parts: list[str] = []
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, length)
        if count or (unit == "second" and not parts):
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return ", ".join(parts[: 2 if seconds >= 86_400 else 1])
