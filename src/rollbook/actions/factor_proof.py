"""A second factor as people give it on a page: a code, or what a passkey has signed."""

from __future__ import annotations

from typing import NamedTuple

from rollbook.actions import passkeys, second_factors
from rollbook.actions.attempts import AttemptOrigin
from rollbook.actions.context import Rollbook
from rollbook.actions.passkeys import Presented
from rollbook.actions.second_factors import FactorUse
from rollbook.errors import SecondFactorRequired
from rollbook.records import second_factors as records
from rollbook.records.events import Actor
from rollbook.records.users import User
from rollbook.storage.database import Tx

Proven = FactorUse | passkeys.Checked
"""A factor that was right, to be used up in the transaction of what it is for."""


class GivenFactor(NamedTuple):
    """A code, an answer of a passkey, or neither."""

    code: str = ""
    """Of an authenticator app, or a recovery code."""
    passkey: Presented | None = None


class Ways(NamedTuple):
    """Ways in which a user can prove who they are, besides recovery codes."""

    has_app: bool
    has_passkey: bool


async def ways(on: Rollbook, user_id: str) -> Ways | None:
    """The ways they can prove it by; None if they have no second factor."""
    kinds = {each.kind for each in await records.of_user(on.db, user_id) if each.confirmed_at is not None}
    return Ways(records.TOTP in kinds, records.PASSKEY in kinds) if kinds else None


async def check(
    on: Rollbook, by: Actor, user: User, given: GivenFactor, origin: AttemptOrigin, is_own: bool = False
) -> Proven:
    """Check it; see `second_factors.check`. Raises SecondFactorRequired, WrongCode, TooManyAttempts."""
    if given.passkey is not None:
        return await passkeys.check(on, by, user, given.passkey, origin, is_own)
    if not given.code:
        raise SecondFactorRequired()
    return await second_factors.check(on, by, user, given.code, origin, is_own)


async def use(tx: Tx, by: Actor, proven: Proven | None) -> None:
    """Use it up; None: nothing was needed. Raises WrongCode if it was used meanwhile."""
    if isinstance(proven, FactorUse):
        await second_factors.use(tx, by, proven)
    elif proven is not None:
        await passkeys.use(tx, proven)
