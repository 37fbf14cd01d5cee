"""The tools that assistants get: each is a row of `api/routes` with a name, words for a model, and the arguments that
it may choose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from rollbook.actions.checking import did_you_mean, fields_of, invalid, metadata_pair
from rollbook.api.route import Route
from rollbook.api.routes import ROUTES
from rollbook.errors import Fault, quoted
from rollbook.schemas import Schema, paragraphs

_ROWS = {f"{row.method} {row.path}": row for row in ROUTES}
_PATH = {"{userId}": "user_id", "{webhookId}": "webhook_id", "{ruleId}": "rule_id"}
_ID = re.compile(r"[\w-]{1,64}", re.A).fullmatch
DRY_RUN = "dry_run"
"""The argument of all tools that change something."""
MAX_VALUES = 10
"""Values of a list's items that are worth naming: a model knows event types by the events that it has seen."""
_LISTED = "role,status,external_id,created_at,last_active_at,ends_at"


class Tool(NamedTuple):
    name: str
    call: str
    """The row that it is made of."""
    says: str
    takes: str = ""
    """Arguments besides what the path names."""
    needs: str = ""
    """Arguments that the tool requires, though the row doesn't."""
    choices: Mapping[str, list[str]] = {}
    """Values that it leaves to the model, where they are fewer than those of the row."""
    sends: Mapping[str, Any] = {}
    """Fields that the model doesn't choose, and defaults of those that it does."""
    asks: str = ""
    """Arguments for which a person has to confirm the call; `*`: they always have to."""
    undone_by: str = ""
    """The tool that undoes it."""
    reaches_out: bool = False
    """True if it sends something to others than Rollbook."""

    @property
    def row(self) -> Route:
        return _ROWS[self.call]

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @property
    def id_name(self) -> str | None:
        """The argument that the path needs."""
        return next((name for part, name in _PATH.items() if part in self.row.path), None)

    @property
    def is_read_only(self) -> bool:
        return self.row.method == "GET" or self.row.path.endswith("/preview")

    def is_within(self, on_all: frozenset[str], on_self: frozenset[str]) -> bool:
        """Test whether these scopes reach it: for all users, or for the caller where that is something."""
        return self.row.scope in on_all or (bool(self.row.self_access) and self.row.scope in on_self)

    def must_ask(self, arguments: Mapping[str, Any]) -> bool:
        """Test whether a person has to confirm a call with these arguments."""
        is_dry = self.row.can_be_previewed and arguments.get(DRY_RUN) is True
        return not is_dry and (self.asks == "*" or any(name in arguments for name in self.asks.split()))


TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "find_users",
            "GET /v1/users",
            "Finds users by search text, email, role, status, kind, metadata or date. `total` says how many match. "
            "`get_user` returns all fields of one.",
            "q email external_id role status kind group created_after created_before active_after active_before "
            "ends_after ends_before email_verified second_factor status_since_before metadata sort limit cursor",
            sends={"fields": _LISTED, "count": "exact", "limit": 20},
        ),
        Tool("get_user", "GET /v1/users/{userId}", "Returns all fields of one user."),
        Tool(
            "create_user",
            "POST /v1/users",
            "Creates an invited user, who sets a password by `send_link`. They have the role member.",
            "name email external_id metadata ends_at",
            sends={"status": "invited"},
        ),
        Tool(
            "update_user",
            "PATCH /v1/users/{userId}",
            "Changes the fields that are given. Metadata is merged, and null removes a key. A person has to confirm "
            "a new email, role or end.",
            "name email role external_id metadata ends_at",
            asks="email role ends_at",
        ),
        Tool(
            "suspend_user",
            "POST /v1/users/{userId}/suspend",
            "Ends a user's sessions and API keys until they are activated. A person has to confirm it.",
            asks="*",
            undone_by="activate_user",
        ),
        Tool("activate_user", "POST /v1/users/{userId}/activate", "Lets a suspended user sign in again."),
        Tool(
            "delete_user",
            "DELETE /v1/users/{userId}",
            "Deletes a user. They can be restored for a time. A person has to confirm it.",
            asks="*",
            undone_by="restore_user",
        ),
        Tool(
            "restore_user",
            "POST /v1/users/{userId}/restore",
            "Restores a deleted user. `find_users` with the status deleted lists them.",
        ),
        Tool(
            "list_groups",
            "GET /v1/groups",
            "Finds groups, or those of one user with their role there. `find_users` with `group` lists the members.",
            "q name external_id user sort limit offset",
            sends={"limit": 20},
        ),
        Tool(
            "user_timeline",
            "GET /v1/events",
            "Lists what happened to one user, newest first: changes, sign-ins, API keys, suspensions.",
            "user type created_after created_before limit before",
            needs="user",
            sends={"order": "desc", "limit": 20},
        ),
        Tool(
            "list_events",
            "GET /v1/events",
            "Lists the event log: who changed what, when, and from which IP address. Newest first by default.",
            "type actor address created_after created_before order limit after before",
            sends={"order": "desc", "limit": 20},
        ),
        Tool(
            "usage_and_limits",
            "GET /v1/usage",
            "Counts the API requests of a user, or with the user `all` those of the whole server by user, by endpoint "
            "and API key, with errors and refusals by the rate limit. `limits` is what is left to this API key.",
            "user key period",
        ),
        Tool(
            "list_webhooks",
            "GET /v1/webhooks",
            "Lists webhooks with their status and health: what failed and what waits. Without their secrets.",
            "user limit offset",
            sends={"limit": 20},
        ),
        Tool(
            "replay_webhook",
            "POST /v1/webhooks/{webhookId}/replays",
            "Sends past events to a webhook again, such as those that failed during an outage.",
            "from to types user only",
            reaches_out=True,
        ),
        Tool(
            "list_rules",
            "GET /v1/rules",
            "Lists rules, which change users by themselves: when, for whom, what they do, when they run next.",
            "limit offset",
            sends={"limit": 20},
        ),
        Tool(
            "preview_rule",
            "POST /v1/rules/{ruleId}/preview",
            "Returns how many people a rule would begin with, and the first of them. Changes nothing.",
        ),
        Tool(
            "send_link",
            "POST /v1/users/{userId}/tokens",
            "Mails a user a link to set a password: `invite` for new users, `reset_password` for others. The link is "
            "never shown here.",
            "purpose",
            needs="purpose",
            choices={"purpose": ["reset_password", "invite"]},
            sends={"send": True},
            reaches_out=True,
        ),
    )
}
"""By name, in the order in which they are shown."""
_SAYS: dict[str | tuple[str, str], str] = {
    "type": "Event types such as user.created, or user.* for all of a group.",
    "sort": "What to sort by. With a hyphen: in descending order.",
    "cursor": "`next.cursor` of the page before.",
    "purpose": "What the link is for.",
    ("find_users", "metadata"): 'Only users with these values in their metadata, such as {"plan": "pro"}.',
}
"""The descriptions of what has none, or one that is about HTTP."""


@cache
def shown(name: str, can_ask: bool) -> Schema:
    """A tool as it is listed. Without arguments that have to be confirmed, for a client that can ask no one."""
    tool = TOOLS[name]
    properties, required = _arguments(tool, "" if can_ask else tool.asks)
    return {
        "name": name,
        "title": tool.title,
        "description": tool.says,
        "inputSchema": {
            "type": "object",
            "properties": properties,
            **({"required": required} if required else {}),
            "additionalProperties": False,
        },
        "annotations": {
            "readOnlyHint": tool.is_read_only,
            "destructiveHint": bool(tool.asks),
            "idempotentHint": tool.row.success != 201,
            "openWorldHint": tool.reaches_out,
        },
    }


