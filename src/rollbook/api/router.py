"""Answers an API call: the gate, then parsing, then the handler of its row in `api/routes`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rollbook.api import idempotency, parsing
from rollbook.api.routes import Route
from rollbook.errors import NotFound
from rollbook.gate import Call, Caller, Gate, Services
from rollbook.http.boundary import render
from rollbook.http.request import Request
from rollbook.http.response import Response
from rollbook.http.routing import Ids, Routes

# Parsed queries that a route remembers: lists are mostly asked for in the same few ways.
MOST_QUERIES = 512


class Router:
    def __init__(self, routes: Sequence[Route], services: Services) -> None:
        self._services = services
        self._gate = Gate(services)
        self._hook = parsing.dec_hook(services.settings.password_min_length)
        self._queries: dict[tuple[Any, str], Any] = {}
        self._routes = Routes()
        self._routes.add(self, routes)

    @property
    def gate(self) -> Gate:
        return self._gate

    async def answer(self, request: Request, route: Route, ids: Ids) -> Response:
        """Raises ApiError."""
        call = Call(self._services, request, ids, route.scope)
        if route.scope is None:
            call.query = self._query(route, request.query)
            return await route.handler(call)
        gate = self._gate
        caller = call.caller = await gate.admit(request)
        if ids and ids[0] == "me":
            ids = call.ids = (caller.user_id, *ids[1:])
        gate.check(caller, request, route.scope, route.self_access, ids)
        call.query = self._query(route, request.query)
        if route.method == "POST":
            call.body = self._body(route, request)
            key = idempotency.key_of(request)
            if key is not None:
                base, accept = self._services.settings.url, request.headers.get(b"accept")
                return await idempotency.once(call, key, route.handler, lambda error: render(error, request.id, base, accept))
        elif route.body is not None:
            call.body = self._body(route, request)
        return await route.handler(call)

    async def before_refusal(self, request: Request, rows: Sequence[Route]) -> None:
        """Unknown paths and methods are behind the key where the calls are, so that strangers learn nothing."""
        if all(route.scope is not None for route in rows):
            await self._gate.admit(request)

    async def act(
        self,
        caller: Caller,
        page: Request,
        method: str,
        path: str,
        query: str = "",
        body: dict[str, Any] | None = None,
        if_match: bytes | None = None,
    ) -> Response:
        """A call made for a person by a page: the same row, permissions, parsing and handler, without key and windows. Raises ApiError."""
        found = self._routes.find(path)
        route: Route | None = None if found is None else found[0].rows.get(method)
        if found is None or route is None or route.scope is None:
            raise NotFound()
        ids = found[1]
        headers = {} if if_match is None else {b"if-match": if_match}
        request = Request(method, path, query, headers, b"", page.address, page.secure, page.id, page.started)
        request.user_id = caller.user_id
        request.route = route
        call = Call(self._services, request, (caller.user_id, *ids[1:]) if ids[:1] == ("me",) else ids, route.scope)
        call.caller = caller
        self._gate.check(caller, request, route.scope, route.self_access, call.ids)
        call.query = self._query(route, query)
        if route.body is not None or body:
            call.body = parsing.parse_body(route.body or parsing.NoBody, body or {}, self._hook)
        return await route.handler(call)

    def _query(self, route: Route, query: str) -> Any:
        key = (route.query, query)
        found = self._queries.get(key)
        if found is None:
            found = parsing.parse_query(route.query or parsing.NoQuery, query)
            if len(self._queries) >= MOST_QUERIES:
                self._queries.clear()
            self._queries[key] = found
        return found

    def _body(self, route: Route, request: Request) -> Any:
        headers = request.headers
        if route.body is None and not request.body:
            return None
        found = parsing.read_object(request.body, headers.get(b"content-type"), headers.get(b"content-encoding"))
        return parsing.parse_body(route.body or parsing.NoBody, found, self._hook)
