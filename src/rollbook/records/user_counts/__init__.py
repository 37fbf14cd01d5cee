"""Places in the list of users: numbers for new users, how many there are, and who stands at an offset, at the same
small cost for any offset.

Every user has a number, `seq`, that rises in the order in which they are added, and is given once. Living users are
counted per block of 64, of 4,096 and of 262,144 numbers (levels 1, 2 and 3) by the code that adds and removes users.
The user at an offset is found by walking the blocks of level 3, then the 64 blocks inside the one that the offset falls
into, then the 64 inside that; at most 63 rows are left to skip. Deleting a user lowers three counts; no user is
renumbered.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from rollbook.storage.database import Queries, Statements, Tx

BITS = 6
"""Of a number within its block of level 1, and of a block within the one around it."""
NEAR = 128
"""Users that are skipped for less than it costs to look for their position."""


class OffsetPosition(NamedTuple):
    """Position of the user at an offset: `skip` users after the first one whose number is `seq` or higher. Past the
    end, `seq` is None."""

    seq: int | None
    skip: int


class UserCounts(Protocol):
    async def assign(self, tx: Tx, now: int, how_many: int = 1) -> tuple[int, int]:
        """The number of the next user and, unless they have one, their date: higher and later than those of all before.
        With `how_many`, those of the first; the others follow one by one."""
        ...

    async def reserve(self, tx: Tx, now: int, how_many: int) -> None:
        """Announce that so many users are about to be added one by one: on PostgreSQL, their numbers are taken at once.
        To be asked first in a write."""
        ...

    async def adjust(self, tx: Statements, seqs: Iterable[int], change: int) -> None:
        """Users came (+1) to these positions, or left them (-1)."""
        ...

    async def total(self, queries: Queries) -> int:
        """Count all users, exactly."""
        ...

    async def seek(self, queries: Queries, offset: int) -> OffsetPosition:
        """The position of the user at this offset."""
        ...

    async def added_since(self, queries: Queries, times: list[int]) -> list[int]:
        """Count the users who were created later than each of these times, none of which is before
        `user_dates.mixed_until`: exactly, at the same small cost for any number of users."""
        ...
