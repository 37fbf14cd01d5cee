"""Applications that people sign in to: where answers may lead, what they are told, and the codes they exchange."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from rollbook import clock
from rollbook.records import sign_outs
from rollbook.records.lineages import IS_SUSPENDED
from rollbook.records.presenting import Flag, Hidden, Words, presenter
from rollbook.records.users import User
from rollbook.roles import APPLICATION
from rollbook.storage.database import Queries, Statement, Tx


class Client(NamedTuple):
    """Sign-in to an application, over OpenID Connect."""

    user_id: Hidden[str]
    redirect_urls: Words = ""
    post_logout_redirect_urls: Words = ""
    public_client: Flag = 0
    sign_in_groups: Words = ""
    group_claims: str = "names"
    role_claim: Flag = 0
    backchannel_logout_url: str | None = None


public = presenter(Client)


class SignInCode(NamedTuple):
    """An authorization code, whose text is never part of it."""

    digest: bytes
    client_id: str
    user_id: str
    session_id: str
    redirect_url: str
    challenge: str | None
    scope: str
    nonce: str | None
    expires_at: int
    key_id: str | None = None


class Grant(NamedTuple):
    """A session that began with a code."""

    id: str
    user_id: str
    client_id: str
    scope: str
    created_at: int
    methods: str | None
    proven_at: int
    begun_in: str | None
    refresh_digest: bytes
    refresh_expires_at: int
    acted_by: str | None


_CLIENT = ", ".join(Client._fields)
OF_USER = f"SELECT {_CLIENT} FROM clients WHERE user_id = ?"
# An application that was deleted or suspended has none.
_IS_WORKING = f"{{0}}.kind = '{APPLICATION}' AND {{0}}.status = 'active'"
_OF_CLIENT = ", ".join(f"c.{name}" for name in Client._fields)
WORKING = f"""
    SELECT u.name, {_OF_CLIENT} FROM clients c JOIN users u ON u.id = c.user_id
    WHERE c.user_id = ? AND {_IS_WORKING.format("u")}"""
LET_IN = """
    SELECT u.id, u.name FROM clients c JOIN users u ON u.id = c.user_id
    WHERE ' ' || c.sign_in_groups || ' ' LIKE ?"""
SET = f"""
    INSERT INTO clients ({_CLIENT}) VALUES ({", ".join("?" * len(Client._fields))})
    ON CONFLICT (user_id) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in Client._fields[1:])}"""
ERASE = "DELETE FROM clients WHERE user_id = ?"
_CODE = ", ".join(SignInCode._fields)
ADD_CODE = f"INSERT INTO sign_in_codes ({_CODE}) VALUES ({', '.join('?' * len(SignInCode._fields))})"
CODE = Statement(f"SELECT {_CODE} FROM sign_in_codes WHERE digest = ?", locks=True)
USE_CODE = "DELETE FROM sign_in_codes WHERE digest = ?"
END_CODES = "DELETE FROM sign_in_codes WHERE session_id = ? AND client_id = ?"
IS_EXPIRED = "SELECT 1 FROM sign_in_codes WHERE expires_at <= ? LIMIT 1"
EXPIRE_CODES = "DELETE FROM sign_in_codes WHERE expires_at <= ?"
FORGET_UNUSED_KEYS = """
    DELETE FROM keys WHERE (id, expires_at) IN (
        SELECT key_id, expires_at FROM sign_in_codes WHERE expires_at <= ? AND key_id IS NOT NULL)"""
_GRANT = """
    s.id, s.user_id, s.audience, s.scope, s.created_at, s.methods, coalesce(s.proven_at, s.created_at), s.begun_in,
    s.refresh_digest, s.refresh_expires_at, s.acted_by"""
_WORKS = f"s.scope IS NOT NULL AND (s.lineage IS NULL OR NOT {IS_SUSPENDED.format('s.lineage')})"
BY_FAMILY = Statement(f"SELECT {_GRANT} FROM sessions s WHERE s.family = ? AND {_WORKS}", locks=True)
_USER = ", ".join(f"u.{name}" for name in User._fields)
GRANT = f"SELECT {_GRANT} FROM sessions s WHERE s.id = ? AND {_WORKS}"
IN_USE = f"""
    SELECT {_GRANT}, {_USER}, {_OF_CLIENT}, (SELECT language FROM user_languages WHERE user_id = u.id)
    FROM sessions s JOIN users u ON u.seq = s.user_seq AND u.id = s.user_id
      JOIN clients c ON c.user_id = s.audience JOIN users a ON a.id = c.user_id
    WHERE s.id = ? AND {_WORKS} AND {_IS_WORKING.format("a")}"""
BEGUN_IN = """
    SELECT id FROM sessions WHERE begun_in = ? AND begun_in IS NOT NULL AND audience = ? AND scope IS NOT NULL
    ORDER BY id"""


async def of_user(queries: Queries, user_id: str) -> Client:
    """Sign-in to an application; that of a new one if it was never set up."""
    row = await queries.one(OF_USER, user_id)
    return Client(user_id) if row is None else Client._make(row)


async def let_in(queries: Queries, group_id: str) -> list[tuple[str, str]]:
    """ID and name of each application to which the members of a group may sign in by being one."""
    # Sorted here: SQLite would walk the names of all users for it.
    return sorted([(row[0], row[1]) for row in await queries.all(LET_IN, f"% {group_id} %")], key=lambda it: it[::-1])


class WorkingClient(NamedTuple):
    """An application that people can sign in to now."""

    name: str
    client: Client


async def working(queries: Queries, user_id: str) -> WorkingClient | None:
    row = await queries.one(WORKING, user_id)
    return None if row is None else WorkingClient(row[0], Client._make(row[1:]))


async def names(queries: Queries, ids: Collection[str | None]) -> dict[str, str]:
    """Names of the applications among these IDs."""
    found = [await working(queries, id) for id in set(ids) if id is not None]
    return {it.client.user_id: it.name for it in found if it is not None}


async def keep(tx: Tx, client: Client) -> None:
    await tx.run(SET, *client)
    if client.backchannel_logout_url is None:
        await sign_outs.erase(tx, client.user_id)


async def erase(tx: Tx, user_id: str) -> None:
    """Forget sign-in to an application that is erased. Its codes and those of a person lead nowhere, and are removed
    within minutes."""
    await tx.run(ERASE, user_id)
    await sign_outs.erase(tx, user_id)


async def add_code(tx: Tx, code: SignInCode) -> None:
    await tx.run(ADD_CODE, *code)


async def code(queries: Queries, digest: bytes) -> SignInCode | None:
    """The code, locked in a write: of several who come with it at once, the others see it used."""
    row = await queries.one(CODE, digest)
    return None if row is None else SignInCode._make((bytes(row[0]), *row[1:]))


async def use_code(tx: Tx, digest: bytes) -> None:
    await tx.run(USE_CODE, digest)


async def end_codes(tx: Tx, session_id: str, client_id: str) -> None:
    """End the codes that an application got in a browser."""
    await tx.run(END_CODES, session_id, client_id)


async def has_expired_codes(queries: Queries) -> bool:
    return await queries.one(IS_EXPIRED, clock.now()) is not None


async def expire_codes(tx: Tx) -> None:
    """Forget expired codes, and the keys that they were never exchanged for."""
    now = clock.now()
    await tx.run(FORGET_UNUSED_KEYS, now)
    await tx.run(EXPIRE_CODES, now)


async def by_family(queries: Queries, family: bytes) -> Grant | None:
    row = await queries.one(BY_FAMILY, family)
    return None if row is None else Grant._make(row)


async def grant(queries: Queries, session_id: str) -> Grant | None:
    """A session that began with a code."""
    return next((Grant._make(row) for row in await queries.all(GRANT, session_id)), None)


class GrantInUse(NamedTuple):
    """A session that began with a code, its user and their language, and its application, as they are now."""

    grant: Grant
    user: User
    client: Client
    language: str | None


async def in_use(queries: Queries, session_id: str) -> GrantInUse | None:
    """By one statement, since applications ask often. None if the application was deleted or suspended."""
    row = await queries.one(IN_USE, session_id)
    if row is None:
        return None
    size, last = len(Grant._fields), -1 - len(Client._fields)
    return GrantInUse(Grant._make(row[:size]), User._make(row[size:last]), Client._make(row[last:-1]), row[-1])


async def begun_in(queries: Queries, session_id: str, client_id: str) -> list[str]:
    """IDs of an application's sessions that began in this browser."""
    return [row[0] for row in await queries.all(BEGUN_IN, session_id, client_id)]
