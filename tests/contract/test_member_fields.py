"""What users can change of themselves: the setting `member_fields`. Their metadata is the company's, by every entrance."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from rollbook import config
from tests import assistant
from tests.contract.expect import refused
from tests.engines import once
from tests.harness import Server, new_key, new_token, new_user, running
from tests.visitor import set_password, signed_in, visitor

Client = httpx2.Client
KEPT = {"plan": "free", "level": 1, "nickname": "Al"}
EVIL = {"plan": "enterprise", "is_admin": True}
PROOF = {"current_password": "securepassword123"}


def _by_mcp(member: Client) -> int:
    found = assistant.call(member, "update_user", user="me", metadata=EVIL)
    return 200 if not found.get("isError", "code" in found) else 403


def _imported(member: Client, user: dict[str, Any]) -> httpx2.Response:
    line = json.dumps({"name": "A", "email": user["email"], "metadata": EVIL})
    return member.post("/v1/imports?on_conflict=update", content=line)


ENTRANCES: dict[str, Callable[[Client, dict[str, Any]], Any]] = {
    "PATCH": lambda member, user: member.patch("/v1/users/me", json={"metadata": EVIL}),
    "PATCH by ID": lambda member, user: member.patch(f"/v1/users/{user['id']}", json={"metadata": EVIL}),
    "a key removed": lambda member, user: member.patch("/v1/users/me", json={"metadata": {"plan": None}}),
    "PUT": lambda member, user: member.put("/v1/users/me", json={"metadata": EVIL}),
    "PUT with If-Match": lambda member, user: member.put(
        "/v1/users/me", json={"metadata": KEPT | EVIL}, headers={"If-Match": "*"}
    ),
    "beside what is allowed": lambda member, user: member.patch("/v1/users/me", json={"name": "B", "metadata": EVIL}),
    "POST": lambda member, user: member.post(
        "/v1/users", json={"name": "A", "email": "new-member@example.com", "status": "invited", "metadata": EVIL}
    ),
    "bulk": lambda member, user: member.post(
        "/v1/users/bulk", json={"operations": [{"op": "update", "id": user["id"], "metadata": EVIL}]}
    ),
    "bulk job": lambda member, user: member.post(
        "/v1/bulk-jobs", json={"action": "metadata", "metadata": EVIL, "filter": {"ids": [user["id"]]}}
    ),
    "import": _imported,
    "MCP": lambda member, user: _by_mcp(member),
    "SCIM key": lambda member, user: member.post("/v1/keys", json={"name": "idp", "kind": "scim"}),
    "SCIM": lambda member, user: member.patch(
        f"/scim/v2/Users/{user['id']}",
        json={
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "metadata", "value": EVIL}],
        },
    ),
    "SCIM of oneself": lambda member, user: member.patch("/scim/v2/Me", json={"metadata": EVIL}),
}


@pytest.mark.parametrize("role", ["member", "viewer"])
def test_no_entrance_lets_members_and_viewers_write_their_metadata(
    server: Server, http: Client, as_role: Any, role: str
) -> None:
    member = as_role(role, metadata=KEPT)
    user, path = member.user, f"/v1/users/{member.user['id']}"
    scoped = server.http(new_key(http, user_id=user["id"], scopes=["users:read", "users:write"]))
    for by in (member, scoped):
        for name, attempt in ENTRANCES.items():
            answer = attempt(by, user)
            status = answer if isinstance(answer, int) else answer.status_code
            assert status in (401, 403, 404), (name, answer)
            assert http.get(path).json()["metadata"] == KEPT, name
    assert http.get(path).json()["name"] == user["name"]
    # What an admin did is not theirs to undo.
    assert http.patch(path, json={"metadata": {"plan": "paid"}}).status_code == 200
    (event,) = http.get("/v1/events", params={"user": user["id"], "type": "user.updated"}).json()
    assert member.post(f"/v1/events/{event['id']}/revert").status_code == 403
    with signed_in(server, user) as person:
        form = {"name": "B", "email": user["email"], "metadata": json.dumps(EVIL)}
        assert person.post("/account/profile", data=form).status_code == 303
        assert person.post(f"/admin/users/{user['id']}", data=form).status_code in (303, 403, 404)
        assert person.post("/admin/users/bulk", data={"ids": user["id"], "op": "metadata"}).status_code in (403, 404)
    assert http.get(path).json()["metadata"] == KEPT | {"plan": "paid"}
    assert member.get("/v1/users/me").json()["metadata"] == KEPT | {"plan": "paid"}
    assert http.get(path).json()["name"] == "B"
    scoped.close()


@once
def test_people_see_their_metadata_on_their_profile_and_none_that_is_private(server: Server, http: Client) -> None:
    metadata = {"plan": "<b>pro</b>", "seats": 3, "tags": ["a", "b"], "trial": None}
    for role in ("member", "viewer"):
        user = new_user(http, role=role, metadata=metadata, private_metadata={"fraud_score": 91})
        with signed_in(server, user) as person:
            page = person.get("/account").text
        shown = page.partition('<h2 id="metadata">')[2].partition("</section>")[0]
        assert re.findall(r"<dd>(.*)</dd>", shown) == [
            "&lt;b&gt;pro&lt;/b&gt;",
            "3",
            "[&#34;a&#34;, &#34;b&#34;]",
            "null",
        ]
        assert all(name in shown for name in metadata) and "<input" not in shown
        assert "fraud_score" not in page and "91" not in shown
    with signed_in(server, new_user(http)) as person:
        assert 'id="metadata"' not in person.get("/account").text


def test_a_one_time_token_sets_no_metadata(server: Server, http: Client) -> None:
    user = new_user(http, metadata=KEPT)
    token = new_token(http, user["id"], purpose="reset_password", data={"metadata": EVIL})
    new = {"token": token["token"], "password": "another-secure-password"}
    refused(http.post("/v1/tokens/consume", json=new | {"metadata": EVIL}), 400, "invalid_parameter")
    assert http.post("/v1/tokens/consume", json=new).json()["metadata"] == KEPT
    with visitor(server) as person:
        link = new_token(http, user["id"], purpose="reset_password")["url"]
        assert set_password(person, link, "one-more-secure-password").status_code == 303
    assert http.get(f"/v1/users/{user['id']}").json()["metadata"] == KEPT


def test_members_can_send_back_the_metadata_as_they_read_it(as_role: Any) -> None:
    member = as_role("member", metadata=KEPT)
    read = member.get("/v1/users/me").json()
    for method in ("PUT", "PATCH"):
        assert member.request(method, "/v1/users/me", json=read).status_code == 200
    # A true is not the 1 that it is equal to in some languages.
    member.put("/v1/users/me", json={"metadata": KEPT | {"level": True}})
    assert member.get("/v1/users/me").json() == read


def test_the_refusal_names_what_members_can_change(as_role: Any) -> None:
    answer = as_role("member").patch("/v1/users/me", json={"metadata": {"a": 1}, "external_id": "x"})
    error = refused(answer, 403, "insufficient_scope")
    assert error["error"] == "Only admins can change external_id, metadata. You can change your own name, email."


# ---- other settings


@pytest.fixture(scope="module")
def opened(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server where members can change two keys of their metadata, and neither name nor email."""
    fields = ("--member-fields", "metadata.nickname", "--member-fields", "metadata.a.b")
    with running(tmp_path_factory.mktemp("opened") / "data", "--rate-limit", "none", *fields) as server:
        yield server


