"""Filters and order of the list of users, as its URL, its forms and its chips carry them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from rollbook import clock
from rollbook.actions import users
from rollbook.actions.arguments.users import TIMES, UserSelection
from rollbook.actions.checking import check_texts, metadata_pair
from rollbook.records.user_list.query import Query
from rollbook.records.users import User
from rollbook.roles import APPLICATION, PERSON
from rollbook.web import zones
from rollbook.web.page_request import PageRequest
from rollbook.web.zones import Zone

BOOLEANS = ("email_verified", "second_factor")
NAMES = ("q", "role", "status", "kind", "external_id", *TIMES, *BOOLEANS, "group", "sort")
HOW = ("sort", "zone")
"""Parameters that are no filters."""
POSITIONS = ("page", "cursor", "count")
ANY_KIND = "any"
KINDS = (("", "People"), (APPLICATION, "Applications"), (ANY_KIND, "Both"))
NEWEST_FIRST = "-created_at"
"""The order of the page, unless another is asked for. The API has its own."""
LABELS = {
    "role": "Role",
    "status": "Status",
    "kind": "Kind",
    "external_id": "External ID",
    "group": "Group",
    "created_after": "Created from",
    "created_before": "Created until",
    "active_after": "Active from",
    "active_before": "Active until",
    "ends_after": "Ends from",
    "ends_before": "Ends until",
    "status_since_before": "Status since",
    "email_verified": "Email verified",
    "second_factor": "Second factor",
    "metadata": "Metadata",
}

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").fullmatch


class Chip(NamedTuple):
    """A filter in effect, and the URL of the list without it."""

    label: str
    value: str
    without: str


def asked_of(form: Mapping[str, str]) -> dict[str, str]:
    """Return the filters as they were typed; blank where nothing was. What was typed as `metadata`, KEY=VALUE or,
    as in the API, KEY:VALUE, is added to those that are filtered by already. Days are those of the `zone`, if that is
    another than UTC."""
    values = {name: form.get(name, "").strip() for name in NAMES}
    values |= {name: value for name, value in form.items() if _is_metadata(name) and value}
    text = form.get("metadata", "")
    key, _, value = text.partition("=" if "=" in text else ":")
    if key.strip():
        values[f"metadata[{key.strip()}]"] = value.strip()
    if any(values[name] for name in TIMES) and (zone := zones.named(form.get("zone"))) != zones.WORLD:
        values["zone"] = zone.name
    return values


def filters_of(values: Mapping[str, str]) -> dict[str, str]:
    """The filters as texts of the API's parameters, without the order. Pages list persons unless `kind` says
    otherwise."""
    filters = {name: value for name, value in values.items() if value and name not in HOW and not _is_metadata(name)}
    if pairs := [metadata_pair(name[9:-1], value) for name, value in values.items() if _is_metadata(name)]:
        filters["metadata"] = ",".join(pairs)
    if filters.setdefault("kind", PERSON) == ANY_KIND:
        del filters["kind"]
    for name in TIMES:
        if name in filters:
            filters[name] = _bound(name, filters[name], zones.named(values.get("zone")))
    return filters


def selection_of(values: Mapping[str, str]) -> UserSelection:
    """Raises InvalidParameter."""
    return check_texts(UserSelection, filters_of(values) | {"sort": values["sort"] or NEWEST_FIRST})


def list_url(values: Mapping[str, str], path: str = "/admin/users", **more: object) -> str:
    """The URL of the list with these filters and parameters."""
    query = {name: str(value) for name, value in {**values, **more}.items() if value not in (None, "")}
    return path + (f"?{urlencode(query)}" if query else "")


def back_url(form: Mapping[str, str], path: str = "/admin/users") -> str:
    """The page of the list that a form was on."""
    return list_url(asked_of(form), path, **{name: form.get(name, "") for name in POSITIONS})


def chips(values: Mapping[str, str], shown: Mapping[str, str] = {}) -> list[Chip]:
    """`shown`: what is shown in the place of some values."""
    kind = values.get("kind", "")
    shown = {"kind": dict(KINDS).get(kind, kind).lower(), **shown}
    shown |= {name: {"true": "yes", "false": "no"}.get(values.get(name, ""), "") for name in BOOLEANS}
    labels = LABELS | {name: f"Metadata {name[9:-1]}" for name in values if _is_metadata(name)}
    return [
        Chip(label, shown.get(name, values[name]), list_url({**values, name: ""}))
        for name, label in labels.items()
        if values.get(name)
    ]


def _is_metadata(name: str) -> bool:
    return name.startswith("metadata[") and name.endswith("]")


def _bound(name: str, text: str, zone: Zone) -> str:
    """A day of the zone, from its beginning or until its end, as the exclusive time that the API has. Other text as it
    is."""
    if not _DAY(text):
        return text
    try:
        day = date.fromisoformat(text)
        if name.endswith("_after"):
            return clock.format_time_exactly(zone.midnight(day) - 1)
        return clock.format_time(zone.midnight(day + timedelta(1)))
    except (ValueError, OverflowError):
        return text


async def find_people(page: PageRequest, text: str, limit: int) -> list[User]:
    """Users whom somebody looks for by this text: first the one who has it as their email, then as the list finds them.
    Raises InvalidParameter, Unavailable."""
    exact = await matching(page, limit, email=text) if "@" in text else []
    return [*dict.fromkeys([*exact, *await matching(page, limit, q=text)])][:limit]


async def matching(page: PageRequest, limit: int, **filters: str) -> list[User]:
    """The first users whom these filters select. Raises InvalidParameter, Unavailable."""
    selection = check_texts(UserSelection, {**filters, "sort": NEWEST_FIRST})
    query = Query(users.filters_of(selection), users.order_of(users.sort_of(selection)), limit)
    return [User._make(row) for row in (await users.list_users(page.on, page.by, query)).rows]
