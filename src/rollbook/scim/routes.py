"""All calls of SCIM: each row names a function from what was asked to the reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from rollbook.actions.scim import Found
from rollbook.scim import discovery, groups, users
from rollbook.scim.asking import Ask, Reply, listed, window

MEMBERS_SIZE = 4_194_304
"""Largest request about a group: 20,000 members with what Entra ID sends of each."""


class ScimRow(NamedTuple):
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
    ScimRow("GET", "/scim/v2/Users", users.list_users),
    ScimRow("POST", "/scim/v2/Users", users.create_user),
    ScimRow("POST", "/scim/v2/Users/.search", users.list_users),
    ScimRow("GET", "/scim/v2/Users/{userId}", users.get_user),
    ScimRow("PUT", "/scim/v2/Users/{userId}", users.replace_user),
    ScimRow("PATCH", "/scim/v2/Users/{userId}", users.patch_user),
    ScimRow("DELETE", "/scim/v2/Users/{userId}", users.delete_user),
    ScimRow("GET", "/scim/v2/Groups", groups.list_groups),
    ScimRow("POST", "/scim/v2/Groups", groups.create_group, MEMBERS_SIZE),
    ScimRow("POST", "/scim/v2/Groups/.search", groups.list_groups),
    ScimRow("GET", "/scim/v2/Groups/{groupId}", groups.get_group),
    ScimRow("PUT", "/scim/v2/Groups/{groupId}", groups.replace_group, MEMBERS_SIZE),
    ScimRow("PATCH", "/scim/v2/Groups/{groupId}", groups.patch_group, MEMBERS_SIZE),
    ScimRow("DELETE", "/scim/v2/Groups/{groupId}", groups.delete_group),
    ScimRow("POST", "/scim/v2/.search", search),
    ScimRow("GET", "/scim/v2/ServiceProviderConfig", discovery.provider_config),
    ScimRow("GET", "/scim/v2/ResourceTypes", discovery.list_resource_types),
    ScimRow("GET", "/scim/v2/ResourceTypes/{id}", discovery.get_resource_type),
    ScimRow("GET", "/scim/v2/Schemas", discovery.list_schemas),
    ScimRow("GET", "/scim/v2/Schemas/{id}", discovery.get_schema),
    *[ScimRow(method, "/scim/v2/Me", not_implemented) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")],
]
"""All but Bulk, which finds its operations here."""
