"""Attributes that identity providers keep here by SCIM: of a user their userName, the parts of their name and what is
known of their work, and for each provider its own identifiers of users and groups.

Nothing has to be done when a user is deleted or restored: names and identifiers of those who do not live are free for
others, who take them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from rollbook import clock
from rollbook.errors import ExternalIdTaken, UserNameTaken
from rollbook.records import rules
from rollbook.storage.database import Duplicate, Queries, Row, Tx, first, in_parts, scalar

AT_ONCE = 100
"""Users of a statement."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ScimDetails(NamedTuple):
    """Facts kept of a user. The defaults are those of one whom no provider has written."""

    user_name: str | None = None
    """None: it is their email."""
    is_taken: bool = False
    """Another user has their email as userName."""
    attributes: dict[str, Any] = {}
    """The attributes that were sent, by their names in SCIM."""
    version: int = 0
    updated_at: int = 0
    external_id: str | None = None
    """The identifier of the provider that asks."""


OF_USERS = """
    SELECT u.id, s.user_name, s.user_name IS NULL
        AND EXISTS (SELECT 1 FROM scim_users WHERE user_name_key = u.email_key AND user_id <> u.id),
      s.attributes, s.version, s.updated_at, e.external_id
    FROM users AS u LEFT JOIN scim_users AS s ON s.user_id = u.id
    LEFT JOIN scim_external_ids AS e ON e.tenant = ? AND e.object_id = u.id WHERE u.id IN ({})"""
OF_USER, OF_MANY = OF_USERS.format("?"), OF_USERS.format(", ".join("?" * AT_ONCE))
BY_USER_NAME = """
    SELECT u.id, 1 AS place FROM scim_users AS s JOIN users AS u ON u.id = s.user_id WHERE s.user_name_key = ?
    UNION ALL
    SELECT u.id, 2 FROM users AS u LEFT JOIN scim_users AS s ON s.user_id = u.id
    WHERE u.email_key = ? AND s.user_name IS NULL
    ORDER BY place LIMIT 1"""
HOLDERS = """
    SELECT s.user_id, u.id FROM scim_users AS s LEFT JOIN users AS u ON u.id = s.user_id WHERE s.user_name_key = ?
    UNION ALL
    SELECT u.id, u.id FROM users AS u LEFT JOIN scim_users AS s ON s.user_id = u.id
    WHERE u.email_key = ? AND s.user_name IS NULL"""
TAKE_OVER = "UPDATE scim_users SET user_name = NULL, user_name_key = NULL WHERE user_id = ?"
KEEP = """
    INSERT INTO scim_users (user_id, user_name, user_name_key, attributes, version, updated_at)
    VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (user_id) DO UPDATE SET user_name = excluded.user_name,
      user_name_key = excluded.user_name_key, attributes = excluded.attributes,
      version = scim_users.version + 1, updated_at = excluded.updated_at RETURNING version"""
BY_EXTERNAL_ID = "SELECT object_id FROM scim_external_ids WHERE tenant = ? AND kind = ? AND external_id = ?"
EXTERNAL_IDS = "SELECT object_id, external_id FROM scim_external_ids WHERE tenant = ? AND object_id IN ({})".format(
    ", ".join("?" * AT_ONCE)
)
IDENTIFY = """
    INSERT INTO scim_external_ids (tenant, object_id, kind, external_id) VALUES (?, ?, ?, ?)
    ON CONFLICT (tenant, kind, external_id) DO UPDATE SET object_id = excluded.object_id
      WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = scim_external_ids.object_id)
        AND NOT EXISTS (SELECT 1 FROM groups WHERE id = scim_external_ids.object_id) RETURNING object_id"""
FORGET_ID = "DELETE FROM scim_external_ids WHERE tenant = ? AND object_id = ?"
HELD = "SELECT user_name, attributes FROM scim_users WHERE user_id = ?"
HELD_IDS = "SELECT tenant, external_id FROM scim_external_ids WHERE object_id = ? ORDER BY tenant"
ERASE = "DELETE FROM scim_users WHERE user_id = ?"
ERASE_IDS = "DELETE FROM scim_external_ids WHERE object_id = ?"


