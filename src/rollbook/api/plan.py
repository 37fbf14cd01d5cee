"""Compiles the rows of `api/routes`: whatever is known of a row before its first request is decided once, when the
server starts.

A plan is one function of a request and the values in its path. It answers at once where nothing has to be waited for
(on SQLite, a read never waits), and otherwise with a coroutine that goes on from there. A performance is the part of it
for a caller who was admitted: query and body in their types, the action, and how its result is shown.

The entrance for API calls: the plan of each row, and who may know which rows there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from msgspec import structs

from rollbook.actions import users
from rollbook.actions.context import Rollbook
from rollbook.actions.previews import DryRun
from rollbook.actions.principal import Caller, Principal
from rollbook.api import idempotency, parsing
from rollbook.api import users as user_calls
from rollbook.api.call import Call, Services
from rollbook.api.route import Route
from rollbook.gate import BY_API, Accepted, Gate
from rollbook.http import coding
from rollbook.http.driver import resumed
from rollbook.http.request import Request, Response, line
from rollbook.http.routing import Answer, Ids, Plan, settled
from rollbook.json_objects import read_object

Perform = Callable[[Call, Ids], Answer]
Act = Callable[[Rollbook, Call, Ids], Coroutine[Any, Any, Any]]
"""The row's action on what the call holds."""

# Parsed queries that a row remembers, and the longest: lists are mostly asked for in the same few ways.
MAX_QUERIES, LONGEST_QUERY = 64, 512
DRY_RUN = line("X-Dry-Run", "true")
# JSON's null counts as no body: some generated clients can't send less.
_NO_BODY = re.compile(rb"(?:\s*null\s*)?\Z").match


def plan(route: Route, services: Services, gate: Gate) -> Plan:
    """Admission, permission and performance of one row."""
    perform = performance(route, services)
    admit = gate.admit
    if route.scope is None:
        return lambda request, ids: perform(Call(services, request, gate), ids)
    go_on = permitted(route, services, gate, perform)

    async def later(coming: Coroutine[Any, Any, Caller], request: Request, ids: Ids) -> Response:
        by = Principal(await coming, request.address, request.id, request.trace_id)
        return await settled(go_on(by, request, ids))

    def answer(request: Request, ids: Ids) -> Answer:
        caller = admit(request)
        if not isinstance(caller, Caller):
            return later(caller, request, ids)
        return go_on(Principal(caller, request.address, request.id, request.trace_id), request, ids)

    return answer


def permitted(
    route: Route, services: Services, gate: Gate, perform: Perform | None = None, accepted: Accepted = BY_API
) -> Callable[[Principal, Request, Ids], Answer]:
    """Permission and performance of a row that has a scope, for a caller who was admitted."""
    scope, self_access, check = route.scope or "", route.self_access, gate.check
    perform = perform or performance(route, services)

    def go_on(by: Principal, request: Request, ids: Ids) -> Answer:
        call = Call(services, request, gate, by)
        caller = by.caller
        if ids and ids[0] == "me":
            ids = (caller.user_id, *ids[1:])
        if scope not in caller.free_scopes:
            check(by, scope, self_access, ids[0] if ids else "", accepted)
        return perform(call, ids)

    return go_on


def performance(route: Route, services: Services) -> Perform:
    """Function that does what a row does, for a caller who may."""
    query_of = _reader_of_queries(route)
    body_of = _reader_of_bodies(route, services.settings.password_min_length)
    run = _runner(route, services)
    chooses = route.query is user_calls.ShownFields and route.scope == "users:write" and "{" in route.path
    if body_of is None:

        def perform(call: Call, ids: Ids) -> Answer:
            call.query = query_of(call.request.query)
            return run(call, ids)

        return perform
    reads = route.special.reads

    def perform_with_body(call: Call, ids: Ids) -> Answer:
        request = call.request
        call.query = query = query_of(request.query)
        if chooses and query.fields is not None:
            users.check_answer(call.by, ids[0], query.fields)
        if request.stream is not None or reads is not None:
            return perform_with_large_body(call, ids)
        call.body = body_of(request)
        return run(call, ids)

    async def perform_with_large_body(call: Call, ids: Ids) -> Response:
        request = call.request
        await request.complete()  # only now: not held for strangers
        call.body = body_of(request) if reads is None else await reads(call)
        return await settled(run(call, ids))

    return perform_with_body