def test_members_write_the_keys_that_are_opened_and_keep_all_others(opened: Server) -> None:
    with opened.http() as http:
        user = new_user(http, metadata=KEPT)
        member = opened.http(new_key(http, user_id=user["id"]))

        def now(method: str, metadata: Any) -> Any:
            answer = member.request(method, "/v1/users/me?fields=metadata", json={"metadata": metadata})
            assert answer.status_code == 200, answer.text
            return answer.json()["metadata"]

        assert now("PATCH", {"nickname": "Bo", "a.b": {"c": 1}}) == KEPT | {"nickname": "Bo", "a.b": {"c": 1}}
        assert now("PATCH", {"nickname": None}) == {"plan": "free", "level": 1, "a.b": {"c": 1}}
        assert now("PUT", {"nickname": "Cy"}) == {"plan": "free", "level": 1, "nickname": "Cy"}
        assert now("PUT", {}) == {"plan": "free", "level": 1}
        assert now("PUT", KEPT | {"level": True}) == KEPT
        for method, metadata in [
            ("PATCH", {"nickname": "Di", "plan": "pro"}),
            ("PATCH", {"plan": None}),
            ("PATCH", {"a": {"b": 1}}),
            ("PUT", {"nickname": "Di", "plan": "pro"}),
            ("PUT", {"nickname": "Di", "new": None}),
        ]:
            answer = member.request(method, "/v1/users/me", json={"metadata": metadata})
            refused(answer, 403, "insufficient_scope")
        large = member.patch("/v1/users/me", json={"metadata": {"nickname": "x" * 16_384}})
        assert refused(large, 400, "invalid_parameter")["param"] == "metadata"
        assert member.get("/v1/users/me").json()["metadata"] == KEPT
        member.close()


def test_name_and_email_can_be_closed_to_members_and_stay_open_to_admins(opened: Server) -> None:
    with opened.http() as http, signed_in(opened, new_user(http, role="admin")) as admin:
        user = new_user(http)
        member = opened.http(new_key(http, user_id=user["id"]))
        for change in ({"name": "Bo"}, {"email": "bo@example.com"} | PROOF):
            answer = member.patch("/v1/users/me", json=change)
            assert "Only admins can change" in refused(answer, 403, "insufficient_scope")["error"]
        with signed_in(opened, user) as person:
            page = person.get("/account").text
            assert page.count(" readonly") > 1 and "current_password" in page and ">Save<" not in page
            form = {"name": "Bo", "email": user["email"]}
            assert person.post("/account/profile", data=form).status_code == 403
        assert ">Save<" in admin.get("/account").text
        invited = http.post("/v1/users", json={"name": "Cy", "email": "cy@example.com", "status": "invited"}).json()
        new = {"password": "another-secure-password", "name": "The CEO"}
        token = new_token(http, invited["id"], purpose="invite")["token"]
        refused(http.post("/v1/tokens/consume", json=new | {"token": token}), 403, "insufficient_scope")
        same = http.post("/v1/tokens/consume", json=new | {"token": token, "name": "Cy"})
        assert (same.status_code, same.json()["name"]) == (200, "Cy")
        member.close()


@pytest.mark.parametrize("field", ["metadata", "metadata.", "role", "external_id", "metadata.\n"])
def test_only_name_email_and_keys_of_metadata_can_be_opened(field: str, tmp_path: Path) -> None:
    with pytest.raises(config.ConfigurationError, match=r"Use name, email, keys or metadata\.KEY"):
        config.load({"member_fields": (field,)}, {}, None)
