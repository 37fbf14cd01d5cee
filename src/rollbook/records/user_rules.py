"""Rules that change users: when, for whom and what each does, how it is doing, and the people at it. What becomes of a
person at a step is stored in the transaction of their result (`bulk_jobs.advance`), so that it happens once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec

from rollbook import clock, ids
from rollbook.records.background_jobs import COLLECTING
from rollbook.records.bulk_jobs import PART
from rollbook.records.presenting import Flag, Hidden, OrNull, Shown, Time, presenter
from rollbook.records.user_list.query import LAST_ACTIVE, Filters, passing
from rollbook.storage.database import Queries, Statement, Tx, existing, first, in_parts, scalar

MAX_RULES = 100
DONE = 99
"""Step of people who are done."""
SCANNED = 20_000
"""Numbers of users among which a read looks for those whom a rule is for: some 20 ms."""


class UserRule(NamedTuple):
    """A rule as stored. Its defaults are those of a new one."""

    id: str
    name: str
    enabled: Flag
    user_id: OrNull  # whose rights it has: who last changed what it does; empty: the command line
    key_id: str | None
    lineage: Hidden[str | None]
    when_json: Annotated[str, Shown("Raw({0}.encode())", "when")]
    who_json: Annotated[str, Shown("Raw({0}.encode())", "who")]
    steps_json: Annotated[str, Shown("Raw({0}.encode())", "steps")]
    max_users: int
    waiting_count: int | None = None  # for whom it waits until someone approves
    confirmed: Hidden[int] = 0
    taken: Hidden[int] = 0
    taken_on: Hidden[int] = 0
    seen_seq: Hidden[int] = 0
    scanned_at: Hidden[int] = 0
    failures: int = 0
    retry_at: Hidden[int] = 0
    stopped_reason: str | None = None
    next_run_at: Time | None = None
    last_run_at: Time | None = None
    version: Hidden[int] = 1
    created_at: Time = 0
    updated_at: Time = 0


class Due(NamedTuple):
    """A person at a rule, and the occasion."""

    user_id: str
    occasion: str


class Waiting(NamedTuple):
    """People who wait for a step."""

    step: int
    people: int
    next_at: int


COLUMNS = ", ".join(UserRule._fields)
ADD = f"INSERT INTO rules ({COLUMNS}) VALUES ({', '.join('?' * len(UserRule._fields))})"
BY_ID = Statement(f"SELECT {COLUMNS} FROM rules WHERE id = ?", locks=True)
ALL = f"SELECT {COLUMNS} FROM rules ORDER BY id LIMIT ? OFFSET ?"
ENABLED = f"SELECT {COLUMNS} FROM rules WHERE enabled = 1 ORDER BY id"
COUNT = "SELECT count(*) FROM rules"
REMOVE = "DELETE FROM rules WHERE id = ?"
TAKE_IN = """
    INSERT INTO rule_people (rule_id, user_id, occasion, step, due_at) VALUES (?, ?, ?, 0, ?) ON CONFLICT DO NOTHING"""
# The first people of each step, found by the index: a million of them cost no more.
BUSY = f"""
    SELECT rules.id, steps.step FROM rules
    CROSS JOIN (SELECT 0 AS step UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) AS steps
    WHERE rules.enabled = 1 AND rules.retry_at <= ? AND EXISTS (
        SELECT 1 FROM rule_people AS p WHERE p.rule_id = rules.id AND p.step = steps.step AND p.due_at <= ?)
      AND NOT EXISTS (
        SELECT 1 FROM bulk_jobs AS j WHERE j.rule_id = rules.id AND j.finished_at IS NULL
          AND j.status <> '{COLLECTING}')
    ORDER BY rules.id, steps.step"""
COUNT_DUE = "SELECT count(*) FROM rule_people AS p WHERE rule_id = ? AND step = ? AND due_at <= ?"
# The plus sign keeps the index of steps out of it and of AT_STEP: people are read by the key, however many there are.
DUE = """
    SELECT user_id, occasion FROM rule_people
    WHERE rule_id = ? AND user_id > ? AND +step = ? AND +due_at <= ? ORDER BY user_id, occasion LIMIT ?"""
# Of few, wherever they are among those who are done or wait.
DUE_FEW = "SELECT user_id, occasion FROM rule_people WHERE rule_id = ? AND step = ? AND due_at <= ? LIMIT ?"
AT_STEP = f"""
    SELECT user_id, occasion FROM rule_people
    WHERE rule_id = ? AND +step = ? AND user_id IN ({", ".join("?" * PART)})"""
# Of two jobs of the same people, the second finds them at another step: it must not end what the first began.
MOVE = """
    UPDATE rule_people SET step = ?, due_at = ? WHERE rule_id = ? AND step = ? AND user_id = ? AND occasion = ?"""
LEAVE = "DELETE FROM rule_people WHERE rule_id = ? AND step = ? AND user_id = ? AND occasion = ?"
WAITING = """
    SELECT step, count(*), min(due_at) FROM rule_people WHERE rule_id = ? AND step < ? GROUP BY step ORDER BY step"""
FORGET_PEOPLE = "DELETE FROM rule_people WHERE rule_id = ?"
ERASE = "DELETE FROM rule_people WHERE rule_id IN (SELECT id FROM rules) AND user_id = ?"
NOT_YET = """
    AND NOT EXISTS (
        SELECT 1 FROM rule_people AS p WHERE p.rule_id = ? AND p.user_id = users.id AND p.occasion = {})"""
NOT_BEGUN = NOT_YET.replace(" = {})", " = {} AND (p.step > 0 OR p.due_at > ?))")
SHORTEN = f"UPDATE rule_people SET step = {DONE} WHERE rule_id = ? AND step >= ? AND step < {DONE}"
MOMENTS = {
    "ends_at": "ends_at",
    "created_at": "created_at",
    "last_active_at": "coalesce(last_active_at,created_at)",
    "invited_at": "coalesce(status_since,created_at)",
    "suspended_at": "coalesce(status_since,created_at)",
}
"""Moments that a rule can go by, as SQL."""
_WALKS = {"last_active_at": ((LAST_ACTIVE, ""), ("created_at", " AND last_active_at IS NULL"))}
"""Indexed moments that stand for one that has no index, and whose they are."""

_encode = msgspec.json.Encoder(enc_hook=str).encode
decoded = msgspec.json.decode
public = presenter(UserRule)
"""All that may be seen of a rule, also in events."""


def text(values: Any) -> str:
    """A part of a rule as it is stored."""
    return _encode(values).decode()


async def get(queries: Queries, id: str) -> UserRule:
    """Raises NotFound."""
    return UserRule._make(await existing(queries, BY_ID, id))


async def find(queries: Queries, id: str) -> UserRule | None:
    row = await queries.one(BY_ID, id)
    return UserRule._make(row) if row else None


async def some(queries: Queries, limit: int, offset: int) -> list[UserRule]:
    """Oldest first."""
    return [UserRule._make(row) for row in await queries.all(ALL, limit, offset)]


async def enabled(queries: Queries) -> list[UserRule]:
    return [UserRule._make(row) for row in await queries.all(ENABLED)]


async def count(queries: Queries) -> int:
    return await scalar(queries, COUNT)


def new_id() -> str:
    return ids.new("rule")


async def add(tx: Tx, new: UserRule) -> None:
    await tx.run(ADD, *new)


async def change(tx: Tx, rule: UserRule, changed: Mapping[str, Any], is_edit: bool = False) -> UserRule:
    """Set these columns. Only an edit is another version: what its runs note is none."""
    if is_edit:
        changed = {**changed, "version": rule.version + 1, "updated_at": clock.now()}
    names = ", ".join([f"{name} = ?" for name in changed])
    await tx.run(f"UPDATE rules SET {names} WHERE id = ?", *changed.values(), rule.id)
    return rule._replace(**changed)


async def remove(tx: Tx, id: str) -> None:
    await tx.run(REMOVE, id)
    await tx.run(FORGET_PEOPLE, id)


# ---- people


async def take_in(tx: Tx, id: str, people: Sequence[Due], due_at: int) -> None:
    """People for whom a rule begins. Who has been taken in for the occasion isn't again."""
    await tx.many(TAKE_IN, [(id, *person, due_at) for person in people])


