"""The entrance of identity providers: who asks, what they ask, and the reply as a response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.gate import BY_SCIM, Gate
from rollbook.http import coding
from rollbook.http.request import PRIVATE, Request, Response, line
from rollbook.http.routing import Ids, Plan, settled
from rollbook.json_objects import read_object
from rollbook.scim import bulk
from rollbook.scim.asking import Ask, Reply, asked_in_body
from rollbook.scim.errors import JSON, refused
from rollbook.scim.routes import BULK_SIZE, CALLS, ScimRow

MAX_PARAMETERS = 50
LARGE = 65_536
"""Bytes of a body that is read while others get their turn."""


async def _bulk(ask: Ask) -> Reply:
    raise NotImplementedError  # the entrance counts its operations


_BULK = ScimRow("POST", "/scim/v2/Bulk", _bulk, BULK_SIZE)
ROWS = [*CALLS, _BULK]
PREFIX = "/scim/"


class Scim:
    def __init__(self, on: Rollbook, gate: Gate, base_url: Callable[[Request], str]) -> None:
        self._on = on
        self._gate = gate
        self._base_url = base_url

    def plan(self, row: ScimRow) -> Plan:
        return partial(self._answer, row)

    async def before_refusal(self, request: Request, rows: Sequence[ScimRow]) -> None:
        """Strangers are not told what there is."""
        await self._admitted(request)

    async def _admitted(self, request: Request) -> Principal:
        caller = await self._gate.admitted(request)
        by = Principal(caller, request.address, request.id, request.trace_id)
        self._gate.accept(by, BY_SCIM)
        return by

    async def _answer(self, row: ScimRow, request: Request, ids: Ids) -> Response:
        by = await self._admitted(request)
        body: dict[str, Any] = {}
        if row.takes_body:
            await request.complete()
            headers = request.headers
            read = partial(read_object, request.body, headers.get(b"content-type"), headers.get(b"content-encoding"))
            body = read() if len(request.body) < LARGE else await asyncio.to_thread(read)
        versions = _versions(request.headers.get(b"if-match"))
        ask = Ask(self._on, by, f"{self._base_url(request)}/scim/v2", _query(request.query), body, versions)
        if row is _BULK:
            count = partial(self._gate.count_further, request, by.caller)
            reply = await bulk.run(ask, count)
        else:
            reply = await row.handle(asked_in_body(ask) if row.is_search else ask, *ids)
        response = _response(request, row, reply)
        if request.method == "GET" and coding.is_long(response):
            return await settled(coding.compressed(request, response))
        return response


def _response(request: Request, row: ScimRow, reply: Reply) -> Response:
    status, resource = reply
    if resource is None:
        return Response(status, PRIVATE)
    head, meta = JSON, resource.get("meta", {})
    if version := meta.get("version"):
        head += line("ETag", version)
        if row.method == "GET" and _versions(request.headers.get(b"if-none-match")) == {_plain(version)}:
            return Response(304, line("ETag", version))
    if location := meta.get("location"):
        head += line("Location" if status == 201 else "Content-Location", location)
    return Response(status, head, msgspec.json.encode(resource))


def _versions(header: bytes | None) -> frozenset[str] | None:
    """The entity tags of a header; None: any."""
    if header is None or header.strip() == b"*":
        return None
    return frozenset([_plain(part.strip()) for part in header.decode("latin-1").split(",")])


def _plain(tag: str) -> str:
    return tag.removeprefix("W/").strip('"')


def _query(text: str) -> dict[str, str]:
    """The parameters, by names in lower case. Unknown ones are ignored, such as the mark by which Entra ID asks for the
    newer of its ways, except one that asks for less than is done. Raises InvalidParameter."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise refused("invalidValue", "The query string is not percent-encoded UTF-8.") from None
    if "\0" in "".join([value for _, value in pairs]):
        raise refused("invalidValue", "The query string contains a NUL character.")
    query = {name.lower(): value for name, value in pairs}
    if "dry_run" in query:
        raise refused("invalidValue", "SCIM has no dry_run. Nothing was changed.")
    return query
