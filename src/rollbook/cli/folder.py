"""Commands on a data folder, through the same records as the server, which may be running on it: it sees every change within a second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import msgspec

from rollbook import clock, config
from rollbook.api import types
from rollbook.api.keys import make_record, make_successor
from rollbook.api.parsing import dec_hook, invalid, parse_body, parse_query, refuse
from rollbook.api.users import filters_of, given
from rollbook.auth import key_format, permissions, server_secret, tokens
from rollbook.auth.passwords import Passwords
from rollbook.cli.backends import Shown
from rollbook.cli.output import Failure, where
from rollbook.config import Settings
from rollbook.errors import Fault, NotFound
from rollbook.first_start import open_database
from rollbook.quota import Limit
from rollbook.records import directory, keys, opening, password_links, rules, users
from rollbook.records.events import CLI
from rollbook.records.users import User
from rollbook.storage import migrate
from rollbook.storage.database import Database, Tx

PAGE = 1_000


class Folder:
    """`Backend` on the files themselves. Who can write them may do all."""

    @classmethod
    def open(cls, data: Path | None, make: bool) -> Folder:
        """Raises ConfigurationError, DatabaseUnusable, Failure."""
        settings, _ = config.load({"data": data})
        return cls(settings, open_existing(settings) if not make else open_database(settings))

    def __init__(self, settings: Settings, db: Database) -> None:
        self.place = where(settings).strip()
        self.address = settings.url
        self._settings = settings
        self._db = db
        self._hook = dec_hook(settings.password_min_length)

    def close(self) -> None:
        self._db.close()

    def users(self, filters: Mapping[str, str], limit: int | None, offset: int) -> Iterator[Shown]:
        query = parse_query(types.ListUsers, urlencode(filters))
        found = filters_of(query)
        order = tuple(directory.Order(part.removeprefix("-"), part.startswith("-")) for part in query.sort or ("created_at",))
        position: directory.Position | None = None
        while limit is None or limit > 0:
            size = PAGE if limit is None else min(limit, PAGE)
            page = self._db.read_now(directory.page, directory.WHOLE, found, order, size, offset, position, False)
            yield from [users.public(User._make(row)) for row in page.rows]
            if page.after is None:
                return
            position, offset = page.after, 0
            limit = None if limit is None else limit - size

    def count(self, filters: Mapping[str, str]) -> int:
        query = parse_query(types.ListUsers, urlencode(filters))
        return self._db.read_now(directory.count, filters_of(query))

    def user(self, named: str) -> Shown:
        return users.public(self._find(named))

    def create_user(self, fields: Shown) -> Shown:
        new = parse_body(types.NewUser, {"password": tokens.mint(), **fields}, self._hook)
        hash = None
        if "password" in fields:
            self._check_password(new.password, new.email, new.name)
            hash = self._hash(new.password)
        record = users.NewUser(
            name=str(new.name),
            email=str(new.email),
            password_hash=hash,
            role=given(new.role, "member"),
            external_id=given(new.external_id, None),
            metadata=given(new.metadata, "{}"),
            email_verified=given(new.email_verified, False),
            rate_limit=given(new.rate_limit, None),
        )
        return users.public(self._db.write_now(users.add, record, CLI))

    def change_user(self, id: str, changes: Shown) -> Shown:
        parsed = parse_body(types.UserChanges, changes, self._hook)
        plain = {name: given(getattr(parsed, name), None) for name in changes}
        return users.public(self._db.write_now(users.update, id, plain, CLI))

    def set_password(self, id: str, password: str) -> None:
        user = self._find(id)
        new = parse_body(types.PasswordChange, {"password": password}, self._hook)
        self._check_password(new.password, user.email, user.name)
        self._db.write_now(users.set_password, id, self._hash(new.password), CLI)

    def password_link(self, id: str, base: str | None) -> Shown:
        text = tokens.mint()
        expires_at = self._db.write_now(_add_password_link, id, tokens.digest(text))
        return {"url": tokens.password_link(base or self.address, text), "expires_at": clock.format_time(expires_at)}

    def delete_user(self, id: str, purge: bool) -> None:
        self._db.write_now(users.purge if purge else users.delete, id, CLI)

    def restore_user(self, id: str) -> Shown:
        return users.public(self._db.write_now(users.restore, id, CLI))

    def keys(self, user_id: str) -> list[Shown]:
        return [keys.public(key) for key in self._db.read_now(keys.of_user, user_id)]

    def create_key(self, user_id: str, fields: Shown) -> Shown:
        new = parse_body(types.NewKey, fields, self._hook)
        user = self._find(user_id)
        scopes = None if new.scopes in (None, msgspec.UNSET) else new.scopes
        for scope in scopes or ():
            if scope not in permissions.grantable(user.role):
                refuse("scopes", f"holds {scope}, which the role {user.role} does not have")
        if isinstance(new.expires_at, int) and new.expires_at <= clock.now():
            refuse("expires_at", "must be in the future")
        text = key_format.mint()
        record = make_record(
            server_secret.load(self._settings.data),
            text,
            user_id=user.id,
            name=new.name,
            scopes=None if scopes is None else " ".join(sorted(set(scopes))),
            ip_allow=" ".join(new.ip_allow) if new.ip_allow and new.ip_allow is not msgspec.UNSET else None,
            rate_limit=str(new.rate_limit) if isinstance(new.rate_limit, str) and Limit.parse(new.rate_limit) else None,
            expires_at=int(new.expires_at) if isinstance(new.expires_at, int) else None,
            revealable=new.revealable,
        )
        return {**keys.public(self._db.write_now(_add_key, record)), "key": text}

    def rotate_key(self, id: str, overlap: int) -> Shown:
        overlap = parse_body(types.KeyRotation, {"overlap": overlap}, self._hook).overlap
        text = key_format.mint()
        record = make_successor(server_secret.load(self._settings.data), text, self._db.read_now(keys.get, id))
        key = self._db.write_now(keys.rotate, id, record, overlap * clock.SECOND, CLI)
        return {**keys.public(key), "key": text}

    def revoke_key(self, id: str) -> None:
        try:
            self._db.write_now(keys.revoke, id, CLI)
        except NotFound:
            raise NotFound(f"There is no key {id} in {opening.place(self._settings)}, or it was revoked before.") from None

    def _find(self, named: str) -> User:
        user = self._db.read_now(users.by_email if "@" in named else users.by_id, named)
        if user is None:
            raise NotFound(f"There is no user {named} in {opening.place(self._settings)}.")
        return user

    def _check_password(self, password: str, email: str, name: str) -> None:
        try:
            rules.password(password, self._settings.password_min_length, email=email, name=name)
        except ValueError as problem:
            raise invalid([Fault("password", str(problem))]) from None

    def _hash(self, password: str) -> str:
        return Passwords(self._settings).hash_now(password)


async def _add_key(tx: Tx, new: keys.NewKey) -> keys.Key:
    await users.get(tx, new.user_id)  # it may have been deleted meanwhile
    return await keys.add(tx, new, CLI)


async def _add_password_link(tx: Tx, id: str, digest: bytes) -> int:
    await users.get(tx, id)
    return await password_links.add(tx, id, digest, CLI)


def open_existing(settings: Settings) -> Database:
    """A database that has been used before. Raises DatabaseUnusable, Failure."""
    db = open_database(settings, make=False)
    if waiting := migrate.pending(db):
        db.close()
        raise Failure(f"The database lacks {len(waiting)} migrations of this version. Run: rollbook migrate{where(settings)}")
    return db
