"""`rollbook mcp`: assistants that start a program of their own, on a data folder or for a running server."""

from __future__ import annotations

import json
import sys
from typing import Any

import httpx2
import pytest

from tests import assistant
from tests.assistant import VERSION, message
from tests.harness import Server, new_key, new_user

ASKING = {"suspend_user", "delete_user"}


def command(server: Server, target: str, *flags: str) -> list[str]:
    where = ["--data", str(server.data)] if target == "folder" else ["--url", server.url]
    return [sys.executable, "-m", "rollbook.cli.main", "mcp", *where, *flags]


@pytest.mark.parametrize("target", ["folder", "server"])
@pytest.mark.parametrize("mode", [VERSION, "legacy"])
def test_assistants_use_and_confirm_tools(server: Server, http: httpx2.Client, mode: str, target: str) -> None:
    """Also those of before 2026-07-28: their process is a session, in which they can be asked."""
    charlie, asked = new_user(http, name="Charlie Chaplin"), []

    def answers(question: str) -> dict[str, Any]:
        asked.append(question)
        return {"confirm": True}

    async def doing(client: Any) -> None:
        assert {tool.name for tool in (await client.list_tools()).tools} > ASKING
        assert (await client.call_tool("get_user", {"user_id": charlie["id"]})).structured_content["name"] == (
            "Charlie Chaplin"
        )
        gone = await client.call_tool("suspend_user", {"user_id": charlie["id"]})
        assert gone.structured_content["user"]["status"] == "suspended"
        assert len((await client.list_resources()).resources) > 100
        assert (await client.read_resource("rollbook://docs/errors/not_found")).contents[0].text

    environment = {**server.environment, "ROLLBOOK_KEY": server.key}
    assistant.over_stdio(command(server, target), environment, doing, mode, answers)
    (question,) = asked
    assert "Suspend user" in question and "Charlie Chaplin" in question and charlie["id"] in question
    event = http.get(f"/v1/events?user={charlie['id']}&order=desc&limit=1").json()[0]
    assert (event["type"], event["actor"]["client"].split()[0]) == ("user.suspended", "mcp")
    assert event["actor"]["address"] == ("cli" if target == "folder" else "127.0.0.1")


@pytest.mark.parametrize("target", ["folder", "server"])
def test_who_declines_or_cannot_be_asked_changes_nothing(server: Server, http: httpx2.Client, target: str) -> None:
    charlie = new_user(http)
    environment = {**server.environment, "ROLLBOOK_KEY": server.key}

    async def declined(client: Any) -> None:
        told = await client.call_tool("delete_user", {"user_id": charlie["id"]})
        assert told.is_error and told.structured_content["code"] == "not_confirmed"

    async def unable(client: Any) -> None:
        assert not {tool.name for tool in (await client.list_tools()).tools} & ASKING

    assistant.over_stdio(command(server, target), environment, declined, "legacy", lambda question: None)
    assistant.over_stdio(command(server, target), environment, unable, "legacy")
    assert http.get(f"/v1/users/{charlie['id']}").status_code == 200


def spoken(server: Server, target: str, *lines: Any, key: str = "", flags: tuple[str, ...] = ()) -> list[Any]:
    """What a program answers to these lines."""
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    where = ["--data", str(server.data)] if target == "folder" else ["--url", server.url, "--key", key or server.key]
    done = server.rollbook("mcp", *where, *flags, input=text)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("target", ["folder", "server"])
def test_read_only_reads(server: Server, user: dict, target: str) -> None:
    called = message("tools/call", 2, name="update_user", arguments={"user_id": user["id"], "name": "B"})
    tools, told = spoken(server, target, message("tools/list"), called, flags=("--read-only",))
    assert all(tool["annotations"]["readOnlyHint"] for tool in tools["result"]["tools"])
    assert told["result"]["structuredContent"]["code"] == "read_only"


@pytest.mark.parametrize("target", ["folder", "server"])
def test_each_line_gets_the_answer_it_deserves(server: Server, target: str) -> None:
    """What is wrong ends nothing, and nothing else is ever written."""
    answers = spoken(
        server,
        target,
        "{",
        '{"jsonrpc": "2.0", "id": 9, "method": "ping", "method": "tools/list"}',
        [message("tools/list")],
        message("no/such", "a"),
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "unasked", "result": {}},
        {"jsonrpc": "2.0", "id": 4, "method": "ping"},
        {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "nope"}},
        message("server/discover", 6),
    )
    found = [(answer.get("id"), answer.get("error", {}).get("code")) for answer in answers]
    assert found[:2] == [(None, -32700), (None, -32700)]
    assert found[2:] == [(None, -32600), ("a", -32601), (3, None), (4, None), (5, -32602), (6, None)]


def test_refusals_of_the_server_are_sentences(server: Server, http: httpx2.Client) -> None:
    key = new_key(http, rate_limit="1/minute", ip_allow=["203.0.113.7"])
    (told,) = spoken(server, "server", message("tools/list"), key=key)
    assert told["error"]["message"] == "This API key cannot be used from this IP address."
