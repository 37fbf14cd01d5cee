"""Invitations: the users who were invited and have no password yet, and many new ones at once."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook.actions import bulk
from rollbook.actions.arguments.tokens import TokenCreate
from rollbook.actions.arguments.users import UserCreate
from rollbook.actions.bulk import Operation, OperationResult
from rollbook.actions.context import Rollbook
from rollbook.actions.permissions import require
from rollbook.actions.principal import Principal
from rollbook.records import one_time_tokens, user_list
from rollbook.records.one_time_tokens import Token

MAX_COUNTED = 1_000
"""The number at which counting those who are invited ends."""


async def count(on: Rollbook, by: Principal) -> int:
    """The number of invited users; counting ends at MAX_COUNTED."""
    require(by, "users:read")
    return await on.read(user_list.count_few, "status", "invited", MAX_COUNTED)


async def of_users(on: Rollbook, by: Principal, ids: Sequence[str]) -> dict[str, Token]:
    """Newest invitation of each of these users who has one, expired or not."""
    require(by, "tokens:create")
    return await on.read(one_time_tokens.of_users, ids, "invite")


async def invite(
    on: Rollbook, by: Principal, people: Sequence[UserCreate], sends: bool = False
) -> list[OperationResult]:
    """Create these users, at most `bulk.MAX_OPERATIONS`, and mail each of them their link if `sends`. One who can't be
    created stops no other. Raises InsufficientScope, ProofRequired."""
    results = await bulk.bulk_users(on, by, [Operation("create", fields=person) for person in people])
    created = [result.user.id for result in results if result.user is not None]
    if sends and created:
        link = TokenCreate(purpose="invite", send=True)
        await bulk.bulk_users(on, by, [Operation("create_token", id, link) for id in created])
    return results
