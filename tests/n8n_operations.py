"""What a workflow does with each operation of the node for n8n: what its forms hold, and what must come of it."""

from __future__ import annotations

from typing import Any, Protocol

import httpx2

Parameters = dict[str, Any]


class Caller(Protocol):
    """n8n, or what stands in for it."""

    def call(self, name: str, /, **body: Any) -> list[dict[str, Any]]:
        """What the operation returns."""
        ...


def chosen(id: str) -> Parameters:
    return {"__rl": True, "mode": "id", "value": id}


BY_ID = chosen("={{ $json.body.id }}")
MEMBER = chosen("={{ $json.body.member }}")
# What each form asks for, with values that come from the request that starts it.
OPERATIONS: dict[str, Parameters] = {
    "user create": {
        "name": "={{ $json.body.name }}",
        "email": "={{ $json.body.email }}",
        "additionalFields": {
            "status": "invited",
            "external_id": "={{ $json.body.external_id }}",
            "metadata": '{"plan": "pro"}',
        },
    },
    "user get": {"userId": BY_ID, "options": {"fields": ["role"]}},
    "user getAll": {
        "returnAll": True,
        "filters": {"status": "invited", "created_after": "={{ $now.minus({hours: 1}) }}"},
    },
    "user count": {"filters": {"external_id": "={{ $json.body.external_id }}"}},
    "user update": {
        "userId": BY_ID,
        "updateFields": {"name": "={{ $json.body.name }}", "external_id": "", "metadata": {"seats": 3}},
    },
    "user suspend": {"userId": BY_ID},
    "user activate": {"userId": BY_ID},
    "user setPassword": {"userId": BY_ID, "password": "={{ $json.body.password }}"},
    "user createToken": {"userId": BY_ID, "purpose": "invite"},
    "user delete": {"userId": BY_ID},
    "user restore": {"userId": BY_ID},
    "application create": {"name": "={{ $json.body.name }}", "additionalFields": {"metadata": {"plan": "pro"}}},
    "application get": {"applicationId": BY_ID},
    "application getAll": {"filters": {"q": "shop"}},
    "application update": {"applicationId": BY_ID, "updateFields": {"rate_limit": "600/minute"}},
    "application delete": {"applicationId": BY_ID},
    "group create": {"name": "={{ $json.body.name }}", "additionalFields": {"metadata": {"floor": 2}}},
    "group get": {"groupId": BY_ID},
    "group getAll": {"filters": {"q": "engine"}},
    "group update": {"groupId": BY_ID, "updateFields": {"name": "={{ $json.body.name }}"}},
    "group setMember": {"groupId": BY_ID, "userId": MEMBER, "additionalFields": {"role": "lead"}},
    "group getMembers": {"groupId": BY_ID, "returnAll": True},
    "group removeMember": {"groupId": BY_ID, "userId": MEMBER},
    "group delete": {"groupId": BY_ID},
    "apiKey create": {
        "name": "from n8n",
        "additionalFields": {
            "scopes": ["users:read"],
            "ip_allow": "127.0.0.1, 203.0.113.0/24",
            "expires_at": "={{ $now.plus({days: 1}) }}",
            "revealable": False,
        },
    },
    "apiKey get": {"keyId": "={{ $json.body.id }}"},
    "apiKey getAll": {"returnAll": False, "limit": 1},
    "apiKey rotate": {"keyId": "={{ $json.body.id }}", "additionalFields": {"overlap": 60}},
    "apiKey revoke": {"keyId": "={{ $json.body.id }}"},
    "event getAll": {"returnAll": True, "filters": {"type": ["user.created", "key.*"], "order": "desc"}},
}


def every_operation(n8n: Caller, http: httpx2.Client) -> None:
    """Each operation of the node once, on one user and one key."""
    (user,) = n8n.call("user create", name="Ada Lovelace", email="ada@example.com", external_id="crm-1")
    assert (user["status"], user["external_id"], user["metadata"]) == ("invited", "crm-1", {"plan": "pro"})
    id = user["id"]
    assert n8n.call("user get", id=id) == [{name: user[name] for name in ("id", "name", "email", "role")}]
    assert [each["id"] for each in n8n.call("user getAll")] == [id]
    assert n8n.call("user count", external_id="crm-1") == [{"count": 1}]
    (link,) = n8n.call("user createToken", id=id, purpose="invite")
    assert link["url"].startswith("http")
    assert n8n.call("user setPassword", id=id, password="a few random words") == [{"success": True}]
    (changed,) = n8n.call("user update", id=id, name="Countess Lovelace")
    assert (changed["name"], changed["external_id"]) == ("Countess Lovelace", None)
    assert changed["metadata"] == {"plan": "pro", "seats": 3}
    assert n8n.call("user suspend", id=id)[0]["status"] == "suspended"
    assert n8n.call("user activate", id=id)[0]["status"] == "active"
    assert n8n.call("user delete", id=id) == [{"success": True}]
    assert http.get(f"/v1/users/{id}").status_code == 404
    assert n8n.call("user restore", id=id)[0]["id"] == id

    (shop,) = n8n.call("application create", name="Shop")
    assert (shop["kind"], shop["metadata"]) == ("application", {"plan": "pro"})
    assert n8n.call("application get", id=shop["id"])[0]["name"] == "Shop"
    assert [each["id"] for each in n8n.call("application getAll")] == [shop["id"]]
    assert n8n.call("application update", id=shop["id"])[0]["rate_limit"] == "600/minute"
    assert n8n.call("application delete", id=shop["id"]) == [{"success": True}]

    (group,) = n8n.call("group create", name="Engineers")
    assert (group["name"], group["metadata"]) == ("Engineers", {"floor": 2})
    both = {"id": group["id"], "member": id}
    assert n8n.call("group get", **both)[0]["id"] == group["id"]
    assert [each["id"] for each in n8n.call("group getAll")] == [group["id"]]
    n8n.call("group setMember", **both)
    assert [(each["user_id"], each["role"]) for each in n8n.call("group getMembers", **both)] == [(id, "lead")]
    assert n8n.call("group removeMember", **both) == [{"success": True}]
    assert n8n.call("group update", **both, name="Builders")[0]["name"] == "Builders"
    assert n8n.call("group delete", **both) == [{"success": True}]
    assert http.get(f"/v1/groups/{group['id']}").status_code == 404

    (key,) = n8n.call("apiKey create")
    assert key["key"] and key["scopes"] == ["users:read"] and key["ip_allow"] == ["127.0.0.1/32", "203.0.113.0/24"]
    assert n8n.call("apiKey get", id=key["id"])[0]["name"] == "from n8n"
    assert len(n8n.call("apiKey getAll")) == 1
    (rotated,) = n8n.call("apiKey rotate", id=key["id"])
    assert rotated["id"] != key["id"]
    assert n8n.call("apiKey revoke", id=rotated["id"]) == [{"success": True}]
    events = n8n.call("event getAll")
    assert {each["type"] for each in events} == {"user.created", "key.created", "key.rotated", "key.revoked"}
