"""The entrance for API calls: the plan of each row, and who may know which rows there are."""

from __future__ import annotations

from collections.abc import Sequence

from rollbook.api.call import Services
from rollbook.api.plan import plan
from rollbook.api.route import Route
from rollbook.gate import Gate
from rollbook.http.request import Request
from rollbook.http.routing import Plan


class Router:
    def __init__(self, services: Services) -> None:
        self.gate = Gate(services)
        self._services = services

    def plan(self, route: Route) -> Plan:
        return plan(route, self._services, self.gate)

    async def before_refusal(self, request: Request, rows: Sequence[Route]) -> None:
        """Unknown paths and methods are behind the key where the calls are, so that strangers learn nothing."""
        if all(route.scope is not None for route in rows):
            await self.gate.admitted(request)