async def busy(queries: Queries) -> list[tuple[str, int]]:
    """Rules and steps that people are due for, without those of which a job is under way."""
    now = clock.now()
    return [(row[0], row[1]) for row in await queries.all(BUSY, now, now)]


async def count_due(queries: Queries, id: str, step: int, by: int) -> int:
    return await scalar(queries, COUNT_DUE, id, step, by)


async def due(queries: Queries, id: str, step: int, by: int, after: str, limit: int) -> list[Due]:
    """People who are due at a step by a time, by ID, from the user after this one on."""
    return [Due._make(row) for row in await queries.all(DUE, id, after, step, by, limit)]


async def few_due(queries: Queries, id: str, step: int, by: int, limit: int) -> list[Due]:
    """Some of the people who are due at a step by a time."""
    return [Due._make(row) for row in await queries.all(DUE_FEW, id, step, by, limit)]


async def at_step(queries: Queries, id: str, step: int, user_ids: Sequence[str]) -> set[Due]:
    [part] = in_parts(user_ids, PART)
    return {Due._make(row) for row in await queries.all(AT_STEP, id, step, *part)}


async def move(tx: Tx, id: str, people: Sequence[Due], now_at: int, step: int, due_at: int) -> None:
    """Move those of these people who are at the step `now_at` to another one."""
    await tx.many(MOVE, [(step, due_at, id, now_at, *person) for person in people])


