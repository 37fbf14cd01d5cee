"""Bulk (RFC 7644 section 3.7): operations one after the other, each by the row of its own call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from rollbook.errors import ApiError, NotFound
from rollbook.scim.asking import Ask, Reply
from rollbook.scim.errors import described, refused, status
from rollbook.scim.routes import CALLS, MAX_OPERATIONS

_REFERENCE = re.compile(r"bulkId:(.+)", re.S).fullmatch
_BULK = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
_ROWS = {
    (row.method, row.path.split("/")[3], row.path.count("{")): row
    for row in CALLS
    if row.path.split("/")[3] in ("Users", "Groups") and not row.is_search and row.method != "GET"
}


async def run(ask: Ask, count: Callable[[int], Awaitable[None]]) -> Reply:
    """Perform each operation. Raises InvalidParameter for what is wrong with the list, TooManyRequests: each
    counts as a request."""
    body = {name.lower(): value for name, value in ask.body.items()}
    calls = body.get("operations")
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise refused("invalidSyntax", "Operations must be a list of objects.")
    if len(calls) > MAX_OPERATIONS:
        raise refused("tooMany", f"Operations must have at most {MAX_OPERATIONS:,} items.")
    most = body.get("failonerrors")
    if len(calls) > 1:
        await count(len(calls) - 1)
    ids: dict[str, str] = {}
    done: list[dict[str, Any]] = []
    errors = 0
    for call in calls:
        done.append(await _operation(ask, {name.lower(): value for name, value in call.items()}, ids))
        errors += int(done[-1]["status"]) >= 400
        if isinstance(most, int) and 0 < most <= errors:
            break
        await asyncio.sleep(0)  # others get their turn
    return Reply(200, {"schemas": [_BULK], "Operations": done})


async def _operation(ask: Ask, call: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    method, path, bulk_id = str(call.get("method")).upper(), str(call.get("path")), call.get("bulkid")
    result: dict[str, Any] = {"method": method, **({} if bulk_id is None else {"bulkId": bulk_id})}
    try:
        _, kind, *id = path.split("/")
        row = _ROWS.get((method, kind, len(id)))
        if row is None:
            raise NotFound(f"There is no operation {method[:10]} {path[:100]}.")
        data = _resolved(call.get("data") or {}, ids)
        if not isinstance(data, dict):
            raise refused("invalidSyntax", "data must be an object.")
        version = call.get("version")
        versions = None if version is None else frozenset({str(version).removeprefix("W/").strip('"')})
        reply = await row.handle(ask._replace(body=data, versions=versions, query={}), *_resolved(id, ids))
    except ValueError:
        error: ApiError = refused("invalidPath", "path must be such as /Users or /Users/ID.")
    except ApiError as problem:
        if problem.status >= 500:
            raise
        error = problem
    else:
        if reply.resource is not None:
            meta = reply.resource["meta"]
            result |= {"location": meta["location"], "version": meta["version"]}
            if bulk_id is not None and method == "POST":
                ids[str(bulk_id)] = reply.resource["id"]
        elif id:
            result["location"] = f"{ask.base}/{kind}/{_resolved(id, ids)[0]}"
        return {**result, "status": str(reply.status)}
    return {**result, "status": str(status(error)), "response": described(error)}


def _resolved(value: Any, ids: dict[str, str]) -> Any:
    """The value with the IDs of what earlier operations created. Raises InvalidParameter."""
    if isinstance(value, dict):
        return {name: _resolved(part, ids) for name, part in value.items()}
    if isinstance(value, list):
        return [_resolved(entry, ids) for entry in value]
    match = _REFERENCE(value) if isinstance(value, str) else None
    if match is None:
        return value
    if match[1] not in ids:
        raise refused("invalidValue", f"{value[:100]!r} names no operation before this one.")
    return ids[match[1]]
