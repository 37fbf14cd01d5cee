"""Context of actions: the database, the settings, and the services that prove, hash and count.

Result of the actions that list something.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, Self, TypeVar
from weakref import WeakValueDictionary

from rollbook import clock
from rollbook.actions.deferred_events import DeferredEvents
from rollbook.actions.event_feeds import EventReader, Feeds, Tail
from rollbook.auth import server_secret
from rollbook.auth.server_secret import Secret
from rollbook.config import Settings
from rollbook.delivery.addresses import Addresses
from rollbook.delivery.client_documents import ClientDocuments
from rollbook.limits.policy import Policy
from rollbook.limits.slots import Slots
from rollbook.limits.table import Table
from rollbook.limits.windows import Limiter
from rollbook.records.sessions import Lifetime
from rollbook.storage.database import Database, Tx, Undone

if TYPE_CHECKING:
    from rollbook.auth.passwords import Passwords


T = TypeVar("T")


class Write(Protocol):
    """`await fn(tx, *args)` in one durable transaction."""

    async def __call__(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T: ...


class WriteTogether(Protocol):
    """`await fn(tx, *args)` in a durable transaction that others may share, see `Database.write_together`."""

    async def __call__(self, about: str, fn: Callable[..., Awaitable[T]], *args: Any) -> T: ...


class Rollbook:
    """One for all actions of a process.

    An action writes at most once, as its last step, through `write`, and returns what that returned. So whoever calls
    it can put something of their own round the unit of work: what is kept for a repeated request is kept in the
    transaction of the request itself.
    """

    write: Write
    write_together: WriteTogether
    is_dry = False
    """True if nothing that is written is kept."""

    def __init__(
        self, settings: Settings, db: Database, limiter: Limiter | None = None, slots: Slots | None = None
    ) -> None:
        self.configured = settings
        """The settings that the server was started with."""
        self.settings = settings
        """The settings in force: those, and what `stored_settings.refresh` has read from the database."""
        self.stored: Mapping[str, str] = {}
        """Settings of the database that are in force."""
        self.settings_version = 0
        self.db = db
        self.limiter: Limiter = limiter or Table.create(workers=1)
        self.policy = Policy(settings)
        self.tail = Tail(db)
        self.event_reader = EventReader(db)
        self.slots = slots or Slots.create(workers=1)
        self.feeds = Feeds(db, self.tail, self.event_reader, self.slots)
        self.deferred_events = DeferredEvents()
        self.read = db.read
        self.read_aside = db.read_aside
        self.read_eventually = db.read_eventually
        self.write = db.write
        self.write_together = db.write_together
        self.addresses = Addresses(settings.webhook_allow, settings.webhook_hosts)
        """The addresses that webhooks may send to."""
        self.client_documents = ClientDocuments(self.addresses)
        self.uploads: dict[str, str] = {}
        """Files of imports that this process is receiving: the import's ID, and the user who sends it."""
        self.active: dict[str, int] = {}
        """When users were active who have neither called with a key nor opened a page, until a job has stored it."""
        self.exports = asyncio.Lock()
        """Held while one is read: others wait, so that there is a thread for searches."""
        self.searches: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Searches of SCIM, by key, and previews of bulk jobs, by user: one at a time looks at many users."""

    @cached_property
    def secret(self) -> Secret:
        """The server's. Made in the data folder when there is none. Raises ConfigurationError."""
        return server_secret.load(self.settings.data)

    @cached_property
    def passwords(self) -> Passwords:
        # Not at the top: a command that asks for no password starts faster without argon2.
        from rollbook.auth.passwords import Passwords

        return Passwords(self.settings)

    @cached_property
    def session_lifetime(self) -> Lifetime:
        return Lifetime(self.settings.session_lifetime * clock.HOUR, self.settings.session_idle_timeout * clock.HOUR)

    def writing(self, write: Write) -> Self:
        """A copy with another way to write."""

        async def write_together(about: str, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
            return await write(fn, *args)

        other = copy(self)
        other.write = write
        other.write_together = write_together
        return other

    def dry(self, write: Write | None = None) -> Self:
        """A copy in which an action does all that it does, and nothing of it is kept, by `write` if there is one. Wrong
        passwords and codes count all the same: who asks for a preview must not learn more by guessing."""

        async def undoing(fn: Callable[..., Awaitable[T]], *args: Any) -> T:
            return await self.write(undone, fn, args)

        other = self.writing(write or undoing)
        other.is_dry = True
        other.active = {}
        return other

    def run(self, action: Coroutine[Any, Any, T]) -> T:
        """An action to its end, for code without an event loop: commands and the first start."""
        return self.db.run_now(action)


async def undone(tx: Tx, fn: Callable[..., Awaitable[T]], args: tuple[Any, ...]) -> T:
    """The result of `fn`, of which nothing is left once this returns: the transaction goes on as it was before."""
    results: list[T] = []

    async def tried(tx: Tx) -> None:
        results[:] = [await fn(tx, *args)]
        raise Undone

    with suppress(Undone):
        await tx.attempt(tried)
    return results[0]


class ListPage(NamedTuple, Generic[T]):
    """Some items of a list, and how many there are in all. Where they are not counted (0), whether others come after
    the last one."""

    items: list[T]
    total: int = 0
    more: bool = False
