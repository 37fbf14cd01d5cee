"""Previews of changes: an action does all that it does, in a transaction that is rolled back. What would end is counted
before and after."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence, Set
from typing import Any, NamedTuple, TypeVar

from rollbook.actions.context import Rollbook
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

    def __init__(self, on: Rollbook) -> None:
        self._on = on
        self._dry = on.dry()
        self._users: tuple[str, ...] = ()
        """Users whom the change is about."""
        self._after = Working()
        self.on = self._dry.writing(self._write)

    async def ends(self) -> Ends:
        """Return what would end, once the action has been called."""
        before = await self._on.read(working, self._on, self._users) if self._users else Working()
        return Ends(*[len(now - then) for now, then in zip(before, self._after, strict=True)])

    async def _write(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        return await self._dry.write(self._watched, fn, args)

    async def _watched(self, tx: Tx, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T:
        with events.noted() as users:
            result = await fn(tx, *args)
        self._users = tuple(sorted(users - {""}))
        self._after = await working(tx, self._on, self._users)
        return result


def looking(by: Principal) -> Principal:
    """The caller, without having to prove who they are: people do that for what is done, not to see what would be."""
    return Principal(by.caller, by.address, by.request_id, by.trace_id, None, by.session_id, by.client)
