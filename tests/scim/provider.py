"""What an identity provider sends and expects."""

from __future__ import annotations

import itertools
from typing import Any

import httpx2

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ROLLBOOK = "urn:ietf:params:scim:schemas:extension:rollbook:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

_numbers = itertools.count(1)


class Provider:
    """A client with a SCIM key."""

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http

    def new_user(self, **fields: Any) -> dict[str, Any]:
        """A user, as the answer shows them."""
        return told(self.http.post("/Users", json=user(**fields)), 201)

    def new_group(self, *members: str, **fields: Any) -> dict[str, Any]:
        body = {
            "schemas": [GROUP],
            "displayName": "Engineering",
            "members": [{"value": id} for id in members],
            **fields,
        }
        return told(self.http.post("/Groups", json=body), 201)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return told(self.http.get(path, params=query))

    def patch(self, path: str, *operations: dict[str, Any]) -> dict[str, Any]:
        body = {"schemas": [PATCH], "Operations": operations}
        return told(self.http.patch(path, json=body))

    def found(self, filter: str, kind: str = "Users", **query: Any) -> list[str]:
        """IDs of those that pass a filter."""
        answer = self.get(f"/{kind}", filter=filter, **query)
        assert answer["totalResults"] >= len(answer["Resources"]) == answer["itemsPerPage"]
        return [each["id"] for each in answer["Resources"]]


def user(**fields: Any) -> dict[str, Any]:
    """The body that creates someone whom no one knows yet."""
    name = fields.pop("userName", f"ada{next(_numbers)}@example.com")
    return {
        "schemas": [USER, ENTERPRISE],
        "userName": name,
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "active": True,
        **fields,
    }


def told(answer: httpx2.Response, status: int = 200) -> dict[str, Any]:
    """The body of an answer with this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/scim+json"
    found: dict[str, Any] = answer.json()
    return found


def refused(answer: httpx2.Response, status: int, scim_type: str | None = None) -> str:
    """The sentence of an error."""
    found = told(answer, status)
    assert found["schemas"] == [ERROR]
    assert found["status"] == str(status)
    assert found.get("scimType") == scim_type
    assert found["detail"]
    return str(found["detail"])
