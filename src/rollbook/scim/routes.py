"""All calls of SCIM: each row names a function from what was asked to the reply. Those of discovery are here: the
server's configuration, the types of its resources, and their schemas (RFC 7644 section 4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from rollbook.actions.scim import ScimPage
from rollbook.errors import NotFound
from rollbook.scim import groups, users
from rollbook.scim.asking import MAX_LISTED, Ask, Reply, listed, window
from rollbook.scim.attributes import CORE, EXTENSIONS, SCHEMAS

MAX_OPERATIONS, BULK_SIZE = 1_000, 1_048_576
"""Bounds of Bulk."""
_KINDS = {"User": "/Users", "Group": "/Groups"}


async def provider_config(ask: Ask) -> Reply:
    return Reply(
        200,
        {
            "schemas": [f"{CORE}ServiceProviderConfig"],
            "documentationUri": f"{ask.base.removesuffix('/scim/v2')}/docs/scim",
            "patch": {"supported": True},
            "bulk": {"supported": True, "maxOperations": MAX_OPERATIONS, "maxPayloadSize": BULK_SIZE},
            "filter": {"supported": True, "maxResults": MAX_LISTED},
            "changePassword": {"supported": False},
            "sort": {"supported": True},
            "etag": {"supported": True},
            "authenticationSchemes": [
                {
                    "type": "oauthbearertoken",
                    "name": "SCIM key",
                    "description": "Authorization: Bearer, and an API key of the kind scim.",
                    "primary": True,
                }
            ],
            "meta": {"resourceType": "ServiceProviderConfig", "location": f"{ask.base}/ServiceProviderConfig"},
        },
    )


async def list_schemas(ask: Ask) -> Reply:
    return _all(ask, [_schema(ask, schema) for schema in SCHEMAS])


async def get_schema(ask: Ask, id: str) -> Reply:
    return _one([_schema(ask, schema) for schema in SCHEMAS], id)


def _schema(ask: Ask, schema: dict[str, Any]) -> dict[str, Any]:
    meta = {"resourceType": "Schema", "location": f"{ask.base}/Schemas/{schema['id']}"}
    return {"schemas": [f"{CORE}Schema"], **schema, "meta": meta}


async def list_resource_types(ask: Ask) -> Reply:
    return _all(ask, [_resource_type(ask, kind) for kind in _KINDS])


async def get_resource_type(ask: Ask, id: str) -> Reply:
    return _one([_resource_type(ask, kind) for kind in _KINDS], id)


def _resource_type(ask: Ask, kind: str) -> dict[str, Any]:
    return {
        "schemas": [f"{CORE}ResourceType"],
        "id": kind,
        "name": kind,
        "endpoint": _KINDS[kind],
        "description": f"{kind}s of this server.",
        "schema": f"{CORE}{kind}",
        **({"schemaExtensions": [{"schema": urn, "required": False} for urn in EXTENSIONS]} if kind == "User" else {}),
        "meta": {"resourceType": "ResourceType", "location": f"{ask.base}/ResourceTypes/{kind}"},
    }


def _all(ask: Ask, resources: list[dict[str, Any]]) -> Reply:
    return listed(ask._replace(query={}), ScimPage(len(resources), resources))


def _one(resources: Sequence[dict[str, Any]], id: str) -> Reply:
    for resource in resources:
        if resource["id"] == id:
            return Reply(200, resource)
    raise NotFound()


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
    return listed(ask, ScimPage(first.total + then.total, [*first.resources, *then.resources]))


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
    ScimRow("GET", "/scim/v2/ServiceProviderConfig", provider_config),
    ScimRow("GET", "/scim/v2/ResourceTypes", list_resource_types),
    ScimRow("GET", "/scim/v2/ResourceTypes/{id}", get_resource_type),
    ScimRow("GET", "/scim/v2/Schemas", list_schemas),
    ScimRow("GET", "/scim/v2/Schemas/{id}", get_schema),
    *[ScimRow(method, "/scim/v2/Me", not_implemented) for method in ("GET", "POST", "PUT", "PATCH", "DELETE")],
]
"""All but Bulk, which finds its operations here."""
