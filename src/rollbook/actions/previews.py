"""Previews of changes: an action does all that it does, in a transaction that is rolled back. What would end is counted
before and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence, Set
from typing import Any, NamedTuple, TypeVar

from rollbook.actions.context import Rollbook, undone
from rollbook.actions.permissions import reaches
from rollbook.actions.principal import Principal
from rollbook.records import events, keys, sessions, webhooks
from rollbook.storage.database import Queries, Tx

T = TypeVar("T")


class Working(NamedTuple):
    """IDs of what works of some users, and of what goes back to them."""

    sessions: Set[str] = frozenset()
    keys: Set[str] = frozenset()
    webhooks: Set[str] = frozenset()


class Ends(NamedTuple):
    """The number of each that would end, or pause with a suspension."""

    sessions: int = 0
    keys: int = 0
    webhooks: int = 0

    @property
    def text(self) -> str:
        """As in `sessions=3, keys=2`; empty if nothing ends."""
        return ", ".join([f"{name}={count}" for name, count in self._asdict().items() if count])


async def working(queries: Queries, on: Rollbook, user_ids: Sequence[str]) -> Working:
    """Sessions, keys and webhooks of these users that work, and those that go back to them: all stop with them."""
    return Working(
        await sessions.in_use(queries, user_ids, on.session_lifetime),
        await keys.in_use(queries, user_ids),
        await webhooks.in_use(queries, user_ids),
    )


class DryRun:
    """A preview of one action, which is called with `on`."""

    def __init__(self, on: Rollbook, by: Principal) -> None:
        self._on = on
        self._by = by
        self.ends = Ends()
        """Counts of what the caller may read and the action would end, once it has been called."""
        self.on = on.dry(self._write)

    async def _write(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        result, self.ends = await self._on.write(self._compared, fn, args)
        return result

    async def _compared(self, tx: Tx, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> tuple[T, Ends]:
        result, user_ids, after = await undone(tx, self._watched, (fn, args))
        before = await working(tx, self._on, user_ids)
        parts = zip(Ends._fields, before, after, strict=True)
        ends = {noun: len(was - left) for noun, was, left in parts if self._may_read(noun, user_ids)}
        return result, Ends(**ends)

    async def _watched(
        self, tx: Tx, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]
    ) -> tuple[T, list[str], Working]:
        with events.noted() as users:
            result = await fn(tx, *args)
        user_ids = sorted(users - {""})
        return result, user_ids, await working(tx, self._on, user_ids)

    def _may_read(self, noun: str, user_ids: Sequence[str]) -> bool:
        return all(reaches(self._by, f"{noun}:read", user_id) for user_id in user_ids)


def looking(by: Principal) -> Principal:
    """The caller, without having to prove who they are: people do that for what is done, not to see what would be."""
    return Principal(by.caller, by.address, by.request_id, by.trace_id, None, by.session_id, by.client)