async def kept(queries: Queries, tenant: str, id: str) -> ScimDetails:
    """Read what is kept of a user who lives."""
    row = await queries.one(OF_USER, tenant, id)
    return ScimDetails() if row is None else _kept(row)


async def kept_of(queries: Queries, tenant: str, ids: Sequence[str]) -> dict[str, ScimDetails]:
    """Read what is kept of many users, by ID."""
    return {row[0]: _kept(row) for row in await _in_parts(queries, OF_MANY, tenant, ids)}


def _kept(row: Row) -> ScimDetails:
    _, user_name, is_taken, attributes, version, updated_at, external_id = row
    if version is None:
        return ScimDetails(is_taken=bool(is_taken), external_id=external_id)
    return ScimDetails(user_name, bool(is_taken), _decode(attributes), version, updated_at, external_id)


async def _in_parts(queries: Queries, sql: str, tenant: str, ids: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    for part in in_parts(ids, AT_ONCE):
        rows += await queries.all(sql, tenant, *part)
    return rows


async def named(queries: Queries, user_name: str) -> str | None:
    """ID of the user who has this userName, whatever its case: one who was given it, or whose email it is."""
    key = rules.email_key(user_name)
    user_id: str | None = await first(queries, BY_USER_NAME, key, key)
    return user_id


async def keep(
    tx: Tx, user_id: str, user_name: str | None, attributes: dict[str, Any], before: ScimDetails
) -> ScimDetails:
    """Keep this of a user, from now on, instead of what was. Raises UserNameTaken."""
    key, now = None if user_name is None else rules.email_key(user_name), clock.now()
    if key is not None and (before.user_name is None or key != rules.email_key(before.user_name)):
        for holder, living in await tx.all(HOLDERS, key, key):
            if living is None:
                await tx.run(TAKE_OVER, holder)
            elif living != user_id:
                raise UserNameTaken()
    try:
        version = await scalar(tx, KEEP, user_id, user_name, key, _encode(attributes).decode(), now)
    except Duplicate:
        raise UserNameTaken() from None
    return ScimDetails(user_name, False, attributes, version, now, before.external_id)


async def external_ids(queries: Queries, tenant: str, ids: Sequence[str]) -> dict[str, str]:
    """The provider's identifiers of these groups, by ID."""
    return {row[0]: row[1] for row in await _in_parts(queries, EXTERNAL_IDS, tenant, ids)}


async def identified(queries: Queries, tenant: str, kind: str, external_id: str) -> str | None:
    """ID of the user or group that the provider calls so; it may have been deleted."""
    object_id: str | None = await first(queries, BY_EXTERNAL_ID, tenant, kind, external_id)
    return object_id


async def identify(tx: Tx, tenant: str, kind: str, id: str, external_id: str | None, before: str | None) -> None:
    """Let the provider call it so from now on, instead of what it did. Raises ExternalIdTaken."""
    if before is not None:
        await tx.run(FORGET_ID, tenant, id)
    if external_id is not None and await tx.one(IDENTIFY, tenant, id, kind, external_id) is None:
        raise ExternalIdTaken("Another resource has this externalId.")


class ScimExport(NamedTuple):
    """All that is kept of a user, for themselves."""

    user_name: str | None
    attributes: dict[str, Any]
    external_ids: dict[str, str]
    """By the ID of the provider's first key."""


async def held(queries: Queries, id: str) -> list[ScimExport]:
    """One, or none if nothing is kept."""
    row = await queries.one(HELD, id)
    external = {row[0]: row[1] for row in await queries.all(HELD_IDS, id)}
    if row is None:
        return [ScimExport(None, {}, external)] if external else []
    return [ScimExport(row[0], _decode(row[1]), external)]


async def erase(tx: Tx, id: str) -> None:
    """Erase all that is kept of a user or group."""
    await tx.run(ERASE, id)
    await tx.run(ERASE_IDS, id)
