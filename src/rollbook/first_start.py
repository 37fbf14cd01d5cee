"""Before the port opens: the database, the server's secret, and, the first time, an owner, its key and a link to set its password.

So there is never a moment in which a stranger could claim the server.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple

from rollbook.actions import owners
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import SYSTEM
from rollbook.auth import key_format, server_secret
from rollbook.auth.server_secret import Secret
from rollbook.config import ConfigurationError, Settings
from rollbook.errors import EmailTaken
from rollbook.records import keys, opening, rules, users
from rollbook.records.copying import unfinished
from rollbook.records.users import Owner
from rollbook.storage import migrate
from rollbook.storage.database import Database, DatabaseUnusable, Tx

EMAIL, PASSWORD, KEY = "ROLLBOOK_OWNER_EMAIL", "ROLLBOOK_OWNER_PASSWORD", "ROLLBOOK_OWNER_KEY"
DEFAULT_EMAIL = "owner@example.com"
NAME = "Owner"


class Prepared(NamedTuple):
    """What was found or made."""

    owner: str
    """E-mail of the oldest owner."""
    is_new: bool
    key: str | None
    """The owner's key, when it was made just now; None when it came from the environment, or was made before."""
    remark: str | None
    """A variable that had no effect, and why."""
    link: str | None
    """The text of the link with which the owner sets its first password, when it was made just now."""
    needs_password: bool
    """Whether the owner could sign in to the pages, had it a password."""


def open_database(settings: Settings, make: bool = True) -> Database:
    """The database, brought to this version's schema; an existing one as it is with `make=False`. Raises DatabaseUnusable."""
    unfinished.refuse_part(settings)
    if not make and not opening.exists(settings):
        raise DatabaseUnusable(
            f"There is no database in {settings.data}. Start the server on it first, or name another folder with --data."
        )
    db = opening.open_for_migration(settings)
    try:
        db.read_now(unfinished.refuse_mark)
        if make:
            migrate.migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def prepare(settings: Settings, environment: Mapping[str, str] = os.environ) -> Prepared:
    """Make what is missing. Raises ConfigurationError, DatabaseUnusable."""
    db = open_database(settings)
    try:
        on = Rollbook(settings, db)
        _check_secret(db, on.secret)
        owner = db.read_now(users.oldest_owner)
        if owner is not None:
            return Prepared(owner.email, False, None, _remark(db, environment), None, _needs_password(settings, owner))
        return _make_owner(on, environment)
    finally:
        db.close()


FINGERPRINT = "SELECT fingerprint FROM server_secret"
KEEP_FINGERPRINT = "INSERT INTO server_secret VALUES (1, ?) ON CONFLICT DO NOTHING"


def _check_secret(db: Database, secret: Secret) -> None:
    """Servers on one PostgreSQL have one secret: what one of them seals or signs, another must be able to open. Raises ConfigurationError."""
    if db.engine == "sqlite":
        return
    own = secret.mac("fingerprint", b"")
    if db.write_now(_fingerprint, own) != own:
        raise ConfigurationError(
            "This server's secret is not that of the other servers on this database. Give all of them the same one: the file `secret` in the "
            f"data folder, {server_secret.SECRET}, or a file that {server_secret.SECRET_FILE} names. After the secret was lost for good: "
            "DELETE FROM server_secret; API keys then still work but can no longer be shown."
        )


async def _fingerprint(tx: Tx, own: bytes) -> bytes:
    await tx.run(KEEP_FINGERPRINT, own)
    row = await tx.one(FINGERPRINT)
    assert row is not None  # kept just now, or before
    return bytes(row[0])


def _make_owner(on: Rollbook, environment: Mapping[str, str]) -> Prepared:
    settings = on.settings
    email = _checked(EMAIL, environment.get(EMAIL) or DEFAULT_EMAIL, rules.email)
    password = environment.get(PASSWORD) or None
    if password is not None:
        _checked(PASSWORD, password, lambda text: rules.password(text, settings.password_min_length, email=email, name=NAME))
    given = environment.get(KEY)
    if given and not key_format.is_whole(given):
        raise ConfigurationError(
            f"{KEY} is not a whole API key: `rbk_`, 32 letters and digits, and a checksum. Make one with `rollbook keys mint`, or leave it "
            "out and a key is made and shown at the first start."
        )
    needs_password = _needs_password(settings, Owner(email, password is not None))
    try:
        made = on.run(owners.create_first(on, SYSTEM, NAME, email, password, given or None, needs_password))
    except EmailTaken:
        raise ConfigurationError(
            f"{EMAIL}: {email} is a user already, but no owner. Run: rollbook users set {email} --role owner --data {settings.data}"
        ) from None
    if made is None:  # another server that starts on this database was faster
        return Prepared(email, False, None, _remark(on.db, environment), None, needs_password)
    return Prepared(email, True, None if given else made.key, None, made.link, needs_password)


def _needs_password(settings: Settings, owner: Owner) -> bool:
    return not owner.has_password and "owner" in settings.sign_in_roles


def _remark(db: Database, environment: Mapping[str, str]) -> str | None:
    """The variables speak at the first start only; who changes one later must hear that it did nothing."""
    if (text := environment.get(KEY)) and db.read_now(keys.holder, key_format.digest(text)) is None:
        return f"{KEY} is set, but there is an owner already and this is no key of its server: it was not added. Make one with `rollbook keys create`."
    return None


def _checked(variable: str, text: str, rule: Callable[[str], str]) -> str:
    try:
        return rule(text)
    except ValueError as problem:
        raise ConfigurationError(f"{variable}: {problem} Set another.") from None
