"""`Backend` for a data folder, using the same actions as the server. A running server sees every change within a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from rollbook import clock, config
from rollbook.actions import events, keys, passwords, users
from rollbook.actions.arguments import (
    KeyCreate,
    KeyRotation,
    ListEvents,
    ListKeys,
    PasswordChange,
    UserCreate,
    UserSelection,
    UserUpdate,
)
from rollbook.actions.checking import check, check_texts
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI
from rollbook.auth import tokens
from rollbook.cli.backends import Shown
from rollbook.cli.output import Failure, hint, where
from rollbook.config import Settings
from rollbook.errors import NotFound, StorageUnavailable
from rollbook.first_start import open_database
from rollbook.records import events as event_records
from rollbook.records import keys as key_records
from rollbook.records import user_list
from rollbook.records import users as user_records
from rollbook.records.connect import address
from rollbook.records.user_list.query import Query
from rollbook.records.users import User
from rollbook.storage import migrate
from rollbook.storage.database import Database

S = TypeVar("S", bound=Struct)
T = TypeVar("T")

PAGE = 1_000
WAIT = 60
"""Seconds until the event log is read again, though nothing was heard of it."""


class Folder:
    """`Backend` on the files themselves. Everyone who can write to them has full access."""

    @classmethod
    def open(cls, data: Path | None, make: bool) -> Folder:
        """Raises ConfigurationError, DatabaseUnusable, Failure."""
        settings, _ = config.load({"data": data})
        return cls(settings, open_existing(settings) if not make else open_database(settings))

    def __init__(self, settings: Settings, db: Database) -> None:
        self.place = where(settings).strip()
        self.address = settings.url
        self._settings = settings
        self._on = Rollbook(settings, db)

    def close(self) -> None:
        self._on.db.close()

    def users(self, filters: Mapping[str, str], limit: int | None, offset: int) -> Iterator[Shown]:
        selected = check_texts(UserSelection, filters)
        query = Query(users.filters_of(selected), users.order_of(users.sort_of(selected)), offset=offset)
        while limit is None or limit > 0:
            size = PAGE if limit is None else min(limit, PAGE)
            page = self._run(users.list_users(self._on, CLI, query._replace(limit=size)))
            yield from user_list.public(page)
            if page.after is None:
                return
            query = query._replace(position=page.after, offset=0)
            limit = None if limit is None else limit - size

    def count(self, filters: Mapping[str, str]) -> int:
        return self._run(users.count_users(self._on, CLI, users.filters_of(check_texts(UserSelection, filters))))

    def user(self, named: str) -> Shown:
        return user_records.public(self._find(named))

    def create_user(self, fields: Shown) -> Shown:
        return user_records.public(self._run(users.create(self._on, CLI, self._check(UserCreate, fields))))

    def change_user(self, id: str, changes: Shown) -> Shown:
        return user_records.public(self._run(users.update(self._on, CLI, id, self._check(UserUpdate, changes))))

    def set_password(self, id: str, password: str, current: str | None) -> None:
        self._run(passwords.set_password(self._on, CLI, id, self._check(PasswordChange, {"password": password})))

    def password_link(self, id: str, base: str | None) -> Shown:
        link = self._run(passwords.create_password_link(self._on, CLI, id))
        return {"url": tokens.password_link(base or self.address, link.token), "expires_at": clock.format_time(link.expires_at)}

    def delete_user(self, id: str, purge: bool) -> None:
        self._run(users.delete(self._on, CLI, id, purge))

    def restore_user(self, id: str) -> Shown:
        return user_records.public(self._run(users.restore(self._on, CLI, id)))

    def keys(self, user_id: str) -> list[Shown]:
        found = self._run(keys.list_keys(self._on, CLI, ListKeys(user=user_id, limit=key_records.ALL)))
        return [key_records.public(key) for key in found.keys]

    def create_key(self, user_id: str, fields: Shown) -> Shown:
        return _issued(self._run(keys.create(self._on, CLI, self._check(KeyCreate, {**fields, "user_id": user_id}))))

    def rotate_key(self, id: str, overlap: int) -> Shown:
        return _issued(self._run(keys.rotate(self._on, CLI, id, self._check(KeyRotation, {"overlap": overlap}))))

    def revoke_key(self, id: str) -> None:
        try:
            self._run(keys.revoke(self._on, CLI, id))
        except NotFound:
            raise NotFound(f"There is no API key {id} in {address(self._settings)}.") from None

    def events(self, filters: Mapping[str, str]) -> Iterator[Shown]:
        asked = check_texts(ListEvents, filters)
        after = asked.after or str(self._run(events.position(self._on, CLI)))
        lost = False
        try:
            while True:
                asked = msgspec.structs.replace(asked, after=after, limit=PAGE, wait=WAIT)
                try:
                    page = self._run(events.list_events(self._on, CLI, asked))
                except StorageUnavailable:
                    if not lost:
                        hint("The database is unavailable. Trying again.")
                    lost = True
                    time.sleep(1)
                    continue
                lost = False
                yield from (msgspec.json.decode(msgspec.json.encode(event_records.public(event))) for event in page.events)
                after = str(page.position)
        finally:
            self._run(_end_tasks())

    def _run(self, action: Coroutine[Any, Any, T]) -> T:
        return self._on.run(action)

    def _check(self, kind: type[S], fields: Mapping[str, Any]) -> S:
        return check(kind, fields, self._settings.password_min_length)

    def _find(self, named: str) -> User:
        try:
            return self._run(users.find(self._on, CLI, named))
        except NotFound:
            raise NotFound(f"There is no user {named} in {address(self._settings)}.") from None


async def _end_tasks() -> None:
    """What waits for events in the background."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _issued(issued: keys.IssuedKey) -> Shown:
    return {**key_records.public(issued.key), "key": issued.token}


def open_existing(settings: Settings) -> Database:
    """An existing database. Raises DatabaseUnusable, Failure."""
    db = open_database(settings, make=False)
    if waiting := migrate.pending(db):
        db.close()
        raise Failure(f"The database needs {len(waiting)} migrations of this version. Run: rollbook migrate{where(settings)}")
    return db
