"""Prepares the first start: the database, the server's secret, and an owner with an API key and a link.

So there is never a moment in which a stranger could claim the server.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import NamedTuple

from rollbook.actions import owners, passwords, stored_settings
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.auth import key_format, server_secret
from rollbook.auth.server_secret import Secret
from rollbook.config import ConfigurationError, Settings
from rollbook.errors import ApiError, EmailTaken
from rollbook.records import copying, events, keys, marks, rules, users, webhooks
from rollbook.records.connect import connect, exists
from rollbook.records.dialect import dialect
from rollbook.records.users import Owner
from rollbook.records.webhooks import cursors
from rollbook.storage import migrate
from rollbook.storage.database import Database, DatabaseUnusable

EMAIL, PASSWORD, KEY = "ROLLBOOK_OWNER_EMAIL", "ROLLBOOK_OWNER_PASSWORD", "ROLLBOOK_OWNER_KEY"
DEFAULT_EMAIL = "owner@example.com"
NAME = "Owner"


class FirstStart(NamedTuple):
    """Result of the first start: what exists or was created."""

    owner: str
    """Email of the oldest owner."""
    is_new: bool
    key: str | None
    """The owner's API key, if it was just created; None if it came from the environment or already existed."""
    remark: str | None
    """An environment variable that had no effect, and why."""
    link: str | None
    """The token of the owner's link, if it was just created."""
    needs_password: bool
    """True if the owner could sign in to the dashboard if they had a password."""
    has_key: bool = True
    """True if the owner has an API key that works."""


def open_database(settings: Settings, make: bool = True) -> Database:
    """The database, migrated to this version's schema. With `make=False`, an existing one, unchanged. Raises
    DatabaseUnusable."""
    copying.refuse_part(settings)
    if not make and not exists(settings):
        raise DatabaseUnusable(
            f"There is no database in {settings.data}. Name the folder of the server's data with --data, or a server "
            "that runs with --url, such as --url http://127.0.0.1:8000, or ROLLBOOK_URL. If the server uses "
            "PostgreSQL, set ROLLBOOK_DATABASE as it does."
        )
    db = connect(settings, for_migration=True)
    try:
        db.read_now(copying.refuse_mark)
        if make:
            migrate.migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def with_stored(settings: Settings) -> Settings:
    """The settings in force on a server of this database, for a command that only needs those; as they are if there is
    no database that this version can read."""
    try:
        with closing(open_database(settings, make=False)) as db:
            if not migrate.pending(db):
                on = Rollbook(settings, db)
                on.run(stored_settings.refresh(on))
                return on.settings
    except (ApiError, ConfigurationError, DatabaseUnusable, sqlite3.Error):  # `rollbook doctor` says why
        pass
    return settings


def prepare(settings: Settings, environment: Mapping[str, str] = os.environ) -> FirstStart:
    """Create what is missing. Raises ConfigurationError, DatabaseUnusable."""
    with closing(open_database(settings)) as db:
        on = Rollbook(settings, db)
        _check_secret(db, on.secret)
        owner = db.read_now(users.oldest_owner)
        start = _make_owner(on, environment) if owner is None else _found(on, owner, environment)
        on.run(stored_settings.refresh(on))
        on.run(_prepare_mail(on))
        return start


def _found(on: Rollbook, owner: Owner, environment: Mapping[str, str]) -> FirstStart:
    """The start of a server that has an owner already."""
    has_key = bool(on.db.read_now(keys.count_live, owner.id, 1))
    remark, needs_password = _remark(on.db, environment), _needs_password(on.settings, owner)
    return FirstStart(owner.email, False, None, remark, None, needs_password, has_key)


async def _prepare_mail(on: Rollbook) -> None:
    """Mail is sent about what happens from now on: not about what happened while it was off."""
    if on.settings.sends_mail:
        await events.settle(on.db)
        await on.write(cursors.start_once, webhooks.MAIL_ID)
    else:
        await on.write(cursors.stop, webhooks.MAIL_ID)


def forget_credentials() -> None:
    """Remove the owner's password and key from the environment of this process, of those it starts, and of
    `/proc/…/environ`."""
    for name in (PASSWORD, KEY):
        value = os.environ.pop(name, None)
        if value:
            with suppress(OSError):  # there is no /proc, or it is not ours to write
                _wipe(os.fsencode(f"{name}={value}"))


def _wipe(variable: bytes) -> None:
    """Overwrite it where the kernel put it when the process started, which unsetting it does not."""
    with open("/proc/self/stat", "rb") as file:
        start, end = map(int, file.read().rpartition(b")")[2].split()[47:49])  # env_start and env_end of proc(5)
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        at = memory.read(end - start).find(variable + b"\0")
        if at >= 0:
            memory.seek(start + at)
            memory.write(bytes(len(variable)))


def _check_secret(db: Database, secret: Secret) -> None:
    """Servers on one PostgreSQL must share a secret: each must be able to open what another seals or signs. Raises
    ConfigurationError."""
    if not dialect(db).is_shared:
        return
    fingerprint = db.write_now(marks.kept_fingerprint_or, secret.mac("fingerprint", b""))
    if not secret.has_mac("fingerprint", b"", fingerprint):
        raise ConfigurationError(
            "This server's secret differs from that of the other servers on this database. Give all of them the "
            "same one: the file `secret` in the "
            f"data folder, {server_secret.SECRET}, or a file named by {server_secret.SECRET_FILE}. If the secret "
            "is lost, run "
            "DELETE FROM server_secret. API keys will still work, but can no longer be revealed."
        )


def _make_owner(on: Rollbook, environment: Mapping[str, str]) -> FirstStart:
    settings = on.settings
    email = _checked(EMAIL, environment.get(EMAIL) or DEFAULT_EMAIL, rules.email)
    password = environment.get(PASSWORD) or None
    if password is not None:
        _checked(PASSWORD, password, lambda text: passwords.accept(settings, text, email=email, name=NAME))
    key = environment.get(KEY)
    if key and not key_format.is_whole(key):
        raise ConfigurationError(
            f"{KEY} is not a complete API key: `rbk_`, 32 letters and digits, and a checksum. Generate one with "
            "`rollbook keys mint`, or unset "
            "it, and the first start will create and print one."
        )
    needs_password = _needs_password(settings, Owner(email, password is not None))
    try:
        owner = on.run(owners.create_first(on, SYSTEM, NAME, email, password, key or None, needs_password))
    except EmailTaken:
        raise ConfigurationError(
            f"{EMAIL}: {email} is already a user, but not an owner. Run: rollbook users set {email} --role owner "
            f"--data {settings.data}"
        ) from None
    if owner is None:  # another server on this database was faster
        return FirstStart(email, False, None, _remark(on.db, environment), None, needs_password)
    return FirstStart(email, True, None if key else owner.key, None, owner.link, needs_password)


def _needs_password(settings: Settings, owner: Owner) -> bool:
    return not owner.has_password and "owner" in settings.sign_in_roles


def _remark(db: Database, environment: Mapping[str, str]) -> str | None:
    """The variables only take effect on first start. Warn if one is set later and does nothing."""
    if (text := environment.get(KEY)) and db.read_now(keys.holder, key_format.digest(text)) is None:
        return (
            f"{KEY} has no effect: there already is an owner, and this key does not exist on this server. "
            "Create one with `rollbook keys create`."
        )
    return None


def _checked(variable: str, text: str, rule: Callable[[str], str]) -> str:
    try:
        return rule(text)
    except ValueError as problem:
        raise ConfigurationError(f"{variable}: {problem} Choose another one.") from None
