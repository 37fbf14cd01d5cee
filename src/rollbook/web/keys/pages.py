"""Pages about the API keys of a holder, one's own or a user's that an admin looks at: their list, those that work, and
folded below them those that were revoked or have expired; one key with its details and usage, revealing, rotating and
revoking it; and after that the key in full, with configurations to paste into assistants."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rollbook import clock, roles
from rollbook.actions import key_bounds, keys
from rollbook.actions.arguments.keys import KeyRotation, ListKeys
from rollbook.actions.arguments.passwords import PasswordProof
from rollbook.actions.checking import check_texts
from rollbook.actions.context import ListPage
from rollbook.actions.keys import IssuedKey
from rollbook.docs_site import guide
from rollbook.errors import ApiError, NotFound
from rollbook.http.request import Response
from rollbook.mcp.tools import TOOLS
from rollbook.records import usage as records
from rollbook.records import users
from rollbook.records.keys import Key, KeyName
from rollbook.records.users import User
from rollbook.roles import APPLICATION
from rollbook.web import forms, lists, plots, shown_once, usage
from rollbook.web.page_request import PageRequest

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


class Holder(NamedTuple):
    user: User
    base: str
    """The path of the list of keys, under which all else about them is."""
    section: str
    """The entry of the side navigation."""
    requests: str
    """The path of the request log of these keys."""
    mine: bool


def mine(page: PageRequest) -> Holder:
    return Holder(page.me.user, "/account/keys", "account/keys", "/account/requests", True)


def theirs(user: User) -> Holder:
    base = f"/admin/users/{user.id}"
    section = "admin/applications" if user.kind == APPLICATION else "admin/users"
    return Holder(user, f"{base}/keys", section, f"{base}/requests", False)


async def find_key(page: PageRequest, holder: Holder, id: str) -> Key:
    """One of their keys. Raises NotFound."""
    key = await keys.get(page.on, page.by, id)
    if key.user_id != holder.user.id:
        raise NotFound()
    return key


async def find_own(page: PageRequest, id: str) -> Key:
    """One of the person's own. An admin's permissions on others' keys are for the admin pages. Raises NotFound."""
    return await find_key(page, mine(page), id)


async def chosen_own(page: PageRequest) -> Key | None:
    """The key that the URL asks for, which must be the person's own. Raises NotFound."""
    id = page.query.get("key")
    return await find_own(page, id) if id else None


def key_options(names: Iterable[KeyName], chosen: Key | None) -> list[tuple[str, str]]:
    """Options of a select field, in which `chosen` is never missing."""
    options = {key.id: key_label(key) for key in names}
    if chosen is not None:
        options.setdefault(chosen.id, key_label(chosen))
    return list(options.items())


def key_label(key: Key | KeyName) -> str:
    return f"{key.name} (…{key.last_four})"


PAGE = 100
FEW = 10
"""Keys that need no search."""
NEWEST = "-created_at"
SORTS = (
    ("", "Newest first"),
    ("created_at", "Oldest first"),
    ("-last_used_at", "Last used first"),
    ("last_used_at", "Longest unused first"),
    ("name", "Name"),
)
SOON = 7 * clock.DAY
"""A key that expires within this is pointed out."""


class KeyState(NamedTuple):
    kind: str
    text: str
    works: bool


def state(key: Key) -> KeyState:
    """State of a key now."""
    if key.revoked_at is not None:
        return KeyState("", "Revoked", False)
    if key.status == "suspended":
        return KeyState("warn", "Suspended", True)
    if key.expires_at is None:
        return KeyState("ok", "Active", True)
    left = key.expires_at - clock.now()
    if left <= 0:
        return KeyState("bad", "Expired", False)
    return KeyState("warn", "Expires soon", True) if left <= SOON else KeyState("ok", "Active", True)


async def listed(page: PageRequest, holder: Holder) -> dict[str, Any]:
    """Context of `keys/list.html`."""
    values = asked_of(page, ("q", "sort"))

    async def read(works: bool, offset: int) -> ListPage[Key]:
        wanted = {"user": holder.user.id, "limit": str(PAGE), "offset": str(offset), "sort": NEWEST}
        wanted |= {name: value for name, value in values.items() if value}
        return await keys.list_by_state(page.on, page.by, check_texts(ListKeys, wanted), works)

    frame = await by_state(page, holder.base, values, read, ListPage[Key]([]))
    many = bool(values["q"]) or frame["found"].total + frame["others"].total > FEW
    return frame | {"holder": holder, "many": many}


def asked_of(page: PageRequest, names: Iterable[str]) -> dict[str, str]:
    """The filters and the order that the URL asks for."""
    asked = {name: page.query.get(name, "").strip() for name in names}
    return asked | {"sort": asked["sort"] if asked["sort"] in dict(SORTS) else ""}


async def by_state(
    page: PageRequest,
    path: str,
    asked: Mapping[str, str],
    read: Callable[[bool, int], Awaitable[lists.ListPart]],
    blank: lists.ListPart,
    labels: dict[str, str] = forms.LABELS,
) -> dict[str, Any]:
    """Context of a page of the keys that work, and the first of the `others`; with `?show=ended` the other way round.
    `read` returns those of a state from an offset on."""
    ended, others = page.query.get("show") == "ended", blank

    async def part(offset: int) -> lists.ListPart:
        nonlocal others
        found, others = await read(not ended, offset), await read(ended, 0)
        return found

    frame = await lists.numbered(page, path, {**asked, "show": "ended" if ended else ""}, PAGE, part, blank, labels)
    return frame | {"ended": ended, "others": others, "sorts": SORTS, "state": state}


PROVIDERS = {"entra": "Microsoft Entra ID", "okta": "Okta", "other": "Identity provider"}
"""Identity providers, by the name that the URL has for them; each is also the name of a new key."""


