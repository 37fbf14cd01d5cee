"""From a request to its answer: the row of `api/routes`, the gate, the handler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rollbook.api import idempotency, parsing
from rollbook.api.routes import Route
from rollbook.errors import MethodNotAllowed, NotFound
from rollbook.gate import Call, Caller, Gate, Services
from rollbook.http.boundary import render
from rollbook.http.request import Request
from rollbook.http.response import Response

# Parsed queries that a route remembers: lists are mostly asked for in the same few ways.
MOST_QUERIES = 512
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Router:
    def __init__(self, routes: Sequence[Route], services: Services) -> None:
        self._services = services
        self._gate = Gate(services)
        self._hook = parsing.dec_hook(services.settings.password_min_length)
        self._paths: dict[str, dict[str, Route]] = {}
        self._queries: dict[tuple[Any, str], Any] = {}
        for route in routes:
            self._paths.setdefault(_pattern(route.path), {})[route.method] = route

    @property
    def gate(self) -> Gate:
        return self._gate

    async def answer(self, request: Request) -> Response:
        """Raises ApiError."""
        methods, item = self._find(request.path)
        method = request.method
        if method == "HEAD":
            method = "GET"
        route = methods.get(method) if methods is not None else None
        if route is None:
            return await self._answer_other(request, methods)
        request.route = route
        call = Call(self._services, request, item, route.scope)
        if route.scope is None:
            call.query = self._query(route, request.query)
            return await route.handler(call)
        gate = self._gate
        caller = call.caller = await gate.admit(request)
        if item == "me":
            item = call.item = caller.user_id
        gate.check(caller, request, route.scope, route.self_access, item)
        call.query = self._query(route, request.query)
        if method == "POST":
            call.body = self._body(route, request)
            key = idempotency.key_of(request)
            if key is not None:
                base, accept = self._services.settings.url, request.headers.get(b"accept")
                return await idempotency.once(call, key, route.handler, lambda error: render(error, request.id, base, accept))
        elif route.body is not None:
            call.body = self._body(route, request)
        return await route.handler(call)

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
        methods, item = self._find(path)
        route = methods.get(method) if methods is not None else None
        if route is None or route.scope is None:
            raise NotFound()
        headers = {} if if_match is None else {b"if-match": if_match}
        request = Request(method, path, query, headers, b"", page.address, page.secure, page.id, page.started)
        request.user_id = caller.user_id
        request.route = route
        call = Call(self._services, request, caller.user_id if item == "me" else item, route.scope)
        call.caller = caller
        self._gate.check(caller, request, route.scope, route.self_access, call.item)
        call.query = self._query(route, query)
        if route.body is not None or body:
            call.body = parsing.parse_body(route.body or parsing.NoBody, body or {}, self._hook)
        return await route.handler(call)

    async def _answer_other(self, request: Request, methods: dict[str, Route] | None) -> Response:
        """A path we do not have, or a method the path does not take. Behind the key where paths are, so that strangers learn nothing."""
        if methods is not None and request.method == "OPTIONS":
            return Response(204, f"Allow: {_allow(methods)}\r\n".encode())
        if request.path.startswith("/v1") or (methods is not None and all(route.scope is not None for route in methods.values())):
            await self._gate.admit(request)
        if methods is None:
            raise NotFound()
        raise MethodNotAllowed(request.method, _allow(methods))

    def _find(self, path: str) -> tuple[dict[str, Route] | None, str]:
        methods = self._paths.get(path)
        if methods is not None:
            return methods, ""
        if len(path) > 1 and path[-1] == "/":
            return self._find(path[:-1]) if path[-2] != "/" else (None, "")
        # Every pattern has its braces in the third place: /v1/users/{userId}/restore.
        start = path.find("/", path.find("/", 1) + 1) + 1
        end = path.find("/", start)
        if end < 0:
            end = len(path)
        if start < 3 or start == end:
            return None, ""
        return self._paths.get(f"{path[:start]}{{}}{path[end:]}"), path[start:end]

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


def _pattern(path: str) -> str:
    start, brace, rest = path.partition("{")
    return start + "{}" + rest.partition("}")[2] if brace else path


def _allow(methods: dict[str, Route]) -> str:
    has = set(methods) | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    return ", ".join(method for method in METHODS if method in has)
