"""Requests of identity providers as the API of SCIM reads them, and the replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from rollbook.actions.context import Rollbook
from rollbook.actions.principal import Principal
from rollbook.actions.scim import ScimPage, ScimSearch
from rollbook.records.user_list.query import Order
from rollbook.scim import filters
from rollbook.scim.attributes import CORE, projected, target, targets
from rollbook.scim.errors import refused

MAX_LISTED, LISTED = 1_000, 100
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


class Ask(NamedTuple):
    """One admitted request."""

    on: Rollbook
    by: Principal
    base: str
    query: dict[str, str]
    body: dict[str, Any]
    versions: frozenset[str] | None
    """Versions of If-Match."""

    def names(self, name: str) -> list[str]:
        return [path.strip() for path in self.query.get(name.lower(), "").split(",") if path.strip()]

    def shows(self, kind: str, attribute: str) -> bool:
        """Test whether the reply has this attribute."""
        included, unwanted = self.names("attributes"), self.names("excludedAttributes")
        paths = targets(kind, included or unwanted)
        if included:
            return any(at.name == attribute for at in paths)
        return all(at.name != attribute or at.sub for at in paths)


class Reply(NamedTuple):
    status: int
    resource: dict[str, Any] | None = None


def reply(ask: Ask, kind: str, status: int, resource: dict[str, Any]) -> Reply:
    return Reply(status, projection(ask, kind)(resource))


def projection(ask: Ask, kind: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Function from a resource to what of it the reply has."""
    included, unwanted = ask.names("attributes"), ask.names("excludedAttributes")
    if not included and not unwanted:
        return lambda resource: resource
    paths, leaves_out = targets(kind, included or unwanted), not included
    return lambda resource: projected(resource, paths, leaves_out)


def whole(ask: Ask, kind: str) -> dict[str, Any]:
    """The body, which says that it is one of this kind."""
    schemas = next((value for name, value in ask.body.items() if name.lower() == "schemas"), None)
    if not isinstance(schemas, list) or f"{CORE}{kind}".lower() not in [str(schema).lower() for schema in schemas]:
        raise refused("invalidSyntax", f"schemas must name {CORE}{kind}.")
    return ask.body


def asked_in_body(ask: Ask) -> Ask:
    """The call with what its body says as the query string."""
    lists = {name.lower(): value if isinstance(value, list) else [value] for name, value in ask.body.items()}
    return ask._replace(query={name: ",".join(map(str, values)) for name, values in lists.items()})


def listed(ask: Ask, batch: ScimPage) -> Reply:
    return Reply(
        200,
        {
            "schemas": [_LIST],
            "totalResults": batch.total,
            "startIndex": window(ask)[0] + 1,
            "itemsPerPage": len(batch.resources),
            "Resources": batch.resources,
        },
    )


def window(ask: Ask) -> tuple[int, int]:
    """Offset and limit. Less than the least is the least, more than the most is the most (RFC 7644, table 6)."""
    return max(0, _number(ask, "startIndex", 1) - 1), min(MAX_LISTED, max(0, _number(ask, "count", LISTED)))


def _number(ask: Ask, name: str, otherwise: int) -> int:
    text = ask.query.get(name.lower(), str(otherwise))
    try:
        return min(int(text[:20]), 1 << 52)
    except ValueError:
        raise refused("invalidValue", f"{name} must be a whole number.") from None


# Attributes by which an index sorts all users.
_ORDERS = {"created": "created_at", "displayName": "name", "value": "email", "emails": "email"}
_LEADS = {
    ("userName", ""): "userName",
    ("externalId", ""): "externalId",
    ("id", ""): "id",
    ("emails", "value"): "email",
    ("displayName", ""): "displayName",
    ("members", "value"): "members",
}
_LEADS_OF = {"User": ("id", "userName", "externalId", "email"), "Group": ("id", "externalId", "displayName", "members")}


def search_of(ask: Ask, kind: str, shows: Callable[[Any], dict[str, Any]]) -> ScimSearch:
    """The search that is asked for, apart from the page."""
    search = ScimSearch()
    if text := ask.query.get("filter", "").strip():
        filter = filters.parse(kind, text)
        leads = {_LEADS[name]: value for name, value in filter.equal if name in _LEADS}
        lead = next(((name, leads[name]) for name in _LEADS_OF[kind] if name in leads), None)
        members = tuple({value for name, value in filter.named if name == ("members", "value")})
        search = ScimSearch(lead, lambda item: filter.test(shows(item)), members=members, conditions=filter.conditions)
    if path := ask.query.get("sortby", "").strip():
        by = target(kind, path)
        if by is None or not by.name or by.name == "members":
            raise refused("invalidPath", f"{path[:100]!r} is no attribute to sort by.")
        falling = ask.query.get("sortorder", "").strip().lower() == "descending"
        order = _ORDERS.get(by.sub or by.name) if kind == "User" else None

        def key(item: Any) -> tuple[bool, str]:
            value = "".join(map(str, by.values(shows(item))[:1]))
            return value == "", value if by.definition.get("caseExact") else value.lower()

        search = search._replace(key=key, falling=falling, order=None if order is None else Order(order, falling))
    return search
