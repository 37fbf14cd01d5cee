"""Configurations to paste into assistants, so that they use Rollbook with an API key."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

ASSISTANTS = {
    "claude-code": "Claude Code",
    "claude-desktop": "Claude Desktop",
    "cursor": "Cursor",
    "vscode": "VS Code",
    "codex": "Codex",
    "other": "Assistant",
}
"""By the name that the URL has for them; each is also the name of a new key."""


class Setup(NamedTuple):
    text: str
    language: str = "json"


def setup(assistant: str, url: str, token: str, is_read_only: bool) -> Setup:
    """`url` is the server's base URL."""
    endpoint = f"{url}/mcp/readonly" if is_read_only else f"{url}/mcp"
    bearer = f"Bearer {token}"
    headers = {"headers": {"Authorization": bearer}}
    match assistant:
        case "claude-code":
            command = f"claude mcp add --scope user --transport http rollbook {endpoint}"
            return Setup(f'{command} \\\n  --header "Authorization: {bearer}"', "sh")
        case "claude-desktop":
            arguments = ["mcp", *(["--read-only"] if is_read_only else [])]
            program = {"command": "rollbook", "args": arguments, "env": {"ROLLBOOK_URL": url, "ROLLBOOK_KEY": token}}
            return _json({"mcpServers": {"rollbook": program}})
        case "vscode":
            return _json({"servers": {"rollbook": {"type": "http", "url": endpoint, **headers}}})
        case "codex":
            lines = (
                "[mcp_servers.rollbook]",
                f'url = "{endpoint}"',
                f'http_headers = {{ Authorization = "{bearer}" }}',
            )
            return Setup("\n".join(lines), "toml")
    return _json({"mcpServers": {"rollbook": {"url": endpoint, **headers}}})


def _json(content: dict[str, Any]) -> Setup:
    return Setup(json.dumps(content, indent=2))
