"""Password links of the version before one-time tokens go on working, and while servers of that version still run on
PostgreSQL, both see what the other does."""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

from rollbook import clock
from rollbook.actions import tokens
from rollbook.actions.arguments import NewPassword, TokenConsume
from rollbook.actions.context import Rollbook
from rollbook.actions.principal import CLI
from rollbook.auth.tokens import digest
from rollbook.config import Settings
from rollbook.errors import TokenInvalid
from rollbook.records import one_time_tokens, users
from rollbook.records.users import User
from rollbook.storage import migrate
from rollbook.storage.database import Database, Queries, Tx
from tests.engines import migrated

HOME = "https://app.example.com/sign-in?from=reset"
SECRET = "a" * 43
LEADS_HOME = f"{SECRET}.{urlsafe_b64encode(HOME.encode()).decode().rstrip('=')}"
ADD = (
    "INSERT INTO password_links (user_id, digest, created_at, expires_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (user_id) DO UPDATE SET digest = excluded.digest, created_at = excluded.created_at, "
    "expires_at = excluded.expires_at"
)
"""As the version before did it."""
ONE_TIME_TOKENS = 40
LATER = re.compile(r"^(ALTER TABLE|CREATE INDEX \w+ ON) one_time_tokens\b", re.M)


async def _add_link(tx: Tx, user: User, text: str) -> None:
    now = clock.now()
    await tx.run(ADD, user.id, digest(text), now, now + 3 * clock.DAY)


async def _drop_links(tx: Tx, user: User) -> None:
    await tx.run("DELETE FROM password_links WHERE user_id = ?", user.id)


async def _links(queries: Queries) -> list[bytes]:
    return [bytes(row[0]) for row in await queries.all("SELECT digest FROM password_links ORDER BY user_id")]


async def _forget_the_migration(tx: Tx) -> None:
    if tx.engine == "postgresql":
        await tx.run("DROP FUNCTION keep_one_time_token() CASCADE")
        await tx.run("DROP FUNCTION drop_password_link() CASCADE")
    await tx.run("DROP TABLE one_time_tokens")
    await tx.run("DELETE FROM migrations WHERE name = 'one_time_tokens'")


async def _alter_tokens_as_later(tx: Tx) -> None:
    """What the migrations after that one make of its table."""
    for migration in migrate.known(migrate.FOLDER / tx.engine):
        for statement in migrate.statements(migration.sql):
            if migration.number > ONE_TIME_TOKENS and LATER.search(statement):
                await tx.run(statement)


def context(db: Database, folder: Path) -> Rollbook:
    return Rollbook(Settings(data=folder, password_memory=8, password_time_cost=1), db)


def add_user(db: Database, name: str) -> User:
    return db.write_now(users.add, users.new(name, f"{name}@example.com"))


def consume(on: Rollbook, text: str) -> Any:
    asked = TokenConsume(token=text, password=NewPassword("a few random words"))
    return on.run(tokens.consume_token(on, CLI, asked))


def test_open_links_go_on_working_and_lead_where_they_did(engine: str, tmp_path: Path) -> None:
    with migrated(engine, tmp_path) as db:
        alice, bob = add_user(db, "alice"), add_user(db, "bob")
        db.write_now(_forget_the_migration)
        db.write_now(_add_link, alice, LEADS_HOME)
        db.write_now(_add_link, bob, SECRET)
        assert [(each.number, each.name) for each in migrate.migrate(db)] == [(ONE_TIME_TOKENS, "one_time_tokens")]
        db.write_now(_alter_tokens_as_later)
        on = context(db, tmp_path)
        (token,) = db.read_now(one_time_tokens.of_user, alice.id)
        assert token.purpose == "reset_password" and len(token.id) == 30 and token.id.startswith("tok_")
        opened = on.run(tokens.look(on, LEADS_HOME))
        assert opened is not None and (opened.user.id, opened.redirect_url) == (alice.id, HOME)
        opened = on.run(tokens.look(on, SECRET))
        assert opened is not None and (opened.user.id, opened.redirect_url) == (bob.id, "")
        assert consume(on, LEADS_HOME).user.id == alice.id
        with pytest.raises(TokenInvalid):
            consume(on, LEADS_HOME)
        # No server of the version before can use it once more.
        assert db.read_now(_links) in ([], [digest(SECRET)])


@pytest.mark.parametrize("engine", ["postgresql"])
def test_servers_of_the_version_before_and_this_one_see_each_others_links(engine: str, tmp_path: Path) -> None:
    with migrated(engine, tmp_path) as db:
        on, alice = context(db, tmp_path), add_user(db, "alice")
        db.write_now(_add_link, alice, "first" * 9)
        db.write_now(_add_link, alice, LEADS_HOME)
        assert on.run(tokens.look(on, "first" * 9)) is None
        assert on.run(tokens.look(on, LEADS_HOME)) is not None
        db.write_now(tokens.add, CLI.actor, alice, tokens.record("newer", alice.id, "reset_password", clock.DAY))
        assert db.read_now(_links) == [], "a newer one of this version ends theirs"
        db.write_now(_add_link, alice, SECRET)
        assert on.run(tokens.look(on, "newer")) is None
        consume(on, SECRET)
        assert db.read_now(_links) == []
        db.write_now(_add_link, alice, SECRET)
        db.write_now(_drop_links, alice)
        assert on.run(tokens.look(on, SECRET)) is None