def _arguments(tool: Tool, without: str) -> tuple[dict[str, Schema], list[str]]:
    """Schemas of the arguments, and the names of those that are required."""
    row = tool.row
    kinds = [kind for kind in (row.query, row.body) if kind is not None]
    _, schemas = msgspec.json.schema_components(kinds, schema_hook=_own_type, ref_template="{name}")
    fields: Schema = {}
    required = [tool.id_name] if tool.id_name else []
    needed = set(tool.needs.split())
    for kind in kinds:
        fields |= schemas[kind.__name__]["properties"]
        needed |= set(schemas[kind.__name__].get("required", ()))
    properties: dict[str, Schema] = {
        name: {"type": "string", "description": f"ID of the {name.removesuffix('_id')}."} for name in required
    }
    for name in tool.takes.split():
        if name in without.split():
            continue
        properties[name] = _short(fields[name], tool.is_read_only)
        if name in tool.choices:
            properties[name]["enum"] = tool.choices[name]
        elif name in tool.sends:
            properties[name]["default"] = tool.sends[name]
        if says := _SAYS.get((tool.name, name)) or _SAYS.get(name):
            properties[name]["description"] = says
        if name in needed:
            required.append(name)
    if row.can_be_previewed:
        properties[DRY_RUN] = {"type": "boolean", "description": "True: only returns what would happen."}
    return properties, required


def _own_type(kind: Any) -> Schema:
    return {"description": paragraphs(kind.__doc__), **kind.schema}


def _short(schema: Schema, is_filter: bool) -> Schema:
    """The part of a schema that a model has to know: type, values and description. The row checks the rest."""
    nullable = False
    if "anyOf" in schema:
        inner, *others = schema["anyOf"]
        nullable = {"type": "null"} in others and not is_filter
        schema = {**inner, **schema}
    short = {key: schema[key] for key in ("type", "enum", "minimum", "maximum") if key in schema}
    short.setdefault("type", "string")
    if "items" in schema:
        values = schema["items"].get("enum", ())
        short["items"] = {"type": "string", **({"enum": values} if 0 < len(values) <= MAX_VALUES else {})}
    if nullable:
        short["type"] = [short["type"], "null"]
    return {**short, "description": schema.get("description", "")}


# ---- calls


class Parts(NamedTuple):
    """Parts of an API call."""

    path: str
    ids: tuple[str, ...]
    query: str
    body: bytes


def parts(tool: Tool, arguments: Mapping[str, Any]) -> Parts:
    """The API call that a tool makes with these arguments. Raises InvalidParameter."""
    row, left, name = tool.row, dict(arguments), tool.id_name
    accepted = [*filter(None, (name, *tool.takes.split(), DRY_RUN if row.can_be_previewed else None))]
    known = f"Arguments: {', '.join(accepted) or 'none'}."
    faults = [
        Fault(arg, f"{quoted(arg)} is not an argument of this tool. {did_you_mean(arg, accepted)}{known}")
        for arg in left
        if arg not in accepted
    ]
    id = left.pop(name, None) if name else ""
    if name and (not isinstance(id, str) or not _ID(id)):
        faults.append(Fault(name, f"{name} is required, as text."))
    faults += [Fault(arg, f"{arg} is required.") for arg in tool.needs.split() if not left.get(arg)]
    if not isinstance(left.get(DRY_RUN, False), bool):  # the row would accept more, which the answer wouldn't tell
        faults.append(Fault(DRY_RUN, f"{DRY_RUN} must be true or false."))
    for arg, values in tool.choices.items():
        if left.get(arg) is not None and left[arg] not in values:
            faults.append(Fault(arg, f"{arg} must be one of {', '.join(values)}."))
    if faults:
        raise invalid(faults)
    path = re.sub("{[^}]*}", quote(str(id), safe=""), row.path)
    fields = fields_of(row.body) if row.body is not None else {}
    whole = {"fields": "*"} if row.query is not None and "fields" in fields_of(row.query) else {}
    sent = {**whole, **tool.sends, **left}
    body = {part: value for part, value in sent.items() if part in fields}
    query = [pair for part, value in sent.items() if part not in fields for pair in _as_texts(part, value)]
    return Parts(path, (str(id),) if name else (), urlencode(query), msgspec.json.encode(body) if body else b"")


def _as_texts(name: str, value: Any) -> list[tuple[str, str]]:
    """A value as parameters of a query."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [(name, ",".join(metadata_pair(key, _as_text(part)) for key, part in value.items()))]
    if isinstance(value, list):
        return [(name, ",".join(map(_as_text, value)))]
    return [(name, _as_text(value))]


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
