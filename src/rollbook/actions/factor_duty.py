"""The duty to have a second factor for the dashboard, and the time to set one up: the settings `second_factor_roles`
and `second_factor_grace`."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rollbook import clock
from rollbook.actions.context import Rollbook
from rollbook.records import second_factors
from rollbook.records.users import User
from rollbook.storage.database import Queries, Tx

AUTO = ("owner", "admin")
"""Roles that `auto` stands for on a server that others can reach."""


class Duty(NamedTuple):
    """A second factor that somebody needs and does not have."""

    due_at: int | None
    """The time from which they can't do without. None: not known before they sign in again."""

    @property
    def is_due(self) -> bool:
        return self.due_at is not None and self.due_at <= clock.now()


def roles(on: Rollbook) -> Collection[str]:
    """The roles that need one."""
    settings = on.settings
    if not settings.second_factor_roles.is_auto:
        return settings.second_factor_roles
    return AUTO if settings.public_url and not settings.is_local else ()


async def of(on: Rollbook, user: User) -> Duty | None:
    """The duty of a user who has yet to meet it. None if they need no second factor, or have one."""
    if not await _lacks(on, on.db, user):
        return None
    began = await second_factors.grace_began(on.db, user.id)
    grace = on.settings.second_factor_grace * clock.SECOND
    if began is None:
        return Duty(None if grace else 0)
    return Duty(began + grace)


async def begin(tx: Tx, on: Rollbook, user: User) -> None:
    """The user signs in: from the first time on, they have `second_factor_grace`."""
    if await _lacks(on, tx, user):
        await second_factors.begin_grace(tx, user.id)


async def _lacks(on: Rollbook, queries: Queries, user: User) -> bool:
    return user.role in roles(on) and not await second_factors.has(queries, user.id)
