"""All calls of SCIM: each row names a function from what was asked to the reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from rollbook.actions.scim import Found
from rollbook.scim import discovery, groups, users
from rollbook.scim.asking import Ask, Reply, listed, window

MEMBERS_SIZE = 4_194_304
"""Largest request about a group: 20,000 members with what Entra ID sends of each."""


class Row(NamedTuple):
    method: str
    path: str
    handle: Callable[..., Awaitable[Reply]]
    max_body: int = 0
    streams_body: bool = False

    @property
    def takes_body(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH") and self.handle is not not_implemented

    @property
    def is_search(self) -> bool:
        """True if the body is what a query string would say (RFC 7644 section 3.4.3)."""
        return self.path.endswith("/.search")


async def not_implemented(ask: Ask) -> Reply:
    """A SCIM key stands for no user."""
    detail = "A key stands for an identity provider, not for a user of it."
    return Reply(501, {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "501", "detail": detail})


async def search(ask: Ask) -> Reply:
    """Users, then groups."""
    offset, limit = window(ask)
    first = await users.found(ask, offset, limit)
    then = await groups.found(ask, max(0, offset - first.total), limit - len(first.resources))
    return listed(ask, Found(first.total + then.total, [*first.resources, *then.resources]))


CALLS = [
    Row("GET", "/scim/v2/Users", users.list_users),
    Row("POST", "/scim/v2/Users", users.create_user),
    Row("POST", "/scim/v2/Users/.search", users.list_users),
    Row("GET", "/scim/v2/Users/{userId}", users.get_user),
    Row("PUT", "/scim/v2/Users/{userId}", users.replace_user),
    Row("PATCH", "/scim/v2/Users/{userId}", users.patch_user),
    Row("DELETE", "/scim/v2/Users/{userId}", users.delete_user),
    Row("GET", "/scim/v2/Groups", groups.list_groups),
    Row("POST", "/scim/v2/Groups", groups.create_group, MEMBERS_SIZE),
    Row("POST", "/scim/v2/Groups/.search", groups.list_groups),
    Row("GET", "/scim/v2/Groups/{groupId}", groups.get_group),
    Row("PUT", "/scim/v2/Groups/{groupId}", groups.replace_group, MEMBERS_SIZE),
    Row("PATCH", "/scim/v2/Groups/{groupId}", groups.patch_group, MEMBERS_SIZE),
    Row("DELETE", "/scim/v2/Groups/{groupId}", groups.delete_group),
    Row("POST", "/scim/v2/.search", search),
    Row("GET", "/scim/v2/ServiceProviderConfig", discovery.provider_config),
    Row("GET", "/scim/v2/ResourceTypes", discovery.list_resource_types),
    Row("GET", "/scim/v2/ResourceTypes/{id}", discovery.get_resource_type),
    Row("GET", "/scim/v2/Schemas", discovery.list_schemas),
    Row("GET", "/scim/v2/Schemas/{id}", discovery.get_schema),
    *[Row(method, "/scim/v2/Me", not_implemented) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")],
]
"""All but Bulk, which finds its operations here."""
