"""Reads that may take only so long: what takes longer ends, and leaves the database as usable as before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rollbook.errors import DatabaseTimeout
from rollbook.storage.database import Queries, scalar
from tests.engines import ENGINES, migrated

ENDLESS = """
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT 1 - n FROM numbers) SELECT count(*) FROM numbers"""


async def endless(queries: Queries) -> int:
    return await scalar(queries, ENDLESS)


async def short(queries: Queries) -> int:
    return await scalar(queries, "SELECT count(*) FROM users")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_read_that_takes_too_long_ends_and_the_next_ones_are_answered(engine: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with asyncio.timeout(120):  # endless, if it isn't ended
            for _ in range(4):  # more than there are threads
                with pytest.raises(DatabaseTimeout):
                    await db.read_within(0.05, endless)
            assert await db.read_within(60, short) == 0
            assert await db.read_aside(short) == 0
            assert await db.write(short) == 0

    with migrated(engine, tmp_path) as db:
        db.run_now(run())
