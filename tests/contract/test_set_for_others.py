"""What an admin set for people above member is shown when they leave, and ends in one step."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import httpx2

from tests.factors import enrolled
from tests.harness import Server, new_key, new_user
from tests.visitor import set_password, signed_in, visitor

Client = httpx2.Client
PLANTED = "a password that was planted"


def signs_in(http: Client, user: dict[str, Any], password: str = PLANTED) -> int:
    return http.post("/v1/users/verify-password", json={"email": user["email"], "password": password}).status_code


def shown(owner: Client, id: str) -> dict[str, tuple[str, bool]]:
    """The lines of the page, by the name of the user: what stands in each, and whether it is selected."""
    answer = owner.get(f"/admin/users/{id}/set-for-others")
    assert answer.status_code == 200, answer.text
    lines = dict[str, tuple[str, bool]]()
    for row in re.findall(r"<tr>(<td class=\"select\">.*?)</tr>", answer.text, re.DOTALL):
        name = re.search(r'<a href="/admin/users/[^"]+">([^<]+)</a>', row)
        assert name is not None, row
        text, checked = lines.get(name[1], ("", False))
        lines[name[1]] = (text + row, checked or bool(re.search(r"<input[^>]* checked", row)))
    return lines


def end_selected(owner: Client, id: str) -> str:
    """Send the form as a browser does that has no JavaScript. Return the page that says what was ended."""
    page = owner.get(f"/admin/users/{id}/set-for-others").text
    data = {"line": re.findall(r'name="line" value="([^"]+)" checked', page)}
    answer = owner.post(f"/admin/users/{id}/set-for-others", data=data)
    assert answer.status_code == 200
    return answer.text


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
        found = shown(owner, bad.user["id"])  # type: ignore[attr-defined]
        assert [name in found for name in names] == [True, True, True, False, False, True]
        assert "Sock Puppet" in found
        assert signs_in(http, viewer) == signs_in(http, sock) == signs_in(http, keyed) == 200
        assert owner.post(f"{path}/set-for-others", data={}).headers["location"].startswith(f"{path}/set-for-others")
        assert signs_in(http, viewer) == 200  # nothing was selected
        assert 'href="/admin/events/evt_' in found["Vera Viewer"][0]
        ended = end_selected(owner, bad.user["id"])  # type: ignore[attr-defined]
        assert f"What {bad.user['name']} set for others" in unescape(ended)  # type: ignore[attr-defined]
        of = dict(re.findall(r"<li><a [^>]+>([^<]+)</a>: (.*?)</li>", ended))
        assert "Send them a link to set a password" in of["Vera Viewer"] and "Send them" not in of["Sock Puppet"]
        assert "Nothing that they set" in owner.get(f"{path}/set-for-others").text
    assert [signs_in(http, user) for user in (viewer, keyed)] == [401, 401]
    assert http.get(f"/v1/users/{factor['id']}/second-factors").json()["second_factors"] == []
    assert http.get(f"/v1/users/{promoted['id']}").json()["role"] == "member"
    assert http.get(f"/v1/users/{sock['id']}").json()["status"] == "suspended"
    assert signs_in(http, member) == signs_in(http, again, "a password of their own") == 200


def test_it_has_what_the_admin_did_as_someone_else_and_no_other_events_hide_it(
    server: Server, http: Client, as_role: Callable[..., Client]
) -> None:
    bad, id = (client := as_role("admin")), client.user["id"]  # type: ignore[attr-defined]
    names = (
        "Eve Email",
        "Rey Restored",
        "Lin Link",
        "Chan Changed",
        "Lee Later",
        "Kim Key",
        "Hal Hop",
        "Una Untouched",
    )
    email, restored, link, changed, later, keyed, hop, untouched = [
        new_user(http, name=name, role="member" if name in ("Lee Later", "Hal Hop") else "viewer") for name in names
    ]
    http.delete(f"/v1/users/{restored['id']}").raise_for_status()
    bad.patch(f"/v1/users/{email['id']}", json={"email": f"x{email['email']}"}).raise_for_status()
    bad.post(f"/v1/users/{restored['id']}/restore").raise_for_status()
    url = bad.post(f"/v1/users/{link['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
    with visitor(server) as opened:
        assert set_password(opened, url, PLANTED).status_code == 303
    for user in (changed, later):
        bad.put(f"/v1/users/{user['id']}/password", json={"password": PLANTED}).raise_for_status()
    with server.http(new_key(http, user_id=changed["id"])) as as_changed:
        body = {"password": "another that was planted", "current_password": PLANTED}
        as_changed.put(f"/v1/users/{changed['id']}/password", json=body).raise_for_status()
    http.patch(f"/v1/users/{later['id']}", json={"role": "viewer"}).raise_for_status()
    key = new_key(bad, user_id=keyed["id"])
    sock = new_user(bad, name="Sock Puppet", role="admin", password=PLANTED)
    with server.http(new_key(http, user_id=sock["id"])) as as_sock:
        as_sock.patch(f"/v1/users/{hop['id']}", json={"role": "viewer"}).raise_for_status()
    members = [
        {"op": "create", "name": "Max", "email": f"{number}{sock['id']}@example.com", "status": "invited"}
        for number in range(1000)
    ]
    bad.post("/v1/users/bulk", json={"operations": members}).raise_for_status()
    with signed_in(server) as owner:
        found = shown(owner, id)
        assert {name: checked for name, (_, checked) in found.items()} == {
            **dict.fromkeys(names[:6], True), "Sock Puppet": True, "Hal Hop": False
        }  # fmt: skip
        assert "Done by" in found["Hal Hop"][0] and "Sock Puppet" in found["Hal Hop"][0]
        assert "1 API key revoked: test." in end_selected(owner, id)
        assert [*shown(owner, id)] == ["Hal Hop"]
    now = {name: http.get(f"/v1/users/{user['id']}").json() for name, user in [("email", email), ("rey", restored)]}
    assert now["email"]["email"] == email["email"] and now["rey"]["status"] == "suspended"
    assert [signs_in(http, user) for user in (link, later)] == [401, 401]
    assert signs_in(http, changed, "another that was planted") == 401
    assert http.get(f"/v1/users/{hop['id']}").json()["role"] == "viewer"
    assert signs_in(http, untouched, untouched["password"]) == 200
    with server.http(key) as ended:
        assert ended.get("/v1/users").status_code == 401


def test_who_has_set_another_password_by_a_link_of_someone_else_is_not_shown(
    server: Server, http: Client, as_role: Callable[..., Client]
) -> None:
    bad = as_role("admin")
    user = new_user(http, name="Ann Again", role="viewer")
    bad.put(f"/v1/users/{user['id']}/password", json={"password": PLANTED}).raise_for_status()
    url = http.post(f"/v1/users/{user['id']}/tokens", json={"purpose": "reset_password"}).json()["url"]
    with visitor(server) as opened:
        assert set_password(opened, url, "a password of their own").status_code == 303
    with signed_in(server) as owner:
        assert not shown(owner, bad.user["id"])  # type: ignore[attr-defined]


def test_ending_it_asks_for_a_proof(server: Server, as_role: Callable[..., Client]) -> None:
    bad = as_role("admin")
    with signed_in(server) as owner:
        server.pass_time(601)
        try:
            answer = owner.post(f"/admin/users/{bad.user['id']}/set-for-others", data={"line": "x"})  # type: ignore[attr-defined]
        finally:
            server.pass_time(0)
        assert 'name="proof_password"' in answer.text
