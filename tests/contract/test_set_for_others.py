"""What an admin set for people above member is shown when they leave, and ends in one step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2

from tests.factors import enrolled
from tests.harness import Server, new_key, new_user
from tests.visitor import signed_in

Client = httpx2.Client
PLANTED = "a password that was planted"


def signs_in(http: Client, user: dict[str, Any], password: str = PLANTED) -> int:
    return http.post("/v1/users/verify-password", json={"email": user["email"], "password": password}).status_code


def test_what_an_admin_set_for_others_is_shown_and_ends_in_one_step(
    server: Server, http: Client, as_role: Callable[..., Client]
) -> None:
    bad, good = as_role("admin"), new_user(http, role="admin")
    path = f"/admin/users/{bad.user['id']}"  # type: ignore[attr-defined]
    names = ("Vera Viewer", "Fay Factor", "Poe Promoted", "Ada Again", "Mo Member", "Kay Keyed")
    viewer, factor, promoted, again, member, keyed = [
        new_user(http, name=name, role="member" if name in ("Poe Promoted", "Mo Member") else "viewer")
        for name in names
    ]
    sock = new_user(bad, name="Sock Puppet", role="admin", password=PLANTED)
    planted = new_key(bad, user_id=good["id"])
    with server.http(planted) as client:
        client.put(f"/v1/users/{keyed['id']}/password", json={"password": PLANTED}).raise_for_status()
    for user in (viewer, again, member):
        bad.put(f"/v1/users/{user['id']}/password", json={"password": PLANTED}).raise_for_status()
    enrolled(bad, factor["id"])
    bad.patch(f"/v1/users/{promoted['id']}", json={"role": "viewer"}).raise_for_status()
    http.put(f"/v1/users/{again['id']}/password", json={"password": "a password of their own"}).raise_for_status()
    with signed_in(server) as owner:
        for page in (path, f"{path}/delete", f"{path}/events"):
            assert f'href="{path}/set-for-others"' in owner.get(page).text
        http.delete(f"/v1/users/{bad.user['id']}").raise_for_status()  # type: ignore[attr-defined]
        assert f'href="{path}/set-for-others"' in owner.get(path).text
        shown = owner.get(f"{path}/set-for-others").text
        assert [name in shown for name in names] == [True, True, True, False, False, True]
        assert "Sock Puppet" in shown
        assert signs_in(http, viewer) == signs_in(http, sock) == signs_in(http, keyed) == 200
        assert owner.post(f"{path}/set-for-others", data={}).status_code == 303
        assert "Nothing that they set" in owner.get(f"{path}/set-for-others").text
    assert [signs_in(http, user) for user in (viewer, keyed)] == [401, 401]
    assert http.get(f"/v1/users/{factor['id']}/second-factors").json()["second_factors"] == []
    assert http.get(f"/v1/users/{promoted['id']}").json()["role"] == "member"
    assert http.get(f"/v1/users/{sock['id']}").json()["status"] == "suspended"
    assert signs_in(http, member) == signs_in(http, again, "a password of their own") == 200


def test_ending_it_asks_for_a_proof(server: Server, as_role: Callable[..., Client]) -> None:
    bad = as_role("admin")
    with signed_in(server) as owner:
        server.pass_time(601)
        try:
            answer = owner.post(f"/admin/users/{bad.user['id']}/set-for-others", data={})  # type: ignore[attr-defined]
        finally:
            server.pass_time(0)
        assert 'name="proof_password"' in answer.text
