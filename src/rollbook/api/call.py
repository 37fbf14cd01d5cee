"""One admitted request, and what the API has to answer it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import msgspec

from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.config import Settings, Source
from rollbook.errors import ApiError
from rollbook.gate import Gate
from rollbook.http import origins
from rollbook.http.coding import Fixed
from rollbook.http.request import Request
from rollbook.limits.slots import Slots
from rollbook.limits.windows import Limiter
from rollbook.observe.metrics import ProcessResources
from rollbook.records.idempotency_keys import Claim
from rollbook.storage.database import Database

# Host fields whose base URL is remembered: clients use few.
MAX_BASES = 256


class About(NamedTuple):
    """Facts about a server and what it runs with, for its operators."""

    sources: tuple[Source, ...]
    """Its settings, each with where it came from."""
    started: float
    """Seconds since 1970."""
    usages: list[ProcessResources]
    connections: int
    database: dict[str, Any]
    """As `Database.about` tells."""


class Operations(Protocol):
    """Operations of the application itself."""

    async def metrics(self) -> bytes: ...

    async def openapi(self) -> Fixed: ...

    async def about(self) -> About: ...

    def count(self, error: ApiError, request: Request) -> None:
        """Count an error response. Those that leave the router are counted by themselves."""
        ...


class Services(Rollbook):
    """Context of API and pages: all that actions need, and the application."""

    def __init__(
        self, settings: Settings, db: Database, limiter: Limiter, operations: Operations, slots: Slots | None = None
    ) -> None:
        super().__init__(settings, db, limiter, slots)
        self.operations = operations
        self.url = settings.url
        """Base of links that leave this exchange, such as those in errors and emails. Never derived from a request."""
        self.claims: set[Claim] = set()
        """Claims of the running requests with an Idempotency-Key."""
        self._bases: dict[tuple[bytes | None, bool], str] = {}

    def base_url(self, request: Request) -> str:
        """Base of the links in the response to a request, see `origins.base_url`."""
        called = request.headers.get(b"host"), request.secure
        url = self._bases.get(called)
        if url is None:
            url = origins.base_url(request, self.settings)
            if len(self._bases) < MAX_BASES:
                self._bases[called] = url
        return url


class Call(msgspec.Struct, eq=False):
    """A request, its row's query and body in their types, and who makes it."""

    services: Services
    request: Request
    gate: Gate | None = None
    """None where nothing is counted."""
    by: Principal = None  # type: ignore[bad-assignment]  # on calls that need no key
    query: Any = None
    body: Any = None
