"""An assistant, as tests play one: the client of the MCP SDK, and messages that no client would send."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import mcp_types
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

T = TypeVar("T")
VERSION = "2026-07-28"
META = "io.modelcontextprotocol/"
CAPABLE: dict[str, Any] = {"elicitation": {}}

Answers = Callable[[str], dict[str, Any] | None]
"""From a question to what the person fills in; None: they decline."""


def over_http(
    url: str, key: str, doing: Callable[[Client], Awaitable[T]], mode: str = VERSION, answers: Answers | None = None
) -> T:
    """What `doing` returns with a client that is connected."""

    async def run() -> T:
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60, verify=False) as http,
            Client(streamable_http_client(url, http_client=http), mode=mode, **_asked(answers)) as client,
        ):
            return await doing(client)

    return asyncio.run(run())


def over_stdio(
    command: list[str],
    environment: dict[str, str],
    doing: Callable[[Client], Awaitable[T]],
    mode: str = VERSION,
    answers: Answers | None = None,
) -> T:
    """The same with a program that speaks on its standard input and output."""

    async def run() -> T:
        parameters = StdioServerParameters(command=command[0], args=command[1:], env=environment)
        # What a test has as sys.stderr when the SDK is imported is closed when the next one runs.
        program = stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr)
        async with Client(program, mode=mode, **_asked(answers)) as client:
            return await doing(client)

    return asyncio.run(run())


def _asked(answers: Answers | None) -> dict[str, Any]:
    if answers is None:
        return {}

    async def ask(context: Any, params: Any) -> mcp_types.ElicitResult:
        filled_in = answers(params.message)
        if filled_in is None:
            return mcp_types.ElicitResult(action="decline")
        return mcp_types.ElicitResult(action="accept", content=filled_in)

    return {"elicitation_callback": ask}


def message(method: str, id: Any = 1, capable: bool = True, **params: Any) -> dict[str, Any]:
    """A request of the revision of 2026-07-28."""
    meta = {
        f"{META}protocolVersion": VERSION,
        f"{META}clientCapabilities": CAPABLE if capable else {},
        f"{META}clientInfo": {"name": "tests", "version": "1"},
    }
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": meta, **params}}


def post(http: httpx2.Client, sent: dict[str, Any], path: str = "/mcp", **headers: str) -> httpx2.Response:
    """Send it with the headers that repeat parts of it."""
    params = sent.get("params", {})
    named = params.get("name") or params.get("uri")
    said = {"MCP-Protocol-Version": VERSION, "Mcp-Method": sent["method"], **({"Mcp-Name": named} if named else {})}
    return http.post(path, json=sent, headers={**said, **headers})


def call(http: httpx2.Client, tool: str, path: str = "/mcp", /, id: Any = 1, capable: Any = True, **more: Any) -> Any:
    """The result of a tool, or the error. `more`: its arguments, and the answers of a person."""
    others = {each: more.pop(each) for each in ("inputResponses", "requestState") if each in more}
    sent = message("tools/call", id, capable, name=tool, arguments=more, **others)
    answer = post(http, sent, path).json()
    return answer.get("result") or answer["error"]


def listed(http: httpx2.Client, path: str = "/mcp", capable: bool = True) -> list[str]:
    """The names of the tools that a client gets."""
    return [tool["name"] for tool in post(http, message("tools/list", 1, capable), path).json()["result"]["tools"]]


CONFIRMED = {"confirm": {"action": "accept", "content": {"confirm": True}}}
