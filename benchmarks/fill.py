"""Users into Rollbook's tables on PostgreSQL by COPY: for benchmarks, where the import over the API's own way would
take an hour."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
from people import people

from rollbook import ids
from rollbook.records.user_search.folding import searched_text

CHUNK = 50_000
MANY = 1_000_000  # from here on, indexes are rebuilt afterwards: half the time
INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE tablename = 'users' AND indexname NOT IN (SELECT conname FROM pg_constraint)"""
COUNT = """
    INSERT INTO user_blocks (level, block, n)
    SELECT level, seq >> (6 * level), count(*) FROM users, generate_series(1, 3) AS level WHERE seq >= $1 GROUP BY 1, 2
    ON CONFLICT (level, block) DO UPDATE SET n = user_blocks.n + excluded.n"""


async def fill(url: str, users: int, hash: str, sample: int, say: Callable[[str], None]) -> list[str]:
    """`users` users of `people`, all with this password's hash, without events. Returns about `sample` of their ids,
    spread over all."""
    database = await asyncpg.connect(url)
    await database.execute("SET maintenance_work_mem = '1GB'")
    start, at = await database.fetchrow("SELECT next, at FROM numbers WHERE counter = 'users'")
    indexes = await database.fetch(INDEXES) if users >= MANY else []
    for name, _ in indexes:
        await database.execute(f'DROP INDEX "{name}"')
    number, kept = 0, []
    remaining = people(users)
    while number < users:
        rows, claims = [], []
        for _, (name, email) in zip(range(CHUNK), remaining, strict=False):
            id, when = ids.new("user"), at + number
            rows.append(
                (
                    start + number,
                    id,
                    name,
                    email,
                    email,
                    hash,
                    "member",
                    "active",
                    None,
                    "{}",
                    0,
                    None,
                    1,
                    when,
                    when,
                    None,
                    searched_text(name, email),
                )
            )
            claims.append((email, id))
            number += 1
            if number % max(1, users // sample) == 0:
                kept.append(id)
        await database.copy_records_to_table("users", records=rows)
        await database.copy_records_to_table("email_claims", records=claims)
        say(f"{number:,} of {users:,} users")
    await database.execute("UPDATE numbers SET next = next + $1, at = at + $1 WHERE counter = 'users'", users)
    await database.execute(COUNT, start)
    for name, definition in indexes:
        say(f"index {name}")
        await database.execute(definition)
    say("VACUUM ANALYZE")
    await database.execute("VACUUM ANALYZE")
    await database.execute("CHECKPOINT")
    await database.close()
    return kept
