"""Calls of tools: each is the API call of its row, with the same permissions, checks and events.

Confirmations: what a person is asked before a tool does something, and the proof that they were asked just this.

The proof is sealed for the caller, the tool, its arguments and the version of the user, and ends after minutes. So it
works once: what it confirms changes the version. A model can't make it up, and never gets to see it: clients keep it,
with what the person answered, beside the arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from rollbook import clock
from rollbook.actions.principal import Principal
from rollbook.api.call import Services
from rollbook.api.plan import permitted
from rollbook.auth.server_secret import Secret
from rollbook.auth.tokens import decoded, encoded
from rollbook.errors import ApiError
from rollbook.gate import BY_MCP, Gate
from rollbook.http.boundary import describe
from rollbook.http.request import Request, Response
from rollbook.http.routing import settled
from rollbook.mcp.tools import DRY_RUN, TOOLS, Parts, Tool, parts
from rollbook.records.rules import EMAIL_LENGTH

PURPOSE = "confirmations"
LIFETIME = 5 * clock.MINUTE
LONGEST = 1_024
"""Characters of a proof that could be one of ours."""
NAME = "confirm"
"""Name of the question, and of its one answer."""

_SHOWN = 80
"""Characters of a value in a question. An email is shown whole: whose it is, is at its end."""


def seal(secret: Secret, by: Principal, tool: Tool, arguments: Mapping[str, Any], version: str) -> str:
    content = msgspec.json.encode((clock.now() + LIFETIME, version))
    return encoded(secret.seal(PURPOSE, content, _bound(by, tool, arguments)))


def version_in(secret: Secret, by: Principal, tool: Tool, arguments: Mapping[str, Any], proof: object) -> str | None:
    """The version of the user that a person was asked about. None if this proves nothing, or no longer."""
    if not isinstance(proof, str) or len(proof) > LONGEST:
        return None
    try:
        opened = secret.unseal(PURPOSE, decoded(proof), _bound(by, tool, arguments))
    except ValueError:
        return None
    ends_at, version = msgspec.json.decode(opened, type=tuple[int, str])
    return version if clock.now() < ends_at else None


def _bound(by: Principal, tool: Tool, arguments: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode((by.user_id, by.key_id, tool.name, arguments), order="deterministic")


def is_confirmed(responses: object) -> bool:
    """Test whether the person accepted, and ticked the box."""
    answer = responses.get(NAME) if isinstance(responses, dict) else None
    if not isinstance(answer, dict) or answer.get("action") != "accept":
        return False
    content = answer.get("content")
    return isinstance(content, dict) and content.get(NAME) is True


def question(tool: Tool, user: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The question to the person. The only text that names a user, and no model gets to read it."""
    whom = f"{_plain(user['name'])}, {_plain(user['email'], EMAIL_LENGTH)}, {_plain(user['id'])}"
    changes = [
        f"New {name}: {_plain(arguments[name], EMAIL_LENGTH)}." for name in tool.asks.split() if name in arguments
    ]
    undone = f" It can be undone with {tool.undone_by}." if tool.undone_by else ""
    return {
        "method": "elicitation/create",
        "params": {
            "mode": "form",
            "message": " ".join([f"{tool.title}? {whom}.", *changes]) + undone,
            "requestedSchema": {
                "type": "object",
                "properties": {NAME: {"type": "boolean", "title": f"{tool.title}", "description": f"Yes: {whom}."}},
                "required": [NAME],
            },
        },
    }


def _plain(value: object, most: int = _SHOWN) -> str:
    """A value in quotes that it can't end: in one line, short, and without characters that turn or hide others."""
    text = "".join([sign if sign.isprintable() and sign not in "“”" else " " for sign in str(value)])
    return f"“{text[:most]}{'…' if len(text) > most else ''}”"


WINDOW = 10 * clock.MINUTE
"""Time in which the same request, sent again, is not done again."""

_TOLD = ("error", "code", "param", "errors", "request_id")
_ETAG = re.compile(rb'ETag: "([^"\r]*)"').search
_NEXT = re.compile(rb'<[^>?]*\?([^>]*)>; rel="next"').search
_ENDS = re.compile(rb"X-Dry-Run-Ends: ([^\r]*)").search
_TOTAL = re.compile(rb"X-Total-Count: ([0-9]+)").search
_LIMITS = re.compile(rb"RateLimit-(Limit|Remaining|Reset): ([0-9]+)").findall


class Visit(NamedTuple):
    """The sender of a message, and their means."""

    by: Principal
    request: Request
    is_read_only: bool
    can_ask: bool
    """The client can show a person a question."""