async def show(page: PageRequest, holder: Holder, id: str, may_change: bool = True) -> Response:
    return await _key_page(page, holder, await find_key(page, holder, id), may_change=may_change)


async def reveal(page: PageRequest, holder: Holder, id: str) -> Response:
    key = await find_key(page, holder, id)
    try:
        issued = await keys.reveal(page.on, page.by, key.id, PasswordProof())
    except ApiError as error:
        return await _key_page(page, holder, key, forms.problems(page, error))
    return redirect_to_secret(page, holder, issued, revealed=True)


async def rotate(page: PageRequest, holder: Holder, id: str) -> Response:
    key = await find_key(page, holder, id)
    try:
        issued = await keys.rotate(page.on, page.by, key.id, KeyRotation(overlap=forms.overlap(page.form)))
    except ApiError as error:
        return await _key_page(page, holder, key, forms.problems(page, error))
    return redirect_to_secret(page, holder, issued, old=key)


async def revoke(page: PageRequest, holder: Holder, id: str) -> Response:
    await keys.revoke(page.on, page.by, id, of=holder.user.id)
    return page.redirect(holder.base, "key-revoked")


def redirect_to_secret(
    page: PageRequest,
    holder: Holder,
    issued: IssuedKey,
    old: Key | None = None,
    revealed: bool = False,
    query: str = "",
) -> Response:
    """`old` is the key that it replaces; `query` says for which identity provider or assistant it is."""
    shown = {"token": issued.token, "old": old and old.id, "revealed": revealed}
    return shown_once.redirect(page, f"{holder.base}/{issued.key.id}/secret", shown, query)


async def show_secret(page: PageRequest, holder: Holder, id: str) -> Response:
    """Once it is too late, leads to the page about the key. Raises NotFound."""
    key = await find_key(page, holder, id)
    shown = shown_once.found(page)
    if shown is None:
        return page.redirect(f"{holder.base}/{key.id}")
    token = shown["token"]
    is_scim, assistant = key.kind == "scim", page.query.get("assistant", "")
    if assistant in ASSISTANTS and not is_scim:
        return _assistant(page, holder, key, token, assistant)
    return page.render(
        "keys/scim_secret.html" if is_scim else "keys/secret.html",
        secret=True,
        section="admin/scim" if is_scim else holder.section,
        provider=page.query.get("provider", ""),
        providers=PROVIDERS,
        holder=holder,
        key=key,
        token=token,
        old=None if shown["old"] is None else await find_key(page, holder, shown["old"]),
        revealed=shown["revealed"],
        minutes=shown_once.MINUTES,
        call=example_call(page, holder, key, token),
        purpose=key_bounds.purpose_of(holder.user, key) if holder.user.kind == APPLICATION else None,
        program=_program(page, holder, key, token),
        environment=f"ROLLBOOK_URL={page.on.url}\nROLLBOOK_KEY={token}",
    )


def _program(page: PageRequest, holder: Holder, key: Key, token: str) -> str | None:
    """The program that works with the key of an application, if it has a purpose."""
    purpose = key_bounds.purpose_of(holder.user, key) if holder.user.kind == APPLICATION else None
    if purpose is None:
        return None
    return key_bounds.program(purpose, page.on.url, token, (key.audiences or "").split(), guide.program("flask"))


def _assistant(page: PageRequest, holder: Holder, key: Key, token: str, assistant: str) -> Response:
    scopes = key_bounds.scopes_of(key.scopes)
    changes = {tool.row.scope for tool in TOOLS.values() if not tool.is_read_only}
    is_read_only = scopes is not None and not scopes & changes
    return page.render(
        "keys/assistant_secret.html",
        secret=True,
        section="account/assistants",
        holder=holder,
        key=key,
        minutes=shown_once.MINUTES,
        assistant=assistant,
        assistants=ASSISTANTS,
        setup=setup(assistant, page.on.url, token, is_read_only),
    )


async def _key_page(
    page: PageRequest,
    holder: Holder,
    key: Key,
    problems: Mapping[str, str] = {},
    may_change: bool = True,
) -> Response:
    since, until = usage.last_week()
    hours = await records.hours(page.on.db, key.user_id, since, key.id)
    return page.render(
        "keys/key.html",
        section=holder.section,
        holder=holder,
        key=key,
        state=state(key),
        creator=await _creator(page, key),
        may_change=may_change,
        problems=problems,
        overlaps=forms.OVERLAPS,
        scopes=roles.SCOPES,
        gauges=await usage.gauges_of(page, key),
        total=records.total(hours).requests,
        plot=plots.requests(hours, since, until, zone=page.zone) if hours else None,
    )


async def _creator(page: PageRequest, key: Key) -> str | None:
    """Name of the person whom the key goes back to, if that is not its user."""
    if key.created_by in (None, "", key.user_id) or not page.may("users:read"):
        return None
    return await users.name(page.on.db, key.created_by or "")


def example_call(page: PageRequest, holder: Holder, key: Key | None = None, token: str | None = None) -> str:
    """One that the key may make; without a key, any that its user may."""
    scopes = None if key is None else key_bounds.scopes_of(key.scopes)
    path = "/v1/users/me"
    if scopes is None or "users:read" in scopes:
        if "users:read" in roles.ON_ALL[holder.user.role]:
            path = "/v1/users"
    elif "keys:read" in scopes:
        path = "/v1/keys/current"
    elif "events:read" in scopes:
        path = "/v1/events"
    elif "metrics:read" in scopes:
        path = "/metrics"
    return f'curl {page.on.url}{path} \\\n  -H "Authorization: Bearer {token or "$ROLLBOOK_KEY"}"'
