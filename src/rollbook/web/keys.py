"""Account settings for API keys: list, create, reveal, rotate, revoke."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rollbook import clock, roles
from rollbook.errors import ApiError, NotFound
from rollbook.http.response import Response
from rollbook.limits.policy import key_bucket
from rollbook.quota import NO_LIMIT, Limit
from rollbook.records import keys
from rollbook.records import usage as usage_records
from rollbook.web import account, plots, usage
from rollbook.web.visit import Visit

SECTION = "account/keys"
PAGE = 20
SOON = 7 * clock.DAY
"""Keys that expire within this time are highlighted."""

EXPIRIES = (
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In 1 year"),
    ("never", "Never"),
    ("date", "On a date"),
)
OVERLAPS = (("0", "0 minutes: stop now"), ("3600", "1 hour"), ("86400", "1 day"), ("604800", "1 week"))
GROUPS = {"users": "Users", "keys": "API keys", "sessions": "Sessions", "events": "Event log", "metrics": "Server"}
FRESH = {
    "name": "",
    "reach": "all",
    "scopes": [],
    "expires": "90",
    "expires_on": "",
    "ip_allow": "",
    "rate_limit": "",
    "revealable": True,
}
LABELS = {
    "name": "The name",
    "scopes": "The permissions",
    "expires_at": "The expiry",
    "ip_allow": "Each entry",
    "rate_limit": "The rate limit",
}


class State(NamedTuple):
    kind: str
    text: str
    works: bool


async def show(visit: Visit) -> Response:
    """Newest first. The API lists oldest first, so pages are counted from the end."""
    total = await keys.count(visit.db, visit.me.user.id)
    last = max(1, -(-total // PAGE))
    number = visit.query.get("page", "1")
    page = min(int(number), last) if number.isdecimal() and number.isascii() and 1 <= len(number) < 10 and int(number) else 1
    end = total - (page - 1) * PAGE
    start = max(0, end - PAGE)
    found = (await visit.api("GET", "/v1/keys", limit=end - start, offset=start)).content if end else []
    return visit.render(
        "account/keys.html",
        section=SECTION,
        keys=list(reversed(found)),
        state=state,
        total=total,
        first=(page - 1) * PAGE + 1,
        previous=f"/account/keys?page={page - 1}" if page > 1 else None,
        next=f"/account/keys?page={page + 1}" if page < last else None,
        call=_call(visit, None),
    )


async def show_form(visit: Visit) -> Response:
    return _form(visit, FRESH, {})


async def create(visit: Visit) -> Response:
    """Responds with the page that shows the key: it is on no other page and in no URL."""
    given = _given(visit)
    try:
        answer = await visit.api("POST", "/v1/keys", _wanted(given))
    except _Unfit as unfit:
        return _form(visit, given, {unfit.field: unfit.sentence}, 400)
    except ApiError as error:
        return _form(visit, given, _problems(visit, error), error.status)
    return _made(visit, answer.content)


async def show_one(visit: Visit) -> Response:
    return await _page(visit, await _find(visit))


async def reveal(visit: Visit) -> Response:
    key = await _find(visit)
    try:
        answer = await visit.api("POST", f"/v1/keys/{key['id']}/reveal", {"password": visit.form.get("password", "")})
    except ApiError as error:
        if account.is_refusal(error):
            found = {"password": account.refusal(error)}
        else:
            found = account.problems(visit, error, {"password": "Your password"})
        return await _page(visit, key, error.status, headers=account.retry_after(error), problems=found)
    return await _page(visit, answer.content, secret=answer.content["key"])


async def rotate(visit: Visit) -> Response:
    key = await _find(visit)
    overlap = visit.form.get("overlap", "0")
    if overlap not in dict(OVERLAPS):
        overlap = "0"
    try:
        answer = await visit.api("POST", f"/v1/keys/{key['id']}/rotate", {"overlap": int(overlap)})
    except ApiError as error:
        return await _page(visit, key, error.status, problems={"": error.message})
    return _made(visit, answer.content, old=await _find(visit))


async def revoke(visit: Visit) -> Response:
    key = await _find(visit)
    if key["revoked_at"] is None:
        await visit.api("DELETE", f"/v1/keys/{key['id']}")
    return visit.redirect("/account/keys", "key-revoked")


def state(key: Mapping[str, Any]) -> State:
    """The status of a key."""
    if key["revoked_at"] is not None:
        return State("", "Revoked", False)
    if key["expires_at"] is None:
        return State("ok", "Active", True)
    left = clock.parse(key["expires_at"]) - clock.now()
    if left <= 0:
        return State("bad", "Expired", False)
    return State("warn", "Expires soon", True) if left <= SOON else State("ok", "Active", True)


async def _find(visit: Visit) -> dict[str, Any]:
    """One of the person's own keys. Admins manage other users' keys on the admin pages. Raises NotFound."""
    key = (await visit.api("GET", f"/v1/keys/{visit.ids[0]}")).content
    if key["user_id"] != visit.me.user.id:
        raise NotFound()
    return key


# ---- pages


async def _page(
    visit: Visit,
    key: dict[str, Any],
    status: int = 200,
    *,
    headers: bytes = b"",
    secret: str | None = None,
    problems: Mapping[str, str] = {},
) -> Response:
    since, until = usage.last_week()
    hours = await usage_records.hours(visit.db, key["user_id"], since, key["id"])
    own = Limit.parse(key["rate_limit"]) if key["rate_limit"] else NO_LIMIT
    return visit.render(
        "account/key.html",
        status,
        secret=secret is not None,
        headers=headers,
        section=SECTION,
        key=key,
        state=state(key),
        text=secret,
        problems=problems,
        overlaps=OVERLAPS,
        scopes=roles.SCOPES,
        call=_call(visit, key, secret),
        gauges=await usage.gauges(visit, key_bucket(key["user_id"], key["id"]), own),
        total=usage.totals(hours).requests,
        plot=plots.bars(hours, since, until) if hours else None,
    )


def _made(visit: Visit, key: dict[str, Any], old: dict[str, Any] | None = None) -> Response:
    return visit.render(
        "account/new_key.html",
        201,
        secret=True,
        section=SECTION,
        key=key,
        old=old,
        text=key["key"],
        call=_call(visit, key, key["key"]),
        environment=f"ROLLBOOK_URL={visit.services.url}\nROLLBOOK_KEY={key['key']}",
    )


def _form(visit: Visit, given: Mapping[str, Any], problems: Mapping[str, str], status: int = 200) -> Response:
    role = visit.me.user.role
    groups: dict[str, list[tuple[str, str]]] = {}
    for scope, description in roles.SCOPES.items():
        if scope in roles.grantable(role):
            groups.setdefault(GROUPS.get(scope.partition(":")[0], scope), []).append((scope, description))
    return visit.render(
        "account/key_form.html",
        status,
        section=SECTION,
        given=given,
        problems=problems,
        groups=groups,
        role=role,
        reaches_all=bool(roles.ON_ALL[role]),
        expiries=EXPIRIES,
        limit=str(visit.limit),
        address=visit.request.address,
    )


def _call(visit: Visit, key: Mapping[str, Any] | None, text: str | None = None) -> str:
    """A request to try, which the key is allowed to make."""
    scopes = None if key is None else key["scopes"]
    role = visit.me.user.role
    path = "/v1/users/me"
    if scopes is None or "users:read" in scopes:
        if "users:read" in roles.ON_ALL[role]:
            path = "/v1/users"
    elif "keys:read" in scopes:
        path = "/v1/keys/current"
    elif "events:read" in scopes:
        path = "/v1/events"
    elif "metrics:read" in scopes:
        path = "/metrics"
    return f'curl {visit.services.url}{path} \\\n  -H "Authorization: Bearer {text or "$ROLLBOOK_KEY"}"'


# ---- the form


class _Unfit(Exception):
    """A problem of a form field that can't be passed on."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


