"""Groups with 10,000 members, and more users than a filter without an index looks at."""

from __future__ import annotations

import httpx2

from tests.scim.provider import GROUP, Provider, refused, told


def test_ten_thousand_members(idp: Provider, http: httpx2.Client) -> None:
    """In one request, shown whole or not at all, and without being named by each answer."""
    ids: list[str] = []
    for start in range(0, 10_001, 1_000):
        made = [
            {"op": "create", "name": f"Member {number}", "email": f"member{number}@example.com"}
            for number in range(start, start + 1_000)
        ]
        answer = http.post("/v1/users/bulk", json={"operations": made})
        ids += [each["user"]["id"] for each in answer.json()["results"]]
    ids = ids[:10_000]
    group = idp.new_group(*ids)
    assert len(group["members"]) == len(ids)
    path = f"/Groups/{group['id']}"
    assert "members" not in idp.get(path, excludedAttributes="members")
    add = {"Operations": [{"op": "remove", "path": f'members[value eq "{ids[0]}"]'}]}
    assert idp.http.patch(path, json=add).status_code == 204
    assert "members" not in told(idp.http.patch(f"{path}?excludedAttributes=members", json=add))
    assert [each["value"] for each in idp.get(path)["members"]] == ids[1:]
    put = {"schemas": [GROUP], "displayName": "Fewer", "members": [{"value": id} for id in ids[:2_000]]}
    assert len(told(idp.http.put(path, json=put))["members"]) == 2_000
    # A page of groups ends where their members would be too many for one answer.
    others = [idp.new_group(*ids, displayName="Page")["id"] for _ in range(3)]
    assert idp.found('displayName eq "page"', "Groups") == others[:2]
    assert idp.found('displayName eq "page"', "Groups", startIndex=3) == others[2:]
    assert idp.found('displayName eq "page"', "Groups", excludedAttributes="members") == others
    # More users than a filter without an index looks at.
    refused(idp.http.get("/Users", params={"filter": 'displayName co "x"'}), 400, "tooMany")
    assert idp.found('userName eq "member7@example.com" and displayName co "x"') == []
    for id in [group["id"], *others]:
        assert idp.http.delete(f"/Groups/{id}").status_code == 204
