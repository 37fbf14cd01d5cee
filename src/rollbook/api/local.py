"""Answers API calls for a program that has the database open itself: the same rows, arguments and results, without key,
limits and HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from rollbook.actions.principal import Principal
from rollbook.api.call import Call, Operations, Services
from rollbook.api.plan import performance
from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from rollbook.config import Settings
from rollbook.http.request import Request, Response
from rollbook.http.routing import Answer, Ids, Plan, Routes, settled
from rollbook.limits.table import Table
from rollbook.storage.database import Database

ROWS = [route for route in ROUTES if route.scope is not None and route.shows is not None and not route.streams_body]
"""Rows that make sense here: no health of a server, and no stream that never ends."""


class Local:
    """`by` is who makes the calls."""

    def __init__(self, settings: Settings, db: Database, by: Principal) -> None:
        # A server's own state is asked for only by rows that are left out.
        self.services = Services(settings, db, Table.create(workers=1), cast(Operations, None))
        self._by = by
        self._routes = Routes()
        self._routes.add(self, ROWS)

    async def call(self, method: str, path: str, query: str, body: bytes) -> Response:
        """`path` is percent-decoded, `query` is not. Raises ApiError."""
        return await settled(
            self._routes.answer(
                Request(
                    method=method,
                    path=path,
                    query=query,
                    headers={},
                    body=body,
                    address=self._by.address,
                    secure=True,
                    id="",
                    started=0,
                )
            )
        )

    def plan(self, row: Route) -> Plan:
        perform = performance(row, self.services)

        def answer(request: Request, ids: Ids) -> Answer:
            return perform(Call(self.services, request, None, self._by), ids)

        return answer

    async def before_refusal(self, request: Request, rows: Sequence[Route]) -> None:
        """Nothing is hidden here."""