async def leave(tx: Tx, id: str, people: Sequence[Due], now_at: int) -> None:
    """Forget those who are at this step, whose occasion can't come again."""
    await tx.many(LEAVE, [(id, now_at, *person) for person in people])


async def waiting(queries: Queries, id: str) -> list[Waiting]:
    return [Waiting._make(row) for row in await queries.all(WAITING, id, DONE)]


async def shorten(tx: Tx, id: str, steps: int) -> None:
    """The rule has so many steps now: who waits for a later one is done."""
    await tx.run(SHORTEN, id, steps)


async def forget_people(tx: Tx, id: str) -> None:
    await tx.run(FORGET_PEOPLE, id)


async def erase(tx: Tx, user_id: str) -> None:
    await tx.run(ERASE, user_id)


class Sought(NamedTuple):
    """People whom a rule is for."""

    rule_id: str
    filters: Filters
    moment: str
    """A name of MOMENTS; empty: the occasion is `occasion`."""
    occasion: str
    spares_owners: bool
    but: str
    """ID of a user whom it leaves alone, too."""


async def seek(queries: Queries, sought: Sought, after: int) -> tuple[list[Due], int | None]:
    """People whom a rule is for, and who have not been taken in, of the users whose numbers are the next SCANNED; and
    the number to go on after. None: there are no others."""
    sql, values = await _statement(queries, sought, " AND seq > ? AND seq <= ?", [after, after + SCANNED])
    end, last = after + SCANNED, await first(queries, "SELECT max(seq) FROM users") or 0
    return [Due._make(row) for row in await queries.all(sql, *values)], end if last > end else None


async def seek_few(queries: Queries, sought: Sought, limit: int) -> list[Due]:
    """Some of these people, where an index of the filters leads to them."""
    sql, values = await _statement(queries, sought)
    return [Due._make(row) for row in await queries.all(f"{sql} LIMIT ?", *values, limit)]


async def count_sought(queries: Queries, sought: Sought) -> int:
    """These people, and those of them who were taken in and have not begun, such as while the rule waits."""
    sql, values = await _statement(queries, sought, not_yet=NOT_BEGUN)
    return await scalar(queries, f"SELECT count(*) FROM ({sql}) AS people", *values)


async def first_sought(queries: Queries, sought: Sought, limit: int) -> list[tuple[str, str, str]]:
    """ID, name and email of the first of the people whom `count_sought` counts, as they were added."""
    sql, values = await _statement(queries, sought, not_yet=NOT_BEGUN)
    named = f"SELECT users.id, name, email FROM users JOIN ({sql}) AS people ON people.id = users.id"
    return [(row[0], row[1], row[2]) for row in await queries.all(f"{named} ORDER BY seq LIMIT ?", *values, limit)]


async def next_moment(queries: Queries, sought: Sought, after: int) -> int | None:
    """The first moment of these people after this time."""
    rows: list[Any] = []
    for moment, who in _WALKS.get(sought.moment, ((MOMENTS[sought.moment], ""),)):
        sql, values = await _statement(queries, sought, f"{who} AND {moment} > ?", [after], "")
        rows += await queries.all(f"{sql} ORDER BY {moment} LIMIT 1", *values)
    return min((int(row[1]) for row in rows), default=None)


async def count_due_matching(queries: Queries, sought: Sought, by: int) -> int:
    """People who are due for the first step by a time, and match."""
    among, moment = " AND users.id = p.user_id", MOMENTS.get(sought.moment)
    among += "" if moment is None else f" AND CAST({moment} AS text) = p.occasion"
    sql, values = await _statement(queries, sought, among, not_yet="")
    return await scalar(queries, f"{COUNT_DUE} AND EXISTS ({sql})", sought.rule_id, 0, by, *values)


async def matching(queries: Queries, sought: Sought) -> set[Due]:
    """People whom a rule is for, whether or not they have been taken in."""
    sql, values = await _statement(queries, sought, not_yet="")
    return {Due._make(row) for row in await queries.all(sql, *values)}


async def _statement(
    queries: Queries, sought: Sought, among: str = "", numbers: Sequence[int] = (), not_yet: str = NOT_YET
) -> tuple[str, list[Any]]:
    """A SELECT of the ID and occasion of people, and its values."""
    where = await passing(queries, sought.filters)
    moment = MOMENTS.get(sought.moment)
    occasion, own = ("CAST(? AS text)", [sought.occasion]) if moment is None else (f"CAST({moment} AS text)", [])
    spares = " AND role <> 'owner'" if sought.spares_owners else ""
    sql = f"SELECT id, {occasion} AS occasion FROM users WHERE true{among}{where.sql}{spares} AND id <> ?"
    values: list[Any] = [*own, *numbers, *where.values, sought.but]
    if not not_yet:
        return sql, values
    until = [clock.now()] if not_yet == NOT_BEGUN else []
    return f"{sql}{not_yet.format(occasion)}", [*values, sought.rule_id, *own, *until]