class Calls:
    def __init__(self, services: Services, gate: Gate) -> None:
        self._services = services
        self._perform = {name: permitted(tool.row, services, gate, accepted=BY_MCP) for name, tool in TOOLS.items()}

    def offered(self, visit: Visit) -> list[Tool]:
        """The tools that this caller can use."""
        return [tool for tool in TOOLS.values() if self.offers(visit, tool)]

    def offers(self, visit: Visit, tool: Tool) -> bool:
        caller = visit.by.caller
        return (
            tool.is_within(caller.scopes_on_all, caller.scopes_on_self)
            and (tool.is_read_only or not visit.is_read_only)
            and (visit.can_ask or tool.asks != "*")
        )

    async def call(self, visit: Visit, tool: Tool, params: Mapping[str, Any], id: str | int) -> dict[str, Any]:
        """The result of a tool. What a call is refused for is a result too, so that the model can correct itself."""
        arguments = params.get("arguments") or {}
        try:
            version = None
            if tool.must_ask(arguments):
                version, pending = await self._unless_confirmed(visit, tool, arguments, params)
                if pending is not None:
                    return pending
            response = await self._response(visit, tool, arguments, id, version)
        except ApiError as error:
            if self._services.operations is not None:
                self._services.operations.count(error, visit.request)
            return _refused(describe(error, visit.request.id, self._services.url))
        value = msgspec.json.decode(response.body) if response.body else {}
        if response.status >= 400:  # kept for the Idempotency-Key
            return _refused(value)
        return _result(self._shown(visit, tool, arguments, response, value))

    async def _unless_confirmed(
        self, visit: Visit, tool: Tool, arguments: Mapping[str, Any], params: Mapping[str, Any]
    ) -> tuple[str, dict[str, Any] | None]:
        """The version of the user, and what to answer instead until a person has confirmed this call. Raises
        ApiError."""
        parts(tool, arguments)  # no one is asked about a call that can't be made
        secret = self._services.secret
        about = {"user_id": arguments["user_id"]}
        response = await self._response(visit, TOOLS["get_user"], about)
        tag = _ETAG(response.head)
        version = "" if tag is None else tag[1].decode()
        proven = version_in(secret, visit.by, tool, arguments, params.get("requestState"))
        if proven == version and "inputResponses" in params:
            if is_confirmed(params["inputResponses"]):
                return version, None
            return version, refusal("not_confirmed", "The person did not confirm this. Nothing was changed.")
        return version, {
            "resultType": "input_required",
            "inputRequests": {NAME: question(tool, msgspec.json.decode(response.body), arguments)},
            "requestState": seal(secret, visit.by, tool, arguments, version),
        }

    def _shown(
        self, visit: Visit, tool: Tool, arguments: Mapping[str, Any], response: Response, value: Any
    ) -> dict[str, Any]:
        """The response of the API as an object, with how to go on or back."""
        if isinstance(value, list):
            value = _page(value, response.head)
        if arguments.get(DRY_RUN) is True:
            ends = _ENDS(response.head)
            return {**value, DRY_RUN: True, "would_end": "" if ends is None else ends[1].decode()}
        if tool.undone_by:
            value = {"user": value or {"id": arguments["user_id"]}}
            value["undo"] = {"tool": tool.undone_by, "arguments": {"user_id": arguments["user_id"]}}
        if tool.name == "delete_user":
            value["restorable_for_days"] = self._services.settings.deleted_retention
        if tool.name == "usage_and_limits":
            value["limits"] = {name.decode().lower(): int(left) for name, left in _LIMITS(visit.request.head)}
        return value

    async def _response(
        self,
        visit: Visit,
        tool: Tool,
        arguments: Mapping[str, Any],
        id: str | int | None = None,
        version: str | None = None,
    ) -> Response:
        """`version` is that of the user, if only this one is to be changed. Raises ApiError."""
        call, outer = parts(tool, arguments), visit.request
        headers = {b"host": outer.headers[b"host"]} if b"host" in outer.headers else {}
        if version is not None:
            headers[b"if-match"] = f'"{version}"'.encode()
        if call.body:
            headers[b"content-type"] = b"application/json"
        # What leaves everything as it is where it was done before is done each time: someone may have undone it.
        if visit.by.key_id is not None and id is not None and tool.row.success == 201:
            headers[b"idempotency-key"] = outer.headers.get(b"idempotency-key") or self._once(visit, id, tool, call)
        request = Request(
            method=tool.row.method,
            path=call.path,
            query=call.query,
            headers=headers,
            body=call.body,
            address=outer.address,
            secure=outer.secure,
            id=outer.id,
            started=outer.started,
        )
        return await settled(self._perform[tool.name](visit.by, request, call.ids))

    def _once(self, visit: Visit, id: str | int, tool: Tool, call: Parts) -> bytes:
        """The Idempotency-Key of a request that has none. Clients number their requests from 0, so that the number
        alone says nothing: it counts for the same key, client and call, and for some minutes."""
        by, minutes = visit.by, clock.now() // WINDOW
        said = msgspec.json.encode((by.key_id, by.client, id, minutes, tool.name, call.path, call.query, call.body))
        return b"mcp-" + self._services.secret.mac("replies", said).hex().encode()


def _page(items: list[Any], head: bytes) -> dict[str, Any]:
    """A list as an object, with the arguments of the next page."""
    page: dict[str, Any] = {"items": items}
    if (total := _TOTAL(head)) is not None:
        page["total"] = int(total[1])
    if (following := _NEXT(head)) is not None:
        next = dict(parse_qsl(following[1].decode()))
        page["next"] = {name: next[name] for name in ("cursor", "after", "before", "offset") if name in next}
    return page


def _refused(problem: Mapping[str, Any]) -> dict[str, Any]:
    return _result({name: problem[name] for name in _TOLD if problem.get(name)}, is_error=True)


def refusal(code: str, message: str) -> dict[str, Any]:
    """The result of a tool that did nothing."""
    return _result({"error": message, "code": code}, is_error=True)


def _result(value: dict[str, Any], is_error: bool = False) -> dict[str, Any]:
    """The value as structured content, and just that again as text, for clients that only read text."""
    return {
        "resultType": "complete",
        "content": [{"type": "text", "text": msgspec.json.encode(value).decode()}],
        "structuredContent": value,
        "isError": is_error,
    }
