"""Members of a group as a filter of users."""

from __future__ import annotations

from rollbook.storage.database import Queries, first

SIZE = "SELECT members FROM groups WHERE id = ?"
MANY = 20_000
"""Members, beyond which a list in another order than as added is walked until it is full rather than sorted: sorting so
many takes 30 ms."""


async def size(queries: Queries, id: str) -> int:
    """Number of members; 0 if there is no such group."""
    return await first(queries, SIZE, id) or 0


async def having(queries: Queries, id: str, seq: str, walks_far: bool) -> tuple[str, list[str]]:
    """The condition, beginning with AND, that a user is a member, and its values. `seq` is the column of that number.
    Where members are few, it leads to them; otherwise it is for a list that is walked. `walks_far`: all members are
    read once rather than one for each row."""
    all_of_them = "(SELECT user_seq FROM group_members WHERE group_id = ?"
    if await size(queries, id) <= MANY:
        # The LIMIT, which cuts off none, tells PostgreSQL that they are few.
        return f" AND {seq} IN {all_of_them} LIMIT {MANY})", [id]
    if walks_far:  # the sign keeps SQLite from going through the members instead of the list
        return f" AND +{seq} IN {all_of_them})", [id]
    among = "SELECT 1 FROM group_members AS among WHERE among.group_id = ? AND among.user_seq"
    return f" AND EXISTS ({among} = {seq})", [id]
