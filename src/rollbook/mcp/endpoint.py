"""MCP over HTTP: /mcp, and /mcp/readonly for the tools that change nothing. A POST is one message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from rollbook.api.call import Services
from rollbook.config import Settings
from rollbook.errors import ForeignForm, InvalidJson, UnsupportedMediaType
from rollbook.gate import Gate
from rollbook.http import origins
from rollbook.http.request import Request
from rollbook.http.response import JSON, LOCKED, PRIVATE, Response
from rollbook.http.routing import Plan
from rollbook.json_objects import BROKEN, look_closely
from rollbook.mcp import PARSE_ERROR
from rollbook.mcp.protocol import INVALID_REQUEST, Protocol, Reply, failure
from rollbook.records.rules import MAX_DEPTH, too_deep

MAX_BODY = 65_536
DEEPEST = MAX_DEPTH + 3
"""Levels of a message: those of a body, and what it stands in."""
_encode = msgspec.json.Encoder().encode


class McpRow(NamedTuple):
    path: str
    is_read_only: bool
    method: str = "POST"
    max_body: int = MAX_BODY
    streams_body: bool = False


ROWS = [McpRow("/mcp", False), McpRow("/mcp/readonly", True)]


class Mcp:
    def __init__(self, services: Services, gate: Gate) -> None:
        self._settings = services.settings
        self._gate = gate
        self._protocol = Protocol(services, gate)

    def plan(self, row: McpRow) -> Plan:
        return lambda request, ids: self._answer(request, row.is_read_only)

    async def before_refusal(self, request: Request, rows: Sequence[McpRow]) -> None:
        """Ask for the key first, as the API does."""
        await self._gate.admitted(request)

    async def _answer(self, request: Request, is_read_only: bool) -> Response:
        _check_origin(request, self._settings)
        caller = await self._gate.admitted(request)
        await request.complete()
        kind = request.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            raise UnsupportedMediaType()
        try:
            message = msgspec.json.decode(request.body)
        except BROKEN:
            return _response(Reply(400, failure(PARSE_ERROR, "The body is not valid JSON.")))
        try:
            look_closely(request.body, names=False)
        except InvalidJson as problem:
            return _response(Reply(400, failure(INVALID_REQUEST, problem.message)))
        if too_deep(message, request.body, DEEPEST) is not None:
            return _response(Reply(400, failure(INVALID_REQUEST, "The message is nested too deeply.")))
        return _response(await self._protocol.answer(message, caller, request, is_read_only))


def _check_origin(request: Request, settings: Settings) -> None:
    """A browser may call from our own pages only, also where a site has pointed its own name here (DNS rebinding).
    Raises Forbidden."""
    origin = request.headers.get(b"origin")
    if origin is None:
        return
    origins.check_host(request, settings)
    if not origins.is_ours(origin.decode("latin-1"), request, settings):
        raise ForeignForm("MCP can't be called from pages of other sites.")


def _response(reply: Reply) -> Response:
    if reply.content is None:
        return Response(reply.status, LOCKED + PRIVATE)
    return Response(reply.status, JSON + PRIVATE, _encode(reply.content))