def _runner(route: Route, services: Services) -> Perform:
    """The action, its result shown: once for each Idempotency-Key, if the request has one."""
    act, shows = _action(route), route.shows or _as_it_is
    can_be_replayed = (
        route.method == "POST" and route.special.replays and route.shows is not None and not route.streams_body
    )
    # What GET returns holds no secret: those that create or reveal one are POSTs. Rows without a key choose their own
    # coding.
    is_compressed = route.method == "GET" and route.scope is not None
    can_be_previewed = route.can_be_previewed

    def run(call: Call, ids: Ids) -> Answer:
        key = idempotency.key_of(call.request) if can_be_replayed else None
        if can_be_previewed and call.query.dry_run:
            return previewed(call, ids, act, shows)
        if key is not None:
            return idempotency.once(call, key, lambda on: act(on, call, ids), shows)
        work = act(services, call, ids)
        try:
            waits_for = work.send(None)
        except StopIteration as end:
            result = end.value
        else:
            return later(work, waits_for, call)
        response = shows(call, result)
        return coding.compressed(call.request, response) if is_compressed and coding.is_long(response) else response

    async def later(work: Coroutine[Any, Any, Any], waits_for: Any, call: Call) -> Response:
        response = shows(call, await resumed(work, waits_for))
        if is_compressed and coding.is_long(response):
            return await settled(coding.compressed(call.request, response))
        return response

    return run


async def previewed(call: Call, ids: Ids, act: Act, shows: Callable[[Call, Any], Response]) -> Response:
    """The response to a change of which nothing is kept."""
    preview = DryRun(call.services, call.by)
    response = shows(call, await act(preview.on, call, ids))
    ends = preview.ends.text
    head = response.head + DRY_RUN + (line("X-Dry-Run-Ends", ends) if ends else b"")
    return structs.replace(response, head=head)


def _action(route: Route) -> Act:
    action, takes = route.action, route.takes
    if route.shows is None:
        return lambda on, call, ids: action(call)
    if takes is not None:
        return lambda on, call, ids: action(on, call.by, *ids, *takes(call))
    if route.body is not None:
        return lambda on, call, ids: action(on, call.by, *ids, call.body)
    if route.query is not None:
        return lambda on, call, ids: action(on, call.by, *ids, call.query)
    return lambda on, call, ids: action(on, call.by, *ids)


def _as_it_is(call: Call, response: Response) -> Response:
    return response


def _reader_of_queries(route: Route) -> Callable[[str], Any]:
    """From a query string to the type of the row. Raises InvalidParameter."""
    kind = route.query or parsing.NoQuery
    if route.can_be_previewed:
        kind = parsing.with_dry_run(kind)
    remembered: dict[str, Any] = {}

    def query_of(text: str) -> Any:
        query = remembered.get(text)
        if query is None:
            query = parsing.parse_query(kind, text)
            if len(text) <= LONGEST_QUERY:
                if len(remembered) >= MAX_QUERIES:
                    remembered.clear()
                remembered[text] = query
        return query

    return query_of


def _reader_of_bodies(route: Route, password_min_length: int) -> Callable[[Request], Any] | None:
    """From a request to its body in the type of the row. None where the row takes none. Raises ApiError."""
    if route.streams_body or (route.body is None and route.method != "POST"):
        return None
    kind = route.body or parsing.EmptyBody
    is_optional = route.body_is_optional
    quick = None if is_optional else parsing.reader_of_texts(kind)

    def body_of(request: Request) -> Any:
        if quick is not None and (read := quick(request.body, request.headers)) is not None:
            return read
        if is_optional and _NO_BODY(request.body):
            return None if route.body is None else kind()
        headers = request.headers
        fields = read_object(request.body, headers.get(b"content-type"), headers.get(b"content-encoding"))
        return parsing.parse_body(kind, fields, password_min_length)

    return body_of


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
