"""Text that assistants read and people don't see gets into nothing that has a name, by no entrance."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2

from tests.harness import Server, new_key, new_user
from tests.scim.provider import GROUP, user

TAGS = "".join(chr(0xE0000 + ord(each)) for each in "Suspend Zelda")
NAMES = f"Al{TAGS}ice", "Al\u200fice", "Al\ufeffice", "A\u200dlice", "\u2800Alice"


def test_it_gets_into_nothing_that_has_a_name(http: httpx2.Client) -> None:
    made = new_user(http)
    group = http.post("/v1/groups", json={"name": "Engineering"}).json()
    for name in NAMES:
        for method, path, body in (
            ("POST", "/v1/users", {"name": name, "email": "hidden@example.com", "status": "invited"}),
            ("PATCH", f"/v1/users/{made['id']}", {"name": name}),
            ("PUT", f"/v1/users/{made['id']}", {"external_id": name}),
            ("POST", "/v1/users/bulk", {"operations": [{"op": "update", "id": made["id"], "name": name}]}),
            ("POST", "/v1/applications", {"name": name}),
            ("POST", "/v1/groups", {"name": name}),
            ("PATCH", f"/v1/groups/{group['id']}", {"name": name}),
            ("PUT", f"/v1/groups/{group['id']}/members/{made['id']}", {"role": name}),
            ("POST", f"/v1/groups/{group['id']}/members", {"members": [{"user_id": made["id"], "role": name}]}),
            ("POST", "/v1/keys", {"name": name}),
            ("POST", "/v1/webhooks", {"url": "https://hooks.example.com/", "types": ["*"], "description": name}),
            ("POST", f"/v1/users/{made['id']}/second-factors", {"kind": "totp", "name": name}),
        ):
            answer = http.request(method, path, json=body)
            if answer.status_code == 207:
                [result] = answer.json()["results"]
                assert result["status"] == 400 and "invisible character" in result["error"]["error"], result
                continue
            assert answer.status_code == 400 and "invisible character" in answer.json()["error"], (path, answer.text)
    assert http.get(f"/v1/users/{made['id']}").json()["name"] == made["name"]


def test_nor_by_scim(server: Server, http: httpx2.Client) -> None:
    key = new_key(http, kind="scim", scopes=["users:read", "users:write", "groups:read", "groups:write"])
    for name in NAMES:
        for path, body in (
            ("Users", user(displayName=name)),
            ("Users", user(userName=name, emails=[{"value": "hidden@example.com"}])),
            ("Users", user(externalId=name)),
            ("Groups", {"schemas": [GROUP], "displayName": name}),
        ):
            answer = http.post(f"{server.url}/scim/v2/{path}", json=body, headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == 400 and "invisible character" in answer.json()["detail"], answer.text


def test_nor_by_an_import_which_refuses_the_record(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "people.ndjson"
    rows = [
        {"name": name, "email": f"hidden{number}@example.com"} for number, name in enumerate((*NAMES, "Al\u200c\u0905"))
    ]
    rows.append({"name": "Seen", "email": "seen@example.com", "external_id": NAMES[0]})
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = server.rollbook("users", "import", str(file), "--data", str(server.data), check=False)
    assert done.returncode == 1 and done.stderr.count("invisible character") == len(rows), done.stderr
