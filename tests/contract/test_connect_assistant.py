"""The page that connects an assistant: what it shows to paste is what connects."""

from __future__ import annotations

import html
import json
import re
import shlex
import sys
import tomllib
from typing import Any

import httpx2

from tests import assistant
from tests.engines import once
from tests.grids import grid
from tests.harness import Server, new_key, new_user
from tests.visitor import signed_in

pytestmark = once

CODE = re.compile(r'<code class="language-\w+">(.*?)</code>', re.DOTALL)


def pasted(text: str, name: str) -> tuple[str, str]:
    """URL and key in what an assistant is given, read as it reads it; for Claude Desktop those of its program."""
    if name == "claude-code":
        words = shlex.split(text)
        assert words[:5] == ["claude", "mcp", "add", "--scope", "user"]
        return words[8], words[-1].removeprefix("Authorization: Bearer ")
    found: Any = tomllib.loads(text) if name == "codex" else json.loads(text)
    (servers,) = found.values()
    entry = servers["rollbook"]
    if name == "claude-desktop":
        assert (entry["command"], entry["args"][0]) == ("rollbook", "mcp")
        return entry["env"]["ROLLBOOK_URL"], entry["env"]["ROLLBOOK_KEY"]
    headers = entry["http_headers" if name == "codex" else "headers"]
    return entry["url"], headers["Authorization"].removeprefix("Bearer ")


@grid("name", ["claude-code", "claude-desktop", "cursor", "vscode", "codex", "other"])
@grid("access", ["read", "change"])
def test_what_is_shown_connects(server: Server, http: httpx2.Client, name: str, access: str) -> None:
    with signed_in(server, new_user(http, role="admin")) as person:
        form = {"assistant": name, "access": access, "expires": "90"}
        page = person.post("/account/assistants", data=form, follow_redirects=True)
        (text,) = [html.unescape(found) for found in CODE.findall(page.text)]
        url, key = pasted(text, name)
        assert key not in person.get(page.url.path.removesuffix("/secret")).text

    async def doing(client: Any) -> set[str]:
        return {tool.name for tool in (await client.list_tools()).tools}

    if name == "claude-desktop":
        flags = json.loads(text)["mcpServers"]["rollbook"]["args"][1:]
        command = [sys.executable, "-m", "rollbook.cli.main", "mcp", *flags]
        environment = {**server.environment, "ROLLBOOK_URL": url, "ROLLBOOK_KEY": key}
        tools = assistant.over_stdio(command, environment, doing)
    else:
        assert url == f"{server.url}/mcp{'/readonly' if access == 'read' else ''}"
        tools = assistant.over_http(url, key, doing)
    assert "find_users" in tools and ("update_user" in tools) == (access == "change")
    with server.http(key) as client:
        assert client.get("/v1/users?limit=1").status_code == 200
        assert client.get("/v1/keys").status_code == 403
        assert client.post("/v1/users/user_1/suspend").status_code == (404 if access == "change" else 403)


def test_a_member_connects_an_assistant_to_themselves(server: Server, http: httpx2.Client) -> None:
    with signed_in(server, new_user(http)) as person:
        shown = person.get("/account/assistants").text
        assert "<code>get_user</code>" in shown and "<code>find_users</code>" not in shown
        page = person.post("/account/assistants", data={"assistant": "nonsense"}, follow_redirects=True)
        key = re.findall(r"rbk_[0-9A-Za-z]{38}", page.text)[0]
    with server.http(key) as client:
        assert client.get("/v1/users/me").status_code == 200 and client.get("/v1/events").status_code == 403


def test_a_key_that_was_revealed_is_shown_as_ever(server: Server, http: httpx2.Client) -> None:
    """The address of the page alone turns no other key into one of an assistant."""
    owner = http.get("/v1/users/me").json()
    key = http.post("/v1/keys", json={"name": "shop"}).json()
    assert owner and new_key(http)
    with signed_in(server, new_user(http, role="admin")) as person:
        answer = person.get(f"/account/keys/{key['id']}/secret?assistant=cursor")
        assert answer.status_code == 404 and key["key"] not in answer.text
