"""What a search may cost: names and what is looked for are strangers' texts."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from rollbook.records import groups
from rollbook.records.groups import GroupSelection


def test_a_search_that_almost_matches_every_group_costs_as_much_as_others() -> None:
    """By LIKE, one that nearly matches at each letter of each name costs a hundred times as much."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE TABLE groups (name_key TEXT, search_text TEXT)")
        database.executemany("INSERT INTO groups (name_key) VALUES (?)", [("a" * 254,)] * 5_000)

        def cost(q: str) -> float:
            where, values = groups._where(GroupSelection(q=q))
            begun = time.thread_time()
            assert database.execute(f"SELECT count(*) FROM groups{where}", values).fetchone() == (0,)
            return time.thread_time() - begun

        usual = min(cost("b") for _ in range(5))
        assert min(cost("a" * 127 + "b") for _ in range(3)) < 30 * usual
