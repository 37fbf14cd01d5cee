"""Adds many users at once, with their password hashes. Each passes the rules of one who is created alone; a bad one stops no other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from msgspec import UNSET

from rollbook.actions.arguments import ImportedUser
from rollbook.actions.checking import check_password
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import may_grant, require
from rollbook.actions.principal import Principal
from rollbook.actions.users import given, record
from rollbook.auth.passwords import check_hash
from rollbook.errors import InvalidParameter, Overloaded
from rollbook.records import user_imports
from rollbook.records.dialect import dialect
from rollbook.records.user_imports import BATCH, Prepared, Refused
from rollbook.storage.database import Duplicate

__all__ = ["BATCH", "Prepared", "add", "check", "index", "prepare"]

MAX_RACES = 20
"""How often a batch is tried again because someone else took one of its emails at the same moment."""


def check(on: Rollbook, by: Principal, user: ImportedUser) -> None:
    """The rules that no field shows alone. Raises InvalidParameter, InsufficientScope."""
    may_grant(by, given(user.role, "member"))
    if user.password is not UNSET and user.password_hash is not UNSET:
        raise InvalidParameter("Give either password or password_hash.")
    if user.password is not UNSET:
        check_password(user.password, on.settings.password_min_length, email=user.email, name=user.name)
    elif user.password_hash:
        try:
            check_hash(user.password_hash)
        except ValueError as problem:
            raise InvalidParameter(str(problem)) from None


def prepare(user: ImportedUser, hash: str | None) -> Prepared:
    """A user who was checked, ready to be added; `hash` is that of a password that was given."""
    return user_imports.prepare(record(user), check_hash(user.password_hash) if user.password_hash else hash)


async def add(on: Rollbook, by: Principal, users: Sequence[Prepared]) -> list[Refused]:
    """Add up to BATCH users, each with their event, in one transaction. Those whose email or external ID is in use are not added: they are
    returned, by their index. Raises Overloaded."""
    require(by, "users:write")
    for _ in range(MAX_RACES):
        with suppress(Duplicate):
            return await on.write(dialect(on.db).user_imports.add, users, by.actor)
    raise Overloaded("Someone else is adding the same users at this moment. Users added so far stay; run the import again.")


async def index(on: Rollbook) -> int:
    """Bring some of the users that were added into the search index, and return how many; 0 when all are. Searches are exact without it,
    but slow; a running server does the same, in time."""
    return await on.write(dialect(on.db).user_imports.index)
