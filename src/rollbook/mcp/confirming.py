"""Confirmations: what a person is asked before a tool does something, and the proof that they were asked just this.

The proof is sealed for the caller, the tool, its arguments and the version of the user, and ends after minutes. So it
works once: what it confirms changes the version. A model can't make it up, and never gets to see it: clients keep it,
with what the person answered, beside the arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rollbook import clock
from rollbook.actions.principal import Principal
from rollbook.auth.base64url import decoded, encoded
from rollbook.auth.server_secret import Secret
from rollbook.mcp.tools import Tool
from rollbook.records.rules import EMAIL_LENGTH

PURPOSE = "confirmations"
LIFETIME = 5 * clock.MINUTE
LONGEST = 1_024
"""Characters of a proof that could be one of ours."""
NAME = "confirm"
"""Of the question, and of its one answer."""

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
