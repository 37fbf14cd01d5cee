"""The oracle for `api/plan`: it reads a row anew for each request, step by step, as the table of routes says. Slow, and
easy to follow."""

from __future__ import annotations

import re
from typing import Any

from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.api import idempotency, parsing
from rollbook.api.call import Call, Services
from rollbook.api.plan import Router, previewed
from rollbook.api.route import Route
from rollbook.http import coding
from rollbook.http.request import Request, Response
from rollbook.http.routing import Ids, Plan, settled
from rollbook.json_objects import read_object

_NO_BODY = re.compile(rb"(?:\s*null\s*)?\Z").match


class Interpreter(Router):
    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._minimum = services.settings.password_min_length

    def plan(self, route: Route) -> Plan:
        return lambda request, ids: self._answer(route, request, ids)

    async def _answer(self, route: Route, request: Request, ids: Ids) -> Response:
        call = Call(self._services, request, self.gate)
        if route.scope is None:
            call.query = self._query(route, request)
            return await route.action(call)
        caller = await self.gate.admitted(request)
        call.by = Principal(caller, request.address, request.id, request.trace_id)
        if ids and ids[0] == "me":
            ids = (call.by.user_id, *ids[1:])
        self.gate.check(call.by, route.scope, route.self_access, ids[0] if ids else "")
        call.query = self._query(route, request)
        if request.stream is not None and not route.streams_body:
            await request.complete()
        if route.method == "POST" and not route.streams_body:
            call.body = self._body(route, request) if route.special.reads is None else await route.special.reads(call)
            key = idempotency.key_of(request) if route.special.replays and route.shows is not None else None
            if route.can_be_previewed and call.query.dry_run:
                return await self._preview(route, call, ids)
            if key is not None and route.shows is not None:
                return await idempotency.once(call, key, lambda on: self._act(on, route, call, ids), route.shows)
        elif route.body is not None:
            call.body = self._body(route, request)
        if route.can_be_previewed and call.query.dry_run:
            return await self._preview(route, call, ids)
        if route.shows is None:
            response = await route.action(call)
        else:
            response = route.shows(call, await self._act(self._services, route, call, ids))
        is_long = len(response.body) >= coding.MIN_SIZE or (response.stream is not None and not response.stream.endless)
        if is_long and route.method == "GET":
            return await settled(coding.compressed(request, response))
        return response

    def _query(self, route: Route, request: Request) -> Any:
        kind = route.query or parsing.NoQuery
        return parsing.parse_query(parsing.with_dry_run(kind) if route.can_be_previewed else kind, request.query)

    async def _preview(self, route: Route, call: Call, ids: Ids) -> Response:
        assert route.shows is not None
        return await previewed(call, ids, lambda on, call, ids: self._act(on, route, call, ids), route.shows)

    def _body(self, route: Route, request: Request) -> Any:
        if _NO_BODY(request.body) and route.body_is_optional:
            return None if route.body is None else route.body()
        headers = request.headers
        found = read_object(request.body, headers.get(b"content-type"), headers.get(b"content-encoding"))
        return parsing.parse_body(route.body or parsing.EmptyBody, found, self._minimum)

    async def _act(self, on: Rollbook, route: Route, call: Call, ids: Ids) -> Any:
        if route.takes is not None:
            return await route.action(on, call.by, *ids, *route.takes(call))
        if route.body is not None:
            return await route.action(on, call.by, *ids, call.body)
        if route.query is not None:
            return await route.action(on, call.by, *ids, call.query)
        return await route.action(on, call.by, *ids)
