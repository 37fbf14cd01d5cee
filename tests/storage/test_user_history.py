"""A user as of any time, from the log, is what they were: random histories against a model that remembers everything."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest

from rollbook import clock, ids
from rollbook.actions import bulk, passwords, scim
from rollbook.actions import events as event_actions
from rollbook.actions import users as actions
from rollbook.actions.arguments.imports import FileRecord, ImportedUser, ImportOptions
from rollbook.actions.arguments.users import UserCreate, UserUpdate
from rollbook.actions.bulk import Operation
from rollbook.actions.checking import check
from rollbook.actions.context import Rollbook
from rollbook.actions.deferred_events import DeferredEvent, _record
from rollbook.actions.import_writer import Batches, Importer
from rollbook.actions.principal import CLI
from rollbook.api.users import UserPatch
from rollbook.config import Settings
from rollbook.errors import ApiError, NotFound, NotInLog
from rollbook.records import events, users
from rollbook.storage.database import Database
from tests.engines import ENGINES, migrated

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21l$" + "A" * 43
SEEDS = (5, 7)
"""Both fail without what is done about imports without events, and about the times of sign-ins."""
STEPS = 60
UNTOLD = {"updated_at", "last_sign_in_at"}
Shown = dict[str, Any]


@pytest.fixture(params=ENGINES)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with migrated(request.param, tmp_path) as db:
        yield db


class Histories:
    """What happens to users, and what they were after each moment at which something did."""

    def __init__(self, on: Rollbook, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = on
        self.random = random.Random(seed)
        self.now = clock.now() + clock.DAY
        monkeypatch.setattr(clock, "now", lambda: self.now)
        self.ids: list[str] = []
        self.states: list[tuple[int, dict[str, Shown]]] = [(self.now, {})]
        """After the last thing that happened at a time."""
        self.quiet: dict[str, list[int]] = {}
        self.logged: dict[str, list[int]] = {}
        self.made = self.read_to = 0
        self.events_of: Literal["each", "summary"] = "each"

    async def go(self, steps: int) -> None:
        for _ in range(steps):
            # Often at the very same microsecond, but not across what the log doesn't have.
            step = self.random.choice(STEPS_OF_ALL)
            self.events_of = self.random.choice(("each", "summary"))
            is_quiet = step is imported and self.events_of == "summary"
            self.now += self.random.choice((0, 0, 1, clock.SECOND, clock.HOUR)) + is_quiet
            with suppress(ApiError):
                await step(self)
            await self.look()
            self.now += is_quiet

    async def look(self) -> None:
        """Remember what everybody is now, and whether the log tells."""

        async def living(queries: Any) -> dict[str, Shown]:
            rows = await queries.all(f"SELECT {users.COLUMNS} FROM users")
            return {row[1]: shown(users.User._make(row)) for row in rows}

        found, before = await self.on.db.read(living), self.states[-1][1]
        await events.settle(self.on.db)
        news = await self.on.db.read(events.page, events.Selection(after=self.read_to), 1000)
        self.read_to = news.position
        told = {event.user_id for event in news.events}
        changed = {id for id, user in found.items() if user != before.get(id)}
        for some, times in ((told, self.logged), (changed - told, self.quiet)):
            for id in some:
                times.setdefault(id, []).append(self.now)
        if self.states[-1][0] == self.now:
            self.states.pop()
        self.states.append((self.now, found))

    def at(self, time: int) -> dict[str, Shown]:
        return [state for since, state in self.states if since <= time][-1] if time >= self.states[0][0] else {}

    def may_be_untold(self, id: str, time: int, cut: int) -> bool:
        """Whether the user was changed more than once without an event, with this time in between; or once after it, if
        the log begins after their last event (`cut`: what is older is not in it)."""
        earlier = [at for at in self.logged.get(id, []) if cut <= at <= time]
        after = min((at for at in self.logged.get(id, []) if at > time), default=clock.LATEST)
        between = [at for at in self.quiet.get(id, []) if max(earlier, default=0) <= at <= after]
        return any(at > time for at in between) and (not earlier or any(at <= time for at in between))

    def someone(self) -> str:
        return self.random.choice(self.ids)

    def email(self) -> str:
        self.made += 1
        return f"{self.random.choice('abcdef')}{self.made % 9}@example.com"


def shown(user: users.User) -> Shown:
    return msgspec.json.decode(msgspec.json.encode(users.complete(user)))


async def created(of: Histories) -> None:
    new = check(UserCreate, {"name": "New", "email": of.email(), "status": "invited"}, 8)
    user = await actions.create(of.on, CLI, new)
    of.ids.append(user.id)


async def updated(of: Histories) -> None:
    wanted = {
        "name": of.random.choice(("Ann", "Bob")),
        "email": of.email(),
        "role": of.random.choice(("member", "viewer", "admin")),
        "external_id": of.random.choice((None, "x1", "x2")),
        "email_verified": of.random.random() < 0.5,
        "rate_limit": of.random.choice((None, "none", "10/minute")),
        "metadata": {of.random.choice("ab"): of.random.choice((None, 1, "x" * 600))},
        "private_metadata": {of.random.choice("ab"): of.random.choice((None, 1, "y" * 600))},
    }
    some = of.random.sample(list(wanted), of.random.randint(1, 3))
    kind = of.random.choice((UserUpdate, UserPatch))
    await actions.update(of.on, CLI, of.someone(), check(kind, {name: wanted[name] for name in some}, 8))


def _about_one(act: Callable[[Rollbook, str], Awaitable[object]]) -> Callable[[Histories], Awaitable[None]]:
    async def step(of: Histories) -> None:
        await act(of.on, of.someone())

    return step


async def _provided(on: Rollbook, id: str) -> None:
    """By an identity provider."""
    await scim.change_person(
        on, CLI, id, lambda person: scim.PersonChange(None, not person.is_active, None, None, {"displayName": "Zoë"})
    )


async def _many(on: Rollbook, id: str) -> None:
    """Several changes in one transaction."""
    renamed = check(UserPatch, {"name": "Bulk", "metadata": {"b": 2}}, 8)
    operations = [Operation("suspend", id), Operation("update", id, renamed), Operation("activate", id)]
    await bulk.bulk_users(on, CLI, operations)


async def imported(of: Histories) -> None:
    """A file that adds a user, and changes those of some addresses."""
    options = ImportOptions(on_conflict="update", events=of.events_of)
    importer = Importer(of.on, options, ids.new("imp"))
    batches = Batches(of.on.settings, options, 100)
    before = of.states[-1][1]
    for line, email in enumerate(dict.fromkeys(of.email() for _ in range(4))):
        name, metadata = of.random.choice(("From file", "Again")), {"n": of.random.randint(0, 3)}
        user = {"name": name, "email": email, "metadata": metadata}
        if of.random.random() < 0.3:
            user |= {"id": ids.new("user"), "created_at": "2019-03-01T00:00:00Z"}
        batches.add(CLI, FileRecord(line, check(ImportedUser, user, 8), None))
    await importer.write(CLI, batches.take(), 0)
    importer.close()
    after = {row[0] for row in await of.on.db.all("SELECT id FROM users")}
    of.ids += sorted(after - before.keys())


STEPS_OF_ALL: list[Any] = [
    created,
    updated,
    updated,
    updated,
    imported,
    imported,
    _about_one(lambda on, id: actions.suspend(on, CLI, id)),
    _about_one(lambda on, id: actions.activate(on, CLI, id)),
    _about_one(lambda on, id: actions.delete(on, CLI, id)),
    _about_one(lambda on, id: actions.restore(on, CLI, id)),
    _about_one(lambda on, id: actions.restore(on, CLI, id)),
    _about_one(lambda on, id: on.write(passwords.signed_in, CLI.actor, id)),
    _about_one(lambda on, id: on.write(passwords.change, CLI.actor, id, HASH)),
    _about_one(lambda on, id: on.write(_record, [DeferredEvent("user.sign_in_failed", id, CLI.actor, 60)])),
    _about_one(_provided),
    _about_one(_many),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_user_as_of_any_time_is_what_they_were(
    db: Database, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = Rollbook(Settings(data=tmp_path / "data"), db)
    of = Histories(on, seed, monkeypatch)

    async def told(id: str, time: int) -> Shown | None:
        try:
            found = await event_actions.as_of(on, CLI, id, clock.format_time_exactly(time))
        except NotFound:
            return None
        fields = {name: msgspec.json.decode(value) for name, value in found.fields.items()}
        return fields | dict.fromkeys(found.unknown, ...)

    async def check_all(begins: int) -> None:
        """`begins`: from when on the log is whole."""
        told_so_far = 0
        times = {at for at, _ in of.states} | {at - 1 for at, _ in of.states} | {at + 1 for at, _ in of.states}
        for time in of.random.sample([time for time in sorted(times) if time <= of.now], 60):
            for id in of.random.sample(of.ids, 4):
                was = of.at(time).get(id)
                try:
                    found = await told(id, time)
                except NotInLog:
                    assert time < begins or of.may_be_untold(id, time, begins - events.SKEW)
                    continue
                unknown = {name for name, value in (found or {}).items() if value is ...}
                had_event = any(at <= time for at in of.logged.get(id, []))
                assert unknown - {"last_active_at"} <= (UNTOLD if begins or not had_event else set())
                assert found == (was and was | dict.fromkeys(unknown, ...))
                told_so_far += 1
        assert told_so_far > 80

    async def whole() -> None:
        await created(of)
        await of.look()
        await of.go(STEPS)
        await check_all(0)
        cut = of.states[len(of.states) // 2][0]
        await events.settle(db)
        assert await db.write(events.expire, cut, 10_000)
        (oldest,) = await db.one(events.OLDEST) or (0,)
        await check_all(oldest + events.SKEW)

    db.run_now(whole())
