"""Answers an API call: the gate, then parsing, then the action of its row in `api/routes`, and how its result is shown."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from typing import Any

from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.api import idempotency, parsing
from rollbook.api.call import Call, Services
from rollbook.api.routes import Route
from rollbook.api.types import UserFields
from rollbook.gate import Gate
from rollbook.http import coding
from rollbook.http.request import Request
from rollbook.http.response import Response
from rollbook.http.routing import Ids

# Parsed queries that a route remembers: lists are mostly asked for in the same few ways.
MOST_QUERIES = 512
# JSON's null counts as no body: some generated clients can't send less.
_NO_BODY = re.compile(rb"(?:\s*null\s*)?\Z").match


class Router:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._gate = Gate(services)
        self._password_min_length = services.settings.password_min_length
        self._queries: dict[tuple[Any, str], Any] = {}

    @property
    def gate(self) -> Gate:
        return self._gate

    async def answer(self, request: Request, route: Route, ids: Ids) -> Response:
        """Raises ApiError."""
        call = Call(self._services, request, self._gate)
        if route.scope is None:
            call.query = self._query(route, request.query)
            return await route.action(call)
        caller = await self._gate.admit(request)
        call.by = Principal(caller, request.address, request.id, request.trace_id)
        ids = self._admit(call, route, ids)
        call.query = self._query(route, request.query)
        if request.stream is not None and not route.streams_body:  # larger than most may send: not held for strangers
            request.body, request.stream = await request.read(), None
        if route.method == "POST" and not route.streams_body:
            call.body = body_of(route, request, self._password_min_length) if route.reads is None else await route.reads(call)
            key = idempotency.key_of(request) if route.replays and route.shows is not None else None
            if key is not None and route.shows is not None:
                return await idempotency.once(call, key, lambda on: act(on, route, call, ids), route.shows)
        elif route.body is not None:
            call.body = body_of(route, request, self._password_min_length)
        if route.shows is None:
            response = await route.action(call)
        else:
            response = route.shows(call, await act(self._services, route, call, ids))
        # What GET returns holds no secret: those that create or reveal one are POSTs.
        # One that never ends is not compressed: each would keep a compressor's window for as long as its client stays.
        is_long = len(response.body) >= coding.MIN_SIZE or (response.stream is not None and not response.stream.endless)
        if is_long and route.method == "GET":
            return await coding.compressed(request, response)
        return response

    async def before_refusal(self, request: Request, rows: Sequence[Route]) -> None:
        """Unknown paths and methods are behind the key where the calls are, so that strangers learn nothing."""
        if all(route.scope is not None for route in rows):
            await self._gate.admit(request)

    def _admit(self, call: Call, route: Route, ids: Ids) -> Ids:
        """The ids in the path, with that of the caller for `me`. Raises Forbidden."""
        if ids and ids[0] == "me":
            ids = (call.by.user_id, *ids[1:])
        assert route.scope is not None  # others are answered without a key
        self._gate.check(call.by, route.scope, route.self_access, ids[0] if ids else "")
        return ids

    def _query(self, route: Route, query: str) -> Any:
        key = (route.query, query)
        found = self._queries.get(key)
        if found is None:
            found = parsing.parse_query(route.query or parsing.NoQuery, query)
            if len(self._queries) >= MOST_QUERIES:
                self._queries.clear()
            self._queries[key] = found
        return found


def body_of(route: Route, request: Request, password_min_length: int) -> Any:
    """The body in the type of the row. Raises ApiError."""
    headers = request.headers
    if _NO_BODY(request.body) and route.body_is_optional:
        return None if route.body is None else route.body()
    found = parsing.read_object(request.body, headers.get(b"content-type"), headers.get(b"content-encoding"))
    return parsing.parse_body(route.body or parsing.EmptyBody, found, password_min_length)


def act(on: Rollbook, route: Route, call: Call, ids: Ids) -> Awaitable[Any]:
    """The row's action on what the call holds."""
    takes = route.takes
    if takes is not None:
        return route.action(on, call.by, *ids, *takes(call))
    if route.body is not None:
        return route.action(on, call.by, *ids, call.body)
    if route.query is not None and route.query is not UserFields:
        return route.action(on, call.by, *ids, call.query)
    return route.action(on, call.by, *ids)
