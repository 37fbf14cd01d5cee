"""Actions on applications: users that are programs. What becomes of one is decided as for every user."""

from __future__ import annotations

from typing import Any, NamedTuple

from rollbook.actions import clients, creators, keys, user_kinds, users
from rollbook.actions.arguments.applications import ApplicationCreate, ApplicationFilters, ApplicationPatch
from rollbook.actions.arguments.keys import KeyCreate
from rollbook.actions.checking import given
from rollbook.actions.context import Rollbook
from rollbook.actions.keys import IssuedKey
from rollbook.actions.permissions import known, may_grant, require, require_proof
from rollbook.actions.principal import Principal
from rollbook.auth import key_format
from rollbook.errors import NotFound
from rollbook.records import clients as client_records
from rollbook.records import users as records
from rollbook.records.clients import Client
from rollbook.records.keys import NewKey
from rollbook.records.user_list import UserPage
from rollbook.records.user_list.query import ANY, Filters, Query
from rollbook.records.users import User
from rollbook.roles import APPLICATION
from rollbook.storage.database import Tx


class Application(NamedTuple):
    """An application, and sign-in to it."""

    user: User
    client: Client


async def list_applications(on: Rollbook, by: Principal, query: Query) -> UserPage:
    """List applications

    Returns applications in the order in which they were added, with pages as those of `GET /v1/users`, which lists
    them, too.
    """
    return await users.list_users(on, by, query)


def filters_of(filters: ApplicationFilters) -> Filters:
    return ANY._replace(kind=APPLICATION, q=filters.q, status=filters.status)


async def get(on: Rollbook, by: Principal, id: str) -> Application:
    """Get an application

    Returns all fields. The ID of a person is a 404.
    """
    require(by, "users:read", id)
    return Application(await _living(on, id), await client_records.of_user(on.db, id))


async def create(on: Rollbook, by: Principal, new: ApplicationCreate) -> Application:
    """Create an application

    A name is enough: an email is made up, to which nothing can be sent. It has no password and can't sign in: create an
    API key with its ID as `user_id`. For a `role` above member, the key needs the scope `users:grant` as well. With
    `redirect_urls`, people [sign in to it](connect.md): unless it is a `public_client`, create a key of the kind
    `client`, its secret.
    """
    require(by, "users:write")
    may_grant(by, given(new.role, "member"))
    return await on.write(_create, by, record(new), clients.given_of(on, new))


async def _create(tx: Tx, by: Principal, new: User, sign_in: dict[str, Any]) -> Application:
    user = await clients.keep(tx, by.actor, await users.add(tx, by, new), sign_in, is_new=True)
    return Application(user, await client_records.of_user(tx, user.id))


def record(new: ApplicationCreate) -> User:
    """Record of a new application."""
    user = records.new(**users.changes_of(new), kind=APPLICATION, email="")
    return user._replace(email=user_kinds.email(user.id))


async def update(
    on: Rollbook, by: Principal, id: str, changes: ApplicationPatch, versions: frozenset[int] | None = None
) -> Application:
    """Update an application

    Fields you don't send are left unchanged. Metadata is merged, and null removes a key. For the `role`, the key needs
    the scope `users:grant` as well. With `If-Match`, the update only succeeds if the application still has that
    version.
    """
    require(by, "users:write", id)
    await _living(on, id)
    sign_in = clients.given_of(on, changes)
    if not sign_in:
        user = await users.update(on, by, id, changes, versions)
        return Application(user, await client_records.of_user(on.db, id))
    require(by, "users:write")
    return await on.write(_update, by, id, changes, versions, sign_in)


async def _update(
    tx: Tx,
    by: Principal,
    id: str,
    changes: ApplicationPatch,
    versions: frozenset[int] | None,
    sign_in: dict[str, Any],
) -> Application:
    user = await clients.keep(tx, by.actor, await users.update_in(tx, by, id, changes, versions), sign_in)
    return Application(user, await client_records.of_user(tx, id))


async def delete(
    on: Rollbook, by: Principal, id: str, purge: bool = False, versions: frozenset[int] | None = None
) -> None:
    """Delete an application

    Its API keys stop working, and its webhooks are disabled. You can restore it for 30 days as every user, but not its
    keys. Owners can send `purge=true`: it erases the application permanently.
    """
    require(by, "users:delete")
    deleted = await records.deleted(on.db, known("user", id)) if purge else None
    if deleted is None:
        await _living(on, id)
    elif deleted.user.kind != APPLICATION:
        raise NotFound()
    await users.delete(on, by, id, purge, versions)


async def _living(on: Rollbook, id: str) -> User:
    """The application with this ID. Raises NotFound, for people too."""
    user = await records.get(on.db, known("user", id))
    if user.kind != APPLICATION:
        raise NotFound()
    return user


# ---- connecting one


async def connect(on: Rollbook, by: Principal, new: ApplicationCreate, key: KeyCreate) -> IssuedKey:
    """Create an application and its first API key, or none of them. Raises InsufficientScope, ProofRequired."""
    require(by, "users:write")
    require(by, "keys:write")
    may_grant(by, given(new.role, "member"))
    require_proof(by)
    user, token = record(new), key_format.mint(key.kind)
    return await on.write(_connect, by, user, clients.given_of(on, new), keys.record(on, by, key, user, token), token)


async def _connect(tx: Tx, by: Principal, new: User, sign_in: dict[str, Any], key: NewKey, token: str) -> IssuedKey:
    await _create(tx, by, new, sign_in)
    await creators.lock_people(tx, by, "keys:write", new.id)
    return await keys.add(tx, by, key, token)
