"""Discovery: the server's configuration, the types of its resources, and their schemas (RFC 7644 section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rollbook.actions.scim import Found
from rollbook.errors import NotFound
from rollbook.scim.asking import MAX_LISTED, Ask, Reply, listed
from rollbook.scim.attributes import CORE, ENTERPRISE, SCHEMAS

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
        **({"schemaExtensions": [{"schema": ENTERPRISE, "required": False}]} if kind == "User" else {}),
        "meta": {"resourceType": "ResourceType", "location": f"{ask.base}/ResourceTypes/{kind}"},
    }


def _all(ask: Ask, resources: list[dict[str, Any]]) -> Reply:
    return listed(ask._replace(query={}), Found(len(resources), resources))


def _one(resources: Sequence[dict[str, Any]], id: str) -> Reply:
    for each in resources:
        if each["id"] == id:
            return Reply(200, each)
    raise NotFound()