def _given(visit: Visit) -> dict[str, Any]:
    form = visit.form
    texts = {name: form.get(name, "").strip() for name in ("name", "reach", "expires", "expires_on", "ip_allow", "rate_limit")}
    return {**texts, "scopes": visit.chosen("scopes"), "revealable": "revealable" in form}


def _wanted(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the new key. Raises _Unfit."""
    wanted: dict[str, Any] = {"name": given["name"], "revealable": given["revealable"]}
    if given["reach"] == "some":
        if not given["scopes"]:
            raise _Unfit("scopes", "Select at least one permission, or choose full access.")
        wanted["scopes"] = given["scopes"]
    if (expires_at := _expiry(given)) is not None:
        wanted["expires_at"] = expires_at
    if networks := given["ip_allow"].replace(",", " ").split():
        wanted["ip_allow"] = networks
    if given["rate_limit"]:
        wanted["rate_limit"] = given["rate_limit"]
    return wanted


def _expiry(given: Mapping[str, Any]) -> str | None:
    expires = given["expires"]
    if expires == "date":
        if not given["expires_on"]:
            raise _Unfit("expires_on", "Choose the last day the key should work.")
        return f"{given['expires_on']}T23:59:59Z"
    if expires in dict(EXPIRIES) and expires.isdecimal():
        return clock.format_time(clock.now() + int(expires) * clock.DAY)
    return None


def _problems(visit: Visit, error: ApiError) -> dict[str, str]:
    found = account.problems(visit, error, LABELS)
    renamed = {"expires_at": "expires_on" if visit.form.get("expires") == "date" else "expires"}
    return {renamed.get(name, name): sentence for name, sentence in found.items()}
